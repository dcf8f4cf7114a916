"""Rules that choose when a job starts, one file each; a file defines ``make(host, options) -> Policy``."""

from vispa_green.model import Policy
from vispa_green.registry import Variants

POLICIES: Variants[Policy] = Variants("policy", __name__, "green")
