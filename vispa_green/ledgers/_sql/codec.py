"""Values as they stand in rows: times as µs since 1970, facts, promises and moves as short JSON, codes for words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from vispa_green.model import Component, Move, Promise, Quality, Quantity

if TYPE_CHECKING:
    from vispa_green.model import JobFact

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
QUARTER_US = 900_000_000

COMPONENTS = (Component.CPU, Component.DRAM, Component.GPU, Component.NODE)
QUALITIES = (Quality.MEASURED, Quality.ESTIMATED, Quality.GAP)
"""In the order of their codes in the roll-ups; a new one comes last."""
COMPONENT_CODE = {component: code for code, component in enumerate(COMPONENTS)}
QUALITY_CODE = {quality: code for code, quality in enumerate(QUALITIES)}

_FACT_TIMES = ("submit", "eligible", "start", "end")
_FACT_SPANS = ("time_limit", "elapsed")


def us(moment: datetime) -> int:
    """Return µs since 1970."""
    return (moment - EPOCH) // MICROSECOND


def utc(moment_us: int) -> datetime:
    """Return the time of so many µs since 1970."""
    return EPOCH + moment_us * MICROSECOND


def fact_text(fact: JobFact) -> str:
    """Return a fact as JSON without what is not known; equal facts give equal text."""
    body: dict[str, Any] = {name: getattr(fact, name) for name in fact.__slots__}
    for name in _FACT_TIMES:
        body[name] = None if body[name] is None else us(body[name])
    for name in _FACT_SPANS:
        body[name] = None if body[name] is None else body[name] // MICROSECOND
    return _text({name: value for name, value in body.items() if value not in (None, "", ())})


FACT_COLUMNS = (
    "job_id", "shown_id", "owner", "account", "partition", "told_project", "uid", "latest_us", "eligible_us",
    "start_us", "end_us", "time_limit_us", "elapsed_us", "state", "name", "nodes", "cpus", "memory_mib",
    "peak_memory_mib", "comment", "qos", "exit_code", "wckey",
)  # fmt: skip
"""The columns of ``job`` that tell the newest fact."""
OWN_FACT_COLUMNS = FACT_COLUMNS[8:]
"""Those that tell nothing else."""


def own_fact_values(fact: JobFact) -> tuple[object, ...]:
    """Return the values of `OWN_FACT_COLUMNS`."""
    moments = (None if moment is None else us(moment) for moment in (fact.eligible, fact.start, fact.end))
    spans = (None if span is None else span // MICROSECOND for span in (fact.time_limit, fact.elapsed))
    return (*moments, *spans, fact.state, fact.name, ",".join(fact.nodes), fact.cpus, fact.memory_mib,
            fact.peak_memory_mib, fact.comment, fact.qos, fact.exit_code, fact.wckey)  # fmt: skip


def fact_of(row: Sequence[Any]) -> JobFact | None:
    """Return the fact that `FACT_COLUMNS` tell, ``None`` where Slurm has told nothing."""
    job_id, shown_id, owner, account, partition, project, uid, *times, state, name, nodes = row[:16]
    if state is None:
        return None
    from vispa_green.model import JobFact  # whoever only reads the grid need not wait for it

    submit, eligible, start, end = (None if moment is None else utc(moment) for moment in times[:4])
    time_limit, elapsed = (None if span is None else span * MICROSECOND for span in times[4:])
    cpus, memory_mib, peak_memory_mib, comment, qos, exit_code, wckey = row[16:]
    return JobFact(
        job_id=job_id,
        display_id=shown_id,
        user="" if owner.startswith("uid:") else owner,
        account=account,
        partition=partition,
        name=name,
        state=state,
        nodes=tuple(nodes.split(",")) if nodes else (),
        submit=submit,
        eligible=eligible,
        start=start,
        end=end,
        time_limit=time_limit,
        cpus=cpus,
        memory_mib=memory_mib,
        peak_memory_mib=peak_memory_mib,
        comment=comment,
        uid=uid,
        qos=qos,
        project=project,
        exit_code=exit_code,
        elapsed=elapsed,
        wckey=wckey,
    )


def promise_text(promise: Promise) -> str:
    """Return a promise as JSON."""
    return _text(_flat({name: getattr(promise, name) for name in promise.__slots__}))


def promise_of(text: str) -> Promise:
    """Return what `promise_text` wrote."""
    body = json.loads(text)
    moments = ("submitted", "planned_start", "finish_by")
    return Promise(**_restored(body, moments, ("duration",)))


def move_text(move: Move) -> str:
    """Return a move as JSON."""
    return _text(_flat({name: getattr(move, name) for name in move.__slots__}))


def move_of(text: str) -> Move:
    """Return what `move_text` wrote."""
    return Move(**_restored(json.loads(text), ("submitted", "moved_at", "before", "after"), ()))


def _flat(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in body.items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return us(value)
    return value // MICROSECOND if isinstance(value, timedelta) else value


def _restored(body: dict[str, Any], moments: tuple[str, ...], spans: tuple[str, ...]) -> dict[str, Any]:
    for name in moments:
        body[name] = None if body.get(name) is None else utc(body[name])
    for name in spans:
        body[name] = body[name] * MICROSECOND
    return {**body, "quantity": Quantity(body["quantity"])}


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
