"""Ways to find the jobs of a node, one file each; a file defines ``tracker(host) -> Tracker | None``.

``None`` means that this way does not exist on the host.
"""

from vispa_green.model import Tracker
from vispa_green.registry import Registry

TRACKERS: Registry[Tracker | None] = Registry("tracker", __name__, "tracker")
