"""What a job comes to beside its energy and CO2, by what the site states of itself."""

from __future__ import annotations

from datetime import tzinfo
from zoneinfo import ZoneInfo

from vispa_green.config import BillSection
from vispa_green.energy.bill import Bill, Tariff, bill
from vispa_green.energy.jobs import JobEnergy
from vispa_green.factors import annual_factors, year_of
from vispa_green.session import Session


def tariff_of(section: BillSection) -> Tariff:
    """Return what the site states; a setting of 0 is not stated. Raise `ConfigError` for unknown factors."""
    return Tariff(
        section.pue or None,
        section.eur_per_kwh or None,
        section.embodied_g_per_cpu_hour or None,
        annual_factors(section.annual) if section.annual else None,
    )


def bill_of(row: JobEnergy, tariff: Tariff, zone: tzinfo) -> Bill:
    """Return the bill of a job; the year that it ended in counts, for one that runs the one it began in."""
    moment = row.end or row.start
    year = None if moment is None else year_of(moment, zone)
    return bill(tariff, row.energy_uj, year, row.cpus, row.elapsed)


def site_tariff(session: Session) -> tuple[Tariff, tzinfo]:
    """Return what the site of a session states, and by whose years it counts."""
    return tariff_of(session.config.bill), ZoneInfo(session.config.cluster.timezone)
