"""The model's values as JSON and back, by their declared types; strict, and with the standard library only.

Objects carry the names of fields; one that has its default is left out. Times and spans are whole µs (times
since 1970), a zone is its name, a mapping by names is an object and any other a list of pairs. Of a union of
several types the type's name stands beside the value. What is read is taken as it is meant or not at all:
`Malformed` names the field.
Law: what is written and read again is the same.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import Enum
from typing import Any, NamedTuple, NoReturn, Union, get_args, get_origin

from vispa_green.errors import Malformed, VispaGreenError

Plain = Any
"""What `json` knows: texts, numbers, lists, dictionaries, true, false and null."""

LONGEST_TEXT = 65_536
LARGEST_ASKED = 2**63 - 1
"""What a ledger can keep of one number; no larger one is taken from anybody."""
LARGEST_TOLD = 2**127
"""Sums of energies may be larger than any of their parts."""
_LONG_NUMBER = re.compile(r"[0-9]{19}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
EARLIEST_US = (datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
LATEST_US = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""Nearer to the ends of `datetime` every zone and every rounding overflows."""


Where = Union[str, tuple["Where", str | int]]  # noqa: UP007 - it names itself
"""Where in a message a value is: a name, or a place and what of it. It is put into words where something is wrong."""


class Codec(NamedTuple):
    """How values of one type are written, and read; ``read`` is told where in a message it is."""

    write: Callable[[Any], Plain]
    read: Callable[[Plain, Where], Any]


def text_of(plain: Plain) -> str:
    """Return JSON."""
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parsed(data: bytes | str, largest: int = LARGEST_ASKED) -> Plain:
    """Return what a JSON text says; raise `Malformed` where it is none, names a thing twice or has absurd numbers."""

    def whole(text: str) -> int:
        if len(text) > 41 or abs(number := int(text)) > largest:
            raise Malformed("a number is too large")
        return number

    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        # Where no number is that long, `json` may read them by itself, three times as fast.
        parse_int = whole if _LONG_NUMBER.search(text) else None
        return json.loads(
            text, object_pairs_hook=_once, parse_int=parse_int, parse_float=_finite, parse_constant=_no_number
        )
    except UnicodeDecodeError:
        raise Malformed("it is not UTF-8") from None
    except RecursionError:
        raise Malformed("it is nested too deeply") from None
    except ValueError as error:
        raise Malformed(f"it is no JSON ({error})") from None


@functools.cache
def codec_of(kind: Any) -> Codec:  # noqa: ANN401 - a type, or what stands for one in an annotation
    """Return how values of a declared type are written and read."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    origin, inside = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return _union(inside)
    if origin is tuple and inside[-1:] != (...,):
        return _row(inside)
    if origin in _LISTS:
        return _list(codec_of(inside[0]), _LISTS[origin])
    if origin in {Mapping, dict}:
        return _mapping(*inside)
    return _of_class(kind)


def _of_class(kind: type[Any]) -> Codec:
    if issubclass(kind, Enum):
        return _enum(kind)
    if dataclasses.is_dataclass(kind):
        return _record(kind)
    raise TypeError(f"{kind!r} is not a type that messages have")


def _union(kinds: Sequence[Any]) -> Codec:
    others = [kind for kind in kinds if kind is not types.NoneType]
    inner = codec_of(others[0]) if len(others) == 1 else _named(others)
    if len(others) == len(kinds):
        return inner
    return Codec(
        lambda value: None if value is None else inner.write(value),
        lambda plain, where: None if plain is None else inner.read(plain, where),
    )


def _named(kinds: Sequence[type]) -> Codec:
    codecs = {kind.__name__: codec_of(kind) for kind in kinds}

    def write(value: object) -> Plain:
        kind = next((kind for kind in kinds if type(value) is kind), None) or next(
            kind for kind in kinds if isinstance(value, kind)
        )
        return {kind.__name__: codecs[kind.__name__].write(value)}

    def read(plain: Plain, where: Where) -> object:
        if not isinstance(plain, dict) or len(plain) != 1 or next(iter(plain)) not in codecs:
            _wrong(where, f"not one of {', '.join(codecs)}")
        [(name, value)] = plain.items()
        return codecs[name].read(value, (where, name))

    return Codec(write, read)


def _row(kinds: Sequence[Any]) -> Codec:
    codecs = [codec_of(kind) for kind in kinds]

    def read(plain: Plain, where: Where) -> tuple[Any, ...]:
        if not isinstance(plain, list) or len(plain) != len(codecs):
            _wrong(where, f"not a list of {len(codecs)}")
        return tuple(codec.read(one, (where, i)) for i, (codec, one) in enumerate(zip(codecs, plain, strict=True)))

    return Codec(lambda value: [codec.write(one) for codec, one in zip(codecs, value, strict=True)], read)


def _list(inner: Codec, made: Callable[[Iterable[Any]], Any]) -> Codec:
    write, read_one = inner

    def read(plain: Plain, where: Where) -> object:
        if not isinstance(plain, list):
            _wrong(where, "not a list")
        return made([read_one(one, (where, i)) for i, one in enumerate(plain)])

    return Codec(lambda value: [write(one) for one in value], read)


def _mapping(key_kind: Any, value_kind: Any) -> Codec:  # noqa: ANN401
    key, value = codec_of(key_kind), codec_of(value_kind)
    if not (isinstance(key_kind, type) and issubclass(key_kind, str)):
        pairs = _list(_row((key_kind, value_kind)), dict)
        return Codec(lambda found: pairs.write(found.items()), pairs.read)

    def read(plain: Plain, where: Where) -> dict[Any, Any]:
        if not isinstance(plain, dict):
            _wrong(where, "not an object")
        return {key.read(name, where): value.read(one, (where, name)) for name, one in plain.items()}

    return Codec(lambda found: {key.write(name): value.write(one) for name, one in found.items()}, read)


def _enum(kind: type[Enum]) -> Codec:
    known: dict[Any, Enum] = {one.value: one for one in kind}

    def read(plain: Plain, where: Where) -> Enum:
        if not isinstance(plain, str) or plain not in known:
            _wrong(where, f"not one of {', '.join(map(str, known))}")
        return known[plain]

    return Codec(lambda value: value.value, read)


def _record(kind: type[Any]) -> Codec:
    hints = typing.get_type_hints(kind)
    codecs = {field.name: codec_of(hints[field.name]) for field in dataclasses.fields(kind)}
    defaults = {field.name: _default(field) for field in dataclasses.fields(kind)}
    needed = {name for name, default in defaults.items() if default is dataclasses.MISSING}
    readers, known = {name: codec.read for name, codec in codecs.items()}, codecs.keys()

    def write(value: object) -> Plain:
        found = {}
        for name, codec in codecs.items():
            one = getattr(value, name)
            if name in needed or one != defaults[name]:
                found[name] = codec.write(one)
        return found

    def read(plain: Plain, where: Where) -> object:
        if not isinstance(plain, dict):
            _wrong(where, "not an object")
        if not plain.keys() <= known:
            _wrong(where, f"has no field {min(plain.keys() - known)!r}")
        if not needed <= plain.keys():
            _wrong(where, f"lacks the field {min(needed - plain.keys())!r}")
        values = {name: readers[name](one, (where, name)) for name, one in plain.items()}
        try:
            return kind(**values)
        except VispaGreenError as error:  # a value may know more of what it cannot be
            raise Malformed(f"{_words(where)}: {error}") from None

    return Codec(write, read)


def _default(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a name comes twice in an object")
    return found


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise Malformed("a number is too large")
    return number


def _no_number(text: str) -> NoReturn:
    raise Malformed(f"{text} is no number")


def _wrong(where: Where, what: str) -> NoReturn:
    raise Malformed(f"{_words(where) or 'the message'}: {what}")


def _words(where: Where) -> str:
    if isinstance(where, str):
        return where
    place, part = where
    return f"{_words(place)}[{part}]" if isinstance(part, int) else f"{_words(place)}.{part}"


def _same(value: Any) -> Any:  # noqa: ANN401
    return value


def _read_text(plain: Plain, where: Where) -> str:
    if not isinstance(plain, str):
        _wrong(where, "not a text")
    if len(plain) > LONGEST_TEXT:
        _wrong(where, f"longer than {LONGEST_TEXT} characters")
    if "\0" in plain or not (plain.isascii() or _is_unicode(plain)):
        _wrong(where, "has characters that no text has")
    return plain


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _read_flag(plain: Plain, where: Where) -> bool:
    if not isinstance(plain, bool):
        _wrong(where, "neither true nor false")
    return plain


def _read_whole(plain: Plain, where: Where) -> int:
    if isinstance(plain, bool) or not isinstance(plain, int):
        _wrong(where, "not a whole number")
    return plain


def _read_number(plain: Plain, where: Where) -> float:
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        _wrong(where, "not a number")
    return float(plain)


def _read_moment(plain: Plain, where: Where) -> datetime:
    number = _read_whole(plain, where)
    if not EARLIEST_US <= number <= LATEST_US:
        _wrong(where, "not a time of these centuries")
    return _EPOCH + number * _MICROSECOND


def _read_span(plain: Plain, where: Where) -> timedelta:
    try:
        return timedelta(microseconds=_read_whole(plain, where))
    except OverflowError:
        _wrong(where, "not a span of time")


def _read_date(plain: Plain, where: Where) -> date:
    try:
        return date.fromisoformat(_read_text(plain, where))
    except ValueError:
        _wrong(where, "not a date like 2026-06-21")


def _write_zone(zone: tzinfo) -> str:
    if zone is UTC:
        return "UTC"
    if key := getattr(zone, "key", None):
        return str(key)
    raise Malformed("the zone of this machine has no name; set TZ to one like Europe/Berlin")


def _read_zone(plain: Plain, where: Where) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    name = _read_text(plain, where)
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        _wrong(where, "not a zone like Europe/Berlin")


def _read_nothing(plain: Plain, where: Where) -> None:
    if plain is not None:
        _wrong(where, "not null")


_SIMPLE: dict[Any, Codec] = {
    str: Codec(_same, _read_text),
    bool: Codec(_same, _read_flag),
    int: Codec(_same, _read_whole),
    float: Codec(_same, _read_number),
    datetime: Codec(lambda at: (at - _EPOCH) // _MICROSECOND, _read_moment),
    timedelta: Codec(lambda span: span // _MICROSECOND, _read_span),
    date: Codec(date.isoformat, _read_date),
    tzinfo: Codec(_write_zone, _read_zone),
    type(None): Codec(_same, _read_nothing),
}
_LISTS: dict[Any, Callable[[Iterable[Any]], Any]] = {
    tuple: tuple, list: list, Sequence: list, Iterable: list, frozenset: frozenset,
}  # fmt: skip
