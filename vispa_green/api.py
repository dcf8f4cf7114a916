"""Questions from Python: ``import vispa_green as vg``, then ``vg.jobs()``, ``vg.totals()``, ``vg.grid()``, ….

The answers are those of the command line, as small values: iterate them, or take them to pandas with
``to_pandas()`` (the extra ``notebook``). Columns are flat, with units in their names and real types; times
know their zone (UTC). Times may be given as `datetime` or as Slurm writes them: ``2026-11-01``, ``now-7days``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from vispa_green.answers.green import green as _green
from vispa_green.answers.grid import known_of
from vispa_green.answers.jobs import JobChoice
from vispa_green.answers.jobs import jobs as _jobs
from vispa_green.answers.plan import PlanAnswer
from vispa_green.answers.plan import plan as _plan
from vispa_green.answers.tables import GRID, JOBS, Columns, green_jobs, table, totals_by
from vispa_green.answers.totals import GroupTotal
from vispa_green.answers.totals import totals as _totals
from vispa_green.energy.jobs import JobEnergy
from vispa_green.errors import UsageError, did_you_mean
from vispa_green.host import user_name
from vispa_green.model import Dimension, GridValue
from vispa_green.session import Session, open_session
from vispa_green.shifting.promises import Outcome
from vispa_green.times.local_zone import local_zone
from vispa_green.times.past import past_time
from vispa_green.times.slurm_time import finite_duration, parse_time

if TYPE_CHECKING:
    import pandas as pd

    from vispa_green.agent.embedded import EmbeddedAccount

Row = TypeVar("Row")
Moment = datetime | date | str
Names = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer(Generic[Row]):
    """Rows, and what went wrong on the way (Slurm or a grid service that did not answer) in ``warnings``."""

    rows: tuple[Row, ...]
    columns: Columns[Row]
    """How each column of a table is made of a row."""
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with a column for each figure; raise `UsageError` where pandas is not installed."""
        return table(self.rows, self.columns)


def jobs(
    *ids: int | str,
    user: Names = (),
    account: Names = (),
    partition: Names = (),
    project: Names = (),
    since: Moment | None = None,
    until: Moment | None = None,
    truncate: bool = False,
    all_users: bool = False,
    config: Path | None = None,
) -> Answer[JobEnergy]:
    """Return what jobs cost: these, else mine since ``since`` (default: today).

    With ``truncate`` only what was charged between ``since`` and ``until``. Energies are in µJ, CO2 in g;
    ``None`` is unknown, never zero. Raises `LedgerError` where there is no ledger to read.
    """
    session = open_session(config)
    choice = _choice(session, ids, user, account, partition, project, since, until, all_users=all_users)
    answer = _jobs(session, replace(choice, truncate=truncate))
    return Answer(answer.rows, JOBS, answer.warnings)


def totals(
    by: Names = "user",
    *ids: int | str,
    user: Names = (),
    account: Names = (),
    partition: Names = (),
    project: Names = (),
    since: Moment | None = None,
    until: Moment | None = None,
    all_users: bool = False,
    config: Path | None = None,
) -> Answer[GroupTotal]:
    """Return sums of what was charged between ``since`` and ``until``, by one or more dimensions.

    Dimensions are cluster, user, account, partition, project, job, node, component, day, week, month.
    """
    session = open_session(config)
    choice = _choice(session, ids, user, account, partition, project, since, until, all_users=all_users)
    dimensions = tuple(_dimension(word) for word in _names(by))
    answer = _totals(session, choice, dimensions, local_zone(os.environ))
    return Answer(answer.rows, totals_by(dimensions), answer.warnings)


def grid(
    since: Moment | None = None, until: Moment | None = None, *, hours: float = 48, config: Path | None = None
) -> Answer[GridValue]:
    """Return what is known of the German grid, measured and forecast: from ``since`` (default: now) on.

    Without ``until`` it is ``hours`` long. Rows are values with their source, kind, and time of issue.
    """
    session = open_session(config)
    start = session.now.utc if since is None else _moment(session, since)
    end = start + timedelta(hours=hours) if until is None else _moment(session, until)
    known = known_of(session, start, end)
    values = tuple(value for values in known.values.values() for value in values)
    return Answer(values, GRID, known.warnings)


def plan(
    duration: timedelta | str,
    *,
    finish_by: Moment | None = None,
    max_delay: timedelta | str | None = None,
    cpus: int = 1,
    policy: str | None = None,
    config: Path | None = None,
) -> PlanAnswer:
    """Return when a job of this length would be greenest: ``plan.window.start``, ``plan.saving_pct``, …"""
    session = open_session(config)
    return _plan(
        session,
        duration=_span(duration, "a planned duration"),
        finish_by=None if finish_by is None else _moment(session, finish_by, ahead=True),
        max_delay=None if max_delay is None else _span(max_delay, "a delay"),
        cpus=cpus,
        policy=policy,
    )


def green(*ids: int | str, all_users: bool = False, config: Path | None = None) -> Answer[Outcome]:
    """Return what green submissions promised and what came of them: these, else mine."""
    answer = _green(open_session(config), tuple(map(str, ids)), all_users=all_users)
    return Answer(answer.outcomes, green_jobs(answer.outcomes, answer.shown), answer.warnings)


class Measured:
    """While it is entered, what this process and its children spend is measured; it never stands in their way."""

    def __init__(self, name: str, config: Path | None) -> None:
        self.trouble = ""
        """What was in its way, in one sentence: without a configuration it measures by the defaults."""
        self._name, self._config = name, config
        self._account: EmbeddedAccount | None = None

    def __enter__(self) -> Self:
        try:
            from vispa_green.agent.embedded import account_of

            account, self.trouble = account_of(self._config, self._name, with_itself=True)
            self._account = account.__enter__()
        except Exception as error:  # noqa: BLE001 - whatever it is, the work that is measured goes on
            self.trouble = str(error) or type(error).__name__
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._account is not None:
            self._account.__exit__(kind, error, trace)
            self.trouble = self._account.failure or self.trouble

    @property
    def energy_uj(self) -> int | None:
        """What it cost in µJ; ``None`` is unknown."""
        return None if self._account is None else self._account.energy_uj

    @property
    def energy_wh(self) -> float | None:
        """The same in Wh."""
        return None if self._account is None else self._account.energy_wh

    @property
    def co2_g(self) -> float | None:
        """The CO2 of it in g; ``None`` where the grid is not known."""
        return None if self._account is None else self._account.co2_g

    @property
    def quality(self) -> str | None:
        """How the figure came about: measured, estimated or gap."""
        return None if self._account is None else self._account.quality


def measured(name: str = "python", *, config: Path | None = None) -> Measured:
    """Return a context that measures this process: ``with vg.measured("training") as m: …``, then ``m.energy_uj``.

    Neither entering nor leaving raises; what kept it from measuring is in ``m.trouble``.
    """
    return Measured(name, config)


def _choice(
    session: Session,
    ids: Iterable[int | str],
    user: Names,
    account: Names,
    partition: Names,
    project: Names,
    since: Moment | None,
    until: Moment | None,
    *,
    all_users: bool,
) -> JobChoice:
    job_ids = tuple(map(str, ids))
    users = _names(user)
    if not users and not all_users and not job_ids:
        users = (user_name(os.getuid()),)
    start = None if since is None else _moment(session, since)
    if start is None and not job_ids:
        here = session.now.utc.astimezone(local_zone(os.environ))
        start = here.replace(hour=0, minute=0, second=0, microsecond=0)
    end = None if until is None else _moment(session, until)
    return JobChoice(job_ids, users, _names(account), _names(partition), _names(project), start, end)


def _names(given: Names) -> tuple[str, ...]:
    return (
        tuple(name.strip() for name in given.split(",") if name.strip()) if isinstance(given, str) else tuple(given)
    )


def _dimension(word: str) -> Dimension:
    try:
        return Dimension(word)
    except ValueError:
        known = [one.value for one in Dimension]
        raise UsageError(f"there are no sums by {word!r}{did_you_mean(word, known)}; by {', '.join(known)}") from None


def _moment(session: Session, given: Moment, *, ahead: bool = False) -> datetime:
    """Return a time in UTC; one without a zone is local, a bare date its first moment."""
    zone = local_zone(os.environ)
    if isinstance(given, datetime):
        return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC)
    if isinstance(given, date):
        return datetime(given.year, given.month, given.day, tzinfo=zone).astimezone(UTC)
    if ahead:
        return parse_time(given, session.now.utc, zone)
    return past_time(given, session.now.utc, zone)


def _span(given: timedelta | str, what: str) -> timedelta:
    return given if isinstance(given, timedelta) else finite_duration(given, what)
