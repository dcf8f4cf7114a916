"""Reads an sbatch command line as getopt_long does, and takes our own options out of it. Pure, and light to import.

What is not ours stays byte for byte and in order. The table of options was taken from sbatch 22.05 by asking
it (``tests/slurm/test_gsbatch.py`` asks again); names of later versions follow their manual pages.

Every plain submission passes here, and importing `typing` or `dataclasses` would take longer than all it does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WITH_VALUE = frozenset(
    """
    account acctg-freq array batch bb bbf begin chdir cluster cluster-constraint clusters comment constraint
    container context core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency
    distribution error exclude export export-file extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node
    gpus-per-socket gpus-per-task gres gres-flags hint input job-name kill-on-invalid-dep licenses mail-type
    mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network nodefile nodelist nodes ntasks
    ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket ntasks-per-tres open-mode output partition
    power prefer priority profile qos reservation signal sockets-per-node switches tasks-per-node thread-spec
    threads-per-core time time-min tmp uid wait-all-nodes wckey wrap
    """.split()  # noqa: SIM905 - a table to be read, not eighty quoted strings
)
WITHOUT_VALUE = frozenset(
    """
    contiguous help hold ignore-pbs no-requeue overcommit oversubscribe parsable quiet reboot requeue spread-job
    test-only usage use-min-nodes verbose version wait exclusive get-user-env nice no-kill propagate
    """.split()  # noqa: SIM905 - a table to be read, not eighty quoted strings
)
"""Among them those whose value is optional: getopt takes it only from the same word."""
LATER_WITH_VALUE = frozenset(("autocomplete", "container-id", "extra", "segment", "tres-bind", "tres-per-task"))
LATER_WITHOUT_VALUE = frozenset(("consolidate-segments", "external", "oom-kill-step", "resv-ports", "stepmgr"))

SHORT = {
    "A": "account", "a": "array", "B": "extra-node-info", "b": "begin", "C": "constraint", "c": "cpus-per-task",
    "D": "chdir", "d": "dependency", "e": "error", "F": "nodefile", "G": "gpus", "H": "hold", "h": "help",
    "i": "input", "J": "job-name", "k": "no-kill", "L": "licenses", "M": "clusters", "m": "distribution",
    "N": "nodes", "n": "ntasks", "O": "overcommit", "o": "output", "p": "partition", "Q": "quiet", "q": "qos",
    "S": "core-spec", "s": "oversubscribe", "t": "time", "V": "version", "v": "verbose", "W": "wait",
    "w": "nodelist", "x": "exclude",
}  # fmt: skip

OURS = ("finish-by", "max-delay", "memory", "project", "off", "dry-run")
PREFIX = "--green-"


class Wishes:
    """What one place (command line, environment, script, site) says about green submission."""

    __slots__ = ("finish_by", "max_delay", "off")

    def __init__(self, finish_by: str | None = None, max_delay: str | None = None, *, off: bool = False) -> None:
        self.finish_by, self.max_delay, self.off = finish_by, max_delay, off

    @property
    def says_something(self) -> bool:
        """Whether this place has a say at all; a place with less precedence then has none."""
        return self.finish_by is not None or self.max_delay is not None or self.off


class Ours:
    """Our own options in one place, and what was wrong with them."""

    __slots__ = ("complaints", "is_dry_run", "memory", "project", "wishes")

    def __init__(self) -> None:
        self.wishes = Wishes()
        self.project: str | None = None
        """What the job is for; empty where a place with less precedence shall not say."""
        self.memory: str | None = None
        """``show`` what like jobs held, ``auto`` to ask for that; empty as above."""
        self.is_dry_run = False
        self.complaints: list[str] = []


class CommandLine:
    """An sbatch command line without our words, and what it says."""

    __slots__ = ("arguments", "components", "ours", "script")

    def __init__(
        self,
        arguments: tuple[str, ...],
        components: tuple[Mapping[str, tuple[str | None, ...]], ...],
        script: str | None,
        ours: Ours,
    ) -> None:
        self.arguments = arguments
        """For sbatch, unchanged and in order."""
        self.components = components
        """By long name, the values of each option; one entry, or one for each part of a heterogeneous job."""
        self.script, self.ours = script, ours

    def has(self, name: str) -> bool:
        """Say whether the option is given for any component."""
        return any(name in component for component in self.components)

    def values(self, name: str) -> list[str]:
        """Return the value in force of each component that has the option: the last one given."""
        return [component[name][-1] or "" for component in self.components if name in component]

    @property
    def reads_stdin(self) -> bool:
        """Whether sbatch will read the script from its standard input."""
        return self.script is None and not self.has("wrap")


def parse(arguments: Sequence[str]) -> CommandLine:
    """Read a command line; our options count only before the script's name."""
    reader = _Reader(arguments)
    reader.read()
    components = tuple({name: tuple(values) for name, values in c.items()} for c in reader.components)
    return CommandLine(tuple(reader.kept), components, reader.script, reader.ours)


def options_of(words: Sequence[str]) -> Mapping[str, tuple[str | None, ...]]:
    """Return what the words of ``#SBATCH`` lines say, by long name."""
    return parse(words).components[0]


def ours_of(words: Sequence[str]) -> Ours:
    """Return what the words of ``#GREEN`` lines say: ``--max-delay=6h``, also with ``green-`` or without dashes."""
    line = parse([_in_full(word) for word in words])
    if line.script is not None:
        line.ours.complaints.append(f"#GREEN: {line.script!r} is no option of ours")
    return line.ours


def _in_full(word: str) -> str:
    if word.startswith("--"):
        return PREFIX + word.removeprefix(PREFIX).removeprefix("--")
    name, is_given, _ = word.partition("=")
    return f"{PREFIX}{word}" if is_given and name in OURS else word


class _Reader:
    """Goes through the words once."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._words, self._at = arguments, 0
        self.kept: list[str] = []
        self.components: list[dict[str, list[str | None]]] = [{}]
        self.script: str | None = None
        self.ours = Ours()

    def read(self) -> None:
        """Read options until the script or the end."""
        while self._at < len(self._words):
            word = self._words[self._at]
            self._at += 1
            if word.startswith(PREFIX):
                self._ours(word)
                continue
            self.kept.append(word)
            if word == ":":
                self.components.append({})
            elif word == "--":
                self.script = self._words[self._at] if self._at < len(self._words) else None
                break
            elif word.startswith("--"):
                self._long(word)
            elif word.startswith("-") and word != "-":
                self._cluster(word)
            else:
                self.script = word
                break
        self.kept += self._words[self._at :]

    def _ours(self, word: str) -> None:
        name, has_value, value = word.removeprefix(PREFIX).partition("=")
        matching = [ours for ours in OURS if ours == name] or [
            ours for ours in OURS if name and ours.startswith(name)
        ]
        ours = self.ours
        if len(matching) != 1:
            self._unknown(word, name)
        elif matching[0] == "off":
            ours.wishes.off = True
        elif matching[0] == "dry-run":
            ours.is_dry_run = True
        elif not has_value and self._at == len(self._words):
            ours.complaints.append(f"{word} needs a value")
        else:
            self._valued(matching[0], value if has_value else self._take())

    def _valued(self, name: str, value: str) -> None:
        if name == "finish-by":
            self.ours.wishes.finish_by = value
        elif name == "max-delay":
            self.ours.wishes.max_delay = value
        elif name == "memory":
            self.ours.memory = value
        else:
            self.ours.project = value

    def _unknown(self, word: str, name: str) -> None:
        from difflib import get_close_matches

        near = get_close_matches(name, OURS, n=1, cutoff=0.5)
        meant = f"did you mean {PREFIX}{near[0]}?" if near else f"ours are {', '.join(PREFIX + o for o in OURS)}"
        self.ours.complaints.append(f"{word}: no such option; {meant}")
        if near == ["dry-run"]:  # whoever wanted to try must not find a job in the queue
            self.ours.is_dry_run = True

    def _long(self, word: str) -> None:
        given, has_value, value = word[2:].partition("=")
        name, takes_value = _resolve(given)
        if has_value:
            self._note(name, value)
        elif takes_value and self._at < len(self._words):
            self._note(name, self._take_and_keep())
        else:
            self._note(name, None)

    def _cluster(self, word: str) -> None:
        for position, letter in enumerate(word[1:], 2):
            name = SHORT.get(letter, "")
            if name in WITH_VALUE:
                if rest := word[position:]:
                    self._note(name, rest)
                elif self._at < len(self._words):
                    self._note(name, self._take_and_keep())
                return
            self._note(name, None)
            if name == "no-kill":  # its value is optional: what follows in the word is it
                return

    def _note(self, name: str, value: str | None) -> None:
        self.components[-1].setdefault(name, []).append(value)

    def _take(self) -> str:
        self._at += 1
        return self._words[self._at - 1]

    def _take_and_keep(self) -> str:
        self.kept.append(self._take())
        return self.kept[-1]


def _resolve(given: str) -> tuple[str, bool]:
    """Return the full name of a long option or of its unique abbreviation, and whether a value must follow."""
    for with_value, without_value in ((WITH_VALUE, WITHOUT_VALUE), (LATER_WITH_VALUE, LATER_WITHOUT_VALUE)):
        if given in with_value | without_value:
            return given, given in with_value
    for with_value, without_value in ((WITH_VALUE, WITHOUT_VALUE), (LATER_WITH_VALUE, LATER_WITHOUT_VALUE)):
        matching = [name for name in with_value | without_value if name.startswith(given)]
        if len(matching) == 1:
            return matching[0], matching[0] in with_value
    return given, False
