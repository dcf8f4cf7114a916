"""What the reader's terminal can show: our signs beyond ASCII have plain forms for where it cannot.

Text that users wrote is not ours to change: in the C locale it passes as its own bytes, as with `sacct`.
"""

from __future__ import annotations

import io
import os

TYPE_CHECKING = False
if TYPE_CHECKING:  # gsbatch speaks through here, and `typing` would take longer than all it does
    from collections.abc import Mapping
    from typing import NoReturn, TextIO

PLAIN = {
    "−": "-", "–": "-", "—": "-", "‑": "-", "…": "...", "×": "x", "·": ".", "→": "->", "≤": "<=", "≥": ">=",
    "≈": "~", "±": "+-", "µ": "u", "μ": "u", "₂": "2", "²": "^2", "°": " deg", "█": "#", "▇": "#", "▆": "#",
    "▅": "+", "▄": "+", "▃": "-", "▂": "-", "▁": "_", "░": ".", "▒": ":", "▓": "#", "─": "-", "│": "|",
    "“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " ",
}  # fmt: skip
HANDLER = "vispa_green.plain"


def charset(environment: Mapping[str, str]) -> str:
    """Return ``ascii`` in the C and POSIX locales, else ``""``: what Python found.

    Python itself takes UTF-8 there (PEP 538, PEP 540), which such a terminal shows as rubbish.
    """
    named = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "C")
    return "ascii" if named in {"C", "POSIX"} else ""


def say(text: str) -> None:
    """Write a line on stderr, in signs that it can show; it may be closed or full, which is no reason to fail."""
    try:
        os.write(2, encoded(text + "\n", os.environ))
    except OSError:
        return


def adopt(*streams: TextIO | None) -> None:
    """Have standard streams write what their reader can show; a closed one is `None`."""
    register()
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=charset(os.environ) or None, errors=HANDLER)


def end_as_unread() -> NoReturn:
    """End silently by SIGPIPE, as Slurm's commands do when their reader has gone; a shell calls that 141."""
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    raise SystemExit(128 + signal.SIGPIPE)  # where the signal is blocked


def let_go(stream: TextIO) -> None:
    """Drop what a stream could not write, so that the end of the program does not fail over it again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def encoded(text: str, environment: Mapping[str, str]) -> bytes:
    """Return the bytes of ``text`` for a terminal of this environment; there is none that cannot be encoded."""
    register()
    import sys

    return text.encode(charset(environment) or sys.getfilesystemencoding(), HANDLER)


def register() -> None:
    """Make `HANDLER` known to Python's codecs."""
    import codecs

    codecs.register_error(HANDLER, _plain)


def _plain(error: UnicodeError) -> tuple[bytes, int]:
    """Encode what the terminal's character set has no sign for."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    if sign in PLAIN:
        return PLAIN[sign].encode("ascii"), error.start + 1
    if "\udc80" <= sign <= "\udcff":  # a byte that was no UTF-8 where it came from: as it came
        return sign.encode("utf-8", "surrogateescape"), error.start + 1
    return sign.encode("utf-8", "backslashreplace"), error.start + 1
