"""Readers of a PostgreSQL ledger: the database itself shows whoever logged in his own jobs, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from lab.postgres import OWNER, shared_server

from tests.contracts.plain_sql import asked, copied_ledger
from tests.contracts.rows import BERLIN, HOUR, START, fact, two_users
from vispa_green.errors import LedgerError
from vispa_green.ledgers import open_ledger
from vispa_green.model import Dimension, GridKind, GridValue, JobKey, ProjectTag, Quantity, Selection

_ROLES = itertools.count(1)


@contextmanager
def let_in(url: str) -> Iterator[str]:
    """Yield the address of the same ledger for a role that was let in to read, and nothing else."""
    name, database = f"ada{next(_ROLES)}", urlsplit(url).path[1:]
    server = shared_server()
    server.execute(f"CREATE ROLE {name} LOGIN IN ROLE vispa_reader", "postgres")
    try:
        yield server.url(database, name)
    finally:
        server.execute(f"DROP OWNED BY {name}", database)
        server.execute(f"DROP ROLE {name}", "postgres")


@pytest.fixture
def reader(url: str) -> Iterator[str]:
    with let_in(url) as own:
        yield own


@pytest.fixture(scope="module")
def reader_of_two_users() -> Iterator[str]:
    """A reader of a ledger that has jobs of his and of another; nothing that he tries changes it."""
    with copied_ledger() as url, let_in(url) as own:
        with closing(open_ledger(url)) as ledger:
            two_users(ledger, name_in(own))
        yield own


def name_in(url: str) -> str:
    return str(urlsplit(url).username)


BY_JOB = ("job_total", "job_quarter", "job_stay", "job_fact", "job_share", "job_presence")


def test_a_reader_sees_rows_of_his_own_jobs_whatever_he_asks(url: str, reader: str) -> None:
    mine = name_in(reader)
    with closing(open_ledger(url)) as ledger:
        two_users(ledger, mine)
    own = {row[0] for row in asked(url, f"SELECT id FROM job WHERE owner = '{mine}' OR same_as IN"
                                        f" (SELECT id FROM job WHERE owner = '{mine}')")}  # fmt: skip
    assert {row[0] for row in asked(reader, "SELECT id FROM job")} == own
    assert asked(reader, "SELECT DISTINCT owner FROM owner_day") == [(mine,)]
    assert asked(reader, 'SELECT DISTINCT "user" FROM promise') == [(mine,)]
    for table in BY_JOB:
        everything, found = (asked(who, f"SELECT DISTINCT job FROM {table}") for who in (url, reader))
        assert {row[0] for row in found} == own & {row[0] for row in everything}, table
        assert found
        assert len(everything) > len(found)


def test_a_reader_sees_tags_and_sums_by_week_of_his_own_jobs(url: str, reader: str) -> None:
    mine = name_in(reader)
    with closing(open_ledger(url)) as ledger:
        two_users(ledger, mine)
        tags = [
            ProjectTag("lab", number, START, project, by, START)
            for number, project, by in (("7", "a=0.5,b=0.5", "root"), ("8", "secret=0.5,x=0.5", "bob"))
        ]
        ledger.projects.append(tags)
        at = START + timedelta(days=90)
        value = GridValue(Quantity.CARBON_INTENSITY, GridKind.MEASURED, at, at + HOUR, 1.0, "x", at, at)
        ledger.grid.append([value])  # long after, so that the sums are made
        assert asked(url, "SELECT changed_us FROM week_part") == [(None,)]
        for table in ("owner_week", "owner_week_grid"):
            assert {owner for (owner,) in asked(url, f"SELECT owner FROM {table}")} == {mine, "bob"}
            assert {owner for (owner,) in asked(reader, f"SELECT owner FROM {table}")} == {mine}
        assert asked(reader, "SELECT job_id, project FROM project_tag") == [("7", "a=0.5,b=0.5")]
        assert asked(reader, "SELECT part FROM project_part ORDER BY part") == [("a",), ("b",)]
        with closing(open_ledger(reader, read_only=True)) as own:
            assert own.projects.tags(Selection()) == tags[:1]
            by = (Dimension.WEEK, Dimension.PROJECT)
            everything = own.energy.totals(Selection(), by, BERLIN)
            assert everything == ledger.energy.totals(Selection(users=(mine,)), by, BERLIN)
            assert {total.group[Dimension.PROJECT] for total in everything} == {"a=0.5,b=0.5", ""}
            assert own.energy.totals(Selection(projects=("secret",)), by, BERLIN) == []


def test_a_table_of_a_readers_own_does_not_pass_for_the_ledgers(url: str, reader: str) -> None:
    """Temporary tables come first where a name says no schema, and everybody may make them."""
    with closing(open_ledger(url)) as ledger:
        two_users(ledger, name_in(reader))
    with psycopg.connect(reader, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE job (id bigint, owner name, same_as bigint)")
        connection.execute("INSERT INTO job SELECT n, session_user FROM generate_series(1, 100) AS n")
        connection.execute("GRANT SELECT ON job TO PUBLIC")
        found = connection.execute("SELECT DISTINCT owner FROM public.job").fetchall()
    assert found == [(name_in(reader),)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT measured_uj FROM energy_entry",
        "SELECT * FROM node_interval",
        "SELECT * FROM node_quarter",
        "SELECT * FROM job_share_20260621",
        "SELECT * FROM spool",
        "INSERT INTO meta (key, value) VALUES ('x', 'y')",
        "UPDATE job SET owner = session_user",
        "DELETE FROM promise",
        "INSERT INTO project_part (part, project) VALUES ('a', 'b')",
        "UPDATE week_part SET changed_us = 0",
        "SELECT let_in('vispa_reader')",
        "ALTER TABLE job DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE mine (a int)",
        "SET ROLE vispa",
    ],
)
def test_a_reader_is_refused_everything_else(reader_of_two_users: str, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable)):
        asked(reader_of_two_users, statement)


def test_who_somebody_asks_for_is_believed_from_the_owner_alone(url: str, reader: str) -> None:
    with closing(open_ledger(url)) as ledger:
        two_users(ledger, name_in(reader))
    shared_server().execute(f"GRANT vispa_reader TO {OWNER}", "postgres")

    def owners(who: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(who, autocommit=True) as connection:
            connection.execute("SELECT set_config('vispa.user', 'bob', false)")
            connection.execute("SET ROLE vispa_reader")
            return connection.execute("SELECT DISTINCT owner FROM owner_day").fetchall()

    assert owners(url) == [("bob",)]
    assert owners(reader) == [(name_in(reader),)]


def test_a_reader_may_use_the_books_and_his_sums_are_whole(url: str, reader: str) -> None:
    with closing(open_ledger(url)) as ledger:
        two_users(ledger, name_in(reader))
        mine = Selection(users=(name_in(reader),))
        span = Selection(start=START + timedelta(minutes=7), end=START + timedelta(minutes=40))
        with closing(open_ledger(reader, read_only=True)) as own:
            assert own.energy.jobs(Selection()) == ledger.energy.jobs(mine)
            assert list(own.energy.postings(Selection())) == list(ledger.energy.postings(mine))
            [inside, _] = own.energy.jobs(span, whole=False)
            assert inside.key == JobKey("lab", "7", START)
            [total] = own.energy.totals(span, (Dimension.CLUSTER,), BERLIN)
            assert 0 < total.sums[0].busy_uj < 1070
            with pytest.raises(LedgerError, match="read-only"):
                own.facts.append("lab", [fact("7", comment="mine")], START)
