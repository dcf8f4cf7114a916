"""What squeue and sacct say about jobs, told by job id also for arrays and heterogeneous jobs."""

import re
from collections.abc import Iterable

RUNNING_OR_WAITING = frozenset(
    {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "RESIZING"}
    | {"SIGNALING", "STAGE_OUT", "STOPPED", "SPECIAL_EXIT", "RESV_DEL_HOLD", "REQUEUE_FED", "UNKNOWN"}
)


def parse_states(lines: Iterable[str]) -> dict[str, list[str]]:
    """`ID|STATE` lines to the states of each job; array tasks and components count for the job before _ or +."""
    states: dict[str, list[str]] = {}
    for line in lines:
        full_id, _, state = line.partition("|")
        if state:
            # sacct writes "CANCELLED by 0"
            states.setdefault(re.split(r"[_+.]", full_id)[0], []).append(state.split()[0])
    return states


def has_ended(states: Iterable[str]) -> bool:
    """Whether every part of the job ended; a job nobody has heard of has not."""
    states = tuple(states)
    return bool(states) and RUNNING_OR_WAITING.isdisjoint(states)


def overall(states: Iterable[str]) -> str:
    """One state for all parts: the first that did not go well, else COMPLETED."""
    return next((state for state in states if state != "COMPLETED"), "COMPLETED")
