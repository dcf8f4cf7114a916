"""``vispa-green report``: the weekly mail and the page."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json, rounded, stamp, warn
from vispa_green.errors import MailError, UsageError
from vispa_green.session import Session, open_session

if TYPE_CHECKING:
    from vispa_green.energy.weekly import WeeklyReport


@click.group("report")
def command() -> None:
    """Reports for people: the weekly mail, and a page about the whole cluster."""


@command.command()
@click.option("--user", metavar="NAME", help="Whose week (default: yours).")
@click.option("--week", "week_name", metavar="YYYY-Www", help="Which ISO week (default: the last that is over).")
@click.option(
    "--preview", type=click.Path(path_type=Path, dir_okay=False), help="Write the mail to FILE.eml, .html or .txt."
)
@click.option("--send", is_flag=True, help="Send it to NAME at [mail] domain, through [mail] host; once for a week.")
@click.option("--again", is_flag=True, help="Send it although it was sent before.")
@config_option
@json_option
def weekly(
    user: str | None,
    week_name: str | None,
    preview: Path | None,
    config_file: Path | None,
    *,
    send: bool,
    again: bool,
    as_json: bool,
) -> None:
    """Tell a user what the week cost, how green it was, and one thing to try.

    Without --preview or --send, the text of the mail is printed. Weeks and days are cut in [mail] timezone.

    \b
    Examples:
      vispa-green report weekly
      vispa-green report weekly --user ada --week 2026-W47 --preview week.html
      vispa-green report weekly --user ada --send
    """
    from vispa_green.answers.asking import who_asks
    from vispa_green.answers.week import week_of
    from vispa_green.energy.weekly import Week
    from vispa_green.host import user_name
    from vispa_green.reports import mail

    session = open_session(config_file)
    zone = mail.report_zone(session.config.mail)
    week = Week.named(week_name, zone) if week_name else Week.last_full(session.now.utc, zone)
    if week.start > session.now.utc:
        raise UsageError(f"week {week.name} has not begun")
    principal = who_asks(session)
    if send and not principal.is_unlimited and user not in {None, principal.user}:
        raise UsageError(f"the mail of {user} is sent by {user} or by an admin; without --send it is shown")
    report, warnings = week_of(session, user or user_name(os.getuid()), week)
    warn(warnings)
    if as_json:
        print_json({"report": _record(report), "warnings": list(warnings)})
        return
    _give_out(session, report, preview, send=send, again=again)


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


def _give_out(session: Session, report: WeeklyReport, preview: Path | None, *, send: bool, again: bool) -> None:
    from vispa_green.reports.render import render_weekly, weekly_text

    if preview is None and not send:
        click.echo(weekly_text(report, session.config.cluster.name))
        return
    pages = render_weekly(report, session.config.cluster.name)
    shown = {".html": pages.self_contained_html(), ".txt": pages.text}
    if preview is not None and preview.suffix in shown:
        _write(preview, shown[preview.suffix].encode())
        click.echo(f"wrote {preview}")
    if not send and preview is not None and preview.suffix in shown:
        return
    from vispa_green.reports import mail
    from vispa_green.reports.sent import once

    section = session.config.mail
    message = mail.build_message(pages, report.user, report.name.replace(" ", "-"), section, session.now.utc)
    if preview is not None and preview.suffix not in shown:
        _write(preview, message.as_bytes())
        click.echo(f"wrote {preview}")
    if send and not report.jobs:
        click.echo(f"{report.user} ran no jobs in {report.name}: nothing sent", err=True)
    elif send:
        with once(session.state_dir / "sent", f"{report.user}-{report.name}", again=again) as is_new:
            if is_new:
                mail.send(message, section)
        click.echo(f"sent to {message['To']}" if is_new else f"sent to {message['To']} before; --again sends it anew")


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise MailError(f"{path} cannot be written ({error.strerror}); name another file") from error


def _record(report: WeeklyReport) -> dict[str, Any]:
    figures, before = report.figures, report.before
    return {
        "user": report.user,
        "week": report.week.name,
        "is_over": report.is_over,
        "start": stamp(report.week.start),
        "end": stamp(report.week.end),
        "energy_uj": figures.parts.total_uj,
        "cpu_energy_uj": figures.parts.cpu_uj,
        "dram_energy_uj": figures.parts.dram_uj,
        "gpu_energy_uj": figures.parts.gpu_uj,
        "node_energy_uj": figures.parts.node_uj,
        "idle_energy_uj": figures.parts.idle_uj,
        "co2_g": figures.grid.co2_g,
        "co2_coverage": figures.grid.co2_coverage,
        "green_share_pct": rounded(figures.grid.renewable_share_pct),
        "grid_mean_share_pct": rounded(report.grid_share_pct),
        "idle_share": figures.idle_share,
        "coverage": report.coverage,
        "days": [
            {"date": day.isoformat(), "energy_uj": parts.total_uj}
            for day, parts in zip(report.week.days, figures.days, strict=True)
        ],
        "jobs": report.jobs,
        "estimated_jobs": report.estimated_jobs,
        "gap_jobs": report.gap_jobs,
        "unseen_jobs": report.unseen_jobs,
        "top_jobs": [
            {
                "cluster": item.job.key.cluster,
                "job_id": item.job.display_id,
                "submit": stamp(item.job.submit),
                "name": item.job.name,
                "energy_uj": item.energy_uj,
                "co2_g": item.co2_g,
            }
            for item in report.top
        ],
        "week_before": before and {"energy_uj": before.parts.total_uj, "co2_g": before.grid.co2_g},
        "advice": report.advice,
    }
