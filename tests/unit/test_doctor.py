"""The doctor on hosts whose ailments are known."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lab.hosttree import HostTree
from lab.mailsink import MailSink
from lab.privilege import CONFINED
from lab.story import Story

from vispa_green import host
from vispa_green.host import filesystem_of
from vispa_green.ledgers import open_ledger

MOUNTS = """\
26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 26 0:35 / /home rw shared:20 master:2 - autofs /etc/auto.home rw
41 40 0:36 / /home rw,relatime - nfs4 server:/home rw,vers=4.2
42 41 8:16 / /home/local\\040disk rw - xfs /dev/sdb rw
43 26 0:50 / /scratch rw - fuse.sshfs ada@host:/scratch rw,user_id=0
damaged line
"""


@pytest.fixture
def tree(tmp_path: Path, story: Story) -> HostTree:
    node = HostTree(tmp_path / "host", packages=1)
    story.configure(
        f'[host]\nname = "n1"\nsysfs_root = "{node.sysfs_root}"\nprocfs_root = "{node.procfs_root}"\n'
        f'cgroup_root = "{node.cgroup_root}"\n[agent]\nspool_dir = "{tmp_path}"\n'
    )
    return node


def findings(story: Story, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    done = story.run("doctor", "--json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return found


def about(found: list[dict[str, Any]], word: str) -> list[dict[str, Any]]:
    return [finding for finding in found if word in finding["what"]]


def test_a_healthy_node_has_nothing_to_do(story: Story, tree: HostTree) -> None:
    tree.start_job(7, uid=1000, cpus="0-1")
    found = findings(story)
    assert [f["level"] for f in about(found, "RAPL")] == ["ok", "ok"]
    assert about(found, "jobs are found by")[0]["level"] == "ok"
    assert "cgroup_v1" in about(found, "jobs are found by")[0]["what"]
    assert "is writable" in about(found, "ledger:")[0]["what"]
    assert not [f for f in found if f["level"] != "ok"]


def test_absent_counters_are_a_warning_with_the_module_to_load(story: Story, tree: HostTree) -> None:
    shutil.rmtree(tree.sysfs_root / "class/powercap")
    (finding,) = about(findings(story), "RAPL")
    assert finding["level"] == "warn"
    assert "intel_rapl_common" in finding["remedy"]


def test_forbidden_counters_come_with_the_exact_remedy(story: Story, tree: HostTree) -> None:
    for path in tree.sysfs_root.rglob("energy_uj"):
        path.chmod(0)
    command = [str(Path(sys.executable).with_name("vispa-green")), "doctor", "--json", "--config", str(story.config)]
    done = subprocess.run([*CONFINED, *command], capture_output=True, check=False, text=True)
    forbidden = about(json.loads(done.stdout)["findings"], "is forbidden")
    assert [f["level"] for f in forbidden] == ["warn", "warn"]
    assert "CAP_DAC_READ_SEARCH" in forbidden[0]["remedy"]
    assert "energy_uj 0440 root vispa-green" in forbidden[0]["remedy"]


def test_a_ledger_or_a_spool_on_a_network_file_system_fails(story: Story, tree: HostTree, tmp_path: Path) -> None:
    mounted(tree, tmp_path, "lustre")
    (of_ledger, of_spool) = about(findings(story, code=1), "lustre")
    assert (of_ledger["level"], of_spool["level"]) == ("fail", "fail")
    assert "one machine" in of_ledger["remedy"]
    assert "each node" in of_spool["remedy"]


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs"])
def test_nothing_is_written_to_a_ledger_there_and_it_may_be_read(
    story: Story, tree: HostTree, tmp_path: Path, kind: str
) -> None:
    before = (tmp_path / "ledger.sqlite").read_bytes()
    mounted(tree, tmp_path, kind)
    for words in ("ledger migrate", "ledger prune --keep-days 1"):
        refused = story.run(*words.split())
        assert refused.returncode == 1
        assert all(word in refused.stderr for word in (f"({kind})", "a disk of one machine", "postgresql://"))
        assert len(refused.stderr.splitlines()) == 1
    assert story.run("ledger", "balance").returncode == 0
    assert (tmp_path / "ledger.sqlite").read_bytes() == before
    mounted(tree, tmp_path, "ext4")
    assert story.run("ledger", "migrate").returncode == 0


def mounted(tree: HostTree, place: Path, kind: str) -> None:
    """Let the node's kernel tell that a place is on a file system of some kind."""
    file = tree.procfs_root / "self/mountinfo"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"26 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 26 0:35 / {place.resolve()} rw - {kind} server:/x rw\n")


def test_no_ledger_yet_is_a_warning(story: Story, tree: HostTree, tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").unlink()
    (finding,) = about(findings(story), "there is no ledger")
    assert (finding["level"], "vispa-green agent" in finding["remedy"]) == ("warn", True)


def test_a_broken_configuration_fails_and_is_named(story: Story) -> None:
    story.configure("[mail]\nhots = 1\n")
    (finding,) = findings(story, code=1)
    assert "[mail] hots: unknown key" in finding["what"]


def test_nothing_to_read_fails(story: Story, tmp_path: Path) -> None:
    story.configure(f'[meters]\nenabled = ["rapl"]\n[host]\nsysfs_root = "{tmp_path}"\n')
    (finding,) = about(findings(story, code=1), "no enabled meter")
    assert "estimate" in finding["remedy"]


@pytest.mark.parametrize(
    ("age", "level", "said"),
    [
        (None, "ok", "nobody imports them"),
        (timedelta(seconds=5), "ok", "imported until"),
        (timedelta(hours=1), "warn", "not since"),
        (timedelta(days=-1), "warn", "not since"),
    ],
    ids=["never", "just now", "an hour ago", "tomorrow"],
)
def test_how_far_facts_are_imported_is_told(
    story: Story, tree: HostTree, age: timedelta | None, level: str, said: str
) -> None:
    if age is not None:
        ledger = open_ledger(story.url)
        ledger.facts.imported(story.cluster, host.now().utc - age)
        ledger.close()
    [finding] = [one for one in findings(story) if one["what"].startswith("Slurm's facts")]
    assert finding["level"] == level
    assert said in finding["what"]


def test_a_source_of_facts_that_does_not_answer_is_a_warning(story: Story, tree: HostTree) -> None:
    """Who only asks questions may not read the token, and needs not."""
    config = story.config.read_text().replace("[slurm]", '[slurm]\nsource = "slurmrestd"')
    story.config.write_text(config + '[slurm.slurmrestd]\nurl = "unix:///nowhere/rest.s"\n')
    [finding] = [one for one in findings(story) if "/nowhere/rest.s" in one["what"]]
    assert (finding["level"], "as that user" in finding["remedy"]) == ("warn", True)


def test_the_mail_host_is_asked_only_online(story: Story, tree: HostTree) -> None:
    assert not about(findings(story), "mail:")
    before = story.config.read_text()
    with MailSink() as sink:
        story.config.write_text(f'{before}[mail]\nhost = "{sink.host}"\nport = {sink.port}\n')
        assert about(findings(story, "--online"), "mail:")[0]["level"] == "ok"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    story.config.write_text(f'{before}[mail]\nhost = "127.0.0.1"\nport = {port}\n')
    assert about(findings(story, "--online"), "mail:")[0]["level"] == "warn"


def test_people_see_what_to_do_below_what_is_wrong(story: Story, tree: HostTree) -> None:
    shutil.rmtree(tree.sysfs_root / "class/powercap")
    lines = story.run("doctor").stdout.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("warn  RAPL"))
    assert lines[place + 1].startswith("      -> load the kernel module")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/x", "ext4"),
        ("/home/ada/x", "nfs4"),
        ("/home/local disk/x", "xfs"),
        ("/homes/x", "ext4"),
        ("/scratch/x", "fuse.sshfs"),
    ],
)
def test_the_innermost_mount_holds_a_path(path: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mountinfo").write_text(MOUNTS)
    assert filesystem_of(Path(path), tmp_path) == kind
    assert not filesystem_of(Path(path), tmp_path / "absent")
