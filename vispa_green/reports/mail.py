"""A weekly report as a mail, and its way to the mail host."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vispa_green.config import MailSection
from vispa_green.errors import ConfigError, MailError
from vispa_green.reports.render import PLOT_ID, WeeklyPages


def report_zone(section: MailSection) -> ZoneInfo:
    """Return the zone of ``[mail] timezone``; raise `ConfigError` if there is none of that name."""
    try:
        return ZoneInfo(section.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            f"[mail] timezone: there is no zone {section.timezone!r}; write one like Europe/Berlin"
        ) from error


def build_message(
    pages: WeeklyPages, user: str, report_name: str, section: MailSection, now: datetime
) -> EmailMessage:
    """Return the mail: text, and HTML with its plot; raise `MailError` for a user no address can be made of.

    The Message-ID is that of the user and report, so that a second sending is recognised as the same mail.
    """
    message = EmailMessage()
    try:
        message["From"] = section.sender
        message["To"] = Address(username=user, domain=section.domain)
        message["Subject"] = pages.subject
        message["Date"] = format_datetime(now.astimezone(report_zone(section)))
        message["Message-ID"] = f"<weekly.{report_name}.{user}@{section.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["List-Id"] = f"weekly energy reports <weekly.vispa-green.{section.domain}>"
    except ValueError as error:
        raise MailError(f"no mail can be addressed to {user!r} at {section.domain!r} ({error})") from error
    message.set_content(pages.text)
    message.add_alternative(pages.html, subtype="html")
    parts = message.get_payload()
    assert isinstance(parts, list)
    html = parts[1]
    assert isinstance(html, EmailMessage)
    html.add_related(
        pages.plot_png, "image", "png", cid=f"<{PLOT_ID}>", disposition="inline", filename="energy-by-day.png"
    )
    return message


def send(message: EmailMessage, section: MailSection) -> None:
    """Hand the mail to the configured host; raise `MailError`, which says what to look at, where it refuses."""
    import smtplib
    import ssl

    where = f"{section.host}:{section.port}"
    try:
        with smtplib.SMTP(section.host, section.port, timeout=section.timeout_s) as host:
            if section.starttls:
                host.starttls(context=ssl.create_default_context())
            if section.username:
                host.login(section.username, _password(section))
            host.send_message(message)
    except smtplib.SMTPAuthenticationError as error:
        raise MailError(f"{where} refused the login of {section.username}; check [mail] password_file") from error
    except smtplib.SMTPRecipientsRefused as error:
        raise MailError(f"{where} takes no mail for {message['To']}; is [mail] domain right?") from error
    except smtplib.SMTPException as error:
        raise MailError(f"{where} refused the mail ({_one_line(error)}); see [mail] in the configuration") from error
    except OSError as error:
        raise MailError(f"the mail host {where} cannot be reached ({error}); check [mail] host and port") from error


def _password(section: MailSection) -> str:
    if section.password_file is None:
        raise ConfigError("[mail] username needs a password_file")
    try:
        return section.password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"[mail] password_file: {section.password_file}: {error.strerror}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
