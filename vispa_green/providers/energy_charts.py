"""The public service of Fraunhofer ISE, https://api.energy-charts.info (data CC BY 4.0, Energy-Charts.info).

Intensity comes measured and foreseen from ``/co2eq`` (not in its specification, but widely used); the
renewable share of load foreseen from ``/ren_share_forecast``, measured from ``/public_power``. The
service states no time of issue, so a value is issued when it is fetched.

An answer is refused as a whole, with `GridDataError`, when it is no JSON, longer than `MAX_ANSWER_BYTES`,
without data, without ascending times (out of order or doubled), with as many values as times not given,
or with an implausible value. A null is left out: it is never a zero.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from vispa_green import __version__
from vispa_green.errors import GridDataError, GridError, GridUnavailable
from vispa_green.host import Host
from vispa_green.model import GridKind, GridProvider, GridValue, Quantity
from vispa_green.providers._plausible import checked
from vispa_green.settings import number, text, web_address, whole
from vispa_green.times.time_limit import within

NAME = "energy_charts"
MEASURED_SHARE = "Renewable share of load"
MAX_ANSWER_BYTES = 32 * 1024 * 1024
LONGEST_STEP = timedelta(hours=1)
"""Asked for before the span, because a value is stamped with the start of its step."""
FIRST_PAUSE_S = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[grid.energy_charts]``; ``timeout_s`` is from the name lookup to the last byte of an answer."""

    base_url: str = text("https://api.energy-charts.info", web_address)
    country: str = text("de")
    timeout_s: float = number(5.0, above=0)
    retries: int = whole(2, at_least=0, at_most=5)
    max_retry_after_s: float = number(10.0, at_least=0)


class _Unreachable(GridUnavailable):
    """No answer at all, so that asking the same service for another series is in vain."""


@dataclass(frozen=True, slots=True)
class EnergyCharts:
    """A `GridProvider`. One `fetch` makes two requests, three where measured shares are wanted."""

    service: Options
    name: str = NAME

    def fetch(self, start: datetime, end: datetime, now: datetime) -> Sequence[GridValue]:
        """Return what is known of ``[start, end)``; a quantity that fails is left out.

        Raise the first `GridError` if all failed. A dead service is given up after one ``timeout_s``.
        """
        values: list[GridValue] = []
        failures: list[GridError] = []
        with requests.Session() as session:
            session.headers["User-Agent"] = f"vispa-green/{__version__}"
            for series in (self._intensity, self._share_forecast, self._share_measured):
                try:
                    values += series(_Client(session, self.service, now), start, end)
                except GridError as error:
                    log.info("energy_charts: %s", error)
                    failures.append(error)
                    if isinstance(error, _Unreachable):
                        break
        if not values and failures:
            raise failures[0]
        return [value for value in values if value.start < end and value.end > start]

    def _intensity(self, client: _Client, start: datetime, end: datetime) -> list[GridValue]:
        answer = client.get("/co2eq", start - LONGEST_STEP, end)
        steps = _steps(answer, "/co2eq")
        columns = {GridKind.MEASURED: answer.get("co2eq"), GridKind.FORECAST: answer.get("co2eq_forecast")}
        found = [
            value
            for kind, column in columns.items()
            if column is not None
            for value in self._values(steps, column, Quantity.CARBON_INTENSITY, kind, client.now, "/co2eq")
        ]
        return _not_empty(found, "/co2eq")

    def _share_forecast(self, client: _Client, _start: datetime, _end: datetime) -> list[GridValue]:
        path = "/ren_share_forecast"  # always answers from today until the end of what is foreseen
        answer = client.get(path)
        steps = _steps(answer, path)
        share, forecast = Quantity.RENEWABLE_SHARE, GridKind.FORECAST
        return _not_empty(list(self._values(steps, answer.get("ren_share"), share, forecast, client.now, path)), path)

    def _share_measured(self, client: _Client, start: datetime, end: datetime) -> list[GridValue]:
        if start >= client.now:
            return []
        path = "/public_power"
        answer = client.get(path, start - LONGEST_STEP, min(end, client.now))
        steps = _steps(answer, path)
        types = answer.get("production_types")
        named = [t for t in types if isinstance(t, dict)] if isinstance(types, list) else []
        column = next((t.get("data") for t in named if t.get("name") == MEASURED_SHARE), None)
        share, measured = Quantity.RENEWABLE_SHARE, GridKind.MEASURED
        return _not_empty(list(self._values(steps, column, share, measured, client.now, path)), path)

    def _values(
        self,
        steps: Sequence[tuple[datetime, datetime]],
        column: object,
        quantity: Quantity,
        kind: GridKind,
        now: datetime,
        path: str,
    ) -> Iterator[GridValue]:
        if not isinstance(column, list) or len(column) != len(steps):
            count = len(column) if isinstance(column, list) else "no"
            raise GridDataError(f"{path}: {count} values for {len(steps)} times ({quantity}, {kind})")
        for (start, end), value in zip(steps, column, strict=True):
            if value is not None:
                number = checked(value, quantity, f"{path} at {start:%Y-%m-%dT%H:%M:%SZ}")
                yield GridValue(quantity, kind, start, end, number, self.name, now, now)


@dataclass(frozen=True, slots=True)
class _Client:
    """Asks one service, within its limits of time, size and patience."""

    session: requests.Session
    service: Options
    now: datetime

    def get(self, path: str, start: datetime | None = None, end: datetime | None = None) -> dict[str, Any]:
        """Return the JSON object at ``path``."""
        query = {"country": self.service.country}
        if start is not None and end is not None:
            query |= {"start": _iso(start), "end": _iso(end)}
        for attempt in range(self.service.retries + 1):
            status, headers, body = self._ask(path, query)
            if status == 200:
                return _object(body, path)
            wait_s = _retry_after_s(headers, self.now)
            if status != 429 and status < 500:
                hint = " – check [grid.energy_charts] country" if status == 400 else ""
                raise GridUnavailable(f"{path}: HTTP {status}: {_first_line(body)}{hint}", wait_s)
            pause_s = FIRST_PAUSE_S * 2**attempt if wait_s is None else wait_s
            if attempt == self.service.retries or pause_s > self.service.max_retry_after_s:
                break
            time.sleep(pause_s)
        wish = "" if wait_s is None else f", wants no request for {wait_s:g} s"
        raise GridUnavailable(f"{path}: HTTP {status}: {_first_line(body)}{wish}", wait_s)

    def _ask(self, path: str, query: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        url = self.service.base_url.rstrip("/") + path
        limit_s = self.service.timeout_s

        def exchange() -> tuple[int, Mapping[str, str], bytes]:
            with self.session.get(url, params=query, timeout=(limit_s, limit_s), stream=True) as response:
                return response.status_code, response.headers, _bounded_body(response, path)

        try:
            # The timeouts of requests are for each read: a server that drips bytes would never meet them.
            return within(limit_s, exchange)
        except (TimeoutError, requests.Timeout):
            raise _Unreachable(f"{url}: no complete answer within {limit_s:g} s") from None
        except requests.exceptions.ChunkedEncodingError:
            raise GridDataError(f"{path}: the answer broke off") from None
        except requests.RequestException as error:
            raise _Unreachable(f"{url}: {_cause(error)}") from error


def make(host: Host | None, options: Options) -> GridProvider:
    """Return the provider of ``[grid.energy_charts]``."""
    return EnergyCharts(options)


def _bounded_body(response: requests.Response, path: str) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(64 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise GridDataError(f"{path}: the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _object(body: bytes, path: str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise GridDataError(f"{path}: the answer is no JSON; it begins {_first_line(body)!r}") from None
    if not isinstance(answer, dict):
        raise GridDataError(f"{path}: the answer is no JSON object")
    return answer


def _steps(answer: Mapping[str, Any], path: str) -> list[tuple[datetime, datetime]]:
    """Return the spans of the series; each is as long as most are, but ends where the next begins."""
    times = answer.get("unix_seconds")
    if not isinstance(times, list) or any(isinstance(t, bool) or not isinstance(t, int) for t in times):
        raise GridDataError(f"{path}: no list of whole unix_seconds")
    if not times:
        raise GridDataError(f"{path}: no data (empty arrays)")
    lengths = [after - before for before, after in itertools.pairwise(times)]
    if min(lengths, default=0) <= 0:
        raise GridDataError(f"{path}: times are doubled or out of order" if lengths else f"{path}: one time alone")
    usual = Counter(lengths).most_common(1)[0][0]
    try:
        starts = [datetime.fromtimestamp(t, UTC) for t in times]
    except (ValueError, OverflowError, OSError):
        raise GridDataError(f"{path}: a time is out of range") from None
    return [
        (start, start + timedelta(seconds=min(usual, length)))
        for start, length in zip(starts, [*lengths, usual], strict=True)
    ]


def _not_empty(values: list[GridValue], path: str) -> list[GridValue]:
    if not values:
        raise GridDataError(f"{path}: no data (nothing but nulls)")
    return values


def _retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the wish in seconds: a number or an HTTP date (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    with suppress(ValueError):
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
    return None


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _first_line(body: bytes) -> str:
    return body[:200].decode(errors="replace").strip().partition("\n")[0]


def _cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error).strip() or type(error).__name__
