"""Projects: how they are written, which one a job counts for, and its energy in exact parts. Pure.

A job is for one project, ``paper-x``, or for several with a share each: ``a=0.7,b=0.3``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction

from vispa_green.errors import UsageError
from vispa_green.model import EnergySum, JobFact, Quantity, Weighted
from vispa_green.numbers import decimal_number

LONGEST_NAME = 64
MOST_PARTS = 16
_SEPARATORS = frozenset("=,|\"'\\")
_IN_COMMENT = "project="

Parts = tuple[tuple[str, Fraction], ...]
"""Projects with their shares, which sum to 1."""


def project_text(text: str) -> str:
    """Return a project, or a split like ``a=0.7,b=0.3``, in the one writing that the ledger keeps.

    The parts of a split are in order of their names and their shares sum to 1; a single part is a plain project.
    Raise `UsageError` for anything else.
    """
    if "=" not in text and "," not in text:
        return project_name(text)
    shares: dict[str, Fraction] = {}
    for item in text.split(","):
        name, _, share = item.rpartition("=")
        known = decimal_number(share.strip())
        if not name or not known:
            raise UsageError(f"{item!r}: write a share as NAME=0.7; all shares together are 1")
        if shares.setdefault(project_name(name), Fraction(share.strip())) != Fraction(share.strip()):
            raise UsageError(f"{name!r} has two shares")
    if len(shares) != len(text.split(",")):
        raise UsageError(f"{text!r} names a project twice")
    if len(shares) > MOST_PARTS or sum(shares.values()) != 1:
        raise UsageError(f"{text!r}: at most {MOST_PARTS} shares, and together they have to be exactly 1")
    if len(shares) == 1:
        return next(iter(shares))
    return ",".join(f"{name}={_decimal(share)}" for name, share in sorted(shares.items()))


def project_name(text: str) -> str:
    """Return the name of one project without blanks around it; raise `UsageError` for what cannot be one."""
    name = text.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or _SEPARATORS & set(name):
        raise UsageError(
            f"{text[:LONGEST_NAME]!r} is no name for a project: up to {LONGEST_NAME} letters that can be printed,"
            " without = , | quotes and backslashes"
        )
    return name


def parts_of(project: str) -> Parts:
    """Return the projects in a text of the ledger with their shares; what is not a split has all of it."""
    if not is_split(project):
        return ((project, Fraction(1)),)
    pairs = (item.rpartition("=") for item in project.split(","))
    return tuple((name, Fraction(share)) for name, _, share in pairs)


def is_split(project: str) -> bool:
    """Say whether a text of the ledger is a split; a ``--wckey`` may hold any text."""
    try:
        return "=" in project and project_text(project) == project
    except UsageError:
        return False


def told_project(fact: JobFact, rules: Sequence[tuple[str, str]] = (), *, from_comment: bool = True) -> str:
    """Return the project that a job was submitted for, by what Slurm tells of it; empty if nothing does.

    Its ``--wckey`` counts first, then a word ``project=NAME`` of its comment, then the first of the site's
    ``rules``, a project and a pattern of job names each (`fnmatch`, upper and lower case differ).
    """
    if fact.wckey:
        return fact.wckey
    if from_comment:
        for word in fact.comment.split():
            if word.startswith(_IN_COMMENT):
                return _text_or_nothing(word.removeprefix(_IN_COMMENT))
    return next((project for project, pattern in rules if fnmatchcase(fact.name, pattern)), "")


def split_uj(energy_uj: int, parts: Parts) -> list[int]:
    """Return parts of an energy that sum to it exactly: what rounding down leaves goes to the largest rests."""
    exact = [energy_uj * share for _, share in parts]
    found = [int(amount // 1) for amount in exact]
    by_rest = sorted(range(len(parts)), key=lambda i: (found[i] - exact[i], i))
    for i in by_rest[: energy_uj - sum(found)]:
        found[i] += 1
    return found


def split_sums(sums: Iterable[EnergySum], parts: Parts) -> list[tuple[EnergySum, ...]]:
    """Return the sums of each part; together they are the sums given, to the µJ."""
    found: list[list[EnergySum]] = [[] for _ in parts]
    for one in sums:
        pairs = zip(split_uj(one.busy_uj, parts), split_uj(one.idle_uj, parts), strict=True)
        for own, (busy_uj, idle_uj) in zip(found, pairs, strict=True):
            own.append(EnergySum(one.component, one.quality, busy_uj, idle_uj))
    return [tuple(own) for own in found]


def split_grid(grid: Mapping[Quantity, Weighted], parts: Parts) -> list[dict[Quantity, Weighted]]:
    """Return the grid of each part: its energy was used at the same times as that of the others."""
    found: list[dict[Quantity, Weighted]] = [{} for _ in parts]
    for quantity, whole in grid.items():
        for own, known_uj in zip(found, split_uj(whole.known_uj, parts), strict=True):
            own[quantity] = Weighted(known_uj, known_uj * whole.mean) if whole.mean is not None else Weighted()
    return found


def _decimal(share: Fraction) -> str:
    text = f"{float(share):.9f}".rstrip("0").rstrip(".")
    assert Fraction(text) == share, "shares have at most nine decimals"
    return text


def _text_or_nothing(text: str) -> str:
    try:
        return project_text(text)
    except UsageError:
        return ""
