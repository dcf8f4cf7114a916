"""Slurm's commands against one cluster: the environment they need, and waiting for jobs to end."""

import os
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass

from lab.job_states import has_ended, overall, parse_states
from lab.preparation import PATH
from lab.processes import LabError
from lab.slurm_config import Layout

# We may run inside a job of another cluster, whose variables would redirect every command.
FOREIGN_VARIABLES = ("SLURM", "SBATCH_", "SRUN_", "SALLOC_", "SQUEUE_", "SINFO_", "SACCT_", "SCANCEL_", "MUNGE_")


@dataclass(frozen=True, slots=True)
class Client:
    """Runs commands against the cluster of this layout, whether or not it is up."""

    layout: Layout

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to reach the cluster."""
        return {
            "SLURM_CONF": str(self.layout.etc / "slurm.conf"),
            "MUNGE_SOCKET": str(self.layout.munge_socket),
            "PATH": PATH,
        }

    def full_environment(self) -> dict[str, str]:
        """The environment of this process with the cluster's in place of any other cluster's."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_VARIABLES)}
        return own | self.environment

    def run(
        self, *argv: str, stdin: str | None = None, check: bool = True, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; a failure carries what the command said."""
        try:
            return subprocess.run(
                argv,
                input=stdin or "",  # never ours: srun would swallow it
                capture_output=True,
                text=True,
                check=check,
                timeout=timeout_s,
                env=self.full_environment(),
            )
        except subprocess.CalledProcessError as error:
            error.add_note(f"{error.stdout}{error.stderr}".strip())
            raise

    def succeeds(self, *argv: str) -> bool:
        """Whether the command ends well."""
        try:
            return self.run(*argv, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def serves(self, port: int, *argv: str) -> bool:
        """Whether the command ends well; the port first, because Slurm's commands wait long for a closed one."""
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return self.succeeds(*argv)

    def wait(self, job_ids: Iterable[str | int], timeout_s: float) -> dict[str, str]:
        """Until all ended and accounting knows it; the state by job id, see `job_states.overall`."""
        ids = tuple(str(job_id) for job_id in job_ids)
        if not ids:
            return {}
        deadline = time.monotonic() + timeout_s
        while True:
            queue = self._queued_states()
            accounted: dict[str, list[str]] = {}
            # what squeue has forgotten ended long ago
            if all(has_ended(queue.get(job_id, ["COMPLETED"])) for job_id in ids):
                accounted = self._accounted_states(ids)
                if all(has_ended(accounted.get(job_id, [])) for job_id in ids):
                    return {job_id: overall(accounted[job_id]) for job_id in ids}
            if time.monotonic() > deadline:
                seen = {job_id: (queue.get(job_id), accounted.get(job_id)) for job_id in ids}
                raise LabError(f"jobs did not end within {timeout_s:.0f} s (squeue, sacct): {seen}")
            time.sleep(0.1)

    def _queued_states(self) -> dict[str, list[str]]:
        # without -j, which fails for a job that slurmctld has forgotten
        listing = self.run("squeue", "-h", "-a", "-r", "-t", "all", "-o", "%i|%T").stdout
        return parse_states(listing.splitlines())

    def _accounted_states(self, ids: tuple[str, ...]) -> dict[str, list[str]]:
        listing = self.run("sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", ",".join(ids)).stdout
        return parse_states(listing.splitlines())
