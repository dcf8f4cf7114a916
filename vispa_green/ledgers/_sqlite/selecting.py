"""Selections as SQL conditions on the table ``job`` (alias ``j``)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from vispa_green.ledgers._sqlite.codec import QUARTER_US, us, utc
from vispa_green.model import Selection, Visibility


def chosen(selection: Selection) -> tuple[str, list[object]]:
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
            demand(*condition(wanted))
    for column in ("account", "partition"):
        if names := getattr(selection, f"{column}s"):
            demand(f"j.{column} IN {_LIST}", _json(names))
    if selection.projects:
        split = f"SELECT project FROM project_part WHERE part IN {_LIST}"
        demand(f"(j.project IN {_LIST} OR j.project IN ({split}))", *[_json(selection.projects)] * 2)
    if selection.visible is not None:
        demand(*_seen_by(selection.visible))
    for clause, moment in (("j.last_us > ?", selection.start), ("j.first_us < ?", selection.end)):
        if moment is not None:
            demand(clause, us(moment))
    return " AND ".join(clauses), values


def charged(selection: Selection) -> tuple[str, list[object]]:
    """Return the same for a question about energy in a span: what was pruned fills the quarter-hours it was in."""
    start, end = selection.start, selection.end
    wide = replace(
        selection,
        start=None if start is None else utc(us(start) // QUARTER_US * QUARTER_US),
        end=None if end is None else utc(-(-us(end) // QUARTER_US) * QUARTER_US),
    )
    return chosen(wide)


def of_owners(selection: Selection, alias: str) -> tuple[str, list[object]]:
    """Return the same for a table of sums by owner, whose times are another matter."""
    timeless = replace(selection, start=None, end=None, job_ids=(), keys=())
    where, values = chosen(timeless)
    return where.replace("j.same_as IS NULL", "1").replace("j.", f"{alias}."), values


_LIST = "(SELECT value FROM json_each(?))"


def _by_cluster(names: Iterable[Any]) -> tuple[str, ...]:
    return f"j.cluster_id IN (SELECT id FROM cluster WHERE name IN {_LIST})", _json(names)


def _by_owner(owners: Iterable[Any]) -> tuple[str, ...]:
    return f"j.owner IN {_LIST}", _json(owners)


def _by_number(job_ids: Iterable[Any]) -> tuple[str, ...]:
    plain = [text for text in job_ids if not {"_", "+"} & set(text) or text.startswith("run-")]
    shown = [text for text in job_ids if text not in plain]
    wholes = [text.partition("_")[0].partition("+")[0] for text in shown]
    is_part = "j.whole_id <> j.job_id"  # the words of the partial index, so that it serves
    clause = (
        f"(j.job_id IN {_LIST} OR ({is_part} AND j.whole_id IN {_LIST})"
        f" OR (j.job_id IN {_LIST} OR ({is_part} AND j.whole_id IN {_LIST})) AND j.shown_id IN {_LIST})"
    )
    return clause, _json(plain), _json(plain), _json(wholes), _json(wholes), _json(shown)


def _by_key(keys: Iterable[Any]) -> tuple[str, ...]:
    rows = [[key.cluster, key.job_id, None if key.submitted is None else us(key.submitted)] for key in keys]
    clause = (
        "j.id IN (SELECT k.id FROM json_each(?) e JOIN job k ON k.job_id = json_extract(e.value, '$[1]')"
        " JOIN cluster c ON c.id = k.cluster_id AND c.name = json_extract(e.value, '$[0]')"
        " WHERE k.submitted_us IS json_extract(e.value, '$[2]'))"
    )
    return clause, json.dumps(rows)


def _seen_by(somebody: Visibility) -> tuple[str, str, str]:
    own = [somebody.user, *([] if somebody.uid is None else [f"uid:{somebody.uid}"])]
    return f"(j.owner IN {_LIST} OR j.account IN {_LIST})", _json(own), _json(a for a in somebody.accounts if a)


def _json(items: Iterable[object]) -> str:
    return json.dumps(list(items))
