"""Laws of every way to prove who asks: a proof is good once, for one request, and for nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.standing_in import StandIn, stand_in_of
from vispa_green import host
from vispa_green.credentials import CREDENTIALS, Asked, Caller, Credential, OtherEnd
from vispa_green.errors import CredentialError, CredentialRefused
from vispa_green.server.seen import SeenFile

ASKED = Asked("POST", "/v1/books/energy/append?a=1", b'{"n": 1}', "n1")
SIGNING = [name for name in CREDENTIALS.names() if name not in {"peer", "proxy"}]
"""Those whose proof is in what is sent; of the others the connection is the proof."""


@dataclass
class Way:
    """One way with what it needs, as the server has it."""

    name: str
    there: StandIn
    credential: Credential
    seen: SeenFile

    def headers(self, asked: Asked = ASKED, ahead_s: float = 0) -> Mapping[str, str]:
        at = host.now().utc + timedelta(seconds=ahead_s)
        given = self.there.headers or self.credential.sign(asked, at)
        return {name.lower(): value for name, value in given.items()}

    def caller(self, headers: Mapping[str, str], asked: Asked = ASKED) -> Caller | None:
        return self.credential.verify(asked, headers, self.there.end, host.now().utc, self.seen)


def way(name: str, directory: Path) -> Iterator[Way]:
    with stand_in_of(name).healthy(directory) as there:
        seen = SeenFile(directory / "seen")
        yield Way(name, there, CREDENTIALS.make(name, None, {name: there.table}), seen)
        seen.close()


@pytest.fixture(params=CREDENTIALS.names(), scope="module")
def every(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    yield from way(request.param, tmp_path_factory.mktemp("credential"))


@pytest.fixture(params=SIGNING, scope="module")
def signing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    yield from way(request.param, tmp_path_factory.mktemp("credential"))


def test_a_good_proof_names_its_user(every: Way) -> None:
    caller = every.caller(every.headers())
    assert caller is not None
    assert (caller.user, caller.kind in {every.name, "token"}) == (every.there.user, True)
    assert caller.uid == host.user_number(caller.user)
    assert caller.node in {"", "n1"}


def test_without_a_proof_nobody_is_named(every: Way) -> None:
    assert every.credential.verify(ASKED, {}, OtherEnd("192.0.2.7"), host.now().utc, every.seen) is None
    assert (
        every.credential.verify(ASKED, {"authorization": "Basic x"}, OtherEnd(), host.now().utc, every.seen) is None
    )


OTHERS = [
    replace(ASKED, method="GET"),
    replace(ASKED, target="/v1/books/energy/prune?a=1"),
    replace(ASKED, target="/v1/books/energy/append?a=2"),
    replace(ASKED, target="/v1/books/energy/append"),
    replace(ASKED, body=b'{"n": 2}'),
    replace(ASKED, body=b""),
    replace(ASKED, node="n2"),
    replace(ASKED, node=""),
]


@pytest.mark.parametrize("asked", OTHERS, ids=str)
def test_it_is_good_for_no_other_request(signing: Way, asked: Asked) -> None:
    with pytest.raises(CredentialRefused):
        signing.caller(signing.headers(), asked)


def test_it_is_good_once(signing: Way) -> None:
    headers = signing.headers()
    assert signing.caller(headers) is not None
    for _ in range(2):
        with pytest.raises(CredentialRefused):
            signing.caller(headers)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_part_of_it_or_garbage_is_refused_in_one_sentence(signing: Way, data: st.DataObject) -> None:
    whole = signing.headers()["authorization"]
    scheme = whole.partition(" ")[0]
    cut = st.integers(len(scheme) + 1, len(whole) - 2).map(lambda length: whole[:length])
    swapped = st.integers(len(scheme) + 8, len(whole) - 8).map(
        lambda i: whole[:i] + ("b" if whole[i] != "b" else "c") + whole[i + 1 :]
    )
    garbage = st.text(max_size=300).map(lambda text: f"{scheme} {text}")
    with pytest.raises(CredentialError) as refused:
        signing.caller({"authorization": data.draw(cut | swapped | garbage)})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("ahead_s", [-301, 301, 10**6])
def test_a_token_of_another_time_is_refused(tmp_path: Path, ahead_s: int) -> None:
    for token in way("token", tmp_path):
        with pytest.raises(CredentialRefused, match=r"s (old|ahead)"):
            token.caller(token.headers(ahead_s=ahead_s))


def test_what_was_seen_is_remembered_by_a_server_that_was_started_anew(tmp_path: Path) -> None:
    for token in way("token", tmp_path):
        headers = token.headers()
        assert token.caller(headers) is not None
        token.seen.close()
        token.seen = SeenFile(tmp_path / "seen")
        with pytest.raises(CredentialRefused, match="used before"):
            token.caller(headers)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_of_secrets_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    for token in way("token", tmp_path):
        headers = token.headers()
        (tmp_path / "tokens").chmod(mode)
        with pytest.raises(CredentialError, match="chmod 0600"):
            token.headers()
        with pytest.raises(CredentialError, match="chmod 0600"):
            token.caller(headers)


@pytest.mark.parametrize(
    "text", ["ada abc", "user:ada", "user:0 " + "ab" * 32, "node:../x " + "ab" * 32, "user:ada é"]
)
def test_a_file_that_is_none_of_secrets_is_refused(tmp_path: Path, text: str) -> None:
    for token in way("token", tmp_path):
        (tmp_path / "tokens").write_text(text)
        with pytest.raises(CredentialError) as refused:
            token.headers()
        assert "ab" * 32 not in str(refused.value), "no secret in a message"


def test_a_nodes_secret_speaks_for_that_node_alone(tmp_path: Path) -> None:
    for token in way("token", tmp_path):
        (tmp_path / "tokens").write_text("node:n1 " + "ab" * 32)
        assert token.caller(token.headers()) == Caller(None, "", "n1", "token")
        other = replace(ASKED, node="n2")
        with pytest.raises(CredentialRefused, match="does not speak for another"):
            token.caller(token.headers(other), other)


def test_a_proxy_is_believed_from_where_it_is_named_only(tmp_path: Path) -> None:
    for proxy in way("proxy", tmp_path):
        for end in (OtherEnd("192.0.2.8"), OtherEnd(), OtherEnd(uid=os.getuid())):
            proxy.there = replace(proxy.there, end=end)
            with pytest.raises(CredentialRefused, match="not believed from here"):
                proxy.caller(proxy.headers())


@pytest.mark.parametrize("name", ["", "a b", "../x", "0", "ada,root", "ada\n", "ädä", "a" * 65])
def test_a_proxys_header_has_to_be_a_name(tmp_path: Path, name: str) -> None:
    for proxy in way("proxy", tmp_path):
        with pytest.raises(CredentialRefused, match="no user's name"):
            proxy.caller({"x-remote-user": name})


def test_behind_a_proxy_the_sockets_user_is_not_who_asks(tmp_path: Path) -> None:
    for peer in way("peer", tmp_path):
        with pytest.raises(CredentialRefused, match="a proxy"):
            peer.caller({"x-forwarded-for": "192.0.2.1"})


AS_SOMEBODY = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from vispa_green.credentials import Asked
from vispa_green.credentials import _libmunge
from vispa_green.credentials.munge import Munge, Options
asked = Asked("POST", "/v1/books/energy/append?a=1", b'{"n": 1}', "n1")
asked.digest()  # this user may not read where Python is, so all is imported before
os.setgid(65534); os.setuid(65534)
print(Munge(Options(Path(sys.argv[1]))).sign(asked, datetime(2026, 1, 1, tzinfo=UTC))["Authorization"])
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_munge_proves_another_user_and_says_where(tmp_path: Path) -> None:
    for munge in way("munge", tmp_path):
        command = [sys.executable, "-c", AS_SOMEBODY, str(munge.there.table["socket"])]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert munge.caller({"authorization": said}) == Caller(65534, "nobody", "n1", "munge", "127.0.0.1")


def test_where_munge_is_away_that_is_no_fault_of_the_proof(tmp_path: Path) -> None:
    gone = CREDENTIALS.make("munge", None, {"munge": {"socket": str(tmp_path / "none")}})
    with pytest.raises(CredentialError) as failed:
        gone.sign(ASKED, host.now().utc)
    assert not isinstance(failed.value, CredentialRefused)
