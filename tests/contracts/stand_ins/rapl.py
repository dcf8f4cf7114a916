"""A node with counters that move when told, and one without any file."""

from tests.contracts.nodes import bare as absent
from tests.contracts.nodes import working as healthy

__all__ = ["absent", "healthy"]
