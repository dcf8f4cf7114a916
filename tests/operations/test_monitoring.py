"""Alerts and dashboards: Prometheus reads every expression, each alert comes when it should, all metrics exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vispa_green.server.figures import FIGURES

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus/alerts.yml"
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
EXPORTED = {
    "vispa_green_agent_last_interval_age_seconds": {"node"},
    "vispa_green_ingest_intervals_total": set[str](),
    "vispa_green_ingest_refused_total": set[str](),
    "vispa_green_power_watts": {"node", "component"},
    "vispa_green_grid_age_seconds": set[str](),
    "vispa_green_ledger_balance_difference_uj": set[str](),
}
"""What the server's /metrics has, with the labels."""

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: deploy/setup.sh full")


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False, cwd=RULES.parent)


def targets(dashboard: Path) -> list[dict[str, Any]]:
    return [target for panel in json.loads(dashboard.read_text())["panels"] for target in panel["targets"]]


@needs_promtool
def test_prometheus_reads_the_alerts_and_each_comes_when_it_should() -> None:
    for words in (("check", "rules", RULES.name), ("test", "rules", "alerts_test.yml")):
        done = promtool(*words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tried() -> None:
    tried = (DEPLOY / "prometheus/alerts_test.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert len(alerts) == len(set(alerts)) > 0
    fires = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:", tried))
    assert fires == set(alerts)


@needs_promtool
@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.name)
def test_prometheus_reads_what_a_dashboard_asks(dashboard: Path, tmp_path: Path) -> None:
    rules = [{"record": f"tried:{i}", "expr": target["expr"]} for i, target in enumerate(targets(dashboard))]
    asked = tmp_path / "asked.yml"
    asked.write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}))  # JSON is YAML
    done = promtool("check", "rules", str(asked))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_asks_the_source_that_is_chosen_and_shows_no_two_panels_in_one_place(dashboard: Path) -> None:
    panels = json.loads(dashboard.read_text())["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${source}"}
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("path", [RULES, *DASHBOARDS], ids=lambda path: path.name)
def test_only_metrics_that_the_server_has_are_asked_for(path: Path) -> None:
    text = path.read_text()
    used = set(re.findall(r"\bvispa_green_\w+", text))
    assert used <= set(EXPORTED) <= {figure.name for figure in FIGURES}
    assert used
    labels = set(re.findall(r"by \((\w+)\) \(vispa_green", text))
    assert labels <= set().union(*EXPORTED.values())
