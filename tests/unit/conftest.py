"""An account to write a story into."""

from pathlib import Path

import pytest
from lab.story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """An empty account of one user, without Slurm and without a grid service."""
    return Story(tmp_path)
