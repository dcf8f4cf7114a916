"""Every error this software raises on purpose.

::

    VispaGreenError                 what a user may be shown as one line
    ├── ConfigError                 the configuration file says something we cannot follow
    ├── UsageError                  a command's arguments do not make sense together
    │   ├── TimeFormatError         a time or duration outside Slurm's grammar
    │   └── CannotStart             a command to be measured is not there or not a program
    ├── UnknownPlugin               no variant of that name
    ├── MeterError                  an energy counter could not be read now: a gap, never a zero
    │   └── MeterForbidden          ... because of its permissions
    ├── ImplausibleReading          two readings of a counter whose difference cannot be energy
    ├── UnbalancedEntry             measured ≠ jobs + idle + system: a bug, refused by the ledger
    ├── NotCovered                  a grid signal was asked for a time it knows nothing of
    ├── GridError                   a grid service gave nothing usable
    │   ├── GridUnavailable         no answer, or a refusal (may carry ``retry_after_s``)
    │   └── GridDataError           an answer that cannot be trusted
    ├── LedgerError                 the ledger could not be read or written
    │   ├── LedgerMissing           there is no ledger at that place yet
    │   ├── LedgerBusy              a server has too much to do or does not answer (may carry ``retry_after_s``)
    │   ├── LedgerForbidden         who asks may not do that, or it is not known who asks
    │   └── IntervalRefused         one interval breaks the account's rules; the others go on
    ├── Malformed                   a message between two of our programs says what cannot be
    ├── CredentialError             a proof of who asks could not be made, or not be checked
    │   └── CredentialRefused       ... or is not to be believed
    ├── SpoolError                  an interval or a promise could not be made durable
    │   └── SpoolDamaged            what the spool holds cannot be read: it is set aside, and counted
    ├── DamagedNote                 a promise or a move that somebody left is not to be believed
    ├── SlurmError                  a Slurm command failed or is absent
    └── MailError                   a report could not be built or sent
        ├── MailRefused             this mail was not taken, others may be
        └── MailInDoubt             it is not known whether this mail was taken
"""

from __future__ import annotations

from collections.abc import Sequence


class VispaGreenError(Exception):
    """An expected failure; its text says what happened and what to do next."""


class ConfigError(VispaGreenError):
    """The configuration cannot be used."""


class UsageError(VispaGreenError):
    """The arguments of a command do not make sense."""


class TimeFormatError(UsageError):
    """A time or duration outside Slurm's grammar (sbatch(1), ``--begin`` and ``--time``)."""


class CannotStart(UsageError):
    """A command cannot be started; ``exit_code`` is what a shell would end with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UnknownPlugin(VispaGreenError):
    """No variant of this kind has that name."""

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no {kind} called {name!r}{did_you_mean(name, known)}; known: {', '.join(known)}")


class MeterError(VispaGreenError):
    """An energy counter could not be read now."""


class MeterForbidden(MeterError):
    """An energy counter is there, but this user may not read it."""


class ImplausibleReading(VispaGreenError):
    """Two readings of a counter whose difference cannot be energy: after a reset, or where one is garbage."""


class UnbalancedEntry(VispaGreenError):
    """An entry whose parts do not add up to what was measured."""


class NotCovered(VispaGreenError):
    """A grid signal does not cover the time asked for."""


class GridError(VispaGreenError):
    """A grid service gave nothing usable."""


class GridUnavailable(GridError):
    """The service did not answer or refused; ``retry_after_s`` is its own wish, where it stated one."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class GridDataError(GridError):
    """The service answered with data that cannot be trusted."""


class LedgerError(VispaGreenError):
    """The ledger could not be read or written."""


class LedgerMissing(LedgerError):
    """There is no ledger at the configured place yet."""


class LedgerBusy(LedgerError):
    """The server of a ledger cannot take this now; ``retry_after_s`` is its own wish, where it stated one."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LedgerForbidden(LedgerError):
    """Whoever asks may not do that with this ledger."""


class IntervalRefused(LedgerError):
    """An interval breaks the rules of the account, however often it is delivered.

    ``sequence`` is its number in its spool, ``None`` where a whole batch broke them together.
    """

    def __init__(self, sequence: int | None, reason: str) -> None:
        super().__init__(f"interval {sequence} is refused by the ledger: {reason}")
        self.sequence, self.reason = sequence, reason


class Malformed(VispaGreenError):
    """What came over a wire does not have the form that it has to have; the text names the field."""


class CredentialError(VispaGreenError):
    """A proof of who asks could not be made or not be checked."""


class CredentialRefused(CredentialError):
    """A proof of who asks is not to be believed."""


class SpoolError(VispaGreenError):
    """An interval or a promise could not be made durable on this node."""


class SpoolDamaged(SpoolError):
    """A record of the spool is not what the agent wrote."""


class DamagedNote(VispaGreenError):
    """A promise or a move that somebody left says what cannot be, or is not his to say."""


class SlurmError(VispaGreenError):
    """A Slurm command failed, timed out or is not installed."""


class MailError(VispaGreenError):
    """A report could not be built or sent."""


class MailRefused(MailError):
    """One mail was not taken; the next may be."""


class MailInDoubt(MailError):
    """A mail was handed over whole, and no answer came; it may be on its way."""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return `` – did you mean X?`` for the nearest known word, or an empty string."""
    import difflib  # where all is spelt well, nobody waits for it

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" – did you mean {near[0]!r}?" if near else ""
