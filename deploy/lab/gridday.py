"""A day of the German grid in quarter-hours: recorded where the data is at hand, made up otherwise."""

import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from lab.atomic import replace_text

GERMANY = ZoneInfo("Europe/Berlin")
QUARTER_S = 900
SUMMER_DAY = date(2025, 6, 18)  # a working day from 27 % in the morning to 102 % at noon
RECORDING = Path("grid") / "de_smard_2025_hourly.csv"
CSV_COLUMNS = ("start_utc", "renewable_share_pct", "gco2_per_kwh", "kind")


@dataclass(frozen=True)
class GridDay:
    """One value per step of equal length, and a sentence for the screen on where they come from."""

    start_utc: datetime
    step_seconds: int
    renewable_share_pct: tuple[float, ...]
    gco2_per_kwh: tuple[float, ...]
    origin: str

    @property
    def times_s(self) -> tuple[int, ...]:
        """When each step starts, in unix seconds."""
        start_s = int(self.start_utc.timestamp())
        return tuple(start_s + step * self.step_seconds for step in range(len(self.gco2_per_kwh)))

    def measured_steps(self, now_s: float) -> int:
        """How many steps are over at `now_s`, hence measured; the rest is forecast."""
        return sum(time_s + self.step_seconds <= now_s for time_s in self.times_s)


def german_day(data_dir: Path | None = None, *, day: date = SUMMER_DAY, days: int = 1) -> GridDay:
    """Take local days from the recording in `data_dir`, or from where the project keeps its data, or make them up."""
    recording = (data_dir or _data_dir()) / RECORDING
    start = datetime.combine(day, time(), GERMANY).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=days), time(), GERMANY).astimezone(UTC)
    quarters = int((end - start).total_seconds()) // QUARTER_S
    rows = _recorded_hours(recording, start, end) if recording.exists() else {}
    if len(rows) * 4 < quarters:
        shares = tuple(_made_up_share_pct(start + timedelta(seconds=QUARTER_S) * step) for step in range(quarters))
        intensities = tuple(round(max(110.0, 720.0 - 5.9 * share), 2) for share in shares)
        origin = f"made-up values, shaped like a German summer day (there is no recorded one at {recording})"
        return GridDay(start, QUARTER_S, shares, intensities, origin)
    shares, intensities = (_quarters([row[column] for row in rows.values()]) for column in (0, 1))
    origin = f"Germany, {days} day{'s' * (days > 1)} from {day}, recorded hours interpolated to quarter-hours"
    return GridDay(start, QUARTER_S, shares, intensities, f"{origin}; Bundesnetzagentur | SMARD.de, CC BY 4.0")


def compress(series: GridDay, start_utc: datetime, step_seconds: int = QUARTER_S) -> GridDay:
    """Let the day begin at `start_utc` with steps of another length: 900 moves it, 5 makes it pass in 8 minutes."""
    if step_seconds < 1:
        raise ValueError(f"unix seconds are whole: a step of {step_seconds} s cannot be told from its neighbour")
    return replace(series, start_utc=start_utc.replace(microsecond=0), step_seconds=step_seconds)


def write_csv(path: Path, series: GridDay, now_s: float) -> None:
    """Write the file that a site without the grid service would give us."""
    lines = [",".join(CSV_COLUMNS)]
    measured = series.measured_steps(now_s)
    values = zip(series.times_s, series.renewable_share_pct, series.gco2_per_kwh, strict=True)
    for step, (time_s, share_pct, gco2) in enumerate(values):
        start = datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(f"{start},{share_pct},{gco2},{'measured' if step < measured else 'forecast'}")
    replace_text(path, "\n".join(lines) + "\n")


def _data_dir() -> Path:
    beside_the_project = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("VISPA_GREEN_DATA") or beside_the_project)


def _recorded_hours(recording: Path, start: datetime, end: datetime) -> dict[datetime, tuple[float, float]]:
    with recording.open(newline="", encoding="utf-8") as file:
        return {
            hour: (float(row["ren_share_of_load_pct"]), float(row["ci_lc_g_kwh"]))
            for row in csv.DictReader(file)
            if start <= (hour := datetime.fromisoformat(row["utc_start"])) < end
        }


def _quarters(hours: Sequence[float]) -> tuple[float, ...]:
    """Draw straight lines between the middles of the hours; the first and last half hour stay level."""
    values = []
    for quarter in range(len(hours) * 4):
        position = min(max((quarter + 0.5) / 4 - 0.5, 0.0), len(hours) - 1.0)
        before = min(int(position), len(hours) - 2) if len(hours) > 1 else 0
        after = min(before + 1, len(hours) - 1)
        values.append(round(hours[before] + (hours[after] - hours[before]) * (position - before), 2))
    return tuple(values)


def _made_up_share_pct(start: datetime) -> float:
    local = start.astimezone(GERMANY)
    hour = local.hour + local.minute / 60 + 0.125
    sun = max(0.0, math.sin(math.pi * (hour - 5.5) / 16)) ** 2  # daylight from 5:30 to 21:30 in June
    wind = math.cos(math.pi * (hour - 3) / 12)
    return round(28.0 + 70.0 * sun + 4.0 * wind, 2)
