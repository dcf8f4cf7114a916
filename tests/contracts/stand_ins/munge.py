"""A munged of this test's own, on a private socket with a key of its own."""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab.processes import wait_until

from tests.contracts.standing_in import StandIn
from vispa_green.host import user_name


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield where munged listens; it is ended on leaving."""
    try:
        version = subprocess.run(["munged", "--version"], capture_output=True, check=False)
    except FileNotFoundError:
        version = None
    if version is None:
        if os.environ.get("CI"):
            pytest.fail("munge is not installed: run deploy/setup.sh system")
        pytest.skip("munge is not installed: run deploy/setup.sh system")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="munge-") as short:  # a socket's path has 107 characters
        root = Path(short)
        root.chmod(0o755)
        key = root / "key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(128))
        files = {"socket": "socket", "key-file": "key", "seed-file": "seed", "pid-file": "pid", "log-file": "log"}
        options = [f"--{option}={root / name}" for option, name in files.items()]
        command = ["munged", "--foreground", "--force", "--num-threads=2", "--origin=127.0.0.1", *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as munged:
            try:
                assert wait_until((root / "socket").exists, 10)
                yield StandIn(table={"socket": str(root / "socket")}, user=user_name(os.getuid()))
            finally:
                munged.terminate()
