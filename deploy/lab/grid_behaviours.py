"""The ways in which the grid service was seen to answer, each a transformation of its normal answer.

`nth` counts the requests since the behaviour was set, from zero.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

JSON = "application/json"
Payload = dict[str, Any]
Column = list[float | None]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; `hangs` means that none is ever sent."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False


class Behaviour(Protocol):
    """How a path answers."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        """Answer the request number `nth`, given what a healthy service would say."""


def as_json(payload: Payload) -> Answer:
    """Answer with this payload, in good health."""
    return Answer(json.dumps(payload).encode())


def as_text(status: int, text: str) -> Answer:
    """Answer with plain text."""
    return Answer(text.encode(), status, "text/plain; charset=utf-8")


def change_columns(payload: Payload, change: Callable[[Column], Column]) -> Payload:
    """Change every column of values, but not the times."""
    changed = dict(payload)
    for name, values in payload.items():
        if name == "production_types":
            changed[name] = [series | {"data": change(series["data"])} for series in values]
        elif name != "unix_seconds" and isinstance(values, list):
            changed[name] = change(values)
    return changed


@dataclass(frozen=True)
class Normal:
    """A healthy service."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        return as_json(payload)


@dataclass(frozen=True)
class EmptyArrays:
    """200 and no data, as on 2026-08-31."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        return as_json(change_columns(payload, lambda _: []) | {"unix_seconds": []})


@dataclass(frozen=True)
class TooManyRequests:
    """429 with Retry-After (seconds or an HTTP date; `None` leaves it out), `times` times or for ever."""

    retry_after: str | None = "60"
    times: int | None = None

    def reply(self, payload: Payload, nth: int) -> Answer:
        if self.times is not None and nth >= self.times:
            return as_json(payload)
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        return Answer(b"Too many requests", 429, "text/plain; charset=utf-8", headers)


@dataclass(frozen=True)
class ServerError:
    """500, `times` times or for ever."""

    times: int | None = None

    def reply(self, payload: Payload, nth: int) -> Answer:
        if self.times is not None and nth >= self.times:
            return as_json(payload)
        return as_text(500, "Internal Server Error")


@dataclass(frozen=True)
class TruncatedJson:
    """200, and the text stops halfway."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        body = as_json(payload).body
        return Answer(body[: len(body) // 2])


@dataclass(frozen=True)
class Nulls:
    """Values from step `first` to before step `end` are null."""

    first: int = 0
    end: int | None = None

    def reply(self, payload: Payload, nth: int) -> Answer:
        def blank(values: Column) -> Column:
            end = len(values) if self.end is None else self.end
            return [None if self.first <= step < end else value for step, value in enumerate(values)]

        return as_json(change_columns(payload, blank))


@dataclass(frozen=True)
class OverHundred:
    """Values scaled so that the largest is `peak`: shares above 100 % are real, 141 % was seen."""

    peak: float = 141.0

    def reply(self, payload: Payload, nth: int) -> Answer:
        def scale(values: Column) -> Column:
            largest = max((value for value in values if value is not None), default=0.0)
            return [value and round(value * self.peak / largest, 2) for value in values]

        return as_json(change_columns(payload, scale))


@dataclass(frozen=True)
class OutOfOrder:
    """The first two times have changed places, their values have not."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        first, second, *rest = payload["unix_seconds"]
        return as_json(payload | {"unix_seconds": [second, first, *rest]})


@dataclass(frozen=True)
class LengthMismatch:
    """One value fewer than times."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        return as_json(change_columns(payload, lambda values: values[:-1]))


@dataclass(frozen=True)
class Hang:
    """The connection is accepted and never answered, until the server closes."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        return Answer(hangs=True)


@dataclass(frozen=True)
class UnknownCountry:
    """400 in plain text, whatever the country."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        return as_text(400, "country not found")


@dataclass(frozen=True)
class HtmlInsteadOfJson:
    """200 and a page for people, as proxies and maintenance pages give it."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        return Answer(b"<!doctype html><title>Wartungsarbeiten</title>", content_type="text/html; charset=utf-8")


@dataclass(frozen=True)
class Deprecated:
    """Good data from a path that is announced to go."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        return as_json(payload | {"deprecated": True})


@dataclass(frozen=True)
class Substitute:
    """A guess from history, because the primary providers had no data."""

    def reply(self, payload: Payload, nth: int) -> Answer:
        return as_json(payload | {"substitute": True})
