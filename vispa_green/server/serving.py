"""gunicorn, embedded: one process that answers with threads, and one that starts it anew if it dies.

One, because counters, rates and the order of writers are then the same for everybody; the ledger has one writer
at a time anyway, and measured it answers far more agents than a cluster has.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.workers import gthread

from vispa_green.config import ServerSection
from vispa_green.errors import ConfigError
from vispa_green.server.app import application
from vispa_green.server.errands import Errands
from vispa_green.server.reading import READINGS
from vispa_green.server.service import Service, socket_mode
from vispa_green.session import Session

log = logging.getLogger(__name__)
FIRST_BYTE_WITHIN_S = 0.5
"""So long a silent connection has a thread; then it waits without one."""
MOST_CONNECTIONS = 2000


class PatientlessWorker(gthread.ThreadWorker):  # type: ignore[misc]
    """Threads that wait for no slow request longer than `vispa_green.server.reading` lets them."""

    def handle(self, conn: Any) -> Any:  # noqa: ANN401 - gunicorn's own types
        """Answer a request of a connection."""
        with READINGS.one(conn):
            return super().handle(conn)


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with the service of a session."""

    def __init__(self, session: Session) -> None:
        self._session, self._settings = session, session.config.server
        _check(self._settings)
        Service(session).close()  # what is wrong with the configuration or the ledger is said here, in one line
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn; what this version of it does not know is left out."""
        gthread.DEFAULT_WORKER_DATA_TIMEOUT = FIRST_BYTE_WITHIN_S
        for name, value in self._options().items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:  # noqa: ANN401
        """Return the application; called in the process that answers."""
        service = Service(self._session)
        Errands(service).start()
        return application(service)

    def _options(self) -> Mapping[str, Any]:
        settings = self._settings
        return {
            "bind": list(settings.listen),
            "umask": 0o777 & ~socket_mode(settings.socket_mode),
            "workers": 1,
            "worker_class": PatientlessWorker,
            "threads": settings.threads,
            "worker_connections": MOST_CONNECTIONS,
            "timeout": 60,
            "graceful_timeout": 10,
            "keepalive": 15,
            "proc_name": "vispa-green server",
            "control_socket_disable": True,
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "header_map": "refuse",
            "loglevel": "warning",
            "limit_request_line": 4094,
            "limit_request_fields": 50,
            "limit_request_field_size": 8190,
        }


def _check(settings: ServerSection) -> None:
    socket_mode(settings.socket_mode)
    if not settings.listen:
        raise ConfigError("[server] listen names no address; write unix:/run/vispa-green/server.sock or 0.0.0.0:8642")
