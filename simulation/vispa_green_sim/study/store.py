"""One file for each replication, written at once or not at all, named by a hash of what its result depends on.

So a study that was killed goes on where it was, and a changed input, setting or program never meets old results.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from vispa_green_sim.study.preparing import PreparedStudy, Scenario
from vispa_green_sim.study.replication import Comparison
from vispa_green_sim.study.spec import StudyError


@dataclass(frozen=True, slots=True)
class Store:
    """The results of a study in a folder."""

    folder: Path
    fingerprint: str

    @classmethod
    def of(cls, prepared: PreparedStudy, out: Path) -> Store:
        """Open (or make) the store below a study's output folder."""
        folder = out / "replications"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(f"{folder}: cannot be made ({error.strerror}); choose another --out") from error
        return cls(folder, prepared.fingerprint)

    def has(self, scenario: Scenario, seed: int) -> bool:
        """Say whether the result is there."""
        return self._file(scenario, seed).exists()

    def put(self, scenario: Scenario, result: Comparison) -> None:
        """Keep a result; a reader sees all of it or nothing."""
        file = self._file(scenario, result.seed)
        part = file.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(dataclasses.asdict(result), separators=(",", ":")), encoding="utf-8")
        part.replace(file)

    def get(self, scenario: Scenario, seed: int) -> Comparison:
        """Return a result; raise `StudyError` if it is missing or broken."""
        file = self._file(scenario, seed)
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            return dataclasses.replace(Comparison.from_record(record), scenario=scenario.name)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StudyError(f"{file}: cannot be read ({error}); remove it and go on with --resume") from error

    def forget(self, scenario: Scenario, seed: int) -> None:
        """Remove a result, if it is there."""
        self._file(scenario, seed).unlink(missing_ok=True)

    def _file(self, scenario: Scenario, seed: int) -> Path:
        content = scenario.table.model_dump(mode="json", exclude={"name"})
        key = json.dumps([self.fingerprint, content, seed], sort_keys=True)
        return self.folder / f"{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}.json"
