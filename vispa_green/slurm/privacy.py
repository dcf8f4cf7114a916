"""Which of others' jobs Slurm shows: ``PrivateData`` (slurm.conf(5)), and who coordinates which account."""

from __future__ import annotations

from vispa_green.slurm.commands import run

PRIVATE_JOBS = frozenset({"jobs", "usage"})


def hides_jobs(*, timeout_s: float) -> bool:
    """Say whether users see only their own jobs, by the controller's configuration or by that of accounting.

    Raises `SlurmError` where one of them does not answer.
    """
    settings = (("scontrol", "show", "config"), ("sacctmgr", "show", "configuration"))
    return any(_is_private(run(command, timeout_s=timeout_s)) for command in settings)


def _is_private(text: str) -> bool:
    pairs = (line.partition("=") for line in text.splitlines())
    values = (value for name, _, value in pairs if name.strip() == "PrivateData")
    return any(PRIVATE_JOBS & {word.strip() for word in value.split(",")} for value in values)


def coordinated_accounts(user: str, *, timeout_s: float) -> tuple[str, ...]:
    """Return the accounts that a user coordinates; raise `SlurmError` where accounting does not answer."""
    return tuple(account for account, users in coordinators(timeout_s=timeout_s).items() if user in users)


def coordinators(*, timeout_s: float) -> dict[str, frozenset[str]]:
    """Return who coordinates which account, by account; raise `SlurmError` where accounting does not answer."""
    command = ["sacctmgr", "-n", "-P", "show", "account", "withcoordinator", "format=account,coordinators"]
    rows = (line.partition("|") for line in run(command, timeout_s=timeout_s).splitlines())
    return {account: frozenset(users.split(",")) for account, _, users in rows if users}
