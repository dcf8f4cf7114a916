"""gsbatch beside sbatch on the real Slurm: the same words, the same exit code, a job in the queue."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lab import gridserver as lab
from lab.cluster import Cluster
from lab.processes import wait_until

from vispa_green.gsbatch.argv import SHORT, WITH_VALUE, WITHOUT_VALUE

pytestmark = pytest.mark.slurm

Done = subprocess.CompletedProcess[str]
BIN = Path(sys.executable).parent
HEAD = "#!/bin/bash\n#SBATCH -t 10\n#SBATCH -o /dev/null\n"


class Bench:
    """A directory with scripts, a grid that gets greener in some hours, and both programs."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.config = folder / "config.toml"
        self.ledger = folder / "ledger.sqlite"
        now = datetime.now(UTC)  # noqa: TID251 - the test's own clock
        series = lab.compress(lab.german_day(Path("/nowhere"), days=2), now - timedelta(hours=2))
        lab.write_csv(folder / "grid.csv", series, now.timestamp())
        self.configure('providers = ["csv"]')
        self.script("job.sh", "sleep 1")

    def configure(self, grid: str) -> None:
        self.config.write_text(
            f'[ledger]\nurl = "sqlite://{self.ledger}"\n[grid]\n{grid}\n[grid.csv]\npath = "{self.folder}/grid.csv"\n'
        )

    def script(self, name: str, body: str, directives: str = "") -> None:
        (self.folder / name).write_text(f"{HEAD}{directives}{body}\n")

    def run(self, *words: str, stdin: str | None = None, **variables: str) -> Done:
        foreign = ("SLURM", "SBATCH", "VISPA_GREEN")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        environment |= self.cluster.environment
        environment |= {"PATH": f"{BIN}:{environment['PATH']}", "VISPA_GREEN_CONFIG": str(self.config)}
        environment |= {"VISPA_GREEN_STATE": str(self.folder / "state")} | variables
        return subprocess.run(
            words, input=stdin or "", env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip

    def both(self, *words: str, stdin: str | None = None, **variables: str) -> tuple[Done, Done]:
        """Run the words with sbatch, and greenly."""
        plain = self.run("sbatch", *words, stdin=stdin)
        return plain, self.run("gsbatch", "--green-max-delay=12h", *words, stdin=stdin, **variables)

    def show(self, done: Done) -> str:
        """What Slurm knows of the job just submitted."""
        return self.cluster.run("scontrol", "show", "job", number(done)).stdout

    def begin_delay_s(self, done: Done) -> list[float]:
        """How long after submission each component becomes eligible."""
        shown = self.show(done)
        stamps = [re.findall(rf"{field}=(\S+)", shown) for field in ("SubmitTime", "EligibleTime")]
        submit, eligible = ([datetime.fromisoformat(text) for text in texts] for texts in stamps)
        return [(late - early).total_seconds() for early, late in zip(submit, eligible, strict=True)]


@pytest.fixture
def bench(slurm_cluster: Cluster, tmp_path: Path) -> Iterator[Bench]:
    tmp_path.chmod(0o755)
    yield Bench(slurm_cluster, tmp_path)
    slurm_cluster.run("scancel", "--me", check=False)


def number(done: Done) -> str:
    found = re.search(r"\d+", done.stdout)
    assert found, done
    return found[0]


def anonymous(text: str) -> str:
    return re.sub(r"\d+", "N", text)


CASES = {
    "a script with #SBATCH lines": (["job.sh"], None),
    "wrap": (["-t5", "-o", "/dev/null", "--wrap", "sleep 1"], None),
    "parsable": (["--parsable", "job.sh"], None),
    "an array": (["-a", "1-3", "job.sh"], None),
    "a het job on the command line": (["-n1", ":", "-n2", "job.sh"], None),
    "a het job in the script": (["het.sh"], None),
    "a dependency": (["-d", "singleton", "-Jx", "job.sh"], None),
    "script arguments that look like options": (["job.sh", "--begin=now", "-H", "--green-off", ":", "-t", "1"], None),
    "a script on stdin": (["-J", "from stdin"], HEAD + "sleep 1\n"),
    "abbreviations": (["--part", "main", "--job-n", "x", "job.sh"], None),
    "environment": (["--export=NONE", "job.sh"], None),
}


@pytest.mark.parametrize("case", CASES)
def test_gsbatch_is_sbatch_with_a_later_begin(bench: Bench, case: str) -> None:
    bench.script("het.sh", "sleep 1", "#SBATCH -n1\n#SBATCH hetjob\n#SBATCH -n2\n")
    words, stdin = CASES[case]
    plain, green = bench.both(*words, stdin=stdin)
    assert (anonymous(green.stdout), green.returncode) == (anonymous(plain.stdout), plain.returncode)
    assert plain.returncode == 0, plain.stderr
    delays = bench.begin_delay_s(green)
    assert min(delays) > 3600, green.stderr
    assert len(delays) == (2 if "het" in case else 1)
    assert green.stderr.startswith("gsbatch: starts ")


@pytest.mark.parametrize(
    "words",
    [["gone.sh"], ["--bogus", "job.sh"], ["-t", "never", "job.sh"], ["-p", "nowhere", "job.sh"],
     ["--mem=much", "job.sh"], ["--wrap", "true", "job.sh"], ["no-shebang.sh"]],
)  # fmt: skip
def test_what_sbatch_refuses_is_refused_with_its_code(bench: Bench, words: list[str]) -> None:
    (bench.folder / "no-shebang.sh").write_text("true\n")
    plain, green = bench.both(*words)
    assert (green.stdout, green.returncode) == (plain.stdout, plain.returncode)
    assert green.returncode != 0
    assert plain.stderr.splitlines()[0] in green.stderr


def test_a_failing_scripts_code_comes_through_wait(bench: Bench) -> None:
    bench.script("fails.sh", "exit 42")
    plain = bench.run("sbatch", "--wait", "fails.sh")
    # of the delay is left what brings nothing: the job starts at once, the wrapper stays between
    green = bench.run("gsbatch", "--green-max-delay=0", "--wait", "fails.sh")
    assert (anonymous(green.stdout), green.returncode) == (anonymous(plain.stdout), plain.returncode) == (
        "Submitted batch job N\n", 42)  # fmt: skip


def test_the_id_comes_at_once_also_with_wait(bench: Bench) -> None:
    bench.script("long.sh", "sleep 4")
    environment = os.environ | bench.cluster.environment
    environment |= {"PATH": f"{BIN}:{environment['PATH']}", "VISPA_GREEN_CONFIG": str(bench.config)}
    environment |= {"VISPA_GREEN_STATE": str(bench.folder / "state")}
    words = ["gsbatch", "--green-max-delay=0", "--wait", "--parsable", "long.sh"]
    with subprocess.Popen(words, env=environment, cwd=bench.folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        assert process.poll() is None, "sbatch still waits"
        process.wait(60)


def test_an_unreachable_grid_service_costs_one_line_and_no_job(bench: Bench) -> None:
    bench.configure('[grid.energy_charts]\nbase_url = "http://127.0.0.1:9"\ntimeout_s = 1')
    plain, green = bench.both("job.sh")
    assert (anonymous(green.stdout), green.returncode) == (anonymous(plain.stdout), 0)
    assert bench.begin_delay_s(green) == [0]
    assert "127.0.0.1:9" in green.stderr


def test_a_hanging_grid_service_holds_nobody_up_long(bench: Bench) -> None:
    series = lab.compress(lab.german_day(Path("/nowhere")), datetime.now(UTC))  # noqa: TID251
    with lab.GridServer(series) as server:
        server.behave("/co2eq", lab.Hang())
        bench.configure(f'[grid.energy_charts]\nbase_url = "{server.base_url}"\ntimeout_s = 60')
        began = time.monotonic()  # noqa: TID251
        green = bench.run("gsbatch", "--green-max-delay=12h", "job.sh")
        assert time.monotonic() - began < 20  # noqa: TID251
    assert (anonymous(green.stdout), green.returncode) == ("Submitted batch job N\n", 0)
    assert len(green.stderr.splitlines()) == 1
    assert bench.begin_delay_s(green) == [0]


def test_a_broken_configuration_costs_one_line_and_no_job(bench: Bench) -> None:
    bench.config.write_text("[grid\n")
    green = bench.run("gsbatch", "--green-max-delay=12h", "job.sh")
    assert (anonymous(green.stdout), green.returncode) == ("Submitted batch job N\n", 0)
    assert len(green.stderr.splitlines()) == 1
    assert str(bench.config) in green.stderr


def test_the_users_own_begin_wins(bench: Bench) -> None:
    bench.script("later.sh", "true", "#SBATCH --begin=now+100\n")
    for words in (["--begin=now+100", "job.sh"], ["later.sh"]):
        green = bench.run("gsbatch", "--green-max-delay=12h", *words)
        assert bench.begin_delay_s(green) == [pytest.approx(100, abs=2)]
        assert "your --begin wins" in green.stderr


def test_wishes_come_from_the_script_the_environment_and_the_site(bench: Bench) -> None:
    bench.script("green.sh", "true", "#GREEN --max-delay=12h\n")
    assert bench.begin_delay_s(bench.run("gsbatch", "green.sh"))[0] > 3600
    assert bench.begin_delay_s(bench.run("gsbatch", "green.sh", VISPA_GREEN_OFF="1")) == [0]
    assert bench.begin_delay_s(bench.run("gsbatch", "job.sh", VISPA_GREEN_MAX_DELAY="12h"))[0] > 3600
    assert bench.begin_delay_s(bench.run("gsbatch", "job.sh")) == [0]
    bench.config.write_text(bench.config.read_text() + '[green]\ndefault_max_delay = "12h"\n')
    assert bench.begin_delay_s(bench.run("gsbatch", "job.sh"))[0] > 3600
    assert bench.begin_delay_s(bench.run("gsbatch", "--green-off", "job.sh")) == [0]


def test_a_script_from_a_pipe_of_the_shell_is_sbatchs_to_read(bench: Bench) -> None:
    green = bench.run("bash", "-c", "gsbatch --green-max-delay=12h -t10 -o /dev/null <(cat job.sh)")
    assert (anonymous(green.stdout), green.returncode) == ("Submitted batch job N\n", 0), green.stderr
    assert bench.begin_delay_s(green)[0] > 3600


def test_a_dry_run_submits_nothing(bench: Bench) -> None:
    done = bench.run("gsbatch", "--green-dry-run", "--green-finish-by=+12h", "-n1", "job.sh", "a b")
    assert (done.stdout, done.returncode) == ("", 0)
    assert re.search(r"would run: sbatch --begin=now\+\d+ -n1 job.sh 'a b'$", done.stderr.strip())


def test_the_promise_is_kept_and_told(bench: Bench) -> None:
    green = bench.run("gsbatch", "--green-max-delay=12h", "--parsable", "job.sh")
    told = bench.run("vispa-green", "green", number(green), "--json")
    (job,) = json.loads(told.stdout)["jobs"]
    assert job["job_id"] == number(green)
    assert job["verdict"] == "not started"
    assert job["forecast_mean"] < job["forecast_mean_if_started_at_submission"]
    planned = datetime.fromisoformat(job["planned_start"]) - datetime.fromisoformat(job["submitted"])
    assert bench.begin_delay_s(green) == [pytest.approx(planned.total_seconds(), abs=3)]


def test_a_job_is_tagged_with_its_project_as_it_is_submitted(bench: Bench) -> None:
    """Also without a wish for a later start, and each place as it has the word."""
    bench.run("vispa-green", "slurm", "sync")
    bench.script("tagged.sh", "sleep 60", "#GREEN project=paper-x=0.7,thesis=0.3\n")
    done = [
        bench.run("gsbatch", "--green-project=paper-x", "--green-max-delay=12h", "job.sh"),
        bench.run("gsbatch", "-a", "1-2", "-H", "job.sh", VISPA_GREEN_PROJECT="paper-x"),
        bench.run("gsbatch", "-H", "tagged.sh"),
        bench.run("gsbatch", "--green-project=", "-H", "tagged.sh"),
    ]
    assert [(one.returncode, anonymous(one.stdout)) for one in done] == [(0, "Submitted batch job N\n")] * 4
    assert "tag" not in "".join(one.stderr for one in done)
    told = bench.run("vispa-green", "slurm", "sync")
    assert told.returncode == 0, told.stderr
    tags = [json.loads(bench.run("vispa-green", "tag", "-j", number(one), "--json").stdout)["tags"] for one in done]
    projects = [[tag["project"] for tag in of_job] for of_job in tags]
    assert projects == [["paper-x"], ["paper-x"], ["paper-x=0.7,thesis=0.3"], []]


def test_a_project_that_is_none_costs_one_line_and_no_job(bench: Bench) -> None:
    wrong = bench.run("gsbatch", "--green-project=a=0.7,b=0.7", "job.sh")
    assert (anonymous(wrong.stdout), wrong.returncode) == ("Submitted batch job N\n", 0)
    assert "the job is not tagged" in wrong.stderr
    tried = bench.run("gsbatch", "--green-dry-run", "--green-project=a=0.7,b=0.7", "job.sh")
    assert (tried.stdout, tried.returncode) == ("", 1)
    nowhere = bench.run("gsbatch", "--green-project=a", "job.sh")
    assert (anonymous(nowhere.stdout), nowhere.returncode) == ("Submitted batch job N\n", 0)
    assert f"vispa-green tag -j {number(nowhere)} a" in nowhere.stderr, (
        "there is no ledger yet, and no place for a tag"
    )


def test_a_promise_that_cannot_be_kept_costs_one_line_and_submits_once(bench: Bench) -> None:
    (bench.folder / "state").write_text("")
    green = bench.run("gsbatch", "--green-max-delay=12h", "job.sh")
    assert (anonymous(green.stdout), green.returncode) == ("Submitted batch job N\n", 0)
    assert "could not be kept" in green.stderr
    assert bench.cluster.run("squeue", "-h", "--me", "-t", "PENDING", "-o", "%A").stdout.split() == [number(green)]


def test_the_partitions_limit_counts_where_the_job_states_none(bench: Bench) -> None:
    """The lab's partition has none, so the site's guess is taken and said."""
    done = bench.run("gsbatch", "--green-dry-run", "--green-max-delay=12h", "--wrap", "true")
    assert "planned as 1:00:00 long" in done.stderr


def test_the_table_of_options_is_that_of_this_sbatch(bench: Bench) -> None:
    """Each is asked for by itself: an option without its value at the end is complained about, or it is none."""
    for name in sorted(WITH_VALUE | WITHOUT_VALUE):
        said = bench.run("sbatch", f"--{name}").stderr
        if "unrecognized option" not in said:  # a version may have dropped it
            assert ("requires an argument" in said) == (name in WITH_VALUE), f"--{name}: {said}"
    for letter, name in SHORT.items():
        said = bench.run("sbatch", f"-{letter}").stderr
        assert ("requires an argument" in said) == (name in WITH_VALUE), f"-{letter}: {said}"


def test_a_queue_aware_site_holds_on_an_empty_machine_and_not_on_a_full_one(bench: Bench) -> None:
    """A held job's place on a full machine is filled at once: nothing would be saved."""
    bench.configure('providers = ["csv"]')
    bench.config.write_text(bench.config.read_text() + '[green]\npolicy = "queue_aware"\n')
    wide = ["--green-max-delay=12h", "-n", "8", "-t", "60", "-o", "/dev/null", "--wrap", "sleep 120"]
    assert bench.begin_delay_s(bench.run("gsbatch", *wide))[0] > 600
    bench.cluster.run("scancel", "--me")
    for _ in range(8):  # two machines' worth of work runs and waits for a day
        bench.run("sbatch", "-n", "8", "-t", "1-0", "-o", "/dev/null", "--wrap", "sleep 120")
    assert wait_until(lambda: bench.cluster.run("squeue", "-h", "-t", "R").stdout.count("\n") >= 2, timeout_s=20)
    assert bench.begin_delay_s(bench.run("gsbatch", *wide))[0] == 0
