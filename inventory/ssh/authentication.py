"""Logging in: the logins of a peer in their order, and each one's ways (key files, the agent's keys, password) in theirs.

In: a function that brings a connection whose host key is verified, and the logins.  Out: a connection on which one of them was let in,
and which; or a `Stop` that says what was tried.  A server that hangs up after some refusals is connected to again.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from inventory.ssh.connection import Connection
from inventory.ssh.model import Login, Stop

ATTEMPTS = 5
"""Refusals that one connection takes: OpenSSH's MaxAuthTries hangs up at the sixth."""
CONNECTIONS = 12
"""Connections that one peer's logins may take: what a server's MaxAuthTries of 1 allows must end somewhere."""

_keys: dict[tuple[str, str, float], paramiko.PKey] = {}
_keys_lock = threading.Lock()


def load_key(name: str, passphrase: str = "") -> paramiko.PKey:
    """A private key file, read once for all hosts: unlocking one may take a tenth of a second.  Raises OSError, ValueError."""
    path = Path(name).expanduser()
    identity = (str(path), passphrase, path.stat().st_mtime)
    with _keys_lock:
        if identity not in _keys:
            _keys[identity] = _read_key(path, passphrase)
        return _keys[identity]


def _read_key(path: Path, passphrase: str) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except (TypeError, paramiko.PasswordRequiredException):  # what says "a passphrase is needed" differs with the key's format
        if not passphrase:
            raise ValueError("it needs a passphrase: name one in the login") from None
    except (paramiko.SSHException, ValueError) as error:
        if not passphrase:
            raise ValueError(str(error) or "this is no private key") from None
    try:
        return paramiko.PKey.from_path(path, passphrase.encode())  # type: ignore[arg-type]  # bytes, whatever the stubs say
    except (paramiko.SSHException, ValueError, TypeError):
        raise ValueError("its passphrase is wrong, or it is no private key") from None


@dataclass(frozen=True)
class Attempt:
    """One try: `label` says in an outcome what it was; `run` brings the methods that the server still wants, none when we are in."""

    method: str
    label: str
    run: Callable[[paramiko.Transport], list[str]]


@dataclass
class _Answers:
    """A password given once, to the first hidden question; what else is asked is kept, because it says what is missing."""

    password: str
    used: bool = False
    asked: list[str] = field(default_factory=list)

    def __call__(self, _title: str, _instructions: str, questions: Sequence[tuple[str, bool]]) -> list[str]:
        answers = []
        for question, shown in questions:
            if not shown and not self.used:
                self.used = True
                answers.append(self.password)
            else:
                self.asked.append(question.strip()[:60])
                answers.append("")
        return answers


def _interactive(user: str, password: str) -> Callable[[paramiko.Transport], list[str]]:
    def run(transport: paramiko.Transport) -> list[str]:
        answers = _Answers(password)
        try:
            return transport.auth_interactive(user, answers)
        except paramiko.AuthenticationException as error:
            if answers.asked and not isinstance(error, paramiko.BadAuthenticationType):
                raise paramiko.AuthenticationException(f"it asks for more than a password: {answers.asked[0]!r}") from error
            raise

    return run


def _publickey(user: str, key: paramiko.PKey) -> Callable[[paramiko.Transport], list[str]]:
    return lambda transport: transport.auth_publickey(user, key)


def attempts(login: Login, problems: list[str]) -> Iterator[Attempt]:
    """A login's tries in order; what cannot be tried is added to `problems`."""
    user, seen = login.user, set()
    for name in login.key_files:
        try:
            key = load_key(name, login.passphrase)
        except (OSError, ValueError) as error:
            problems.append(f"the key file {name} cannot be used: {getattr(error, 'strerror', None) or error}")
            continue
        seen.add(key.asbytes())
        yield Attempt("publickey", f"key {Path(name).name}", _publickey(user, key))
    if login.agent and os.environ.get("SSH_AUTH_SOCK"):
        agent = None
        with contextlib.suppress(paramiko.SSHException, OSError):
            agent = paramiko.Agent()
        try:
            for number, held in enumerate(agent.get_keys() if agent else ()):
                if held.asbytes() not in seen:
                    yield Attempt("publickey", f"agent's key {number + 1}", _publickey(user, held))
        finally:
            if agent:
                agent.close()
    if login.password:
        secret = login.password
        yield Attempt("password", "password", lambda transport: transport.auth_password(user, secret, fallback=False))
        yield Attempt("keyboard-interactive", "password in answer to a prompt", _interactive(user, secret))


class _Entry:
    """One peer's door: connections as they are needed, counting what each has taken."""

    def __init__(self, connect: Callable[[], Connection], seconds: float) -> None:
        self.connect, self.seconds = connect, seconds
        self.transport: Connection | None = None
        self.user = ""
        self.made, self.connections, self.limit = 0, 0, ATTEMPTS

    def ready(self, user: str) -> Connection:
        """A connection that may take one more attempt for this user.  Raises Stop."""
        spent = self.transport is not None and (self.made >= self.limit or user != self.user or not self.transport.is_active())
        if spent:
            self.close()
        if self.transport is None:
            self.connections += 1
            if self.connections > CONNECTIONS:
                raise Stop("auth", f"{CONNECTIONS} connections, and the server hung up on each: too many keys and passwords for it")
            self.transport, self.user, self.made = self.connect(), user, 0
            self.until = time.monotonic() + self.seconds
        left = self.until - time.monotonic()
        if left <= 0:
            raise Stop("timeout", f"no end of the login in {self.seconds:g} s")
        self.transport.auth_timeout = left
        self.made += 1
        return self.transport

    def hung_up(self) -> str:
        """The server's last words when it has hung up, else ''; the next connection stops one attempt short of that."""
        if self.transport is None or self.transport.is_active():
            return ""
        self.limit = max(1, min(self.limit, self.made - 1 if self.made > 1 else 1))
        return self.transport.farewell or "the connection was closed at the login"

    def close(self) -> None:
        if self.transport is not None:
            self.transport.hang_up()
        self.transport = None


def log_in(connect: Callable[[], Connection], logins: Sequence[Login], seconds: float) -> tuple[Connection, Login]:
    """The first login that is let in, and its connection.  Raises Stop: auth, timeout, and what `connect` raises."""
    entry = _Entry(connect, seconds)
    told: list[str] = []
    try:
        for login in logins:
            if _try(entry, login, told) and entry.transport is not None:
                found, entry.transport = entry.transport, None
                return found, login
    finally:
        entry.close()
    raise Stop("auth", "; ".join(told) or "there is no login for it")


def _try(entry: _Entry, login: Login, told: list[str]) -> bool:
    problems: list[str] = []
    refused: list[str] = []
    wanted: set[str] | None = None  # the methods that the server takes, once it has said so
    with contextlib.closing(attempts(login, problems)) as ways:  # type: ignore[type-var]
        for attempt in ways:
            if wanted is not None and attempt.method not in wanted:
                continue
            transport = entry.ready(login.user)
            try:
                more = attempt.run(transport)
            except paramiko.BadAuthenticationType as error:
                wanted = set(error.allowed_types)
                continue
            except (paramiko.SSHException, EOFError, OSError) as error:
                last = entry.hung_up()
                if "timeout" in str(error).lower():
                    raise Stop("timeout", f"{login}: no end of the login in {entry.seconds:g} s") from error
                if "Illegal info request" in str(error):
                    problems.append("the server wants the password changed first")
                    break
                said = str(error).removesuffix(".")
                why = "" if said in {"Authentication failed", ""} or last else f" ({said})"
                refused.append(attempt.label + (f" ({last})" if last else why))
                continue
            if not more:
                return True
            refused.append(f"{attempt.label} was right, and the server wants {' or '.join(more)} as well")
            wanted = set(more)
    if not refused and not problems and wanted is None:
        problems.append("there is neither a key file nor an agent nor a password to log in with")
    if wanted is not None and not any("as well" in text for text in refused):
        problems.append(f"the server takes {', '.join(sorted(wanted)) or 'nothing'}")
    told.append(f"{login}: " + "; ".join([*problems, *([f"refused {', '.join(refused)}"] if refused else [])]))
    return False
