"""`vispa-green run`: the command's own behaviour is untouched, its CPU time is found, the account balances."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lab.privilege import CONFINED

PROGRAM = Path(sys.executable).with_name("vispa-green")
BURN = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "config.toml"
    config.write_text(
        f"""
        [agent]
        spool_dir = "{tmp_path / "spool"}"
        [ledger]
        url = "sqlite://{tmp_path / "ledger.sqlite"}"
        [meters]
        enabled = ["estimate"]
        [grid]
        providers = ["csv"]
        [grid.csv]
        path = "{tmp_path / "grid.csv"}"
        """
    )
    header = "start_utc,renewable_share_pct,gco2_per_kwh,kind\n"
    (tmp_path / "grid.csv").write_text(
        header + "2000-01-01T00:00:00Z,50,400,measured\n2099-01-01T00:00:00Z,50,400,measured\n"
    )
    return os.environ | {"VISPA_GREEN_CONFIG": str(config)}


def run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, "run", *command], env=environment, capture_output=True, text=True, check=False)


def test_output_and_exit_code_are_the_commands_own(environment: dict[str, str]) -> None:
    done = run(environment, "--", "sh", "-c", "echo hello; exit 7")
    assert (done.stdout, done.returncode) == ("hello\n", 7)
    assert "energy" in done.stderr


def test_a_command_ended_by_a_signal_is_reported_as_a_shell_does(environment: dict[str, str]) -> None:
    assert run(environment, "--", "sh", "-c", "kill -TERM $$").returncode == 128 + 15


def test_cpu_time_of_children_counts_and_co2_follows_from_energy(environment: dict[str, str]) -> None:
    done = run(environment, "--json", "--", "sh", "-c", f"'{sys.executable}' -c '{BURN}'; true")
    [job] = json.loads(done.stderr)["jobs"]
    assert job["quality"] == "estimated"
    assert job["energy_uj"] > 0
    assert job["co2_g"] == pytest.approx(job["energy_uj"] / 3.6e12 * 400)
    balance = subprocess.run([PROGRAM, "ledger", "balance"], env=environment, capture_output=True, check=False)
    assert balance.returncode == 0


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
def test_a_command_that_does_not_start_ends_as_in_a_shell(
    environment: dict[str, str], tmp_path: Path, words: list[str]
) -> None:
    plain, alien, bare = (tmp_path / name for name in ("plain", "alien", "bare"))
    plain.write_text("#!/bin/sh\n")
    alien.write_text("#!/nonexistent\n")
    bare.write_text("exit 5\n")
    for path in (alien, bare):
        path.chmod(0o755)
    for command in ("no-such-command", "/no/such", str(plain), str(tmp_path), str(bare)):
        shell = subprocess.run(["sh", "-c", '"$@"', "sh", command], capture_output=True, check=False)
        done = run(environment, *words, "--", command)
        assert done.returncode == shell.returncode, command
        assert command == str(bare) or done.stderr.startswith(f"vispa-green: {command}: not ")
        assert len(done.stderr.splitlines()) == 1 or words
    assert run(environment, *words, "--", str(alien)).returncode == 127


def test_nothing_is_left_in_the_spool(environment: dict[str, str], tmp_path: Path) -> None:
    run(environment, "--", "true")
    assert list((tmp_path / "spool").iterdir()) == []


# ---- whatever is wrong with us, the command runs -----------------------------------------------------

SAYS = ("--", "sh", "-c", "echo hello; exit 7")


def broken(text: str) -> Callable[[Path], str]:
    return lambda _: text


FAULTS: dict[str, Callable[[Path], str]] = {
    "no TOML": broken("[agent\n"),
    "an unknown key": broken("[agent]\nspool = '/x'\n"),
    "no meters": broken("[meters]\nenabled = []\n"),
    "an unknown meter": broken("[meters]\nenabled = ['rappl']\n"),
    "an unknown model": broken("[attribution]\nmodel = 'cputime'\n"),
    "an unknown ledger": broken("[ledger]\nurl = 'postgres://nowhere'\n"),
    "a full disk": broken("[agent]\nspool_dir = '/dev/full'\n[ledger]\nurl = 'sqlite:///dev/full'\n"),
}


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_command_runs_whatever_the_configuration_says(
    environment: dict[str, str], tmp_path: Path, fault: str, words: list[str]
) -> None:
    (tmp_path / "config.toml").write_text(FAULTS[fault](tmp_path))
    done = run(environment | {"VISPA_GREEN_STATE": str(tmp_path / "state")}, *words, *SAYS)
    assert (done.stdout, done.returncode) == ("hello\n", 7)
    assert words or "energy" in done.stderr
    assert len(done.stderr.splitlines()) == 1 or words
    assert not words or set(json.loads(done.stderr)) == {"meta", "jobs", "warnings"}


def test_where_the_site_takes_nothing_it_is_measured_into_ones_own_place(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """The site's spool is root's, its ledger may be read: what an ordinary user of a cluster finds."""
    assert run(environment, *SAYS).returncode == 7
    own, nowhere = tmp_path / "own", tmp_path / "no" / "way"
    places = (tmp_path / "ledger.sqlite", tmp_path / "spool", tmp_path)
    for path in places:
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = subprocess.run(
        [*CONFINED, PROGRAM, "run", "--json", *SAYS], env=environment | {"VISPA_GREEN_STATE": str(nowhere)},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    tmp_path.chmod(0o755)
    own.mkdir()
    tmp_path.chmod(0o555)
    kept = subprocess.run(
        [*CONFINED, PROGRAM, "run", "--json", *SAYS], env=environment | {"VISPA_GREEN_STATE": str(own)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    tmp_path.chmod(0o755)
    for one in (done, kept):
        assert (one.stdout, one.returncode) == ("hello\n", 7)
        [job] = json.loads(one.stderr)["jobs"]
        assert job["energy_uj"] > 0
        assert json.loads(one.stderr)["warnings"] == []
    assert (own / "ledger.sqlite").exists()


@pytest.mark.parametrize("module", ["psutil", "sqlite3", "vispa_green.agent.embedded", "vispa_green.config"])
def test_the_command_runs_with_half_an_installation(environment: dict[str, str], module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from vispa_green.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", *SAYS], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("hello\n", 7)
    assert done.stderr.startswith("energy unknown: ")


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_the_command_runs_wherever_our_words_go(environment: dict[str, str], stderr: str) -> None:
    shell = f"exec {PROGRAM} run -- sh -c 'echo hello; exit 7' {stderr}"
    done = subprocess.run(["sh", "-c", shell], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("hello\n", 7)


def test_signals_reach_the_command(environment: dict[str, str]) -> None:
    """What stops a job stops what runs in it: a training that checkpoints at USR1 does so under us, too."""
    script = "trap 'echo got it; exit 9' USR1; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [PROGRAM, "run", "--", "sh", "-c", script], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "got it\n"
        assert process.wait(30) == 9


def test_the_command_finds_the_environment_it_was_called_with(environment: dict[str, str]) -> None:
    given = {name: value for name, value in environment.items() if not name.startswith("LC_")} | {"LANG": ""}
    plain = subprocess.run(["env"], env=given, capture_output=True, text=True, check=True).stdout
    done = run(given, "--", "env")
    assert sorted(done.stdout.splitlines()) == sorted(plain.splitlines())


def test_the_command_runs_where_no_file_can_grow(environment: dict[str, str]) -> None:
    shell = f"ulimit -f 0; exec {PROGRAM} run -- sh -c 'echo hello; exit 7'"
    done = subprocess.run(["sh", "-c", shell], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("hello\n", 7)
    assert len(done.stderr.splitlines()) == 1
