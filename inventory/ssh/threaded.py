"""Visits by paramiko as it comes: one thread for each connection.  The way for every peer; `visit` brings back how it ended.

Host keys are verified, every stage has a deadline, every end is an outcome.  Nothing raises for a bad host.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import paramiko

from inventory.ssh.model import OUTCOMES, Deadlines, Keys, Login, OfferedKey, Peer, Visit

# what goes wrong with a host is its outcome; paramiko's own lines about it would only stand in the way
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False


class _Stop(Exception):
    """An outcome other than ok, on its way to the caller of `visit`."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome, self.detail = outcome, detail


def _connect(address: str, port: int, seconds: float) -> socket.socket:
    try:
        sock = socket.create_connection((address, port), timeout=seconds)
    except ConnectionRefusedError as error:
        raise _Stop("refused", f"port {port}: {error.strerror}") from error
    except TimeoutError as error:
        raise _Stop("unreachable", f"port {port}: no answer in {seconds:g} s") from error
    except OSError as error:
        raise _Stop("unreachable", f"port {port}: {error.strerror or error}") from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _exchange(sock: socket.socket, seconds: float, algorithms: Sequence[str] = ()) -> paramiko.Transport:
    transport = paramiko.Transport(sock)
    transport.banner_timeout = seconds
    transport.handshake_timeout = seconds
    transport.daemon = True
    if algorithms:
        options = transport.get_security_options()
        wanted: list[str] = []
        for name in algorithms:  # an RSA key signs under newer names than its own
            wanted += ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] if name == "ssh-rsa" else [name]
        usable = [name for name in wanted if name in options.key_types]
        if usable:
            options.key_types = usable
    started = time.monotonic()
    try:
        transport.start_client(timeout=seconds)
        if not transport.is_active() or transport.get_remote_server_key() is None:
            raise _Stop("timeout", f"no SSH greeting in {seconds:g} s")
    except _Stop:
        _close(transport, sock)
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        _close(transport, sock)
        slow = time.monotonic() - started >= seconds * 0.9 or "timeout" in str(error).lower() or "banner" in str(error)
        raise _Stop("timeout" if slow else "protocol", str(error) or type(error).__name__) from error
    return transport


def _close(transport: paramiko.Transport, sock: socket.socket) -> None:
    with contextlib.suppress(Exception):
        sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(Exception):
        transport.close()


def _check_host_key(transport: paramiko.Transport, keys: Keys) -> None:
    offered = transport.get_remote_server_key()
    seen = OfferedKey(offered.get_name(), offered.asbytes())
    if not keys:
        raise _Stop("host key unknown", f"it offers {seen.algorithm} {seen.fingerprint}")
    if keys.get(seen.algorithm) == seen.blob:
        return
    trusted = ", ".join(f"{name} {OfferedKey(name, blob).fingerprint}" for name, blob in sorted(keys.items()))
    raise _Stop("host key changed", f"it offers {seen.algorithm} {seen.fingerprint}, trusted is {trusted}")


def _load_keys(login: Login) -> list[paramiko.PKey]:
    keys: list[paramiko.PKey] = []
    for name in login.key_files:
        try:
            keys.append(paramiko.PKey.from_path(Path(name).expanduser()))
        except (OSError, paramiko.SSHException, ValueError, TypeError) as error:
            raise _Stop("auth", f"the key file {name} cannot be used: {error}") from error
    if login.agent and os.environ.get("SSH_AUTH_SOCK"):
        with contextlib.suppress(paramiko.SSHException):
            keys += paramiko.Agent().get_keys()
    return keys


def _authenticate(transport: paramiko.Transport, login: Login, seconds: float) -> None:
    transport.auth_timeout = seconds
    keys = _load_keys(login)
    if not keys:
        raise _Stop("auth", "there is neither a key file nor an agent to log in with")
    until = time.monotonic() + seconds
    detail = ""
    for key in keys:
        if time.monotonic() > until:
            raise _Stop("timeout", f"no end of the login in {seconds:g} s")
        try:
            if not transport.auth_publickey(login.user, key):
                return
            detail = "the server wants more than a key"
        except paramiko.AuthenticationException as error:
            detail = str(error)
            if "timeout" in detail.lower():
                raise _Stop("timeout", detail) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise _Stop("auth", str(error) or "the connection was closed at the login") from error
    raise _Stop("auth", f"{login.user}: {detail}")


def _execute(transport: paramiko.Transport, command: str, stdin: bytes, deadline: float, max_bytes: int) -> bytes:
    """Both streams are drained together, up to `max_bytes`; a channel that stays full or silent ends at the deadline."""
    channel = transport.open_session(timeout=max(1.0, deadline - time.monotonic()))
    channel.settimeout(1.0)
    channel.exec_command(command)
    output = bytearray()
    sent = 0
    closed = False
    while True:
        if time.monotonic() > deadline:
            raise _Partial("timeout", "the command's deadline passed", bytes(output))
        if sent < len(stdin) and channel.send_ready():
            sent += channel.send(stdin[sent : sent + 32768])
        elif sent >= len(stdin) and not closed:
            channel.shutdown_write()
            closed = True
        if channel.recv_stderr_ready():
            channel.recv_stderr(65536)
            continue
        if channel.recv_ready():
            output += channel.recv(131072)
        elif channel.closed or channel.eof_received:
            return bytes(output)
        elif not transport.is_active():
            raise _Partial("partial", "the connection was lost during the visit", bytes(output))
        elif closed:
            with contextlib.suppress(TimeoutError, socket.timeout):
                output += channel.recv(131072)
        else:
            time.sleep(0.005)
        if len(output) > max_bytes:
            raise _Partial("partial", f"it printed more than {max_bytes} bytes; the rest was cut", bytes(output))


class _Partial(_Stop):
    def __init__(self, outcome: str, detail: str, output: bytes) -> None:
        super().__init__(outcome, detail)
        self.output = output


def visit(
    peer: Peer,
    command: str,
    stdin: bytes,
    *,
    deadlines: Deadlines = Deadlines(),  # noqa: B008  (frozen)
    max_bytes: int = 64_000_000,
) -> Visit:
    """Run `command` with `stdin` on the host and bring back what it prints.  Never raises for anything the host does."""
    begun = time.monotonic()
    sock: socket.socket | None = None
    transport: paramiko.Transport | None = None
    outcome, detail, output = "ok", "", b""
    try:
        sock = _connect(peer.address, peer.port, deadlines.connect)
        transport = _exchange(sock, deadlines.exchange, tuple(peer.keys))
        _check_host_key(transport, peer.keys)
        _authenticate(transport, peer.logins[0], deadlines.auth)
        output = _execute(transport, command, stdin, time.monotonic() + deadlines.command, max_bytes)
    except _Partial as stop:
        outcome, detail, output = stop.outcome, stop.detail, stop.output
    except _Stop as stop:
        outcome, detail = stop.outcome, stop.detail
    except (paramiko.SSHException, EOFError, OSError) as error:
        outcome, detail = "protocol", str(error) or type(error).__name__
    finally:
        if transport is not None and sock is not None:
            _close(transport, sock)
        elif sock is not None:
            sock.close()
    return Visit(outcome, detail, output, time.monotonic() - begun)


def offered_keys(address: str, port: int = 22, *, seconds: float = 8.0) -> list[OfferedKey]:
    """All host keys a server offers, one connection per algorithm.  Raises `inventory.errors.HostError`."""
    from inventory.errors import HostError

    found: dict[str, OfferedKey] = {}
    for algorithm in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"):
        try:
            sock = _connect(address, port, seconds)
            transport = _exchange(sock, seconds, (algorithm,))
        except _Stop as stop:
            if stop.outcome in {"protocol"}:
                continue  # it has no key of this algorithm
            raise HostError(stop.outcome, f"{address}: {stop.detail}", hint=OUTCOMES[stop.outcome]) from stop
        key = transport.get_remote_server_key()
        found[key.get_name()] = OfferedKey(key.get_name(), key.asbytes())
        _close(transport, sock)
    if not found:
        raise HostError("protocol", f"{address}: it offers no host key that we know", hint=OUTCOMES["protocol"])
    return [found[name] for name in sorted(found)]
