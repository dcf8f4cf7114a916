"""Find the variants of a kind by name: a module of ours, or an installed entry point.

A variant is a module with one public factory named after its kind, so adding one means adding one
file. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from vispa_green.errors import UnknownPlugin, VispaGreenError

T = TypeVar("T")


class Registry(Generic[T]):
    """The variants of one kind, e.g. ``Registry("meter", "vispa_green.meters", "discover")``."""

    def __init__(self, kind: str, package: str, factory: str) -> None:
        """Name the kind for messages, the package its modules live in, and the factory they define."""
        self.kind, self.package, self.factory = kind, package, factory

    def names(self) -> tuple[str, ...]:
        """Return every known name; a name defined twice is an error."""
        own = self._own()
        installed = {e.name for e in entry_points(group=self.package)}
        if clash := own & installed:
            raise VispaGreenError(f"{self.kind} defined twice: {', '.join(sorted(clash))}; uninstall one of them")
        return tuple(sorted(own | installed))

    def load(self, name: str) -> Callable[..., T]:
        """Return the factory of the variant called ``name``."""
        if name in self._own():
            module: Any = importlib.import_module(f"{self.package}.{name}")
        else:
            module = self._entry_point(name).load()
        factory: Callable[..., T] = getattr(module, self.factory)
        return factory

    def _own(self) -> set[str]:
        path = importlib.import_module(self.package).__path__
        return {m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_")}

    def _entry_point(self, name: str) -> EntryPoint:
        for entry in entry_points(group=self.package, name=name):
            return entry
        raise UnknownPlugin(self.kind, name, self.names())
