"""File permissions that hold for root, too: for tests of what a plain user may not read or write."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
CONFINED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""Put before a command: the same for a program of its own."""
AS_NOBODY = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
)  # fmt: skip
"""Put before a command of root: it runs as another user who may read every file, as if his group might."""

_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


@contextmanager
def file_permissions_hold() -> Iterator[None]:
    """Take from this thread what lets root pass by file modes (capabilities(7)); give it back afterwards.

    The user stays the same, so an interpreter or a checkout in a closed home directory stays readable.
    """
    before = _capabilities()
    mask = ~(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH) & 0xFFFFFFFF
    _set([_Data(before[0].effective & mask, before[0].permitted, before[0].inheritable), before[1]])
    try:
        yield
    finally:
        _set(before)


def _capabilities() -> list[_Data]:
    data = (_Data * 2)()
    _call("capget", data)
    return list(data)


def _set(capabilities: list[_Data]) -> None:
    _call("capset", (_Data * 2)(*capabilities))


def _call(name: str, data: ctypes.Array[_Data]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(ctypes.byref(_Header(_VERSION_3, 0)), data) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
