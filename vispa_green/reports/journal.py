"""Which mails of one report were sent, so that nobody gets one twice: a file of lines that survives being killed.

A mail that may have been taken has a line on the disk before its last byte goes out, and a second one once it was
answered. Whoever is killed in between leaves a mail in doubt: between the last byte and its answer nothing can know
both that it arrived and that it will not arrive twice. Such a mail is not sent again; it is named, and a person
decides (``--again``). Killed at any other moment, nobody is missed and nobody gets two.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vispa_green.errors import MailError

BEGUN, TAKEN, REFUSED = "begun", "taken", "refused"


class Journal:
    """What became of the mails of one report; see `journal`."""

    def __init__(self, descriptor: int, said: dict[str, str]) -> None:
        self._descriptor, self._said = descriptor, said

    def is_taken(self, user: str) -> bool:
        """Say whether a user has got his mail."""
        return self._said.get(user) == TAKEN

    def is_doubtful(self, user: str) -> bool:
        """Say whether a user may have got his mail."""
        return self._said.get(user) == BEGUN

    def begun(self, user: str) -> None:
        """Keep, on the disk, that from now on a mail may be taken."""
        self._write(BEGUN, user)
        os.fdatasync(self._descriptor)

    def taken(self, user: str) -> None:
        """Keep that a mail was taken."""
        self._write(TAKEN, user)

    def refused(self, user: str) -> None:
        """Keep that a mail that had begun was not taken after all."""
        self._write(REFUSED, user)

    def _write(self, word: str, user: str) -> None:
        os.write(self._descriptor, f"{json.dumps([word, user])}\n".encode())
        self._said[user] = word


@contextmanager
def journal(directory: Path, report: str) -> Iterator[Journal]:
    """Open the journal of a report for one program at a time; raise `MailError` where nothing can be kept."""
    path = directory / f"{report}.log"
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise MailError(f"{path} cannot keep what was sent ({error.strerror}), so nothing is") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MailError(f"another program is sending the mails of {report} just now") from None
        yield Journal(descriptor, _read(path, descriptor))
        os.fsync(descriptor)
    except OSError as error:
        raise MailError(f"{path} cannot keep what was sent ({error.strerror})") from error
    finally:
        os.close(descriptor)


def _read(path: Path, descriptor: int) -> dict[str, str]:
    """Return the last word on each user; a line that was cut off came before anything was sent, and goes."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.ftruncate(descriptor, len(whole))
    said: dict[str, str] = {}
    for line in whole.splitlines():
        try:
            word, user = json.loads(line)
        except ValueError:
            raise MailError(f"{path} is damaged ({line[:40]!r}); see who was sent a mail, and mend it") from None
        said[str(user)] = str(word)
    return said
