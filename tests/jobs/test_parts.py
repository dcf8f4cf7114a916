"""Parts of a run that no network is trained in: done once, paused between."""

from __future__ import annotations

import pytest
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.errors import Paused
from vispa_green_jobs.shared.parts import once


def test_a_part_that_is_done_is_not_done_again(context: RunContext) -> None:
    done: list[str] = []

    def part(name: str) -> object:
        def compute() -> object:
            done.append(name)
            return {"value": len(done) / 3, "of": (name,)}

        return once(context, name, compute)

    first = part("first")
    assert first == {"value": 1 / 3, "of": ["first"]}
    part("second")
    context.pause.wanted = True
    assert part("first") == first
    with pytest.raises(Paused):
        part("third")
    assert done == ["first", "second"]
    context.pause.wanted = False
    assert part("third") == {"value": 1.0, "of": ["third"]}


def test_a_part_that_failed_leaves_nothing(context: RunContext) -> None:
    with pytest.raises(ZeroDivisionError):
        once(context, "part", lambda: 1 / 0)
    with pytest.raises(TypeError, match="not JSON serializable"):
        once(context, "part", object)
    assert once(context, "part", lambda: 3) == 3
    assert [path.name for path in (context.out / "checkpoints").iterdir()] == ["part.json"]
