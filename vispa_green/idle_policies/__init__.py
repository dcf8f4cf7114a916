"""Who carries idle energy, one file each; a file defines ``make(host, options) -> IdlePolicy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.registry import Variants

if TYPE_CHECKING:
    from vispa_green.model import IdlePolicy

IDLE_POLICIES: Variants[IdlePolicy] = Variants("idle policy", __name__, "idle_policies")
