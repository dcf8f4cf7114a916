"""A secret whose file is named otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vispa_green.credentials import Credential
from vispa_green.credentials.token import Token
from vispa_green.host import Host
from vispa_green.settings import place


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[credentials.foreign_credential]``."""

    secret: Path | None = place(None)


def make(host: Host | None, options: Options) -> Credential:
    """Return the way."""
    return Token(options.secret)
