"""What is known of the grid in a span: the ledger first, then the providers, in order. Fails softly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from vispa_green.energy.carbon import GridSignal
from vispa_green.errors import GridError, LedgerError, VispaGreenError
from vispa_green.model import GridKind, Quantity
from vispa_green.providers import PROVIDERS

if TYPE_CHECKING:
    from vispa_green.config import Config, GridSection
    from vispa_green.model import GridValue, Ledger
    from vispa_green.session import Session

FORESIGHT = timedelta(hours=48)
"""Fetched ahead whatever was asked: no public forecast reaches further, and the next caller needs it."""
SHORTEST_REFRESH = timedelta(seconds=60)
"""A span that nobody can cover yet is not asked for at every call."""
STILL_COMES, RARELY = timedelta(days=2), timedelta(hours=6)
"""What a provider does not have so long after the time, it hardly gets; it is asked again after hours."""


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
    config: Config,
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
    if always_ask or _is_wanting(values, start, end, now, config.grid):
        _prefer(ledger, config.grid.providers)
        for name in config.grid.providers:
            if not always_ask and _was_just_asked(ledger, name, start, end, now, config.grid):
                continue
            try:
                fetched = _fetch(name, config, start, end, now)
            except VispaGreenError as error:
                warnings.append(f"{name}: {error}")
                continue
            warnings += _missing(name, fetched)
            _store(ledger, name, fetched, (start, _last(end, now)), now)
            values = _newest([*values, *(v for v in fetched if v.start < end and v.end > start)])
            if _is_covered(values, start, end):
                break
    by_quantity = {quantity: tuple(v for v in values if v.quantity is quantity) for quantity in Quantity}
    return GridKnowledge(by_quantity, tuple(warnings), config.grid.providers)


def known_of(session: Session, start: datetime, end: datetime, *, always_ask: bool = False) -> GridKnowledge:
    """Return what is known of a span, from the ledger and, where called for, from the providers."""
    ledger = ledger_of(session)
    try:
        return what_is_known(
            start, end, config=session.config, ledger=ledger, now=session.now.utc, always_ask=always_ask
        )
    finally:
        if ledger is not None:
            ledger.close()


def ledger_of(session: Session) -> Ledger | None:
    """Open the ledger to write where that is allowed, else to read, else return ``None``."""
    for create, read_only in ((True, False), (False, True)):
        try:
            return session.ledger(create=create, read_only=read_only)
        except VispaGreenError:
            continue
    return None


def _stored(ledger: Ledger | None, start: datetime, end: datetime) -> tuple[list[GridValue], list[str]]:
    if ledger is None:
        return [], []
    try:
        return [value for quantity in Quantity for value in ledger.grid.values(quantity, start, end)], []
    except LedgerError as error:
        return [], [f"ledger: {error}"]


def _is_wanting(
    values: Sequence[GridValue], start: datetime, end: datetime, now: datetime, options: GridSection
) -> bool:
    ahead = [value for value in values if value.end > now] if end > now else list(values)
    if end > now and now - _newest_fetch(ahead) > timedelta(seconds=options.refresh_s):
        return True
    past = [value for value in values if value.kind is GridKind.MEASURED]
    return _first_gap(past if end <= now else values, start, end) is not None


def _was_just_asked(
    ledger: Ledger | None, name: str, start: datetime, end: datetime, now: datetime, options: GridSection
) -> bool:
    """Say whether a provider has just answered about all of a span: what it left open then, it does not have."""
    if ledger is None:
        return False
    try:
        asked = ledger.grid.last_asked(name, start, _last(end, now))
    except LedgerError:
        return False
    is_over = end < now - STILL_COMES
    patience = RARELY if is_over else min(SHORTEST_REFRESH, timedelta(seconds=options.refresh_s))
    return asked is not None and now - asked <= patience


def _last(end: datetime, now: datetime) -> datetime:
    """Return until when a provider is asked: beyond the end, if that lies ahead."""
    return max(end, now + FORESIGHT) if end > now else end


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


def _fetch(name: str, config: Config, start: datetime, end: datetime, now: datetime) -> Sequence[GridValue]:
    provider = PROVIDERS.make(name, None, config.options("grid"))
    try:
        return provider.fetch(start, _last(end, now), now)
    except ValueError as error:  # a provider that is not ours may raise it on data it did not expect
        raise GridError(str(error)) from error


def _missing(name: str, fetched: Sequence[GridValue]) -> list[str]:
    present = {value.quantity for value in fetched}
    if not present:
        return [f"{name}: has nothing for this time"]
    return [f"{name}: no {quantity}" for quantity in Quantity if quantity not in present]


def _prefer(ledger: Ledger | None, sources: Sequence[str]) -> None:
    if ledger is None:
        return
    try:
        ledger.grid.prefer(sources)
    except LedgerError:
        return


def _store(
    ledger: Ledger | None, name: str, values: Sequence[GridValue], asked: tuple[datetime, datetime], now: datetime
) -> None:
    if ledger is None:
        return
    try:
        ledger.grid.append(values)
        ledger.grid.asked(name, *asked, now)
    except LedgerError:
        return


def _newest(values: Sequence[GridValue]) -> list[GridValue]:
    """Keep the last fetched of the same step, kind and source: what was just fetched replaces what was stored."""
    latest = {(v.quantity, v.kind, v.source, v.start, v.end): v for v in sorted(values, key=lambda v: v.fetched_at)}
    return list(latest.values())
