"""What works here, what does not, and what to do about it. Each check is one function that returns findings."""

from __future__ import annotations

from pathlib import Path

from vispa_green.config import CONFIG_VARIABLE, SITE_FILE
from vispa_green.doctor import account, files, node, services, units
from vispa_green.doctor.findings import Check, Finding, Level
from vispa_green.session import Session
from vispa_green.variants import faults

__all__ = ["Check", "Finding", "Level", "examine"]


def examine(session: Session, config_file: Path | None, *, online: bool) -> list[Finding]:
    """Run every check that fits; only with ``online`` are services outside of this machine asked."""
    checks: list[Check] = [
        node.rapl, node.nvml, node.energy_source, node.job_tracking, services.slurm, services.source, account.ledger,
        account.facts, account.spool,
        files.secrets, units.services,
    ]  # fmt: skip
    checks += [services.grid, services.mail_host] if online else []
    modes = () if config_file is None else files.configuration(config_file)
    return [
        config(config_file),
        *modes,
        *variants(session),
        *(finding for check in checks for finding in check(session)),
    ]


def config(config_file: Path | None) -> Finding:
    """Say which file is in force."""
    if config_file is None:
        return Finding(Level.OK, f"configuration: built-in defaults ({CONFIG_VARIABLE} unset, no {SITE_FILE})")
    return Finding(Level.OK, f"configuration: {config_file}")


def variants(session: Session) -> list[Finding]:
    """Fail for every variant that is named and does not exist, and every setting of one that cannot be."""
    return [
        Finding(Level.FAIL, fault, "correct the name or the setting; what needs it does not start before")
        for fault in faults(session.config)
    ]
