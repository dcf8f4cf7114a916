"""A `Ledger` whose books are at a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vispa_green.calls import Call, call_of
from vispa_green.codec import Plain, text_of
from vispa_green.errors import LedgerError, LedgerForbidden, Malformed
from vispa_green.ledgers._remote.channel import Channel
from vispa_green.model import EnergyBook, FactBook, GridBook, PreferenceBook, ProjectBook, PromiseBook

HELLO = "/v1/hello"
LARGEST_BATCH = 4_000_000


class RemoteLedger:
    """The books of a server, as whoever this process is may see and change them."""

    def __init__(self, channel: Channel, node: str, *, read_only: bool) -> None:
        self._channel, self._node, self._read_only = channel, node, read_only
        try:
            channel.get(HELLO)  # a server that is away, or knows nobody here, says so when the ledger is opened
        except BaseException:
            channel.close()
            raise

    @property
    def energy(self) -> EnergyBook:
        """What was measured, and whom it was charged to."""
        book: EnergyBook = self._book("energy")
        return book

    @property
    def grid(self) -> GridBook:
        """What the grid was and will be."""
        book: GridBook = self._book("grid")
        return book

    @property
    def promises(self) -> PromiseBook:
        """What was promised."""
        book: PromiseBook = self._book("promises")
        return book

    @property
    def facts(self) -> FactBook:
        """What Slurm said."""
        book: FactBook = self._book("facts")
        return book

    @property
    def projects(self) -> ProjectBook:
        """What work was for."""
        book: ProjectBook = self._book("projects")
        return book

    @property
    def preferences(self) -> PreferenceBook:
        """What users want."""
        book: PreferenceBook = self._book("preferences")
        return book

    def close(self) -> None:
        """Release the connection."""
        self._channel.close()

    def _book(self, name: str) -> Any:  # noqa: ANN401 - it has every method of the book's protocol
        return _RemoteBook(name, self._called)

    def _called(self, book: str, method: str, given: tuple[Any, ...], named: dict[str, Any]) -> object:
        call = call_of(book, method)
        if call is None:
            raise AttributeError(f"{book}.{method}")
        if call.writes and self._read_only:
            raise LedgerForbidden("the ledger was opened to be read only")
        try:
            message = call.written(given, named)
            if call.name == "energy/append":
                return self._delivered(call, message)
            return call.answer.read(self._channel.post(f"/v1/books/{call.name}", message), "the answer")
        except Malformed as error:
            raise LedgerError(f"{call.name}: {error}") from None

    def _delivered(self, call: Call, message: Plain) -> int:
        """Deliver a batch; a large one in parts, since no server takes a body of any size. Each counts once."""
        intervals = message["intervals"]
        if len(intervals) > 1 and len(text_of(message)) > LARGEST_BATCH:
            half = len(intervals) // 2
            parts = (intervals[:half], intervals[half:])
            return sum(self._delivered(call, {**message, "intervals": part}) for part in parts)
        answer = self._channel.post(f"/v1/books/{call.name}", message, node=self._node, patient=False)
        added: int = call.answer.read(answer, "the answer")
        return added


class _RemoteBook:
    """One book: whatever its protocol can be asked is sent."""

    def __init__(self, name: str, called: Callable[[str, str, tuple[Any, ...], dict[str, Any]], object]) -> None:
        self._name, self._called = name, called

    def __getattr__(self, method: str) -> Callable[..., object]:
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *given, **named: self._called(self._name, method, given, named)
