"""Taking out raw rows that are old enough. What they told stays in the roll-ups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from vispa_green.ledgers._sql.chain import forget
from vispa_green.ledgers._sql.codec import COMPONENTS, QUALITIES, QUARTER_US, us, utc
from vispa_green.ledgers._sql.connection import Connection, remember
from vispa_green.model import NodeEnergy, Pruned


def prune(connection: Connection, before: datetime) -> Pruned:
    """Take out the raw rows of whole quarter-hours that ended before a time, and the facts recorded before it.

    The newest fact of a job stays with the job. Every spool remembers which numbers were delivered, so that
    a late second delivery is not taken for new.
    """
    edge_us = us(before) // QUARTER_US * QUARTER_US
    with connection.transaction() as database:
        database.hold_all()
        if edge_us <= int(connection.meta("pruned_us") or 0):
            return Pruned(0, 0)
        remember(database, "pruned_us", str(edge_us))
        intervals = database.retire(edge_us)
        for table in ("job_share", "job_presence", "energy_entry"):
            database.execute(f"DELETE FROM {table} WHERE {connection.dialect.ended}", (edge_us,))
        intervals += database.execute("DELETE FROM node_interval WHERE end_us <= ?", (edge_us,)).rowcount
        forget(database, edge_us)
        facts = database.execute("DELETE FROM job_fact WHERE recorded_us <= ?", (edge_us,)).rowcount
    return Pruned(intervals, facts)


def kept_quarters(connection: Connection, start: datetime, end: datetime) -> Iterator[NodeEnergy]:
    """Yield the quarter-hours of a span whose raw rows were pruned."""
    pruned_us = int(connection.meta("pruned_us") or 0)
    rows = connection.read(
        """
        SELECT n.name, q.component, q.quality, q.quarter, q.measured_uj, q.jobs_uj, q.idle_uj, q.system_uj
        FROM node_quarter q JOIN node n ON n.id = q.node_id
        WHERE q.contained = 0 AND q.quarter >= ? AND q.quarter < ? ORDER BY q.quarter, n.name
        """,
        (us(start) // QUARTER_US, min(-(-us(end) // QUARTER_US), pruned_us // QUARTER_US)),
    )
    for node, component, quality, quarter, *sums in rows:
        begin, until = utc(quarter * QUARTER_US), utc((quarter + 1) * QUARTER_US)
        yield NodeEnergy(node, COMPONENTS[component], QUALITIES[quality], begin, until, *sums)
