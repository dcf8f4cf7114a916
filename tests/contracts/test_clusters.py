"""Laws of every source of Slurm's facts. A new one is found by name; what it asks comes from its stand-in.

The same jobs on a real Slurm: ``tests/slurm/test_clusters.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contracts.slurm_day import COORDINATORS, ENTRY, FACT, NOW, SUBMIT
from tests.contracts.standing_in import stand_in_of
from vispa_green.clusters import CLUSTERS
from vispa_green.errors import ConfigError, SlurmError
from vispa_green.model import Answer, Cluster


@pytest.fixture(params=CLUSTERS.names())
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    with stand_in_of(request.param).healthy(tmp_path) as there:
        yield CLUSTERS.make(request.param, there.host, {request.param: there.table})


def test_a_job_is_told_to_the_letter(cluster: Cluster) -> None:
    assert cluster.jobs(["42"]) == Answer([FACT])
    assert cluster.finished_or_changed(SUBMIT, NOW) == Answer([FACT])


def test_the_queue_is_told_to_the_letter(cluster: Cluster) -> None:
    assert cluster.queue(NOW) == Answer([ENTRY])


def test_who_coordinates_which_account_is_told(cluster: Cluster) -> None:
    assert cluster.coordinators() == COORDINATORS


def test_what_is_not_known_is_no_error_and_nothing(cluster: Cluster) -> None:
    assert cluster.jobs(["999999"]) == cluster.jobs([]) == Answer([])
    assert cluster.finished_or_changed(NOW, NOW + timedelta(hours=1)) == Answer([])
    assert cluster.jobs(["999999", "42"]) == Answer([FACT])


ASK: dict[str, Callable[[Cluster], object]] = {
    "span": lambda cluster: cluster.finished_or_changed(SUBMIT, NOW),
    "jobs": lambda cluster: cluster.jobs(["42"]),
    "queue": lambda cluster: cluster.queue(NOW),
    "coordinators": lambda cluster: cluster.coordinators(),
}


@pytest.mark.parametrize("what", ASK)
@pytest.mark.parametrize("name", CLUSTERS.names())
def test_a_dead_source_is_an_error_of_ours_and_no_empty_answer(
    name: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without Slurm's commands
    there = stand_in_of(name).absent(tmp_path)
    with pytest.raises((SlurmError, ConfigError)):
        ASK[what](CLUSTERS.make(name, there.host, {name: there.table}))
