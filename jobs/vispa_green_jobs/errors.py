"""What can go wrong with a job, and the one thing that is no error: a pause.

::

    VispaGreenError
    └── UsageError
        └── JobError            a definition, a setting or a folder that cannot be used
            └── ExtraMissing    the job needs a package that is not installed
    Paused                      the run stopped on request, its checkpoint is safe
"""

from __future__ import annotations

from collections.abc import Sequence

from vispa_green.errors import UsageError


class JobError(UsageError):
    """A definition, a setting or an output folder that cannot be used."""


class ExtraMissing(JobError):
    """The job needs packages that are not installed."""

    def __init__(self, job: str, modules: Sequence[str], extras: Sequence[str]) -> None:
        super().__init__(f"{job} needs {', '.join(modules)}: pip install 'vispa-green[{','.join(extras)}]'")


class Paused(Exception):
    """Control flow, not a failure: whoever raises it has written a checkpoint first."""
