"""The ways a mail goes out: by SMTP over one connection for all, or by the ``sendmail`` program of this machine.

Each calls ``may_be_taken`` just before the moment after which the mail may be on its way.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from vispa_green.config import MailSection
from vispa_green.errors import ConfigError, MailError, MailInDoubt, MailRefused
from vispa_green.reports.mail import Outgoing

PAUSES_S = (0.0, 1.0, 4.0)
"""Before each attempt to connect."""
CLOSING = 421
"""What a server says before it hangs up."""


class Mailer(Protocol):
    """A way out."""

    def deliver(self, mail: Outgoing, may_be_taken: Callable[[], None]) -> None:
        """Hand a mail over.

        Raise `MailRefused` where this one is not taken, `MailInDoubt` where no answer came, `MailError` where
        none can go.
        """

    def close(self) -> None:
        """Say goodbye."""


def mailer(section: MailSection) -> Mailer:
    """Return the way that the configuration names."""
    return SmtpMailer(section) if section.sendmail is None else SendmailMailer(section.sendmail, section.timeout_s)


class SmtpMailer:
    """One connection for all mails; one that breaks is made anew, and the mail that it had not got whole is sent."""

    def __init__(self, section: MailSection, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._section, self._pauses_s = section, pauses_s
        self._where = f"{section.host}:{section.port}"
        self._host: smtplib.SMTP | None = None

    def deliver(self, mail: Outgoing, may_be_taken: Callable[[], None]) -> None:
        """Hand a mail over."""
        host = self._with_all_but_the_end(mail.sender, mail.recipient, _stuffed(mail.content))
        may_be_taken()
        try:
            host.send(b".\r\n")
            code, answer = host.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self._hang_up()
            raise MailInDoubt(f"{self._where} took the mail and went away ({_one_line(error)})") from error
        if code != 250:
            self._refused(code, answer)

    def close(self) -> None:
        """Say goodbye."""
        if self._host is not None:
            try:
                self._host.quit()
            except (OSError, smtplib.SMTPException):
                self._host.close()
            self._host = None

    def _with_all_but_the_end(self, sender: str, recipient: str, content: bytes) -> smtplib.SMTP:
        """Send everything before the final dot, until which a server takes nothing; once more if the line breaks."""
        for is_last in (False, True):
            host = self._connected()
            try:
                self._ask(host.mail(sender), 250)
                self._ask(host.rcpt(recipient), 250, 251)
                self._ask(host.docmd("DATA"), 354)
                host.send(content)
            except (OSError, smtplib.SMTPServerDisconnected) as error:
                self._hang_up()
                if is_last:
                    raise MailError(f"{self._where} breaks the connection ({_one_line(error)})") from error
            else:
                return host
        raise AssertionError

    def _ask(self, answer: tuple[int, bytes], *wanted: int) -> None:
        if answer[0] == CLOSING:
            raise smtplib.SMTPServerDisconnected(answer[1].decode(errors="replace"))
        if answer[0] not in wanted:
            self._refused(*answer)

    def _refused(self, code: int, answer: bytes) -> NoReturn:
        """Raise `MailRefused`; what was begun is given up, so that the next mail can follow."""
        try:
            if self._host is not None:
                self._host.rset()
        except (OSError, smtplib.SMTPException):
            self._hang_up()
        said = " ".join(answer.decode(errors="replace").split())
        raise MailRefused(f"{self._where} takes no mail for this address ({code} {said}); is [mail] domain right?")

    def _connected(self) -> smtplib.SMTP:
        if self._host is not None:
            return self._host
        for number, pause_s in enumerate(self._pauses_s, 1):
            time.sleep(pause_s)
            try:
                self._host = self._greeted()
            except smtplib.SMTPAuthenticationError as error:
                name = self._section.username
                raise MailError(f"{self._where} refused the login of {name}; check [mail] password_file") from error
            except (OSError, smtplib.SMTPException) as error:
                if number == len(self._pauses_s):
                    raise self._unreachable(error) from error
            else:
                break
        assert self._host is not None
        return self._host

    def _greeted(self) -> smtplib.SMTP:
        section = self._section
        host = smtplib.SMTP(section.host, section.port, timeout=section.timeout_s)
        try:
            if section.starttls:
                host.starttls(context=ssl.create_default_context())
            if section.username:
                host.login(section.username, _password(section))
            host.ehlo_or_helo_if_needed()
            if host.sock is not None:  # else the final dot waits 40 ms for the mail before it to be acknowledged
                host.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            host.close()
            raise
        return host

    def _unreachable(self, error: Exception) -> MailError:
        if isinstance(error, ssl.SSLError | smtplib.SMTPNotSupportedError):
            return MailError(
                f"the mail host {self._where} offers no safe connection ({_one_line(error)}); check its certificate"
                " and [mail] starttls"
            )
        return MailError(
            f"the mail host {self._where} cannot be reached ({_one_line(error)}); check [mail] host and port"
        )

    def _hang_up(self) -> None:
        if self._host is not None:
            self._host.close()
            self._host = None


class SendmailMailer:
    """The ``sendmail`` that every mail program of a machine brings; it reads the address in the mail itself.

    When its standard input ends it takes the mail, also where we are killed, so each is in doubt while it is there.
    """

    def __init__(self, program: Path, timeout_s: float) -> None:
        self._program, self._timeout_s = program, timeout_s

    def deliver(self, mail: Outgoing, may_be_taken: Callable[[], None]) -> None:
        """Hand a mail over."""
        arguments = [str(self._program), "-i", "-f", mail.sender, "-t"]
        try:
            program = subprocess.Popen(
                arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise MailError(f"[mail] sendmail: {self._program}: {error.strerror}") from error
        may_be_taken()
        try:
            _, said = program.communicate(mail.content.replace(b"\r\n", b"\n"), timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
            raise MailInDoubt(f"{self._program} does not end within {self._timeout_s:g} s") from None
        if program.returncode:
            words = " ".join(said.decode(errors="replace").split())[:200]
            raise MailRefused(f"{self._program} did not take it (exit code {program.returncode}: {words})")

    def close(self) -> None:
        """Do nothing: each mail had a program of its own."""


def _stuffed(content: bytes) -> bytes:
    """Return a mail as SMTP's DATA has it: a line that begins with a dot has two."""
    doubled = content.replace(b"\r\n.", b"\r\n..")
    doubled = b"." + doubled if doubled.startswith(b".") else doubled
    return doubled if doubled.endswith(b"\r\n") else doubled + b"\r\n"


def _password(section: MailSection) -> str:
    if section.password_file is None:
        raise ConfigError("[mail] username needs a password_file")
    try:
        return section.password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"[mail] password_file: {section.password_file}: {error.strerror}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
