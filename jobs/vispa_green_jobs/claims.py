"""Whether what a job promises holds. Pure."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable

from vispa_green_jobs.definition import Claim, Operator
from vispa_green_jobs.record import Judgement, Metrics

_COMPARE: dict[Operator, Callable[[float, float], bool]] = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


def judge(claims: Iterable[Claim], metrics: Metrics) -> tuple[Judgement, ...]:
    """Compare every claim with its metric; one that is absent or not finite has failed."""
    return tuple(_judge(claim, metrics.get(claim.metric)) for claim in claims)


def _judge(claim: Claim, value: float | None) -> Judgement:
    value = value if value is not None and math.isfinite(value) else None
    passed = value is not None and _COMPARE[claim.op](value, claim.value)
    return Judgement(claim.metric, claim.op.value, claim.value, value, passed, claim.source)
