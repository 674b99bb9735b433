"""Key exchange and packets of one SSH connection by paramiko, without its thread and its socket: bytes that came → messages, and back.

It speaks only what can be read without waiting: ciphers and MACs whose packets tell their length in the clear, and elliptic key
exchanges.  A peer that has none of them ends in `Unfit`, and is visited the plain way.

This is the only module that calls paramiko by private names (`PRIVATE`); a test holds them against the version that is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import paramiko
from paramiko.packet import Packetizer

from inventory.ssh.model import OfferedKey

PRIVATE = (
    "_preferred_ciphers", "_preferred_macs", "_preferred_kex", "_preferred_keys", "_key_info", "_send_kex_init", "_expect_packet",
    "_negotiate_keys", "_parse_newkeys", "_parse_ext_info", "_enforce_strict_kex", "_log", "_send_message",
)  # fmt: skip
PRIVATE_OF_INSTANCES = (
    "_expected_packet", "_handler_table", "kex_engine", "in_kex", "initial_kex_done", "clear_to_send", "server_extensions",
    "local_cipher", "remote_cipher", "local_mac", "remote_mac", "local_version", "remote_version", "session_id", "active",
)  # fmt: skip
"""Names of `paramiko.Transport` that are no part of its documented interface: of the class, and of its instances."""

GREETING = f"SSH-2.0-planner_{paramiko.__version__}"
_LONGEST = 262_144  # no server sends longer packets; a length beyond it is garbage
_UNREAD = 1_048_576  # of answers that a peer asks for and does not read

DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, EXT_INFO = 1, 2, 3, 4, 7
KEXINIT, NEWKEYS = 20, 21


class Ended(Exception):
    """The conversation is over with an outcome other than ok."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome, self.detail = outcome, detail


class Unfit(Exception):
    """The peer needs something that only the plain way has; says what."""


class _NoSocket:
    """What paramiko takes for its socket: the bytes go another way."""

    def settimeout(self, seconds: float | None) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """The socket is the caller's."""


class _Framing(Packetizer):
    """Packets out of a buffer and into one, instead of a socket."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.inbox, self.outbox = bytearray(), bytearray()

    def whole(self) -> bool:
        """Whether a whole packet has come.  Holds for every framing that tells the length in the clear."""
        if len(self.inbox) < 4:
            return False
        length = int.from_bytes(self.inbox[:4], "big")
        if length > _LONGEST:
            raise Ended("protocol", f"it sent a packet of {length} bytes, which is no SSH packet")
        return len(self.inbox) >= 4 + length + self.get_mac_size_in()

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:  # noqa: ARG002  (paramiko's signature)
        if not 0 <= n <= len(self.inbox):
            raise paramiko.SSHException("a packet whose length is not its own")
        taken = bytes(self.inbox[:n])
        del self.inbox[:n]
        return taken

    def write_all(self, out: Any) -> None:
        self.outbox += out


_Base: Any = paramiko.Transport  # the types of its private names are not known


class _Transport(_Base):  # type: ignore[misc]
    """A transport whose thread never starts."""

    # AES-GCM is the fastest that paramiko has; with CTR, only a MAC over the ciphertext (etm) leaves the length readable
    _preferred_ciphers = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
    _preferred_macs = (
        "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
    )  # fmt: skip
    # a group of integers costs Python 10 to 100 ms, in which all the other connections wait
    _preferred_kex = tuple(name for name in _Base._preferred_kex if not name.startswith("diffie-hellman"))

    # computed anew at each use otherwise
    preferred_ciphers, preferred_macs, preferred_kex, preferred_compression = _preferred_ciphers, _preferred_macs, _preferred_kex, ("none",)

    def _log(self, level: int, msg: Any, *args: Any) -> None:
        """An outcome says what went wrong; a thousand connections' debug lines cost more than their keys."""

    def length_is_clear(self) -> bool:
        return all(
            cipher.endswith("-gcm@openssh.com") or mac.endswith("-etm@openssh.com")
            for cipher, mac in ((self.remote_cipher, self.remote_mac), (self.local_cipher, self.local_mac))
        )


def usable(algorithms: Sequence[str]) -> tuple[str, ...]:
    """Algorithms of host keys to ask for, of those of which a key is trusted.  An RSA key signs under newer names than its own."""
    names: list[str] = []
    for name in algorithms:
        names += ["rsa-sha2-512", "rsa-sha2-256"] if name == "ssh-rsa" else [name]
    return tuple(name for name in names if name in _Base._key_info)


class Packets:
    """One connection's messages.

    `outbox` is to be sent; the caller takes from its front.  `messages` yields what is no matter of the key exchange, and NEWKEYS, after
    which `host_key` is what the server proved to have.  Bad bytes raise whatever paramiko raises, `Ended` or `Unfit`.
    """

    __slots__ = ("_deferred", "_framing", "_transport")

    def __init__(self, greeting: str, algorithms: Sequence[str], outbox: bytearray, inbox: bytes) -> None:
        self._transport: Any = _Transport(_NoSocket(), packetizer_class=_Framing)
        self._framing: _Framing = self._transport.packetizer
        self._framing.outbox, self._framing.inbox = outbox, bytearray(inbox)
        self._deferred: list[bytes] = []
        transport = self._transport
        transport.local_version, transport.remote_version = GREETING, greeting
        transport._preferred_keys = usable(algorithms) or transport._preferred_keys
        transport.active = True
        transport._send_kex_init()
        transport._expect_packet(KEXINIT)

    @property
    def outbox(self) -> bytearray:
        """What is to be sent."""
        return self._framing.outbox

    @property
    def host_key(self) -> OfferedKey:
        """The key that the server signed the key exchange with."""
        key = self._transport.get_remote_server_key()
        return OfferedKey(key.get_name(), key.asbytes())

    @property
    def session(self) -> bytes:
        """What a login's signature is bound to."""
        return bytes(self._transport.session_id)

    @property
    def extensions(self) -> dict[str, bytes]:
        """What the server said of itself beyond the key exchange."""
        return dict(self._transport.server_extensions)

    @property
    def exchanging(self) -> bool:
        """Whether keys are being exchanged, so that nothing else may be said."""
        return bool(self._transport.in_kex) or not self._transport.clear_to_send.is_set()

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._framing.inbox += data

    def say(self, payload: bytes) -> None:
        """Send a message; after the key exchange when one is under way."""
        if self.exchanging:
            self._deferred.append(payload)
            if len(self._deferred) > 1000:
                raise Ended("protocol", "it asks without end during the key exchange")
            return
        self._transport._send_message(paramiko.Message(payload))
        if len(self._framing.outbox) > _UNREAD:
            raise Ended("protocol", "it asks without end and reads no answer")

    def messages(self) -> Iterator[tuple[int, paramiko.Message]]:
        """What has come, as far as it is whole."""
        framing = self._framing
        while framing.whole():
            kind, message = framing.read_message()
            if self._of_key_exchange(kind, message):
                continue
            yield kind, message
            if kind == NEWKEYS:
                deferred, self._deferred = self._deferred, []
                for payload in deferred:
                    self.say(payload)

    def _of_key_exchange(self, kind: int, message: paramiko.Message) -> bool:
        """Whether that was all to be done about it."""
        transport = self._transport
        if kind in {IGNORE, DEBUG}:
            transport._enforce_strict_kex(kind)
            return True
        if kind == DISCONNECT:
            return False
        expected = transport._expected_packet
        if expected and kind not in expected:
            raise Ended("protocol", f"it sent message {kind} in the middle of the key exchange")
        transport._expected_packet = ()
        if expected and 30 <= kind <= 41:
            transport.kex_engine.parse_next(kind, message)
        elif kind == KEXINIT:
            transport._negotiate_keys(message)
            if not transport.length_is_clear():
                raise Unfit(f"{transport.remote_cipher} with {transport.remote_mac}")
        elif kind == EXT_INFO:
            transport._parse_ext_info(message)
        elif kind == NEWKEYS:
            if not expected:
                raise Ended("protocol", "it changes keys that were not exchanged")
            transport._parse_newkeys(message)
            return False
        else:
            return False
        return True

    def close(self) -> None:
        """Let go of what only the garbage collector would find: paramiko's objects hold each other."""
        self._transport._handler_table = {}
        self._transport.kex_engine = None


class Agent(paramiko.Agent):
    """The agent, asked with a deadline of `seconds`: a key that waits for a finger or a click must not hold up everything."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        super().__init__()

    def _connect(self, conn: Any) -> None:
        conn.settimeout(self._seconds)
        super()._connect(conn)  # type: ignore[misc]
