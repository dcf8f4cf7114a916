"""Figures as people read them: numbers with intervals, and the table for the terminal."""

from __future__ import annotations

from vispa_green_sim.study.replay_error import ReplayError
from vispa_green_sim.study.statistics import Estimate
from vispa_green_sim.study.summary import Summary


def number(value: Estimate | None, digits: int = 2, *, signed: bool = False) -> str:
    """Return ``mean [low, high]``."""
    if value is None:
        return "–"
    sign = "+" if signed else ""
    mean, low, high = (f"{_plain(part, digits):{sign},.{digits}f}" for part in (value.mean, value.low, value.high))
    return f"{mean} [{low}, {high}]"


def duration(value: Estimate | None) -> str:
    """Return a change of seconds in minutes, or hours where it is long."""
    if value is None:
        return "–"
    unit, seconds = ("h", 3600) if abs(value.mean) >= 7200 else ("min", 60)
    mean, low, high = (f"{_plain(part / seconds, 1):+,.1f}" for part in (value.mean, value.low, value.high))
    return f"{mean} [{low}, {high}] {unit}"


def replay_words(error: ReplayError) -> str:
    """Say how well the reference run replays what was recorded."""
    if error.mape_pct is None or error.recorded_mean_wait_s is None:
        return "Replay error: unknown, the history does not record when jobs started."
    return (
        f"Replay error: {error.mape_pct:.1f} % (MAPE of the two-week moving mean wait, {error.jobs:,} jobs); "
        f"mean wait {error.simulated_mean_wait_s:,.0f} s simulated, {error.recorded_mean_wait_s:,.0f} s recorded."
    )


def noise_words(summary: Summary) -> str:
    """Say what shaking alone does."""
    noise = summary.noise
    return (
        f"Noise floor: shaking submissions by ± {summary.shake_minutes:g} min alone moves the CO2 of jobs by "
        f"{noise.dynamic_co2_pct:.3f} % and the mean wait by {noise.mean_wait_pct:.1f} % "
        f"(sd over {summary.seeds} seeds)."
    )


def table(summary: Summary) -> str:
    """Return the effects as a table for a terminal."""
    head = ("scenario", "CO2 saved %", "of jobs' CO2 %", "adopters wait", "others wait")
    rows = [head] + [
        (
            effect.name,
            number(effect.saved_pct) + ("" if effect.is_beyond_noise else " *"),
            number(effect.dynamic_saved_pct),
            duration(effect.adopters_wait_s),
            duration(effect.others_wait_s),
        )
        for effect in summary.effects
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    legend = "95 % intervals; * not beyond the noise floor"
    return "\n".join([noise_words(summary), "", *lines, legend])


def _plain(value: float, digits: int) -> float:
    """Round, and let no -0.00 be printed."""
    return round(value, digits) + 0.0
