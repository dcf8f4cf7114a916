"""Find the variants of a kind by name: a module of ours, or an installed entry point.

A variant that the configuration chooses is a module that defines ``make(host, options)`` and, where it has
settings, a class ``Options``: a frozen dataclass whose fields are declared as in `vispa_green.settings`. So
adding one means adding one file. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vispa_green.errors import ConfigError, UnknownPlugin, VispaGreenError
from vispa_green.settings import read

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from vispa_green.host import Host

T = TypeVar("T")
Tables = Mapping[str, Mapping[str, Any]]
"""The tables of variants by name, as they stand in the configuration file."""


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of a variant that has none."""


class Registry(Generic[T]):
    """The variants of one kind: modules of a package, each with a factory of the same name."""

    def __init__(self, kind: str, package: str, factory: str) -> None:
        """Name the kind for messages, the package its modules live in, and the factory they define."""
        self.kind, self.package, self.factory = kind, package, factory

    def names(self) -> tuple[str, ...]:
        """Return every known name; a name defined twice is an error."""
        own, installed = self._own(), {entry.name for entry in self._installed()}
        if clash := own & installed:
            raise VispaGreenError(f"{self.kind} defined twice: {', '.join(sorted(clash))}; uninstall one of them")
        return tuple(sorted(own | installed))

    def knows(self, name: str) -> bool:
        """Say whether there is a variant of that name; of ours that is known without a look at what is installed."""
        return name in self._own() or any(entry.name == name for entry in self._installed())

    def load(self, name: str) -> Callable[..., T]:
        """Return the factory of the variant called ``name``; raise `UnknownPlugin` where there is none."""
        factory: Callable[..., T] = getattr(self.module(name), self.factory)
        return factory

    def module(self, name: str) -> Any:  # noqa: ANN401 - a module that defines the factory
        """Import the module of a variant; raise `UnknownPlugin` where there is none of that name."""
        if name in self._own():
            return importlib.import_module(f"{self.package}.{name}")
        for entry in self._installed():
            if entry.name == name:
                return entry.load()
        raise UnknownPlugin(self.kind, name, self.names())

    def _own(self) -> set[str]:
        found: set[str] = set()
        for folder in importlib.import_module(self.package).__path__:
            for name in os.listdir(folder):  # noqa: PTH208 - what pkgutil does, without its start-up time
                stem = name.removesuffix(".py")
                is_package = stem == name and os.path.isfile(os.path.join(folder, name, "__init__.py"))  # noqa: PTH113, PTH118
                if not name.startswith(("_", ".")) and (stem != name or is_package):
                    found.add(stem)
        return found

    def _installed(self) -> Sequence[EntryPoint]:
        from importlib.metadata import entry_points

        return tuple(entry_points(group=self.package))


class Variants(Registry[T]):
    """The variants of one kind that the configuration chooses: all are made by ``make(host, options)``."""

    def __init__(self, kind: str, package: str, section: str) -> None:
        """Name the kind for messages, the package its modules live in, the table their options stand in."""
        super().__init__(kind, package, "make")
        self.section = section

    def make(self, name: str, host: Host | None, tables: Tables) -> T:
        """Return the variant called ``name`` with the options of its table.

        ``tables`` are those of all variants of the section. Raises `UnknownPlugin` where there is none of
        that name, `ConfigError` with every fault of its table.
        """
        module = self.module(name)
        options, faults = read(options_of(module), tables.get(name, {}), f"{self.section}.{name}")
        if faults:
            raise ConfigError("\n".join(faults))
        made: T = module.make(host, options)
        return made

    def faults(self, name: str, tables: Tables) -> list[str]:
        """Return what is wrong with a variant that the configuration names, a sentence each."""
        try:
            module = self.module(name)
        except (VispaGreenError, ImportError) as error:
            return [str(error)]
        return read(options_of(module), tables.get(name, {}), f"{self.section}.{name}")[1]


def options_of(module: Any) -> type[Any]:  # noqa: ANN401
    """Return the class of a variant's options."""
    declared: type[Any] = getattr(module, "Options", NoOptions)
    return declared
