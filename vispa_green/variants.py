"""Every variant that a configuration names: whether it exists, and whether its table can be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vispa_green.attribution import MODELS
from vispa_green.clusters import CLUSTERS
from vispa_green.credentials import CREDENTIALS
from vispa_green.errors import ConfigError, did_you_mean
from vispa_green.idle_policies import IDLE_POLICIES
from vispa_green.ledgers import LEDGERS, scheme_of
from vispa_green.meters import METERS
from vispa_green.policies import POLICIES
from vispa_green.providers import PROVIDERS
from vispa_green.trackers import TRACKERS

if TYPE_CHECKING:
    from vispa_green.config import Config
    from vispa_green.registry import Variants

KINDS: tuple[Variants[Any], ...] = (
    METERS, TRACKERS, PROVIDERS, POLICIES, MODELS, IDLE_POLICIES, LEDGERS, CREDENTIALS, CLUSTERS,
)  # fmt: skip


def check_tables(config: Config, origin: str) -> None:
    """Raise `ConfigError` for a table that belongs to no variant: a misspelt name would change nothing, unseen."""
    strangers = [
        f"{origin}: [{kind.section}] {name}: unknown key{did_you_mean(name, kind.names())}"
        for kind in KINDS
        for name in config.options(kind.section)
        if not kind.knows(name)
    ]
    if strangers:
        raise ConfigError("\n".join(strangers))


def faults(config: Config) -> list[str]:
    """Return, a sentence each, what is wrong with the variants that a configuration names and with their tables.

    The table of a variant that is not chosen counts, too: commands can name another policy, for one.
    """
    named = list(_named(config))
    chosen = {(kind.section, name) for kind, _, name in named}
    told = [
        (kind, f"[{kind.section}] {name}", name)
        for kind in KINDS
        for name in config.options(kind.section)
        if (kind.section, name) not in chosen
    ]
    found = [
        fault if fault.startswith("[") else f"{where}: {fault}"
        for kind, where, name in named + told
        for fault in kind.faults(name, config.options(kind.section))
    ]
    return found + _without_scheme(config)


def _named(config: Config) -> Iterator[tuple[Variants[Any], str, str]]:
    yield from ((METERS, "[meters] enabled", name) for name in config.meters.enabled)
    yield from ((TRACKERS, "[agent] trackers", name) for name in config.agent.trackers)
    yield from ((PROVIDERS, "[grid] providers", name) for name in config.grid.providers)
    yield POLICIES, "[green] policy", config.green.policy
    yield MODELS, "[attribution] model", config.attribution.model
    yield from ((CREDENTIALS, "[server] credentials", name) for name in config.server.credentials)
    yield IDLE_POLICIES, "[attribution] idle_policy", config.attribution.idle_policy
    yield CLUSTERS, "[slurm] source", config.slurm.source
    if config.ledger.url and not _without_scheme(config):
        yield LEDGERS, "[ledger] url", scheme_of(config.ledger.url)


def _without_scheme(config: Config) -> list[str]:
    try:
        scheme_of(config.ledger.url or "sqlite://")
    except ConfigError as error:
        return [str(error)]
    return []
