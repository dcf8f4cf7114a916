"""Tables with the columns of PM100 (Antici et al., SC'23 workshops; Marconi100): Slurm's fields and node power.

``node_power_consumption`` is a list of W every 20 s, summed over the job's nodes and with their idle
power in it; `Options.idle_w_per_node` is taken off. Column names: PM100-data, ``job_features.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from vispa_green.numbers import decimal_number
from vispa_green_sim.errors import WorkloadError, place
from vispa_green_sim.inputs import Options
from vispa_green_sim.inputs._columns import Record, Remarks, Table, table, workload_of
from vispa_green_sim.workload import Workload

_POWER = ("node_power_consumption", "power_consumption")
_NEEDED = (("job_id",), ("num_cores_alloc", "num_cores_req"), ("submit_time",), ("start_time",), ("end_time",))


def read(path: Path, options: Options) -> Workload:
    """Read a workload (CSV, or parquet with pyarrow); raise `WorkloadError` with the line of the first fault."""
    rows = table(path, options.zone, _NEEDED)
    remarks = Remarks()
    records = [_record(rows, line, row, options, remarks) for line, row in rows.rows]
    return workload_of(path.name.partition(".")[0], records, remarks, options.processors)


def _record(rows: Table, line: int, row: Mapping[str, str], options: Options, remarks: Remarks) -> Record:
    submit = rows.moment(line, row, "submit_time")
    if submit is None:
        raise WorkloadError(f"{place(rows.path, line)}: no submit_time; remove the row")
    minutes = decimal_number(rows.text(row, "time_limit"))
    nodes = rows.number(line, row, "num_nodes_alloc", "num_nodes_req") or 0
    return Record(
        line=line,
        job_id=rows.text(row, "job_id"),
        submit=submit,
        eligible=rows.moment(line, row, "eligible_time"),
        start=rows.moment(line, row, "start_time"),
        end=rows.moment(line, row, "end_time"),
        request_s=None if minutes is None else 60 * round(minutes),
        processors=rows.number(line, row, "num_cores_alloc", "num_cores_req") or 0,
        nodes=nodes,
        memory_mib=1024 * (rows.number(line, row, "mem_alloc", "mem_req") or 0),
        gpus=rows.number(line, row, "num_gpus_alloc", "num_gpus_req") or 0,
        user=rows.text(row, "user_id"),
        account=rows.text(row, "group_id"),
        partition=rows.text(row, "partition"),
        qos=rows.text(row, "qos"),
        dynamic_mw=_dynamic_mw(rows, line, row, nodes, options, remarks),
    )


def _dynamic_mw(
    rows: Table, line: int, row: Mapping[str, str], nodes: int, options: Options, remarks: Remarks
) -> int:
    text = rows.text(row, *_POWER)
    if not text:
        remarks.add("without a measured power, that of its class is taken", line)
        return -1
    try:
        watts = [float(value) for value in json.loads(text) if value is not None]
    except (ValueError, TypeError):
        raise WorkloadError(f"{place(rows.path, line)}: {_POWER[0]} is no list of numbers [1.0, 2.0]") from None
    if not watts:
        return -1
    return max(0, round(1000 * (sum(watts) / len(watts) - options.idle_w_per_node * nodes)))
