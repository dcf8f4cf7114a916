"""A line for every privileged look: who saw what of whom. Whoever cannot be written down does not see."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from vispa_green.access import Principal
from vispa_green.codec import text_of
from vispa_green.errors import LedgerBusy
from vispa_green.model import Selection
from vispa_green.printable import printable

MOST_NAMES, LONGEST_NAME = 10, 100


class Looks:
    """An append-only file of JSON lines, each written whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, principal: Principal, kind: str, what: str, whose: Selection | None, at: datetime) -> None:
        """Write down a look, if it is one that only a role or coordination allows; raise `LedgerBusy` if not."""
        if not is_privileged(principal, whose):
            return
        role = "+".join(sorted(role.value for role in principal.roles)) or "coordinator"
        line = {"at": at.isoformat(), "who": principal.user, "by": kind, "as": role, "what": what}
        try:
            self._write(text_of({**line, "whose": _whose(whose)}) + "\n")
        except OSError as error:
            raise LedgerBusy(
                f"a look at others' jobs cannot be logged ({error.strerror}), so it is not given"
            ) from error

    def _write(self, line: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def is_privileged(principal: Principal, whose: Selection | None) -> bool:
    """Say whether somebody asks for others' jobs, and may see them for what he is rather than as everybody may."""
    if principal.sees_all or not (principal.roles or principal.accounts):
        return False
    own = whose is not None and whose.users == (principal.user,) and set(whose.uids) <= {principal.uid}
    return not own


def _whose(selection: Selection | None) -> dict[str, list[str]]:
    """Return whom a question is about; nobody named is everybody."""
    if selection is None:
        return {}
    keys = tuple(f"{key.cluster}/{key.job_id}" for key in selection.keys)
    uids = tuple(map(str, selection.uids))
    told = {
        "users": selection.users,
        "uids": uids,
        "accounts": selection.accounts,
        "jobs": (*selection.job_ids, *keys),
    }
    return {name: _some(values) for name, values in told.items() if values}


def _some(names: Sequence[str]) -> list[str]:
    """Return the first names; nobody may fill a disk with a question."""
    more = [f"and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return [*(printable(name)[:LONGEST_NAME] for name in names[:MOST_NAMES]), *more]
