"""The page of a study, from a template and SVG pictures."""

from __future__ import annotations

from collections.abc import Sequence

from vispa_green.reports.plots import missing_extra
from vispa_green_sim.report.plots import price_figure, saved_figure, svg, waits_figure
from vispa_green_sim.report.words import duration, noise_words, number, replay_words
from vispa_green_sim.study.replication import Comparison
from vispa_green_sim.study.summary import Summary


def page_html(summary: Summary, results: Sequence[Sequence[Comparison]]) -> str:
    """Return the page; raise `MailError` where the ``report`` extra is not installed."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise missing_extra() from error
    effects = summary.effects
    own = [effect for effect in effects if not effect.varies]
    environment = Environment(
        loader=PackageLoader("vispa_green_sim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, duration=duration)
    return environment.get_template("study.html").render(
        summary=summary,
        own=own,
        variations=[effect for effect in effects if effect.varies],
        replay=replay_words(summary.replay),
        noise=noise_words(summary),
        pictures=(
            ("Saved", "What each scenario saves, with 95 % intervals", svg(saved_figure(own, summary.noise))),
            ("Waiting", "Who waits longer", svg(waits_figure(own))),
            ("Price", "What is saved over what it costs in time", svg(price_figure(own))),
        ),
    )
