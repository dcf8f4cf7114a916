"""What the contract tests put in the place of hardware, services and files: one file a variant, found by name.

``stand_ins/NAME.py`` defines ``healthy(directory)``, a context manager that yields a `StandIn`, and, for what can
be absent or dead, ``absent(directory)``, which returns one. What has to be there depends on the kind:

- meter: counters that move when ``work()`` is called;
- tracker: job 42 on node ``n1``, which has used 2.5 s of CPU time and holds GPUs 1 and 3;
- grid provider: every quantity for all of `tests.contracts.grid_day`;
- ledger: the address of one that is not there yet, or has no row;
- credential: one that the server will believe, in ``headers`` where our programs cannot make it;
- policy, attribution model, idle policy: they read nothing, so only options to be tested with, if any.

A foreign variant's is looked for in the directory that ``VISPA_GREEN_STAND_INS`` names.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from _pytest.mark.structures import ParameterSet
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from vispa_green.credentials import OtherEnd
from vispa_green.host import Host
from vispa_green.ledgers import LEDGERS, open_ledger, scheme_of
from vispa_green.model import Ledger
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
    credentials: Tables = field(default_factory=dict)
    user: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    end: OtherEnd = OtherEnd()
    rezone: Callable[[str], None] = lambda _: None
    """Lets a ledger that is there already keep the days of a zone."""

    def ledger(self, *, create: bool = False, read_only: bool = False, zone: str = "Europe/Berlin") -> Ledger:
        """Open the ledger that this is the stand-in of."""
        if create:
            self.rezone(zone)
        return open_ledger(
            self.url, create=create, read_only=read_only, zone=zone, tables={scheme_of(self.url): self.table},
            credentials=self.credentials,
        )  # fmt: skip


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


def ledgers() -> list[ParameterSet]:
    """Return the kinds of ledgers that can be asked; one that only takes has tests of its own.

    A stand-in that says ``ANOTHER_DOOR`` has the books of another kind behind a server that is started for each
    test: its laws are run in full, and `tests/server` tries the server itself.
    """
    names = [
        name
        for name in LEDGERS.names()
        if _file_of(name) is None or not getattr(stand_in_of(name), "TAKES_ONLY", False)
    ]
    return [pytest.param(name, marks=pytest.mark.full if _is_another_door(name) else ()) for name in names]


def _is_another_door(name: str) -> bool:
    return _file_of(name) is not None and getattr(stand_in_of(name), "ANOTHER_DOOR", False)


def over_ledgers(most: int, **drawn: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of a law over every kind of ledger, with up to ``most`` examples in full, else fewer.

    Few are enough for a stand-in that says it is ``SLOW``: it is a service, and what it does with them another kind
    has been tried with.
    """

    def decorate(law: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize(("name", "examples"), list(_tried(most)))
        def test(name: str, examples: int) -> None:
            limits = settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
            limits(given(**drawn)(lambda **one: law(name, **one)))()

        test.__doc__ = law.__doc__
        return test

    return decorate


def _tried(most: int) -> Iterator[ParameterSet]:
    """Yield the kinds of ledgers with the number of examples that a law is tried with."""
    for name, marks in ((str(kind.values[0]), kind.marks) for kind in ledgers()):
        is_slow = _file_of(name) is not None and getattr(stand_in_of(name), "SLOW", False)
        yield pytest.param(name, max(3, most // (20 if is_slow else 3)), marks=marks)
        if not marks:
            yield pytest.param(name, most, marks=pytest.mark.full)


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
