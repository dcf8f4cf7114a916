"""Writing files so that a reader running at the same time never sees half of one."""

import os
from collections.abc import Mapping
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Put `text` in `path` in one step: a reader sees the old content or the new, nothing between."""
    # A hidden name, because readers list these directories: none of them asks for names with a dot in front.
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_text(text, encoding="utf-8")
    staged.replace(path)


def place_tree(directory: Path, files: Mapping[str, str]) -> None:
    """Make `directory` appear with all its files at once, as directories of the kernel do, or renew its files."""
    if directory.exists():
        for name, text in files.items():
            replace_text(directory / name, text)
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    staged = directory.with_name(f".{directory.name}.{os.getpid()}")
    staged.mkdir()
    for name, text in files.items():
        target = staged / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    staged.rename(directory)
