"""A Debian machine of its own in a directory: made once by debootstrap, booted with its own systemd by nspawn.

It has its own processes, users and (empty) network; of this machine it shares the kernel only. Needs root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from lab.processes import LabError, wait_until

PACKAGES = ("ansible-core", "ca-certificates", "munge", "python3", "python3-apt", "systemd-sysv", "util-linux")
RELEASE, MIRROR = "bookworm", "http://deb.debian.org/debian"
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "unshare")
BOOT_S = 60.0


def missing() -> str:
    """Return why no machine can be made here, nothing if one can."""
    if os.geteuid() != 0:
        return "only root makes machines"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"{', '.join(absent)} not installed: deploy/setup.sh full" if absent else ""


def debian(cache: Path) -> Path:
    """Return a file with a bare Debian in it, made by debootstrap when there is none."""
    wanted = sha256(f"{RELEASE} {MIRROR} {PACKAGES}".encode()).hexdigest()[:12]
    packed = cache / f"debian-{RELEASE}-{wanted}.tar"
    if not packed.exists():
        tree = cache / f"debian-{os.getpid()}"
        _checked("debootstrap", "--variant=minbase", RELEASE, str(tree), MIRROR)
        # debootstrap knows no virtual packages, so apt installs the rest
        _checked("chroot", str(tree), "apt-get", "-q", "-y", "install", "--no-install-recommends", *PACKAGES)
        partial = packed.with_suffix(f".{os.getpid()}")
        _checked(
            "tar", "--create", f"--file={partial}", f"--directory={tree}", "--exclude=./var/cache/apt/*.bin", "."
        )
        partial.rename(packed)
        shutil.rmtree(tree)
    return packed


class Machine:
    """One machine; commands run in it whether it is booted or not."""

    def __init__(self, root: Path, packed: Path) -> None:
        root.mkdir(mode=0o755)
        self.root = root
        self._init: int | None = None
        _checked("tar", "--extract", f"--file={packed}", f"--directory={root}", "--numeric-owner")
        (root / "etc/machine-id").write_text("")

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the machine's root, and return what came of it."""
        if self._init is None:
            proc = f"--mount-proc={self.root / 'proc'}"
            inside = ["unshare", "--mount", "--pid", "--fork", proc, "chroot", str(self.root)]
        else:
            inside = [
                "nsenter",
                f"--target={self._init}",
                "--mount",
                "--uts",
                "--ipc",
                "--net",
                "--pid",
                "--root",
                "--wd",
            ]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        return subprocess.run(
            [*inside, *command], env=environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def run(self, *command: str) -> str:
        """Run a command that has to work, and return what it printed."""
        done = self.call(*command)
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def booted(self, beside: Machine | None = None) -> Iterator[None]:
        """Have the machine's own systemd run; on the network of the machine ``beside``, whose loopback both have."""
        network = f"--network-namespace-path={beside.network}" if beside else "--private-network"
        command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", network, "--console=pipe"]
        with (self.root.parent / f"{self.root.name}.console").open("wb") as console:
            nspawn = subprocess.Popen(
                [*command, f"--directory={self.root}", "/lib/systemd/systemd"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            )  # fmt: skip
        try:
            if not wait_until(lambda: self._find_init(nspawn), BOOT_S) or not wait_until(self._is_up, BOOT_S):
                raise LabError(f"{self.root} did not boot within {BOOT_S:.0f} s; see {console.name}")
            yield
        finally:
            self._stop(nspawn)

    @property
    def network(self) -> Path:
        """The network namespace of a machine that runs."""
        return Path(f"/proc/{self._init}/ns/net")

    def _is_up(self) -> bool:
        return self.call("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}

    def _find_init(self, nspawn: subprocess.Popen[bytes]) -> bool:
        """Take note of the machine's first process: the one child of nspawn's that is systemd."""
        if nspawn.poll() is not None:
            raise LabError(f"nspawn of {self.root} ended with {nspawn.returncode}")
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text().split()
        inits = [int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd"]
        self._init = inits[0] if inits else None
        return self._init is not None

    def _stop(self, nspawn: subprocess.Popen[bytes]) -> None:
        """Power it off; if it does not go by itself, end its first process, and with it all of them."""
        if self._init is not None:
            self.call("systemctl", "poweroff")
            wait_until(lambda: nspawn.poll() is not None, 20)
        if nspawn.poll() is None:
            os.kill(self._init or nspawn.pid, signal.SIGKILL)
        nspawn.wait(20)
        self._init = None


def _checked(*command: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
