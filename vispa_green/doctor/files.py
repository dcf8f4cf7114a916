"""Who may change what this site has set, and who may read its passwords and tokens."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vispa_green.config import Config
from vispa_green.doctor.findings import Finding, Level
from vispa_green.session import Session

SECRETS = ("password_file", "token_file")
"""Settings that name a file with a secret, of whatever table."""


def configuration(path: Path) -> Iterator[Finding]:
    """Fail for a configuration that others than its owner and root may change: it says where secrets are."""
    try:
        status = path.stat()
    except OSError:
        return  # who cannot read it was told before
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        who = "everybody" if status.st_mode & stat.S_IWOTH else "its group"
        yield Finding(Level.FAIL, f"configuration: {who} may write to {path}", f"chmod go-w {path}")
    if status.st_uid not in {0, os.getuid()}:
        yield Finding(
            Level.WARN,
            f"configuration: {path} belongs to user {status.st_uid}, who may change what runs here",
            f"chown root {path}",
        )


def secrets(session: Session) -> Iterator[Finding]:
    """Fail for every secret that everybody may read."""
    for setting, path in _named(session.config):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            yield Finding(Level.FAIL, f"{setting}: there is no {path}", "make it, or correct its name")
            continue
        except OSError:
            continue  # behind a directory that is closed to this user, as it should be
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            yield Finding(Level.FAIL, f"{setting}: everybody may read {path}", f"chmod o-rwx {path}")
        else:
            yield Finding(Level.OK, f"{setting}: {path} is closed to others")


def _named(config: Config) -> Iterator[tuple[str, Path]]:
    if config.mail.password_file is not None:
        yield "[mail] password_file", config.mail.password_file
    for section, tables in config.variants.items():
        for name, options in tables.items():
            yield from ((f"[{section}.{name}] {key}", path) for key, path in _paths(options))


def _paths(options: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    for key in SECRETS:
        if isinstance(value := options.get(key), str) and value:
            yield key, Path(value).expanduser()
