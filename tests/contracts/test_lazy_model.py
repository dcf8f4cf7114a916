"""The values of the model are loaded by name, when they are first used."""

from __future__ import annotations

import json
import subprocess
import sys

import vispa_green.model

GREEN = """
import json, sys
import vispa_green.gsbatch.submit
print(json.dumps(sorted(name for name in sys.modules if name.startswith("vispa_green.model."))))
"""


def test_every_name_is_there_and_of_the_module_that_is_named_for_it() -> None:
    for name in vispa_green.model.__all__:
        assert getattr(vispa_green.model, name) is not None
    assert set(vispa_green.model._HOME) == set(vispa_green.model.__all__)


def test_a_submission_loads_no_more_than_it_speaks_of() -> None:
    done = subprocess.run([sys.executable, "-c", GREEN], capture_output=True, check=True, text=True)
    loaded = {name.rpartition(".")[2] for name in json.loads(done.stdout)}
    assert loaded <= {"grid", "jobs", "node", "planning", "projects"}
