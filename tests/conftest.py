"""Fixtures for the whole suite: the one real Slurm that all tests marked `slurm` share."""

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from lab.cluster import Cluster, ClusterSpec
from lab.preparation import missing_programs
from vispa_green_jobs.record import Judgement
from vispa_green_jobs.table import lines, rows

settings.register_profile("steady", deadline=None)  # how long an example takes says what else the machine does
settings.load_profile("steady")


@pytest.hookimpl(optionalhook=True)  # pytest may run without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object | None:
    """Keep the test files that need Slurm on one worker, so that they share one cluster and not its cores.

    xdist's own groups do not help: since pytest 9.2 the name of the group no longer reaches its scheduler.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

    @functools.cache
    def needs_slurm(file: str) -> bool:
        return "mark.slurm" in (config.rootpath / file).read_text()

    class OneWorkerForSlurm(LoadGroupScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "slurm" if needs_slurm(nodeid.partition("::")[0]) else super()._split_scope(nodeid)

    return OneWorkerForSlurm(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables of the jobs that were run with several seeds."""
    judged: dict[str, list[list[Judgement]]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for _key, (name, claims) in (one for one in report.user_properties if one[0] == "judged job"):
                judged.setdefault(name, []).append([Judgement(**claim) for claim in claims])
    for name, runs in sorted(judged.items()):
        terminalreporter.write_line("")
        for line in lines(name, rows(runs), len(runs)):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The programs under test keep what is their user's in a place of this run's, not in this machine's."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VISPA_GREEN_STATE", str(tmp_path_factory.mktemp("state")))
        yield


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
    root = Path(tempfile.mkdtemp(dir="/tmp", prefix="slurm-"))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root)
