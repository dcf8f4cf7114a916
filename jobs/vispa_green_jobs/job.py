"""A job as the core sees it: a name, a definition, a type of settings and a pure function."""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from vispa_green.errors import did_you_mean
from vispa_green_jobs import definition
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.definition import Definition
from vispa_green_jobs.errors import ExtraMissing, JobError

Metrics = Mapping[str, float]
RunFunction = Callable[[Any, RunContext], Metrics]
"""``run(settings, context)``: pure but for files under ``context.out``; settings are of `Job.settings_type`."""


@dataclass(frozen=True, slots=True)
class Job:
    """One published workload."""

    name: str
    definition: Definition
    settings_type: type
    """A frozen dataclass; presets and ``--set`` fill its fields."""
    run: RunFunction

    @classmethod
    def of(cls, module_file: str, settings_type: type, run: RunFunction) -> Job:
        """Make the job whose folder holds ``module_file``; the folder's name is the job's."""
        folder = Path(module_file).parent
        return cls(folder.name, definition.read(folder), settings_type, run)

    def settings(self, preset: str, overrides: Sequence[str] = ()) -> Any:  # noqa: ANN401 - each job has its type
        """Return the settings of a preset with ``key=value`` texts laid over it."""
        values = dict(self.definition.preset(preset).settings)
        for text in overrides:
            key, has_value, value = text.partition("=")
            if not has_value:
                raise JobError(f"--set {text}: write it as key=value")
            values[key.strip()] = _parsed(value.strip())
        return self.settings_of(values)

    def settings_of(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as above
        """Return settings made of plain values; raise `JobError` for an unknown key or an unsuitable value."""
        known = [field.name for field in fields(self.settings_type)]
        for key in values:
            if key not in known:
                raise JobError(
                    f"{self.name} has no setting {key!r}{did_you_mean(key, known)}; known: {', '.join(known)}"
                )
        try:
            return TypeAdapter(self.settings_type).validate_python(dict(values))
        except ValidationError as invalid:
            faults = [f"{e['loc'][0]}: {e['msg'].lower()}" for e in invalid.errors(include_url=False)]
            raise JobError(f"{self.name}: {'; '.join(faults)}") from None

    def plain(self, settings: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
        """Return settings as values that JSON keeps."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(settings).items()}

    def missing(self) -> tuple[str, ...]:
        """Return the modules that `run` would import and that are not there. Nothing is imported."""
        return tuple(module for module in self.definition.needs if not _is_there(module))

    def require(self) -> None:
        """Raise `ExtraMissing` unless everything that `run` imports is there."""
        if missing := self.missing():
            raise ExtraMissing(self.name, missing, self.definition.extras)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def _parsed(text: str) -> Any:  # noqa: ANN401 - whatever TOML has
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word
