"""Reports as JSON."""

from __future__ import annotations

from typing import Any

from vispa_green.answers.group import GroupReport
from vispa_green.answers.totals import GroupTotal
from vispa_green.cli._output import rounded, stamp
from vispa_green.energy.weekly import WeeklyReport


def weekly_record(report: WeeklyReport) -> dict[str, Any]:
    """Return the report for JSON."""
    return {**_whose(report), **_energy(report), **_jobs(report), **_beside(report), **_unused(report)}


def _whose(report: WeeklyReport) -> dict[str, Any]:
    return {
        "user": report.user,
        "week": report.week.name,
        "is_over": report.is_over,
        "start": stamp(report.week.start),
        "end": stamp(report.week.end),
    }


def _energy(report: WeeklyReport) -> dict[str, Any]:
    figures = report.figures
    return {
        "energy_uj": figures.parts.total_uj,
        "cpu_energy_uj": figures.parts.cpu_uj,
        "dram_energy_uj": figures.parts.dram_uj,
        "gpu_energy_uj": figures.parts.gpu_uj,
        "node_energy_uj": figures.parts.node_uj,
        "idle_energy_uj": figures.parts.idle_uj,
        "co2_g": figures.grid.co2_g,
        "co2_coverage": figures.grid.co2_coverage,
        "green_share_pct": rounded(figures.grid.renewable_share_pct),
        "grid_mean_share_pct": rounded(report.grid_share_pct),
        "idle_share": figures.idle_share,
        "coverage": report.coverage,
        "days": [
            {"date": day.isoformat(), "energy_uj": parts.total_uj}
            for day, parts in zip(report.week.days, figures.days, strict=True)
        ],
    }


def _jobs(report: WeeklyReport) -> dict[str, Any]:
    return {
        "jobs": report.jobs,
        "estimated_jobs": report.estimated_jobs,
        "gap_jobs": report.gap_jobs,
        "unseen_jobs": report.unseen_jobs,
        "top_jobs": [
            {
                "cluster": item.job.key.cluster,
                "job_id": item.job.display_id,
                "submit": stamp(item.job.submit),
                "name": item.job.name,
                "energy_uj": item.energy_uj,
                "co2_g": item.co2_g,
            }
            for item in report.top
        ],
    }


def _beside(report: WeeklyReport) -> dict[str, Any]:
    shifted = report.shifted
    return {
        "projects": [
            {"project": one.name or None, "energy_uj": one.energy_uj, "co2_g": one.co2_g} for one in report.projects
        ],
        "weeks_before": [
            {"week": one.name, "energy_uj": one.energy_uj, "co2_g": one.co2_g} for one in report.earlier
        ],
        "shifted": {
            "jobs": shifted.jobs,
            "better": shifted.better,
            "worse": shifted.worse,
            "unknown": shifted.unknown,
            "saved_g": shifted.saved_g,
        },
    }


def _unused(report: WeeklyReport) -> dict[str, Any]:
    waste = report.waste
    return {
        "memory_reserved_gib_h": rounded(waste.memory_reserved_gib_h),
        "memory_used_gib_h": rounded(waste.memory_used_gib_h),
        "idle_gpu_jobs": waste.idle_gpu_jobs,
        "idle_gpu_energy_uj": waste.idle_gpu_uj,
        "limit_s": waste.limit.total_seconds(),
        "ran_s": waste.ran.total_seconds(),
        "advice": {
            "topic": report.advice.topic.value,
            "saved_energy_uj": report.advice.saved_uj,
            "saved_g": report.advice.saved_g,
        },
    }


def group_record(report: GroupReport) -> dict[str, Any]:
    """Return the report on an account or the cluster for JSON."""
    return {
        "account": report.account or None,
        "period": report.period.name,
        "start": stamp(report.period.start),
        "end": stamp(report.period.end),
        **_sums(report.total),
        "before": {"period": report.period.before.name, **_sums(report.before)},
        "by": {
            dimension.value: [{dimension.value: row.group[dimension] or None, **_sums(row)} for row in rows]
            for dimension, rows in report.by.items()
        },
    }


def _sums(total: GroupTotal) -> dict[str, Any]:
    return {
        "energy_uj": total.parts.total_uj,
        "cpu_energy_uj": total.parts.cpu_uj,
        "dram_energy_uj": total.parts.dram_uj,
        "gpu_energy_uj": total.parts.gpu_uj,
        "node_energy_uj": total.parts.node_uj,
        "idle_energy_uj": total.parts.idle_uj,
        "co2_g": total.grid.co2_g,
        "co2_coverage": total.grid.co2_coverage,
        "green_share_pct": rounded(total.grid.renewable_share_pct),
        "jobs": total.jobs,
    }
