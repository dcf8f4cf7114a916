"""Whom a report is written to, in which language."""

from __future__ import annotations

from vispa_green.energy.weekly import WeeklyReport
from vispa_green.reports.mail import Letter
from vispa_green.session import Session


def letter_to(session: Session, report: WeeklyReport, language: str | None) -> Letter:
    """Return the letter with a report; in a language, if one is given, else that of the site."""
    chosen = language or session.config.mail.language
    return Letter(report, session.config.cluster.name, chosen, "", session.now.utc)
