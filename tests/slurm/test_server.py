"""A real Slurm, its munge, and a server: a green job's promise is its user's, whatever somebody else says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lab import gridserver as lab
from lab.cluster import Cluster
from lab.privilege import AS_NOBODY
from lab.processes import wait_until

from tests.contracts.real_server import answers, free_port
from vispa_green.ledgers import open_ledger
from vispa_green.model import Selection

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")]

BIN = Path(sys.executable).parent
SCRIPT = "#!/bin/bash\n#SBATCH -t 10\n#SBATCH -o /dev/null\nsleep 1\n"


class Site:
    """A server on loopback that believes the cluster's munge, and a configuration for everybody."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        folder.chmod(0o755)
        (folder / "states").mkdir()
        (folder / "states").chmod(0o1777)
        now = datetime.now(UTC)  # noqa: TID251 - the test's own clock
        series = lab.compress(lab.german_day(Path("/nowhere"), days=2), now - timedelta(hours=2))
        lab.write_csv(folder / "grid.csv", series, now.timestamp())
        grid = f'[grid]\nproviders = ["csv"]\n[grid.csv]\npath = "{folder}/grid.csv"\n'
        ways = f'[credentials.munge]\nsocket = "{cluster.environment["MUNGE_SOCKET"]}"\n[cluster]\nname = "lab"\n'
        self.ledger = f"sqlite://{folder}/account/ledger.sqlite"
        listen = (
            f'[server]\nlisten = ["127.0.0.1:{self.port}"]\ncredentials = ["munge"]\nstate_dir = "{folder}/server"\n'
        )
        (folder / "server.toml").write_text(f'{grid}{ways}{listen}[ledger]\nurl = "{self.ledger}"\n')
        (folder / "client.toml").write_text(f'{grid}{ways}[ledger]\nurl = "http://127.0.0.1:{self.port}"\n')
        (folder / "job.sh").write_text(SCRIPT)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "VISPA"))}
        own |= cluster.environment
        self.environment = own | {
            "PATH": f"{BIN}:{own['PATH']}",
            "VISPA_GREEN_CONFIG": str(folder / "client.toml"),
        }

    def run(self, *words: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        state = {"VISPA_GREEN_STATE": str(self.folder / "states" / user)}
        before = AS_NOBODY if user == "nobody" else ()
        return subprocess.run(
            [*before, *words], env=self.environment | state, cwd=self.folder, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    def promises(self) -> list[tuple[str, str]]:
        with closing(open_ledger(self.ledger, read_only=True)) as ledger:
            return [(promise.job_id, promise.user) for promise in ledger.promises.promises(Selection())]


@pytest.fixture(scope="module")
def site(slurm_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(slurm_cluster, tmp_path_factory.mktemp("site"))
    made.folder.parent.chmod(0o755)
    command = [str(BIN / "vispa-green"), "server", "--config", str(made.folder / "server.toml")]
    with subprocess.Popen(command, env=made.environment, start_new_session=True) as process:
        assert wait_until(lambda: answers(made.port), 60)
        yield made
        os.killpg(process.pid, signal.SIGTERM)


def test_a_green_job_is_promised_through_the_server(site: Site) -> None:
    done = site.run("gsbatch", "--green-max-delay=30h", "job.sh")
    assert done.returncode == 0, done.stderr
    assert "could not be kept" not in done.stderr
    job = done.stdout.split()[-1]
    assert (job, "root") in site.promises()
    told = json.loads(site.run("vispa-green", "green", "--json").stdout)
    assert [one["job_id"] for one in told["jobs"]] == [job]
    site.run("scancel", job)


def test_nobody_promises_anything_of_roots_job(site: Site) -> None:
    job = site.run("sbatch", "--parsable", "--begin=now+1hour", "job.sh").stdout.strip()
    false = (
        "import sys; from datetime import UTC, datetime, timedelta; from vispa_green.session import open_session;"
        "from vispa_green.model import Promise, Quantity; session = open_session(); at = session.now.utc;"
        "session.ledger().promises.append(Promise(sys.argv[1], 'nobody', at, at, timedelta(hours=1), None,"
        " Quantity.CARBON_INTENSITY, 1, 2, 'p', 'r', 'lab'))"
    )
    done = site.run(sys.executable, "-c", false, job, user="nobody")
    assert f"job {job} is not nobody's" in done.stderr
    assert job not in {number for number, _ in site.promises()}
    site.run("scancel", job)


def test_who_asks_is_known_by_munge(site: Site) -> None:
    assert site.run("vispa-green", "energy", "-a", user="nobody").returncode == 0
    done = site.run("vispa-green", "ledger", "verify", user="nobody")
    assert (done.returncode, "is not for user nobody" in done.stderr) == (1, True), done.stderr
