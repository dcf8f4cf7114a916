"""The agent and the everyday commands stay light: what only reports need is not even looked at."""

import json
import subprocess
import sys

import pytest

HEAVY = {"pandas", "sqlalchemy", "flask", "matplotlib", "jinja2", "numpy"}
PROGRAM = """
import importlib, json, pkgutil, sys
name = sys.argv[1]
package = importlib.import_module(name)
for module in pkgutil.walk_packages(getattr(package, "__path__", []), name + "."):
    importlib.import_module(module.name)
print(json.dumps(sorted({module.partition(".")[0] for module in sys.modules})))
"""


@pytest.mark.parametrize(
    "package", ["agent", "cli", "doctor", "gsbatch", "reports", "run", "slurm", "grid", "meters", "trackers"]
)
def test_importing_it_imports_nothing_heavy(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"vispa_green.{package}"], capture_output=True, check=True, text=True
    )
    assert not HEAVY & set(json.loads(done.stdout))
