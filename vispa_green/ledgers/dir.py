"""For nodes that reach no server: batches as files in a directory that they share with it, ``dir:///shared/inbox``.

It takes what agents deliver and answers nothing; users ask the server, which empties it (`vispa_green.server.inbox`).
A batch is there whole or not at all, on disk before it counts as delivered, and may be there twice.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, cast

from vispa_green.calls import call_of
from vispa_green.codec import text_of
from vispa_green.errors import ConfigError, LedgerError, LedgerMissing
from vispa_green.host import Host
from vispa_green.ledgers import LedgerPlace
from vispa_green.model import EnergyBook, Ledger, Origin, SpooledInterval
from vispa_green.registry import NoOptions

FILE_MODE = 0o640
"""The directory's group is the server's (mode 2770), and nobody else reads what a node computes."""

WRITING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class InboxEnergy:
    """The one method of an `EnergyBook` that a directory can do."""

    directory: Path

    def append(self, origin: Origin, intervals: Sequence[SpooledInterval], received: datetime) -> int:
        """Write a batch down; return how many intervals are on disk then."""
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise LedgerError(f"{self.directory} cannot be written to; it is for agents, see docs/server.md")
        if intervals:
            call = call_of("energy", "append")
            assert call is not None
            message = text_of(call.written((origin, intervals, received), {}))
            name = f"{origin.spool_id}-{intervals[0].sequence:012}-{intervals[-1].sequence:012}.json.gz"
            self._write(name, gzip.compress(message.encode(), 5))
        return len(intervals)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        _refuse(self.directory, name)

    def _write(self, name: str, data: bytes) -> None:
        staged = self.directory / f".{name}.{os.urandom(4).hex()}"
        try:
            descriptor = os.open(staged, WRITING, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            staged.replace(self.directory / name)
            folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with suppress(OSError):
                staged.unlink(missing_ok=True)
            raise LedgerError(f"{self.directory}: a batch cannot be written ({error.strerror})") from error


@dataclass(frozen=True, slots=True)
class Inbox:
    """A `Ledger` that only takes what was measured."""

    directory: Path

    @property
    def energy(self) -> EnergyBook:
        """Where agents deliver to."""
        return cast("EnergyBook", InboxEnergy(self.directory))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - no other book is here
        _refuse(self.directory, name)

    def close(self) -> None:
        """Release nothing."""


class SharedDirectories:
    """The directories that a server empties; a `vispa_green.ledgers.LedgerPlace`."""

    def open_ledger(self, url: str, *, create: bool, read_only: bool, cluster: str, zone: str) -> Ledger:
        """Open a directory that its admin has made; an agent makes none, for it could not say who may read it."""
        directory = Path(url.removeprefix("dir://"))
        if not directory.is_absolute():
            raise ConfigError(f"[ledger] url: {url!r} needs an absolute path, as in dir:///shared/vispa-green/inbox")
        if not directory.is_dir():
            raise LedgerMissing(f"there is no directory {directory}; make it with mode 2770 and the server's group")
        return cast("Ledger", Inbox(directory))


def _refuse(directory: Path, name: str) -> NoReturn:
    if name.startswith("_"):
        raise AttributeError(name)
    raise LedgerError(
        f"dir://{directory} takes what agents deliver and answers nothing: here [ledger] url has to be the server's"
        " address"
    )


def make(host: Host | None, options: NoOptions) -> LedgerPlace:
    """Return the kind of place."""
    return SharedDirectories()
