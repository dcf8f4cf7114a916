"""The agent and the everyday commands stay light: what only reports need is not even looked at."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HEAVY = {
    "duckdb", "pandas", "sqlalchemy", "psycopg", "flask", "werkzeug", "gunicorn", "matplotlib", "jinja2", "numpy",
}  # fmt: skip
PROGRAM = """
import importlib, json, pkgutil, sys
name = sys.argv[1]
package = importlib.import_module(name)
for module in pkgutil.walk_packages(getattr(package, "__path__", []), name + "."):
    importlib.import_module(module.name)
print(json.dumps(sorted({module.partition(".")[0] for module in sys.modules})))
"""


@pytest.mark.parametrize(
    "package",
    [
        "agent",
        "cli",
        "credentials",
        "doctor",
        "gsbatch",
        "ledgers",
        "meters",
        "providers",
        "reports",
        "run",
        "slurm",
        "trackers",
    ],
)
def test_importing_it_imports_nothing_heavy(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"vispa_green.{package}"], capture_output=True, check=True, text=True
    )
    needed = {"ledgers": {"psycopg"}}  # by the file of that variant, which is read where an address names it
    assert not (HEAVY - needed.get(package, set())) & set(json.loads(done.stdout))


LATE = {"psycopg", "pydantic", "psutil", "requests", "sqlite3"}
STARTS = {
    "gsbatch": ("vispa_green.gsbatch vispa_green.gsbatch.first_look vispa_green.gsbatch.submit", LATE),
    "command line": ("vispa_green.cli vispa_green.cli.agent vispa_green.session vispa_green.config", LATE),
    # Every agent writes to its ledger: SQLite is needed.
    "agent": (
        "vispa_green.cli.agent vispa_green.agent.assembly vispa_green.agent.bindings",
        LATE - {"sqlite3"} | {"_hashlib"},
    ),
    "questions from Python": ("vispa_green vispa_green.api", {"psycopg"}),
    "a ledger in a file": ("vispa_green.ledgers.sqlite vispa_green.ledgers._sql.energy", {"psycopg"}),
}


@pytest.mark.parametrize("start", STARTS)
def test_what_is_seldom_needed_is_not_imported_before(start: str) -> None:
    modules, late = STARTS[start]
    program = "import json, sys; [__import__(name) for name in sys.argv[1:]]; print(json.dumps([*sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", program, *modules.split()], capture_output=True, check=True, text=True
    )
    assert not late & set(json.loads(done.stdout))


def test_the_version_is_told_without_anything() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "vispa_green", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "click" in imported
    assert not LATE & imported


def test_what_is_declared_for_everybody_is_what_the_package_imports_and_no_more() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    modules = {"nvidia-ml-py": "pynvml", "pillow": "PIL"}

    def named(requirements: list[str]) -> set[str]:
        names = {re.split(r"[<>=\[]", requirement)[0] for requirement in requirements}
        return {modules.get(name, name) for name in names} - {"tzdata", "vispa-green"}

    base = named(project["dependencies"])
    extras = project["optional-dependencies"]
    files = (ROOT / "vispa_green").rglob("*.py")
    imported = {name for file in files for name in imports_of(file)} - set(sys.stdlib_module_names) - {"vispa_green"}
    brought = {"markupsafe", "werkzeug"}
    """With jinja2, and with flask."""
    optional = [one for extra in ("analytics", "postgres", "report", "notebook", "server") for one in extras[extra]]
    assert imported - named(optional) - brought == base


def imports_of(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("jobs list", "the bundled jobs need pydantic: pip install 'vispa-green[jobs]'"),
        (
            "simulate study simulation/studies/idle_nodes_sleep.toml",
            "pydantic: pip install 'vispa-green[sim,report]'",
        ),
    ],
)
def test_what_an_extra_would_bring_is_named_where_it_is_missing(words: str, said: str) -> None:
    program = "import sys; sys.modules['pydantic'] = None; from vispa_green.cli import main; main()"
    command = [sys.executable, "-c", program, *words.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
