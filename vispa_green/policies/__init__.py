"""Rules that choose when a job starts, one file each; a file defines ``policy() -> Policy``."""

from vispa_green.model import Policy
from vispa_green.registry import Registry

POLICIES: Registry[Policy] = Registry("policy", __name__, "policy")
