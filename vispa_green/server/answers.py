"""``GET /v1/jobs``, ``/v1/totals``, ``/v1/green``, ``/v1/grid``, ``/v1/week``, ``/v1/plan``: the commands' answers.

Rows have the columns of `vispa_green.answers.tables`; times are ISO 8601 in UTC, spans seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, request

from vispa_green.answers.asking import for_asker
from vispa_green.answers.green import green_of
from vispa_green.answers.grid import known_of
from vispa_green.answers.jobs import JobChoice, jobs
from vispa_green.answers.plan import plan
from vispa_green.answers.tables import GRID, JOBS, Columns, Row, green_jobs, totals_by
from vispa_green.answers.totals import totals
from vispa_green.answers.week import week_of
from vispa_green.codec import LONGEST_TEXT, Plain
from vispa_green.energy.weekly import Week
from vispa_green.errors import LedgerForbidden, UsageError, did_you_mean
from vispa_green.model import Dimension, Selection
from vispa_green.server.asking import Visit, visited
from vispa_green.server.service import Service
from vispa_green.session import Session
from vispa_green.times.past import past_time
from vispa_green.times.slurm_time import finite_duration, parse_time

CHOICE = ("id", "user", "account", "partition", "project", "since", "until", "all", "truncate")
FURTHEST = timedelta(days=366 * 5)


def rules(service: Service) -> Blueprint:
    """Return the addresses of the answers."""
    made = Blueprint("answers", __name__)
    views: dict[str, Callable[[Visit, Session], Plain]] = {
        "jobs": _jobs, "totals": _totals, "green": _green, "grid": _grid, "week": _week, "plan": _plan,
    }  # fmt: skip
    for name, view in views.items():
        _add(service, made, name, view)
    return made


def _add(service: Service, made: Blueprint, name: str, view: Callable[[Visit, Session], Plain]) -> None:
    def answer(visit: Visit) -> Plain:
        if not visit.guest.principal.user:
            raise LedgerForbidden("a node's secret delivers and asks nothing")
        return view(visit, service.session_of(visit.guest.principal))

    answer.__name__ = name
    visited(service, made, f"/v1/{name}", "GET")(answer)


def _jobs(visit: Visit, session: Session) -> Plain:
    choice = _choice(visit, session, "jobs")
    answer = jobs(session, choice)
    return {"jobs": _rows(answer.rows, JOBS), "warnings": _warnings(visit, answer.warnings)}


def _totals(visit: Visit, session: Session) -> Plain:
    choice = _choice(visit, session, "totals", {"by"})
    by = tuple(_dimension(word) for word in _words("by") or ("user",))
    answer = totals(session, choice, by, _zone(session))
    return {"totals": _rows(answer.rows, totals_by(by)), "warnings": _warnings(visit, answer.warnings)}


def _green(visit: Visit, session: Session) -> Plain:
    _check({"id", "all"})
    ids = _words("id")
    users = () if ids or _flag("all") else (visit.guest.principal.user,)
    selection = Selection(job_ids=ids, users=users)
    _look(visit, "green", selection)
    answer = green_of(session, for_asker(session, selection))
    columns = green_jobs(answer.outcomes, answer.shown)
    return {"green": _rows(answer.outcomes, columns), "warnings": _warnings(visit, answer.warnings)}


def _grid(visit: Visit, session: Session) -> Plain:
    _check({"since", "until"})
    start = _moment(session, "since") or session.now.utc
    end = _moment(session, "until", ahead=True) or start + timedelta(hours=48)
    if not start < end <= start + FURTHEST:
        raise UsageError("a span of the grid ends after its start, and within five years of it")
    known = known_of(session, start, end)
    values = [value for values in known.values.values() for value in values]
    return {"grid": _rows(values, GRID), "warnings": list(known.warnings)}


def _week(visit: Visit, session: Session) -> Plain:
    _check({"user", "week"})
    zone = ZoneInfo(session.config.mail.timezone)
    named = _one("week")
    week = Week.named(named, zone) if named else Week.last_full(session.now.utc, zone)
    user = _one("user") or visit.guest.principal.user
    _look(visit, "week", Selection(users=(user,)))
    report, warnings = week_of(session, user, week)
    figures = report.figures
    return {
        "week": {
            "name": week.name,
            "user": user,
            "energy_uj": figures.parts.total_uj,
            "idle_energy_uj": figures.parts.idle_uj,
            "co2_g": figures.grid.co2_g,
            "renewable_share_pct": figures.grid.renewable_share_pct,
            "days": [
                {"day": day.isoformat(), "energy_uj": parts.total_uj}
                for day, parts in zip(week.days, figures.days, strict=True)
            ],
        },
        "warnings": _warnings(visit, warnings),
    }


def _plan(visit: Visit, session: Session) -> Plain:
    _check({"duration", "finish_by", "max_delay", "cpus"})
    cpus, duration, delay = _one("cpus") or "1", _one("duration"), _one("max_delay")
    if not (cpus.isascii() and cpus.isdecimal() and 0 < int(cpus[:8]) < 10_000_000):
        raise UsageError("cpus has to be a whole number")
    answer = plan(
        session,
        duration=finite_duration(duration, "a planned duration") if duration else None,
        finish_by=_moment(session, "finish_by", ahead=True),
        max_delay=finite_duration(delay, "a delay") if delay else None,
        cpus=int(cpus),
    )
    made = answer.plan
    return {
        "plan": {
            "start": _told(made.window.start),
            "end": _told(made.window.end),
            "policy": made.policy,
            "reason": made.window.reason,
            "quantity": made.window.quantity.value,
            "mean_gco2_per_kwh": made.means.gco2_per_kwh,
            "mean_gco2_per_kwh_if_started_now": made.means_if_started_now.gco2_per_kwh,
            "saving_pct": made.saving_pct,
        },
        "warnings": list(answer.warnings),
    }


def _choice(visit: Visit, session: Session, what: str, more: Collection[str] = ()) -> JobChoice:
    _check({*CHOICE, *more})
    ids, users = _words("id"), _words("user")
    if not users and not ids and not _flag("all"):
        users = (visit.guest.principal.user,)
    start = _moment(session, "since")
    if start is None and not ids:
        here = session.now.utc.astimezone(_zone(session))
        start = here.replace(hour=0, minute=0, second=0, microsecond=0)
    choice = JobChoice(
        ids, users, _words("account"), _words("partition"), _words("project"), start, _moment(session, "until"),
        truncate=_flag("truncate"),
    )  # fmt: skip
    _look(visit, what, choice.selection)
    return choice


def _look(visit: Visit, what: str, whose: Selection) -> None:
    guest, service = visit.guest, visit.service
    service.looks.note(guest.principal, guest.caller.kind, what, replace(whose, uids=()), service.clock().utc)


def _warnings(visit: Visit, warnings: Iterable[str]) -> list[str]:
    """Return what went wrong, to whoever may see everything: Slurm's faults name the jobs they are about."""
    return list(warnings) if visit.guest.principal.is_unlimited else []


def _rows(rows: Iterable[Row], columns: Columns[Row]) -> list[dict[str, Plain]]:
    return [{name: _told(of(row)) for name, of in columns.items()} for row in rows]


def _told(value: object) -> Plain:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value


def _check(known: Collection[str]) -> None:
    """Raise `UsageError` for what cannot be asked, or is said twice."""
    for name, values in request.args.lists():
        if name not in known:
            raise UsageError(f"nothing can be asked by {name!r}{did_you_mean(name, list(known))}")
        if len(values) > 1:
            raise UsageError(f"{name} is said twice; write several values with commas")
        if len(values[0]) > LONGEST_TEXT or not values[0].isprintable():
            raise UsageError(f"{name} has characters that nothing here has")


def _one(name: str) -> str:
    return request.args.get(name, "")


def _words(name: str) -> tuple[str, ...]:
    return tuple(word for word in _one(name).split(",") if word)


def _flag(name: str) -> bool:
    return _one(name) in {"1", "true", "yes"}


def _dimension(word: str) -> Dimension:
    try:
        return Dimension(word)
    except ValueError:
        known = [one.value for one in Dimension]
        raise UsageError(f"there are no sums by {word!r}{did_you_mean(word, known)}; by {', '.join(known)}") from None


def _zone(session: Session) -> ZoneInfo:
    return ZoneInfo(session.config.cluster.timezone)


def _moment(session: Session, name: str, *, ahead: bool = False) -> datetime | None:
    """Return a time of a question; without a zone it is the cluster's."""
    text = _one(name)
    if not text:
        return None
    read = parse_time if ahead else past_time
    return read(text, session.now.utc, _zone(session))
