"""Puts an agent together from a configuration."""

from __future__ import annotations

from datetime import timedelta

from vispa_green.agent.loop import Agent, Pace
from vispa_green.agent.sampling import NodeReader, find_meters
from vispa_green.agent.spool import Spool
from vispa_green.agent.watch import BindingSource, JobWatch
from vispa_green.attribution import MODELS
from vispa_green.config import Config
from vispa_green.energy.accounting import Accountant
from vispa_green.errors import ConfigError
from vispa_green.host import Host
from vispa_green.idle_policies import IDLE_POLICIES
from vispa_green.model import Meter, Tracker
from vispa_green.session import Session
from vispa_green.trackers import TRACKERS


def pace(config: Config, interval_s: float | None = None) -> Pace:
    """Return the configured pace, or that of ``interval_s``."""
    interval = interval_s or config.agent.interval_s
    return Pace(int(interval * 1e9), int(min(config.agent.scan_s, interval) * 1e9), config.agent.deliver_s)


def accountant(config: Config, node: str) -> Accountant:
    """Return the accountant with the configured attribution model and idle policy."""
    return Accountant(
        node,
        MODELS.make(config.attribution.model, None, config.options("attribution")),
        IDLE_POLICIES.make(config.attribution.idle_policy, None, config.options("idle_policies")),
    )


def meters(session: Session, host: Host) -> list[Meter]:
    """Return the meters of this node; raise `ConfigError` when there is nothing to measure with."""
    found = find_meters(host, session.config, session.now)
    if not found:
        enabled = ", ".join(session.config.meters.enabled)
        raise ConfigError(f"none of the enabled meters ({enabled}) is present here: see `vispa-green doctor`")
    return found


def trackers(config: Config, host: Host) -> list[Tracker]:
    """Return the configured ways to find jobs, best first."""
    return [TRACKERS.make(name, host, config.options("trackers")) for name in config.agent.trackers]


def assemble(session: Session, bindings: list[BindingSource]) -> Agent:
    """Return the agent of this node, holding its spool."""
    host = session.host()
    return Agent(
        NodeReader(host, meters(session, host)),
        JobWatch(trackers(session.config, host), bindings),
        accountant(session.config, host.name),
        Spool(session.spool_dir, host.name),
        lambda: session.ledger(create=True),
        session.config.cluster.name,
        keeps=timedelta(days=session.config.agent.keep_days),
    )
