"""Who is at the door: the proof is checked, then what this user or node may be here."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vispa_green.access import Principal, Role
from vispa_green.answers.asking import as_slurm_sees
from vispa_green.config import Config
from vispa_green.credentials import CREDENTIALS, Asked, Caller, Credential, OtherEnd, Seen
from vispa_green.errors import ConfigError, CredentialRefused, LedgerForbidden

NODE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
SLURM_HOLDS = timedelta(seconds=60)
"""So long what Slurm said of a user's accounts is not asked again."""
MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Guest:
    """A caller who was let in. ``node`` is the one whose agent he is, if he is one."""

    caller: Caller
    principal: Principal
    node: str = ""

    @property
    def name(self) -> str:
        """What he is counted by."""
        return f"node {self.node}" if self.node else f"user {self.principal.user}"

    @property
    def is_admin(self) -> bool:
        """Whether he may change what is not his own."""
        return Role.ADMIN in self.principal.roles


class Admission:
    """Lets callers in by the ways that the configuration names, in its order."""

    def __init__(self, config: Config, seen: Seen) -> None:
        if not config.server.credentials:
            raise ConfigError("[server] credentials: none is named, so nobody could ask; write munge, token or peer")
        tables = config.options("credentials")
        self._config, self._seen = config, seen
        self._ways: Sequence[Credential] = [
            CREDENTIALS.make(name, None, tables) for name in config.server.credentials
        ]
        self._addresses = _addresses(config.server.nodes)
        self._known: dict[str, tuple[datetime, Principal]] = {}
        self._turn = threading.Lock()

    def admit(self, asked: Asked, headers: Mapping[str, str], end: OtherEnd, at: datetime) -> Guest:
        """Return who asks; raise `CredentialRefused` or `LedgerForbidden` for whom nobody here believes."""
        if asked.node and not NODE_NAME.fullmatch(asked.node):
            raise CredentialRefused("that is no name of a node")
        for way in self._ways:
            caller = way.verify(asked, headers, end, at, self._seen)
            if caller is not None:
                return self._guest(caller, end, at)
        known = ", ".join(self._config.server.credentials)
        raise CredentialRefused(f"nothing proves who asks; this server believes {known}")

    def _guest(self, caller: Caller, end: OtherEnd, at: datetime) -> Guest:
        if not caller.user:  # a secret that is a node's own
            return Guest(caller, Principal("", None), caller.node)
        principal = self._principal(caller, at)
        if not caller.node:
            return Guest(caller, principal)
        if caller.user not in self._config.server.agents:
            raise LedgerForbidden(
                f"{caller.user} is no agent here, so speaks for no node; [server] agents names {self._agents}"
            )
        self._check_address(caller, end)
        return Guest(caller, principal, caller.node)

    @property
    def _agents(self) -> str:
        return ", ".join(self._config.server.agents)

    def _check_address(self, caller: Caller, end: OtherEnd) -> None:
        """Raise `LedgerForbidden` where an agent speaks for a node that is elsewhere."""
        made_at = caller.address if caller.address and not _is_loopback(caller.address) else end.address
        if not made_at and end.uid is not None and caller.kind == "peer":
            return  # by a socket of this machine: which of its nodes, its admin knows
        known = self._addresses.get(caller.node) or _resolved(caller.node)
        if made_at not in known:
            raise LedgerForbidden(
                f"{made_at or 'an unknown address'} is not node {caller.node}'s"
                f" ({', '.join(sorted(known)) or 'which has none'}); say in [server] nodes where it is"
            )

    def _principal(self, caller: Caller, at: datetime) -> Principal:
        access, roles = self._config.access, set()
        is_owner = caller.kind == "peer" and caller.uid in {0, os.geteuid()}  # who can read the ledger's file anyway
        if caller.user in access.admins or is_owner:
            roles.add(Role.ADMIN)
        if caller.user in access.support:
            roles.add(Role.SUPPORT)
        principal = Principal(caller.user, caller.uid, roles=frozenset(roles))
        if roles:
            return principal
        if access.others == "always":
            return replace(principal, sees_all=True)
        return self._as_slurm_sees(principal, at)

    def _as_slurm_sees(self, principal: Principal, at: datetime) -> Principal:
        with self._turn:
            since, known = self._known.get(principal.user, (at, None))
        if known is not None and known.uid == principal.uid and at - since < SLURM_HOLDS:
            return known
        found = as_slurm_sees(self._config, principal)
        with self._turn:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[principal.user] = (at, found)
        return found


def _addresses(entries: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in entries:
        name, _, address = entry.partition("=")
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ConfigError(f"[server] nodes: {entry!r} is not like n1=10.0.0.1") from None
        found.setdefault(name, set()).add(address)
    return found


def _resolved(node: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(node, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
