"""What the server does unasked, in a thread of its own: cut off slow requests, fetch the grid, empty its inbox."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from vispa_green.answers.grid import FORESIGHT, known_of
from vispa_green.config import ServerSection
from vispa_green.server.inbox import InboxFolder
from vispa_green.server.reading import READINGS
from vispa_green.server.service import Service

log = logging.getLogger(__name__)
CUT_EACH_S, INBOX_EACH_S = 0.5, 2.0
HURRIED_S = 1.0
BEFORE = timedelta(hours=1)


def _patience_s(settings: ServerSection) -> float:
    """Return how long a request may be read: not long while slow ones hold the threads that others need."""
    return settings.read_limit_s if len(READINGS) < settings.threads // 2 else min(HURRIED_S, settings.read_limit_s)


class Errands:
    """Threads that end with the process."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def start(self) -> None:
        """Begin; what fails is logged and done again at its next time."""
        settings = self._service.config.server
        self._each(CUT_EACH_S, "cutting off", lambda: READINGS.cut_off(_patience_s(settings)))
        self._each(self._service.config.grid.refresh_s, "grid", self._fetch_grid)
        if settings.inbox is not None:
            self._each(INBOX_EACH_S, "inbox", InboxFolder(self._service, settings.inbox).empty)
        threading.Thread(target=self._safely, args=("recalling nodes", self._recall), daemon=True).start()

    def _each(self, seconds: float, what: str, errand: Callable[[], object]) -> None:
        def run() -> None:
            while True:
                self._safely(what, errand)
                time.sleep(seconds)

        threading.Thread(target=run, name=what, daemon=True).start()

    def _safely(self, what: str, errand: Callable[[], object]) -> None:
        try:
            errand()
        except Exception:  # whatever it is, the next time may be better
            log.exception("%s failed", what)

    def _fetch_grid(self) -> None:
        """Ask the providers before anybody has to wait for them: users may not write what they fetch."""
        session = self._service.session_of(None)
        if session.config.grid.providers:
            known_of(session, session.now.utc - BEFORE, session.now.utc + FORESIGHT)

    def _recall(self) -> None:
        now = self._service.clock().utc
        with self._service.ledger() as ledger:
            self._service.tally.recall(ledger.energy.node_energy(now - BEFORE, now))
