"""What the documentation shows is true: its configurations load, its commands and files exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from vispa_green.config import parse

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
PROGRAMS = Path(sys.executable).parent


def blocks(language: str) -> list[tuple[str, str]]:
    return [(page.name, text) for page in PAGES for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def commands() -> list[str]:
    lines = (line.split("#")[0].strip() for _, text in blocks("sh") for line in text.splitlines())
    return sorted({line for line in lines if line.startswith("vispa-green ")})


def help_of(*path: str) -> str:
    """Return what ``--help`` prints, nothing for a command that does not exist."""
    command = [str(PROGRAMS / "vispa-green"), *path, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_a_configuration_shown_loads(page: str, text: str) -> None:
    parse(tomllib.loads(text), page)


@pytest.mark.parametrize("line", commands())
def test_a_command_shown_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)[1:]
    options = [
        word.partition("=")[0] for word in words[: words.index("--") if "--" in words else None] if word[0] == "-"
    ]
    path = [word for word in words if re.fullmatch(r"[a-z]+", word)][:2]
    while path:
        done = subprocess.run(
            [PROGRAMS / "vispa-green", *path, "--help"], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            break
        path.pop()
    assert path, done.stderr
    assert all(option in done.stdout for option in options), done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert missing == []


def test_every_command_has_help_with_an_example() -> None:
    listing = help_of()
    names = re.findall(r"^  ([a-z]+)  ", listing.partition("Commands:")[2], re.MULTILINE)
    assert len(names) > 5
    for name in names:
        text = subprocess.run(
            [PROGRAMS / "vispa-green", name, "--help"], capture_output=True, text=True, check=True
        ).stdout
        assert "Commands:" in text or "Examples:" in text, name
