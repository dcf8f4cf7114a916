"""Who carries idle energy, one file each; a file defines ``policy() -> IdlePolicy``."""

from vispa_green.model import IdlePolicy
from vispa_green.registry import Registry

IDLE_POLICIES: Registry[IdlePolicy] = Registry("idle policy", __name__, "policy")
