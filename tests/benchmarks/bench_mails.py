"""What the weekly mails of a thousand users cost: all of `report weekly --all --send`, to a real SMTP server.

The ledger is made by `filled_ledger.py`: 1,000 users, 52 weeks, 6,000 jobs a week, in `VISPA_GREEN_BENCH_DIR` (else
`.cache/bench`). No assertions on time, the machine is shared: the limit is printed beside the figure.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from lab.mailsink import MailSink

from tests.benchmarks.bench_ledger import PLACE, PROGRAM, WEEK
from tests.benchmarks.filled_ledger import CLUSTER, Load, filled

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

YEAR = Load(312_000, 364, 30)
LIMIT_S = 60


def test_everybodys_mails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = filled(PLACE / f"ledger-{YEAR.jobs}-{YEAR.days}.sqlite", YEAR)
    year, number, _ = WEEK.isocalendar()
    with MailSink() as sink:
        config = tmp_path / "config.toml"
        config.write_text(
            f'[cluster]\nname = "{CLUSTER}"\n[ledger]\nurl = "sqlite://{ledger.absolute()}"\n'
            "[slurm]\nenabled = false\n[grid]\nproviders = []\n"
            f'[mail]\nhost = "{sink.host}"\nport = {sink.port}\ndomain = "example.org"\n'
        )
        words = ["report", "weekly", "--all", "--send", "--week", f"{year}-W{number:02}", "--config", str(config)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False,
            env={**os.environ, "VISPA_GREEN_STATE": str(tmp_path)},
        )  # fmt: skip
        wall_s = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    got = Counter(recipient for mail in sink.messages for recipient in mail.recipients)
    assert set(got.values()) == {1}
    assert len(got) > 900
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size_kb = sum(len(bytes(mail.message)) for mail in sink.messages[:50]) / 50 / 1000
    with capsys.disabled():
        print(
            f"\n{len(got)} mails of {size_kb:.0f} kB: {wall_s:.1f} s (limit {LIMIT_S} s on two cores),"
            f" {cpu_s:.1f} CPU-s, {after.ru_maxrss / 1024:.0f} MiB; load {os.getloadavg()[0]:.1f}"
        )
