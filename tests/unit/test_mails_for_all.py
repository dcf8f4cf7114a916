"""The weekly mails of everybody: each once, whatever happens, and nobody's fault is another's."""

from __future__ import annotations

import json
import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.mailsink import MailSink
from lab.story import Story

from tests.contracts.rows import promise
from vispa_green.errors import MailError
from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, JobFact, Quantity
from vispa_green.reports.journal import journal
from vispa_green.units import UJ_PER_WH

MONDAY = datetime(2026, 11, 9, tzinfo=ZoneInfo("Europe/Berlin"))
BEGIN = MONDAY + timedelta(hours=30)
WAITED = {1: timedelta(hours=6), 2: timedelta(hours=12)}
"""From dirtier hours into cleaner ones, and from cleaner ones."""
USERS = [f"user{number:02}" for number in range(24)]
HOSTILE = ["<script>x</script>", 'a"b', "a b", "-oQ/tmp/x", "x@evil.org", "ü", "a\nBcc: all@example.org"]
SEND = ("report", "weekly", "--all", "--send", "--week", "2026-W46")


def told(story: Story, users: list[str], sink: MailSink | None, more: str = "") -> Story:
    """Give each user a job in week 46, a different energy each."""
    where = f'host = "{sink.host}"\nport = {sink.port}\n' if sink else ""
    story.configure(f'[cluster]\nname = "lab"\n[mail]\ndomain = "example.org"\n{where}{more}')
    story.cluster = "lab"
    shares = {str(n): (n * UJ_PER_WH, n * 1000) for n in range(1, len(users) + 1)}
    story.interval(BEGIN, 1800, {Component.CPU: shares}, uid=4711)
    end = BEGIN + timedelta(minutes=30)
    story.facts(
        *[
            JobFact(str(n), str(n), user, "phys", "main", "<b>fit</b>\r\nSubject: x", "COMPLETED", ("n1",),
                    BEGIN - WAITED.get(n, timedelta(0)), BEGIN, BEGIN, end, timedelta(hours=1), 1,
                    project=f"project{n % 3}", uid=4711)
            for n, user in enumerate(users, 1)
        ]
    )  # fmt: skip
    story.grid(
        Quantity.CARBON_INTENSITY,
        MONDAY.astimezone(ZoneInfo("UTC")),
        [300.0] * 18 + [100.0] * 6 + [500.0] * 6 + [300.0] * 138,
    )
    story.grid(Quantity.RENEWABLE_SHARE, MONDAY.astimezone(ZoneInfo("UTC")), [50.0] * 168)
    return story


def recipients(sink: MailSink) -> Counter[str]:
    return Counter(one for mail in sink.messages for one in mail.recipients)


def once_each(users: list[str]) -> Counter[str]:
    return Counter(f"{user}@example.org" for user in users)


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as there:
        yield there


def test_everybody_gets_one_and_no_second(story: Story, sink: MailSink) -> None:
    told(story, USERS, sink)
    first = story.run(*SEND)
    assert (first.returncode, first.stdout) == (0, "week 2026-W46: 24 sent\n"), first.stderr
    assert recipients(sink) == once_each(USERS)
    again = story.run(*SEND)
    assert (again.returncode, again.stdout) == (0, "week 2026-W46: 0 sent, 24 had theirs\n")
    assert len(sink.messages) == 24
    assert story.run(*SEND, "--again").returncode == 0
    assert len(sink.messages) == 48


def test_who_wants_none_gets_none_and_each_his_language(story: Story, sink: MailSink) -> None:
    told(story, USERS, sink, 'unsubscribe_url = "https://account.example"\nlanguage = "de"\n')
    with closing(open_ledger(story.url)) as ledger:
        ledger.preferences.keep(USERS[0], None, False, MONDAY)
        ledger.preferences.keep(USERS[1], "en", None, MONDAY)
    assert story.run(*SEND).stdout == "week 2026-W46: 23 sent, 1 want none\n"
    mails = {mail.recipients[0].partition("@")[0]: mail.message for mail in sink.messages}
    assert set(mails) == set(USERS[1:])
    assert (mails[USERS[1]]["Subject"], mails[USERS[2]]["Subject"]) == (
        "Week 46: 2.00 Wh on lab", "Woche 46: 3,00 Wh auf lab",
    )  # fmt: skip
    ways = {mail["List-Unsubscribe"] for mail in mails.values()}
    assert len(ways) == 23, "each has his own"
    assert all(way.startswith("<https://account.example/unsubscribe?u=") for way in ways)
    assert {mail["List-Unsubscribe-Post"] for mail in mails.values()} == {"List-Unsubscribe=One-Click"}


def test_what_shifting_brought_is_told_of_each_and_losses_too(story: Story, sink: MailSink) -> None:
    told(story, USERS[:3], sink)
    with closing(open_ledger(story.url)) as ledger:
        for number, user in enumerate(USERS[:2], 1):
            ledger.promises.append(promise(str(number), user, BEGIN - WAITED[number]))
    found = [
        json.loads(story.run("report", "weekly", "--user", user, "--week", "2026-W46", "--json").stdout)["report"]
        for user in USERS[:2]
    ]
    better, worse = (one["shifted"] for one in found)
    assert better == {"jobs": 1, "better": 1, "worse": 0, "unknown": 0, "saved_g": pytest.approx(0.2, rel=1e-3)}
    assert worse == {"jobs": 1, "better": 0, "worse": 1, "unknown": 0, "saved_g": pytest.approx(-0.4, rel=1e-3)}
    assert story.run(*SEND).returncode == 0
    plain = {mail.recipients[0].partition("@")[0]: mail.message.get_body(("plain",)) for mail in sink.messages}
    texts = {user: " ".join(body.get_content().split()) for user, body in plain.items() if body is not None}
    assert "green jobs: 1; 0.20 g of CO2 saved" in texts[USERS[0]]
    assert "green jobs: 1; 0.40 g of CO2 more" in texts[USERS[1]]
    assert "green jobs" not in texts[USERS[2]]


def test_prefs_are_ones_own(story: Story) -> None:
    told(story, USERS[:1], None)
    assert story.run("prefs").stdout == "language en (as the site), weekly on\n"
    assert story.run("prefs", "--language", "de", "--weekly", "off").stdout == "language de, weekly off\n"
    assert json.loads(story.run("prefs", "--weekly", "on", "--json").stdout) == {
        "meta": {"version": 1}, "user": pwd.getpwuid(os.getuid()).pw_name, "language": "de", "weekly": True,
    }  # fmt: skip


def test_figures_are_those_of_the_account_to_the_microjoule(story: Story, sink: MailSink) -> None:
    told(story, USERS, sink)
    span = ("-S", "2026-11-09", "-E", "2026-11-16", "--allusers", "--json", "--by", "user")
    rows = json.loads(story.run("energy", *span).stdout)["totals"]
    of_user = {row["user"]: row for row in rows}
    for user in USERS[:4]:
        mail = json.loads(story.run("report", "weekly", "--user", user, "--week", "2026-W46", "--json").stdout)
        assert mail["report"]["energy_uj"] == of_user[user]["energy_uj"]
        assert mail["report"]["co2_g"] == pytest.approx(of_user[user]["co2_g"], rel=1e-12)
        assert sum(one["energy_uj"] for one in mail["report"]["projects"]) == of_user[user]["energy_uj"]
    story.run(*SEND)
    texts = {m.recipients[0]: m.message.get_body(("plain",)) for m in sink.messages}
    for number, user in enumerate(USERS, 1):
        plain = texts[f"{user}@example.org"]
        assert plain is not None
        assert f"{number}.0" in plain.get_content()


def test_killed_at_any_moment_nobody_gets_two_and_nobody_is_missed_unnamed(story: Story) -> None:
    """What was on its way when the program was killed is named, and nothing else is left out."""
    with MailSink(pause_s=0.02) as sink:
        told(story, USERS, sink)
        draw, named = random.Random(46), set[str]()
        for _ in range(40):
            environment = {**os.environ, "VISPA_GREEN_STATE": str(story.directory / "state")}
            program = subprocess.Popen(
                [Path(sys.executable).with_name("vispa-green"), *SEND, "--config", story.config],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
            )  # fmt: skip
            before = len(sink.messages)
            until = time.perf_counter() + 60
            while len(sink.messages) < before + 3 and program.poll() is None and time.perf_counter() < until:
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.03))
            program.kill()
            out, error = program.communicate()
            if "sent" in out:
                named = {line.partition(":")[0] for line in error.splitlines() if "not known whether" in line}
                break
        got = recipients(sink)
        assert set(got.values()) == {1}, "nobody twice"
        missed = set(USERS) - {address.partition("@")[0] for address in got}
        assert missed <= named, "nobody missed but who was named"
        assert len(named) < len(USERS) / 2


def test_asked_to_stop_it_finishes_the_mail_and_says_so(story: Story) -> None:
    with MailSink(pause_s=0.05) as sink:
        told(story, USERS, sink)
        environment = {**os.environ, "VISPA_GREEN_STATE": str(story.directory / "state")}
        program = subprocess.Popen(
            [Path(sys.executable).with_name("vispa-green"), *SEND, "--config", story.config],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        while not sink.messages and program.poll() is None:
            time.sleep(0.01)
        program.send_signal(signal.SIGTERM)
        _, error = program.communicate(timeout=60)
        assert program.returncode == 1
        assert "the next call sends the rest" in error
        rest = story.run(*SEND)
        assert "in doubt" not in rest.stdout
    assert recipients(sink) == once_each(USERS)


def test_refused_addresses_are_told_of_and_tried_again(story: Story) -> None:
    refused = [f"{user}@example.org" for user in USERS[3:5]]
    with MailSink(refused=refused) as sink:
        told(story, USERS, sink)
        done = story.run(*SEND)
    assert (done.returncode, done.stdout) == (1, "week 2026-W46: 22 sent, 2 failed\n")
    assert [line.partition(":")[0] for line in done.stderr.splitlines() if "550" in line] == USERS[3:5]
    assert recipients(sink) == once_each([user for user in USERS if user not in USERS[3:5]])
    with MailSink() as mended:
        told_config(story, mended)
        assert story.run(*SEND).stdout == "week 2026-W46: 2 sent, 22 had theirs\n"
    assert recipients(mended) == once_each(USERS[3:5])


def told_config(story: Story, sink: MailSink, more: str = "") -> None:
    text = story.config.read_text().partition("[mail]")[0]
    story.config.write_text(f'{text}[mail]\ndomain = "example.org"\nhost = "{sink.host}"\nport = {sink.port}\n{more}')


def test_a_server_that_hangs_up_is_called_again(story: Story) -> None:
    with MailSink(hangs_up_after=5) as sink:
        told(story, USERS, sink)
        done = story.run(*SEND)
    assert (done.returncode, done.stdout) == (0, "week 2026-W46: 24 sent\n"), done.stderr
    assert recipients(sink) == once_each(USERS)


def test_a_dead_server_fails_all_once_and_the_next_call_sends_them(story: Story, sink: MailSink) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    told(story, USERS, None, f'host = "127.0.0.1"\nport = {port}\n')
    done = story.run(*SEND)
    assert (done.returncode, done.stdout) == (1, "week 2026-W46: 0 sent, 24 failed\n")
    assert "cannot be reached" in done.stderr
    told_config(story, sink)
    assert story.run(*SEND).stdout == "week 2026-W46: 24 sent\n"


def test_without_the_encryption_that_is_asked_for_nothing_is_sent(story: Story, sink: MailSink) -> None:
    told(story, USERS[:2], sink, "starttls = true\n")
    done = story.run(*SEND)
    assert (done.returncode, done.stdout) == (1, "week 2026-W46: 0 sent, 2 failed\n")
    assert "offers no safe connection" in done.stderr
    assert not sink.messages


def test_hostile_names_harm_neither_mail_nor_the_others(story: Story, sink: MailSink) -> None:
    told(story, ["ada", *HOSTILE], sink)
    done = story.run(*SEND)
    assert done.returncode == 1, "some names no mail can be addressed to"
    assert "ada@example.org" in recipients(sink)
    for mail in sink.messages:
        assert all(one.endswith("@example.org") for one in mail.recipients)
        message = mail.message
        assert len(message.get_all("Subject", [])) == 1
        assert message["Bcc"] is None
        html, plain = message.get_body(("html",)), message.get_body(("plain",))
        assert html is not None
        assert plain is not None
        assert "<b>fit" not in html.get_content()
        assert "<script" not in html.get_content()
        assert "<b>fit" in plain.get_content()
        assert "\nSubject: x" not in plain.get_content()


def test_the_sendmail_program_gets_each_mail(story: Story, tmp_path: Path) -> None:
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\ncat > "{tmp_path}/got.$$"\n')
    program.chmod(0o755)
    told(story, USERS[:3], None, f'sendmail = "{program}"\n')
    assert story.run(*SEND).stdout == "week 2026-W46: 3 sent\n"
    mails = sorted(path.read_text() for path in tmp_path.glob("got.*"))
    assert [user for user in USERS if any(f"To: {user}@example.org\n" in mail for mail in mails)] == USERS[:3]
    program.write_text("#!/bin/sh\necho full >&2\nexit 75\n")
    failed = story.run(*SEND, "--again")
    assert failed.returncode == 1
    assert "exit code 75: full" in failed.stderr


ENDS = st.tuples(st.sampled_from("abc"), st.sampled_from(["taken", "refused", "killed"]))


@given(st.lists(ENDS), st.integers(0, 20))
def test_the_journal_knows_after_any_end_what_it_knew_before(steps: list[tuple[str, str]], torn: int) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)
        known: dict[str, str] = {}
        for user, end in steps:
            with journal(directory, "2026-W46") as kept:
                kept.begun(user)
                if end != "killed":
                    getattr(kept, end)(user)
            known[user] = end
        if torn:  # a line of which only a part reached the disk
            with (directory / "2026-W46.log").open("a") as file:
                file.write('["begun", "abcdefghij"]'[:torn])
        with journal(directory, "2026-W46") as kept:
            assert all(kept.is_taken(user) is (end == "taken") for user, end in known.items())
            assert all(kept.is_doubtful(user) is (end == "killed") for user, end in known.items())
            kept.begun("z")
            with pytest.raises(MailError, match="just now"), journal(directory, "2026-W46"):
                pass
        with journal(directory, "2026-W46") as kept:
            assert kept.is_doubtful("z")
