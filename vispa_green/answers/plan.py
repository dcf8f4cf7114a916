"""When a job would be greenest, by what is known now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from vispa_green.answers.grid import known_of
from vispa_green.answers.queue import what_lies_ahead
from vispa_green.policies import POLICIES
from vispa_green.session import Session
from vispa_green.shifting.planning import Plan, Wish
from vispa_green.shifting.planning import plan as make_plan
from vispa_green.times.slurm_time import finite_duration


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """The plan, the wish it was made for, and what went wrong on the way."""

    plan: Plan
    wish: Wish
    warnings: tuple[str, ...]


def plan(
    session: Session,
    *,
    duration: timedelta | None = None,
    finish_by: datetime | None = None,
    max_delay: timedelta | None = None,
    cpus: int = 1,
    policy: str | None = None,
) -> PlanAnswer:
    """Return when a job of this length would be greenest; what is not said is the site's."""
    now, green = session.now.utc, session.config.green
    wish = Wish(
        finite_duration(green.default_duration, "a planned duration") if duration is None else duration,
        finish_by,
        max_delay,
        finite_duration(green.queue_margin, "[green] queue_margin"),
        cpus,
    )
    name = policy or green.policy
    chooser = POLICIES.make(name, None, session.config.options("green"))
    known = known_of(session, now, max(wish.request(now).finish_by, now + wish.duration))
    ahead, unasked = what_lies_ahead(chooser, session.config.slurm, now)
    made = make_plan(wish, now, known.signals(), name, chooser, ahead)
    return PlanAnswer(made, wish, (*known.warnings, *unasked))
