"""Whatever a node lives through, its account balances, and no energy is made up."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab.hosttree import HostTree, Layout
from lab.node import LabNode, configuration

from vispa_green.model import Selection

EVENTS = st.sampled_from(
    ["work", "work", "work", "read", "read", "look", "start", "end", "hide", "show", "kill", "clock"]
)
POLICIES = st.sampled_from(["allocated", "equal", "idle"])


class Life:
    """One node and the events that may befall it."""

    def __init__(self, directory: Path, idle_policy: str, range_uj: int) -> None:
        tree = HostTree(
            directory / "host",
            max_energy_range_uj=range_uj,
            first_uj=range_uj - 10,
            layout=Layout(max_power_w=5),
        )
        self.node = LabNode(tree, configuration(tree, directory, attribution={"idle_policy": idle_policy}))
        self.running: list[int] = []
        self.zone = tree.sysfs_root / "class/powercap/intel-rapl:1/energy_uj"
        self.hidden: Path | None = None
        self.node.agent.read(self.node.at)
        self.started = 0

    def happen(self, event: str, number: int) -> None:
        getattr(self, f"on_{event}")(number)

    def on_work(self, number: int) -> None:
        joules = {"package-0": number * 3.7, "package-1": number * 1.3, "dram-0": number * 0.5}
        self.node.work(10, joules, {job: (number * job) % 13 / 3 for job in self.running}, system_s=number / 7)

    def on_read(self, _: int) -> None:
        self.node.pass_time(0.25)
        self.node.agent.read(self.node.at)

    def on_look(self, _: int) -> None:
        self.node.agent.look(self.node.at)

    def on_start(self, number: int) -> None:
        self.started += 1
        self.node.tree.start_job(self.started, 1000 + number, "0-1")
        self.running.append(self.started)

    def on_end(self, number: int) -> None:
        if self.running:
            self.node.tree.end_job(self.running.pop(number % len(self.running)))

    def on_hide(self, _: int) -> None:
        if self.hidden is None:
            self.hidden = self.zone.rename(self.zone.with_name("hidden"))

    def on_show(self, _: int) -> None:
        # The register counts on while its file is away.
        if self.hidden is not None:
            if not self.zone.exists():
                self.hidden.rename(self.zone)
            self.hidden = None

    def on_kill(self, _: int) -> None:
        self.node.restart()

    def on_clock(self, number: int) -> None:
        self.node.pass_time(0, wall_step_s=(number - 10) * 1000)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    events=st.lists(st.tuples(EVENTS, st.integers(0, 20)), max_size=25),
    idle_policy=POLICIES,
    range_uj=st.sampled_from([240_000_000, 262_143_328_850]),
)
def test_measured_is_the_truth_and_every_row_balances(
    events: list[tuple[str, int]], idle_policy: str, range_uj: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        life = Life(Path(directory), idle_policy, range_uj)
        wait = 0
        for event, number in events:
            # Within one wrap of the counter between two readings, as the agent's pace guarantees on hardware.
            wait = wait + 1 if event == "work" else 0 if event == "read" and life.hidden is None else wait
            if wait > 1:
                life.on_show(0)
                life.on_read(0)
                wait = 1
            life.happen(event, number)
        life.on_show(0)
        life.on_read(0)
        life.node.agent.deliver(life.node.at)
        ledger = life.node.ledger()
        rows = ledger.energy.balance()
        assert [row.difference_uj for row in rows] == [0] * len(rows)
        assert sum(row.measured_uj for row in rows) == life.node.tree.truth.node_uj
        charged = sum(p.busy_uj + p.idle_uj for p in ledger.energy.postings(Selection()))
        assert charged == sum(row.jobs_uj for row in rows)
        assert ledger.energy.verify() == []
