"""What is said over one SSH connection, without a socket, a thread or a clock: bytes that came → bytes to send, and the command's output.

Greeting, login by public keys, one command.  Nothing is signed before the host's key was compared with the one that is trusted.  A peer
that wants more ends in `Unfit`.  Whatever a hostile peer sends ends in an outcome.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NoReturn

import paramiko

from inventory.ssh.model import Keys, OfferedKey
from inventory.ssh.packets import DISCONNECT, GREETING, NEWKEYS, UNIMPLEMENTED, Ended, Packets, Unfit

_GREETING_BYTES, _GREETING_LINES = 32_768, 100
_EARLY = 262_144  # what may come after the greeting before we go on
_WINDOW, _CHUNK = 2_097_152, 32_768
_SAID = 2_000

_SERVICE_REQUEST, _SERVICE_ACCEPT = 5, 6
_AUTH_REQUEST, _AUTH_FAILURE, _AUTH_SUCCESS, _AUTH_BANNER = 50, 51, 52, 53
_GLOBAL_REQUEST, _REQUEST_FAILURE = 80, 82
(_OPEN, _OPENED, _NOT_OPENED, _ADJUST, _DATA, _EXTENDED, _EOF, _CLOSE, _REQUEST, _GRANTED, _DENIED) = range(90, 101)


def _string(data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return len(data).to_bytes(4, "big") + data


def _shown(data: bytes | str) -> str:
    """A host's own words, fit for a detail."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    return "".join(c if c.isprintable() else "?" for c in text[:120].strip())


class Dialogue:
    """One visit's conversation.

    In: the keys that are trusted for the host, the account and the keys to log in with, the command and its input (asked for when it is to
    be sent: the scripts of thousands of waiting hosts need not be held).  `more` is whether there would be other ways to log in.  `stage`
    goes from greeting, greeted (`begin` lets it go on), exchange, auth, command to done.  `outbox` is to be sent; `output` is what the
    command printed, `said` the beginning of its standard error.  `receive`, `begin`, `flushed` and `closed` raise `Ended` and `Unfit`,
    nothing else, whatever comes.
    """

    __slots__ = (
        "_body", "_chunk", "_command", "_consumed", "_greeting", "_heard_first", "_lines", "_more", "_outbox", "_packets", "_peer_channel",
        "_place", "_room", "_signers", "_stdin", "_trusted", "_user", "_wait_to_sign", "max_bytes", "output", "said", "stage",
    )  # fmt: skip

    def __init__(
        self,
        trusted: Keys,
        user: str,
        signers: Sequence[paramiko.PKey],
        command: str,
        stdin: Callable[[], bytes],
        *,
        more: bool = False,
        max_bytes: int = 64_000_000,
    ) -> None:
        self._trusted, self._user, self._signers, self._more = trusted, user, list(signers), more
        self._command, self._stdin, self.max_bytes = command, stdin, max_bytes
        self.stage = "greeting"
        self.output, self.said = bytearray(), b""
        self._greeting, self._lines, self._heard_first = bytearray(), 0, b""
        self._outbox = bytearray(GREETING.encode() + b"\r\n")
        self._packets: Packets | None = None
        self._wait_to_sign = False
        self._peer_channel: int | None = None
        self._body, self._place, self._room, self._chunk = b"", -1, 0, _CHUNK  # place -1: there is no input to send
        self._consumed = 0

    @property
    def outbox(self) -> bytearray:
        """What is to be sent; the caller takes from its front."""
        return self._outbox if self._packets is None else self._packets.outbox

    def receive(self, data: bytes) -> None:
        """Bytes came."""
        if self._packets is not None:
            self._packets.feed(data)
            self._guarded(self._read)
            return
        self._greeting += data
        if self.stage == "greeting":
            self._greeted()
        elif len(self._greeting) > _EARLY:
            raise Ended("protocol", "it goes on talking before the key exchange")

    def begin(self) -> None:
        """The greeting has come: exchange keys."""
        self._guarded(self._begin)

    def flushed(self) -> None:
        """The outbox is empty: go on with the command's input."""
        if self._place >= 0:
            self._guarded(self._pump)

    def closed(self) -> NoReturn:
        """The peer closed the connection."""
        if self.stage == "greeting":
            said = _shown(self._heard_first or bytes(self._greeting[:120]))
            raise Ended("protocol", "it closed the connection instead of greeting" + (f": {said}" if said else ""))
        if self.stage in {"greeted", "exchange"}:
            raise Ended("protocol", "it closed the connection during the key exchange")
        if self.stage == "auth":
            raise Ended("auth", "the connection was closed at the login")
        raise Ended("partial", "the connection was lost during the visit")

    def close(self) -> None:
        """Nothing more will be said."""
        if self._packets is not None:
            self._packets.close()
        self._packets, self._body = None, b""

    def _guarded(self, step: Callable[[], None]) -> None:
        """Whatever a hostile peer makes paramiko stumble over is that peer's outcome."""
        try:
            step()
        except (Ended, Unfit):
            raise
        except paramiko.ssh_exception.IncompatiblePeer as error:
            raise Unfit(str(error)) from error
        except Exception as error:
            text = _shown(str(error)) or type(error).__name__
            if self.stage == "command":
                raise Ended("partial", f"the connection broke during the visit: {text}") from error
            raise Ended("protocol", text) from error

    def _greeted(self) -> None:
        while (end := self._greeting.find(b"\n")) >= 0 and self._lines < _GREETING_LINES:
            line = bytes(self._greeting[:end]).rstrip(b"\r")
            if line.startswith(b"SSH-"):
                if not line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
                    raise Ended("protocol", f"it speaks another protocol: {_shown(line)}")
                self.stage = "greeted"
                return
            self._lines += 1
            self._heard_first = self._heard_first or line[:120]
            del self._greeting[: end + 1]
        if self._lines >= _GREETING_LINES or len(self._greeting) > _GREETING_BYTES:
            raise Ended("protocol", f"what it says is no SSH greeting: {_shown(self._heard_first or bytes(self._greeting[:120]))}")

    def _begin(self) -> None:
        line, _, rest = bytes(self._greeting).partition(b"\n")
        self._greeting = bytearray()
        self.stage = "exchange"
        self._packets = Packets(line.rstrip(b"\r").decode(), tuple(self._trusted), self._outbox, rest)
        self._read()

    def _read(self) -> None:
        assert self._packets is not None
        for kind, message in self._packets.messages():
            self._hear(kind, message)
            if self.stage == "done":
                return
        if self._place >= 0:
            self._pump()

    def _hear(self, kind: int, message: paramiko.Message) -> None:
        if kind == DISCONNECT:
            message.get_int()
            self._disconnected(_shown(message.get_string()))
        elif kind == NEWKEYS:
            self._keys_exchanged()
        elif kind == _GLOBAL_REQUEST:
            message.get_string()
            if message.get_boolean():
                self._say(_REQUEST_FAILURE)
        elif self.stage == "auth":
            self._hear_login(kind, message)
        elif self.stage == "command":
            self._hear_channel(kind, message)
        else:
            raise Ended("protocol", f"it sent message {kind} during the key exchange")

    def _say(self, kind: int, rest: bytes = b"") -> None:
        assert self._packets is not None
        self._packets.say(bytes([kind]) + rest)

    def _disconnected(self, reason: str) -> NoReturn:
        try:
            self.closed()
        except Ended as ended:
            raise Ended(ended.outcome, f"{ended.detail}: {reason}" if reason else ended.detail) from None

    def _keys_exchanged(self) -> None:
        packets = self._packets
        assert packets is not None
        _check_host_key(packets.host_key, self._trusted)
        if self.stage == "exchange":
            self.stage = "auth"
            self._say(_SERVICE_REQUEST, _string("ssh-userauth"))
            # an RSA key signs as the server says that it likes; what it likes may come only before its answer to the request
            self._wait_to_sign = not packets.extensions and any(key.get_name() == "ssh-rsa" for key in self._signers)
            if not self._wait_to_sign:
                self._offer()

    # the login

    def _offer(self) -> None:
        assert self._packets is not None
        if not self._signers:
            if self._more:
                raise Unfit("its keys were refused, other ways to log in are left")
            raise Ended("auth", f"{self._user}: no key was accepted")
        key = self._signers.pop(0)
        algorithm = self._algorithm(key)
        body = _string(self._user) + _string("ssh-connection") + _string("publickey")
        body += b"\1" + _string(algorithm) + _string(key.asbytes())
        try:
            signature = bytes(key.sign_ssh_data(_string(self._packets.session) + bytes([_AUTH_REQUEST]) + body, algorithm))
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unfit(f"the agent does not sign: {error}") from error
        self._say(_AUTH_REQUEST, body + _string(signature))

    def _algorithm(self, key: paramiko.PKey) -> str:
        if key.get_name() != "ssh-rsa":
            return key.get_name()
        assert self._packets is not None
        liked = self._packets.extensions.get("server-sig-algs", b"rsa-sha2-512").decode("ascii", "replace").split(",")
        for name in ("rsa-sha2-512", "rsa-sha2-256"):
            if name in liked:
                return name
        raise Unfit("it accepts RSA keys only with SHA-1")

    def _hear_login(self, kind: int, message: paramiko.Message) -> None:
        if kind == _SERVICE_ACCEPT:
            if self._wait_to_sign:
                self._wait_to_sign = False
                self._offer()
        elif kind == _AUTH_SUCCESS:
            self.stage = "command"
            self._say(_OPEN, _string("session") + struct.pack(">III", 0, _WINDOW, _CHUNK))
        elif kind == _AUTH_FAILURE:
            allowed, partly = message.get_list(), message.get_boolean()
            if partly:
                raise Unfit("it wants more than a key")
            if "publickey" not in allowed:
                self._signers.clear()
                if not self._more:
                    ways = _shown(", ".join(allowed)) or "nothing"
                    raise Ended("auth", f"{self._user}: no key was accepted; it allows: {ways}")
            self._offer()
        elif kind != _AUTH_BANNER:
            raise Unfit(f"it answers a key with message {kind}")

    # the command

    def _hear_channel(self, kind: int, message: paramiko.Message) -> None:
        if kind == _DATA:
            self._printed(message, self.output)
        elif kind == _EXTENDED:
            self._printed(message, None)
        elif kind == _ADJUST:
            message.get_int()
            self._room += message.get_int()
        elif kind == _OPENED and self._peer_channel is None:
            message.get_int()
            self._peer_channel, self._room, chunk = message.get_int(), message.get_int(), message.get_int()
            self._chunk = max(1, min(_CHUNK, chunk))
            self._to_channel(_REQUEST, _string("exec") + b"\1" + _string(self._command))
            self._body, self._place = self._stdin(), 0
        elif kind == _NOT_OPENED:
            message.get_int()
            message.get_int()
            raise Ended("protocol", f"it opens no session: {_shown(message.get_string())}")
        elif kind in {_EOF, _CLOSE} and self._peer_channel is not None:
            self.stage = "done"
        elif kind == _DENIED:
            raise Ended("protocol", "it refuses to run a command")
        elif kind == _REQUEST and self._peer_channel is not None:
            message.get_int()
            message.get_string()
            if message.get_boolean():
                self._to_channel(_DENIED)
        elif kind == _OPEN:
            message.get_string()
            self._say(_NOT_OPENED, struct.pack(">II", message.get_int(), 1) + _string("") + _string(""))
        elif kind not in {_GRANTED, _SERVICE_ACCEPT, UNIMPLEMENTED, _AUTH_BANNER}:
            self._say(UNIMPLEMENTED, struct.pack(">I", message.seqno))

    def _to_channel(self, kind: int, rest: bytes = b"") -> None:
        assert self._peer_channel is not None
        self._say(kind, struct.pack(">I", self._peer_channel) + rest)

    def _printed(self, message: paramiko.Message, into: bytearray | None) -> None:
        message.get_int()
        if into is None:
            message.get_int()
        data = message.get_string()
        if into is not None:
            into += data
            if len(into) > self.max_bytes:
                del into[self.max_bytes :]
                raise Ended("partial", f"it printed more than {self.max_bytes} bytes; the rest was cut")
        elif len(self.said) < _SAID:
            self.said += data[: _SAID - len(self.said)]
        self._consumed += len(data)
        if self._consumed >= _WINDOW // 2:
            self._to_channel(_ADJUST, struct.pack(">I", self._consumed))
            self._consumed = 0

    def _pump(self) -> None:
        """The command's input, as far as the peer's window and our own buffer take it; then its end."""
        packets = self._packets
        assert packets is not None
        if packets.exchanging:
            return
        while self._place < len(self._body) and self._room and len(packets.outbox) < 4 * _CHUNK:
            part = self._body[self._place : self._place + min(self._room, self._chunk)]
            self._to_channel(_DATA, _string(part))
            self._place += len(part)
            self._room -= len(part)
        if self._place >= len(self._body):
            self._to_channel(_EOF)
            self._body, self._place = b"", -1


def _check_host_key(seen: OfferedKey, trusted: Keys) -> None:
    if not trusted:
        raise Ended("host key unknown", f"it offers {seen.algorithm} {seen.fingerprint}")
    if trusted.get(seen.algorithm) != seen.blob:
        known = ", ".join(f"{name} {OfferedKey(name, blob).fingerprint}" for name, blob in sorted(trusted.items()))
        raise Ended("host key changed", f"it offers {seen.algorithm} {seen.fingerprint}, trusted is {known}")
