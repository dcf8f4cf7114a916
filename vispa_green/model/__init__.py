"""The values this software speaks of, and what its replaceable parts promise. No I/O, no clock.

Energies are integers of microjoules, spans of time half-open and in UTC. A name is loaded when it is first used:
a submission needs a fifth of them, and each costs it a third of a millisecond.
"""

TYPE_CHECKING = False  # see vispa_green/__init__.py

if TYPE_CHECKING:
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
    from vispa_green.model.grid import QUARTER, GridKind, GridProvider, GridValue, Quantity
    from vispa_green.model.jobs import JobKey, Selection, Visibility
    from vispa_green.model.ledger import (
        Batch,
        ChainHead,
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
    from vispa_green.model.node import (
        UJ_PER_KWH,
        Binding,
        Component,
        CpuTime,
        Instant,
        JobId,
        Meter,
        Quality,
        Tracker,
    )
    from vispa_green.model.planning import GreenWindow, JobRequest, Move, Outlook, Policy, Promise, Signal
    from vispa_green.model.preferences import Preference, PreferenceBook
    from vispa_green.model.projects import ProjectBook, ProjectTag

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
    "Batch",
    "ChainHead",
    "Dimension",
    "EnergyBook",
    "EnergySum",
    "FactBook",
    "GridBook",
    "JobAccount",
    "JobStay",
    "Ledger",
    "Origin",
    "Preference",
    "PreferenceBook",
    "ProjectBook",
    "ProjectTag",
    "PromiseBook",
    "Pruned",
    "SpooledInterval",
    "Total",
    "Weighted",
]

_NAMES = {
    "accounts": "BalanceRow JobFact JobPosting NodeEnergy QueueEntry",
    "cluster": "Answer Cluster",
    "energy": "AttributionModel EnergyEntry EnergySplit IdlePolicy JobActivity JobShare NodeActivity NodeInterval",
    "grid": "QUARTER GridKind GridProvider GridValue Quantity",
    "jobs": "JobKey Selection Visibility",
    "ledger": (
        "Batch ChainHead Dimension EnergyBook EnergySum FactBook GridBook JobAccount JobStay Ledger Origin "
        "PromiseBook Pruned SpooledInterval Total Weighted"
    ),
    "node": "UJ_PER_KWH Binding Component CpuTime Instant JobId Meter Quality Tracker",
    "planning": "GreenWindow JobRequest Move Outlook Policy Promise Signal",
    "preferences": "Preference PreferenceBook",
    "projects": "ProjectBook ProjectTag",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:  # a name that is none stays an error to type checkers

    def __getattr__(name: str) -> object:
        """Load the module that defines a name (PEP 562)."""
        from importlib import import_module

        if name in _HOME:
            value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
