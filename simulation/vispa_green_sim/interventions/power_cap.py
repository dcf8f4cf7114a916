"""Frequency and power caps: jobs draw less and take longer, by measured curves (see ``_curves.py``)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vispa_green.errors import did_you_mean
from vispa_green_sim.interventions import Intervention, InterventionError, Knowledge, Stage, Trial
from vispa_green_sim.interventions._curves import CURVES, Point


@dataclass(frozen=True, slots=True)
class PowerCap:
    """Caps the jobs of those who take part. Time limits grow with the run time, or capped jobs would be killed."""

    point: Point
    bound: float
    only_gpu: bool
    stage: Stage = Stage.JOBS

    @property
    def time_ratio(self) -> float:
        """How much longer a job runs; only its bound part feels the cap."""
        return 1 + self.bound * (self.point.time_ratio - 1)

    def applied(self, trial: Trial, knowledge: Knowledge) -> Trial:
        """Return the trial with longer runs of less power."""
        jobs, ratio = trial.workload, self.time_ratio
        capped = trial.adopting(knowledge)
        if self.only_gpu:
            if not any(jobs.gpus):
                raise InterventionError(
                    f"power_cap: {jobs.name} has no GPU jobs; take the curve taurus_cpu, or set only_gpu_jobs = false"
                )
            capped = [takes_part and gpus > 0 for takes_part, gpus in zip(capped, jobs.gpus, strict=True)]
        run = [round(s * ratio) if cap else s for s, cap in zip(jobs.run_s, capped, strict=True)]
        request = [-int(-s * ratio // 1) if cap else s for s, cap in zip(jobs.request_s, capped, strict=True)]
        power = [
            round(mw * self.point.power_ratio) if cap else mw for mw, cap in zip(trial.job_mw, capped, strict=True)
        ]
        return replace(trial, workload=replace(jobs, run_s=run, request_s=request), job_mw=power)


def intervention(*, curve: str, cap: float, bound: float = 1.0, only_gpu_jobs: bool | None = None) -> Intervention:
    """Return the intervention: ``cap`` is a point of the ``curve``, in W (GPU) or % of full speed (CPU).

    ``bound`` is the part of a run that slows down with the device; 1 is the worst case, and what the GPU
    curves measured. GPU curves concern GPU jobs only, unless ``only_gpu_jobs = false``.
    """
    if curve not in CURVES:
        raise InterventionError(
            f"power_cap: no curve {curve!r}{did_you_mean(curve, list(CURVES))}; {', '.join(CURVES)}"
        )
    if not 0 <= bound <= 1:
        raise InterventionError(f"power_cap: bound = {bound}; it is a part, from 0 to 1")
    for point in CURVES[curve]:
        if point.cap == cap:
            return PowerCap(point, bound, curve != "taurus_cpu" if only_gpu_jobs is None else only_gpu_jobs)
    known = ", ".join(f"{point.cap:g}" for point in CURVES[curve])
    raise InterventionError(f"power_cap: {curve} was not measured at {cap:g}; choose one of {known}")
