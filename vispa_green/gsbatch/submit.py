"""Plans one submission, hands it to the real sbatch, and keeps what was promised and what it is for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from vispa_green import host
from vispa_green.answers.grid import ledger_of, what_is_known
from vispa_green.answers.promises import keep_note
from vispa_green.errors import UsageError
from vispa_green.gsbatch import sbatch
from vispa_green.gsbatch.length import job_length
from vispa_green.gsbatch.script import find_script
from vispa_green.gsbatch.size import job_cpus
from vispa_green.inherited import restore_environment
from vispa_green.model import Promise, Quantity
from vispa_green.policies import POLICIES
from vispa_green.session import open_session
from vispa_green.shifting.planning import Wish, plan
from vispa_green.times.slurm_time import finite_duration, parse_time
from vispa_green.times.time_limit import within

if TYPE_CHECKING:
    from vispa_green.gsbatch.argv import CommandLine, Wishes
    from vispa_green.gsbatch.script import Head
    from vispa_green.model import Outlook, Policy
    from vispa_green.session import Session
    from vispa_green.shifting.planning import Plan

T = TypeVar("T")

PLANNING_LIMIT_S = 10.0
RECORDING_LIMIT_S = 5.0

OVERRIDING = {
    "begin": "it sets the start",
    "deadline": "Slurm cancels a job that may miss it, and a later start adds to that risk",
    "hold": "the job starts when it is released",
    "reservation": "it has its own hours",
    "test-only": "nothing is submitted",
}
"""Options of the user that win over ours, and why. A ``--dependency`` does not: Slurm waits for both."""

_JOB_ID = re.compile(rb"(?:Submitted batch job )?(\d+)(?:;| on cluster |$)")


class Prepared(NamedTuple):
    """A plan and what else its user should know."""

    plan: Plan
    session: Session
    remarks: tuple[str, ...]


def submit(
    line: CommandLine, head: Head, wishes: Wishes, *, project: str, memory: str, is_from_site: bool, is_dry_run: bool
) -> int | None:
    """Submit and return sbatch's exit code; return ``None`` if sbatch is to be called as if we were not there.

    A dry run submits nothing and returns 0.
    """
    quiet = line.has("quiet") and not is_dry_run

    def say(text: str) -> None:
        sbatch.say(text, quiet=quiet)

    def attempt(call: Callable[[], T], otherwise: str) -> T | None:
        try:
            return call()
        except Exception as fault:
            if is_dry_run:
                raise
            say(f"{sbatch.described(fault)}; {otherwise}")  # fail open: no bug of ours may cost a user's job
            return None

    tagged = attempt(lambda: _as_kept(project), "the job is not tagged") if project else None
    prepared = attempt(
        lambda: _wanted(line, head, wishes, say, is_from_site=is_from_site), "submitting as sbatch would"
    )
    added = attempt(lambda: _memory(line, head, memory, say), "asking for memory as you do") if memory else None
    arguments = (*(_begin(prepared.plan) if prepared else ()), *(added or ()), *line.arguments)
    if is_dry_run:
        say(f"the job would be tagged with {tagged}" if tagged else "")
        return _show(say, arguments)
    promised = prepared if prepared and prepared.plan.window.mean is not None else None
    if not promised and not tagged and not added:
        return None

    def on_job_id(job_id: str) -> None:
        if promised:
            keep(_promise(job_id, promised.plan, promised.session), promised.session, say)
        if tagged:
            tag(job_id, tagged, say)

    return run_sbatch(arguments, on_job_id)


def _as_kept(project: str) -> str:
    from vispa_green.energy.projects import project_text  # few submissions name one

    return project_text(project)


def _memory(line: CommandLine, head: Head, mode: str, say: Callable[[str], None]) -> tuple[str, ...]:
    """Say what like jobs held; return the option that asks for it, if it is wanted and Slurm would take it."""
    from vispa_green.gsbatch.memory import added_memory

    added = within(PLANNING_LIMIT_S, lambda: added_memory(line, head, os.environ, mode, say))
    can_be_read_once = line.script is not None and not find_script(line, os.environ.get("PATH", ""))
    if added and (can_be_read_once or not would_be_taken((*added, *line.arguments), reads_stdin=line.reads_stdin)):
        say(f"Slurm would not take the job with {added[0]}; asking for memory as you do")
        return ()
    return added


def _wanted(
    line: CommandLine, head: Head, wishes: Wishes, say: Callable[[str], None], *, is_from_site: bool
) -> Prepared | None:
    """Return the plan and tell it, or ``None`` where nobody wants one or the user's own word wins."""
    own = _overriding(line, head)
    if not wishes.says_something or wishes.off or own:
        if own and wishes.says_something and not is_from_site:
            say(f"{own}; submitting as sbatch would")
        return None
    prepared = within(PLANNING_LIMIT_S, lambda: _prepare(line, head, wishes))
    for remark in prepared.remarks:
        say(remark)
    say(_sentence(prepared.plan))
    if line.has("dependency") or head.has("dependency"):
        say("the job also waits for its --dependency, so it may start later than that")
    return prepared


def _overriding(line: CommandLine, head: Head) -> str:
    for name, why in OVERRIDING.items():
        if line.has(name) or head.has(name) or (name == "reservation" and os.environ.get("SBATCH_RESERVATION")):
            return f"your --{name} wins: {why}"
    return ""


def _prepare(line: CommandLine, head: Head, wishes: Wishes) -> Prepared:
    session = open_session()
    now, green = session.now.utc, session.config.green
    duration, remarks = job_length(line, head, os.environ, session.config)
    wish = Wish(
        duration,
        _deadline(wishes.finish_by, now) if wishes.finish_by else None,
        finite_duration(wishes.max_delay, "a delay") if wishes.max_delay else None,
        finite_duration(green.queue_margin, "[green] queue_margin"),
        job_cpus(line, head),
    )
    end = max(wish.request(now).finish_by, now + duration)
    ledger = ledger_of(session)
    try:
        known = what_is_known(now, end, config=session.config, ledger=ledger, now=now)
    finally:
        if ledger is not None:
            ledger.close()
    policy = POLICIES.make(green.policy, None, session.config.options("green"))
    ahead, unasked = _ahead(policy, session, now)
    made = plan(wish, now, known.signals(), green.policy, policy, ahead)
    remarks += unasked
    if made.window.mean is None:
        remarks += known.warnings[:1]
    return Prepared(made, session, remarks)


def _ahead(policy: Policy, session: Session, now: datetime) -> tuple[Outlook | None, tuple[str, ...]]:
    if not policy.looks_at_queue:
        return None, ()
    from vispa_green.answers.queue import what_lies_ahead

    return what_lies_ahead(policy, session.config.slurm, now)


def _deadline(text: str, now: datetime) -> datetime:
    from vispa_green.times.local_zone import local_zone

    deadline = parse_time(text, now, local_zone(os.environ))
    if deadline <= now:
        raise UsageError(f"the deadline {text} has passed; give one that lies ahead, e.g. +24h")
    return deadline


def _begin(made: Plan) -> tuple[str, ...]:
    # Relative, because the controller may live in another time zone; at the front, because the last one
    # counts, should the user have one that we did not recognise. One is enough for a heterogeneous job.
    # Slurm counts from the whole second that has begun, so we do too, or the job would start early.
    seconds = int(made.window.start.timestamp()) - int(host.now().utc.timestamp())
    return (f"--begin=now+{seconds}",) if made.is_shifted and seconds > 0 else ()


def _sentence(made: Plan) -> str:
    if not made.is_shifted:
        return made.window.reason
    start = _local(made.window.start, made.request.earliest)
    means = made.means if made.window.quantity is Quantity.CARBON_INTENSITY else None
    if means is not None and means.gco2_per_kwh is not None:
        now = made.means_if_started_now.gco2_per_kwh
        compared = f"{means.gco2_per_kwh:.0f} g CO2/kWh" + ("" if now is None else f" instead of {now:.0f} now")
    else:
        now = made.window.mean_if_started_now
        compared = f"{made.window.mean:.0f} % renewable" + ("" if now is None else f" instead of {now:.0f} % now")
    saving = "" if made.saving_pct is None else f" (−{made.saving_pct:.0f} %)"
    return f"starts {start}, {made.window.reason}: {compared}{saving}"


def _local(moment: datetime, now: datetime) -> str:
    here = moment.astimezone()  # the C library knows ``TZ`` and /etc/localtime, too, and is there already
    day = "" if here.date() == now.astimezone().date() else f"{here:%a %d %b} "
    return f"{day}{here:%H:%M}"


def _show(say: Callable[[str], None], arguments: tuple[str, ...]) -> int:
    from shlex import join

    say(f"would run: {join(['sbatch', *arguments])}")
    return 0


def run_sbatch(arguments: tuple[str, ...], on_job_id: Callable[[str], None]) -> int:
    """Run sbatch, pass its stdout on as it comes, and return its exit code (128 + n for signal n, as shells do)."""
    program = sbatch.find_sbatch(os.environ)
    restore_environment()
    # Open files are kept open: the script may be one of them, as in `gsbatch <(make-script)`.
    process = subprocess.Popen(["sbatch", *arguments], executable=program, stdout=subprocess.PIPE, close_fds=False)
    try:
        _relay(process, on_job_id)
    except Exception as error:  # noqa: BLE001 - sbatch has run: raising would make our caller submit a second time
        sbatch.say(f"{error}; sbatch itself went on")
    code = process.wait()
    return code if code >= 0 else 128 - code


def would_be_taken(arguments: tuple[str, ...], *, reads_stdin: bool) -> bool:
    """Ask Slurm whether it would take a job, without submitting it; a script on stdin is left as it was."""
    program = sbatch.find_sbatch(os.environ)
    restore_environment()
    trial = subprocess.run(
        ["sbatch", "--test-only", *arguments], executable=program, stdin=None if reads_stdin else subprocess.DEVNULL,
        capture_output=True, close_fds=False, check=False, timeout=PLANNING_LIMIT_S,
    )  # fmt: skip
    if reads_stdin:
        os.lseek(0, 0, os.SEEK_SET)  # memory of ours, see `vispa_green.gsbatch`
    return trial.returncode == 0


def _relay(process: subprocess.Popen[bytes], on_job_id: Callable[[str], None]) -> None:
    # A terminal sends SIGINT to sbatch too, which decides what it means; the others reach only us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda received, _frame: process.send_signal(received))
    assert process.stdout is not None
    first_line: bytes | None = b""
    while chunk := os.read(process.stdout.fileno(), 1 << 16):
        with suppress(OSError):  # the reader has gone: the job is submitted all the same
            _write(chunk)
        if first_line is not None:
            first_line += chunk
            if b"\n" in first_line:
                if match := _JOB_ID.match(first_line.partition(b"\n")[0]):
                    on_job_id(match[1].decode())
                first_line = None


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def keep(promise: Promise, session: Session, say: Callable[[str], None]) -> None:
    """Keep a promise for its user; what goes wrong with that is a sentence, since the job is submitted."""
    try:
        within(RECORDING_LIMIT_S, lambda: keep_note(session, promise))
    except Exception as error:  # noqa: BLE001 - the job is submitted; a note about it is not worth an error
        say(f"job {promise.job_id} is submitted, but the plan could not be kept for `vispa-green green` ({error})")


def tag(job_id: str, project: str, say: Callable[[str], None]) -> None:
    """Tag a job for its user; what goes wrong with that is a sentence, since the job is submitted."""
    from vispa_green.answers.tagging import tag_submission

    try:
        within(RECORDING_LIMIT_S, lambda: tag_submission(open_session(), job_id, project))
    except Exception as error:  # noqa: BLE001 - the job is submitted; a tag can be given later
        say(f"job {job_id} is submitted, but not tagged ({error}); later: vispa-green tag -j {job_id} {project}")


def _promise(job_id: str, made: Plan, session: Session) -> Promise:
    window = made.window
    return Promise(
        job_id,
        host.user_name(os.getuid()),
        made.request.earliest,
        window.start,
        made.request.duration,
        made.request.finish_by,
        window.quantity,
        window.mean,
        window.mean_if_started_now,
        made.policy,
        window.reason,
        cluster=session.config.cluster.name,
    )
