"""The bundled jobs, one folder each; a folder defines ``job() -> Job`` and holds `job.toml`.

Importing a job imports nothing heavy: that happens inside its ``run``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.registry import Registry

if TYPE_CHECKING:
    from vispa_green_jobs.job import Job

JOBS: Registry[Job] = Registry("job", __name__, "job")
