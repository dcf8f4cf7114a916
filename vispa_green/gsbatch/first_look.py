"""Whether a submission is any of our business; asked in a process of its own, which submits nothing.

``deploy/launchers/gsbatch`` asks. It hands a plain submission to sbatch itself, and learns on the way that the
interpreter and the package work, before any job depends on them.
"""

from __future__ import annotations

import os
import sys

from vispa_green.gsbatch.argv import PREFIX, parse
from vispa_green.gsbatch.elsewhere import default_max_delay, in_environment
from vispa_green.gsbatch.script import find_script, mentions_us

TYPE_CHECKING = False
if TYPE_CHECKING:  # see argv
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

PLAIN, GREEN = 0, 10


def main() -> NoReturn:
    """End with `GREEN` where we have something to do or to say, else with `PLAIN`."""
    os._exit(GREEN if is_ours(sys.argv[1:], os.environ) else PLAIN)


def is_ours(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Say whether anybody may have a wish; in doubt yes, as for a script on stdin, which can be read only once."""
    line, elsewhere = parse(arguments), in_environment(environment)
    if any(word.startswith(PREFIX) for word in arguments) or elsewhere.is_dry_run:
        return True
    if elsewhere.wishes.says_something or elsewhere.project or elsewhere.memory:
        return True
    if line.reads_stdin or any(line.has(name) for name in ("help", "usage", "version")):
        return True
    try:
        if path := find_script(line, environment.get("PATH", "")):
            with open(path, "rb") as file:  # noqa: PTH123 - see sbatch.find_sbatch
                if mentions_us(file.read()):
                    return True
        return bool(default_max_delay(environment))
    except (OSError, ValueError):  # it is said where it is known who asked for what
        return True
