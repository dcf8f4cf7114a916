"""Numbers in the cells of tables, as logs and data frames write them: signs, fractions, exponents, nothing else.

Python takes ``1_0``, ``٣``, ``nan`` and ``1e999`` for numbers as well, and ``"²".isdigit()`` is true.
"""

from __future__ import annotations

import re

MOST = 1e15
"""In any unit that logs have: more than any job or machine, and exact as a float."""

_REAL = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?")


def real_number(text: str) -> float | None:
    """Return the number that ``text`` is; ``None`` for anything else, or one beyond ± `MOST`."""
    if not _REAL.fullmatch(text):
        return None
    value = float(text)
    return value if abs(value) <= MOST else None
