"""What gsbatch understands of sbatch command lines and scripts, without Slurm."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.config import Config
from vispa_green.config import parse as parse_config
from vispa_green.gsbatch.argv import WITH_VALUE, Ours, parse
from vispa_green.gsbatch.elsewhere import default_max_delay
from vispa_green.gsbatch.first_look import is_ours
from vispa_green.gsbatch.length import job_length, partition_limit
from vispa_green.gsbatch.script import find_script, read_head

WORDS = st.sampled_from(
    ["-t", "10", "-t10", "--time=5", "--time", "-n1", ":", "--", "-", "job.sh", "-HQ", "-Hp", "main", "--hol",
     "--wrap", "sleep 1", "--begin", "-bnow", "--no-k", "--exclusive", "-k", "-koff", "--unknown", "--unknown=1", "",
     "ü", "\udcff"]
)  # fmt: skip
OURS = st.sampled_from(
    [["--green-off"], ["--green-max-delay=6h"], ["--green-finish-by", "18:00"], ["--green-dry-run"]]
)


def wishes(ours: Ours) -> tuple[str | None, str | None, bool]:
    return ours.wishes.finish_by, ours.wishes.max_delay, ours.wishes.off


NOTHING = (None, None, False)
ROOT = Path(__file__).parents[2]


@given(st.lists(WORDS))
def test_what_is_not_ours_stays_byte_for_byte(words: list[str]) -> None:
    assert list(parse(words).arguments) == words


@given(st.lists(OURS, max_size=3), st.lists(WORDS))
def test_ours_in_front_vanish_and_change_nothing(ours: list[list[str]], words: list[str]) -> None:
    line = parse([word for option in ours for word in option] + words)
    plain = parse(words)
    assert (line.arguments, line.components, line.script) == (plain.arguments, plain.components, plain.script)
    assert wishes(plain.ours) == NOTHING


@given(st.lists(WORDS | OURS.map(lambda option: option[0])))
def test_what_the_first_look_gives_away_has_no_wish(words: list[str]) -> None:
    """The launcher hands it to sbatch as it stands."""
    if not is_ours(words, {"PATH": "", "VISPA_GREEN_CONFIG": os.devnull}):
        line = parse(words)
        assert (list(line.arguments), wishes(line.ours), line.ours.is_dry_run) == (words, NOTHING, False)


def test_the_first_look_sees_every_place_with_a_say(tmp_path: Path) -> None:
    script, config = tmp_path / "job.sh", tmp_path / "config.toml"
    script.write_text("#!/bin/sh\n#SBATCH -t 5\n\ttrue\n#GREEN --off\n")
    config.write_text("[green]\n")
    words, environment = ["-n1", str(script), "x"], {"VISPA_GREEN_CONFIG": str(config)}
    assert not is_ours(words, environment)
    assert not is_ours(words, {}), "a site without a configuration"
    assert is_ours([], environment), "a script on stdin"
    for variable in ("FINISH_BY", "MAX_DELAY", "MEMORY", "PROJECT", "OFF", "DRY_RUN"):
        assert is_ours(words, environment | {f"VISPA_GREEN_{variable}": "1"})
    assert is_ours(words, {"VISPA_GREEN_CONFIG": str(tmp_path / "gone")})
    config.write_text("[green]\ndefault_max_delay = '6h'\n")
    assert is_ours(words, environment)
    config.write_text("")
    script.write_text("#!/bin/sh\n#SBATCH -t 5\n\n#GREEN --off\ntrue\n")
    assert is_ours(words, environment)


def test_after_the_script_nothing_is_ours() -> None:
    line = parse(["-n1", "job.sh", "--green-off", "--begin=now", "-t", "5"])
    assert (line.script, line.has("begin"), line.has("time")) == ("job.sh", False, False)
    assert wishes(line.ours) == NOTHING
    assert parse(["--", "job.sh", "-t5"]).script == "job.sh"


@pytest.mark.parametrize(
    "words",
    [["-t", "10"], ["-t10"], ["--time", "10"], ["--time=10"], ["-Ht10"], ["-t5", "-t", "10"], ["-kv", "-t10"]],
)
def test_a_value_is_found_however_it_is_written(words: list[str]) -> None:
    line = parse([*words, "job.sh"])
    assert (line.values("time"), line.script) == (["10"], "job.sh")


def test_abbreviations_are_those_of_getopt() -> None:
    """`--beg` is begin; `--time` is exact although `--time-min` exists; `--m` is nobody's."""
    assert parse(["--beg", "now+5", "job.sh"]).values("begin") == ["now+5"]
    assert parse(["--time", "5", "job.sh"]).values("time") == ["5"]
    assert parse(["--hol", "job.sh"]).has("hold")
    assert parse(["--m", "job.sh"]).script == "job.sh"


@pytest.mark.parametrize("name", sorted(WITH_VALUE))
def test_the_value_of_an_option_is_not_the_script(name: str) -> None:
    assert parse([f"--{name}", "value", "job.sh"]).script == "job.sh"
    assert parse([f"--{name}=value", "job.sh"]).script == "job.sh"


def test_parts_of_a_heterogeneous_job_are_told_apart() -> None:
    line = parse(["-t5", ":", "-t", "7", "-n2", ":", "-n3", "job.sh", ":", "x"])
    assert len(line.components) == 3
    assert line.values("time") == ["5", "7"]
    assert line.script == "job.sh"


def test_no_script_and_no_wrap_reads_stdin() -> None:
    assert parse(["-t5"]).reads_stdin
    assert not parse(["--wrap", "sleep 1"]).reads_stdin
    assert not parse(["job.sh"]).reads_stdin


def test_a_word_of_ours_that_does_not_exist_is_dropped_and_named() -> None:
    line = parse(["--green-finnish=5", "job.sh"])
    assert line.arguments == ("job.sh",)
    assert "--green-finnish" in line.ours.complaints[0]
    assert parse(["--green-fin=5"]).ours.wishes.finish_by == "5"
    assert parse(["--green=SITE", "job.sh"]).arguments == ("--green=SITE", "job.sh"), "a SPANK plugin's"


# ---- the script ------------------------------------------------------------------------------------


def test_directives_end_where_the_commands_begin() -> None:
    head = read_head(b"#!/bin/sh\n\n# c\n#SBATCH -t 3\n#GREEN --max-delay=6h\ntrue\n#SBATCH -t 9\n#GREEN --off\n")
    assert head.values("time") == ["3"]
    assert wishes(head.ours) == (None, "6h", False)


@pytest.mark.parametrize(
    "text", ["--max-delay=6h", "--green-max-delay=6h", "max-delay=6h", "--max-delay 6h", "--max-delay='6h' # c"]
)
def test_green_lines_are_spelled_in_several_ways(text: str) -> None:
    assert wishes(read_head(f"#!/bin/sh\n#GREEN {text}\n".encode()).ours) == (None, "6h", False)


def test_a_project_is_no_wish_for_a_later_start() -> None:
    for ours in (parse(["--green-project=a=0.7,b=0.3"]).ours, read_head(b"#GREEN project=a=0.7,b=0.3\n").ours):
        assert (ours.project, wishes(ours)) == ("a=0.7,b=0.3", NOTHING)
    assert parse(["--green-project", "x", "job.sh"]).arguments == ("job.sh",)


def test_memory_is_no_wish_for_a_later_start() -> None:
    for ours in (parse(["--green-memory=auto"]).ours, read_head(b"#GREEN memory=auto\n").ours):
        assert (ours.memory, wishes(ours)) == ("auto", NOTHING)
    assert parse(["--green-memory", "show", "job.sh"]).arguments == ("job.sh",)


def test_sbatch_lines_are_read_as_sbatch_reads_them() -> None:
    """Tried on 22.05: `#` begins a comment even inside a word, and an indented directive is none."""
    head = read_head(
        b"#!/bin/sh\n   #SBATCH -b now\n#SBATCH -J x#y -t 9\n#SBATCH --comment='a b'\n#SBATCH -t 1\n#SBATCH -t 2\n"
    )
    assert not head.has("begin")
    assert (head.values("job-name"), head.values("comment"), head.values("time")) == (["x"], ["a b"], ["2"])


def test_hetjob_lines_divide_a_script() -> None:
    head = read_head(b"#!/bin/sh\n#SBATCH -t 5\n#SBATCH hetjob\n#SBATCH -t 7\n")
    assert head.values("time") == ["5", "7"]


@given(st.binary())
def test_any_bytes_have_a_head(script: bytes) -> None:
    read_head(b"#SBATCH " + script)
    read_head(b"#GREEN " + script)


def test_a_script_is_found_as_sbatch_finds_it(tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text("")
    assert find_script(parse(["-D", str(tmp_path), "job.sh"]), "") == str(tmp_path / "job.sh")
    assert find_script(parse(["job.sh"]), str(tmp_path)) == str(tmp_path / "job.sh")
    assert find_script(parse(["./job.sh"]), str(tmp_path)) is None
    os.mkfifo(tmp_path / "pipe")
    assert find_script(parse([str(tmp_path / "pipe")]), "") is None, "a pipe is sbatch's to read"


# ---- how long a job is -----------------------------------------------------------------------------


def length(words: list[str], script: str = "", environment: dict[str, str] | None = None) -> timedelta:
    config = parse_config({"slurm": {"enabled": False}, "green": {"default_duration": "3h"}}, "test")
    return job_length(parse([*words, "job.sh"]), read_head(script.encode()), environment or {}, config)[0]


def test_the_time_limit_has_the_precedence_of_slurm() -> None:
    minute, script, environment = timedelta(minutes=1), "#SBATCH -t 3\n", {"SBATCH_TIMELIMIT": "2"}
    assert length(["-t1"], script, environment) == minute
    assert length([], script, environment) == 2 * minute
    assert length([], script) == 3 * minute
    assert length([]) == timedelta(hours=3), "the site's guess"
    assert length(["-t0"], script) == timedelta(hours=3), "0 is no limit"
    assert length(["-t1", ":", "-n1"], "#SBATCH -t 9\n") == 9 * minute, "the longest of a heterogeneous job"


def test_a_partition_states_a_default_or_a_maximum() -> None:
    records = (
        "PartitionName=short Default=NO DefaultTime=00:30:00 MaxTime=02:00:00\n"
        "PartitionName=main Default=YES DefaultTime=NONE MaxTime=1-00:00:00\n"
        "PartitionName=free Default=NO DefaultTime=NONE MaxTime=UNLIMITED\n"
    )
    assert partition_limit(records, "") == timedelta(days=1)
    assert partition_limit(records, "short") == timedelta(minutes=30)
    assert partition_limit(records, "short,main") == timedelta(days=1)
    assert partition_limit(records, "short,free") is None
    assert partition_limit(records, "gone") is None


def test_the_site_default_is_the_configurations_own(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[green]\ndefault_max_delay = "6h"\n')
    assert default_max_delay({"VISPA_GREEN_CONFIG": str(file)}) == "6h"
    file.write_text("[agent]\n")
    assert default_max_delay({"VISPA_GREEN_CONFIG": str(file)}) == Config().green.default_max_delay
    with pytest.raises(FileNotFoundError):
        default_max_delay({"VISPA_GREEN_CONFIG": str(tmp_path / "gone")})


# ---- the program, with a stand-in that shows what sbatch would get ---------------------------------

FAKE = """#!/bin/sh
for word; do printf '%s\\n' "$word"; done
echo --
test -z "$READS" || cat
exit 7
"""


@pytest.fixture
def fake(tmp_path: Path) -> dict[str, str]:
    """An environment whose sbatch prints its arguments and stdin; links to gsbatch lie before it on PATH."""
    for folder in ("links", "real"):
        (tmp_path / folder).mkdir()
    program = Path(sys.executable).parent / "gsbatch"
    (tmp_path / "links/sbatch").symlink_to(program)
    (tmp_path / "real/sbatch").write_text(FAKE)
    (tmp_path / "real/sbatch").chmod(0o755)
    return {"PATH": f"{tmp_path}/links:{tmp_path}/real:/usr/bin:/bin", "HOME": str(tmp_path)}


def run(fake: dict[str, str], *words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    link = fake["PATH"].partition(":")[0] + "/sbatch"
    return subprocess.run(
        [link, *words], env=fake | variables, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def test_called_sbatch_it_finds_the_other_sbatch_and_is_transparent(fake: dict[str, str]) -> None:
    done = run(fake, "-t5", "job.sh", "--x y", stdin="#!/bin/sh\n")
    assert (done.stdout, done.stderr, done.returncode) == ("-t5\njob.sh\n--x y\n--\n", "", 7)


def test_a_script_on_stdin_arrives_whole(fake: dict[str, str]) -> None:
    script = "#!/bin/sh\n" + "# much\n" * 300_000
    done = run(fake, "-t5", stdin=script, READS="1")
    assert done.stdout == "-t5\n--\n" + script


def test_a_broken_configuration_is_one_line_and_a_plain_submission(fake: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    for text in ("[green\ndefault_max_delay", "[green]\npolcy = 'x'\n"):
        file.write_text(text)
        done = run(fake, "--green-max-delay=6h", "-t5", "job.sh", VISPA_GREEN_CONFIG=str(file))
        assert (done.stdout, done.returncode) == ("-t5\njob.sh\n--\n", 7)
        assert len(done.stderr.splitlines()) == 1
        assert str(file) in done.stderr


def test_quiet_silences_us(fake: dict[str, str]) -> None:
    done = run(fake, "-Q", "--green-max-delay=nonsense", "job.sh")
    assert (done.stdout, done.stderr) == ("-Q\njob.sh\n--\n", "")


@pytest.mark.parametrize(
    ("words", "script", "variables"),
    [
        (["--green-off"], "#GREEN --max-delay=6h\n", {}),
        ([], "#GREEN --max-delay=6h\n", {"VISPA_GREEN_OFF": "1"}),
        ([], "#GREEN --off\n", {}),
    ],
)
def test_off_is_off(fake: dict[str, str], words: list[str], script: str, variables: dict[str, str]) -> None:
    done = run(fake, *words, "-t5", stdin="#!/bin/sh\n" + script, **variables)
    assert (done.stdout, done.stderr) == ("-t5\n--\n", "")


@pytest.mark.parametrize(
    "option", ["--begin=now+5", "-bnow", "--deadline=18:00", "-H", "--test-only", "--reservation=r"]
)
def test_the_users_own_word_wins_and_it_is_said(fake: dict[str, str], option: str) -> None:
    done = run(fake, "--green-max-delay=6h", option, "job.sh")
    assert done.stdout == f"{option}\njob.sh\n--\n"
    assert "wins" in done.stderr
    written = run(fake, "--green-max-delay=6h", stdin=f"#!/bin/sh\n#SBATCH {option}\n")
    assert written.stdout == "--\n"
    assert "wins" in written.stderr


def test_without_any_sbatch_it_says_so(fake: dict[str, str]) -> None:
    done = run(fake, "job.sh", PATH=fake["PATH"].partition(":")[0])
    assert done.returncode == 127
    assert "VISPA_GREEN_SBATCH" in done.stderr


def test_plain_submission_imports_nothing_heavy() -> None:
    code = "import sys, vispa_green.gsbatch.first_look; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    heavy = {"pydantic", "requests", "sqlite3", "click", "subprocess", "dataclasses", "typing", "re", "tomllib"}
    assert not heavy & set(loaded)
