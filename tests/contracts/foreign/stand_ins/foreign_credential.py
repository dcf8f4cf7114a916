"""One user's secret in a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield a file that is good for both sides."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "secret"
    file.touch(0o600)
    file.write_text(f"user:ada {'ab' * 32}\n")
    yield StandIn(table={"secret": str(file)}, user="ada")
