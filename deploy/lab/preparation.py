"""Before the daemons start: what this machine offers, where the cluster goes, and its files on disk."""

import os
import pwd
import random
import secrets
import shutil
import socket
import stat
from pathlib import Path

from lab.processes import LabError
from lab.slurm_config import (
    Accounts,
    Layout,
    Tracking,
    cgroup_conf,
    database_sql,
    gres_conf,
    mariadb_conf,
    slurm_conf,
    slurmdbd_conf,
)

PATH = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"  # a plain user's PATH has no daemons
PROGRAMS = (
    "slurmctld", "slurmd", "slurmdbd", "slurmrestd", "sacctmgr", "sbatch", "munged", "mariadbd", "mariadb-install-db",
)  # fmt: skip
SOCKET_PATH_BYTES = 107
FREEZER = Path("/sys/fs/cgroup/freezer")
# Slurm wants a character or block device per GPU, and only root can make one: these are on every machine.
STAND_IN_DEVICES = tuple(Path("/dev") / name for name in ("null", "zero", "full", "random", "urandom", "tty"))


def missing_programs() -> tuple[str, ...]:
    """The programs a cluster needs and this machine lacks."""
    return tuple(name for name in PROGRAMS if shutil.which(name, path=PATH) is None)


def accounts() -> Accounts:
    """Debian's service accounts when started by root, else everything as whoever asks."""
    try:
        owner = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise LabError(f"uid {os.geteuid()} has no user name, which Slurm needs; use another user") from None
    if owner != "root":
        return Accounts(slurm=None, munge=None, mysql=None, rest=None, owner=owner)
    # slurmrestd refuses to run as root or as SlurmUser
    return Accounts(slurm="slurm", munge="munge", mysql="mysql", rest="daemon", owner="root")


def tracking() -> Tracking:
    """Control groups where we may make them, else Slurm's walk through the process tree."""
    return "cgroup_v1" if os.geteuid() == 0 and FREEZER.is_dir() else "linuxproc"


def free_base_port(count: int) -> int:
    """The first of `count` free ports; the random start keeps clusters apart that start at the same moment."""
    for _ in range(200):
        base = random.randrange(20_000, 32_000, 20)  # below Linux's ephemeral ports
        if all(_is_free(port) for port in range(base, base + count)):
            return base
    raise LabError(f"found no {count} free neighbouring ports on 127.0.0.1; stop other clusters first")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def gpu_devices(root: Path, count: int) -> tuple[Path, ...]:
    """One device file per GPU: our own as root, else files that exist on any machine."""
    if os.geteuid() == 0:
        return tuple(root / "dev" / f"nvidia{index}" for index in range(count))
    terminals = tuple(path for path in (Path(f"/dev/tty{index}") for index in range(64)) if path.exists())
    devices = terminals if len(terminals) >= count else STAND_IN_DEVICES
    if len(devices) < count:
        raise LabError(f"no device files to stand in for {count} GPUs; ask for {len(devices)} or start as root")
    return devices[:count]


def check(layout: Layout) -> None:
    """Say what would break later in ways that are hard to read."""
    if missing := missing_programs():
        raise LabError(f"{', '.join(missing)} not found; run deploy/setup.sh system")
    length = len(os.fsencode(layout.longest_socket))
    if length > SOCKET_PATH_BYTES:
        raise LabError(
            f"the state directory's path is {length - SOCKET_PATH_BYTES} bytes too long for a unix socket "
            f"({layout.longest_socket}); use a shorter one, for example under /tmp"
        )
    if layout.accounts.slurm is None:
        return
    for parent in layout.root.parents:  # slurm, munge and mysql have to get in
        if parent.exists() and not parent.stat().st_mode & stat.S_IXOTH:
            raise LabError(f"{parent} is closed to other users; chmod o+x it or use a directory under /tmp")


def write_files(layout: Layout, extra_conf: str) -> None:
    """Make the directories and the configuration; what an earlier start left is kept or replaced."""
    who = layout.accounts
    for directory in (layout.root, layout.etc, layout.run, layout.spool, layout.root / "dev"):
        _directory(directory, None)
    for node in layout.nodes:
        _directory(layout.spool / node, None)
    for directory in (layout.logs, layout.state, layout.run / "slurm"):
        _directory(directory, who.slurm)
    _directory(layout.database, who.mysql)
    _directory(layout.munge, who.munge)
    _directory(layout.munge_socket.parent, who.munge)
    _directory(layout.rest_socket.parent, who.rest)
    layout.rest_socket.unlink(missing_ok=True)  # one that was left behind keeps slurmrestd from making its own
    for key, length, owner in ((layout.munge / "munge.key", 256, who.munge), (layout.token_key, 32, who.slurm)):
        if not key.exists():
            _file(key, secrets.token_bytes(length), owner, 0o600)
    for name, text in {
        "my.cnf": mariadb_conf(layout),
        "init.sql": database_sql(),
        "slurm.conf": slurm_conf(layout, extra_conf),
        "cgroup.conf": cgroup_conf(layout),
        "gres.conf": gres_conf(layout),
    }.items():
        _file(layout.etc / name, text.encode(), None, 0o644)
    # slurmdbd insists on its owner and this mode
    _file(layout.etc / "slurmdbd.conf", slurmdbd_conf(layout).encode(), who.slurm, 0o600)
    for device in layout.gpu_devices:
        if device.is_relative_to(layout.root) and not device.exists():
            os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))  # the number of /dev/null


def _directory(path: Path, owner: str | None) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)
    if owner is not None:
        shutil.chown(path, owner)


def _file(path: Path, content: bytes, owner: str | None, mode: int) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
    path.chmod(mode)
    if owner is not None:
        shutil.chown(path, owner)
