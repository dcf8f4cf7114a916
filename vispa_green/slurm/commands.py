"""Run one of Slurm's commands, with a limit on its time and one line of explanation where it fails."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from vispa_green.errors import SlurmError

_OWN_FORMATS = ("SACCT_", "SQUEUE_", "SCONTROL_")
_UNAVAILABLE = "install Slurm's client commands here, or set [slurm] enabled = false"


def available() -> bool:
    """Tell whether Slurm's commands are installed here at all; whether they get an answer is another matter."""
    from shutil import which

    return which("scontrol") is not None


def run(command: Sequence[str], *, timeout_s: float, variables: Mapping[str, str] | None = None) -> str:
    """Return what ``command`` prints; raise `SlurmError` if it is absent, too slow or fails.

    Times are printed as seconds since 1970 and read as UTC, so that no local clock change can blur them.
    Line ends come back as they were printed: a carriage return in a job's name makes no new line.
    ``variables`` are added to the environment, which other users cannot read as they can a command line.
    """
    import subprocess  # a submission seldom asks Slurm anything

    program = command[0]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            env={**_environment(), **(variables or {})},
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
        )
    except FileNotFoundError as error:
        raise SlurmError(f"there is no {program} on this machine; {_UNAVAILABLE}") from error
    except OSError as error:
        raise SlurmError(f"{program} cannot be run ({error.strerror}); {_UNAVAILABLE}") from error
    except subprocess.TimeoutExpired as error:
        raise SlurmError(
            f"{program} gave no answer within {timeout_s:g} s; see whether `scontrol ping` does,"
            " or allow more in [slurm] timeout_s"
        ) from error
    if done.returncode != 0:
        raise SlurmError(f"{program} failed: {_last_line(_text(done.stderr))}; try `{_shown(command)}` by hand")
    return _text(done.stdout)


def version(*, timeout_s: float) -> str:
    """Return the version of the installed commands, e.g. ``22.05.8``; asks no daemon."""
    return run(["scontrol", "--version"], timeout_s=timeout_s).split()[-1]


def ping(*, timeout_s: float) -> str:
    """Return what the controller says of itself; raise `SlurmError` if it is down."""
    return run(["scontrol", "ping"], timeout_s=timeout_s).strip()


def _environment() -> dict[str, str]:
    # A user's own SACCT_FORMAT or SQUEUE_STATES would change what we are told.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_FORMATS)}
    return {**kept, "LC_ALL": "C.UTF-8", "SLURM_TIME_FORMAT": "%s", "TZ": "UTC0"}


def _text(output: bytes) -> str:
    return output.decode("utf-8", errors="replace")


def _last_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed no reason"


def _shown(command: Sequence[str]) -> str:
    return " ".join(command[:2]) + (" …" if len(command) > 2 else "")
