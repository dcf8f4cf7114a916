"""A weekly report as a mail."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vispa_green.config import MailSection
from vispa_green.energy.weekly import WeeklyReport
from vispa_green.errors import ConfigError, MailError
from vispa_green.printable import printable
from vispa_green.reports.render import PLOT_ID, WeeklyPages, render_weekly

PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail is made of."""

    report: WeeklyReport
    cluster: str
    language: str
    leave: str
    """The address by which its reader gets no more of them, empty where there is none."""
    written: datetime


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail as it goes out, with CRLF at the ends of its lines."""

    sender: str
    recipient: str
    content: bytes


def report_zone(section: MailSection) -> ZoneInfo:
    """Return the zone of ``[mail] timezone``; raise `ConfigError` if there is none of that name."""
    try:
        return ZoneInfo(section.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            f"[mail] timezone: there is no zone {section.timezone!r}; write one like Europe/Berlin"
        ) from error


def message_of(letter: Letter, section: MailSection) -> EmailMessage:
    """Return a letter's mail; raise `MailError` for a user no address can be made of."""
    report = letter.report
    pages = render_weekly(report, letter.cluster, letter.language, letter.leave)
    return build_message(pages, letter, section)


def outgoing(message: EmailMessage) -> Outgoing:
    """Return a mail as it goes out."""
    addresses = [message[header].addresses[0].addr_spec for header in ("From", "To")]
    return Outgoing(addresses[0], addresses[1], message.as_bytes())


def build_message(pages: WeeklyPages, letter: Letter, section: MailSection) -> EmailMessage:
    """Return the mail: text, and HTML with its plot; raise `MailError` for a user no address can be made of.

    The Message-ID is that of the user and report, so that a second sending is recognised as the same mail.
    """
    user, message = letter.report.user, EmailMessage(policy=SMTP)
    try:
        user.encode("ascii")
        message["From"] = section.sender
        message["To"] = Address(username=user, domain=section.domain)
        message["Subject"] = printable(pages.subject)
        message["Date"] = format_datetime(letter.written.astimezone(report_zone(section)))
        message["Message-ID"] = f"<weekly.{letter.report.mark}.{_plain(user)}@{section.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["Precedence"] = "bulk"
        message["List-Id"] = f"weekly energy reports <weekly.vispa-green.{section.domain}>"
        if letter.leave:
            message["List-Unsubscribe"] = f"<{letter.leave}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    except (ValueError, IndexError) as error:
        raise MailError(f"no mail can be addressed to {printable(user)!r} at {section.domain!r} ({error})") from error
    message.set_content(pages.text, cte="quoted-printable")
    message.add_alternative(pages.html, subtype="html", cte="quoted-printable")
    parts = message.get_payload()
    assert isinstance(parts, list)
    html = parts[1]
    assert isinstance(html, EmailMessage)
    html.add_related(
        pages.plot_png, "image", "png", cid=f"<{PLOT_ID}>", disposition="inline", filename="energy-by-day.png"
    )
    return message


def _plain(user: str) -> str:
    """Return a user's name as it may stand in a Message-ID; of a strange one a digest."""
    return user if PLAIN_NAME.fullmatch(user) else hashlib.sha256(user.encode()).hexdigest()[:32]
