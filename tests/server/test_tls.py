"""What TLS adds: the same books behind a certificate that has to be known. All laws run over it in full."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.rows import ORIGIN, START, spooled
from tests.contracts.standing_in import stand_in_of
from vispa_green.errors import LedgerError


def test_an_account_is_kept_through_tls(tmp_path: Path) -> None:
    with stand_in_of("https").healthy(tmp_path) as there:
        ledger = there.ledger(create=True)
        assert ledger.energy.append(ORIGIN, spooled(1, 2), START) == 2
        assert [row.difference_uj for row in ledger.energy.balance()] == [0]
        ledger.close()


def test_a_certificate_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with stand_in_of("https").healthy(tmp_path) as there:
        stranger = replace(there, table={key: value for key, value in there.table.items() if key != "ca_file"})
        with pytest.raises(LedgerError, match="certificate"):
            stranger.ledger()
