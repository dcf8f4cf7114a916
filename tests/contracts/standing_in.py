"""What the contract tests put in the place of hardware, services and files: one file a variant, found by name.

``stand_ins/NAME.py`` defines ``healthy(directory)``, a context manager that yields a `StandIn`, and, for what can
be absent or dead, ``absent(directory)``, which returns one. What has to be there depends on the kind:

- meter: counters that move when ``work()`` is called;
- tracker: job 42 on node ``n1``, which has used 2.5 s of CPU time and holds GPUs 1 and 3;
- grid provider: every quantity for all of `tests.contracts.grid_day`;
- ledger: the address of one that is not there yet;
- policy, attribution model, idle policy: they read nothing, so only options to be tested with, if any.

A foreign variant's is looked for in the directory that ``VISPA_GREEN_STAND_INS`` names.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings

from vispa_green.host import Host
from vispa_green.registry import Tables

OURS = Path(__file__).parent / "stand_ins"
PLACE_VARIABLE = "VISPA_GREEN_STAND_INS"


@dataclass(frozen=True)
class StandIn:
    """A host, the table of the variant's options, a way to let it work, and what else a kind needs to know."""

    host: Host | None = None
    table: Mapping[str, Any] = field(default_factory=dict)
    work: Callable[[], None] = lambda: None
    url: str = ""


class Maker(Protocol):
    """The module of a stand-in."""

    def healthy(self, directory: Path) -> AbstractContextManager[StandIn]: ...

    def absent(self, directory: Path) -> StandIn: ...


def stand_in_of(name: str) -> Maker:
    """Return the stand-in of a variant; fail in one sentence where it is missing."""
    file = _file_of(name)
    if file is None:
        pytest.fail(
            f"{name} has no stand-in: write tests/contracts/stand_ins/{name}.py, which makes what {name} reads, "
            "as its neighbours there do for theirs",
            pytrace=False,
        )
    spec = importlib.util.spec_from_file_location(f"stand_in_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    maker: Maker = module
    return maker


def examples(name: str, many: int) -> settings:
    """Return how many examples a law is tried with: a third where the stand-in calls itself ``SLOW`` to make."""
    few = many // 3 if getattr(stand_in_of(name), "SLOW", False) else many
    return settings(max_examples=few, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@functools.cache
def tables_of(name: str) -> Tables:
    """Return the options that a variant which reads nothing is tested with; without a stand-in its defaults."""
    if _file_of(name) is None:
        return {}
    with stand_in_of(name).healthy(Path("/nowhere")) as there:
        return {name: there.table}


def _file_of(name: str) -> Path | None:
    places = [OURS, *map(Path, filter(None, [os.environ.get(PLACE_VARIABLE)]))]
    return next((place / f"{name}.py" for place in places if (place / f"{name}.py").exists()), None)
