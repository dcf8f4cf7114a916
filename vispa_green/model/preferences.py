"""What users want of the mails they get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Preference:
    """What one user said last."""

    user: str
    language: str
    """Of his mails; empty: that of the site."""
    weekly: bool
    """Whether he wants a mail each week."""


class PreferenceBook(Protocol):
    """What each user said last."""

    def keep(self, user: str, language: str | None, weekly: bool | None, at: datetime) -> None:
        """Keep what a user says now; ``None`` leaves what he said before."""

    def preferences(self, users: Sequence[str] = ()) -> list[Preference]:
        """Return what these users said, or all, by name; nothing of one who never said anything."""
