"""Whom a report is written to: in which language, with which way out, and who wants none."""

from __future__ import annotations

from collections.abc import Iterable

from vispa_green.answers.preferences import key_of, leave_address, wants
from vispa_green.energy.weekly import WeeklyReport
from vispa_green.reports.mail import Letter
from vispa_green.session import Session


def letter_to(session: Session, report: WeeklyReport, language: str | None) -> Letter:
    """Return the letter with a report, whatever its reader wants but its language."""
    said = wants(session, (report.user,)).get(report.user)
    return _letter(session, report, language or (said.language if said else ""), _key(session))


def letters_to_all(session: Session, reports: Iterable[WeeklyReport], language: str | None) -> list[Letter]:
    """Return the letters to those who want one."""
    said, key = wants(session), _key(session)
    wanted = [report for report in reports if report.user not in said or said[report.user].weekly]
    return [
        _letter(session, one, language or (said[one.user].language if one.user in said else ""), key)
        for one in wanted
    ]


def _key(session: Session) -> bytes | None:
    return key_of(session) if session.config.mail.unsubscribe_url else None


def _letter(session: Session, report: WeeklyReport, language: str, key: bytes | None) -> Letter:
    section, cluster = session.config.mail, session.config.cluster.name
    leave = "" if key is None else leave_address(section.unsubscribe_url, key, cluster, report.user)
    return Letter(report, cluster, language or section.language, leave, session.now.utc)
