"""The stand-in library answers NVIDIA's own Python binding as a driver would."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lab import nvml

ASK = """
import json, sys
import pynvml

def answer(call, *arguments):
    try:
        return call(*arguments)
    except pynvml.NVMLError as error:
        return f"error {error.value}: {error}"

def describe(index):
    gpu = answer(pynvml.nvmlDeviceGetHandleByIndex, index)
    if isinstance(gpu, str):
        return {"handle": gpu}
    return {
        "index": answer(pynvml.nvmlDeviceGetIndex, gpu),
        "uuid": answer(pynvml.nvmlDeviceGetUUID, gpu),
        "minor": answer(pynvml.nvmlDeviceGetMinorNumber, gpu),
        "name": answer(pynvml.nvmlDeviceGetName, gpu),
        "energy_mj": answer(pynvml.nvmlDeviceGetTotalEnergyConsumption, gpu),
        "power_mw": answer(pynvml.nvmlDeviceGetPowerUsage, gpu),
        "mig": answer(pynvml.nvmlDeviceGetMigMode, gpu),
        "processes": [[p.pid, p.usedGpuMemory] for p in pynvml.nvmlDeviceGetComputeRunningProcesses(gpu)],
    }

started = answer(pynvml.nvmlInit)
if started is None:
    for line in sys.stdin:
        print(json.dumps([describe(index) for index in range(pynvml.nvmlDeviceGetCount())]), flush=True)
    pynvml.nvmlShutdown()
else:
    print(json.dumps(started))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml"))


def ask(library: Path, state: Path, history: Sequence[Sequence[nvml.GpuState]]) -> list[Any]:
    """Let one process look at the GPUs once after each writing of the state file."""
    command = [sys.executable, "-c", ASK]
    environ = os.environ | nvml.environment(library, state)
    answers = []
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for gpus in history:
            nvml.write_state(state, gpus)
            process.stdin.write("look\n")
            process.stdin.flush()
            answers.append(json.loads(process.stdout.readline()))
        process.stdin.close()
    assert process.returncode == 0
    return answers


def test_the_file_drives_the_gpus_while_a_process_looks(library: Path, tmp_path: Path) -> None:
    state = tmp_path / "gpus"
    nvml.write_state(state, [])
    first = nvml.GpuState("GPU-a", 1000, 50_000, minor=3, process_bytes={7: 1 << 30, 8: 5})
    later = nvml.GpuState("GPU-a", 2**40, 51_000, minor=3)
    none, before, after = ask(library, state, [[], [first], [later]])
    assert none == []
    assert before == [
        {
            "index": 0, "uuid": "GPU-a", "minor": 3, "name": "NVIDIA A100-SXM4-40GB", "energy_mj": 1000,
            "power_mw": 50_000, "mig": "error 3: Not Supported", "processes": [[7, 1 << 30], [8, 5]],
        }
    ]  # fmt: skip
    assert (after[0]["energy_mj"], after[0]["power_mw"], after[0]["processes"]) == (2**40, 51_000, [])


def test_errors_are_per_gpu(library: Path, tmp_path: Path) -> None:
    state = tmp_path / "gpus"
    gpus = [
        nvml.GpuState("GPU-old", energy_mj=None),
        nvml.GpuState("GPU-gone", state="lost"),
        nvml.GpuState("GPU-mig", 5, None, mig_enabled=True),
        nvml.GpuState("GPU-secret", state="4"),
    ]
    nvml.write_state(state, gpus)
    (seen,) = ask(library, state, [gpus])
    assert seen[0]["energy_mj"] == "error 3: Not Supported"
    assert seen[0]["power_mw"] == 0
    assert seen[1] == {"handle": "error 15: GPU is lost"}
    assert (seen[2]["energy_mj"], seen[2]["power_mw"], seen[2]["mig"]) == (5, "error 3: Not Supported", [1, 1])
    assert seen[3] == {"handle": "error 4: Insufficient Permissions"}


def test_without_a_state_file_no_driver_is_loaded(library: Path, tmp_path: Path) -> None:
    environ = os.environ | nvml.environment(library, tmp_path / "absent")
    done = subprocess.run([sys.executable, "-c", ASK], env=environ, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == "error 9: Driver Not Loaded"


def test_a_built_library_is_kept(library: Path) -> None:
    written = library.stat().st_mtime_ns
    assert nvml.build(library.parent.parent) == library
    assert library.stat().st_mtime_ns == written
