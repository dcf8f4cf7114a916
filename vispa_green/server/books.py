"""``POST /v1/books/BOOK/METHOD``: the ledger's books, as far as they are the caller's."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.exceptions import NotFound

from vispa_green import __version__
from vispa_green.calls import Call, call_of
from vispa_green.codec import Plain, parsed
from vispa_green.errors import IntervalRefused, LedgerForbidden, Malformed
from vispa_green.model import Batch, Ledger, Selection
from vispa_green.server.asking import Visit, visited
from vispa_green.server.figures import REFUSED
from vispa_green.server.permits import Arguments, permitted
from vispa_green.server.service import Service


def rules(service: Service) -> Blueprint:
    """Return the addresses of the books."""
    made = Blueprint("books", __name__)

    @visited(service, made, "/v1/hello", "GET")
    def hello(visit: Visit) -> Plain:
        guest = visit.guest
        return {
            "version": __version__,
            "cluster": service.config.cluster.name,
            "user": guest.principal.user,
            "node": guest.node,
            "roles": sorted(role.value for role in guest.principal.roles),
            "accounts": list(guest.principal.accounts),
            "by": guest.caller.kind,
        }

    @visited(service, made, "/v1/books/<book>/<method>", "POST")
    def books(visit: Visit, book: str, method: str) -> Plain:
        call = call_of(book, method)
        if call is None:
            raise NotFound("no book of the ledger has such a method")
        return called(visit, call)

    return made


def called(visit: Visit, call: Call) -> Plain:
    """Ask a book, and return its answer as a message."""
    service = visit.service
    try:
        arguments = permitted(service, visit.guest, call, call.read(parsed(visit.body)), service.clock())
        _note_look(visit, call, arguments)
        if call.name == "energy/append":
            return call.answer.write(_delivered(service, arguments))
        with service.ledger() as ledger:
            if not call.writes:
                return call.answer.write(_asked(ledger, call, arguments))
            with service.turns.one():
                answer = _asked(ledger, call, arguments)
    except (IntervalRefused, LedgerForbidden, Malformed) as error:
        if call.name == "energy/append":
            service.tally.count(REFUSED, reason=type(error).__name__)
        raise
    return call.answer.write(answer)


def _delivered(service: Service, arguments: Arguments) -> int:
    """Book what an agent brought, and return how many intervals were new, once they are committed."""
    batch = Batch(arguments["origin"], arguments["intervals"])
    with service.turns.one():
        added = service.bookings.book(batch, arguments["received"])
    service.tally.delivered(added, batch.intervals)
    return added


def _asked(ledger: Ledger, call: Call, arguments: Arguments) -> object:
    answer: object = getattr(getattr(ledger, call.book), call.method)(**arguments)
    return answer


def _note_look(visit: Visit, call: Call, arguments: Arguments) -> None:
    """Log a look at jobs or nodes; the grid is nobody's, and an agent's delivery is no look."""
    guest = visit.guest
    if call.book == "grid" or not guest.principal.user or (call.name == "energy/append" and guest.node):
        return
    selection = arguments.get("selection")
    whose = selection if isinstance(selection, Selection) else None
    if call.writes and not guest.is_admin:
        return
    visit.service.looks.note(
        guest.principal, guest.caller.kind, f"books/{call.name}", whose, visit.service.clock().utc
    )
