"""``vispa-green grid``: what is known of the German grid."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import click

from vispa_green.answers.grid import GridKnowledge, known_of
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import UNIT, print_json, rounded, span_words, stamp, warn
from vispa_green.energy.carbon import GridSignal
from vispa_green.errors import GridError
from vispa_green.model import GridValue, Quantity
from vispa_green.session import Session, open_session
from vispa_green.times.local_zone import local_zone
from vispa_green.times.slurm_time import finite_duration

BAR = 40
FULL_SCALE = {Quantity.CARBON_INTENSITY: 800.0, Quantity.RENEWABLE_SHARE: 100.0}


@click.group("grid")
def command() -> None:
    """Look at the German grid: now, ahead, and where the figures come from.

    \b
    Examples:
      vispa-green grid now
      vispa-green grid forecast --hours 36
      vispa-green grid fetch
    """


@command.command()
@config_option
@json_option
def now(config_file: Path | None, *, as_json: bool) -> None:
    """Show the grid's state at this moment, with its source, time of issue and age.

    \b
    Examples:
      vispa-green grid now
      vispa-green grid now --json | jq .grid.gco2_per_kwh.value
    """
    session = open_session(config_file)
    moment = session.now.utc
    known = known_of(session, moment, moment + timedelta(seconds=1))
    current = {quantity: _value_at(known, quantity, moment) for quantity in Quantity}
    if as_json:
        grid = {quantity.value: value and _record(value) for quantity, value in current.items()}
        print_json({"grid": grid, "warnings": list(known.warnings)})
    else:
        warn(known.warnings)
        for value in filter(None, current.values()):
            click.echo(f"{value.value:.0f} {UNIT[value.quantity]}  ({value.kind}; {_origin(value, moment)})")
    _fail_if_unknown(known)


@command.command()
@click.option("--hours", default=24, show_default=True, type=click.IntRange(1, 24 * 14), help="How far ahead.")
@config_option
@json_option
def forecast(hours: int, config_file: Path | None, *, as_json: bool) -> None:
    """Show the hours ahead, one line each; a gap in what is known stays a gap.

    \b
    Examples:
      vispa-green grid forecast
      vispa-green grid forecast --hours 48 --json
    """
    session = open_session(config_file)
    first = session.now.utc.replace(minute=0, second=0, microsecond=0)
    known = known_of(session, session.now.utc, first + timedelta(hours=hours))
    if as_json:
        values = [_record(value) for of_one in known.values.values() for value in of_one]
        print_json({"values": values, "warnings": list(known.warnings)})
    else:
        warn(known.warnings)
        _print_chart(known, first, hours, session)
    _fail_if_unknown(known)


@command.command()
@click.option("--back", default="24h", show_default=True, metavar="D", help="How much of the past to ask for.")
@config_option
@json_option
def fetch(back: str, config_file: Path | None, *, as_json: bool) -> None:
    """Ask the providers now and keep their answer in the ledger, whatever is known already.

    \b
    Examples:
      vispa-green grid fetch
      vispa-green grid fetch --back 7d
    """
    session = open_session(config_file)
    moment = session.now.utc
    start, end = moment - finite_duration(back, "--back"), moment + timedelta(hours=48)
    known = known_of(session, start, end, always_ask=True)
    fresh = {q: [v for v in values if v.fetched_at == moment] for q, values in known.values.items()}
    counts = {quantity.value: len(values) for quantity, values in fresh.items()}
    if as_json:
        reach = {q.value: stamp(max((v.end for v in values), default=None)) for q, values in fresh.items()}
        print_json({"fetched": counts, "reaches": reach, "warnings": list(known.warnings)})
    else:
        warn(known.warnings)
        zone = local_zone(os.environ)
        for quantity, values in fresh.items():
            until = max((v.end for v in values), default=None)
            reach_words = "" if until is None else f", until {until.astimezone(zone):%a %d %b %H:%M}"
            click.echo(f"{quantity.value}: {len(values)} values{reach_words}")
    if not any(counts.values()):
        raise GridError("no provider answered with data; see the warnings above, try again later, or set [grid] csv")


def _print_chart(known: GridKnowledge, first: datetime, hours: int, session: Session) -> None:
    signals, zone = known.signals(), local_zone(os.environ)
    shown = [quantity for quantity in Quantity if quantity in signals]
    for hour in range(hours):
        start = first + timedelta(hours=hour)
        columns = [_bar(signals[quantity], start) for quantity in shown]
        if any(columns):
            click.echo(f"{_clock(start, zone)}  " + "  ".join(column or " " * 22 for column in columns).rstrip())
    newest = [max(values, key=lambda value: value.issued_at) for values in known.values.values() if values]
    for value in newest:
        click.echo(f"{UNIT[value.quantity]}: {_origin(value, session.now.utc)}")


def _bar(signal: GridSignal, start: datetime) -> str:
    mean, _ = signal.known_part(start, start + timedelta(hours=1))
    if mean is None:
        return ""
    length = min(BAR // 4, round(mean / FULL_SCALE[signal.quantity] * BAR / 4))
    unit = "g" if signal.quantity is Quantity.CARBON_INTENSITY else "%"
    return f"{mean:5.0f} {unit} {'█' * length:<{BAR // 4}}    "


def _clock(start: datetime, zone: tzinfo) -> str:
    return f"{start.astimezone(zone):%a %H:%M}"


def _value_at(known: GridKnowledge, quantity: Quantity, moment: datetime) -> GridValue | None:
    """Return the value in force, the one that the signal would take."""
    candidates = [value for value in known.values[quantity] if value.start <= moment < value.end]
    if not candidates:
        return None
    taken = GridSignal.from_values(candidates, quantity, known.provider_order).mean(moment, moment)
    return next(value for value in candidates if value.value == taken)


def _origin(value: GridValue, moment: datetime) -> str:
    issued = value.issued_at.astimezone(local_zone(os.environ))
    return f"{value.source}, issued {issued:%a %H:%M}, {span_words(moment - value.issued_at)} ago"


def _record(value: GridValue) -> dict[str, Any]:
    return {
        "quantity": value.quantity.value,
        "kind": value.kind.value,
        "start": stamp(value.start),
        "end": stamp(value.end),
        "value": rounded(value.value),
        "source": value.source,
        "issued_at": stamp(value.issued_at),
        "fetched_at": stamp(value.fetched_at),
    }


def _fail_if_unknown(known: GridKnowledge) -> None:
    if not any(known.values.values()):
        raise GridError(
            "nothing is known of the grid for this time: see whether `vispa-green grid fetch` reaches a provider,"
            " or name a recorded series in [grid.csv] path and add csv to [grid] providers"
        )
