"""``/unsubscribe``: the address at the end of each mail. Who opens it is asked; only what is posted changes anything.

It needs no other proof than its signature, so that one click in a mail program is enough (RFC 8058).
"""

from __future__ import annotations

from flask import Blueprint, Response, request
from markupsafe import Markup

from vispa_green.answers.preferences import PATH, key_of, who_leaves
from vispa_green.errors import CredentialRefused
from vispa_green.phrases import LANGUAGES, Words
from vispa_green.server.asking import other_end
from vispa_green.server.reading import READINGS
from vispa_green.server.service import Service

LONGEST_FORM = 4096
_PAGE = Markup(
    '<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<title>vispa-green</title></head><body style="font-family:sans-serif;margin:3em auto;max-width:36em">'
    "{}</body></html>"
)


def rules(service: Service) -> Blueprint:
    """Return the address."""
    made = Blueprint("mails", __name__)

    @made.route(PATH, methods=["GET", "POST"])
    def leave() -> Response:
        user = _user(service)
        cluster = service.config.cluster.name
        if request.method == "GET":
            return _page(cluster, "leave", with_button=True)
        request.stream.read(min(request.content_length or 0, LONGEST_FORM))
        with service.turns.one(), service.ledger() as ledger:
            ledger.preferences.keep(user, None, False, service.clock().utc)
        return _page(cluster, "left", "back")

    return made


def _user(service: Service) -> str:
    """Return whose the address is; strangers may try only so many."""
    at, end = service.clock().utc, other_end(request.environ)
    READINGS.done(request.environ.get("gunicorn.socket"))
    try:
        return who_leaves(
            key_of(service.session_of(None)),
            service.config.cluster.name,
            request.args.get("u", ""),
            request.args.get("s", ""),
        )
    except CredentialRefused:
        service.rate.count(f"refused {end.address or f'uid {end.uid}'}", at)
        raise


def _page(cluster: str, *phrases: str, with_button: bool = False) -> Response:
    words = [Words(language) for language in LANGUAGES]
    lines = [
        Markup("<p>{}</p>").format(one.say(phrase, cluster=cluster).replace("`", ""))
        for one in words
        for phrase in phrases
    ]
    if with_button:
        label = " / ".join(one.say("leave_button") for one in words)
        lines.append(Markup('<form method="post"><button>{}</button></form>').format(label))
    response = Response(_PAGE.format(Markup("").join(lines)), content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
    return response
