"""Whether systemd keeps our services: enabled, running, with the rights that they need and no more."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from vispa_green.doctor.findings import Finding, Level
from vispa_green.host import user_name
from vispa_green.numbers import whole_number
from vispa_green.session import Session

AGENT = "vispa-green-agent.service"
PRUNE = "vispa-green-prune.timer"
PROPERTIES = "Id,LoadState,UnitFileState,ActiveState,MainPID"
CAPABILITIES = {"CAP_DAC_READ_SEARCH": 2, "CAP_SYS_PTRACE": 19}
"""What the agent needs, by its number (linux/capability.h)."""
TIMEOUT_S = 10

Unit = Mapping[str, str]


def services(session: Session) -> Iterator[Finding]:
    """Say of each unit whether it does what it was enabled for, and of the agent what it may do."""
    if not Path("/run/systemd/system").is_dir():  # sd_booted(3)
        yield Finding(Level.OK, "units: systemd does not run here")
        return
    try:
        listed = _systemctl("list-unit-files", "--no-legend", "--plain", "vispa-green-*")
        names = [line.split()[0] for line in listed.splitlines() if line.strip()]
        shown = units(_systemctl("show", f"--property={PROPERTIES}", *names)) if names else {}
    except (OSError, subprocess.SubprocessError) as error:
        yield Finding(Level.WARN, f"units: systemctl does not answer ({error})", "ask as root")
        return
    yield from judged(shown, keeps_raw=not session.config.ledger.keep_raw_days)
    if (pid := whole_number(shown.get(AGENT, {}).get("MainPID", ""))) and pid > 0:
        yield from rights(_status(pid))


def units(shown: str) -> dict[str, Unit]:
    """Return what ``systemctl show`` printed, by unit; those that are not installed are left out."""
    blocks = (dict(line.partition("=")[::2] for line in block.splitlines()) for block in shown.split("\n\n"))
    return {block["Id"]: block for block in blocks if block.get("LoadState") == "loaded" and "Id" in block}


def judged(shown: Mapping[str, Unit], *, keeps_raw: bool) -> Iterator[Finding]:
    """Say what each unit is; one that was enabled and does not run fails."""
    if not shown:
        yield Finding(Level.OK, "units: none of vispa-green is installed here")
    for name, unit in sorted(shown.items()):
        is_enabled, state = unit.get("UnitFileState") == "enabled", unit.get("ActiveState")
        if state == "failed":
            yield Finding(Level.FAIL, f"units: {name} has failed", f"journalctl -u {name} -n 20 says why")
        elif is_enabled and state not in {"active", "activating", "reloading"}:
            yield Finding(Level.FAIL, f"units: {name} is enabled and does not run", f"systemctl start {name}")
        elif state == "active" and unit.get("UnitFileState") == "disabled":
            yield Finding(Level.WARN, f"units: {name} runs until the next boot only", f"systemctl enable {name}")
        elif is_enabled:
            yield Finding(Level.OK, f"units: {name} is enabled and {state}")
    if keeps_raw and shown.get(PRUNE, {}).get("UnitFileState") == "enabled":
        yield Finding(
            Level.FAIL,
            f"units: {PRUNE} is enabled, but nothing says how old raw rows may become",
            f"set [ledger] keep_raw_days, or systemctl disable --now {PRUNE}",
        )


def rights(status: Mapping[str, str]) -> Iterator[Finding]:
    """Say as whom the agent runs and what it may, by its ``/proc/PID/status`` (proc_pid_status(5))."""
    uid = whole_number(status.get("Uid", "").partition("\t")[0])
    try:
        held = int(status.get("CapEff", ""), 16)
    except ValueError:
        return  # it has just ended, or /proc is closed to this user
    lacking = [name for name, number in CAPABILITIES.items() if not held >> number & 1]
    if uid == 0:
        yield Finding(
            Level.WARN,
            "agent: it runs as root, which is more than it needs",
            f"take the packaged {AGENT}: its user is vispa-green",
        )
    elif uid is not None and lacking:
        yield Finding(
            Level.WARN,
            f"agent: {user_name(uid)} runs it without {' and '.join(lacking)}",
            f"take the packaged {AGENT}, or add AmbientCapabilities={' '.join(lacking)}",
        )
    elif uid is not None:
        yield Finding(Level.OK, f"agent: {user_name(uid)} runs it, with {' and '.join(CAPABILITIES)}")


def _systemctl(*words: str) -> str:
    return subprocess.run(
        ["systemctl", *words], capture_output=True, text=True, timeout=TIMEOUT_S, check=words[0] == "show"
    ).stdout


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
