"""The values this software speaks of, and what its replaceable parts promise. No I/O, no clock.

Energies are integers of microjoules, spans of time half-open and in UTC.
"""

from vispa_green.model.accounts import BalanceRow, JobFact, JobPosting, NodeEnergy, QueueEntry
from vispa_green.model.cluster import Answer, Cluster
from vispa_green.model.energy import (
    AttributionModel,
    EnergyEntry,
    EnergySplit,
    IdlePolicy,
    JobActivity,
    JobShare,
    NodeActivity,
    NodeInterval,
)
from vispa_green.model.grid import GridKind, GridProvider, GridValue, Quantity
from vispa_green.model.jobs import JobKey, Selection, Visibility
from vispa_green.model.ledger import (
    QUARTER,
    Dimension,
    EnergyBook,
    EnergySum,
    FactBook,
    GridBook,
    JobAccount,
    JobStay,
    Ledger,
    Origin,
    PromiseBook,
    Pruned,
    SpooledInterval,
    Total,
    Weighted,
)
from vispa_green.model.node import UJ_PER_KWH, Binding, Component, CpuTime, Instant, JobId, Meter, Quality, Tracker
from vispa_green.model.planning import GreenWindow, JobRequest, Move, Outlook, Policy, Promise, Signal

__all__ = [
    "Binding",
    "Component",
    "CpuTime",
    "Instant",
    "JobId",
    "Meter",
    "Quality",
    "Tracker",
    "UJ_PER_KWH",
    "AttributionModel",
    "EnergyEntry",
    "EnergySplit",
    "IdlePolicy",
    "JobActivity",
    "JobShare",
    "NodeActivity",
    "NodeInterval",
    "GridKind",
    "GridProvider",
    "GridValue",
    "Quantity",
    "GreenWindow",
    "JobRequest",
    "Move",
    "Outlook",
    "Policy",
    "Promise",
    "Signal",
    "BalanceRow",
    "JobFact",
    "JobPosting",
    "NodeEnergy",
    "QueueEntry",
    "Answer",
    "Cluster",
    "JobKey",
    "Selection",
    "Visibility",
    "QUARTER",
    "Dimension",
    "EnergyBook",
    "EnergySum",
    "FactBook",
    "GridBook",
    "JobAccount",
    "JobStay",
    "Ledger",
    "Origin",
    "PromiseBook",
    "Pruned",
    "SpooledInterval",
    "Total",
    "Weighted",
]
