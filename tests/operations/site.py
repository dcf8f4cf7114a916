"""What the machines of these tests are told: hardware below /srv/host, no Slurm, no grid."""

from __future__ import annotations

HOST = """
[host]
name = "n1"
sysfs_root = "/srv/host/sys"
procfs_root = "/srv/host/proc"
cgroup_root = "/srv/host/cgroup"
[slurm]
enabled = false
[grid]
providers = []
"""

CONFIG = f"""
[agent]
interval_s = 0.5
deliver_s = 0.5
spool_dir = "/var/spool/vispa-green"
[ledger]
url = "sqlite:////var/lib/vispa-green/ledger.sqlite"
[access]
admins = ["vispa-green"]
{HOST}"""
