"""The ledger's books as calls that can be sent: what each takes, what it answers, whether it writes.

All of it is read from the protocols in `vispa_green.model.ledger`: a book or a method that is added there can be
called from afar without a line here. A message is one JSON object with the arguments by their names.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vispa_green.codec import Codec, Plain, codec_of
from vispa_green.errors import Malformed
from vispa_green.model import Ledger

WRITING = frozenset({"append", "append_all", "append_moves", "prefer", "asked", "prune", "imported", "keep"})
"""Methods that change a book. Each may be called again with the same arguments and changes nothing more then."""


@dataclass(frozen=True, slots=True)
class Call:
    """One method of one book."""

    book: str
    method: str
    parameters: Mapping[str, Codec]
    needed: frozenset[str]
    answer: Codec

    @property
    def name(self) -> str:
        """What it is called in addresses and messages."""
        return f"{self.book}/{self.method}"

    @property
    def writes(self) -> bool:
        """Whether it changes the book."""
        return self.method in WRITING

    def written(self, given: Sequence[Any], named: Mapping[str, Any]) -> Plain:
        """Return the message of a call with these arguments."""
        arguments = {**dict(zip(self.parameters, given, strict=False)), **named}
        return {name: self.parameters[name].write(value) for name, value in arguments.items()}

    def read(self, plain: Plain) -> dict[str, Any]:
        """Return the arguments in a message; raise `Malformed` where they are not what the method takes."""
        if not isinstance(plain, dict):
            raise Malformed(f"{self.name}: the arguments are not an object")
        if unknown := plain.keys() - self.parameters.keys():
            raise Malformed(f"{self.name}: there is no argument {min(unknown)!r}")
        if missing := self.needed - plain.keys():
            raise Malformed(f"{self.name}: the argument {min(missing)!r} is missing")
        return {name: self.parameters[name].read(value, name) for name, value in plain.items()}


@functools.cache
def books() -> Mapping[str, type[Any]]:
    """Return the protocols of a ledger's books by name."""
    found = {}
    for name, member in vars(Ledger).items():
        if isinstance(member, property) and member.fget is not None:
            found[name] = typing.get_type_hints(member.fget)["return"]
    return found


@functools.cache
def call_of(book: str, method: str) -> Call | None:
    """Return the call of a method, ``None`` where there is none of that name."""
    function = vars(books()[book]).get(method) if book in books() and not method.startswith("_") else None
    if not inspect.isfunction(function):
        return None
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return Call(
        book,
        method,
        {one.name: codec_of(hints[one.name]) for one in parameters},
        frozenset(one.name for one in parameters if one.default is inspect.Parameter.empty),
        codec_of(hints["return"]),
    )
