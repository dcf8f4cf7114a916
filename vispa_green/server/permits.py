"""What a guest may call, with what: his questions are narrowed to what he may see, his writing is his own.

Whatever is not named here is for admins only, so that a new method of a book is closed until somebody opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from vispa_green.access import narrowed
from vispa_green.answers.tagging import names_of
from vispa_green.calls import Call
from vispa_green.errors import IntervalRefused, LedgerForbidden, Malformed
from vispa_green.model import Instant, Move, Origin, ProjectTag, Promise, Selection, SpooledInterval, Visibility
from vispa_green.server.admission import Guest
from vispa_green.server.service import Service

OPEN = frozenset({"grid/values", "grid/unmeasured", "grid/last_asked", "facts/imported_until"})
"""What is nobody's: everybody may ask it."""
OF_NODES = frozenset({"energy/balance", "energy/node_energy"})
"""What tells of whole nodes, and so of whoever computes there: for those who may see all of them."""
AHEAD = timedelta(minutes=5)
"""So far a node's clock may be wrong."""
LONGEST_SPAN = timedelta(days=5 * 366)
LONGEST_DELIVERY = timedelta(days=366)
"""Of all intervals of a batch together: each quarter-hour is a row. Agents cut theirs at quarter-hours."""

Arguments = dict[str, Any]


def permitted(service: Service, guest: Guest, call: Call, arguments: Arguments, at: Instant) -> Arguments:
    """Return the arguments as far as they are this guest's; raise `LedgerForbidden` where nothing is."""
    if (own := _OWN.get(call.name)) is not None and (guest.node or not guest.is_admin):
        return own(service, guest, arguments, at)
    if call.writes:
        if not guest.is_admin:
            raise _refusal(guest, call)
        return arguments
    if call.name in OPEN:
        _check_span(arguments)
        return arguments
    if guest.node and not guest.principal.user:
        raise _refusal(guest, call)
    if isinstance(arguments.get("selection"), Selection):
        return arguments | {"selection": narrowed(arguments["selection"], guest.principal)}
    if guest.is_admin or (call.name in OF_NODES and guest.principal.is_unlimited):
        return arguments
    raise _refusal(guest, call)


def _check_span(arguments: Arguments) -> None:
    """Raise `Malformed` for a span that would be looked through quarter-hour by quarter-hour without an end."""
    start, end = arguments.get("start"), arguments.get("end")
    if isinstance(start, datetime) and isinstance(end, datetime) and end - start > LONGEST_SPAN:
        raise Malformed(f"a span has at most {LONGEST_SPAN.days} days")


def _delivered(service: Service, guest: Guest, arguments: Arguments, at: Instant) -> Arguments:
    """Take intervals of an agent for its own node and this cluster, into a spool that is the node's."""
    if not guest.node:
        raise LedgerForbidden("only agents deliver what was measured; see [server] agents, or use a node's token")
    origin: Origin = arguments["origin"]
    intervals: Sequence[SpooledInterval] = arguments["intervals"]
    return {
        "origin": checked_origin(service, origin, guest.node),
        "intervals": checked_intervals(intervals, guest.node, at),
        "received": at.utc,
    }


def checked_origin(service: Service, origin: Origin, node: str) -> Origin:
    """Return where intervals come from, by who brought them; a spool's name means nothing for another node."""
    cluster = service.config.cluster.name
    if origin.cluster != cluster:
        raise LedgerForbidden(f"this is the account of cluster {cluster!r}; see [cluster] name on {node}")
    return Origin(cluster, f"{node}/{origin.spool_id}")


def checked_intervals(intervals: Sequence[SpooledInterval], node: str, at: Instant) -> Sequence[SpooledInterval]:
    """Return intervals that can be this node's; raise `IntervalRefused` for the first that cannot."""
    for item in intervals:
        if item.interval.node != node:
            raise IntervalRefused(item.sequence, f"it is of node {item.interval.node}, and {node} brought it")
        if item.interval.end > at.utc + AHEAD:
            raise IntervalRefused(item.sequence, "it ends in the future")
        if item.sequence < 1:
            raise IntervalRefused(item.sequence, "no spool counts so")
    if sum((item.interval.end - item.interval.start for item in intervals), timedelta(0)) > LONGEST_DELIVERY:
        alone = intervals[0].sequence if len(intervals) == 1 else None
        raise IntervalRefused(alone, f"it lasts longer than {LONGEST_DELIVERY.days} days")
    return intervals


def _promised(service: Service, guest: Guest, arguments: Arguments, at: Instant) -> Arguments:
    """Take a promise of the guest's own, about a job that is his by Slurm."""
    promise: Promise = arguments["promise"]
    if promise.user != guest.principal.user or not promise.user:
        raise LedgerForbidden("a promise is kept for its own user only")
    service.owners.check(guest.principal, promise)
    return {"promise": replace(promise, cluster=service.config.cluster.name)}


def _moved(service: Service, guest: Guest, arguments: Arguments, at: Instant) -> Arguments:
    """Take moves by the guest of his own promises."""
    user, cluster = guest.principal.user, service.config.cluster.name
    if not user:
        raise LedgerForbidden("moves are kept of users")
    moves: Sequence[Move] = [replace(move, cluster=cluster) for move in arguments["moves"]]
    if moves:
        jobs = tuple({move.job_id for move in moves})
        with service.ledger() as ledger:
            own = ledger.promises.promises(Selection(clusters=(cluster,), job_ids=jobs, users=(user,)))
        known = {(promise.job_id, promise.submitted) for promise in own}
        if any(move.moved_by != user or (move.job_id, move.submitted) not in known for move in moves):
            raise LedgerForbidden("a move is kept of a promise of one's own only")
    return {"moves": moves}


def _tagged(service: Service, guest: Guest, arguments: Arguments, at: Instant) -> Arguments:
    """Take tags by the guest of his own jobs, and of those under accounts that he coordinates."""
    somebody, cluster = guest.principal, service.config.cluster.name
    if not somebody.user:
        raise LedgerForbidden("tags are kept of users")
    tags: Sequence[ProjectTag] = [
        replace(tag, cluster=cluster, tagged_by=somebody.user, tagged_at=at.utc) for tag in arguments["tags"]
    ]
    own = Visibility(somebody.user, somebody.uid, somebody.accounts)
    jobs = tuple({tag.job_id for tag in tags})
    with service.ledger() as ledger:
        found = ledger.energy.jobs(Selection(clusters=(cluster,), job_ids=jobs, visible=own)) if jobs else []
    known = {(name, account.key.submitted) for account in found for name in names_of(account)}
    if any((tag.job_id, tag.submitted) not in known for tag in tags):
        raise LedgerForbidden("a tag is kept of one's own jobs only")
    return {"tags": tags}


def _preferred(service: Service, guest: Guest, arguments: Arguments, at: Instant) -> Arguments:
    """Take what the guest wants himself."""
    user = guest.principal.user
    if not user or arguments["user"] != user:
        raise LedgerForbidden("what somebody wants is kept for himself only")
    return arguments | {"at": at.utc}


def _preferences(service: Service, guest: Guest, arguments: Arguments, at: Instant) -> Arguments:
    """Tell the guest what he said, and nobody else."""
    if not guest.principal.user:
        raise LedgerForbidden("a node's secret delivers and asks nothing")
    return {"users": (guest.principal.user,)}


_OWN: Mapping[str, Callable[[Service, Guest, Arguments, Instant], Arguments]] = {
    "energy/append": _delivered,
    "promises/append": _promised,
    "promises/append_moves": _moved,
    "projects/append": _tagged,
    "preferences/keep": _preferred,
    "preferences/preferences": _preferences,
}


def _refusal(guest: Guest, call: Call) -> LedgerForbidden:
    return LedgerForbidden(f"{call.name} is not for {guest.name}")
