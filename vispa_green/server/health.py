"""``/healthz``: it lives. ``/readyz``: so does its ledger. ``/metrics``: what Prometheus reads."""

from __future__ import annotations

import os

from flask import Blueprint, Response, request

from vispa_green.errors import LedgerForbidden
from vispa_green.model import Quantity
from vispa_green.server.asking import answered, other_end
from vispa_green.server.service import Service


def rules(service: Service) -> Blueprint:
    """Return the addresses that need no proof."""
    made, settings = Blueprint("health", __name__), service.config.server

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
        end = other_end(request.environ)
        is_known = end.uid in {0, os.geteuid()} if end.uid is not None else end.address in settings.metrics_from
        if not is_known:  # a node's power tells of whoever computes there
            raise LedgerForbidden("metrics are not told here; see [server] metrics_from")
        with service.ledger() as ledger:
            text = service.tally.text(ledger, service.clock())
        return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")

    return made
