"""A connection up to the point where the peer has proven who it is: TCP (or a bastion's channel), key exchange, host key.

In: an address or an open stream, the trusted keys, seconds.  Out: a paramiko transport on which nobody is logged in yet, or a `Stop`
with the outcome.  No secret is sent here: whoever gets a transport from `verified` may send one.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

import paramiko
from paramiko.common import cMSG_CHANNEL_CLOSE
from paramiko.ssh_exception import IncompatiblePeer

from inventory.ssh.model import Deadlines, Keys, OfferedKey, Peer, Stop

# what goes wrong with a host is its outcome; paramiko's own lines about it would only stand in the way
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

Stream = socket.socket | paramiko.Channel
RSA = ("rsa-sha2-512", "rsa-sha2-256")
"""The names under which an `ssh-rsa` key signs since SHA-1 is not believed any more."""
LOST = 25
"""Seconds after which a network that swallows everything counts as a lost connection, not as a slow host."""
LEGACY_HINT = "it speaks only what modern SSH refuses; when you accept that for this host: legacy: true in its rule under ssh.ways"


class Connection(paramiko.Transport):
    """A transport that keeps what the peer said: paramiko only logs why it hung up or would not open a channel.

    Not its newer ServiceRequestingTransport: that one (5.1) misses the answer of a peer that is quick, and waits for ever for one that
    has hung up.
    """

    farewell = ""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._refused: dict[int, tuple[int, str]] = {}
        self._asking = threading.local()

    def refusal(self) -> tuple[int, str] | None:
        """Why the channel that this thread last asked for was refused (reason code, the peer's words); None when it was not.

        Many threads ask at once, and paramiko keeps one exception for all of them.
        """
        return self._refused.pop(getattr(self._asking, "number", -1), None)

    def _next_channel(self) -> int:
        number: int = super()._next_channel()  # type: ignore[misc]  # the stubs leave out what is private
        self._asking.number = number
        return number

    def open_channel(self, kind: str, *given: Any, **named: Any) -> paramiko.Channel:
        """As paramiko opens it; nothing is sent for the channel once its end has been."""
        channel = super().open_channel(kind, *given, **named)
        channel._set_transport(_Ordered(self))  # type: ignore[attr-defined]
        return channel

    def send_for(self, way: _Ordered, message: paramiko.Message) -> None:
        """Send a message of one channel, unless the channel's CLOSE has been sent."""
        self._asking.way = way
        try:
            super()._send_user_message(message)  # type: ignore[misc]
        finally:
            self._asking.way = None

    def _send_message(self, message: paramiko.Message) -> None:
        # `_send_user_message` comes here, in the same thread, with the lock held that puts all messages in their order
        way: _Ordered | None = getattr(self._asking, "way", None)
        if way is not None:
            if way.closed:
                return
            way.closed = message.asbytes()[:1] == cMSG_CHANNEL_CLOSE
        super()._send_message(message)  # type: ignore[misc]

    def _parse_disconnect(self, message: paramiko.Message) -> None:
        message.get_int()
        self.farewell = message.get_text()[:200]

    def _parse_channel_open_failure(self, message: paramiko.Message) -> None:
        said = paramiko.Message(message.asbytes())
        with contextlib.suppress(Exception):  # the peer's bytes: whatever they are, the failure itself is handled below
            number, reason = said.get_int(), said.get_int()
            self._refused[number] = (reason, said.get_text()[:200])
        super()._parse_channel_open_failure(message)  # type: ignore[misc]

    def hang_up(self) -> None:
        """Close it and the stream below it, whatever state they are in."""
        with contextlib.suppress(Exception):
            if isinstance(self.sock, socket.socket):
                self.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(Exception):
            self.close()


class _Ordered:
    """What a channel holds for its transport, so that its messages are known as its own when they are put in order.

    paramiko asks whether a channel is closed, lets go of the lock, and only then sends.  When another thread, or the peer, closes the
    channel in between, data follows the CLOSE; sshd then ends the whole connection ("data packet referred to nonexistent channel"), and
    with it all that go through a shared bastion, or hands the data to whoever has been given the channel's number since.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection, self.closed = connection, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def _send_user_message(self, message: paramiko.Message) -> None:
        self._connection.send_for(self, message)


def tcp(address: str, port: int, seconds: float) -> socket.socket:
    """A TCP connection.  Raises Stop: refused, unreachable."""
    try:
        stream = socket.create_connection((address, port), timeout=seconds)
    except ConnectionRefusedError as error:
        raise Stop("refused", f"port {port}: {error.strerror}") from error
    except socket.gaierror as error:
        raise Stop("unreachable", f"the name {address} does not resolve: {error.strerror}") from error
    except TimeoutError as error:
        raise Stop("unreachable", f"port {port}: no answer in {seconds:g} s") from error
    except (OSError, UnicodeError) as error:
        raise Stop("unreachable", f"port {port}: {getattr(error, 'strerror', '') or error}") from error
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST * 1000)
    return stream


def exchange(stream: Stream, seconds: float, algorithms: Sequence[str] = ()) -> Connection:
    """The key exchange, with a host key of one of `algorithms` where given.  Raises Stop: timeout, protocol, host key changed.

    The stream is closed when it fails.
    """
    transport = Connection(stream)
    transport.banner_timeout = transport.handshake_timeout = seconds
    transport.daemon = True
    if algorithms:
        options = transport.get_security_options()
        wanted = [name for given in algorithms for name in (RSA if given == "ssh-rsa" else (given,))]
        usable = [name for name in wanted if name in options.key_types]
        if usable:
            options.key_types = usable
    started = time.monotonic()
    try:
        transport.start_client(timeout=seconds)
        if not transport.is_active() or transport.get_remote_server_key() is None:
            raise Stop("timeout", f"no SSH greeting in {seconds:g} s")
    except Stop:
        transport.hang_up()
        raise
    except IncompatiblePeer as error:
        transport.hang_up()
        if algorithms and "host key" in str(error):
            raise Stop("host key changed", f"it has no host key of the trusted kinds ({', '.join(sorted(algorithms))})") from error
        raise Stop("protocol", f"{error}: {LEGACY_HINT}") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.hang_up()
        said = transport.farewell or str(error) or type(error).__name__
        slow = time.monotonic() - started >= seconds * 0.9 or "timeout" in said.lower()
        raise Stop("timeout" if slow else "protocol", f"no SSH greeting in {seconds:g} s" if slow else said) from error
    return transport


def check(transport: paramiko.Transport, keys: Keys) -> None:
    """Whether the peer has proven to hold a trusted key.  Raises Stop: host key unknown, host key changed."""
    offered = transport.get_remote_server_key()
    seen = OfferedKey(offered.get_name(), offered.asbytes())
    if not keys:
        raise Stop("host key unknown", f"it offers {seen.algorithm} {seen.fingerprint}")
    if keys.get(seen.algorithm) == seen.blob:
        return
    trusted = ", ".join(f"{name} {OfferedKey(name, blob).fingerprint}" for name, blob in sorted(keys.items()))
    raise Stop("host key changed", f"it offers {seen.algorithm} {seen.fingerprint}, trusted is {trusted}")


def verified(stream: Stream, peer: Peer, deadlines: Deadlines) -> Connection:
    """Key exchange and host key check on an open stream.  Raises Stop."""
    transport = exchange(stream, deadlines.exchange, tuple(peer.keys))
    try:
        check(transport, peer.keys)
    except Stop:
        transport.hang_up()
        raise
    return transport
