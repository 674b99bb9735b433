"""What a visit over SSH is, as data: the peer, how we log in, how long each stage may last, and how it ended.  Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

Keys = Mapping[str, bytes]
"""Trusted keys of one host: algorithm → raw key blob."""

OUTCOMES = {
    "ok": "visited, all sections read",
    "partial": "visited, some sections are missing or were cut",
    "unreachable": "no answer, no route or the name does not resolve: is it switched on, does the firewall let us through?",
    "refused": "the port answers with a refusal: is sshd running, is the port right?",
    "host key unknown": "nobody has trusted this host's key yet: compare its fingerprint, then `planner hosts trust`",
    "host key changed": "the host's key is not the one trusted before: find out why before anything else is done with it",
    "auth": "the login was refused: is our public key in the account's authorized_keys?",
    "timeout": "a deadline passed: the host answers too slowly or hangs",
    "protocol": "the peer does not speak SSH in a way that we can use",
    "not unix": "the login gives no POSIX shell",
}
"""Every way a visit can end, with what to do about it."""


@dataclass(frozen=True)
class Login:
    """One way to log in: key files are tried in order, then the agent's keys, then the password.  Passwords never show in a repr."""

    user: str
    key_files: tuple[str, ...] = ()
    agent: bool = True
    password: str = field(default="", repr=False)
    sudo_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Peer:
    """One SSH server: where it is, the keys that it must prove to have, and the logins to try in order.

    `jumps` are the bastions on the way, the first to be reached first; `legacy` is the admin's word that this peer may be spoken
    to by algorithms of the SHA-1 era.
    """

    address: str
    logins: tuple[Login, ...]
    keys: Keys
    port: int = 22
    jumps: tuple[Peer, ...] = ()
    legacy: bool = False


@dataclass(frozen=True)
class Deadlines:
    """Seconds a stage may last: TCP connect, key exchange (with banner), authentication, the whole command."""

    connect: float = 8.0
    exchange: float = 12.0
    auth: float = 15.0
    command: float = 300.0


@dataclass(frozen=True)
class Visit:
    """How a visit ended; `output` is what the command printed up to then, `seconds` the whole visit's time."""

    outcome: str
    detail: str
    output: bytes = b""
    seconds: float = 0.0


@dataclass(frozen=True)
class OfferedKey:
    """A host key as a server offers it."""

    algorithm: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` as OpenSSH prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def base64(self) -> str:
        """The key as it stands in a known_hosts line."""
        return base64.b64encode(self.blob).decode()
