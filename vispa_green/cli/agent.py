"""``vispa-green agent``: account this node."""

from __future__ import annotations

import gc
import os
import re
import signal
from pathlib import Path

import click

from vispa_green import host
from vispa_green.cli._options import config_option
from vispa_green.session import open_session
from vispa_green.systemd import Pulse, Supervisor, log_to_stderr

UNITS_S = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0}


class Seconds(click.ParamType[float]):
    """A span such as ``500ms``, ``10s`` or ``1m``; a bare number is seconds."""

    name = "SPAN"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m)?", str(value))
        if found is None or float(found[1]) <= 0:
            self.fail(f"{value!r} is not a span; write 500ms, 10s or 1m", param, ctx)
        return float(found[1]) * UNITS_S[found[2] or ""]


@click.group("agent")
def command() -> None:
    """Account this node."""


@command.command()
@config_option
@click.option(
    "--interval", "interval_s", type=Seconds(), help="Time between readings (default: the configuration's)."
)
@click.option("--samples", type=click.IntRange(min=1), help="Stop after so many regular readings.")
def run(config_file: Path | None, interval_s: float | None, samples: int | None) -> None:
    """Read this node's energy counters and jobs until stopped, and keep the ledger's account of it.

    A reading also happens whenever a job starts or ends, so that short jobs are seen. SIGTERM ends it
    with a last reading; after a crash the next start marks the time between as a gap. Under systemd it says
    when it accounts (Type=notify) and that it goes on (WatchdogSec).

    \b
    Examples:
      vispa-green agent run --config /etc/vispa-green/config.toml
      vispa-green agent run --interval 1s --samples 60
    """
    from vispa_green.agent import assembly
    from vispa_green.agent.bindings import slurm_bindings
    from vispa_green.agent.changes import Changes
    from vispa_green.agent.loop import run as run_loop

    log_to_stderr(os.environ)
    session = open_session(config_file)
    if interval_s is not None and interval_s > 60:
        raise click.BadParameter("at most 60 s: a counter may wrap unseen in a longer one", param_hint="--interval")
    pace = assembly.pace(session.config, interval_s)
    changes = Changes()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: changes.stop())
    agent = assembly.assemble(session, slurm_bindings(session.config.slurm, session.host().name))
    gc.freeze()  # what is loaded by now stays: it need not be looked through again and again
    pulse = Pulse(
        Supervisor.of(os.environ), f"accounts {session.host().name}, a reading each {pace.interval_ns / 1e9:g} s"
    )

    def wait(seconds: float) -> bool:  # the loop is here after each look, so the first one has been taken
        pulse.beat(host.now().monotonic_ns)
        is_over = changes.wait(seconds, agent.places())
        if is_over:
            pulse.end("delivers what it has read")
        return is_over

    try:
        run_loop(agent, pace, host.now, wait, samples)
    finally:
        agent.close()
