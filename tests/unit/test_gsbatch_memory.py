"""What gsbatch takes for a job's name, its own word about memory, and Slurm's default."""

from __future__ import annotations

import pytest

from vispa_green.gsbatch.argv import parse
from vispa_green.gsbatch.memory import asked_mib, default_mib, is_on_one_node, job_name, own_memory
from vispa_green.gsbatch.script import read_head

SITE = "DefMemPerCPU            = 1000\nMaxMemPerNode           = UNLIMITED\n"
MAIN = "PartitionName=main Default=YES DefMemPerNode=UNLIMITED"
BIG = "PartitionName=big Default=NO DefMemPerCPU=4000 Nodes=n2"
RECORDS = f"{MAIN}\n{BIG}\n"


@pytest.mark.parametrize(
    ("words", "head", "variables", "name"),
    [
        (["-Jtyped", "job.sh"], b"#SBATCH -J written\n", {"SBATCH_JOB_NAME": "set"}, "typed"),
        (["job.sh"], b"#SBATCH -J written\n", {"SBATCH_JOB_NAME": "set"}, "set"),
        (["job.sh"], b"#SBATCH -J written\n", {}, "written"),
        (["/home/ada/job.sh", "x"], b"", {}, "job.sh"),
        (["--wrap", "true"], b"", {}, "wrap"),
        ([], b"", {}, "sbatch"),
    ],
)
def test_a_job_has_the_name_that_slurm_gives_it(
    words: list[str], head: bytes, variables: dict[str, str], name: str
) -> None:
    assert job_name(parse(words), read_head(head), variables) == name


@pytest.mark.parametrize(
    ("words", "head", "variables", "own"),
    [
        (["--mem=3G"], b"", {}, ("mem", "3G")),
        (["--mem-per-cpu", "500"], b"#SBATCH --mem=1G\n", {}, ("mem-per-cpu", "500")),
        ([], b"#SBATCH --mem=1G\n", {"SBATCH_MEM_PER_GPU": "9G"}, ("mem-per-gpu", "9G")),
        ([], b"#SBATCH --mem=1G\n", {}, ("mem", "1G")),
        (["-n3"], b"", {}, ("", "")),
    ],
)
def test_the_users_own_word_is_found_wherever_it_stands(
    words: list[str], head: bytes, variables: dict[str, str], own: tuple[str, str]
) -> None:
    assert own_memory(parse([*words, "job.sh"]), read_head(head), variables) == own


@pytest.mark.parametrize(
    ("words", "head", "is_one"),
    [
        (["-c8"], b"", True),
        (["-N1", "-n8"], b"", True),
        (["-n8"], b"", False),
        (["-N2"], b"#SBATCH -N1\n", False),
        (["-N1-4"], b"", False),
        ([], b"#SBATCH --ntasks-per-node=4\n", False),
    ],
)
def test_by_cpus_memory_is_advised_only_where_all_are_on_one_node(
    words: list[str], head: bytes, is_one: bool
) -> None:
    assert is_on_one_node(parse([*words, "job.sh"]), read_head(head)) is is_one


def test_what_is_asked_for_is_told_on_a_node() -> None:
    assert [asked_mib("mem", text, 8) for text in ("3000", "3G", "0", "x")] == [3000, 3072, None, None]
    assert asked_mib("mem-per-cpu", "500", 8) == 4000
    assert asked_mib("mem-per-gpu", "500", 8) is None, "how many GPUs share a node is not known"


def test_slurms_default_is_that_of_the_partition_else_of_the_site() -> None:
    assert default_mib(RECORDS, SITE, "", 4) == 4000
    assert default_mib(RECORDS, SITE, "big", 4) == 16000
    assert default_mib(RECORDS, SITE, "main,big", 4) == 16000, "which of them it will be is not known"
    assert default_mib(RECORDS, "", "", 4) is None, "a whole node"
    assert default_mib(RECORDS, SITE, "nowhere", 4) is None
