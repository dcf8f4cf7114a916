"""Work that is no training of a network, in parts: each is done once, however often the run is paused. No torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.files import write_whole


def once(context: RunContext, part: str, compute: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever JSON has
    """Return what ``compute`` gives, from the part's checkpoint if there is one; pause before, if that is wanted.

    A part must give plain values that JSON keeps, and take less than a minute: what is killed within it is lost.
    """
    path = context.out / "checkpoints" / f"{part}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    context.pause_point()
    began_ns = context.now().monotonic_ns
    text = json.dumps(compute())
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    context.say(f"{part}: {(context.now().monotonic_ns - began_ns) / 1e9:.1f} s")
    return json.loads(text)
