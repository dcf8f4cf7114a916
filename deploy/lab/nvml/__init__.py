"""A stand-in for NVIDIA's management library: compiled from our own C, driven by a text file."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.atomic import replace_text

LIBRARY = "libnvidia-ml.so.1"
STATE_VARIABLE = "VISPA_GREEN_LAB_NVML"
_SOURCE = Path(__file__).with_name("nvml_stand_in.c")


@dataclass(frozen=True)
class GpuState:
    """What one GPU answers; `None` is NOT_SUPPORTED, `state` is `ok`, `lost` or the number of an NVML error."""

    uuid: str
    energy_mj: int | None = 0
    power_mw: int | None = 0
    minor: int = 0
    name: str = "NVIDIA A100-SXM4-40GB"
    state: str = "ok"
    mig_enabled: bool | None = None
    process_bytes: Mapping[int, int] | None = None

    def line(self) -> str:
        """Render the line of the state file."""
        mig = None if self.mig_enabled is None else int(self.mig_enabled)
        processes = ",".join(f"{pid}:{size}" for pid, size in (self.process_bytes or {}).items())
        fields = (self.uuid, self.minor, self.name, self.energy_mj, self.power_mw, self.state, mig, processes or None)
        return "\t".join("-" if field is None else str(field) for field in fields)


def write_state(path: Path, gpus: Iterable[GpuState]) -> None:
    """Let the library answer this from its next call on; the order is the NVML index."""
    replace_text(path, "".join(f"{gpu.line()}\n" for gpu in gpus))


def build(directory: Path) -> Path:
    """Compile the library below `directory` unless this source was compiled there already."""
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]
    library = directory / f"nvml-{digest}" / LIBRARY
    if library.exists():
        return library
    if shutil.which("gcc") is None:
        raise RuntimeError("gcc is missing: the stand-in for NVIDIA's library is compiled (apt-get install gcc)")
    library.parent.mkdir(parents=True, exist_ok=True)
    staged = library.with_name(f".{os.getpid()}.so")
    command = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}"]
    done = subprocess.run([*command, "-o", staged, _SOURCE], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"gcc could not compile {_SOURCE}:\n{done.stderr}")
    staged.replace(library)
    return library


def environment(library: Path, state: Path) -> dict[str, str]:
    """Name the variables that make a *new* process find the library; inside a running one they come too late."""
    return {"LD_LIBRARY_PATH": str(library.parent), STATE_VARIABLE: str(state)}
