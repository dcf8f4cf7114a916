"""Who asks, and what of an answer is for him: the edge of `vispa_green.access`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from vispa_green.access import Principal, Role, narrowed
from vispa_green.config import Config
from vispa_green.errors import SlurmError
from vispa_green.host import user_name
from vispa_green.ledgers import decides_itself
from vispa_green.model import Selection, Visibility
from vispa_green.session import Session


def who_asks(session: Session) -> Principal:
    """Return who runs this program: an admin is root, who owns the ledger, or whom ``[access] admins`` names.

    A server asks for somebody else, and has found out already who that is.
    """
    if session.asker is not None:
        return session.asker
    uid = os.getuid()
    user = user_name(uid)
    is_admin = uid == 0 or user in session.config.access.admins or _owns_ledger(session, uid)
    return Principal(user, uid, roles=frozenset({Role.ADMIN} if is_admin else ()))


def for_asker(session: Session, selection: Selection) -> Selection:
    """Return the selection as far as it is for whoever runs this program.

    What ``[access] others`` says decides about others' jobs: ``always``, ``never``, or ``slurm``, which is to
    follow Slurm's ``PrivateData``; where Slurm does not answer, nothing of others is shown. A ledger at a server
    is asked for all: the server narrows the question, by its own configuration.
    """
    if session.asker is None and decides_itself(session.ledger_url, session.config.options("ledger")):
        return selection
    principal = who_asks(session)
    if principal.is_unlimited or session.config.access.others == "always":
        return selection
    if selection.users == (principal.user,):  # nothing of others is asked for, so Slurm need not be
        return narrowed(selection, principal)
    return narrowed(selection, as_slurm_sees(session.config, principal))


def own_or_kept(session: Session, selection: Selection) -> Selection:
    """Return the selection as far as the asker has a say in the jobs: his own; who keeps the ledger, in all."""
    somebody = who_asks(session)
    if Role.ADMIN in somebody.roles:
        return selection
    return replace(selection, visible=Visibility(somebody.user, somebody.uid, somebody.accounts))


def as_slurm_sees(config: Config, principal: Principal) -> Principal:
    """Return somebody with what Slurm lets him see of others."""
    from vispa_green.slurm import commands, privacy

    settings = config.slurm
    if config.access.others == "never" or not settings.enabled or not commands.available():
        return principal
    try:
        if not privacy.hides_jobs(timeout_s=settings.timeout_s):
            return Principal(principal.user, principal.uid, sees_all=True)
        accounts = privacy.coordinated_accounts(principal.user, timeout_s=settings.timeout_s)
    except SlurmError:
        return principal
    return Principal(principal.user, principal.uid, accounts)


def _owns_ledger(session: Session, uid: int) -> bool:
    scheme, _, place = session.ledger_url.partition("://")
    try:
        return scheme == "sqlite" and Path(place).stat().st_uid == uid
    except OSError:
        return False
