"""Meters that may take their time, read in a thread of their own, so that they delay neither a look nor each other.

A source reads its meters one after another. Who asks it waits a moment and takes what has come. An answer
that comes later keeps the time of its question and is taken at the next pass; until then the device has no
reading, and as counters are cumulative its energy comes with the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from vispa_green.energy.readings import DeviceReading
from vispa_green.errors import MeterError
from vispa_green.model import Instant, Meter

PATIENCE_S = 0.25
"""So long a pass waits once for a meter that does not answer; while it still does not, not at all."""


class SlowSource:
    """Some meters and the thread that reads them."""

    def __init__(self, meters: Sequence[Meter], patience_s: float = PATIENCE_S) -> None:
        self._meters, self._patience_s = tuple(meters), patience_s
        self._changed = threading.Condition()
        self._asked: Instant | None = None
        self._answers: dict[str, DeviceReading] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="meters", daemon=True)
        self._thread.start()

    def read(self, at: Instant) -> list[DeviceReading]:
        """Ask every meter and return what has come; one without an answer is a reading without a value."""
        with self._changed:
            if self._asked is None:
                self._asked = at
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._asked is None, self._patience_s)
            answers, self._answers = self._answers, {}
        return [answers.get(meter.device) or reading(meter, at, _NOTHING_YET) for meter in self._meters]

    def close(self) -> None:
        """Let the thread end when its meter answers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked is not None or self._closed)
                at = self._asked
            if at is None or self._closed:
                return
            for meter in self._meters:
                answer = read(meter, at)
                with self._changed:
                    self._answers[meter.device] = answer
            with self._changed:
                self._asked = None
                self._changed.notify_all()


_NOTHING_YET = "it has given no answer yet"


def read(meter: Meter, at: Instant) -> DeviceReading:
    """Read one meter; whatever it raises is a reading without a value."""
    try:
        return reading(meter, at, "", meter.read_uj(at))
    except MeterError as error:
        return reading(meter, at, str(error))
    except Exception as error:  # noqa: BLE001 - a meter may be anybody's code, and one bad device costs one row
        return reading(meter, at, f"{meter.device}: {type(error).__name__}: {error}")


def reading(meter: Meter, at: Instant, failure: str, value_uj: int | None = None) -> DeviceReading:
    """Return a reading of a meter."""
    return DeviceReading(
        meter.component,
        meter.device,
        meter.quality,
        meter.modulus_uj,
        meter.gpu_index,
        meter.max_watts,
        value_uj,
        at.monotonic_ns,
        failure,
    )
