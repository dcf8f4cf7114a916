"""A real SMTP server on loopback that keeps what it is given."""

import asyncio
import socket
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Received:
    """One mail: the envelope that the server was told, and the message inside."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


class MailSink:
    """Takes mail for everybody but the `refused` recipients, who get 550.

    Before each it takes ``pause_s``; it hangs up instead of taking more than ``hangs_up_after`` by one connection.
    """

    def __init__(self, refused: Iterable[str] = (), *, pause_s: float = 0.0, hangs_up_after: int = 0) -> None:
        self.messages: list[Received] = []
        self._refused = frozenset(refused)
        self._taken: defaultdict[Session, int] = defaultdict(int)
        self._pause_s, self._hangs_up_after = pause_s, hangs_up_after
        self._controller = _BoundController(self)

    @property
    def host(self) -> str:
        """Where it listens."""
        return str(self._controller.hostname)

    @property
    def port(self) -> int:
        """The free port that it took."""
        return int(self._controller.port)

    def __enter__(self) -> Self:
        """Listen, in a thread of its own."""
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; the messages stay."""
        self._controller.stop()

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept or refuse one recipient (called by aiosmtpd)."""
        if self._hangs_up_after and self._taken[session] >= self._hangs_up_after:
            return "421 enough for once"
        if address in self._refused:
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep one mail (called by aiosmtpd)."""
        await asyncio.sleep(self._pause_s)
        self._taken[session] += 1
        content = (envelope.original_content or b"").replace(b"\r\n", b"\n")  # CRLF is for the wire only
        message = message_from_bytes(content, policy=policy.default)
        self.messages.append(Received(envelope.mail_from or "", tuple(envelope.rcpt_tos), message))
        return "250 kept"


class _BoundController(Controller):
    """aiosmtpd's controller on a socket bound beforehand: it cannot say which port it took when asked for port 0."""

    def __init__(self, sink: MailSink) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        super().__init__(sink, hostname="127.0.0.1", port=self._socket.getsockname()[1])

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self._socket)
