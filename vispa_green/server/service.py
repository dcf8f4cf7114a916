"""What the server's requests share: configuration, clock, ledger, and who counts, remembers and logs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from vispa_green import host
from vispa_green.access import Principal
from vispa_green.errors import ConfigError, IntervalRefused, LedgerError
from vispa_green.ledgers import decides_itself
from vispa_green.model import Instant, Ledger
from vispa_green.server.admission import Admission
from vispa_green.server.booking import Bookings
from vispa_green.server.figures import Tally
from vispa_green.server.limits import Rate, Turns
from vispa_green.server.looks import Looks
from vispa_green.server.owners import Owners
from vispa_green.server.seen import SeenFile
from vispa_green.session import Session

STATE_MODE = 0o700


class Service:
    """One server's own things. Threads share it; each has a connection to the ledger of its own."""

    def __init__(self, session: Session, clock: Callable[[], Instant] = host.now) -> None:
        self._session, self.clock, self.config = session, clock, session.config
        if decides_itself(session.ledger_url, self.config.options("ledger")):
            raise ConfigError(
                f"[ledger] url: {session.ledger_url} is at a server; the server itself needs the ledger"
            )
        state = self.config.server.state_dir or session.state_dir / "server"
        try:
            state.mkdir(mode=STATE_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"[server] state_dir: {state}: {error.strerror}") from error
        self.seen = SeenFile(state / "seen.sqlite")
        self.admission = Admission(self.config, self.seen)
        self.looks = Looks(state / "looks.log")
        self.owners = Owners(self.config, session)
        self.rate = Rate(self.config.server.most_a_minute)
        self.bookings = Bookings(self.ledger)
        self.turns = Turns(max(1, self.config.server.threads // 2))
        self.tally = Tally()
        self._local = threading.local()
        with self.ledger():  # so that it is made, or brought up to date, before anybody asks
            pass

    def session_of(self, principal: Principal | None) -> Session:
        """Return a session for whom the server asks; for itself with ``None``."""
        return replace(self._session, now=self.clock(), asker=principal)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Lend this thread its ledger; one that failed is opened anew next time."""
        ledger: Ledger | None = getattr(self._local, "ledger", None)
        if ledger is None:
            ledger = self._local.ledger = self._session.ledger(create=True)
        try:
            yield ledger
        except IntervalRefused:
            raise
        except (LedgerError, OSError):
            self._local.ledger = None
            ledger.close()
            raise

    def close(self) -> None:
        """Release what this thread holds."""
        ledger: Ledger | None = getattr(self._local, "ledger", None)
        if ledger is not None:
            ledger.close()
        self.seen.close()


def socket_mode(text: str) -> int:
    """Return the mode of the server's sockets; raise `ConfigError` for what is none."""
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise ConfigError(f"[server] socket_mode: {text!r} is not a mode like 0666")
    return mode
