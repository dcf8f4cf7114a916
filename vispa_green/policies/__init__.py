"""Rules that choose when a job starts, one file each; a file defines ``make(host, options) -> Policy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.registry import Variants

if TYPE_CHECKING:
    from vispa_green.model import Policy

POLICIES: Variants[Policy] = Variants("policy", __name__, "green")
