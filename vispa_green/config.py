"""The configuration file: TOML into frozen values; a key we do not know is an error that names the nearest.

Each setting is declared once, with its default: those of the program here, those of a variant (a meter, a
grid provider, a policy …) in the variant's own file. A table such as ``[grid.csv]`` belongs to the variant of
that name and is read when that is made. ``VISPA_GREEN_CONFIG`` names the file, else
``/etc/vispa-green/config.toml`` is read where it exists, else the defaults hold.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vispa_green.errors import ConfigError
from vispa_green.settings import (
    duration,
    flag,
    number,
    one_of,
    place,
    project_rule,
    read,
    table,
    text,
    web_address_or_none,
    whole,
    words,
    zone,
)

CONFIG_VARIABLE = "VISPA_GREEN_CONFIG"
SITE_FILE = Path("/etc/vispa-green/config.toml")

VARIANT_TABLES = (
    "attribution", "credentials", "green", "grid", "idle_policies", "ledger", "meters", "slurm", "trackers",
)  # fmt: skip
"""Tables whose own tables belong to the variants of their names."""

Options = Mapping[str, Mapping[str, Any]]
"""The tables of variants by name, as they stand in the file."""


@dataclass(frozen=True, slots=True)
class ClusterSection:
    """Which cluster this is, and whose days its account is told by."""

    name: str = text("cluster")
    timezone: str = text("Europe/Berlin", zone)


@dataclass(frozen=True, slots=True)
class AccessSection:
    """Who may see others' jobs: ``slurm`` follows its ``PrivateData``. Root and ``admins`` see everything.

    So does ``support``, at a server; it changes nothing.
    """

    others: str = one_of("slurm", "never", "always")
    admins: tuple[str, ...] = words()
    support: tuple[str, ...] = words()


@dataclass(frozen=True, slots=True)
class HostSection:
    """This node, and where its kernel shows itself. An empty name means the short host name."""

    name: str = text("")
    sysfs_root: Path = place("/sys")
    procfs_root: Path = place("/proc")
    cgroup_root: Path = place("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class AgentSection:
    """The agent's pace: a reading each ``interval_s``; a look for new and ended jobs each ``scan_s``, and at once

    where the kernel tells that there are some; what was measured goes to the ledger each ``deliver_s``. What it
    does not take within ``keep_days`` is lost.
    """

    interval_s: float = number(10.0, above=0, at_most=60)
    scan_s: float = number(1.0, above=0, at_most=5)
    deliver_s: float = number(20.0, above=0, at_most=600)
    spool_dir: Path | None = place(None)
    keep_days: int = whole(7, at_least=1, at_most=3650)
    trackers: tuple[str, ...] = words("cgroup_v1", "cgroup_v2", "process_environ")


@dataclass(frozen=True, slots=True)
class LedgerSection:
    """Where the account is kept; empty means the default of this user (see `vispa_green.host`).

    After ``keep_raw_days`` `vispa-green ledger prune` takes out raw rows; 0 keeps them for ever.
    """

    url: str = text("")
    keep_raw_days: int = whole(0, at_least=0, at_most=36_500)


@dataclass(frozen=True, slots=True)
class MetersSection:
    """Which energy sources are read, in order of preference."""

    enabled: tuple[str, ...] = words("rapl", "nvml", "estimate")


@dataclass(frozen=True, slots=True)
class AttributionSection:
    """How energy becomes the jobs'."""

    model: str = text("cpu_time")
    idle_policy: str = text("allocated")


@dataclass(frozen=True, slots=True)
class GridSection:
    """Where grid data comes from, best source first."""

    providers: tuple[str, ...] = words("energy_charts")
    refresh_s: float = number(900.0, above=0)


@dataclass(frozen=True, slots=True)
class GreenSection:
    """Site defaults of green submission. An empty delay leaves jobs alone unless their user asks."""

    policy: str = text("best_mean")
    default_max_delay: str = text("", duration)
    default_duration: str = text("1:00:00", duration)
    queue_margin: str = text("0", duration)


@dataclass(frozen=True, slots=True)
class PromisesSection:
    """Where users leave their promises for the agent to collect; none keeps them in each user's own spool."""

    spool_dir: Path | None = place(None)


@dataclass(frozen=True, slots=True)
class ProjectsSection:
    """What work is for where nobody tagged it: ``rules`` like ``"paper-x: px_*"`` go by the name of a job.

    A ``--wckey`` counts before them, and so does a word ``project=NAME`` of the comment, if ``from_comment``.
    """

    rules: tuple[str, ...] = words(each=project_rule)
    from_comment: bool = flag(default=True)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The rules, each as its project and its pattern."""
        return tuple((project.strip(), name.strip()) for project, _, name in (r.partition(":") for r in self.rules))


@dataclass(frozen=True, slots=True)
class SlurmSection:
    """How Slurm's own commands are used, and from where an importer has its facts, each ``sync_s``.

    ``memory_sampled_s`` is the site's ``JobAcctGatherFrequency``: what is shorter held more than was seen, perhaps.
    """

    enabled: bool = flag(default=True)
    timeout_s: float = number(10.0, above=0)
    source: str = text("text")
    sync_s: float = number(60.0, at_least=5, at_most=3600)
    memory_sampled_s: float = number(30.0, at_least=0, at_most=3600)


@dataclass(frozen=True, slots=True)
class BillSection:
    """What the site states of itself, for columns of their own; 0: not stated. ``annual`` names an edition."""

    pue: float = number(0.0, at_least=0, at_most=10)
    eur_per_kwh: float = number(0.0, at_least=0)
    embodied_g_per_cpu_hour: float = number(0.0, at_least=0)
    annual: str = text("uba_2025")


@dataclass(frozen=True, slots=True)
class ServerSection:
    """The account as a service: where it listens, whom it believes, and its limits (`vispa_green.server`).

    ``nodes`` says which addresses agents with munge may speak for, as ``n1=10.0.0.1``; a node that it does not
    name is looked up. ``agents`` are the users whose processes are believed to be agents.
    """

    listen: tuple[str, ...] = words("unix:/run/vispa-green/server.sock")
    socket_mode: str = text("0666")
    credentials: tuple[str, ...] = words("munge", "peer")
    agents: tuple[str, ...] = words("root")
    nodes: tuple[str, ...] = words()
    state_dir: Path | None = place(None)
    inbox: Path | None = place(None)
    metrics_from: tuple[str, ...] = words()
    threads: int = whole(16, at_least=2, at_most=256)
    most_bytes: int = whole(32 * 2**20, at_least=2**16, at_most=2**30)
    most_a_minute: int = whole(3000, at_least=1)
    read_limit_s: float = number(20.0, above=0, at_most=600)


@dataclass(frozen=True, slots=True)
class MailSection:
    """How weekly reports reach their readers: by SMTP, or by the program ``sendmail``, if there is one.

    ``unsubscribe_url`` is where readers reach the server's ``/unsubscribe``; its addresses are signed with the key
    in ``unsubscribe_key``, else in the server's state directory.
    """

    host: str = text("localhost")
    port: int = whole(25, at_least=1, at_most=65535)
    starttls: bool = flag(default=False)
    username: str = text("")
    password_file: Path | None = place(None)
    sender: str = text("vispa-green@localhost")
    domain: str = text("localhost")
    timeout_s: float = number(30.0, above=0)
    timezone: str = text("Europe/Berlin", zone)
    sendmail: Path | None = place(None)
    language: str = one_of("en", "de")
    unsubscribe_url: str = text("", web_address_or_none)
    unsubscribe_key: Path | None = place(None)


@dataclass(frozen=True, slots=True)
class OnlyVariants:
    """A section without settings of its own: it holds nothing but the tables of its variants."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    cluster: ClusterSection = table(ClusterSection)
    access: AccessSection = table(AccessSection)
    host: HostSection = table(HostSection)
    agent: AgentSection = table(AgentSection)
    trackers: OnlyVariants = table(OnlyVariants)
    ledger: LedgerSection = table(LedgerSection)
    meters: MetersSection = table(MetersSection)
    attribution: AttributionSection = table(AttributionSection)
    idle_policies: OnlyVariants = table(OnlyVariants)
    grid: GridSection = table(GridSection)
    green: GreenSection = table(GreenSection)
    promises: PromisesSection = table(PromisesSection)
    projects: ProjectsSection = table(ProjectsSection)
    slurm: SlurmSection = table(SlurmSection)
    bill: BillSection = table(BillSection)
    server: ServerSection = table(ServerSection)
    credentials: OnlyVariants = table(OnlyVariants)
    mail: MailSection = table(MailSection)
    variants: Mapping[str, Options] = field(default_factory=dict)
    """What the file says of variants, by table and name: ``variants["grid"]["csv"]``."""

    def options(self, section: str) -> Options:
        """Return what the file says of the variants of a section, by name."""
        return self.variants.get(section, {})


def load(path: Path | None) -> Config:
    """Read ``path`` (the defaults where it is ``None``); raise `ConfigError` with every fault at once."""
    if path is None:
        return Config()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); set {CONFIG_VARIABLE} or --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return parse(content, str(path))


def parse(content: Mapping[str, Any], origin: str) -> Config:
    """Read the parsed ``content`` of the file ``origin``; raise `ConfigError` with every fault at once."""
    own = dict(content)
    variants: dict[str, Options] = {}
    for section in VARIANT_TABLES:
        inside = content.get(section)
        if isinstance(inside, Mapping):
            variants[section] = {name: value for name, value in inside.items() if isinstance(value, Mapping)}
            own[section] = {name: value for name, value in inside.items() if name not in variants[section]}
    config, faults = read(Config, own, "")
    if faults:
        raise ConfigError("\n".join(f"{origin}: {fault}" for fault in faults))
    return replace(config, variants={section: tables for section, tables in variants.items() if tables})


def locate(environment: Mapping[str, str], explicit: Path | None = None) -> Path | None:
    """Return the file in force: ``--config``, else the variable, else the site's, else none."""
    if explicit is not None:
        return explicit
    if named := environment.get(CONFIG_VARIABLE):
        return Path(named)
    return SITE_FILE if SITE_FILE.exists() else None
