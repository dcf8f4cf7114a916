"""What Slurm says the jobs of this node hold, asked for all of them at once, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from vispa_green.agent.watch import BindingSource
from vispa_green.config import SlurmSection
from vispa_green.errors import SlurmError
from vispa_green.model import Binding, JobId
from vispa_green.model.node import UNBOUND
from vispa_green.slurm.bindings import bindings
from vispa_green.slurm.commands import available

log = logging.getLogger(__name__)

Held = Mapping[JobId, Mapping[str, Binding]]
"""By job and node."""

AT_LEAST_S = 2.0
"""So long the controller is left alone after an answer, however many jobs start."""

AT_MOST_S = 300.0
"""So long at the end, while it does not answer or does not know a job; each pause is twice the one before."""


class SlurmBindings:
    """Slurm as a source of bindings: calling it says what is known by now, and never waits.

    A job of which something is unknown makes the thread ask; it asks again, ever more seldom, while that is so.
    """

    def __init__(self, node: str, ask: Callable[[], Held], at_least_s: float = AT_LEAST_S) -> None:
        self._node, self._ask, self._at_least_s = node, ask, at_least_s
        self._changed = threading.Condition()
        self._held: dict[JobId, Binding] = {}
        self._wanted: set[JobId] = set()
        self._asked_for: set[JobId] = set()
        self._closed = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._serve, name="bindings", daemon=True)
        self._thread.start()

    def __call__(self, job_id: JobId) -> Binding:
        """Return what Slurm has said since this job was asked for, once; a number may come again as another job."""
        with self._changed:
            held = self._held.pop(job_id, UNBOUND)
            if held.allocated_cpus is None and job_id not in self._wanted:
                self._wanted.add(job_id)
                self._changed.notify_all()
        return held

    def close(self) -> None:
        """Let the thread end; a question that is under way is not waited for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _serve(self) -> None:
        pause_s = self._at_least_s
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._wanted)
                if self._closed:
                    return
                pause_s = min(AT_MOST_S, 2 * pause_s) if self._wanted <= self._asked_for else self._at_least_s
                self._asked_for, self._wanted = self._wanted, set()
            held = self._answer()
            with self._changed:
                self._held = {job: nodes[self._node] for job, nodes in held.items() if self._node in nodes}
                self._changed.wait_for(lambda: self._closed, self._at_least_s)
                self._changed.wait_for(self._has_news, pause_s - self._at_least_s)

    def _has_news(self) -> bool:
        return self._closed or not self._wanted <= self._asked_for

    def _answer(self) -> Held:
        try:
            held = self._ask()
        except SlurmError as error:
            if str(error) != self._trouble:
                log.warning("%s: asking the jobs' own processes meanwhile", error)
            self._trouble = str(error)
            return {}
        except Exception:  # whatever Slurm printed, this thread must go on; the trace tells what it was
            log.exception("what Slurm says of the jobs cannot be read; it is asked again")
            return {}
        self._trouble = ""
        return held


def slurm_bindings(settings: SlurmSection, node: str) -> list[BindingSource]:
    """Return Slurm as the first source of bindings, none where it is switched off or not installed."""
    if not settings.enabled or not available():
        return []
    return [SlurmBindings(node, lambda: bindings(timeout_s=settings.timeout_s).records)]
