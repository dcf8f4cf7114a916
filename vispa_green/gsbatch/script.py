"""Reads the comment lines at the head of a batch script: ``#SBATCH``, as sbatch does, and our ``#GREEN``."""

from __future__ import annotations

import os

from vispa_green.gsbatch.argv import Ours, options_of, ours_of

TYPE_CHECKING = False
if TYPE_CHECKING:  # see argv
    from collections.abc import Iterator, Mapping

    from vispa_green.gsbatch.argv import CommandLine


class Head:
    """What the head of a script says."""

    __slots__ = ("components", "ours")

    def __init__(self, components: tuple[Mapping[str, tuple[str | None, ...]], ...] = ({},)) -> None:
        self.components = components
        """The ``#SBATCH`` options by long name, for each part of a heterogeneous job."""
        self.ours = Ours()

    def has(self, name: str) -> bool:
        """Say whether the option is given for any component."""
        return any(name in component for component in self.components)

    def values(self, name: str) -> list[str]:
        """Return the value in force of each component that has the option: the last one given."""
        return [component[name][-1] or "" for component in self.components if name in component]


def read_head(script: bytes) -> Head:
    """Read the lines before the first command; a line whose quotes do not match is left to sbatch."""
    sbatch: list[list[str]] = [[]]
    green: list[str] = []
    for keyword, words in _directives(script):
        if keyword == "#GREEN":
            green += words
        elif words[:1] in (["hetjob"], ["packjob"]):
            sbatch.append([])
        else:
            sbatch[-1] += words
    head = Head(tuple(options_of(words) for words in sbatch))
    head.ours = ours_of(green)
    return head


def mentions_us(script: bytes) -> bool:
    """Say whether a ``#GREEN`` line stands before the first command."""
    return b"#GREEN" in script and any(keyword == b"#GREEN" for keyword, _ in _comments(script))


def find_script(line: CommandLine, search_path: str) -> str | None:
    """Return where sbatch will find the script (sbatch(1), SCRIPT PATH RESOLUTION), if it is a regular file.

    A pipe, as in ``sbatch <(make-script)``, can be read only once, and that is sbatch's to do.
    """
    if line.script is None or line.has("wrap"):
        return None
    here = (line.values("chdir") or ["."])[0]
    candidates = [os.path.join(here, line.script)]  # noqa: PTH118 - pathlib costs more start-up time than all this
    if "/" not in line.script:
        candidates += [os.path.join(folder, line.script) for folder in search_path.split(os.pathsep)]  # noqa: PTH118
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113


def _directives(script: bytes) -> Iterator[tuple[str, list[str]]]:
    import shlex

    for keyword, rest in _comments(script):
        if keyword in {b"#SBATCH", b"#GREEN"}:
            try:
                yield keyword.decode(), shlex.split(rest.decode(errors="surrogateescape"), comments=True)
            except ValueError:
                continue


def _comments(script: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the lines before the first command, each as its first word and the rest."""
    for line in script.splitlines():
        if line.strip() and not line.lstrip().startswith(b"#"):
            return
        keyword, _, rest = line.replace(b"\t", b" ").partition(b" ")
        yield keyword, rest
