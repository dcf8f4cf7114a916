"""The real sbatch: where it is, and becoming it."""

from __future__ import annotations

import os
import sys

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
    import signal

    try:
        path = find_sbatch(os.environ)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and what is ignored stays so after an exec
            signal.signal(ignored, signal.SIG_DFL)
        as_given()
        os.execv(path, ["sbatch", *arguments])  # noqa: S606 - that is the point: no shell
    except OSError as error:
        say(f"cannot start sbatch: {error}")
        sys.exit(127)


def occupy_closed_streams() -> None:
    """Let no file of ours become stdin, stdout or stderr where one is closed, or words would go into that file.

    sbatch finds it as closed as we did: what is opened here does not outlive an exec.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this


def as_given() -> None:
    """Take back what Python did to the environment: in the C locale it sets ``LC_CTYPE`` (PEP 538).

    sbatch hands the environment to the job, and the job's programs would write UTF-8 that nobody asked for.
    """
    try:
        with open("/proc/self/environ", "rb") as file:  # noqa: PTH123 - see find_sbatch
            given = file.read()
    except OSError:
        return
    if not (b"\0" + given).count(b"\0LC_CTYPE="):
        os.environ.pop("LC_CTYPE", None)


def say(text: str, *, quiet: bool = False, prefix: str = "gsbatch: ") -> None:
    """Write lines on stderr, in signs that it can show; it may be closed or full, which is no reason to fail."""
    if not text or quiet:
        return
    from vispa_green.terminal import encoded

    lines = prefix + text.rstrip().replace("\n", f"\n{prefix}") + "\n"
    try:
        os.write(2, encoded(lines, os.environ))
    except OSError:
        return


def _leads_to_us(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - see find_sbatch
            start = file.read(4096)
    except OSError:
        return False
    return start.startswith(b"#!") and b"gsbatch" in start
