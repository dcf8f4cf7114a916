"""The quarter-hours of the grid as a ledger knew them at some time, in place of those of today.

They are made from the issues that had been fetched until then, and given to the question as JSON, so that nothing is
written: who asks may not.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from vispa_green.energy.carbon import GridSignal
from vispa_green.ledgers._sql.codec import QUARTER_US, us, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.dialect import Dialect
from vispa_green.ledgers._sql.grid import source_order, stored_values
from vispa_green.ledgers._sql.windows import Window
from vispa_green.model import QUARTER, GridKind, GridValue, Quantity

_Quarter = tuple[Quantity, int, float, int]
"""A quantity in a quarter-hour: its mean, and the time for which it is known (µs)."""
TABLE = "grid_then"


def table_of(words: Dialect) -> str:
    """Return SQL for a table like ``grid_quarter``, to be put before a question; its value is `quarters_then`'s."""
    text, number, real = words.element_text, words.element_number, words.element_real
    columns = ", ".join((text.format(0), number.format(1), real.format(2), number.format(3)))
    names = "quantity, quarter, mean, known_us, is_best"
    return f"WITH {TABLE} ({names}) AS (SELECT {columns}, 1 FROM {words.elements}) "


def quarters_then(connection: Connection, quantities: Sequence[Quantity], as_of: datetime, window: Window) -> str:
    """Return the best value of each quarter-hour of a window as it was known then, as JSON."""
    return json.dumps([quarter for one in quantities for quarter in _of(connection, one, as_of, window)])


def _of(connection: Connection, quantity: Quantity, as_of: datetime, window: Window) -> Iterator[_Quarter]:
    ((first_us, last_us),) = connection.read(
        "SELECT min(start_us), max(end_us) FROM grid_value WHERE quantity = ? AND fetched_us <= ?",
        (quantity, us(as_of)),
    )
    if first_us is None:
        return
    first = max(first_us, first_us if window.start_us is None else window.start_us) // QUARTER_US
    after = -(-min(last_us, last_us if window.end_us is None else window.end_us) // QUARTER_US)
    start, end = utc(first * QUARTER_US), utc(max(first, after) * QUARTER_US)
    signals = _by_rank(stored_values(connection, quantity, start, end, as_of), quantity, source_order(connection))
    for number in range(first, after):
        begin = utc(number * QUARTER_US)
        for signal in signals:
            mean, fraction = signal.known_part(begin, begin + QUARTER)
            if mean is not None:
                yield quantity, number, mean, round(fraction * QUARTER_US)
                break


def _by_rank(values: Sequence[GridValue], quantity: Quantity, order: Sequence[str]) -> list[GridSignal]:
    """Return a signal for each series, the one that counts first: measured before forecast, then the site's order."""
    series: defaultdict[tuple[bool, int, str], list[GridValue]] = defaultdict(list)
    for value in values:
        place = order.index(value.source) if value.source in order else len(order)
        series[value.kind is not GridKind.MEASURED, place, value.source].append(value)
    return [GridSignal.from_values(series[rank], quantity) for rank in sorted(series)]
