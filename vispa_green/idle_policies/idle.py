"""Idle energy stays with the node: no job carries any."""

from __future__ import annotations

from collections.abc import Mapping

from vispa_green.model import IdlePolicy, JobId, NodeActivity


class Unshared:
    """Leaves everything idle."""

    def shares(self, idle_uj: int, activity: NodeActivity) -> tuple[Mapping[JobId, int], int]:
        """Return no shares."""
        return {}, idle_uj


def policy() -> IdlePolicy:
    """Return the policy."""
    return Unshared()
