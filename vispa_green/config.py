"""The configuration file: TOML into frozen values; a key we do not know is an error that names the nearest.

Each setting is declared once, here, with its default. ``VISPA_GREEN_CONFIG`` names the file, else
``/etc/vispa-green/config.toml`` is read where it exists, else the defaults hold.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from vispa_green.errors import ConfigError, did_you_mean

CONFIG_VARIABLE = "VISPA_GREEN_CONFIG"
SITE_FILE = Path("/etc/vispa-green/config.toml")

Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClusterSection(Section):
    """Which cluster this is."""

    name: str = "cluster"


class HostSection(Section):
    """This node, and where its kernel shows itself. An empty name means the short host name."""

    name: str = ""
    sysfs_root: Path = Path("/sys")
    procfs_root: Path = Path("/proc")
    cgroup_root: Path = Path("/sys/fs/cgroup")


class AgentSection(Section):
    """The agent's pace: a reading each ``interval_s``, a look for new and ended jobs each ``scan_s``."""

    interval_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    scan_s: Annotated[float, Field(gt=0, le=5)] = 0.25
    spool_dir: Path | None = None
    trackers: tuple[str, ...] = ("cgroup_v1", "cgroup_v2", "process_environ")


class LedgerSection(Section):
    """Where the account is kept; empty means the default of this user (see `vispa_green.host`)."""

    url: str = ""


class EstimateSection(Section):
    """The declared power model for a node whose counters cannot be read."""

    idle_watts: Annotated[float, Field(ge=0)] = 60.0
    watts_per_core: Annotated[float, Field(ge=0)] = 6.0


class MetersSection(Section):
    """Which energy sources are read, in order of preference."""

    enabled: tuple[str, ...] = ("rapl", "nvml", "estimate")
    estimate: EstimateSection = EstimateSection()


class AttributionSection(Section):
    """How energy becomes the jobs'; a table named after a model holds that model's options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = "cpu_time"
    idle_policy: str = "allocated"
    idle_power: dict[str, float] = {}


class CsvGridSection(Section):
    """A recorded series; see `vispa_green.grid.csv` for its columns."""

    path: Path | None = None


class EnergyChartsSection(Section):
    """The public service of Fraunhofer ISE."""

    base_url: str = "https://api.energy-charts.info"
    country: str = "de"
    timeout_s: Seconds = 5.0
    retries: Annotated[int, Field(ge=0, le=5)] = 2
    max_retry_after_s: Annotated[float, Field(ge=0)] = 10.0


class GridSection(Section):
    """Where grid data comes from, best source first."""

    providers: tuple[str, ...] = ("energy_charts",)
    refresh_s: Seconds = 900.0
    csv: CsvGridSection = CsvGridSection()
    energy_charts: EnergyChartsSection = EnergyChartsSection()


class GreenSection(Section):
    """Site defaults of green submission. An empty delay leaves jobs alone unless their user asks."""

    policy: str = "best_mean"
    default_max_delay: str = ""
    default_duration: str = "1:00:00"
    queue_margin: str = "0"


class PromisesSection(Section):
    """Where users' promises reach the site: a drop directory, root's and of mode 1733; none: each keeps his own."""

    spool_dir: Path | None = None


class SlurmSection(Section):
    """How Slurm's own commands are used."""

    enabled: bool = True
    timeout_s: Seconds = 10.0


class MailSection(Section):
    """How weekly reports reach their readers."""

    host: str = "localhost"
    port: Annotated[int, Field(gt=0, lt=65536)] = 25
    starttls: bool = False
    username: str = ""
    password_file: Path | None = None
    sender: str = "vispa-green@localhost"
    domain: str = "localhost"
    timeout_s: Seconds = 30.0
    timezone: str = "Europe/Berlin"


class Config(Section):
    """The whole file."""

    cluster: ClusterSection = ClusterSection()
    host: HostSection = HostSection()
    agent: AgentSection = AgentSection()
    ledger: LedgerSection = LedgerSection()
    meters: MetersSection = MetersSection()
    attribution: AttributionSection = AttributionSection()
    grid: GridSection = GridSection()
    green: GreenSection = GreenSection()
    promises: PromisesSection = PromisesSection()
    slurm: SlurmSection = SlurmSection()
    mail: MailSection = MailSection()


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
    """Validate the parsed ``content`` of the file ``origin``."""
    try:
        return Config.model_validate(content)
    except ValidationError as invalid:
        faults = [f"{origin}: {_fault(error)}" for error in invalid.errors(include_url=False)]
        raise ConfigError("\n".join(faults)) from None


def locate(environment: Mapping[str, str], explicit: Path | None = None) -> Path | None:
    """Return the file in force: ``--config``, else the variable, else the site's, else none."""
    if explicit is not None:
        return explicit
    if named := environment.get(CONFIG_VARIABLE):
        return Path(named)
    return SITE_FILE if SITE_FILE.exists() else None


def _fault(error: ErrorDetails) -> str:
    *tables, key = [str(part) for part in error["loc"]]
    where = f"[{'.'.join(tables)}] {key}" if tables else f"[{key}]"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key{did_you_mean(key, _known_keys(tables))}"
    return f"{where}: {error['msg'].lower()} (got {error['input']!r})"


def _known_keys(tables: list[str]) -> list[str]:
    section: Any = Config
    for table in tables:
        section = section.model_fields[table].annotation
    return list(section.model_fields)
