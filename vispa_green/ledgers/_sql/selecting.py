"""Selections as SQL conditions on the table ``job`` (alias ``j``)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from vispa_green.ledgers._sql.codec import QUARTER_US, us, utc
from vispa_green.ledgers._sql.dialect import Dialect
from vispa_green.model import Selection, Visibility


def chosen(words: Dialect, selection: Selection) -> tuple[str, list[object]]:
    """Return the condition that a row of ``job`` meets if the selection is about it, and its values."""
    clauses, values = ["j.same_as IS NULL"], list[object]()

    def demand(clause: str, *given: object) -> None:
        clauses.append(clause)
        values.extend(given)

    demands = (
        (selection.job_ids, _by_number),
        (selection.keys, _by_key),
        ((*selection.users, *(f"uid:{uid}" for uid in selection.uids)), _by_owner),
        (selection.clusters, _by_cluster),
    )
    for wanted, condition in demands:
        if wanted:
            demand(*condition(words, wanted))
    for column in ("account", "partition"):
        if names := getattr(selection, f"{column}s"):
            demand(f"j.{column} {words.texts}", _json(names))
    if selection.projects:
        split = f"SELECT project FROM project_part WHERE part {words.texts}"
        demand(f"(j.project {words.texts} OR j.project IN ({split}))", *[_json(selection.projects)] * 2)
    if selection.visible is not None:
        demand(*_seen_by(words, selection.visible))
    for clause, moment in (("j.last_us > ?", selection.start), ("j.first_us < ?", selection.end)):
        if moment is not None:
            demand(clause, us(moment))
    return " AND ".join(clauses), values


def charged(words: Dialect, selection: Selection) -> tuple[str, list[object]]:
    """Return the same for a question about energy in a span: what was pruned fills the quarter-hours it was in."""
    start, end = selection.start, selection.end
    wide = replace(
        selection,
        start=None if start is None else utc(us(start) // QUARTER_US * QUARTER_US),
        end=None if end is None else utc(-(-us(end) // QUARTER_US) * QUARTER_US),
    )
    return chosen(words, wide)


def of_owners(words: Dialect, selection: Selection, alias: str) -> tuple[str, list[object]]:
    """Return the same for a table of sums by owner, whose times are another matter."""
    timeless = replace(selection, start=None, end=None, job_ids=(), keys=())
    where, values = chosen(words, timeless)
    return where.replace("j.same_as IS NULL", "1 = 1").replace("j.", f"{alias}."), values


def _by_cluster(words: Dialect, names: Iterable[Any]) -> tuple[str, ...]:
    return f"j.cluster_id IN (SELECT id FROM cluster WHERE name {words.texts})", _json(names)


def _by_owner(words: Dialect, owners: Iterable[Any]) -> tuple[str, ...]:
    return f"j.owner {words.texts}", _json(owners)


def _by_number(words: Dialect, job_ids: Iterable[Any]) -> tuple[str, ...]:
    plain = [text for text in job_ids if not {"_", "+"} & set(text) or text.startswith("run-")]
    shown = [text for text in job_ids if text not in plain]
    wholes = [text.partition("_")[0].partition("+")[0] for text in shown]
    is_part = "j.whole_id <> j.job_id"  # the words of the partial index, so that it serves
    clause = (
        f"(j.job_id {words.texts} OR ({is_part} AND j.whole_id {words.texts})"
        f" OR (j.job_id {words.texts} OR ({is_part} AND j.whole_id {words.texts})) AND j.shown_id {words.texts})"
    )
    return clause, _json(plain), _json(plain), _json(wholes), _json(wholes), _json(shown)


def _by_key(words: Dialect, keys: Iterable[Any]) -> tuple[str, ...]:
    rows = [[key.cluster, key.job_id, None if key.submitted is None else us(key.submitted)] for key in keys]
    cluster, number = words.element_text.format(0), words.element_text.format(1)
    submitted = words.element_number.format(2)
    clause = (
        f"j.id IN (SELECT k.id FROM {words.elements} JOIN job k ON k.job_id = {number}"
        f" JOIN cluster c ON c.id = k.cluster_id AND c.name = {cluster}"
        f" WHERE k.submitted_us = {submitted} OR (k.submitted_us IS NULL AND {submitted} IS NULL))"
    )
    return clause, json.dumps(rows)


def _seen_by(words: Dialect, somebody: Visibility) -> tuple[str, str, str]:
    own = [somebody.user, *([] if somebody.uid is None else [f"uid:{somebody.uid}"])]
    return f"(j.owner {words.texts} OR j.account {words.texts})", _json(own), _json(a for a in somebody.accounts if a)


def _json(items: Iterable[object]) -> str:
    return json.dumps(list(items))
