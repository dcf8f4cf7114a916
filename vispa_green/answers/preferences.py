"""What users want of their mails: told by themselves, by a command or by the address in a mail, which is signed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from vispa_green.answers.asking import who_asks
from vispa_green.answers.jobs import open_account
from vispa_green.errors import ConfigError, CredentialRefused, LedgerError
from vispa_green.model import Preference
from vispa_green.session import Session

PATH = "/unsubscribe"
KEY_BYTES, KEY_MODE = 32, 0o600
_PURPOSE = b"vispa-green: no more weekly mails\0"


def wants(session: Session, users: Sequence[str] = ()) -> dict[str, Preference]:
    """Return what these users said, or all who ever said something, as far as the ledger tells it to who asks."""
    ledger = open_account(session)
    try:
        return {one.user: one for one in ledger.preferences.preferences(users)}
    finally:
        ledger.close()


def prefer(session: Session, language: str | None = None, *, weekly: bool | None = None) -> Preference:
    """Keep what the caller wants, where something is said, and return what holds for him now."""
    user = who_asks(session).user
    ledger = open_account(session)
    try:
        if language is not None or weekly is not None:
            try:
                ledger.preferences.keep(user, language, weekly, session.now.utc)
            except LedgerError as error:
                raise LedgerError(
                    f"{error}; where you may not write to the ledger, the address in each mail takes you off the list"
                ) from error
        said = ledger.preferences.preferences((user,))
    finally:
        ledger.close()
    return said[0] if said else Preference(user, "", True)


def key_of(session: Session) -> bytes:
    """Return the key that signs addresses; it is made where there is none. Raise `ConfigError` where it cannot be."""
    own = (session.config.server.state_dir or session.state_dir / "server") / "unsubscribe.key"
    path = session.config.mail.unsubscribe_key or own
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _made(path) or _read(path)
    except OSError as error:
        raise ConfigError(f"[mail] unsubscribe_key: {path}: {error.strerror}") from error


def _made(path: Path) -> bytes | None:
    """Return a new key, whole on the disk before its name is there; ``None`` where there is one."""
    if path.exists():
        return None
    key = os.urandom(KEY_BYTES)
    staged = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, KEY_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(descriptor)
        os.link(staged, path)
    except FileExistsError:  # somebody was sooner
        return None
    finally:
        staged.unlink()
    return key


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise ConfigError(f"[mail] unsubscribe_key: others may read {path}; take their rights away (chmod 600)")
        key = file.read()
    if len(key) < KEY_BYTES:
        raise ConfigError(f"[mail] unsubscribe_key: {path} has {len(key)} bytes; a key has at least {KEY_BYTES}")
    return key


def leave_address(base: str, key: bytes, cluster: str, user: str) -> str:
    """Return the address by which a user, and nobody else, gets no more mails."""
    name = base64.urlsafe_b64encode(user.encode()).decode().rstrip("=")
    return f"{base.rstrip('/')}{PATH}?u={name}&s={quote(_signed(key, cluster, user))}"


def who_leaves(key: bytes, cluster: str, name: str, signature: str) -> str:
    """Return the user of an address; raise `CredentialRefused` for one that we did not sign."""
    try:
        user = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
    except (ValueError, binascii.Error):
        user = ""
    if not user or not hmac.compare_digest(_signed(key, cluster, user).encode(), signature.encode()):
        raise CredentialRefused("this address is not one of ours, or of another key; take it from a newer mail")
    return user


def _signed(key: bytes, cluster: str, user: str) -> str:
    message = _PURPOSE + cluster.encode() + b"\0" + user.encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()
