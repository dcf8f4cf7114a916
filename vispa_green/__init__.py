"""What every Slurm job costs in energy and CO2, and a way to run it when the grid is green.

From Python: ``import vispa_green as vg``, then ``vg.jobs()``, ``vg.totals()``, ``vg.grid()``, ``vg.plan()``,
``vg.green()`` and ``with vg.measured(): …`` (`docs/python.md`). They are loaded when they are first asked for.
"""

TYPE_CHECKING = False  # type checkers take a name like this for true; importing typing costs gsbatch its start

if TYPE_CHECKING:
    from vispa_green.api import green, grid, jobs, measured, plan, totals

__all__ = ["__version__", "green", "grid", "jobs", "measured", "plan", "totals"]
__version__ = "0.1.0"


if not TYPE_CHECKING:  # a name that is none stays an error to type checkers

    def __getattr__(name: str) -> object:
        """Load a question when it is first asked: commands import this package at every start (PEP 562)."""
        if name.startswith("_") or name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module("vispa_green.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
