"""What is known of the grid in a span: the ledger first, then the providers, in order. Fails softly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vispa_green.config import GridSection
from vispa_green.energy.carbon import GridSignal
from vispa_green.errors import GridError, LedgerError, VispaGreenError
from vispa_green.grid import PROVIDERS
from vispa_green.ledgers import open_ledger
from vispa_green.model import GridKind, GridValue, Ledger, Quantity

FORESIGHT = timedelta(hours=48)
"""Fetched ahead whatever was asked: no public forecast reaches further, and the next caller needs it."""
SHORTEST_REFRESH = timedelta(seconds=60)
"""A span that nobody can cover yet is not asked for at every call."""


@dataclass(frozen=True, slots=True)
class GridKnowledge:
    """The values of a span by quantity, and what went wrong on the way, in plain words."""

    values: Mapping[Quantity, tuple[GridValue, ...]]
    warnings: tuple[str, ...]
    provider_order: tuple[str, ...]

    def signals(self, kind: GridKind | None = None) -> dict[Quantity, GridSignal]:
        """Return one signal for each quantity of which anything is known, of one kind of value or of both."""
        chosen = {q: [v for v in vs if kind in {None, v.kind}] for q, vs in self.values.items()}
        return {q: GridSignal.from_values(vs, q, self.provider_order) for q, vs in chosen.items() if vs}


def what_is_known(
    start: datetime,
    end: datetime,
    *,
    options: GridSection,
    ledger: Ledger | None,
    now: datetime,
    always_ask: bool = False,
) -> GridKnowledge:
    """Return what is known of ``[start, end)``, after asking the providers where that is called for.

    They are asked if part of the span is unknown, or if part of it lies ahead and the newest value is
    older than ``refresh_s``; the next one only if the span is still not covered then. New values go
    into the ledger; one that cannot be written to is no fault, as most users' is their site's.
    """
    values, warnings = _stored(ledger, start, end)
    if always_ask or _is_wanting(values, start, end, now, options):
        for name in options.providers:
            try:
                fetched = _fetch(name, options, start, end, now)
            except VispaGreenError as error:
                warnings.append(f"{name}: {error}")
                continue
            warnings += _missing(name, fetched)
            _store(ledger, fetched)
            values = _newest([*values, *(v for v in fetched if v.start < end and v.end > start)])
            if _is_covered(values, start, end):
                break
    by_quantity = {quantity: tuple(v for v in values if v.quantity is quantity) for quantity in Quantity}
    return GridKnowledge(by_quantity, tuple(warnings), options.providers)


def ledger_at(url: str) -> Ledger | None:
    """Open a ledger to write where that is allowed, else to read, else return ``None``."""
    for create, read_only in ((True, False), (False, True)):
        try:
            return open_ledger(url, create=create, read_only=read_only)
        except VispaGreenError:
            continue
    return None


def _stored(ledger: Ledger | None, start: datetime, end: datetime) -> tuple[list[GridValue], list[str]]:
    if ledger is None:
        return [], []
    try:
        return [value for quantity in Quantity for value in ledger.grid_values(quantity, start, end)], []
    except LedgerError as error:
        return [], [f"ledger: {error}"]


def _is_wanting(
    values: Sequence[GridValue], start: datetime, end: datetime, now: datetime, options: GridSection
) -> bool:
    ahead = [value for value in values if value.end > now] if end > now else list(values)
    if end > now and now - _newest_fetch(ahead) > timedelta(seconds=options.refresh_s):
        return True
    past = [value for value in values if value.kind is GridKind.MEASURED]
    gap = _first_gap(past if end <= now else values, start, end)
    if gap is None:
        return False
    # Whoever asked last may have asked for a later span: what counts is who would have got the first gap, too.
    asked = _newest_fetch(value for value in values if value.start <= gap)
    return now - asked > min(SHORTEST_REFRESH, timedelta(seconds=options.refresh_s))


def _newest_fetch(values: Iterable[GridValue]) -> datetime:
    return max((value.fetched_at for value in values), default=datetime.min.replace(tzinfo=UTC))


def _first_gap(values: Sequence[GridValue], start: datetime, end: datetime) -> datetime | None:
    """Return the first moment of ``[start, end)`` at which some quantity is unknown, ``None`` if all is known."""
    gaps = []
    for quantity in Quantity:
        signal = GridSignal.from_values(values, quantity)
        moments = [start, *(edge for edge in signal.edges if start < edge < end)]
        gaps += [moment for moment in moments if not signal.covers(moment, moment)][:1]
    return min(gaps, default=None)


def _is_covered(values: Sequence[GridValue], start: datetime, end: datetime) -> bool:
    return all(GridSignal.from_values(values, quantity).covers(start, end) for quantity in Quantity)


def _fetch(name: str, options: GridSection, start: datetime, end: datetime, now: datetime) -> Sequence[GridValue]:
    provider = PROVIDERS.load(name)(options)
    last = max(end, now + FORESIGHT) if end > now else end
    try:
        return provider.fetch(start, last, now)
    except ValueError as error:  # a provider that is not ours may raise it on data it did not expect
        raise GridError(str(error)) from error


def _missing(name: str, fetched: Sequence[GridValue]) -> list[str]:
    present = {value.quantity for value in fetched}
    if not present:
        return [f"{name}: has nothing for this time"]
    return [f"{name}: no {quantity}" for quantity in Quantity if quantity not in present]


def _store(ledger: Ledger | None, values: Sequence[GridValue]) -> None:
    if ledger is None:
        return
    try:
        ledger.append_grid_values(values)
    except LedgerError:
        return


def _newest(values: Sequence[GridValue]) -> list[GridValue]:
    """Keep the last fetched of the same step, kind and source: what was just fetched replaces what was stored."""
    latest = {(v.quantity, v.kind, v.source, v.start, v.end): v for v in sorted(values, key=lambda v: v.fetched_at)}
    return list(latest.values())
