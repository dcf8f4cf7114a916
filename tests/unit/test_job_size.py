"""How many CPUs a command line asks for."""

from __future__ import annotations

import pytest

from vispa_green.gsbatch.argv import parse
from vispa_green.gsbatch.script import read_head
from vispa_green.gsbatch.size import job_cpus

SCRIPT = b"#!/bin/sh\n#SBATCH --ntasks=3 --cpus-per-task=2\n"


@pytest.mark.parametrize(
    ("words", "script", "cpus"),
    [
        ("job.sh", b"#!/bin/sh\n", 1),
        ("-n4 job.sh", b"#!/bin/sh\n", 4),
        ("-n4 -c 2 job.sh", b"#!/bin/sh\n", 8),
        ("-N2-4 --ntasks-per-node=8 job.sh", b"#!/bin/sh\n", 16),
        ("job.sh", SCRIPT, 6),
        ("-n1 job.sh", SCRIPT, 2),
        ("-n2 : -n3 job.sh", b"#!/bin/sh\n", 5),
        ("-n never job.sh", b"#!/bin/sh\n", 1),
    ],
)
def test_tasks_times_cpus(words: str, script: bytes, cpus: int) -> None:
    assert job_cpus(parse(words.split()), read_head(script)) == cpus
