"""Who carries idle energy, one file each; a file defines ``make(host, options) -> IdlePolicy``."""

from vispa_green.model import IdlePolicy
from vispa_green.registry import Variants

IDLE_POLICIES: Variants[IdlePolicy] = Variants("idle policy", __name__, "idle_policies")
