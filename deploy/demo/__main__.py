"""`make demo`: one cluster, five jobs, one of them green; what they cost; then the account as a service."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from lab.processes import LabError

from demo.demo_site import STEP_S, DemoSite
from demo.service_act import Service, guests, play

OUTPUT = Path("demo-output").resolve()
BURN = "timeout {seconds} sh -c 'while :; do :; done'; true"
GREEN_LENGTH_S = 14


def main() -> None:
    """Run the tour; the exit code is 0 only if every job ended well and the green one kept its promise."""
    began = time.perf_counter()
    OUTPUT.mkdir(exist_ok=True)
    # Short, because unix sockets live in it, and open to the users that the daemons run as.
    directory = Path(tempfile.mkdtemp(prefix="vg-", dir="/tmp"))
    directory.chmod(0o755)
    try:
        title("Bringing up a real Slurm: munge, MariaDB, slurmdbd, slurmctld, two nodes")
        with DemoSite(directory, OUTPUT, guests()) as site:
            tell(f"up after {time.perf_counter() - began:.0f} s; nodes {', '.join(site.cluster.node_names)}")
            tell("RAPL and GPUs are stand-ins driven by the real CPU time of the jobs: this machine need have none.")
            tour(site)
            second_act(site, directory)
    except (LabError, subprocess.SubprocessError) as error:
        sys.exit(f"demo: {error}\ndemo: the logs are in {OUTPUT}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    title(f"Done in {time.perf_counter() - began:.0f} s, everything is stopped")


def tour(site: DemoSite) -> None:
    """Submit, wait, show."""
    title("The grid")
    tell(f"{site.grid_origin}")
    tell(f"Sped up for this tour: a quarter-hour of that day lasts {STEP_S} s, so a day passes in {96 * STEP_S} s.")
    title("Five jobs")
    began = datetime.now().astimezone()
    jobs = submit(site)
    title("Waiting for them")
    states = wait(site, jobs)
    for name, job_id in jobs.items():
        tell(f"job {job_id:>3}  {name:<34} {states[job_id]}")
    if set(states.values()) != {"COMPLETED"}:
        raise LabError("not every job completed")
    time.sleep(1.5)  # the agents' next reading
    show(site, jobs["a green job"], began)


def second_act(site: DemoSite, directory: Path) -> None:
    """The account as a service: everybody asks the same server, and is told what is his."""
    title("Second act: a server on PostgreSQL, agents that deliver by HTTP and munge")
    with Service(site, directory) as service:
        tell(f"{service.url} is up; {', '.join(node.name for node in site.nodes)} deliver to it")
        told = play(site, service)
        for user, text in told.items():
            tell(f"{user}$ vispa-green energy -a")
            print(text.rstrip())
        if len(told) == 1:
            tell("(as root there would be two users, each of whom sees only his own)")
        me = getpass.getuser()
        tell(f"{me}$ vispa-green ledger balance")
        print(service.run(me, "vispa-green", "ledger", "balance").rstrip())


def submit(site: DemoSite) -> dict[str, str]:
    """Submit the jobs of the tour; return their ids by what they are."""
    first = site.cluster.node_names[0]
    shared = ["--parsable", "--output=/dev/null", f"--nodelist={first}"]
    sbatch = ["sbatch", *shared]
    pair = ["sbatch", "--parsable", "--output=/dev/null", "--nodes=2", "--ntasks-per-node=1"]
    green = ["gsbatch", "--green-max-delay=0:01:00", "--parsable", "--output=/dev/null", "--time=0:00:15"]
    wanted = {
        "shares a node, 4 CPUs": [*sbatch, "--cpus-per-task=4", "--wrap", BURN.format(seconds=18)],
        "shares it, 2 CPUs and a GPU": [
            *sbatch, "--cpus-per-task=2", "--gres=gpu:1", "--wrap", BURN.format(seconds=14)
        ],
        "two seconds long": [*sbatch, "--wrap", BURN.format(seconds=2)],
        "across two nodes": [*pair, "--wrap", f'srun sh -c "{BURN.format(seconds=8)}"'],
        "a green job": [*green, "--wrap", BURN.format(seconds=GREEN_LENGTH_S)],
    }  # fmt: skip
    jobs = {}
    for name, command in wanted.items():
        done = subprocess.run(command, env=site.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"{command[0]} failed: {done.stderr}")
        jobs[name] = done.stdout.strip()
        tell(f"$ {shown(command)}")
        for line in done.stderr.splitlines():
            tell(f"  {line}")
    return jobs


def wait(site: DemoSite, jobs: dict[str, str]) -> dict[str, str]:
    """Wait for all jobs, with a line that moves while it lasts."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        queue = site.cluster.run("squeue", "-h", "-o", "%i %t %r").stdout.split("\n")
        waiting = [line for line in queue if line.strip()]
        if not waiting:
            break
        if sys.stdout.isatty():
            print(f"\r  {len(waiting)} to go: {'; '.join(waiting)[:90]:<90}", end="", flush=True)
        time.sleep(0.5)
    if sys.stdout.isatty():
        print("\r" + " " * 110 + "\r", end="")
    return site.cluster.wait(jobs.values(), timeout_s=20)


def show(site: DemoSite, green_job: str, began: datetime) -> None:
    """Print the balances, the table and the promise; write the page and the mail."""
    title("What each node measured went to jobs, idle or system, to the microjoule")
    print(site.vispa_green("ledger", "balance"))
    title("What each job cost")
    print(site.vispa_green("energy", "-a"))
    title("The green job: its promise and what came of it")
    print(site.vispa_green("green", green_job))
    title("To look at")
    week = datetime.now(UTC).strftime("%G-W%V")
    site.vispa_green("report", "page", "-S", f"{began:%Y-%m-%dT%H:%M:%S}", "--out", str(OUTPUT / "page.html"))
    for name in ("mail.eml", "mail.html"):
        site.vispa_green(
            "report", "weekly", "--user", getpass.getuser(), "--week", week, "--preview", str(OUTPUT / name)
        )
    tell(f"the page       {OUTPUT / 'page.html'}")
    tell(f"the week's mail {OUTPUT / 'mail.html'} (as sent: mail.eml)")


def shown(command: list[str]) -> str:
    """Return a command as one would type it, without what only the tour needs."""
    words = [word for word in command if word not in {"--parsable", "--output=/dev/null"}]
    return " ".join(f"'{word}'" if " " in word else word for word in words)


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def tell(text: str) -> None:
    """Print a line below a heading."""
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    main()
