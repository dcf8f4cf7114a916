"""Random lives of two clusters whose job numbers come again, with the truth about each of them.

Times are seconds within an epoch; epochs are a year apart, and so are two jobs of one number on one cluster.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from vispa_green.model import (
    Binding,
    Component,
    EnergyEntry,
    JobActivity,
    JobFact,
    JobShare,
    NodeInterval,
    Quality,
)

FIRST = datetime(2025, 11, 30, 22, 22, 13, tzinfo=UTC)
"""Within jobs' lives a week and a month of Berlin end; a year later it is a month within a week."""
YEAR = timedelta(days=365)
SECOND = timedelta(seconds=1)
USERS = {"ada": 1001, "bob": 1002}
LENGTHS_S = (1, 47, 300, 899, 900, 2400, 40_000)

Part = tuple[Component, Quality]


@dataclass(frozen=True, slots=True)
class Life:
    """One job: when it was submitted and ran, once or twice, and from when on the agents know its submission."""

    cluster: str
    epoch: int
    number: str
    user: str
    runs: tuple[tuple[int, int, int], ...]
    """Submission, start, end; a requeue makes a second one."""
    learnt_s: int | None
    shows_uid: bool

    @property
    def began(self) -> datetime:
        """When seconds are counted from."""
        return FIRST + self.epoch * YEAR

    def at(self, seconds: float) -> datetime:
        """Return a time of its epoch."""
        return self.began + seconds * SECOND

    def binding(self, start_s: int, end_s: int) -> Binding | None:
        """Return what an agent knows of it in an interval, ``None`` if it is not there."""
        inside = [run for run in self.runs if run[1] < end_s and run[2] > start_s]
        if not inside:
            return None
        is_learnt = self.learnt_s is not None and end_s >= self.learnt_s
        submitted = self.at(inside[-1][0]) if is_learnt else None
        return Binding(USERS[self.user] if self.shows_uid else None, 2, (), submitted)

    def fact(self, now_s: int) -> JobFact | None:
        """Return what Slurm says of its last run at a time, ``None`` before it was submitted."""
        known = [run for run in self.runs if run[0] <= now_s]
        if not known:
            return None
        submit_s, start_s, end_s = known[-1]
        start = self.at(start_s) if start_s <= now_s else None
        end = self.at(end_s) if end_s <= now_s else None
        state = "PENDING" if start is None else "RUNNING" if end is None else "COMPLETED"
        return JobFact(
            self.number, f"9{self.number}_1", self.user, f"of-{self.user}", "main", "fit", state, ("n1", "n2"),
            self.at(submit_s), self.at(submit_s), start, end, None, 4, uid=USERS[self.user], project="p",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spool:
    """The intervals of one node in one epoch, as they come out of one spool."""

    cluster: str
    name: str
    intervals: tuple[NodeInterval, ...] = field(repr=False)


@dataclass(slots=True)
class World:
    """Lives, and what the nodes' agents saw of them."""

    lives: tuple[Life, ...]
    spools: tuple[Spool, ...]
    charged: defaultdict[Life, Counter[Part]] = field(default_factory=lambda: defaultdict(Counter), repr=False)
    """What each job was charged in truth; whole-node counters only where they tell more."""
    measured: Counter[tuple[str, Component]] = field(default_factory=Counter, repr=False)
    """By node and component."""


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a world of a few jobs."""
    lives = tuple(
        draw(st.lists(_lives(), min_size=1, max_size=5, unique_by=lambda x: (x.cluster, x.epoch, x.number)))
    )
    world = World(lives, ())
    spools = []
    for cluster, epoch in sorted({(life.cluster, life.epoch) for life in lives}):
        own = [life for life in lives if (life.cluster, life.epoch) == (cluster, epoch)]
        for node in draw(st.sampled_from([("n1",), ("n1", "n2")])):
            lengths = draw(st.lists(st.sampled_from(LENGTHS_S), min_size=1, max_size=6))
            kinds = draw(st.lists(st.sampled_from(KINDS), min_size=len(lengths), max_size=len(lengths)))
            intervals = list(_timeline(world, own, node, lengths, kinds))
            after = draw(st.integers(0, len(intervals)))
            for name, part in (("", intervals[:after]), ("-new", intervals[after:])):
                if part:
                    spools.append(Spool(cluster, f"{cluster}-{node}-{epoch}{name}", tuple(part)))
    world.spools = tuple(spools)
    return world


@st.composite
def _lives(draw: st.DrawFn) -> Life:
    submit_s = draw(st.integers(0, 600))
    start_s = submit_s + draw(st.sampled_from([0, 1, 700]))
    end_s = start_s + draw(st.sampled_from([2, 600, 3000]))
    runs = [(submit_s, start_s, end_s)]
    if draw(st.booleans()):  # requeued: Slurm starts it two minutes later at the earliest
        again_s = end_s + draw(st.sampled_from([120, 500]))
        runs.append((again_s - 120, again_s, again_s + draw(st.sampled_from([2, 2000]))))
    learnt_s = draw(st.none() | st.integers(0, 4000))
    return Life(
        draw(st.sampled_from("xy")), draw(st.integers(0, 1)), draw(st.sampled_from(["42", "43"])),
        draw(st.sampled_from(sorted(USERS))), tuple(runs), learnt_s, draw(st.sampled_from([True, True, False])),
    )  # fmt: skip


KINDS = ("measured", "measured", "estimated", "gap", "blind", "node beside", "node alone")


def _timeline(
    world: World, lives: Sequence[Life], node: str, lengths_s: Sequence[int], kinds: Sequence[str]
) -> Iterator[NodeInterval]:
    """Yield a node's intervals, one after the other, and write down who was charged what."""
    start_s = 0
    for number, (length_s, kind) in enumerate(zip(lengths_s, kinds, strict=True)):
        end_s = start_s + length_s
        present = {life: held for life in lives if (held := life.binding(start_s, end_s))}
        quality = Quality.GAP if kind in {"gap", "blind"} else Quality.MEASURED
        entries = tuple(_entries(kind, present, 1 + 7919 * (number + len(node) + 13 * len(lives))))
        for entry in entries:
            _book(world, entry, entries, present, node)
        activity = tuple(JobActivity(life.number, 10**9, length_s * 10**6, held) for life, held in present.items())
        began = lives[0].began
        yield NodeInterval(
            node, f"boot-{lives[0].epoch}", began + start_s * SECOND, began + end_s * SECOND, length_s * 10**6,
            quality, entries, activity,
        )  # fmt: skip
        start_s = end_s


def _entries(kind: str, present: dict[Life, Binding], seed: int) -> Iterator[EnergyEntry]:
    """Yield the entries of an interval; every job has its own uneven share."""
    shares = tuple(
        JobShare(life.number, seed * (place + 3) % 999_983, seed % 1009 * place) for place, life in enumerate(present)
    )
    total_uj = sum(share.busy_uj + share.idle_uj for share in shares)
    if kind in {"blind", "node alone"}:
        yield EnergyEntry(Component.CPU, "cpu", Quality.GAP, None, reason="unreadable")
    else:
        quality = {"estimated": Quality.ESTIMATED, "gap": Quality.GAP}.get(kind, Quality.MEASURED)
        yield EnergyEntry(Component.CPU, "cpu", quality, total_uj + 17, 10, 7, shares)
        yield EnergyEntry(Component.DRAM, "dram", Quality.MEASURED, total_uj, jobs=shares)
    if kind.startswith("node"):
        yield EnergyEntry(Component.NODE, "ipmi", Quality.MEASURED, 3 * total_uj + 5, 2 * total_uj, 5, shares)


def _book(
    world: World, entry: EnergyEntry, entries: Sequence[EnergyEntry], present: dict[Life, Binding], node: str
) -> None:
    world.measured[node, entry.component] += entry.measured_uj or 0
    is_known = any(other.measured_uj is not None for other in entries if other.component is not Component.NODE)
    if entry.component is Component.NODE and is_known:
        return
    for life in present:
        share = next((share for share in entry.jobs if share.job_id == life.number), None)
        if share is not None:
            world.charged[life][entry.component, entry.quality] += share.busy_uj + share.idle_uj
