"""Slurm as slurmrestd tells of it: for hosts without Slurm's commands and without munge.

The newest version of its interface that it offers is asked. What users wrote comes in JSON, so it cannot pass
for structure; still each value is taken only in a shape that Slurm gives it. Tested against the daemons
themselves: v0.0.38 (Slurm 22.05.8) and v0.0.42 (24.11.5) tell what Slurm's commands tell. The exit codes of
v0.0.38 are not known.
"""

from __future__ import annotations

import pwd
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from vispa_green.clusters._rest.asking import Door
from vispa_green.clusters._rest.entries import entries
from vispa_green.clusters._rest.facts import facts
from vispa_green.clusters._rest.shapes import rows, text
from vispa_green.clusters.text import WAITING_OR_RUNNING
from vispa_green.errors import SlurmError
from vispa_green.host import Host
from vispa_green.model import Answer, Cluster, JobFact, JobId, QueueEntry
from vispa_green.settings import number, place
from vispa_green.settings import text as setting

EARLIEST_S = 1_000_000
"""Slurm takes no time before the second 1,000,000 (parse_time.c)."""
NAMES_COORDINATORS = frozenset({"with_coords", "WithCoordinators"})
"""What asks for the coordinators of accounts, in v0.0.40 and since v0.0.41. v0.0.38 tells them unasked, and takes
neither."""
_OFFERED = re.compile(r"/slurmdb/(v0\.0\.([0-9]{1,4}))/jobs/?")


def door_address(value: str) -> str:
    """Check where slurmrestd can listen."""
    is_one = value.startswith(("http://", "https://", "unix:///")) and value.partition("://")[2].strip("/")
    return "" if is_one else "write it like http://127.0.0.1:6820 or unix:///run/slurmrestd/slurmrestd.socket"


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[slurm.slurmrestd]``: where it listens, and the user and token it is asked with.

    Without a token file none is sent: for a socket whose mode is the guard (``rest_auth/local``).
    """

    url: str = setting("unix:///run/slurmrestd/slurmrestd.socket", door_address)
    user: str = setting("")
    token_file: Path | None = place(None)
    timeout_s: float = number(60.0, above=0)


@dataclass(frozen=True, slots=True)
class _Offer:
    """A version of the interface, where its lists are (later ones end in a slash), and what asks for coordinators."""

    number: int
    name: str
    slash: str
    coordinators: Mapping[str, str]


@dataclass(slots=True)
class RestCluster:
    """A `Cluster` that is asked through slurmrestd."""

    door: Door
    _offer: _Offer | None = field(default=None, init=False)

    def finished_or_changed(self, since: datetime, until: datetime) -> Answer[list[JobFact]]:
        """Return what accounting has of a span."""
        span = {"start_time": _seconds(since), "end_time": _seconds(until)}
        offer = self._best()
        answer = self.door.get(f"/slurmdb/{offer.name}/jobs{offer.slash}", span)
        return facts(answer, offer.number, _users())

    def jobs(self, job_ids: Sequence[JobId]) -> Answer[list[JobFact]]:
        """Return what accounting has of some jobs, each asked for alone: 22.05 takes no list."""
        offer, uid_of = self._best(), _users()
        found: dict[JobId, JobFact] = {}
        faults: tuple[str, ...] = ()
        for job_id in dict.fromkeys(job_ids):
            if not job_id.isdecimal():
                continue
            one = facts(self.door.get(f"/slurmdb/{offer.name}/job/{job_id}"), offer.number, uid_of)
            # the number of an array's last task brings all of the array
            found |= {fact.job_id: fact for fact in one.records}
            faults += one.faults
        return Answer(list(found.values()), faults)

    def queue(self, at: datetime) -> Answer[list[QueueEntry]]:
        """Return what the controller shows."""
        offer = self._best()
        return entries(self.door.get(f"/slurm/{offer.name}/jobs{offer.slash}"), frozenset(WAITING_OR_RUNNING), at)

    def coordinators(self) -> Mapping[str, frozenset[str]]:
        """Return what accounting says; the names of coordinators were plain texts at first."""
        offer = self._best()
        found: dict[str, frozenset[str]] = {}
        answer = self.door.get(f"/slurmdb/{offer.name}/accounts{offer.slash}", offer.coordinators)
        for account in rows(answer, "accounts"):
            named = rows(account, "coordinators")
            users = {one if isinstance(one, str) else text(one, "name") for one in named} - {""}
            if users and (name := text(account, "name")):
                found[name] = frozenset(users)
        return found

    def _best(self) -> _Offer:
        """Return the newest version that is offered; asked for once, since it changes with the daemon only."""
        if self._offer is None:
            self._offer = _best_of(self.door.get("/openapi"), self.door.url)
        return self._offer


def make(host: Host | None, options: Options) -> Cluster:
    """Return the cluster behind a slurmrestd."""
    return RestCluster(Door(options.url, options.user, options.token_file, options.timeout_s))


def _best_of(openapi: Mapping[str, Any], url: str) -> _Offer:
    """Return the newest version in what slurmrestd says of itself; raise `SlurmError` where there is none."""
    paths = openapi.get("paths")
    offered = [match for path in paths or () if (match := _OFFERED.fullmatch(str(path)))]
    if not offered:
        raise SlurmError(f"slurmrestd at {url} tells nothing of accounting; start it with its openapi/db plugins")
    newest = max(offered, key=lambda match: int(match[2]))
    slash = "/" if newest[0].endswith("/") else ""
    taken = rows(openapi, "paths", f"/slurmdb/{newest[1]}/accounts{slash}", "get", "parameters")
    coordinators = {name: "true" for one in taken if (name := text(one, "name")) in NAMES_COORDINATORS}
    return _Offer(int(newest[2]), newest[1], slash, coordinators)


def _seconds(moment: datetime) -> str:
    # as seconds: a time of day would be read in the zone of the daemon
    return f"uts{max(int(moment.timestamp()), EARLIEST_S)}"


def _users() -> Callable[[str], int | None]:
    """Return what finds a user's number; it remembers for one answer, no longer."""

    @cache
    def uid_of(name: str) -> int | None:
        try:
            return pwd.getpwnam(name).pw_uid
        except (KeyError, ValueError):  # none of that name, or no name at all
            return None

    return uid_of
