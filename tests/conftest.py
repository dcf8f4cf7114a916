"""Fixtures for the whole suite: the one real Slurm that all tests marked `slurm` share."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.cluster import Cluster, ClusterSpec
from lab.preparation import missing_programs


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all tests that need Slurm on one xdist worker, so that they share one cluster."""
    for item in items:
        if item.get_closest_marker("slurm") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("slurm"))


@pytest.fixture(scope="session")
def slurm_installed() -> None:
    """Skip without Slurm's packages; in CI their absence is a failure, or nothing would ever be tested."""
    if missing := missing_programs():
        reason = f"Slurm is not installed ({', '.join(missing)} missing); run deploy/setup.sh system"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def cluster_root(slurm_installed: None) -> Iterator[Path]:
    """A state directory for one more cluster: short, and open to Slurm's users, which pytest's are not."""
    yield from _state_directory()


@pytest.fixture(scope="session")
def slurm_cluster(slurm_installed: None) -> Iterator[Cluster]:
    """The shared cluster: two nodes with eight cores and two GPUs each."""
    for root in _state_directory():
        with Cluster(ClusterSpec(root=root, nodes=2, cpus=8, gpus=2)) as cluster:
            yield cluster


def _state_directory() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(dir="/tmp", prefix="vg-"))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root)
