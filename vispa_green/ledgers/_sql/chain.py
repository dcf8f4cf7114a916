"""A chain of digests over what each spool delivered.

Every delivery is a link: the SHA-256 of the link before it and of its rows, in one writing. A row that is changed,
added or taken out behind the program's back breaks it, also where the sums were made to fit. Who owns the file could
make a whole chain anew; against that its heads are kept elsewhere, see ``vispa-green ledger heads``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vispa_green.ledgers._sql.codec import us, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.database import Database, Row
from vispa_green.model import ChainHead, NodeInterval

AT_ONCE = 500
"""Links looked at in one step."""
_PARTS = (
    (
        "energy_entry",
        "x.device, x.component, x.quality, x.measured_uj, x.jobs_uj, x.idle_uj, x.system_uj, x.contained, x.reason",
        "entries",
    ),
    ("job_share", "x.device, j.job_id, x.busy_uj, x.idle_uj", "shares"),
    ("job_presence", "j.job_id, x.uid, x.cpu_ns, x.present_us, x.allocated_cpus", "presences"),
)
"""Of each table of an interval's rows, what a digest is made of."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_COLUMNS = ("spool_id", "first_id", "last_id", "first_ended_us", "last_ended_us", "digest")


@dataclass(slots=True)
class Written:
    """An interval as its rows have it: its own columns, and those of its entries, shares and presences.

    Those begin with what tells them apart, the device, the job or both, which gives them their order.
    """

    interval: Row
    entries: list[Row] = field(default_factory=list)
    shares: list[Row] = field(default_factory=list)
    presences: list[Row] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The one writing that a digest is made of."""
        return _JSON.encode((self.interval, sorted(self.entries), sorted(self.shares), sorted(self.presences)))


def written(sequence: int, interval: NodeInterval, contained: frozenset[str]) -> Written:
    """Return an interval as its rows will have it."""
    span = us(interval.start), us(interval.end), interval.duration_us
    found = Written((sequence, interval.node, interval.boot_id, *span, interval.quality.value, interval.reason))
    for entry in interval.entries:
        known = entry.measured_uj is not None
        sums = (entry.jobs_uj, entry.idle_uj, entry.system_uj) if known else (None, None, None)
        kind = entry.device, entry.component.value, entry.quality.value
        found.entries.append((*kind, entry.measured_uj, *sums, int(entry.device in contained), entry.reason))
        found.shares += [(entry.device, share.job_id, share.busy_uj, share.idle_uj) for share in entry.jobs]
    found.presences += [
        (seen.job_id, seen.binding.uid, seen.cpu_ns, seen.present_us, seen.binding.allocated_cpus)
        for seen in interval.jobs
    ]
    return found


def add_link(database: Database, spool_id: int, rows: Mapping[int, Written]) -> None:
    """Add the link of some rows of ``node_interval``, which nobody else adds to this spool at the same time."""
    last = database.execute(
        "SELECT digest FROM spool_link WHERE spool_id = ? ORDER BY id DESC LIMIT 1", (spool_id,)
    ).fetchone()
    ends = [row.interval[4] for row in rows.values()]
    digest = _digest(last[0] if last else "", (rows[number].text for number in sorted(rows)))
    values = (spool_id, min(rows), max(rows), min(ends), max(ends), digest)
    database.execute(f"INSERT INTO spool_link ({', '.join(_COLUMNS)}) VALUES (?,?,?,?,?,?)", values)


def forget(database: Database, edge_us: int) -> None:
    """Take out the links of pruned rows, but of each spool the last one, from which the chain goes on."""
    database.execute(
        "DELETE FROM spool_link WHERE last_ended_us <= ?"
        " AND id NOT IN (SELECT max(id) FROM spool_link WHERE last_ended_us <= ? GROUP BY spool_id)",
        (edge_us, edge_us),
    )


def heads(connection: Connection) -> list[ChainHead]:
    """Return the last link of each spool."""
    rows = connection.read(
        "SELECT s.name, l.id, l.last_ended_us, l.digest FROM spool s JOIN spool_link l ON l.spool_id = s.id"
        " WHERE l.id = (SELECT max(id) FROM spool_link WHERE spool_id = s.id) ORDER BY s.name"
    )
    return [ChainHead(name, link, utc(ended), digest) for name, link, ended, digest in rows]


def broken(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each link that does not fit its rows or the link before, and for rows without a link."""
    pruned_us = int(connection.meta("pruned_us") or 0)
    for spool_id, name in connection.read("SELECT id, name FROM spool ORDER BY id"):
        yield from _broken_links(connection, spool_id, name, pruned_us)
    ((loose,),) = connection.read(
        "SELECT count(*) FROM node_interval i WHERE i.id > ? AND i.end_us > ?"
        " AND NOT EXISTS (SELECT 1 FROM spool_link l WHERE l.spool_id = i.spool_id"
        " AND i.id BETWEEN l.first_id AND l.last_id)",
        (int(connection.meta("chained_after") or 0), pruned_us),
    )
    if loose:
        yield f"{loose} intervals are in no link of their spool's chain: they were not delivered as others are"


def missing(connection: Connection, known: Sequence[ChainHead]) -> Iterator[str]:
    """Yield a sentence for each head of an earlier day that is in no chain any more."""
    pruned_us = int(connection.meta("pruned_us") or 0)
    for head in known:
        if us(head.ended) <= pruned_us:
            continue
        rows = connection.read(
            "SELECT l.digest FROM spool_link l JOIN spool s ON s.id = l.spool_id WHERE s.name = ? AND l.id = ?",
            (head.spool, head.link),
        )
        if rows != [(head.digest,)]:
            yield f"spool {head.spool}: link {head.link} of its chain is not the one that was kept"


def _broken_links(connection: Connection, spool_id: int, name: str, pruned_us: int) -> Iterator[str]:
    before, after_id = "", 0
    while links := connection.read(
        f"SELECT id, {', '.join(_COLUMNS)} FROM spool_link WHERE spool_id = ? AND id > ? ORDER BY id LIMIT {AT_ONCE}",
        (spool_id, after_id),
    ):
        whole = [link for link in links if link[4] > pruned_us]
        rows = _rows(connection, spool_id, whole[0][2], max(link[3] for link in whole)) if whole else {}
        for link, _, first, last, first_ended_us, last_ended_us, digest in links:
            own = (rows[number].text for number in range(first, last + 1) if number in rows)
            if first_ended_us > pruned_us and _digest(before, own) != digest:
                when = f"{utc(first_ended_us):%Y-%m-%d %H:%M} to {utc(last_ended_us):%Y-%m-%d %H:%M} UTC"
                yield f"spool {name}, {when}: link {link} of its chain is not that of its rows and of the link before"
            before, after_id = digest, link


def _rows(connection: Connection, spool_id: int, first: int, last: int) -> dict[int, Written]:
    """Return what the rows of a spool tell, from one row of ``node_interval`` to another."""
    words, of_spool = connection.dialect, (spool_id, first, last)
    where = "WHERE i.spool_id = ? AND i.id BETWEEN ? AND ?"
    intervals = connection.read(
        "SELECT i.id, i.sequence, n.name, i.boot_id, i.start_us, i.end_us, i.duration_us, i.quality, i.reason"
        f" FROM node_interval i JOIN node n ON n.id = i.node_id {where}",
        of_spool,
    )
    found = {number: Written(tuple(rest)) for number, *rest in intervals}
    for table, columns, kept in _PARTS:
        job = " JOIN job j ON j.id = x.job" if "j." in columns else ""
        source = f"FROM node_interval i JOIN {table} x ON {words.of_interval('x')}{job}"
        for number, *rest in connection.read(f"SELECT i.id, {columns} {source} {where}", of_spool):
            getattr(found[number], kept).append(tuple(rest))
    return found


def _digest(before: str, texts: Iterable[str]) -> str:
    found = hashlib.sha256(before.encode())
    for text in texts:
        found.update(text.encode())
        found.update(b"\n")
    return found.hexdigest()
