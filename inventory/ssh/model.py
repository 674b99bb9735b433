"""What a visit over SSH is, as data: the peer, how we log in, how long each stage may last, and how it ended.  Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
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
    "sudo": "sudo gave no root in spite of the password that we have for it; what the account itself may read was read",
    "timeout": "a deadline passed: the host answers too slowly or hangs",
    "protocol": "the peer does not speak SSH in a way that we can use",
    "not unix": "the login gives no POSIX shell",
}
"""Every way a visit can end, with what to do about it."""


ROOT_SHELL = (
    'sh -c \'n="nice -n 19"; $n true 2>/dev/null || n=; if test `id -u` = 0; then exec $n sh -s; fi; LC_ALL=C; export LC_ALL; '
    "if r=`LC_ALL=C sudo -k -n sh -s 2>&1 </dev/null`; then exec $n sudo -n sh -s; fi; "
    'case "$r" in *usage*) if r=`LC_ALL=C sudo -n sh -s 2>&1 </dev/null`; then exec $n sudo -n sh -s; fi;; esac; '
    'case "$r" in *"have a tty"*) r=tty;; *"password is required"*) r=password;; *"not found"*) r=none;; *) r=refused;; esac; '
    "PLANNER_SUDO=$r; export PLANNER_SUDO; exec $n sh -s'"
)
"""The command for a shell that reads a script, as root where that can be had: what `visit` runs with a script on its input.

`-k` keeps sudo from writing a timestamp where it would want a password; versions before 1.7.3 do not take it with a command.
Quoted so that csh, tcsh and fish as login shells pass it on unchanged: one line, no backslash, no `!`, no single quote inside.  Where
sudo is refused, PLANNER_SUDO tells the script why: tty (the account is restricted by requiretty), password, none, refused.  A login
with a password for sudo is asked for it in a dialogue before this command is run (`inventory.ssh.elevation`).
"""


@dataclass(frozen=True)
class Login:
    """One way to log in: key files are tried in order, then the agent's keys, then the password (as such, then in answer to a prompt).

    `name` is what a visit says it came in by.  `passphrase` opens the key files that need one.  No secret shows in a repr.
    """

    user: str
    key_files: tuple[str, ...] = ()
    agent: bool = True
    password: str = field(default="", repr=False)
    sudo_password: str = field(default="", repr=False)
    name: str = ""
    passphrase: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be in anything that is kept or shown."""
        return tuple(text for text in (self.password, self.sudo_password, self.passphrase) if text)

    def __str__(self) -> str:
        return self.name or self.user


@dataclass(frozen=True)
class Peer:
    """One SSH server: where it is, the keys that it must prove to have, and the logins to try in order.

    `preferred` names the login that worked last time: it is tried first, which spares the host refusals and us its bans.
    `jumps` are the bastions on the way, the first to be reached first; `legacy` is the admin's word that this peer may be spoken
    to by algorithms of the SHA-1 era.  `name` is what a bastion is called in an outcome's detail.  `refusal` says why it must not be
    visited as it is configured: a visit then ends at once.
    """

    address: str
    logins: tuple[Login, ...]
    keys: Keys
    port: int = 22
    jumps: tuple[Peer, ...] = ()
    legacy: bool = False
    name: str = ""
    refusal: str = ""
    preferred: str = ""

    @property
    def in_order(self) -> tuple[Login, ...]:
        """The logins in the order in which they are tried."""
        return tuple(sorted(self.logins, key=lambda login: not self.preferred or login.name != self.preferred))

    def __str__(self) -> str:
        return self.name or self.address

    @property
    def plain(self) -> bool:
        """Whether a key or the agent of one login, without sudo's password, on a straight connection, is all that it can need."""
        login = self.logins[0] if len(self.logins) == 1 else None
        return login is not None and not (login.secrets or self.jumps or self.legacy or self.refusal)


@dataclass(frozen=True)
class Deadlines:
    """Seconds a stage may last: TCP connect, key exchange (with banner), authentication, the whole command."""

    connect: float = 8.0
    exchange: float = 12.0
    auth: float = 15.0
    command: float = 300.0


@dataclass(frozen=True)
class Visit:
    """How a visit ended; `output` is what the command printed up to then, `seconds` the whole visit's time.

    `login` is the name of the login that was let in, '' when none was.  `said` is the beginning of what came on the command's standard
    error (at most `SAID` bytes): what a login shell that is none says for itself.
    """

    outcome: str
    detail: str
    output: bytes = b""
    seconds: float = 0.0
    login: str = ""
    said: str = ""


SAID = 2000


class Stop(Exception):
    """An outcome other than ok, on its way to the caller of `visit`; `output` is what had come by then.  Never leaves `inventory.ssh`.

    `placed` is whether the detail says already which bastion it was.
    """

    def __init__(self, outcome: str, detail: str, output: bytes = b"", *, placed: bool = False) -> None:
        super().__init__(detail)
        self.outcome, self.detail, self.output, self.placed = outcome, detail, output, placed


def without(data: bytes, secrets: Iterable[str]) -> bytes:
    """`data` with the secrets of eight and more characters cut out: shorter ones are words that any host may print.

    A host that prints a password (an echo, a trap, the same one in its configuration) must not bring it into the catalogue.
    """
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= 8:
            data = data.replace(secret.encode(), b"[redacted]")
    return data


@dataclass(frozen=True)
class OfferedKey:
    """A host key as a server offers it."""

    algorithm: str
    blob: bytes

    @classmethod
    def read(cls, algorithm: str, text: str) -> OfferedKey:
        """From the words of a known_hosts line.  Raises ValueError."""
        return cls(algorithm, base64.b64decode(text, validate=True))

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` as OpenSSH prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def base64(self) -> str:
        """The key as it stands in a known_hosts line."""
        return base64.b64encode(self.blob).decode()
