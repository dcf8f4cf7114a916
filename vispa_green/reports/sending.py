"""Sends the mails of a report: written by as many processes as there are processors, handed over one by one.

What one reader's address or mail is faulty for is his alone; a host that cannot be reached ends it. Whatever was not
sent is tried at the next call, and nothing is sent twice (`vispa_green.reports.journal`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait

from vispa_green.config import MailSection
from vispa_green.errors import MailError, MailInDoubt, MailRefused
from vispa_green.reports.journal import Journal
from vispa_green.reports.mail import Letter, Outgoing, message_of, outgoing
from vispa_green.reports.mailers import Mailer

FEW = 8
"""So many are written sooner than a process is started."""

Written = Outgoing | str
"""A mail, or why there is none."""


@dataclass(slots=True)
class Sending:
    """What became of the mails of one call, by user."""

    sent: list[str]
    before: list[str]
    """They had theirs."""
    failed: dict[str, str]
    """Why not, in a sentence each."""
    doubtful: list[str]
    """Nobody knows; see `vispa_green.reports.journal`."""
    is_stopped: bool = False
    """Whether somebody asked to stop before all were sent."""


def send_letters(
    letters: Sequence[Letter],
    section: MailSection,
    mailer: Mailer,
    journal: Journal,
    *,
    again: bool = False,
    told: Callable[[], None] = lambda: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Sending:
    """Send what was not sent before; ``told`` is called for each letter, ``is_stopped`` is asked before each."""
    result, open_letters = Sending([], [], {}, []), list[Letter]()
    for letter in letters:
        user = letter.report.user
        if not again and journal.is_taken(user):
            result.before.append(user)
        elif not again and journal.is_doubtful(user):
            result.doubtful.append(user)
        else:
            open_letters.append(letter)
    for _ in range(len(letters) - len(open_letters)):
        told()
    users = [letter.report.user for letter in open_letters]
    with written(open_letters, section) as mails:
        try:
            for user in users:
                if is_stopped():
                    result.is_stopped = True
                    break
                _send(user, next(mails), mailer, journal, result)
                told()
        except BrokenProcessPool:
            result.is_stopped = True
        except MailError as error:  # nothing can go: the rest need not be tried
            left = set(users) - {*result.sent, *result.failed, *result.doubtful}
            result.failed.update({user: str(error) for user in users if user in left})
    return result


def _send(user: str, mail: Written, mailer: Mailer, journal: Journal, result: Sending) -> None:
    if isinstance(mail, str):
        result.failed[user] = mail
        return
    try:
        mailer.deliver(mail, partial(journal.begun, user))
    except MailRefused as error:
        if journal.is_doubtful(user):
            journal.refused(user)
        result.failed[user] = str(error)
    except MailInDoubt:
        result.doubtful.append(user)
    else:
        journal.taken(user)
        result.sent.append(user)


@contextmanager
def written(letters: Sequence[Letter], section: MailSection) -> Iterator[Iterator[Written]]:
    """Yield the mails of letters, in their order; of a letter that cannot be written, why."""
    write = partial(_write, section=section)
    processes = len(os.sched_getaffinity(0))
    if len(letters) <= FEW or processes == 1:
        yield map(write, letters)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, context, initializer=_begin_to_write) as pool:
        try:
            yield pool.map(write, letters, chunksize=4)
        finally:
            pool.shutdown(cancel_futures=True)


def _write(letter: Letter, section: MailSection) -> Written:
    try:
        return outgoing(message_of(letter, section))
    except MailError as error:
        return str(error)


def _begin_to_write() -> None:
    """Leave it to who sends to stop, and end when he is gone, however he ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
