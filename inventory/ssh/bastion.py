"""Ways through bastions: one shared connection to each, and a channel through it for each host behind.

In: a peer with `jumps`.  Out: a stream to the peer, or a `Stop` that names the hop.  Each hop proves its own host key and has its own
logins.  At most `HANDSHAKES` hosts behind one bastion are greeted and logged in to at a time: sshd drops at random what comes
above its MaxStartups (10:30:100).  A bastion that failed is not tried again for `GRACE` seconds: a hundred hosts behind it must not make a
hundred failed logins.  A shared connection that died is made anew.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import paramiko

from inventory.ssh import authentication, connection
from inventory.ssh.model import Deadlines, Peer, Stop

HANDSHAKES = 8
GRACE = 20.0
KEEPALIVE = 15

_Identity = tuple[object, ...]


class _Bastion:
    """The last of a chain of hops, and what is shared by all that go through it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.handshakes = threading.BoundedSemaphore(HANDSHAKES)
        self.transport: connection.Connection | None = None
        self.failure: Stop | None = None
        self.failed_at = 0.0


_bastions: dict[_Identity, _Bastion] = {}
_lock = threading.Lock()


def _at(jumps: tuple[Peer, ...]) -> _Bastion:
    # whom we trust and as whom we come is part of it: nobody goes through a connection that he could not have made
    identity = tuple((hop.address, hop.port, hop.logins, tuple(sorted(hop.keys.items()))) for hop in jumps)
    with _lock:
        return _bastions.setdefault(identity, _Bastion())


@contextlib.contextmanager
def handshake(jumps: tuple[Peer, ...]) -> Iterator[None]:
    """Hold this while greeting and logging in to a host behind the bastions."""
    if not jumps:
        yield
        return
    with _at(jumps).handshakes:
        yield


def stream(peer: Peer, deadlines: Deadlines) -> connection.Stream:
    """A connection to the peer's port: straight, or through its bastions.  Raises Stop, whose detail names the hop that failed."""
    if not peer.jumps:
        return connection.tcp(peer.address, peer.port, deadlines.connect)
    bastion, hop = _at(peer.jumps), peer.jumps[-1]
    for again in (False, True):
        transport = _shared(bastion, peer.jumps, deadlines)
        try:
            channel: connection.Stream = transport.open_channel(
                "direct-tcpip", (peer.address, peer.port), ("127.0.0.1", 0), timeout=deadlines.connect
            )
            return channel
        except (paramiko.SSHException, EOFError, OSError) as error:
            where = f"through the bastion {hop}, port {peer.port}"
            refusal = transport.refusal()
            if refusal is not None:
                raise _refused(*refusal, where) from error
            if transport.is_active() and "Timeout" in str(error):
                raise Stop("unreachable", f"{where}: no answer in {deadlines.connect:g} s") from error
            if transport.is_active() and isinstance(error, paramiko.SSHException) and "Key-exchange" not in str(error):
                # opened, and closed before this thread looked: the peer hung up.  Others go on through the bastion, which is alive
                raise Stop("protocol", f"{where}: it hung up at once") from error
            transport.hang_up()
            if again:
                raise Stop("unreachable", f"the connection to the bastion {hop} was lost") from error
    raise AssertionError("the second round returns or raises")


def _refused(reason: int, said: str, where: str) -> Stop:
    if reason == 1:  # administratively prohibited
        return Stop("refused", f"{where}: the bastion does not forward there (AllowTcpForwarding, PermitOpen)")
    return Stop("refused" if "refused" in said.lower() else "unreachable", f"{where}: {said or 'it could not be reached'}")


def _shared(bastion: _Bastion, jumps: tuple[Peer, ...], deadlines: Deadlines) -> connection.Connection:
    with bastion.lock:
        if bastion.transport is not None and bastion.transport.is_active():
            return bastion.transport
        if bastion.failure is not None and time.monotonic() - bastion.failed_at < GRACE:
            raise Stop(bastion.failure.outcome, bastion.failure.detail, placed=True)
        try:
            bastion.transport = _log_in(jumps, deadlines)
        except Stop as stop:
            bastion.failure, bastion.failed_at = stop, time.monotonic()
            raise
        bastion.failure = None
        return bastion.transport


def _log_in(jumps: tuple[Peer, ...], deadlines: Deadlines) -> connection.Connection:
    hop = replace(jumps[-1], jumps=jumps[:-1])
    try:
        transport, _ = authentication.log_in(
            lambda: connection.verified(stream(hop, deadlines), hop, deadlines), hop.logins, deadlines.auth
        )
    except Stop as stop:
        if stop.placed:
            raise
        raise Stop(stop.outcome, f"at the bastion {hop}: {stop.detail}", placed=True) from stop
    transport.set_keepalive(KEEPALIVE)
    return transport


def close() -> None:
    """Hang up on all bastions; whoever is still behind one is cut off."""
    with _lock:
        found = list(_bastions.values())
        _bastions.clear()
    for bastion in found:
        if bastion.transport is not None:
            bastion.transport.hang_up()
