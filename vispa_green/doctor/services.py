"""Whether the services answer that we lean on: Slurm, the grid's providers, the mail host."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta

from vispa_green.clusters import CLUSTERS
from vispa_green.doctor.findings import Finding, Level
from vispa_green.errors import SlurmError, VispaGreenError
from vispa_green.providers import PROVIDERS
from vispa_green.session import Session
from vispa_green.slurm import commands


def slurm(session: Session) -> Iterator[Finding]:
    """Say whether Slurm is there and answers."""
    timeout_s = session.config.slurm.timeout_s
    if not session.config.slurm.enabled:
        yield Finding(Level.OK, "Slurm: switched off by [slurm] enabled")
        return
    if not commands.available():
        yield Finding(
            Level.WARN,
            "Slurm: its commands are not installed here, so jobs have neither names nor accounts",
            "install slurm-client, or set [slurm] enabled = false",
        )
        return
    try:
        version, answer = commands.version(timeout_s=timeout_s), commands.ping(timeout_s=timeout_s)
    except SlurmError as error:
        yield Finding(Level.WARN, f"Slurm: {error}", "check slurmctld and SLURM_CONF; energy is kept meanwhile")
    else:
        yield Finding(Level.OK, f"Slurm {version}: {' '.join(answer.split())}")


def source(session: Session) -> Iterator[Finding]:
    """Say whether the source of Slurm's facts answers, where that is another than Slurm's commands."""
    name = session.config.slurm.source
    if name == "text":
        return
    try:
        seen = CLUSTERS.make(name, None, session.config.options("slurm")).queue(session.now.utc)
    except VispaGreenError as error:
        yield Finding(Level.WARN, f"Slurm's facts: {error}", "only who imports needs it: ask as that user")
    else:
        yield Finding(Level.OK, f"Slurm's facts: {name} shows {len(seen.records)} jobs in the queue")


def grid(session: Session) -> Iterator[Finding]:
    """Ask every grid provider for the last hours."""
    now = session.now.utc
    for name in session.config.grid.providers:
        try:
            values = PROVIDERS.make(name, None, session.config.options("grid")).fetch(
                now - timedelta(hours=6), now, now
            )
        except (VispaGreenError, ValueError) as error:
            yield Finding(Level.WARN, f"grid: {name}: {error}", "check the proxy and [grid]; jobs still start")
        else:
            yield Finding(Level.OK, f"grid: {name} gave {len(values)} values for the last six hours")


def mail_host(session: Session) -> Iterator[Finding]:
    """Say whether the mail host takes connections."""
    section = session.config.mail
    where = f"{section.host}:{section.port}"
    try:
        socket.create_connection((section.host, section.port), timeout=min(5.0, section.timeout_s)).close()
    except OSError as error:
        yield Finding(Level.WARN, f"mail: {where} cannot be reached ({error})", "set [mail] host and port")
    else:
        yield Finding(Level.OK, f"mail: {where} answers")
