"""The real sbatch: where it is, and becoming it."""

from __future__ import annotations

import os
import sys

from vispa_green import terminal
from vispa_green.inherited import restore_environment, restore_signals

TYPE_CHECKING = False
if TYPE_CHECKING:  # see argv
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

REAL_SBATCH_VARIABLE = "VISPA_GREEN_SBATCH"


def find_sbatch(environment: Mapping[str, str]) -> str:
    """Return the sbatch that is not us: what ``VISPA_GREEN_SBATCH`` names, else the first on ``PATH``.

    Whoever calls us ``sbatch``, by a link or by a small script, would else be called for ever. Raise
    `FileNotFoundError` if there is none. (`deploy/launchers/gsbatch` says the same for when no Python runs.)
    """
    if named := environment.get(REAL_SBATCH_VARIABLE):
        return named
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, "sbatch")  # noqa: PTH118 - pathlib costs more start-up time than all this
        if os.access(path, os.X_OK) and os.path.isfile(path) and not _leads_to_us(path):  # noqa: PTH113
            return path
    raise FileNotFoundError("there is no sbatch on PATH; set VISPA_GREEN_SBATCH to its place")


def become_sbatch(arguments: Sequence[str]) -> NoReturn:
    """Let sbatch take over this process, with the environment and the signals that our caller gave us."""
    try:
        path = find_sbatch(os.environ)
        restore_signals()
        restore_environment()
        os.execv(path, ["sbatch", *arguments])  # noqa: S606 - that is the point: no shell
    except OSError as error:
        say(f"cannot start sbatch: {error}")
        sys.exit(127)


def described(error: Exception) -> str:
    """Return a fault in a line: in its own words if they are ours, else with its kind."""
    text = (str(error).strip().splitlines() or [""])[0]
    return text if text and type(error).__module__.startswith("vispa_green") else f"{type(error).__name__}: {text}"


def say(text: str, *, quiet: bool = False, prefix: str = "gsbatch: ") -> None:
    """Write lines on stderr, as ours."""
    if text and not quiet:
        terminal.say(prefix + text.rstrip().replace("\n", f"\n{prefix}"))


def _leads_to_us(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - see find_sbatch
            start = file.read(4096)
    except OSError:
        return False
    return start.startswith(b"#!") and b"gsbatch" in start
