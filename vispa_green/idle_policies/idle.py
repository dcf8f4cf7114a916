"""Idle energy stays with the node: no job carries any."""

from __future__ import annotations

from collections.abc import Mapping

from vispa_green.host import Host
from vispa_green.model import IdlePolicy, JobId, NodeActivity
from vispa_green.registry import NoOptions


class Unshared:
    """Leaves everything idle."""

    def shares(self, idle_uj: int, activity: NodeActivity) -> tuple[Mapping[JobId, int], int]:
        """Return no shares."""
        return {}, idle_uj


def make(host: Host | None, options: NoOptions) -> IdlePolicy:
    """Return the policy."""
    return Unshared()
