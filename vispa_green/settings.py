"""Tables of a TOML file as frozen dataclasses, read strictly: what is not declared or does not fit is a fault.

A setting is a field declared by one of the functions below, with its default and its limits; any other field is
no setting, and a file cannot name it. All faults are found at once, and a key that does not exist is answered
with the nearest that does. Ours, because this is on the way of every submission: pydantic's import alone takes
four times as long as all of it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from vispa_green.errors import did_you_mean

T = TypeVar("T")
Check = Callable[[Any], str]
"""Returns what is wrong with a value, or an empty string."""


def text(default: str, check: Check | None = None) -> Any:  # noqa: ANN401 - stands where a field's value does
    """Declare a text."""
    return _declared(default, _read_text, check)


def words(*default: str, each: Callable[[str], str] | None = None) -> Any:  # noqa: ANN401
    """Declare a list of texts; ``each`` says what is wrong with one."""

    def check(values: tuple[str, ...]) -> str:
        return next((wrong for wrong in map(each, values) if wrong), "") if each else ""

    return _declared(default, _read_words, check)


def flag(*, default: bool) -> Any:  # noqa: ANN401
    """Declare true or false."""
    return _declared(default, _read_flag, None)


def place(default: str | None) -> Any:  # noqa: ANN401
    """Declare a path in the file system; ``None`` where there need not be one."""
    return _declared(None if default is None else Path(default), _read_place, None)


def number(
    default: float, *, above: float | None = None, at_least: float | None = None, at_most: float | None = None
) -> Any:  # noqa: ANN401
    """Declare a number within limits."""
    return _declared(default, _read_number, _within(above, at_least, at_most))


def whole(default: int, *, at_least: int | None = None, at_most: int | None = None) -> Any:  # noqa: ANN401
    """Declare a whole number within limits."""
    return _declared(default, _read_whole, _within(None, at_least, at_most))


def one_of(default: str, *others: str) -> Any:  # noqa: ANN401
    """Declare one of some words."""
    known = (default, *others)

    def check(value: str) -> str:
        return "" if value in known else f"not one of {', '.join(known)}{did_you_mean(value, known)}"

    return _declared(default, _read_text, check)


def table(section: type[T]) -> T:
    """Declare a table within the table."""
    return dataclasses.field(default_factory=section, metadata={"section": section})


def read(section: type[T], content: Mapping[str, Any], where: str) -> tuple[T, list[str]]:
    """Return the section that ``content`` makes, and its faults as sentences; what is at fault has its default.

    ``where`` is the table's name, empty for the whole file.
    """
    fields = dataclasses.fields(section)  # type: ignore[arg-type]
    known = {field.name: field for field in fields if field.metadata}
    values: dict[str, Any] = {}
    faults: list[str] = []
    for key, value in content.items():
        name = f"[{where}] {key}" if where else f"[{key}]"
        if key not in known:
            faults.append(f"{name}: unknown key{did_you_mean(key, list(known))}")
            continue
        about = known[key].metadata
        if "section" in about:
            if not isinstance(value, Mapping):
                faults.append(f"{name}: not a table (got {value!r})")
                continue
            values[key], inside = read(about["section"], value, f"{where}.{key}" if where else key)
            faults += inside
            continue
        try:
            values[key] = about["read"](value)
        except ValueError as error:
            faults.append(f"{name}: {error} (got {value!r})")
            continue
        if wrong := about["check"](values[key]):
            del values[key]
            faults.append(f"{name}: {wrong} (got {value!r})")
    return section(**values), faults


def duration(value: str) -> str:
    """Check a finite duration as ``sbatch --time`` writes it; empty is none."""
    from vispa_green.errors import TimeFormatError
    from vispa_green.times.slurm_time import parse_duration

    try:
        is_finite = not value or parse_duration(value) is not None
    except TimeFormatError as error:
        return str(error)
    return "" if is_finite else "it has to be finite"


def project_rule(value: str) -> str:
    """Check a rule like ``paper-x: px_*``, a project and a pattern of job names."""
    project, colon, pattern = value.partition(":")
    is_one = project.strip() and colon and pattern.strip()
    return "" if is_one else f"{value!r} is no rule; write it like 'paper-x: px_*'"


def zone(value: str) -> str:
    """Check the name of a time zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "there is no such time zone; write one like Europe/Berlin"
    return ""


def web_address(value: str) -> str:
    """Check an address that HTTP can reach."""
    is_one = value.startswith(("http://", "https://")) and value.partition("://")[2].strip("/")
    return "" if is_one else "not a web address; write it like https://api.example.org"


def web_address_or_none(value: str) -> str:
    """Check an address that HTTP can reach; empty is none."""
    return web_address(value) if value else ""


def _declared(default: object, reader: Callable[[object], object], check: Check | None) -> Any:  # noqa: ANN401
    return dataclasses.field(default=default, metadata={"read": reader, "check": check or _anything})


def _anything(value: object) -> str:
    return ""


def _within(above: float | None, at_least: float | None, at_most: float | None) -> Check:
    def check(value: float) -> str:
        if above is not None and not value > above:
            return f"it has to be more than {above:g}"
        if at_least is not None and not value >= at_least:
            return f"it has to be at least {at_least:g}"
        if at_most is not None and not value <= at_most:
            return f"it has to be at most {at_most:g}"
        return ""

    return check


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004 - one kind of error for whatever does not fit
    return value


def _read_words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise ValueError("not a list of texts")
    return tuple(value)


def _read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004
    return value


def _read_place(value: object) -> Path | None:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("not a path")
    return Path(value)


def _read_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)


def _read_whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")  # noqa: TRY004
    return value
