"""The units: systemd reads each without a word, finds it well confined, and starts a command that there is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy/systemd"
SERVICES = sorted(UNITS.glob("*.service"))
TIMERS = sorted(UNITS.glob("*.timer"))
PROGRAM = Path(sys.executable).with_name("vispa-green")
MOST_EXPOSURE = 3.0

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")


def read(unit: Path) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit.read_text())
    return parser


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree in which the units are installed; the program they start is only there."""
    tree = tmp_path_factory.mktemp("root")
    shutil.copytree(UNITS, tree / "usr/lib/systemd/system")
    (tree / "usr/bin").mkdir(parents=True)
    shutil.copy("/bin/true", tree / "usr/bin/vispa-green")
    return tree


def analyze(verb: str, root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", verb, f"--root={root}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_systemd
@pytest.mark.parametrize("unit", [*SERVICES, *TIMERS], ids=lambda unit: unit.name)
def test_systemd_reads_a_unit_without_a_word(root: Path, unit: Path) -> None:
    done = analyze("verify", root, "--man=no", "--recursive-errors=no", f"{root}/usr/lib/systemd/system/{unit.name}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_well_confined(root: Path, unit: Path) -> None:
    done = analyze("security", root, "--offline=yes", "--no-pager", unit.name)
    told = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert told, done.stdout + done.stderr
    assert float(told[1]) <= MOST_EXPOSURE


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_starts_a_command_that_there_is(unit: Path) -> None:
    program, *words = read(unit)["Service"]["ExecStart"].split()
    assert program == "/usr/bin/vispa-green"
    done = subprocess.run([PROGRAM, *words, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # click answers --help of the last command that it knows: what follows has to be an option of that
    path = [word for word in words if not word.startswith("-")]
    assert re.search(rf"^Usage: vispa-green {' '.join(path)} ", done.stdout)


@pytest.mark.parametrize("unit", TIMERS, ids=lambda unit: unit.name)
def test_a_timer_has_a_service_that_ends(unit: Path) -> None:
    assert read(unit.with_suffix(".service"))["Service"]["Type"] == "oneshot"
