"""A connection by a unix socket from this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.standing_in import StandIn
from vispa_green.credentials import OtherEnd
from vispa_green.host import user_name


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield what the kernel would say of it."""
    yield StandIn(user=user_name(os.getuid()), end=OtherEnd(uid=os.getuid()))
