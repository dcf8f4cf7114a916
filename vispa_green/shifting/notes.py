"""A promise, a move of one, or a tag, as the short text that a user leaves behind. Pure, strict, light to import.

Whoever may write such a text may write anything into it, so nothing is taken that could not be true, and the
text does not say whose it is: that is its file's owner.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from vispa_green.errors import DamagedNote, UsageError
from vispa_green.model import Move, ProjectTag, Promise, Quantity
from vispa_green.numbers import LATEST_S, whole_number
from vispa_green.printable import printable

SUBMITTING = timedelta(minutes=10)
"""Longer than this no submission takes, and sooner no number comes again."""

LONGEST_TEXT = 500
LONGEST_SPAN = timedelta(days=3660)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST_MEAN = 1e6


Note = Promise | Move | ProjectTag


def note_text(note: Note) -> str:
    """Return a note as JSON: times in µs since 1970, spans in µs."""
    kind, fields = _KINDS[type(note)]
    body = {name: _plain(getattr(note, name)) for name in fields}
    return json.dumps({"kind": kind, **body}, separators=(",", ":"), allow_nan=False)


def note_of(text: bytes, user: str) -> Note:
    """Return what `note_text` wrote, as a note of ``user``; raise `DamagedNote` for anything else."""
    body = _body(text)
    kind = body.pop("kind", None)
    if kind == "promise":
        return Promise(user=user, **_read(body, _PROMISE))
    if kind == "move":
        return Move(moved_by=user, **_read(body, _MOVE))
    if kind == "tag":
        return ProjectTag(cluster="", tagged_by=user, **_read(body, _TAG))
    raise DamagedNote("neither a promise nor a move nor a tag")


def _body(text: bytes) -> dict[str, Any]:
    try:
        body = json.loads(text.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DamagedNote(f"no JSON: {error}") from None
    if not isinstance(body, dict):
        raise DamagedNote("no JSON object")
    return body


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise DamagedNote("a name that comes twice")
    return body


def _read(body: Mapping[str, Any], fields: Mapping[str, Callable[[Any], object]]) -> dict[str, Any]:
    if body.keys() != fields.keys():
        odd = ", ".join(sorted(printable(name) for name in body.keys() ^ fields.keys()))
        raise DamagedNote(f"missing or unknown: {odd[:LONGEST_TEXT]}")
    found = {}
    for name, read in fields.items():
        try:
            found[name] = read(body[name])
        except (ValueError, TypeError, OverflowError):
            raise DamagedNote(f"{name}: {printable(repr(body[name]))[:LONGEST_TEXT]}") from None
    return found


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MICROSECOND
    return value // _MICROSECOND if isinstance(value, timedelta) else value


def _job_id(value: object) -> str:
    if not isinstance(value, str) or whole_number(value, most=LATEST_S) is None:
        raise ValueError
    return value


def _shown_id(value: object) -> str:
    """Check a job's number, or that of one part of an array or het job as shown: ``12_3``, ``12+1``."""
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - one kind of error for whatever does not fit
    whole, mark, part = value.partition("+" if "+" in value else "_")
    _job_id(whole)
    if mark:
        _job_id(part)
    return value


def _project(value: object) -> str:
    from vispa_green.energy.projects import project_text  # a promise need not wait for it

    text = _text(value)
    try:
        if text and project_text(text) != text:
            raise ValueError
    except UsageError:
        raise ValueError from None
    return text


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable():
        raise ValueError
    return value


def _moment(value: object) -> datetime:
    return _EPOCH + _whole(value, LATEST_S * 1_000_000) * _MICROSECOND


def _span(value: object) -> timedelta:
    return _whole(value, LONGEST_SPAN // _MICROSECOND) * _MICROSECOND


def _whole(value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError
    return value


def _mean(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST_MEAN:  # nor NaN
        raise ValueError
    return float(value)


def _maybe_moment(value: object) -> datetime | None:
    return None if value is None else _moment(value)


_PROMISE: dict[str, Callable[[Any], object]] = {
    "job_id": _job_id,
    "submitted": _moment,
    "planned_start": _moment,
    "duration": _span,
    "finish_by": _maybe_moment,
    "quantity": Quantity,
    "mean": _mean,
    "mean_if_started_now": _mean,
    "policy": _text,
    "reason": _text,
}
_MOVE: dict[str, Callable[[Any], object]] = {
    "job_id": _job_id,
    "submitted": _moment,
    "moved_at": _moment,
    "before": _moment,
    "after": _moment,
    "quantity": Quantity,
    "mean_before": _mean,
    "mean_after": _mean,
    "reason": _text,
}
_TAG: dict[str, Callable[[Any], object]] = {
    "job_id": _shown_id,
    "submitted": _maybe_moment,
    "project": _project,
    "tagged_at": _moment,
}
_KINDS = {Promise: ("promise", _PROMISE), Move: ("move", _MOVE), ProjectTag: ("tag", _TAG)}
