"""Everything else that somebody hostile may send, over every interface of a real server; after each it lives."""

from __future__ import annotations

import gzip
import json
import socket
import time
from contextlib import closing, suppress

import pytest

from tests.contracts.real_server import RealServer, served
from tests.server.asking import APPEND, JOBS, an_interval, ask, delivery, get, post, proof, raw, request
from vispa_green.codec import text_of
from vispa_green.credentials import Asked
from vispa_green.ledgers import open_ledger
from vispa_green.model import Selection


def test_a_body_that_is_too_large_is_not_read(server: RealServer) -> None:
    asked = Asked("POST", JOBS, b"{}")
    reply = raw(server, request(asked, proof(server, "user:ada", asked), length=10**12))
    assert reply.status == 413


def test_a_bomb_is_not_unpacked(server: RealServer) -> None:
    body = gzip.compress(b" " * 50_000_000)
    reply = ask(server, "user:ada", Asked("POST", JOBS, body), {"Content-Encoding": "gzip"})
    assert reply.status == 413


BROKEN_ZIPS = [b"", b"\x1f\x8b", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"x", b"{}"]


@pytest.mark.parametrize("body", BROKEN_ZIPS, ids=range(len(BROKEN_ZIPS)))
def test_a_broken_gzip_is_refused(server: RealServer, body: bytes) -> None:
    assert ask(server, "user:ada", Asked("POST", JOBS, body), {"Content-Encoding": "gzip"}).status == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_refused(server: RealServer, kind: str) -> None:
    assert ask(server, "user:ada", Asked("POST", JOBS, b"{}"), {"Content-Type": kind}).status == 415


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_another_encoding_is_refused(server: RealServer, coding: str) -> None:
    assert ask(server, "user:ada", Asked("POST", JOBS, b"{}"), {"Content-Encoding": coding}).status == 415


def test_a_body_without_a_length_is_refused(server: RealServer) -> None:
    asked = Asked("POST", JOBS, b"")
    chunked = request(asked, {**proof(server, "user:ada", asked), "Transfer-Encoding": "chunked"})
    chunked = chunked.replace(b"Content-Length: 0\r\n", b"") + b"2\r\n{}\r\n0\r\n\r\n"
    assert raw(server, chunked).status == 411


def test_two_lengths_are_refused(server: RealServer) -> None:
    asked = Asked("POST", JOBS, b"{}")
    data = request(asked, proof(server, "user:ada", asked))
    both = data.replace(b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 3")
    assert raw(server, both).status == 400
    smuggled = data.replace(b"Content-Length: 2", b"Content-Length: 2\r\nTransfer-Encoding: chunked")
    assert raw(server, smuggled).status in {400, 411}


SLOW = [b"", b"G", b"GET /v1/hello HTTP/1.1\r\nHost: x\r\nX: "]


@pytest.mark.parametrize("sent", SLOW, ids=["silent", "a byte", "headers without end"])
def test_who_is_slow_holds_nobody_up(server: RealServer, sent: bytes) -> None:
    """More of them than the server has threads; each keeps sending a byte now and then."""
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
    try:
        began = time.monotonic()  # noqa: TID251 - real time is what is measured
        for connection in slow:
            connection.sendall(sent)
        waited = 0.0
        while waited < 1:
            for connection in slow:
                with suppress(OSError):
                    connection.sendall(b"a" if sent else b"")
            time.sleep(0.3)
            waited = time.monotonic() - began  # noqa: TID251
        assert get(server, "user:ada", "/v1/hello").status == 200
        assert time.monotonic() - began < 20  # noqa: TID251
    finally:
        for connection in slow:
            connection.close()


def test_half_a_body_is_cut_off(server: RealServer) -> None:
    asked = Asked("POST", JOBS, b'{"selection"')
    data = request(asked, proof(server, "user:ada", asked), length=5000)
    began = time.monotonic()  # noqa: TID251
    reply = raw(server, data)
    assert time.monotonic() - began < 20  # noqa: TID251
    assert b"lab" not in reply.raw


GARBAGE = [
    b"\x00" * 100 + b"\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET " + b"/a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/hello HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n",
    b"GET /v1/hello HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    b"GET /v1/hello HTTP/1.1\r\nHost: x\r\nAuthorization : MUNGE x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_what_is_no_request_is_refused(server: RealServer, data: bytes, *, unix: bool) -> None:
    reply = raw(server, data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1), unix=unix)
    assert reply.status in {0, 400, 401, 404, 405, 414, 431, 505}
    assert b"Traceback" not in reply.raw


PATHS = ["/v1/books/energy/__init__", "/v1/books/energy/close", "/v1/books/../../etc/passwd", "/v1/books/energy",
         "/v1/books/%2e%2e/append", "/v1/books/energy/append%00", "/v1/books/__class__/append", "/static/x",
         "/v1/books/energy/jobs/", "//v1/hello", "/v1/books/None/None", "/v1/%F0%9F%92%A9", "/%ff%fe"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_what_is_no_address_is_refused(server: RealServer, path: str) -> None:
    reply = post(server, "user:boss", path, {})
    assert reply.status in {400, 404, 405}
    assert reply.headers["content-type"] == "application/json"


BODIES: list[bytes] = [
    b"", b"null", b"[]", b"7", b'"x"', b"{", b"\xff\xfe", b'{"selection": NaN}',
    b'{"selection": {}, "selection": {}}',
    b'{"selection": {"start": 1e999}}', b'{"selection": {"start": ' + b"9" * 400 + b"}}",
    b'{"selection": {"uids": [' + b"9" * 5000 + b"]}}", b'{"selection":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    b'{"selection": {"users": "ada"}}', b'{"selection": {"users": [7]}}', b'{"selection": {"colour": []}}',
    b'{"selection": {"users": ["\\ud800"]}}', b'{"selection": {"users": ["a\\u0000b"]}}',
    b'{"selection": {}, "whole": 1}', b'{"selection": {"start": 999999999999999999}}',
    b'{"__class__": "x", "selection": {}}', b'{"selection": {}}{"selection": {}}',
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_message_that_is_none_is_refused_in_one_sentence(server: RealServer, body: bytes) -> None:
    reply = post(server, "user:ada", JOBS, body)
    assert reply.status == 400
    assert "\n" not in reply.said
    assert reply.json["error"]["kind"] == "Malformed"


INJECTIONS = ["' OR 1=1 --", '"; DROP TABLE job; --', "%s%n{0}{self}", "$(reboot)", "`id`", "\u202egnp.exe",
              "\x1b[2J",
              "a\r\nX-Evil: 1", "ada\u0000"[:3] + "%00", "ＡＤＡ", "a" * 60_000]  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS, ids=range(len(INJECTIONS)))
def test_a_text_is_a_text(server: RealServer, text: str) -> None:
    """As user, account, job, source: it finds nothing, breaks nothing, and comes into no header."""
    for field in ("users", "accounts", "job_ids", "partitions", "projects", "clusters"):
        for book in ("energy/jobs", "facts/facts", "promises/promises"):
            reply = post(server, "user:boss", f"/v1/books/{book}", {"selection": {field: [text]}})
            # A book of promises does not know accounts; what it finds has not been found by the text.
            assert reply.status == 200, reply.raw
            assert "x-evil" not in reply.headers
    with closing(open_ledger(server.ledger_url, read_only=True)) as ledger:
        assert ledger.energy.verify() == []
        assert len(ledger.facts.facts(Selection())) == 2


QUERIES = ["user=%00", "user=a%0d%0aX-Evil:1", "since=%1b[2J", "since=yesterday-ish", "colour=red", "user=a&user=b",
           "by=horses", "since=9999999999", "user=%E2%80%AEx", "all=1;DROP"]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_a_question_that_is_none_is_refused_and_its_text_not_sent_back_raw(server: RealServer, query: str) -> None:
    reply = get(server, "user:ada", f"/v1/totals?{query}")
    assert reply.status in {200, 400}
    assert "x-evil" not in reply.headers
    assert not {"\x1b", "\u202e"} & set(reply.body.decode())


def test_texts_of_others_come_to_no_log_line_of_their_own(server: RealServer) -> None:
    post(server, "user:boss", JOBS, {"selection": {"users": ['x"}\n{"who":"ada']}})
    assert all(json.loads(line)["who"] in {"boss", "sue"} for line in server.looks.splitlines())


def test_who_asks_too_often_is_told_to_wait() -> None:
    with served(server='credentials = ["token"]\nmost_a_minute = 5', tokens=["user:ada", "user:bob"]) as small:
        found = [get(small, "user:ada", "/v1/hello") for _ in range(8)]
        assert [reply.status for reply in found] == [200] * 5 + [429] * 3
        assert int(found[-1].headers["retry-after"]) >= 1
        assert get(small, "user:bob", "/v1/hello").status == 200, "others are not held up"
        strangers = [raw(small, request(Asked("GET", "/v1/hello"), {})).status for _ in range(8)]
        assert strangers == [401] * 5 + [429] * 3


def test_an_account_that_cannot_be_written_is_no_loss() -> None:
    """A table has gone: the agent is told to come again, and nothing is acknowledged."""
    import sqlite3

    with served(server='credentials = ["token"]', tokens=["node:n1"]) as small:
        with closing(sqlite3.connect(small.directory / "account/ledger.sqlite", isolation_level=None)) as other:
            other.execute("DROP TABLE node_interval")
        reply = post(small, "node:n1", APPEND, delivery(an_interval()))
        assert (reply.status, "retry-after" in reply.headers) == (503, True)
        assert "Traceback" not in reply.body.decode()


def test_no_answer_is_larger_than_its_question_needs(server: RealServer) -> None:
    assert text_of(get(server, "user:ada", "/v1/hello").json).count("ada") == 1
