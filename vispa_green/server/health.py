"""``/healthz``: it lives. ``/readyz``: so does its ledger. ``/metrics``: what Prometheus reads."""

from __future__ import annotations

import os

from flask import Blueprint, Response, request

from vispa_green.credentials import OtherEnd
from vispa_green.errors import LedgerForbidden
from vispa_green.model import Quantity
from vispa_green.server.asking import answered, other_end
from vispa_green.server.service import Service


def _check_reader(service: Service, end: OtherEnd) -> None:
    """Raise `LedgerForbidden` for who may not know what nodes draw, which tells of whoever computes there."""
    if end.uid is None and end.address not in service.config.server.metrics_from:
        raise LedgerForbidden("metrics are not told to this address; see [server] metrics_from")
    if end.uid is not None and end.uid not in {0, os.geteuid()}:
        raise LedgerForbidden("metrics are told by this socket to root and to the server's own user")


def rules(service: Service) -> Blueprint:
    """Return the addresses that need no proof."""
    made = Blueprint("health", __name__)

    @made.get("/healthz")
    def healthz() -> Response:
        return answered({"ok": True})

    @made.get("/readyz")
    def readyz() -> Response:
        at = service.clock().utc
        with service.ledger() as ledger:
            ledger.grid.values(Quantity.CARBON_INTENSITY, at, at)
        return answered({"ok": True})

    @made.get("/metrics")
    def metrics() -> Response:
        _check_reader(service, other_end(request.environ))
        with service.ledger() as ledger:
            text = service.tally.text(ledger, service.clock())
        return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")

    return made
