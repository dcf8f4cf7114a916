"""The installed gsbatch, whatever surrounds it: sbatch gets the job, or nobody does if only a try was asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("gsbatch")
LAUNCHER = Path(__file__).parents[2] / "deploy/launchers/gsbatch"
SBATCH = """#!/bin/sh
for word; do printf '[%s]' "$word"; done
test -z "$SHOW" || env
test -z "$READS" || cat
echo submitted >> "$HOME/queue"
exit 7
"""
SCRIPT = "#!/bin/sh\n#SBATCH -t 5\ntrue\n"
GREEN = ["--green-max-delay=6h", "--green-finish-by", "+12h"]

Done = subprocess.CompletedProcess[bytes]


class Site:
    """A directory with scripts, a home and a stand-in for sbatch that keeps count."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.program = folder, PROGRAM
        self.environment = {"PATH": f"{folder}/real:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        self.write("real/sbatch", SBATCH).chmod(0o755)
        self.write("job.sh", SCRIPT)
        self.configure("[grid]\nproviders = []\n")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def configure(self, text: str) -> None:
        self.environment["VISPA_GREEN_CONFIG"] = str(self.write("config.toml", text))

    def python(self, text: str) -> None:
        """Install the launcher beside an interpreter of our making."""
        self.program = self.folder / "broken/bin/gsbatch"
        self.write("broken/bin/python3", text).chmod(0o755)
        self.write("broken/bin/gsbatch", LAUNCHER.read_text()).chmod(0o755)

    def run(self, *words: str, shell: str = '"$@"', stdin: str = "", **variables: str) -> Done:
        return subprocess.run(
            ["/bin/sh", "-c", f"exec {shell}", "sh", str(self.program), *words],
            env=self.environment | variables, input=stdin.encode(), cwd=self.folder, capture_output=True, timeout=60,
            check=False,
        )  # fmt: skip

    @property
    def submitted(self) -> int:
        queue = self.folder / "queue"
        return len(queue.read_text().splitlines()) if queue.exists() else 0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def hostile_path(site: Site) -> dict[str, str]:
    site.write("hostile/typing_extensions.py", "raise ImportError('an old one')")
    site.write("hostile/vispa_green/__init__.py", "raise SystemExit(3)")
    site.write("hostile/re.py", "raise SystemExit(3)")
    return {"PYTHONPATH": str(site.folder / "hostile")}


HOSTILE: dict[str, Callable[[Site], dict[str, str]]] = {
    "nothing": lambda _: {},
    "a PYTHONPATH with old and shadowing modules": hostile_path,
    "a PYTHONHOME that is not there": lambda _: {"PYTHONHOME": "/nonexistent"},
    "PYTHONSAFEPATH": lambda _: {"PYTHONSAFEPATH": "1"},
    "PYTHONSTARTUP and PYTHONINSPECT": lambda _: {"PYTHONSTARTUP": "/nonexistent", "PYTHONINSPECT": "1"},
    "warnings as errors": lambda _: {"PYTHONWARNINGS": "error"},
    "an encoding that there is not": lambda _: {"PYTHONIOENCODING": "nonsense"},
    "the C locale": lambda _: {"LC_ALL": "C"},
    "no locale": lambda _: {"LC_ALL": ""},
    "no home": lambda _: {"HOME": ""},
    "a home that is not there": lambda _: {"HOME": "/nonexistent"},
}


@pytest.mark.parametrize("words", [[], GREEN], ids=["no wish", "a wish"])
@pytest.mark.parametrize("surroundings", HOSTILE)
def test_hostile_surroundings_change_nothing(site: Site, surroundings: str, words: list[str]) -> None:
    variables = HOSTILE[surroundings](site)
    done = site.run(*words, "-n1", "job.sh", "a b", **variables)
    assert (done.stdout, done.returncode) == (b"[-n1][job.sh][a b]", 7), done.stderr
    assert b"Traceback" not in done.stderr
    assert b"cannot run" not in done.stderr


@pytest.mark.parametrize("words", [[], GREEN, ["--green-max-delay=nonsense"]], ids=["no wish", "a wish", "a bad one"])
@pytest.mark.parametrize(
    "shell", ['"$@" 2>&-', '"$@" 2>/dev/full', '"$@" <&- 2>&-', '"$@" <&-'],
    ids=["stderr closed", "stderr full", "stdin and stderr closed", "stdin closed"],
)  # fmt: skip
def test_a_job_is_submitted_wherever_our_words_go(site: Site, shell: str, words: list[str]) -> None:
    done = site.run(*words, "-n1", "job.sh", shell=shell)
    assert (done.stdout, done.returncode, site.submitted) == (b"[-n1][job.sh]", 7, 1)


@pytest.mark.parametrize("shell", ['"$@" >&-', '"$@" >/dev/full'])
def test_a_job_is_submitted_once_where_stdout_takes_nothing(site: Site, shell: str) -> None:
    site.run(*GREEN, "job.sh", shell=shell)
    assert site.submitted == 1


BROKEN = {
    "killed as it starts": "#!/bin/sh\nkill -9 $$\n",
    "without its library": "#!/bin/sh\necho 'error while loading shared libraries' >&2; exit 127\n",
    "without a program": "#!/nonexistent\n",
    "without packages": f'#!/bin/sh\nexec {sys.executable} -S "$@"\n',
    "without its standard library": f"#!/bin/sh\nPYTHONHOME=/nonexistent exec {sys.executable} -c pass\n",
}
POISONED = """#!/bin/sh
code="import sys; sys.modules['{module}'] = None
$3"
shift 3
exec {python} -I -c "$code" "$@"
"""


@pytest.mark.parametrize("words", [["--green-max-delay", "6h", "--green-off"], []], ids=["ours", "none of ours"])
@pytest.mark.parametrize("fault", BROKEN)
def test_without_an_interpreter_it_is_sbatch(site: Site, fault: str, words: list[str]) -> None:
    site.python(BROKEN[fault])
    done = site.run(*words, "-n1", "job.sh", "--green-off")
    assert (done.stdout, done.returncode) == (b"[-n1][job.sh][--green-off]", 7), done.stderr
    assert done.stderr.decode().splitlines()[-1].startswith("gsbatch: its Python cannot run")
    piped = site.run("-n1", stdin=SCRIPT, READS="1", shell='"$@" 2>&-')
    assert (piped.stdout, piped.returncode) == (b"[-n1]" + SCRIPT.encode(), 7)


@pytest.mark.parametrize(
    "module", ["vispa_green.gsbatch.submit", "vispa_green.config", "sqlite3", "vispa_green.gsbatch.argv"]
)
def test_with_half_an_installation_it_is_sbatch(site: Site, module: str) -> None:
    site.python(POISONED.format(module=module, python=sys.executable))
    done = site.run(*GREEN, "-n1", "job.sh")
    assert (done.stdout, done.returncode) == (b"[-n1][job.sh]", 7), done.stderr
    assert b"Traceback" not in done.stderr


def test_the_job_gets_its_submitters_environment(site: Site) -> None:
    """sbatch hands its environment on: what isolates us must not reach the job."""
    given = {"PYTHONPATH": "/a", "PYTHONHOME": "/b", "SHOW": "1", "LC_ALL": "", "LANG": ""}
    plain = subprocess.run(
        ["sbatch", "job.sh"], env=site.environment | given, cwd=site.folder, capture_output=True, check=False,
        executable=site.folder / "real/sbatch",
    )  # fmt: skip
    for words in ([], ["--green-off"], ["--green-max-delay=nonsense"], GREEN):
        done = site.run(*words, "job.sh", **given)
        assert sorted(done.stdout.splitlines()) == sorted(plain.stdout.splitlines())


def test_a_link_from_elsewhere_finds_its_interpreter(site: Site) -> None:
    (site.folder / "links").mkdir()
    (site.folder / "links/first").symlink_to(PROGRAM)
    (site.folder / "links/sbatch").symlink_to("first")
    site.program = site.folder / "links/sbatch"
    search = f"{site.folder}/links:{site.environment['PATH']}"
    done = site.run("--green-max-delay=nonsense", "job.sh", PATH=search)
    assert (done.stdout, done.returncode) == (b"[job.sh]", 7)
    assert b"is no duration" in done.stderr


@pytest.mark.parametrize("broken", [False, True])
def test_the_real_sbatch_is_found_alike_with_and_without_an_interpreter(site: Site, broken: bool) -> None:
    if broken:
        site.python(BROKEN["killed as it starts"])
    site.write("wrapper/sbatch", f'#!/bin/sh\n# every job\nexec {site.program} "$@"\n').chmod(0o755)
    site.write("unusable/sbatch", "#!/bin/sh\nexit 1\n")
    (site.folder / "links").mkdir()
    (site.folder / "links/sbatch").symlink_to(site.program)
    search = ":".join(str(site.folder / name) for name in ("none", "links", "wrapper", "unusable", "real"))
    for words in ([], GREEN):
        assert site.run(*words, "job.sh", PATH=search).stdout == b"[job.sh]"
    other = site.write("other sbatch", SBATCH)
    other.chmod(0o755)
    assert site.run("job.sh", PATH="/usr/bin:/bin", VISPA_GREEN_SBATCH=str(other)).stdout == b"[job.sh]"
    absent = site.run("job.sh", PATH="/nonexistent")
    assert (absent.returncode, b"VISPA_GREEN_SBATCH" in absent.stderr) == (127, True)


DRY = ["--green-dry-run"]
FAULTS: dict[str, tuple[list[str], dict[str, str], str]] = {
    "a deadline that is no time": ([*DRY, "--green-finish-by=4h", "job.sh"], {}, ""),
    "a deadline that was": ([*DRY, "--green-finish-by=2020-01-01", "job.sh"], {}, ""),
    "yesterday": ([*DRY, "--green-finish-by=yesterday", "job.sh"], {}, ""),
    "a delay that is none": ([*DRY, "--green-max-delay=foo", "job.sh"], {}, ""),
    "a delay with a sign": ([*DRY, "--green-max-delay=+6h", "job.sh"], {}, ""),
    "a delay without an end": ([*DRY, "--green-max-delay=UNLIMITED", "job.sh"], {}, ""),
    "a delay without a value": ([*DRY, "--wrap=true", "--green-max-delay"], {}, ""),
    "an option that there is not": ([*DRY, "--green-finnish=6h", "job.sh"], {}, ""),
    "a misspelt dry run": (["--green-dryrun", "--green-max-delay=6h", "job.sh"], {}, ""),
    "a time limit that is none": ([*DRY, "--green-max-delay=6h", "-t", "never", "job.sh"], {}, ""),
    "a variable that is no delay": ([*DRY, "job.sh"], {"VISPA_GREEN_MAX_DELAY": "foo"}, ""),
    "a variable for the dry run": (["job.sh"], {"VISPA_GREEN_DRY_RUN": "1", "VISPA_GREEN_MAX_DELAY": "foo"}, ""),
    "a line in the script": (["dry.sh"], {}, ""),
    "a line in a script on stdin": ([], {}, ""),
    "a configuration that is not there": ([*DRY, "job.sh"], {"VISPA_GREEN_CONFIG": "/nonexist.toml"}, ""),
    "a configuration that is no TOML": ([*DRY, *GREEN, "job.sh"], {}, "[green\ndefault_max_delay"),
    "a key that there is not": ([*DRY, *GREEN, "job.sh"], {}, "[green]\npolcy = 'best_mean'\n"),
    "a policy that there is not": ([*DRY, *GREEN, "job.sh"], {}, "[green]\npolicy = 'queueaware'\n"),
    "a margin that is none": ([*DRY, *GREEN, "job.sh"], {}, "[green]\nqueue_margin = 'much'\n"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_dry_run_with_a_fault_names_it_and_submits_nothing(site: Site, case: str) -> None:
    words, variables, configuration = FAULTS[case]
    dry = site.write("dry.sh", "#!/bin/sh\n#SBATCH -t 5\n#GREEN --dry-run --max-delay=foo\ntrue\n")
    if configuration:
        site.configure(configuration)
    done = site.run(*words, stdin=dry.read_text(), **variables)
    assert (done.stdout, site.submitted) == (b"", 0)
    assert done.returncode == 1
    assert done.stderr.startswith(b"gsbatch: "), done
    assert site.run("-Q", *words, stdin=dry.read_text(), **variables).stderr, "a try that says nothing is none"


@pytest.mark.parametrize("case", FAULTS)
def test_nor_does_it_without_an_interpreter(site: Site, case: str) -> None:
    words, variables, _ = FAULTS[case]
    dry = site.write("dry.sh", "#!/bin/sh\n#GREEN --dry-run\ntrue\n")
    if not words:
        pytest.skip("a script on stdin can be read only once: sbatch gets it")
    site.python(BROKEN["killed as it starts"])
    done = site.run(*words, stdin=dry.read_text(), **variables)
    assert (done.stdout, site.submitted, done.returncode) == (b"", 0, 1)
    assert done.stderr.decode().splitlines()[-1].endswith("nothing is submitted")


@pytest.mark.parametrize("words", [["--green-dry-run", "job.sh"], ["dry.sh"]])
def test_a_dry_run_without_a_fault_shows_the_line(site: Site, words: list[str]) -> None:
    site.write("dry.sh", "#!/bin/sh\n#GREEN --dry-run --max-delay=6h\ntrue\n")
    done = site.run(*words)
    assert (done.stdout, done.returncode, site.submitted) == (b"", 0, 0)
    assert done.stderr.decode().splitlines()[-1] == f"gsbatch: would run: sbatch {words[-1]}"


def test_misspelt_options_name_the_nearest(site: Site) -> None:
    done = site.run("--green-max-dely=6h", "job.sh")
    assert done.stdout == b"[job.sh]"
    assert (
        done.stderr.decode()
        == "gsbatch: --green-max-dely=6h: no such option; did you mean --green-max-delay?; ignored\n"
    )


def test_in_a_terminal_without_utf8_our_words_are_ascii(site: Site) -> None:
    done = site.run("--green-max-delay=ü−", "job.sh", LC_ALL="C")
    assert done.stdout == b"[job.sh]"
    assert "ü".encode() in done.stderr, "what the user wrote is not ours to change"
    assert "−".encode() not in done.stderr


def test_what_it_was_started_with_is_what_sbatch_is_started_with(site: Site) -> None:
    """SIGPIPE is Python's to ignore, not sbatch's."""
    site.write("real/sbatch", "#!/bin/sh\ngrep SigIgn /proc/self/status\n").chmod(0o755)
    plain = subprocess.run([site.folder / "real/sbatch"], capture_output=True, check=True).stdout
    for words in ([], ["--green-off"], GREEN):
        assert site.run(*words, "job.sh").stdout == plain
