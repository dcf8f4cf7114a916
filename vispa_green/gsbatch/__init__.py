"""``gsbatch``: sbatch, started when the grid is green, if its user wants that. Nothing here ever blocks a job.

::

    gsbatch [--green-finish-by=TIME] [--green-max-delay=DURATION] [--green-off] [--green-dry-run] SBATCH-ARGUMENTS

The same wishes may stand in the environment (``VISPA_GREEN_FINISH_BY``, ``VISPA_GREEN_MAX_DELAY``,
``VISPA_GREEN_OFF``) or among the script's first comment lines (``#GREEN --max-delay=6h``); the command line
wins over the environment, that over the script, that over the site's ``[green] default_max_delay``.

Without a wish sbatch takes over this process before anything heavy is imported. Whatever goes wrong with
planning is one line on stderr and a plain submission; stdout and the exit code are sbatch's own.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from vispa_green.gsbatch.argv import PREFIX, CommandLine, Wishes, parse
from vispa_green.gsbatch.script import Head, find_script, read_head

REAL_SBATCH_VARIABLE = "VISPA_GREEN_SBATCH"
HELP = """\
gsbatch adds to sbatch:
  --green-finish-by=TIME     start in the greenest hours, done by then: tomorrow, 18:00, +24h, 2026-07-01T08:00
  --green-max-delay=TIME     start in the greenest hours, at most that much later: 6h, 12:00:00, 1-0
  --green-off                start as sbatch would, whatever the script or the site says
  --green-dry-run            show the plan and the sbatch line, submit nothing
The same as script lines: #GREEN --max-delay=6h; as variables: VISPA_GREEN_FINISH_BY, _MAX_DELAY, _OFF.
"""


def main() -> NoReturn:
    """Submit as sbatch would, perhaps with a later start; never return."""
    arguments = sys.argv[1:]
    try:
        line = parse(arguments)
        _submit(line)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - fail open: no bug of ours may cost a user's job
        _say(f"{_described(error)}; submitting as sbatch would", quiet=False)
        _become_sbatch([word for word in arguments if not word.startswith(PREFIX)])


def _submit(line: CommandLine) -> NoReturn:
    quiet = line.has("quiet")
    for complaint in line.complaints:
        _say(f"{complaint}; ignored", quiet=quiet)
    if line.has("help") or line.has("usage") or line.has("version"):
        _say(HELP if line.has("help") else "", quiet=quiet, prefix="")
        _become_sbatch(line.arguments)
    if line.wishes.off and not line.is_dry_run:
        _become_sbatch(line.arguments)
    head = _head(line)
    for complaint in head.complaints:
        _say(f"{complaint}; ignored", quiet=quiet)
    wishes, is_from_site = _wishes(line, head, quiet=quiet)
    if (not wishes.says_something or wishes.off) and not line.is_dry_run:
        _become_sbatch(line.arguments)
    try:
        from vispa_green.gsbatch.submit import submit

        code = submit(line, head, wishes, find_sbatch(), is_from_site=is_from_site)
    except Exception as error:  # noqa: BLE001 - fail open, as above; here the words of others are in order already
        _say(f"{_described(error)}; submitting as sbatch would", quiet=quiet)
        code = None
    if code is None:
        _become_sbatch(line.arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a planning thread that was given up must not hold up the end


def _head(line: CommandLine) -> Head:
    """Read the script's head; a script on stdin is put back for sbatch to read."""
    if line.reads_stdin:
        script = _reread_stdin()
    elif path := find_script(line, os.environ.get("PATH", "")):
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - see find_script
                script = file.read()
        except OSError:
            return Head()  # sbatch will say what is wrong with it
    else:
        return Head()
    return read_head(script)


def _reread_stdin() -> bytes:
    """Read stdin to its end and leave it as it was: anonymous memory takes its place, which no pipe's size limits."""
    chunks = []
    try:
        while chunk := os.read(0, 1 << 20):
            chunks.append(chunk)
    except OSError:  # closed, or a directory: sbatch will say so
        return b""
    script = b"".join(chunks)
    copy = os.memfd_create("script")
    with os.fdopen(os.dup(copy), "wb") as file:
        file.write(script)
    os.lseek(copy, 0, os.SEEK_SET)
    os.dup2(copy, 0)
    os.close(copy)
    return script


def _wishes(line: CommandLine, head: Head, *, quiet: bool) -> tuple[Wishes, bool]:
    """Return what the first place with a say wants, and whether that place is the site's configuration."""
    for wishes in (line.wishes, _environment_wishes(), head.wishes):
        if wishes.says_something:
            return wishes, False
    from vispa_green.gsbatch.site import default_max_delay

    try:
        return Wishes(max_delay=default_max_delay(os.environ) or None), True
    except (OSError, ValueError) as error:
        _say(f"configuration: {error}; submitting as sbatch would", quiet=quiet)
        return Wishes(), True


def _environment_wishes() -> Wishes:
    off = os.environ.get("VISPA_GREEN_OFF", "").lower() not in {"", "0", "no", "false"}
    finish_by, max_delay = (os.environ.get(f"VISPA_GREEN_{name}") for name in ("FINISH_BY", "MAX_DELAY"))
    return Wishes(finish_by or None, max_delay or None, off)


def find_sbatch() -> str:
    """Return the sbatch that is not us: what ``VISPA_GREEN_SBATCH`` names, else the first on ``PATH``.

    Whoever calls us ``sbatch``, by a link or by a small script, would else be called for ever. Raise
    `FileNotFoundError` if there is none.
    """
    if named := os.environ.get(REAL_SBATCH_VARIABLE):
        return named
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, "sbatch")  # noqa: PTH118 - see find_script
        if os.access(path, os.X_OK) and os.path.isfile(path) and not _leads_to_us(path):  # noqa: PTH113
            return path
    raise FileNotFoundError("there is no sbatch on PATH; set VISPA_GREEN_SBATCH to its place")


def _leads_to_us(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - see find_script
            start = file.read(4096)
    except OSError:
        return False
    return start.startswith(b"#!") and b"gsbatch" in start


def _become_sbatch(arguments: tuple[str, ...] | list[str]) -> NoReturn:
    try:
        os.execv(find_sbatch(), ["sbatch", *arguments])  # noqa: S606 - that is the point: no shell
    except OSError as error:
        _say(f"cannot start sbatch: {error}", quiet=False)
        sys.exit(127)


def _say(text: str, *, quiet: bool, prefix: str = "gsbatch: ") -> None:
    if text and not quiet:
        sys.stderr.write(prefix + text.rstrip().replace("\n", f"\n{prefix}") + "\n")
        sys.stderr.flush()


def _described(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[0]
    return text if text and type(error).__module__.startswith("vispa_green") else f"{type(error).__name__}: {text}"
