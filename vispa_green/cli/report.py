"""``vispa-green report``: the weekly mail and the page."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from vispa_green.access import Role
from vispa_green.answers.asking import who_asks
from vispa_green.answers.week import week_of
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json, warn
from vispa_green.cli._report_fields import weekly_record
from vispa_green.energy.weekly import Week, WeeklyReport
from vispa_green.errors import MailError, UsageError
from vispa_green.host import user_name
from vispa_green.phrases import LANGUAGES
from vispa_green.printable import printable
from vispa_green.reports.letters import letter_to, letters_to_all
from vispa_green.reports.mail import Letter, report_zone
from vispa_green.reports.sending import Sending
from vispa_green.session import Session, open_session


@click.group("report")
def command() -> None:
    """Reports for people: the weekly mail, and a page about the whole cluster."""


@command.command()
@click.option("--user", metavar="NAME", help="Whose week (default: yours).")
@click.option("--all", "is_for_all", is_flag=True, help="Everybody's who had jobs in the week; for admins.")
@click.option("--week", "week_name", metavar="YYYY-Www", help="Which ISO week (default: the last that is over).")
@click.option(
    "--preview", type=click.Path(path_type=Path, dir_okay=False), help="Write the mail to FILE.eml, .html or .txt."
)
@click.option("--send", is_flag=True, help="Send it to NAME at [mail] domain; once for a week.")
@click.option("--again", is_flag=True, help="Send it although it was sent before, or may have been.")
@click.option("--language", type=click.Choice(LANGUAGES), help="In which language (default: as its reader prefers).")
@config_option
@json_option
def weekly(
    user: str | None,
    week_name: str | None,
    preview: Path | None,
    config_file: Path | None,
    language: str | None,
    *,
    is_for_all: bool,
    send: bool,
    again: bool,
    as_json: bool,
) -> None:
    """Tell a user what the week cost, how green it was, and one thing to try.

    Without --preview or --send, the text of the mail is printed. Weeks and days are cut in [mail] timezone. With
    --all, mails that could not be sent are told of, and the exit code is 1; the next call tries those again.

    \b
    Examples:
      vispa-green report weekly
      vispa-green report weekly --user ada --week 2026-W47 --preview week.html
      vispa-green report weekly --user ada --send
      vispa-green report weekly --all --send
    """
    session = open_session(config_file)
    week = _week(session, week_name)
    if is_for_all:
        if user or preview or as_json or not send:
            raise UsageError("--all goes with --send, and with none of --user, --preview and --json")
        _send_to_all(session, week, language, again=again)
        return
    _check_sender(session, user, send=send)
    report, warnings = week_of(session, user or user_name(os.getuid()), week)
    warn(warnings)
    if as_json:
        print_json({"report": weekly_record(report), "warnings": list(warnings)})
        return
    _give_out(session, report, preview, language, send=send, again=again)


def _period_options(function: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--week", "week_name", metavar="YYYY-Www", help="Which ISO week."),
        click.option("--month", "month_name", metavar="YYYY-MM", help="Which month (default: the last full one)."),
        click.option("--language", type=click.Choice(LANGUAGES), help="In which language (default: the site's)."),
        config_option,
        json_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command()
@click.argument("name")
@_period_options
def account(name: str, **asked: Any) -> None:  # noqa: ANN401
    """Tell what a Slurm account used in a week or month; for its coordinators, support and admins.

    \b
    Examples:
      vispa-green report account physics
      vispa-green report account physics --month 2026-10 --language de
    """
    _tell_group(name, **asked)


@command.command()
@_period_options
def cluster(**asked: Any) -> None:  # noqa: ANN401
    """Tell what all jobs of the cluster used in a week or month; for support and admins.

    \b
    Examples:
      vispa-green report cluster --week 2026-W47
      vispa-green report cluster --month 2026-10 --json
    """
    _tell_group("", **asked)


@command.command()
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Where to write the page."
)
@click.option("-S", "--starttime", metavar="TIME", help="From when (default: a day ago).")
@click.option("-E", "--endtime", metavar="TIME", help="Until when (default: now).")
@config_option
def page(out: Path, starttime: str | None, endtime: str | None, config_file: Path | None) -> None:
    """Write one HTML file about the whole cluster: power, grid, jobs, promises, the balance. It needs nothing else.

    \b
    Examples:
      vispa-green report page --out today.html
      vispa-green report page --out week.html -S now-7days
    """
    from vispa_green.answers.page import cluster
    from vispa_green.reports.page import page_html
    from vispa_green.times.local_zone import local_zone
    from vispa_green.times.past import past_time

    session = open_session(config_file)
    now, zone = session.now.utc, local_zone(os.environ)
    start = past_time(starttime, now, zone) if starttime else now - timedelta(days=1)
    end = past_time(endtime, now, zone) if endtime else now
    if end <= start:
        raise UsageError(f"--endtime {end:%Y-%m-%d %H:%M} UTC is not after --starttime {start:%Y-%m-%d %H:%M} UTC")
    answer = cluster(session, start, end)
    warn(answer.warnings)
    _write(out, page_html(answer, session.config.cluster.name, zone, now).encode())
    click.echo(f"wrote {out}")


def _tell_group(
    account: str,
    *,
    week_name: str | None,
    month_name: str | None,
    language: str | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    from vispa_green.answers.group import group_report
    from vispa_green.cli._report_fields import group_record
    from vispa_green.energy.periods import Period, last_month
    from vispa_green.reports.group import group_text

    if week_name and month_name:
        raise UsageError("give one of --week and --month")
    session = open_session(config_file)
    zone = report_zone(session.config.mail)
    period = Period.month(month_name, zone) if month_name else last_month(session.now.utc, zone)
    if week_name:
        period = Period.of_week(Week.named(week_name, zone))
    report = group_report(session, account, period)
    warn(report.warnings)
    if as_json:
        print_json({"report": group_record(report), "warnings": list(report.warnings)})
        return
    section = session.config
    click.echo(group_text(report, section.cluster.name, language or section.mail.language).rstrip("\n"))


def _week(session: Session, name: str | None) -> Week:
    zone = report_zone(session.config.mail)
    week = Week.named(name, zone) if name else Week.last_full(session.now.utc, zone)
    if week.start > session.now.utc:
        raise UsageError(f"week {week.name} has not begun")
    return week


def _check_sender(session: Session, user: str | None, *, send: bool) -> None:
    """Raise `UsageError` where somebody would send another's mail."""
    principal = who_asks(session)
    if send and Role.ADMIN not in principal.roles and user not in {None, principal.user}:
        raise UsageError(f"the mail of {user} is sent by {user} or by an admin; without --send it is shown")


def _give_out(
    session: Session, report: WeeklyReport, preview: Path | None, language: str | None, *, send: bool, again: bool
) -> None:
    from vispa_green.reports.mail import message_of
    from vispa_green.reports.render import render_weekly, weekly_text

    cluster = session.config.cluster.name
    letter = letter_to(session, report, language)
    if preview is None and not send:
        click.echo(weekly_text(report, cluster, letter.language).rstrip("\n"))
    elif preview is not None and preview.suffix in {".html", ".txt"}:
        pages = render_weekly(report, cluster, letter.language, letter.leave)
        _write(preview, (pages.text if preview.suffix == ".txt" else pages.self_contained_html()).encode())
    elif preview is not None:
        _write(preview, message_of(letter, session.config.mail).as_bytes())
    if preview is not None:
        click.echo(f"wrote {preview}")
    if send and not report.jobs:
        click.echo(f"{report.user} ran no jobs in {report.mark}: nothing sent", err=True)
    elif send:
        _say_sent(_sent(session, [letter], again=again), f"{report.user}@{session.config.mail.domain}")


def _say_sent(result: Sending, address: str) -> None:
    """Say what became of one mail."""
    if result.failed:
        raise MailError(next(iter(result.failed.values())))
    if result.doubtful:
        raise MailError(f"it is not known whether the mail to {address} was taken; --again sends it anew")
    click.echo(f"sent to {address}" if result.sent else f"sent to {address} before; --again sends it anew")


def _send_to_all(session: Session, week: Week, language: str | None, *, again: bool) -> None:
    from vispa_green.answers.week import weeks_of_all

    if Role.ADMIN not in who_asks(session).roles:
        raise UsageError("--all is for admins; your own mail is sent without it")
    weeks = weeks_of_all(session, week)
    warn(weeks.warnings)
    letters = letters_to_all(session, weeks.reports.values(), language)
    with _progress(len(letters)) as told:
        result = _sent(session, letters, again=again, told=told)
    for user, reason in result.failed.items():
        click.echo(f"{printable(user)}: not sent: {printable(reason)}", err=True)
    for user in result.doubtful:
        click.echo(
            f"{printable(user)}: it is not known whether this mail was taken, so it is not sent twice;"
            " --user NAME --again sends it anew",
            err=True,
        )
    parts = [f"{len(result.sent)} sent"]
    parts += [f"{len(result.before)} had theirs"] if result.before else []
    unwanted = len(weeks.reports) - len(letters)
    parts += [f"{unwanted} want none"] if unwanted else []
    parts += [f"{len(result.failed)} failed"] if result.failed else []
    parts += [f"{len(result.doubtful)} in doubt"] if result.doubtful else []
    click.echo(f"week {week.name}: {', '.join(parts)}")
    if result.is_stopped:
        raise MailError("stopped before all were sent; the next call sends the rest")
    if result.failed:
        sys.exit(1)


def _sent(
    session: Session, letters: Sequence[Letter], *, again: bool, told: Callable[[], None] = lambda: None
) -> Sending:
    from vispa_green.reports.journal import journal
    from vispa_green.reports.mailers import mailer
    from vispa_green.reports.sending import send_letters

    section = session.config.mail
    if not letters:
        return Sending([], [], {}, [])
    way = mailer(section)
    with journal(session.state_dir / "sent", letters[0].report.mark) as kept, _until_asked() as is_stopped:
        try:
            return send_letters(letters, section, way, kept, again=again, told=told, is_stopped=is_stopped)
        finally:
            way.close()


@contextmanager
def _progress(length: int) -> Iterator[Callable[[], None]]:
    """Yield what is to be called for each mail; a terminal shows how far it is, a log is left alone."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=length, label="sending", file=sys.stderr) as bar:
        yield lambda: bar.update(1)


@contextmanager
def _until_asked() -> Iterator[Callable[[], bool]]:
    """Yield whether somebody asked to stop: the mail that is on its way is finished first."""
    asked: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda which, _: asked.append(which)) for number in numbers]
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise MailError(f"{path} cannot be written ({error.strerror}); name another file") from error
