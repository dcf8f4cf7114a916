"""Batches that agents left as files (`vispa_green.ledgers.dir`): believed of agents' users, booked, then removed.

A file proves its owner and nothing more, so whose node it is, is the agent's word; a site whose agents' user can be
had on a node lets them come by network. What cannot be booked is set aside under another name, for people to look at.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vispa_green.calls import call_of
from vispa_green.codec import parsed
from vispa_green.errors import ConfigError, IntervalRefused, LedgerForbidden, Malformed
from vispa_green.host import user_number
from vispa_green.model import Ledger, Origin, Quality, SpooledInterval
from vispa_green.server.admission import NODE_NAME
from vispa_green.server.figures import REFUSED
from vispa_green.server.limits import unzipped
from vispa_green.server.permits import checked_intervals, checked_origin
from vispa_green.server.service import Service

log = logging.getLogger(__name__)

SUFFIX, ASIDE = ".json.gz", ".refused"
MOST_AT_ONCE = 500


class InboxFolder:
    """The directory of a service, emptied by `empty`."""

    def __init__(self, service: Service, directory: Path) -> None:
        self._service, self._directory = service, directory
        self._agents = {user_number(name) for name in service.config.server.agents}

    def empty(self) -> int:
        """Book what is there; return how many intervals were new, or raise `LedgerError` where that cannot be now."""
        added = 0
        folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._check(os.fstat(folder))
            names = [name for name in sorted(os.listdir(folder)) if name.endswith(SUFFIX) and name[0] != "."]  # noqa: PTH208
            for name in names[:MOST_AT_ONCE]:
                try:
                    added += self._booked(folder, name)
                except (IntervalRefused, LedgerForbidden, Malformed) as error:
                    self._service.tally.count(REFUSED, reason=type(error).__name__)
                    log.warning("%s: %r is set aside: %s", self._directory, name, error)
                    os.rename(name, name + ASIDE, src_dir_fd=folder, dst_dir_fd=folder)
                else:
                    os.unlink(name, dir_fd=folder)
        finally:
            os.close(folder)
        return added

    def _booked(self, folder: int, name: str) -> int:
        call = call_of("energy", "append")
        assert call is not None
        most = self._service.config.server.most_bytes
        found = call.read(parsed(unzipped(self._read(folder, name, most), most)))
        intervals: Sequence[SpooledInterval] = found["intervals"]
        node = intervals[0].interval.node if intervals else ""
        if not NODE_NAME.fullmatch(node):
            raise Malformed("it is of no node")
        at = self._service.clock()
        origin = checked_origin(self._service, found["origin"], node)
        checked_intervals(intervals, node, at)
        with self._service.turns.one(), self._service.ledger() as ledger:
            try:
                added = ledger.energy.append(origin, intervals, at.utc)
            except IntervalRefused as refusal:
                log.warning("%s: in %r, %s: its time becomes a gap", self._directory, name, refusal)
                self._service.tally.count(REFUSED, reason="IntervalRefused")
                added = sum(_one_by_one(ledger, origin, item, self._service) for item in intervals)
        self._service.tally.delivered(added, intervals)
        return added

    def _read(self, folder: int, name: str, most: int) -> bytes:
        """Read one file without following, waiting for or believing anything."""
        try:
            number = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            raise Malformed(f"it cannot be opened ({error.strerror})") from None
        try:
            about = os.fstat(number)
            if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
                raise Malformed("it is no file of its own")
            if about.st_uid not in self._agents or about.st_mode & 0o022:
                raise LedgerForbidden("it is not an agent's; see [server] agents")
            if about.st_size > most:
                raise Malformed(f"it has more than {most} bytes")
            with open(number, "rb", closefd=False) as file:
                return file.read(most)
        finally:
            os.close(number)

    def _check(self, about: os.stat_result) -> None:
        """Raise `ConfigError` for a directory in which anybody could put another file in the place of one."""
        if about.st_mode & stat.S_IWOTH and not about.st_mode & stat.S_ISVTX:
            raise ConfigError(f"[server] inbox: anybody may write to {self._directory}; give it mode 2770")


def _one_by_one(ledger: Ledger, origin: Origin, item: SpooledInterval, service: Service) -> int:
    """Book one interval of a batch that was refused; where it was this one, its time as a gap."""
    now = service.clock().utc
    try:
        return ledger.energy.append(origin, [item], now)
    except IntervalRefused:
        gap = replace(item.interval, quality=Quality.GAP, entries=(), jobs=(), reason="the ledger refused it")
        return ledger.energy.append(origin, [replace(item, interval=gap)], now)
