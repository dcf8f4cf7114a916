"""One user's secret in a file."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield a file that is good for both sides."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "tokens"
    file.touch(0o600)
    file.write_text(f"user:ada {secrets.token_hex(32)}\n")
    yield StandIn(table={"file": str(file)}, user="ada")
