"""Addresses like ``http://head:8642``."""

from __future__ import annotations

from urllib.parse import urlsplit

from vispa_green.errors import ConfigError


def host_and_port(url: str, default_port: int) -> tuple[str, int]:
    """Return where a URL points to; raise `ConfigError` where it says more or less than that."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(
            f"[ledger] url: {url!r} is not a server's address; write {url.partition(':')[0]}://head:8642"
        )
    return host, port or default_port
