"""What questions cost in a large ledger: wall time above `python -c pass`, CPU time and memory of whole commands.

Without anything, 20,000 jobs of 28 days. `VISPA_GREEN_BENCH=full` makes and measures 1,000,000 jobs of 364 days, as
does a ledger of that size in `VISPA_GREEN_BENCH_DIR` (else `.cache/bench`), made by `filled_ledger.py`. No assertions
on time, the machine is shared: what is said to be the limit is printed beside the figure.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from tests.benchmarks.filled_ledger import END, PROBE, ZONE, Load, filled
from vispa_green.ledgers import open_ledger
from vispa_green.model import Selection

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[2]
PLACE = Path(os.environ.get("VISPA_GREEN_BENCH_DIR", ROOT / ".cache" / "bench"))
SMALL, LARGE = Load(20_000, 28, 20), Load(1_000_000, 364, 100)
ROUNDS, ENOUGH_S = 7, 20.0
LAST_DAY = (END - timedelta(hours=12)).date()
WEEK = LAST_DAY - timedelta(days=LAST_DAY.weekday() + 7)
AT_SITE = {**os.environ, "TZ": ZONE}
"""Who asks lives in the zone whose weeks the ledger keeps."""
PROGRAM = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from vispa_green.cli import main; main()"
"""As the installed script, with this tree in the place of what is installed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of some runs of one command."""

    wall_ms: float
    cpu_ms: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Question:
    """A command, what it may cost above `python -c pass`, and what the older version needed at 1 M jobs."""

    name: str
    arguments: tuple[str, ...]
    limit_ms: float | None
    older_cpu_s: float | None


def path_of(load: Load) -> Path:
    return PLACE / f"ledger-{load.jobs}-{load.days}.sqlite"


def quarter_of(load: Load) -> Load:
    """Return a load with a quarter of the others' jobs, on a quarter of the nodes."""
    return Load(load.jobs // 4, load.days, load.nodes // 4)


def chosen_load() -> Load:
    is_full = os.environ.get("VISPA_GREEN_BENCH") == "full"
    return LARGE if is_full or path_of(LARGE).exists() else SMALL


def measured(arguments: Sequence[str]) -> Cost:
    """Run a Python command some times and return what it cost."""
    walls, cpus, peaks = list[float](), list[float](), list[float]()
    while len(walls) < ROUNDS and sum(walls) < ENOUGH_S:
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", env=AT_SITE
        ) as process:
            assert process.stdout is not None
            said = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            walls.append(time.perf_counter() - began)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, said.decode()
        cpus.append(usage.ru_utime + usage.ru_stime)
        peaks.append(usage.ru_maxrss / 1024)
    return Cost(*(statistics.median(values) * scale for values, scale in ((walls, 1000), (cpus, 1000), (peaks, 1))))


def command(config: Path, *arguments: str) -> tuple[str, ...]:
    return ("-I", "-c", PROGRAM, *arguments, "--config", str(config))


def config_of(ledger: Path, directory: Path) -> Path:
    config = directory / f"{ledger.stem}.toml"
    config.write_text(
        f'[ledger]\nurl = "sqlite://{ledger.absolute()}"\n[slurm]\nenabled = false\n[grid]\nproviders = []\n'
        '[access]\nothers = "always"\n'
    )
    return config


def questions(one: str) -> list[Question]:
    def days(number: int) -> str:
        return str(LAST_DAY - timedelta(days=number))

    of_probe, everybody, week_end = ("-u", PROBE), ("-a", "--by", "user,week"), str(WEEK + timedelta(days=7))
    return [
        Question("one user's today", ("energy", *of_probe, "-S", days(0)), 150, 2.7),
        Question("one user's year", ("energy", *of_probe, "-S", days(363)), 300, 21.6),
        Question("-j ONE", ("energy", "-j", one), 150, 2.2),
        Question("all users by week, today", ("energy", *everybody, "-S", days(0)), 1000, None),
        Question("  … one week", ("energy", *everybody, "-S", str(WEEK), "-E", week_end), 1000, None),
        Question("  … all there is", ("energy", *everybody, "-S", days(363)), 1000, None),
        Question(
            "one weekly report, text", ("report", "weekly", "--user", PROBE, "--week", f"{WEEK:%G-W%V}"), 300, 3.6
        ),
        Question(
            "  … with its plot",
            ("report", "weekly", "--user", PROBE, "--week", f"{WEEK:%G-W%V}", "--preview", os.devnull),
            None,
            None,
        ),
        Question("ledger balance", ("ledger", "balance"), None, 8.1),
    ]


def one_job(ledger: Path) -> str:
    """Return the number of the probe's last job."""
    book = open_ledger(f"sqlite://{ledger.absolute()}", read_only=True)
    try:
        selection = Selection(users=(PROBE,), start=END - timedelta(days=2))
        return book.energy.jobs(selection)[-1].key.job_id
    finally:
        book.close()


@pytest.fixture(scope="module")
def load() -> Load:
    load = chosen_load()
    if load == SMALL:
        print(
            f"\n{SMALL.jobs} jobs; VISPA_GREEN_BENCH=full makes {LARGE.jobs} in {PLACE} (an hour) and measures them"
        )
    for one in (load, quarter_of(load)):
        filled(path_of(one), one, lambda line: print(line, file=sys.stderr))
    return load


@pytest.mark.timeout(4 * 3600)
def test_questions(load: Load, tmp_path: Path) -> None:
    ledgers = [path_of(load), path_of(quarter_of(load))]
    configs = [config_of(ledger, tmp_path) for ledger in ledgers]
    nothing = measured(("-I", "-c", "pass"))
    print(f"\n{load}; python -c pass: {nothing.wall_ms:.0f} ms wall, {nothing.cpu_ms:.0f} ms CPU")
    print(f"{'ms above python -c pass':<26}{'wall':>7}{'limit':>7}{'CPU':>7}{'older':>8}{'MiB':>6}{'×4 others':>11}")
    asked = [questions(one_job(ledger)) for ledger in ledgers]
    for question, of_fewer in zip(*asked, strict=True):
        cost, fewer = (
            measured(command(config, *one.arguments))
            for config, one in zip(configs, (question, of_fewer), strict=True)
        )
        limit = "–" if question.limit_ms is None else f"{question.limit_ms:.0f}"
        older = "–" if question.older_cpu_s is None else f"{question.older_cpu_s * 1000:.0f}"
        print(
            f"{question.name:<26}{cost.wall_ms - nothing.wall_ms:>7.0f}{limit:>7}{cost.cpu_ms - nothing.cpu_ms:>7.0f}"
            f"{older:>8}{cost.peak_mib:>6.0f}{cost.cpu_ms / fewer.cpu_ms:>10.2f}×"
        )
        assert cost.peak_mib < 500


@pytest.mark.timeout(4 * 3600)
def test_bytes_for_ever(load: Load, tmp_path: Path) -> None:
    """A copy is verified, pruned of every raw row, and verified again."""
    copy = tmp_path / "pruned.sqlite"
    shutil.copyfile(path_of(load), copy)
    book = open_ledger(f"sqlite://{copy}")
    before = book.energy.balance()
    began = time.process_time()
    assert book.energy.verify() == []
    print(f"\nledger verify: {time.process_time() - began:.1f} CPU-s", end="")
    bytes_before = copy.stat().st_size
    began = time.process_time()
    pruned = book.energy.prune(END + timedelta(days=1))
    print(f"; prune of {pruned.intervals} intervals: {time.process_time() - began:.1f} CPU-s", end="")
    assert book.energy.verify() == []
    assert book.energy.balance() == before
    jobs = sum(total.jobs or 0 for total in book.energy.totals(Selection(), (), UTC))
    book.close()
    subprocess.run(
        [sys.executable, "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM')", copy],
        check=True,
    )
    bytes_after = copy.stat().st_size
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{bytes_before / jobs:.0f} bytes a job, {bytes_after / jobs:.0f} after prune (limit 1,000)", end="")
    print(f"; {peak_mib:.0f} MiB")
    assert bytes_after / jobs <= 1000
