"""The configuration file: the program's settings, the tables of variants, and what can be wrong with either."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from vispa_green import config, variants
from vispa_green.config import Config
from vispa_green.errors import ConfigError
from vispa_green.registry import Variants
from vispa_green.variants import KINDS


def parsed(text: str) -> Config:
    made = config.parse(tomllib.loads(text), "site.toml")
    variants.check_tables(made, "site.toml")
    return made


def test_no_file_and_an_empty_one_mean_the_same() -> None:
    assert config.load(None) == parsed("") == Config()


def test_the_defaults_have_no_fault() -> None:
    assert variants.faults(Config()) == []


def test_the_tables_of_variants_are_kept_for_them_and_the_rest_is_the_programs() -> None:
    made = parsed(
        "[grid]\nrefresh_s = 60\ncsv.path = '/x'\n[green.threshold]\ngco2_per_kwh = 200\n[trackers.cgroup_v1]"
    )
    assert made.grid.refresh_s == 60
    assert made.options("grid") == {"csv": {"path": "/x"}}
    assert made.options("green") == {"threshold": {"gco2_per_kwh": 200}}
    assert made.options("meters") == {}
    assert variants.faults(made) == []


@pytest.mark.parametrize("section", config.VARIANT_TABLES)
def test_sections_of_variants_are_sections_of_the_file(section: str) -> None:
    assert section in {field.name for field in fields(Config)}
    assert section in {kind.section for kind in KINDS}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gird]", "site.toml: [gird]: unknown key – did you mean 'grid'?"),
        ("variants.grid.csv.path = '/x'", "site.toml: [variants]: unknown key"),
        ("trackers = ['cgroup_v1']", "site.toml: [trackers]: not a table (got ['cgroup_v1'])"),
        ("[trackers]\nenabled = ['cgroup_v1']", "site.toml: [trackers] enabled: unknown key"),
        ("[idle_policies]\nmodel = 'equal'", "site.toml: [idle_policies] model: unknown key"),
        ("[grid]\nretires = 3", "site.toml: [grid] retires: unknown key – did you mean 'refresh_s'?"),
        ("[grid.energy_chart]\nretries = 3", "site.toml: [grid] energy_chart: unknown key – did you mean"),
        ("[access]\nothers = 'allways'", "site.toml: [access] others: not one of slurm, never, always – did you"),
        ("[mail]\ntimezone = 'Europe/Berln'", "site.toml: [mail] timezone: there is no such time zone"),
        ("[cluster]\ntimezone = 3", "site.toml: [cluster] timezone: not a text"),
        ("[green]\ndefault_max_delay = '6x'", "site.toml: [green] default_max_delay: '6x' is no duration"),
        ("[green]\nqueue_margin = 'UNLIMITED'", "site.toml: [green] queue_margin: it has to be finite"),
        ("[ledger]\nkeep_raw_days = -1", "site.toml: [ledger] keep_raw_days: it has to be at least 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parsed(text)
    assert str(refused.value).startswith(said)


def test_every_fault_of_a_file_is_said_at_once_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[agent]\ninterval_s = 0\n[mail]\nport = 0\nhots = 'x'\n")
    with pytest.raises(ConfigError) as refused:
        config.load(file)
    assert [line.partition(": it")[0] for line in str(refused.value).splitlines()] == [
        f"{file}: [agent] interval_s",
        f"{file}: [mail] port",
        f"{file}: [mail] hots: unknown key – did you mean 'host'?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[meters]\nenabled = ['rapl', 'nvlm']", "[meters] enabled: no meter called 'nvlm' – did you mean 'nvml'?"),
        ("[agent]\ntrackers = ['cgroup_v3']", "[agent] trackers: no tracker called 'cgroup_v3' – did you mean"),
        (
            "[grid]\nproviders = ['energy_chart']",
            "[grid] providers: no grid provider called 'energy_chart' – did you",
        ),
        ("[green]\npolicy = 'best_maen'", "[green] policy: no policy called 'best_maen' – did you mean 'best_mean'?"),
        ("[attribution]\nmodel = 'cpu'", "[attribution] model: no attribution model called 'cpu'"),
        ("[attribution]\nidle_policy = 'equl'", "[attribution] idle_policy: no idle policy called 'equl' – did you"),
        ("[ledger]\nurl = 'sqlte:///x'", "[ledger] url: no ledger called 'sqlte' – did you mean 'sqlite'?"),
        ("[ledger]\nurl = '/var/lib/x'", "[ledger] url: '/var/lib/x' has no scheme; write sqlite:///"),
        ("[ledger.sqlite]\njournal = 1", "[ledger.sqlite] journal: unknown key"),
        ("[meters.estimate]\nidle_wats = 1", "[meters.estimate] idle_wats: unknown key – did you mean 'idle_watts'?"),
        ("[grid.energy_charts]\nretires = 3", "[grid.energy_charts] retires: unknown key – did you mean 'retries'?"),
        ("[grid.energy_charts]\nbase_url = 'api.x'", "[grid.energy_charts] base_url: not a web address"),
        ("[green.threshold]\ngco2_per_kwh = -1", "[green.threshold] gco2_per_kwh: it has to be more than 0"),
        ("[attribution.idle_power]\ncpu_watts = 'x'", "[attribution.idle_power] cpu_watts: not a number (got 'x')"),
    ],
)
def test_a_variant_that_cannot_be_made_is_a_fault_chosen_or_not(text: str, said: str) -> None:
    [fault] = variants.faults(parsed(text))
    assert fault.startswith(said)


EVERY = [pytest.param(kind, name, id=f"{kind.section}.{name}") for kind in KINDS for name in kind.names()]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_variant_names_a_key_that_it_does_not_have(kind: Variants[object], name: str) -> None:
    assert kind.faults(name, {}) == []
    [fault] = kind.faults(name, {name: {"no such key": 1}})
    assert fault.startswith(f"[{kind.section}.{name}] no such key: unknown key")
    with pytest.raises(ConfigError, match="no such key"):
        kind.make(name, None, {name: {"no such key": 1}})
