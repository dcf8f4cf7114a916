"""``gsbatch``: sbatch, started when the grid is green, if its user wants that. Nothing here ever blocks a job.

::

    gsbatch [--green-finish-by=TIME] [--green-max-delay=DURATION] [--green-memory=show|auto] [--green-project=NAME]
            [--green-off] [--green-dry-run] SBATCH-ARGUMENTS

The same wishes may stand in the environment (``VISPA_GREEN_FINISH_BY``, ``VISPA_GREEN_MAX_DELAY``,
``VISPA_GREEN_MEMORY``, ``VISPA_GREEN_PROJECT``, ``VISPA_GREEN_OFF``, ``VISPA_GREEN_DRY_RUN``) or among the script's
first comment lines (``#GREEN --max-delay=6h``); the command line wins over the environment, that over the script,
that over the site's ``[green] default_max_delay``. A dry run is one wherever it is asked for.

Without a wish sbatch takes over this process before anything heavy is imported. Whatever goes wrong with
planning is one line on stderr and a plain submission, or no submission if it was a dry run; stdout and the
exit code are sbatch's own.
"""

from __future__ import annotations

import os
import sys

from vispa_green.gsbatch.argv import PREFIX, Wishes, parse
from vispa_green.gsbatch.elsewhere import default_max_delay, in_environment
from vispa_green.gsbatch.sbatch import become_sbatch, described, say
from vispa_green.gsbatch.script import Head, find_script, read_head
from vispa_green.inherited import occupy_closed_streams

TYPE_CHECKING = False
if TYPE_CHECKING:  # see argv
    from collections.abc import Sequence
    from typing import NoReturn

    from vispa_green.gsbatch.argv import CommandLine

HELP = """\
gsbatch adds to sbatch:
  --green-finish-by=TIME     start in the greenest hours, done by then: tomorrow, 18:00, +24h, 2026-07-01T08:00
  --green-max-delay=TIME     start in the greenest hours, at most that much later: 6h, 12:00:00, 1-0
  --green-memory=show        say what jobs like this one held, and what to ask for
  --green-memory=auto        ask for that, unless the job says itself how much memory it wants
  --green-project=NAME       tag the job with a project, or with several: paper-x, paper-x=0.7,thesis=0.3
  --green-off                start as sbatch would, whatever the script or the site says
  --green-dry-run            show the plan and the sbatch line, submit nothing
The same as script lines: #GREEN --max-delay=6h; as variables: VISPA_GREEN_MAX_DELAY and so on.
"""


def main() -> NoReturn:
    """Submit as sbatch would, perhaps with a later start; never return."""
    arguments = sys.argv[1:]
    occupy_closed_streams()
    try:
        _submit(parse(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - fail open: no bug of ours may cost a user's job
        is_dry_run = in_environment(os.environ).is_dry_run or any(w.startswith(f"{PREFIX}d") for w in arguments)
        _give_up(error, [word for word in arguments if not word.startswith(PREFIX)], is_dry_run=is_dry_run)


def _submit(line: CommandLine) -> NoReturn:
    if any(line.has(name) for name in ("help", "usage", "version")):
        say(HELP if line.has("help") else "", prefix="")
        become_sbatch(line.arguments)
    head, elsewhere = _head(line), in_environment(os.environ)
    is_dry_run = line.ours.is_dry_run or elsewhere.is_dry_run or head.ours.is_dry_run
    quiet = line.has("quiet") and not is_dry_run
    complaints = (*line.ours.complaints, *head.ours.complaints)
    for complaint in complaints:
        say(complaint if is_dry_run else f"{complaint}; ignored", quiet=quiet)
    try:
        wishes, is_from_site = _in_force((line.ours.wishes, elsewhere.wishes, head.ours.wishes))
        project = _first((line.ours.project, elsewhere.project, head.ours.project))
        memory = _first((line.ours.memory, elsewhere.memory, head.ours.memory))
        if (not wishes.says_something or wishes.off) and not is_dry_run and not project and not memory:
            become_sbatch(line.arguments)
        from vispa_green.gsbatch.submit import submit

        code = submit(
            line, head, wishes, project=project, memory=memory, is_from_site=is_from_site, is_dry_run=is_dry_run
        )
    except Exception as error:  # noqa: BLE001 - fail open, as above; here the words of others are in order already
        _give_up(error, line.arguments, is_dry_run=is_dry_run, quiet=quiet)
    if code is None:
        become_sbatch(line.arguments)
    os._exit(code or (1 if is_dry_run and complaints else 0))  # a planning thread given up must not hold up the end


def _give_up(error: Exception, arguments: Sequence[str], *, is_dry_run: bool, quiet: bool = False) -> NoReturn:
    """Submit as if we were not there, but never where only a try was asked for."""
    if is_dry_run:
        say(f"{described(error)}; nothing is submitted")
        os._exit(1)
    say(f"{described(error)}; submitting as sbatch would", quiet=quiet)
    become_sbatch(arguments)


def _head(line: CommandLine) -> Head:
    """Read the script's head; a script on stdin is put back for sbatch to read."""
    if line.reads_stdin:
        script = _reread_stdin()
    elif path := find_script(line, os.environ.get("PATH", "")):
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - see sbatch.find_sbatch
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


def _in_force(places: Sequence[Wishes]) -> tuple[Wishes, bool]:
    """Return what the first place with a say wants, and whether that place is the site's configuration."""
    for wishes in places:
        if wishes.says_something:
            return wishes, False
    return Wishes(max_delay=default_max_delay(os.environ) or None), True


def _first(places: Sequence[str | None]) -> str:
    return next((said for said in places if said is not None), "")
