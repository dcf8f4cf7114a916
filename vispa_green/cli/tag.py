"""``vispa-green tag``: say for which project jobs have run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from vispa_green.answers.tagging import TaggingAnswer, tag, tags_of
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json, stamp, warn
from vispa_green.cli._selection import choose
from vispa_green.energy.projects import project_text
from vispa_green.errors import UsageError
from vispa_green.model import ProjectTag
from vispa_green.printable import printable
from vispa_green.session import open_session
from vispa_green.times.local_zone import local_zone


@click.command("tag")
@click.argument("project", required=False)
@click.option(
    "-j", "--jobs", default="", help="These jobs: 12, 12_3 (one task), 12 (all of an array).", metavar="JOBS"
)
@click.option("--split", default="", help="Shares of several projects, exactly 1 together.", metavar="A=0.7,B=0.3")
@click.option("--clear", is_flag=True, help="Take the tags away; what the job was submitted for counts again.")
@click.option("--name", "names", default="", help="Jobs of these names.", metavar="NAMES")
@click.option("-S", "--starttime", default=None, help="Jobs that ran after this time.", metavar="TIME")
@click.option("-E", "--endtime", default=None, help="Jobs that ran before this time.", metavar="TIME")
@config_option
@json_option
def command(project: str | None, config_file: Path | None, *, as_json: bool, **asked: Any) -> None:  # noqa: ANN401
    """Tag jobs with PROJECT, so that the account by project has them; without PROJECT, tell their tags.

    The last tag counts, before the job's --wckey, its comment and the site's rules; the earlier ones stay on record.
    Your own jobs only, unless you keep the ledger.

    \b
    Examples:
      vispa-green tag -j 4711,4712 paper-x
      vispa-green tag -j 4711 --split paper-x=0.7,thesis=0.3
      vispa-green tag --name train_flow -S 2026-11-01 paper-x
      vispa-green tag -j 4711                # who tagged it with what
      vispa-green energy --by project,month -S 2026-01-01
    """
    session = open_session(config_file)
    choice = choose(
        jobs=asked["jobs"], users="", accounts="", names=asked["names"], start=asked["starttime"],
        end=asked["endtime"], all_users=False, now=session.now.utc, zone=local_zone(os.environ),
    )  # fmt: skip
    wanted = _project(project, asked["split"], clear=asked["clear"])
    if wanted is not None and not (asked["jobs"] or asked["names"] or asked["starttime"]):
        raise UsageError("which jobs? name them with -j, --name or -S")
    answer = tags_of(session, choice) if wanted is None else tag(session, choice, wanted)
    if as_json:
        records = [_record(one) for one in answer.tags]
        print_json({"tags": records, "in_ledger": answer.is_in_ledger, "warnings": list(answer.warnings)})
        return
    warn(answer.warnings)
    click.echo("\n".join(_told(answer) if wanted is None else _done(answer)))


def _project(project: str | None, split: str, *, clear: bool) -> str | None:
    """Return the project in the ledger's writing, empty to take tags away, ``None`` where tags are only told."""
    if sum((project is not None, bool(split), clear)) > 1:
        raise UsageError("give one of PROJECT, --split and --clear")
    if clear:
        return ""
    text = split or project
    return None if text is None else project_text(text)


def _record(one: ProjectTag) -> dict[str, Any]:
    return {
        "cluster": one.cluster,
        "job_id": one.job_id,
        "submit": stamp(one.submitted),
        "project": one.project or None,
        "tagged_by": one.tagged_by,
        "tagged_at": stamp(one.tagged_at),
    }


def _told(answer: TaggingAnswer) -> list[str]:
    zone = local_zone(os.environ)
    return [
        f"job {one.job_id}: {printable(one.project) or 'no tag any more'}"
        f" (by {printable(one.tagged_by)}, {one.tagged_at.astimezone(zone):%a %d %b %Y %H:%M})"
        for one in answer.tags
    ] or ["No tags."]


def _done(answer: TaggingAnswer) -> list[str]:
    if not answer.tags:
        return ["No such jobs: nothing was tagged."]
    lines = [f"job {one.job_id}: {printable(one.project) or 'no tag any more'}" for one in answer.tags]
    return lines if answer.is_in_ledger else [*lines, "They count when your site has collected them."]
