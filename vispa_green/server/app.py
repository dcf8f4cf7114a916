"""The Flask application of a service."""

from __future__ import annotations

from flask import Flask, Response

from vispa_green.server import answers, books, health, mails
from vispa_green.server.asking import counted, told
from vispa_green.server.service import Service


def application(service: Service) -> Flask:
    """Return the application that answers for a service."""
    app = Flask("vispa_green.server", static_folder=None)
    for room in (books, answers, health, mails):
        app.register_blueprint(room.rules(service))
    app.register_error_handler(Exception, told)

    @app.after_request
    def count(response: Response) -> Response:
        return counted(service, response)

    return app
