"""The report on an account or the cluster as text."""

from __future__ import annotations

from datetime import timedelta

from vispa_green.answers.group import BY, GroupReport
from vispa_green.phrases import Words
from vispa_green.printable import printable
from vispa_green.reports.plots import COMPONENTS
from vispa_green.reports.render import Line, template

LINES = 20
"""So many of each kind are told, the largest; `vispa-green energy --by` has all."""


def group_text(report: GroupReport, cluster: str, language: str) -> str:
    """Return the text."""
    words, period = Words(language), report.period
    phrase = "of_account" if report.account else "of_cluster"
    own = report.total.parts
    parts: list[Line] = [(words.say(name), getattr(own, name), None) for name, _, _ in COMPONENTS]
    tables = [(words.say("by_component"), [line for line in parts if line[1]])]
    for dimension in BY:
        rows = report.by.get(dimension, ())[:LINES]
        lines: list[Line] = [
            (str(row.group[dimension]) or words.say("unnamed"), row.parts.total_uj, row.grid.co2_g) for row in rows
        ]
        tables.append((words.say(f"by_{dimension}"), lines))
    return template(
        "group.txt",
        {
            "report": report,
            "words": words,
            "say": words.say,
            "title": printable(words.say(phrase, account=report.account, cluster=cluster, period=period.name)),
            "first": period.first,
            "last": period.after - timedelta(days=1),
            "tables": tables,
        },
    )
