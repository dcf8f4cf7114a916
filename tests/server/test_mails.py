"""The address at the end of a mail takes its reader off the list, by a real server; nothing and nobody else does."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.real_server import RealServer
from tests.server.asking import Reply, post, raw
from vispa_green.answers.preferences import leave_address, who_leaves
from vispa_green.errors import CredentialRefused
from vispa_green.ledgers import open_ledger

KEY = bytes(range(32))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(min_size=1), st.integers(0, 300))
def test_an_address_is_of_its_user_and_cluster_alone(user: str, other: str, place: int) -> None:
    query = leave_address("https://x/", KEY, "lab", user).partition("?")[2]
    name, signature = (part.partition("=")[2] for part in query.split("&"))
    assert who_leaves(KEY, "lab", name, signature) == user
    forged = leave_address("https://x", bytes(32), "lab", user).rpartition("=")[2]
    spoilt = signature[: place % 64] + ("0" if signature[place % 64] != "0" else "1") + signature[place % 64 + 1 :]
    for cluster, called, signed in (
        ("lab2", name, signature), ("lab", name, forged), ("lab", name, spoilt), ("lab", name, ""),
        ("lab", other, signature if other != name else "x"),
    ):  # fmt: skip
        with pytest.raises(CredentialRefused):
            who_leaves(KEY, cluster, called, signed)


def key(server: RealServer) -> bytes:
    asked(server, "GET", "/unsubscribe?u=x&s=y")  # the key is made when it is needed
    (path,) = Path(server.directory).rglob("unsubscribe.key")
    assert path.stat().st_mode & 0o077 == 0
    return path.read_bytes()


def asked(server: RealServer, method: str, target: str) -> Reply:
    body = b"List-Unsubscribe=One-Click" if method == "POST" else b""
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    if body:
        head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    return raw(server, head.encode() + b"\r\n" + body)


def wants(server: RealServer) -> dict[str, bool]:
    with closing(open_ledger(server.ledger_url)) as ledger:
        return {one.user: one.weekly for one in ledger.preferences.preferences()}


def test_one_click_is_enough_and_a_look_is_none(server: RealServer) -> None:
    target = leave_address("", key(server), "lab", "ada")
    page = asked(server, "GET", target)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<button>" in page.body
    assert "ada" not in wants(server)
    for _ in range(2):
        assert asked(server, "POST", target).status == 200
    assert wants(server)["ada"] is False


@pytest.mark.parametrize(
    "target", ["/unsubscribe", "/unsubscribe?u=Ym9i&s=", "/unsubscribe?u=%00&s=%ff", "/unsubscribe?u=Ym9i&s=00"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_that_is_not_ours_changes_nothing(server: RealServer, method: str, target: str) -> None:
    assert asked(server, method, target).status == 401
    assert "bob" not in wants(server)


def test_by_the_book_everybody_speaks_for_himself(server: RealServer) -> None:
    said = {"user": "cyd", "language": "de", "weekly": True, "at": 0}
    assert post(server, "user:cyd", "/v1/books/preferences/keep", said).status == 200
    assert post(server, "user:bob", "/v1/books/preferences/keep", said).status == 403
    assert post(server, "node:n1", "/v1/books/preferences/keep", {**said, "user": ""}, "n1").status == 403
    for users in ([], ["cyd"]):
        assert b"cyd" not in post(server, "user:bob", "/v1/books/preferences/preferences", {"users": users}).body
    assert b"cyd" in post(server, "user:boss", "/v1/books/preferences/preferences", {}).body
