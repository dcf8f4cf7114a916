"""The configuration files of the throwaway cluster, as text; nothing here touches the disk or a process."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Tracking = Literal["cgroup_v1", "linuxproc"]

DATABASE = "slurm_acct_db"
CLUSTER_NAME = "lab"
ACCOUNT = "lab"
GPU_TYPE = "a100"
MB_PER_CPU = 1000


@dataclass(frozen=True, slots=True)
class Accounts:
    """The user each daemon runs as; None is whoever starts the cluster."""

    slurm: str | None
    munge: str | None
    mysql: str | None
    rest: str | None
    owner: str  # who starts it: runs slurmd, and is Slurm's administrator

    @property
    def slurm_user(self) -> str:
        """The name for slurm.conf."""
        return self.slurm or self.owner


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of one cluster is: paths, ports and names."""

    root: Path
    base_port: int
    nodes: tuple[str, ...]
    cpus: int
    gpu_devices: tuple[Path, ...]
    tracking: Tracking
    accounts: Accounts

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def database(self) -> Path:
        return self.root / "db"

    @property
    def munge(self) -> Path:
        return self.root / "munge"

    @property
    def munge_socket(self) -> Path:
        return self.munge / "socket" / "munge.s"

    @property
    def mysql_socket(self) -> Path:
        return self.database / "mysql.s"

    @property
    def token_key(self) -> Path:
        """What slurmctld and slurmdbd sign and check REST tokens with."""
        return self.etc / "jwt_hs256.key"

    @property
    def rest_socket(self) -> Path:
        return self.root / "rest" / "rest.s"

    @property
    def mysql_port(self) -> int:
        return self.base_port

    @property
    def slurmdbd_port(self) -> int:
        return self.base_port + 1

    @property
    def slurmctld_port(self) -> int:
        return self.base_port + 2

    @property
    def rest_port(self) -> int:
        return self.base_port + 4

    def slurmd_port(self, index: int) -> int:
        """The port of the node with this index, from 0."""
        return self.base_port + 5 + index

    @property
    def longest_socket(self) -> Path:
        """A slurmstepd's socket, the longest path of all, with the largest numbers it may contain."""
        node = max(self.nodes, key=len)
        return self.spool / node / f"{node}_4294967295.4294967295"


def _lines(settings: dict[str, object]) -> str:
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def mariadb_conf(layout: Layout) -> str:
    """A small server that never waits for the disk: a throwaway database need not survive a power cut."""
    return "[mysqld]\n" + _lines(
        {
            "datadir": layout.database,
            "socket": layout.mysql_socket,
            "pid-file": layout.database / "mysql.pid",
            "init-file": layout.etc / "init.sql",
            "bind-address": "127.0.0.1",
            "port": layout.mysql_port,
            "skip-name-resolve": 1,
            "innodb-buffer-pool-size": "64M",
            "innodb-log-file-size": "32M",
            "innodb-lock-wait-timeout": 900,
            "innodb-flush-method": "nosync",
            "innodb-flush-log-at-trx-commit": 2,  # 0 would lose a second to kill -9
            "innodb-doublewrite": 0,
        }
    )


def database_sql() -> str:
    """Run at each start of the server, so it has to bear repetition; one statement a line."""
    return (
        f"CREATE DATABASE IF NOT EXISTS {DATABASE};\n"
        "CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY 'lab';\n"
        f"GRANT ALL ON {DATABASE}.* TO 'slurm'@'127.0.0.1';\n"
    )


def slurmdbd_conf(layout: Layout) -> str:
    """slurmdbd reads it from the directory of $SLURM_CONF."""
    return _lines(
        {
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={layout.munge_socket}",
            **_tokens(layout),
            "DbdHost": "localhost",
            "DbdAddr": "127.0.0.1",
            "DbdPort": layout.slurmdbd_port,
            "SlurmUser": layout.accounts.slurm_user,
            "PidFile": layout.run / "slurm" / "slurmdbd",
            "LogFile": layout.logs / "slurmdbd.log",
            "MessageTimeout": 30,
            "StorageType": "accounting_storage/mysql",
            "StorageHost": "127.0.0.1",
            "StoragePort": layout.mysql_port,
            "StorageUser": "slurm",
            "StoragePass": "lab",
            "StorageLoc": DATABASE,
        }
    )


def accounting_commands(users: tuple[str, ...]) -> str:
    """What sacctmgr reads at each start; what exists already it reports and leaves alone."""
    commands = [f"add cluster {CLUSTER_NAME}", f"add account {ACCOUNT} Description=lab Organization=lab"]
    commands += [f"add user {user} Account={ACCOUNT}" for user in users]
    return "\n".join([*commands, "exit\n"])


def cgroup_conf(layout: Layout) -> str:
    """Slurm wants the file in either case."""
    constrain = "yes" if layout.tracking == "cgroup_v1" else "no"
    return _lines(
        {
            "CgroupPlugin": "cgroup/v1",
            "CgroupMountpoint": "/sys/fs/cgroup",
            "ConstrainCores": constrain,
            "ConstrainRAMSpace": constrain,
            "ConstrainDevices": "no",
        }
    )


def gres_conf(layout: Layout) -> str:
    """One line per GPU and node; without File= Slurm 22.05 counts no GPU at all."""
    return "".join(
        f"NodeName={node} Name=gpu Type={GPU_TYPE} File={device}\n"
        for node in layout.nodes
        for device in layout.gpu_devices
    )


def slurm_conf(layout: Layout, extra: str = "") -> str:
    """Our settings, then the extra lines; an extra line replaces our setting of the same name."""
    settings = _identity(layout) | _files(layout) | _tracking(layout) | _scheduling() | _accounting(layout)
    own = {key.lower(): key for key in settings}
    appended = []
    for line in extra.splitlines():
        key, _, value = line.partition("=")
        if key.strip().lower() in own:
            settings[own[key.strip().lower()]] = value.strip()
        else:
            appended.append(line)
    return _lines(settings) + _node_lines(layout) + "\n".join([*appended, ""])


def _hostname() -> str:
    return socket.gethostname().partition(".")[0]


def _identity(layout: Layout) -> dict[str, object]:
    return {
        "ClusterName": CLUSTER_NAME,
        "SlurmctldHost": f"{_hostname()}(127.0.0.1)",
        "SlurmctldPort": layout.slurmctld_port,
        "SlurmdPort": layout.slurmctld_port + 1,
        "SlurmUser": layout.accounts.slurm_user,
        "SlurmdUser": layout.accounts.owner,
        "AuthType": "auth/munge",
        # Both this and AccountingStoragePass, or Slurm looks for munge's socket under /run.
        "AuthInfo": f"socket={layout.munge_socket}",
        "CredType": "cred/munge",
        **_tokens(layout),
    }


def _tokens(layout: Layout) -> dict[str, object]:
    return {"AuthAltTypes": "auth/jwt", "AuthAltParameters": f"jwt_key={layout.token_key}"}


def _files(layout: Layout) -> dict[str, object]:
    return {
        "StateSaveLocation": layout.state,
        "SlurmdSpoolDir": layout.spool / "%n",
        "SlurmctldPidFile": layout.run / "slurm" / "slurmctld",
        "SlurmdPidFile": layout.run / "slurmd-%n",
        "SlurmctldLogFile": layout.logs / "slurmctld.log",
        "SlurmdLogFile": layout.logs / "slurmd-%n.log",
    }


def _tracking(layout: Layout) -> dict[str, object]:
    cgroups = layout.tracking == "cgroup_v1"
    return {
        "ProctrackType": "proctrack/cgroup" if cgroups else "proctrack/linuxproc",
        "TaskPlugin": "task/cgroup,task/affinity" if cgroups else "task/none",
        "JobAcctGatherType": "jobacct_gather/cgroup" if cgroups else "jobacct_gather/linux",
        "JobAcctGatherFrequency": "task=1",
        "PrologFlags": "Alloc,Contain",
        "MpiDefault": "none",
        "MailProg": "/bin/true",
    }


def _scheduling() -> dict[str, object]:
    return {
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "DefMemPerCPU": MB_PER_CPU,  # without it a job takes all memory of its node
        "SchedulerType": "sched/backfill",
        # With the default sched_interval of 60 s a --begin job starts up to a minute late.
        "SchedulerParameters": "sched_interval=1,bf_interval=1,sched_min_interval=50000",
        "SlurmdParameters": "config_overrides",  # nodes claim more cores than this machine has
        "ReturnToService": 2,
        "MessageTimeout": 30,  # a machine that compiles next door is no dead node
        "BatchStartTimeout": 60,
        "KillWait": 2,
        "MinJobAge": 300,
        "MaxJobCount": 20000,
        "GresTypes": "gpu",
    }


def _accounting(layout: Layout) -> dict[str, object]:
    return {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": layout.slurmdbd_port,
        "AccountingStoragePass": layout.munge_socket,
        "AccountingStoreFlags": "job_comment,job_script",
        "AccountingStorageTRES": "gres/gpu",
    }


def _node_lines(layout: Layout) -> str:
    gres = f" Gres=gpu:{GPU_TYPE}:{len(layout.gpu_devices)}" if layout.gpu_devices else ""
    lines = [
        f"NodeName={node} NodeHostname={_hostname()} NodeAddr=127.0.0.1 Port={layout.slurmd_port(index)}"
        f" CPUs={layout.cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={layout.cpus} ThreadsPerCore=1"
        f" RealMemory={MB_PER_CPU * layout.cpus}{gres} State=UNKNOWN\n"
        for index, node in enumerate(layout.nodes)
    ]
    return "".join([*lines, "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"])
