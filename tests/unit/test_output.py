"""Where the words of the command line go: full disks, readers who leave, terminals that know only ASCII."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.terminal import PLAIN, encoded

PROGRAM = Path(sys.executable).with_name("vispa-green")
COMMANDS = ("--help", "--version", "energy --help", "plan --duration 1h --finish-by +5h", "grid now --json", "doctor")

Done = subprocess.CompletedProcess[bytes]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config.toml").write_text(
        f'[ledger]\nurl = "sqlite://{tmp_path}/ledger.sqlite"\n[slurm]\nenabled = false\n'
        f'[grid]\nproviders = ["csv"]\n[grid.csv]\npath = "{tmp_path}/grid.csv"\n'
    )
    (tmp_path / "grid.csv").write_text(
        "start_utc,renewable_share_pct,gco2_per_kwh,kind\n"
        "2000-01-01T00:00:00Z,50,400,forecast\n2099-01-01T00:00:00Z,50,400,forecast\n"
    )
    return os.environ | {"VISPA_GREEN_CONFIG": str(tmp_path / "config.toml")}


def run(environment: dict[str, str], words: str, shell: str = "") -> Done:
    line = f"exec {PROGRAM} {words} {shell}"
    return subprocess.run(["bash", "-c", line], env=environment, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_full_disk_is_one_line_and_a_failure(environment: dict[str, str], words: str) -> None:
    done = run(environment, words, ">/dev/full")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == "vispa-green: standard output: No space left on device"
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("words", COMMANDS)
def test_a_reader_who_leaves_ends_it_silently(environment: dict[str, str], words: str) -> None:
    """As sacct: by SIGPIPE, which a shell calls 141."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [PROGRAM, *words.split()], env=environment, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writing)
    assert (done.returncode, b"rror" in done.stderr) == (-13, False), done


@pytest.mark.parametrize("shell", [">&-", "2>&-", "2>/dev/full", ">&- 2>&- <&-"])
def test_a_closed_stream_changes_no_exit_code(environment: dict[str, str], shell: str) -> None:
    for words in COMMANDS:
        assert run(environment, words, shell).returncode == run(environment, words).returncode
    assert run(environment, "green 4711", shell).returncode == 1


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""}])
def test_without_utf8_what_is_printed_is_ascii(environment: dict[str, str], locale: dict[str, str]) -> None:
    for words in COMMANDS:
        done, usual = run(environment | locale, words), run(environment | {"LC_ALL": "C.UTF-8"}, words)
        assert done.returncode == usual.returncode
        assert (done.stdout + done.stderr).isascii(), words
    shown = run(environment | locale, "energy --help").stdout
    assert len(shown) > 100


def test_in_latin1_what_latin1_has_is_printed_in_it(environment: dict[str, str]) -> None:
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout
    name = next((line for line in known.splitlines() if "8859" in line), None)
    if name is None:
        pytest.skip("this machine has no locale with another character set")
    done = run(environment | {"LC_ALL": name}, "energy --help")
    assert done.returncode == 0
    done.stdout.decode("latin-1")


@given(st.text())
def test_any_text_can_be_said(text: str) -> None:
    """What is not a sign of ours passes as it is, in the C locale too."""
    plain = encoded(text, {"LC_ALL": "C"})
    assert len(plain) >= len(text)
    if not any(sign in PLAIN or "\ud800" <= sign <= "\udfff" for sign in text):
        assert plain == text.encode()


def test_a_file_name_that_is_no_utf8_keeps_its_bytes() -> None:
    assert encoded(os.fsdecode(b"\xfc\xff"), {"LC_ALL": "C"}) == b"\xfc\xff"


@pytest.mark.parametrize(
    ("words", "meant"),
    [("enrgy", "energy"), ("frobnicate", ""), ("replna", "replan"), ("plan --durtion 4h", "--duration")],
)  # fmt: skip
def test_what_there_is_not_names_the_nearest(environment: dict[str, str], words: str, meant: str) -> None:
    done = run(environment, words)
    assert done.returncode == 2
    said = done.stderr.decode().splitlines()[-1]
    assert ("id you mean" in said) == bool(meant)
    assert meant in said


def test_colours_are_nobodys(environment: dict[str, str]) -> None:
    """There are none to switch off: NO_COLOR has nothing to do, a terminal gets plain text."""
    script = f"{PROGRAM} plan --duration 1h --finish-by +5h"
    done = subprocess.run(
        ["script", "-qec", script, "/dev/null"],
        env=environment | {"TERM": "xterm-256color"},
        capture_output=True,
        check=False,
    )
    assert b"\x1b[" not in done.stdout
