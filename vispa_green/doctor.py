"""What works here, what does not, and what to do about it. Each check is one function that returns findings."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from vispa_green.config import CONFIG_VARIABLE, SITE_FILE
from vispa_green.errors import LedgerMissing, MeterError, MeterForbidden, SlurmError, VispaGreenError
from vispa_green.grid import PROVIDERS
from vispa_green.meters import METERS
from vispa_green.model import Meter
from vispa_green.session import Session
from vispa_green.slurm import commands
from vispa_green.trackers import TRACKERS

NETWORK_FILESYSTEMS = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "nfs",
    "nfs4", "orangefs", "panfs", "pvfs2", "smb3",
})  # fmt: skip
BACKLOG_OF_AN_HOUR = 360
RAPL_REMEDY = (
    "run the agent as a service with AmbientCapabilities=CAP_DAC_READ_SEARCH, or let a group read it by a line in"
    " /etc/tmpfiles.d/vispa-green.conf: z {path} 0440 root vispa-green"
)


class Level(StrEnum):
    """How bad it is: ``fail`` means that something asked for cannot work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, and what to do about it (nothing, where it is ``ok``)."""

    level: Level
    what: str
    remedy: str = ""


Check = Callable[[Session], Iterator[Finding]]


def examine(session: Session, config_file: Path | None, *, online: bool) -> list[Finding]:
    """Run every check that fits; only with ``online`` are services outside of this machine asked."""
    checks: list[Check] = [rapl, nvml, energy_source, job_tracking, slurm, ledger, spool]
    checks += [grid, mail_host] if online else []
    return [config(config_file), *(finding for check in checks for finding in check(session))]


def config(config_file: Path | None) -> Finding:
    """Say which file is in force."""
    if config_file is None:
        return Finding(Level.OK, f"configuration: built-in defaults ({CONFIG_VARIABLE} unset, no {SITE_FILE})")
    return Finding(Level.OK, f"configuration: {config_file}")


def rapl(session: Session) -> Iterator[Finding]:
    """Say which CPU and memory counters are readable, forbidden or absent."""
    zones = _discovered(session, "rapl")
    if not zones:
        yield Finding(
            Level.WARN,
            f"RAPL: no counters under {session.host().sysfs / 'class/powercap'}",
            "load the kernel module intel_rapl_common (Intel and AMD); in a virtual machine there are none, and"
            " energy is estimated",
        )
    for zone in zones:
        try:
            zone.read_uj(session.now)
        except MeterForbidden:
            path = f"{getattr(zone, 'directory', '/sys/class/powercap/' + zone.device)}/energy_uj"
            remedy = RAPL_REMEDY.format(path=os.path.realpath(path))
            yield Finding(Level.WARN, f"RAPL: {zone.device} ({zone.component}) is forbidden to this user", remedy)
        except MeterError as error:
            yield Finding(Level.WARN, f"RAPL: {error}", "look at the kernel's log; the agent records a gap meanwhile")
        else:
            yield Finding(Level.OK, f"RAPL: {zone.device} ({zone.component}) is readable")


def nvml(session: Session) -> Iterator[Finding]:
    """Say which GPUs have a readable energy counter."""
    cards = _discovered(session, "nvml")
    if not cards:
        yield Finding(Level.OK, "NVML: no NVIDIA driver here, so no GPUs are metered")
    for card in cards:
        try:
            card.read_uj(session.now)
        except MeterError as error:
            yield Finding(Level.WARN, f"NVML: {error}", "cards before Volta have no energy counter; it stays a gap")
        else:
            yield Finding(Level.OK, f"NVML: {card.device} is readable")


def energy_source(session: Session) -> Iterator[Finding]:
    """Fail where an agent would find nothing at all to read."""
    unknown = [name for name in session.config.meters.enabled if name not in METERS.names()]
    if unknown:
        yield Finding(
            Level.FAIL,
            f"[meters] enabled names {', '.join(unknown)}, which is not installed",
            f"known are {', '.join(METERS.names())}",
        )
    names = [name for name in session.config.meters.enabled if name not in unknown]
    if not any(_reads(meter, session) for name in names for meter in _discovered(session, name)):
        yield Finding(Level.FAIL, "no enabled meter can be read here", 'add "estimate" to [meters] enabled')


def job_tracking(session: Session) -> Iterator[Finding]:
    """Say by which ways jobs can be found on this node."""
    host = session.host()
    found: list[str] = []
    for name in session.config.agent.trackers:
        try:
            found += [name] if TRACKERS.load(name)(host) is not None else []
        except VispaGreenError as error:
            yield Finding(Level.FAIL, f"[agent] trackers: {error}", "correct the name")
    if any(name.startswith("cgroup") for name in found):
        yield Finding(Level.OK, f"jobs are found by {', '.join(found)} under {host.cgroup}")
    elif found:
        yield Finding(
            Level.WARN,
            f"jobs are found by {', '.join(found)} alone: no Slurm control group under {host.cgroup} now",
            "set ProctrackType=proctrack/cgroup in slurm.conf; on a node without jobs this is normal",
        )
    else:
        yield Finding(Level.FAIL, "no way to find jobs here", "see [agent] trackers, and [host] for moved roots")


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


def ledger(session: Session) -> Iterator[Finding]:
    """Say whether the ledger is there, writable, and on a local disk."""
    url = session.ledger_url
    if url.startswith("sqlite://"):
        yield from _local_file(session, Path(url.removeprefix("sqlite://")))
    try:
        session.ledger(read_only=True).close()
    except LedgerMissing as error:
        yield Finding(Level.WARN, str(error), "start an agent (`vispa-green agent`): it makes the ledger")
    except VispaGreenError as error:
        yield Finding(Level.FAIL, f"ledger: {error}", "check [ledger] url and the file's permissions")
    else:
        yield Finding(Level.OK, f"ledger: {url} is {_access(session)}")


def spool(session: Session) -> Iterator[Finding]:
    """Say how much waits on this node to be delivered."""
    path = session.spool_dir / f"{session.host().name}.sqlite"
    if not path.exists():
        yield Finding(Level.OK, f"spool: none at {path}, no agent has run on this node")
        return
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            (waiting,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    except sqlite3.Error as error:
        yield Finding(Level.WARN, f"spool: {path} cannot be read ({error})", "ask as the agent's user")
        return
    level = Level.WARN if waiting > BACKLOG_OF_AN_HOUR else Level.OK
    remedy = "the agent does not reach its ledger: look at its log" if level is Level.WARN else ""
    yield Finding(level, f"spool: {waiting} intervals wait in {path}", remedy)


def grid(session: Session) -> Iterator[Finding]:
    """Ask every grid provider for the last hours."""
    now = session.now.utc
    for name in session.config.grid.providers:
        try:
            values = PROVIDERS.load(name)(session.config.grid).fetch(now - timedelta(hours=6), now, now)
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


def filesystem_of(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds ``path``, by the text of ``/proc/mounts`` (proc_mounts(5))."""
    best, kind = "", "unknown"
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = fields[1].replace(r"\040", " ")
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def _local_file(session: Session, path: Path) -> Iterator[Finding]:
    try:
        mounts = (session.host().procfs / "mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    kind = filesystem_of(Path(os.path.realpath(path)), mounts)
    if kind in NETWORK_FILESYSTEMS:
        yield Finding(
            Level.FAIL,
            f"ledger: {path} is on {kind}, where SQLite's locks do not hold",
            "put [ledger] url on a local disk of one machine",
        )


def _access(session: Session) -> str:
    path = Path(session.ledger_url.removeprefix("sqlite://"))
    return "writable" if os.access(path, os.W_OK) else "readable (only its agents need to write)"


def _discovered(session: Session, name: str) -> list[Meter]:
    try:
        return list(METERS.load(name)(session.host(), session.config.meters))
    except VispaGreenError:
        return []


def _reads(meter: Meter, session: Session) -> bool:
    try:
        meter.read_uj(session.now)
    except MeterError:
        return False
    return True
