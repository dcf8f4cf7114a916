"""Which reports were sent, so that nobody gets one twice: an empty file for each, made before it is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vispa_green.errors import MailError


@contextmanager
def once(directory: Path, name: str, *, again: bool) -> Iterator[bool]:
    """Yield whether a report is still to be sent; if that fails, it is so again.

    A program that is killed while it sends leaves the file: rather no mail than two. Raises `MailError` where
    nothing can be kept.
    """
    mark = directory / name.replace("/", "_").replace(" ", "-")
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640))
        is_new = True
    except FileExistsError:
        is_new = again
    except OSError as error:
        raise MailError(f"{directory} cannot keep what was sent ({error.strerror}), so nothing is") from error
    try:
        yield is_new
    except BaseException:
        if is_new:
            with suppress(OSError):
                mark.unlink()
        raise
