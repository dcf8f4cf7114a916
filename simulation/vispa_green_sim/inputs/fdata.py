"""Tables with the columns of F-DATA (Antici et al., Sci. Data 2025; Fugaku): ``adt, sdt, edt, avgpcon …``.

Used: jid, usr, jnam, nnumr/nnuma nodes, cnumr/cnumat cores, elpl requested seconds, adt submission, sdt
start, edt end, avgpcon mean W of the job (idle power of its nodes in it), mszl memory limit and mmszu
memory used, both in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vispa_green_sim.errors import WorkloadError, place
from vispa_green_sim.inputs import Options
from vispa_green_sim.inputs._columns import Record, Remarks, Table, table, workload_of
from vispa_green_sim.workload import Workload

_CORES = ("cnumat", "cnuma", "cnumr")
_NEEDED = (("jid",), _CORES, ("adt",), ("sdt",), ("edt",))
_MIB = 2**20


def read(path: Path, options: Options) -> Workload:
    """Read a workload (CSV, or parquet with pyarrow); raise `WorkloadError` with the line of the first fault."""
    rows = table(path, options.zone, _NEEDED)
    records = [_record(rows, line, row, options) for line, row in rows.rows]
    return workload_of(path.name.partition(".")[0], records, Remarks(), options.processors)


def _record(rows: Table, line: int, row: Mapping[str, str], options: Options) -> Record:
    submit = rows.moment(line, row, "adt")
    if submit is None:
        raise WorkloadError(f"{place(rows.path, line)}: no adt (time of submission); remove the row")
    nodes = rows.number(line, row, "nnuma", "nnumr") or 0
    watts = rows.real(line, row, "avgpcon")
    return Record(
        line=line,
        job_id=rows.text(row, "jid"),
        submit=submit,
        start=rows.moment(line, row, "sdt"),
        end=rows.moment(line, row, "edt"),
        request_s=rows.number(line, row, "elpl"),
        processors=rows.number(line, row, *_CORES) or 0,
        nodes=nodes,
        memory_mib=-(-(rows.number(line, row, "mszl") or 0) // _MIB),
        user=rows.text(row, "usr"),
        job_name=rows.text(row, "jnam"),
        dynamic_mw=-1 if watts is None else max(0, round(1000 * (watts - options.idle_w_per_node * nodes))),
        used_memory_mib=-(-(rows.number(line, row, "mmszu") or 0) // _MIB),
    )
