"""Nodes and partitions of a ``slurm.conf``, as a `Machine`. Includes are followed; the rest of it is ignored."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vispa_green.errors import SlurmError, TimeFormatError
from vispa_green.numbers import whole_number
from vispa_green.slurm.hostlist import expand
from vispa_green.times.slurm_time import parse_duration
from vispa_green_sim.errors import MachineError, place
from vispa_green_sim.machine import Machine, NodeClass, NodePowerModel, Partition

MOST = 2**40
"""Of a node's CPUs or MiB: no typing error makes a machine that fills the memory."""
Shape = tuple[int, int, int]
"""CPUs, memory in MiB, GPUs"""
_GPU = re.compile(r"gpu(?::[A-Za-z][^:,(]*)?(?::([0-9]{1,4}))?(?:\([^)]*\))?$")


@dataclass(frozen=True, slots=True)
class _Line:
    where: str
    kind: str
    name: str
    options: Mapping[str, str]


def read_machine(path: Path, power: Mapping[str, NodePowerModel] | None = None) -> Machine:
    """Return the machine of a ``slurm.conf``; nodes of equal CPUs, memory and GPUs are one class.

    Classes are named ``64c-256000m-4g``; ``power`` gives theirs by that name, others get the default.
    Raise `MachineError` with the line of the first fault.
    """
    lines = list(_lines(path))
    shapes: dict[str, Shape] = {}
    defaults: dict[str, str] = {}
    for line in lines:
        if line.kind == "nodename":
            if line.name.upper() == "DEFAULT":
                defaults.update(line.options)
                continue
            shape = _shape({**defaults, **line.options}, line.where)
            shapes.update(dict.fromkeys(_expanded(line.name, line.where), shape))
    if not shapes:
        raise MachineError(f"{path}: no NodeName line; give the slurm.conf of the controller")
    members: dict[Shape, list[str]] = defaultdict(list)
    for name, shape in shapes.items():
        members[shape].append(name)
    classes = tuple(_class(shape, names, power or {}) for shape, names in members.items())
    position = {name: (kind, n) for kind, c in enumerate(classes) for n, name in enumerate(c.names)}
    return Machine(classes, tuple(_partitions(lines, position)))


def _lines(path: Path, depth: int = 0) -> Iterator[_Line]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MachineError(f"{path}: cannot be read ({error}); give a slurm.conf") from error
    pending, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        first = first if pending else number
        pending += raw.split("#", 1)[0].strip()
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
            continue
        words, pending = pending.split(), ""
        if not words:
            continue
        if words[0].lower() == "include" and len(words) > 1 and depth < 5:
            yield from _lines(path.parent / words[1], depth + 1)
            continue
        pairs = [word.partition("=") for word in words]
        key = pairs[0][0].lower()
        if key in {"nodename", "partitionname"}:
            yield _Line(place(path, first), key, pairs[0][2], {k.lower(): v for k, _, v in pairs[1:]})


def _shape(options: Mapping[str, str], where: str) -> Shape:
    def count(key: str, default: int) -> int:
        return _whole(options, key, where, default)

    sockets = count("sockets", count("boards", 1) * count("socketsperboard", 1))
    cores = sockets * count("corespersocket", 1) * count("threadspercore", 1)
    return count("cpus", cores), count("realmemory", 0), sum(map(_gpus, options.get("gres", "").split(",")))


def _gpus(gres: str) -> int:
    match = _GPU.match(gres)
    return int(match[1] or 1) if match else 0


def _class(shape: Shape, names: list[str], power: Mapping[str, NodePowerModel]) -> NodeClass:
    cpus, memory, gpus = shape
    name = f"{cpus}c-{memory}m-{gpus}g"
    return NodeClass(name, len(names), cpus, memory, gpus, power.get(name, NodePowerModel()), tuple(names))


def _expanded(text: str, where: str) -> tuple[str, ...]:
    try:
        return expand(text)
    except SlurmError:
        raise MachineError(f"{where}: {text!r} is no list of nodes such as node[01-16]; correct it") from None


def _partitions(lines: list[_Line], position: Mapping[str, tuple[int, int]]) -> Iterator[Partition]:
    defaults: dict[str, str] = {}
    for line in lines:
        if line.kind != "partitionname":
            continue
        if line.name.upper() == "DEFAULT":
            defaults.update(line.options)
            continue
        options = {**defaults, **line.options}
        wanted = options.get("nodes", "")
        names = tuple(position) if wanted.upper() == "ALL" else _expanded(wanted, line.where)
        for name in names:
            if name not in position:
                raise MachineError(f"{line.where}: partition {line.name} has node {name}, which no NodeName line has")
        if not names:
            raise MachineError(f"{line.where}: partition {line.name} has no nodes; add Nodes=")
        yield Partition(
            line.name,
            tuple(position[name] for name in names),
            _seconds(options.get("maxtime", ""), line.where),
            _seconds(options.get("defaulttime", ""), line.where),
            _whole(options, "prioritytier", line.where),
            _whole(options, "priorityjobfactor", line.where),
            options.get("default", "").upper() == "YES",
        )


def _whole(options: Mapping[str, str], key: str, where: str, default: int = 1) -> int:
    text = options.get(key, "")
    number = whole_number(text, most=MOST) if text else default
    if number is None:
        raise MachineError(f"{where}: {key}={text} is no whole number up to {MOST:,}; correct it")
    return number


def _seconds(text: str, where: str) -> int | None:
    if not text or text.upper() in {"NONE", "INFINITE", "UNLIMITED"}:
        return None
    try:
        duration = parse_duration(text)
    except TimeFormatError as error:
        raise MachineError(f"{where}: {error}") from None
    return None if duration is None else int(duration.total_seconds())
