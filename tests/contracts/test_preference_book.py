"""Laws of the book of preferences: what a user said last holds, what he left out stays, and nobody else's changes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import strategies as st

from tests.contracts.rows import SECOND, START
from tests.contracts.standing_in import over_ledgers, stand_in_of
from vispa_green.model import Ledger, Preference

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bob", "a'b\n"]),
        st.sampled_from([None, "", "de", "en"]),
        st.sampled_from([None, True, False]),
    ),
    max_size=12,
)


def test_of_who_never_said_anything_nothing_is_told(ledger: Ledger) -> None:
    assert ledger.preferences.preferences() == []
    ledger.preferences.keep("ada", "de", None, START)
    assert ledger.preferences.preferences(("bob",)) == []
    assert ledger.preferences.preferences(("bob", "ada")) == [Preference("ada", "de", True)]


@over_ledgers(30, steps=STEPS)
def test_what_was_said_last_holds(name: str, steps: list[tuple[str, str | None, bool | None]]) -> None:
    with TemporaryDirectory() as directory, stand_in_of(name).healthy(Path(directory)) as there:
        ledger = there.ledger(create=True)
        held: dict[str, Preference] = {}
        for second, (user, language, weekly) in enumerate(steps):
            ledger.preferences.keep(user, language, weekly, START + second * SECOND)
            before = held.get(user, Preference(user, "", True))
            held[user] = Preference(
                user,
                before.language if language is None else language,
                before.weekly if weekly is None else weekly,
            )
        assert ledger.preferences.preferences() == [held[user] for user in sorted(held)]
        ledger.close()
