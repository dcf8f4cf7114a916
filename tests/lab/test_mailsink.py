"""The mail sink is a real SMTP server: what smtplib sends is what it keeps."""

import smtplib
from email.message import EmailMessage

import pytest
from lab.mailsink import MailSink


def letter() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Dein Grünstrom der Woche"
    message["From"], message["To"] = "green@vispa.example", "ada@vispa.example"
    message.set_content("3,2 kWh für 7 Jobs\n")
    message.add_alternative("<p>3,2 kWh</p>", subtype="html")
    return message


def test_mail_arrives_with_its_envelope() -> None:
    with MailSink() as sink:
        with smtplib.SMTP(sink.host, sink.port) as client:
            client.send_message(letter(), from_addr="bounce@vispa.example", to_addrs=["a@x.example", "b@x.example"])
        (mail,) = sink.messages
    assert (mail.sender, mail.recipients) == ("bounce@vispa.example", ("a@x.example", "b@x.example"))
    assert mail.message["Subject"] == "Dein Grünstrom der Woche"
    body = mail.message.get_body(("plain",))
    assert body is not None
    assert body.get_content() == "3,2 kWh für 7 Jobs\n"


def test_refused_recipients_get_550() -> None:
    with MailSink(refused=["gone@x.example"]) as sink, smtplib.SMTP(sink.host, sink.port) as client:
        refused = client.send_message(letter(), to_addrs=["a@x.example", "gone@x.example"])
        assert refused["gone@x.example"][0] == 550
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.send_message(letter(), to_addrs=["gone@x.example"])
        assert [mail.recipients for mail in sink.messages] == [("a@x.example",)]


def test_two_sinks_take_two_ports() -> None:
    with MailSink() as one, MailSink() as other:
        assert one.port != other.port
