"""Waits between two looks: until one is due, until a job comes or goes, or until the agent is to end.

The kernel tells when a directory appears or disappears in another (inotify(7)), in its control groups as well. So a
job is seen at once, and a node on which nothing changes need not be asked several times a second. What the kernel
cannot tell, or not any more, the next regular look finds: nothing depends on this but how soon a job is seen.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import math
import os
import select
from collections.abc import Collection

log = logging.getLogger(__name__)

SETTLE_S = 0.1
"""After a change so long until the look: what comes and goes together is seen together, and a storm of jobs costs no
more than ten looks a second."""

IN_MOVED, IN_CREATE, IN_DELETE, IN_ONLYDIR = 0xC0, 0x100, 0x200, 0x01000000
WANTED = IN_MOVED | IN_CREATE | IN_DELETE | IN_ONLYDIR
EVENTS_BYTES = 65_536
_libc = ctypes.CDLL(None, use_errno=True)


class Changes:
    """Follows some directories while it waits; `stop` may be called from anywhere."""

    def __init__(self) -> None:
        self._followed: Collection[str] = ()
        self._numbers: set[int] = set()
        self._said = False
        self._stopped = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._told = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll, self._poll_stopped = select.poll(), select.poll()
        self._poll.register(self._stopped, select.POLLIN)
        self._poll_stopped.register(self._stopped, select.POLLIN)
        if self._told >= 0:
            self._poll.register(self._told, select.POLLIN)
        else:
            self._say_why(ctypes.get_errno())

    def wait(self, seconds: float, places: Collection[str]) -> bool:
        """Return after so long, or when a directory has come or gone in ``places``; say whether to end."""
        if self._follow(places):  # what changed before it was followed is for a look now
            seconds = 0
        ready = dict(self._poll.poll(_ms(seconds)))
        if self._stopped in ready or self._told not in ready:
            return self._stopped in ready
        is_to_end = bool(self._poll_stopped.poll(_ms(min(seconds, SETTLE_S))))
        os.read(self._told, EVENTS_BYTES)
        self._followed = ()  # a directory may be another one of the same name by now
        return is_to_end

    def stop(self) -> None:
        """Let this wait and all others end."""
        os.eventfd_write(self._stopped, 1)

    def _follow(self, places: Collection[str]) -> bool:
        """Return whether one of them was not followed before."""
        if self._told < 0 or places == self._followed:
            return False
        before, self._numbers, self._followed = self._numbers, set(), places
        for place in places:
            number = _libc.inotify_add_watch(self._told, os.fsencode(place), WANTED)
            if number >= 0:
                self._numbers.add(number)
            elif (code := ctypes.get_errno()) not in {errno.ENOENT, errno.ENOTDIR}:
                self._say_why(code)
        return not self._numbers <= before

    def _say_why(self, code: int) -> None:
        if not self._said:
            log.info("the kernel tells no changes (%s): only the regular looks find jobs", os.strerror(code))
        self._said = True


def _ms(seconds: float) -> int:
    return math.ceil(seconds * 1000)  # never a wait of nothing before something that is due in a moment
