"""Who may see whose jobs. Pure: who somebody is, is found out at the edge (`vispa_green.answers.asking`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from vispa_green.model import Selection, Visibility


class Role(StrEnum):
    """What somebody is besides a user; both see everybody's jobs."""

    ADMIN = "admin"
    SUPPORT = "support"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks: a user, the accounts he coordinates, his roles.

    ``sees_all`` is for a site whose Slurm shows everybody's jobs to everybody.
    """

    user: str
    uid: int | None
    accounts: tuple[str, ...] = ()
    roles: frozenset[Role] = frozenset()
    sees_all: bool = False

    @property
    def is_unlimited(self) -> bool:
        """Whether nothing is hidden from him."""
        return self.sees_all or bool(self.roles)


def may_see(principal: Principal, user: str, uid: int | None, account: str) -> bool:
    """Say whether somebody may see a job of this owner under this account."""
    if principal.is_unlimited or (user and user == principal.user):
        return True
    if not user and uid is not None and uid == principal.uid:
        return True
    return bool(account) and account in principal.accounts


def narrowed(selection: Selection, principal: Principal) -> Selection:
    """Return the selection without what the principal may not see; no book is asked for more than that."""
    if principal.is_unlimited:
        return selection
    return replace(selection, visible=Visibility(principal.user, principal.uid, principal.accounts))
