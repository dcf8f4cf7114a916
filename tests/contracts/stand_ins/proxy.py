"""A proxy at an address that the site has named."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.standing_in import StandIn
from vispa_green.credentials import OtherEnd


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield what it sends of ada."""
    yield StandIn(
        table={"addresses": ["192.0.2.7"]}, user="ada", headers={"X-Remote-User": "ada"}, end=OtherEnd("192.0.2.7")
    )
