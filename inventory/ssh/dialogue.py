"""What is said over one SSH connection, without a socket, a thread or a clock: bytes that came → bytes to send, and what the command printed.

paramiko exchanges the keys and makes the packets; the greeting, the login, the channel and the command are said here.  It speaks only
what can be read without waiting: ciphers and MACs whose packets tell their length in the clear, elliptic key exchanges, public keys.
A peer that needs anything else ends in `Unfit`, and is visited the plain way.  Nothing is signed before the host's key was compared.

This is the only module that calls paramiko by private names (`PRIVATE`); a test holds them against the version that is installed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import paramiko
from paramiko.packet import Packetizer

from inventory.ssh.model import Keys, OfferedKey

PRIVATE = {
    paramiko.Transport: (
        "_preferred_ciphers", "_preferred_macs", "_preferred_kex", "_preferred_keys", "_send_kex_init", "_expect_packet",
        "_negotiate_keys", "_parse_newkeys", "_parse_ext_info", "_enforce_strict_kex", "_log", "_send_message", "_key_info",
    ),
    paramiko.Agent: ("_connect",),
}  # fmt: skip
PRIVATE_OF_INSTANCES = ("_expected_packet", "_handler_table", "kex_engine", "in_kex", "initial_kex_done", "agreed_on_strict_kex")

GREETING = f"SSH-2.0-planner_{paramiko.__version__}"
_GREETING_BYTES, _GREETING_LINES = 32_768, 100
_PACKET = 262_144  # no server sends longer ones; a length beyond it is garbage
_OUTBOX = 1_048_576  # a peer that asks and asks without reading the answers
_WINDOW, _CHUNK = 2_097_152, 32_768
_SAID = 2_000

(_DISCONNECT, _IGNORE, _UNIMPLEMENTED, _DEBUG, _SERVICE_REQUEST, _SERVICE_ACCEPT, _EXT_INFO) = range(1, 8)
_KEXINIT, _NEWKEYS = 20, 21
_AUTH_REQUEST, _AUTH_FAILURE, _AUTH_SUCCESS, _AUTH_BANNER = 50, 51, 52, 53
_GLOBAL_REQUEST, _REQUEST_FAILURE = 80, 82
(_OPEN, _OPENED, _NOT_OPENED, _ADJUST, _DATA, _EXTENDED, _EOF, _CLOSE, _REQUEST, _GRANTED, _DENIED) = range(90, 101)


class Ended(Exception):
    """The conversation is over with an outcome other than ok."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome, self.detail = outcome, detail


class Unfit(Exception):
    """The peer needs something that only the plain way has; says what."""


class _NoSocket:
    """What paramiko takes for its socket: this module's bytes go another way."""

    def settimeout(self, seconds: float | None) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """The socket is the caller's."""


class _Packets(Packetizer):
    """Packets out of a buffer and into one, instead of a socket."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.inbox, self.outbox = bytearray(), bytearray()

    def whole(self) -> bool:
        """Whether a whole packet has come.  Holds for every framing that tells the length in the clear."""
        if len(self.inbox) < 4:
            return False
        length = int.from_bytes(self.inbox[:4], "big")
        if length > _PACKET:
            raise Ended("protocol", f"it sent a packet of {length} bytes, which is no SSH packet")
        return len(self.inbox) >= 4 + length + self.get_mac_size_in()

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:  # noqa: ARG002  (paramiko's signature)
        if not 0 <= n <= len(self.inbox):
            raise paramiko.SSHException("a packet whose length is not its own")
        taken = bytes(self.inbox[:n])
        del self.inbox[:n]
        return taken

    def write_all(self, out: bytes) -> None:
        self.outbox += out


class _Transport(paramiko.Transport):
    """Key exchange and packets, driven by `Dialogue`: the thread that it is never starts."""

    # AES-GCM is the fastest that paramiko has; with CTR, only a MAC over the ciphertext (etm) leaves the length readable
    _preferred_ciphers = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
    _preferred_macs = (
        "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
    )  # fmt: skip
    # a group of integers costs Python 10 to 100 ms, in which all the other connections wait
    _preferred_kex = tuple(name for name in paramiko.Transport._preferred_kex if not name.startswith("diffie-hellman"))

    def _log(self, level: int, msg: Any, *args: Any) -> None:
        """An outcome says what went wrong; a thousand connections' debug lines cost more than their keys."""

    @property
    def length_is_clear(self) -> bool:
        return all(
            cipher.endswith("-gcm@openssh.com") or str(mac).endswith("-etm@openssh.com")
            for cipher, mac in ((self.remote_cipher, self.remote_mac), (self.local_cipher, self.local_mac))
        )


def _string(data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return len(data).to_bytes(4, "big") + data


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:120])


class Dialogue:
    """One visit's conversation.

    In: what the host must prove to be (`trusted`), the account and the keys to log in with, the command and its input (asked for when
    it is to be sent: scripts of thousands of waiting hosts need not be held).  `more` is whether there would be other ways to log in.
    `stage` goes from greeting, greeted (`begin` lets it go on), exchange, auth, command to done.  `outbox` is to be sent; `output` is
    what the command printed, `said` the beginning of its standard error.  `receive`, `begin` and `closed` raise `Ended` and `Unfit`,
    nothing else, whatever comes.
    """

    __slots__ = (
        "_body", "_chunk", "_command", "_consumed", "_deferred", "_greeting", "_lines", "_more", "_packets", "_peer_channel", "_place",
        "_plain_outbox", "_room", "_signers", "_stdin", "_transport", "_trusted", "_user", "_wait_to_sign", "max_bytes", "output",
        "said", "stage",
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
        self._greeting, self._lines = bytearray(), 0
        self._plain_outbox = bytearray(GREETING.encode() + b"\r\n")
        self._transport: _Transport | None = None
        self._packets: _Packets | None = None
        self._deferred: list[bytes] = []
        self._peer_channel: int | None = None
        self._body, self._place, self._room, self._chunk = b"", -1, 0, _CHUNK
        self._consumed = 0
        self._wait_to_sign = False

    @property
    def outbox(self) -> bytearray:
        """What is to be sent; the caller takes from its front."""
        return self._plain_outbox if self._packets is None else self._packets.outbox

    def receive(self, data: bytes) -> None:
        """Bytes came."""
        if self._packets is None:
            self._greeting += data
            if self.stage == "greeting":
                self._greeted()
            elif len(self._greeting) > _PACKET:
                raise Ended("protocol", "it goes on talking before the key exchange")
            return
        self._packets.inbox += data
        self._guarded(self._read)

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
            last = _shown(bytes(self._greeting[-120:]).decode("utf-8", "replace").strip())
            raise Ended("protocol", "it closed the connection instead of greeting" + (f": {last}" if last else ""))
        if self.stage in {"greeted", "exchange"}:
            raise Ended("protocol", "it closed the connection during the key exchange")
        if self.stage == "auth":
            raise Ended("auth", "the connection was closed at the login")
        raise Ended("partial", "the connection was lost during the visit")

    def close(self) -> None:
        """Let go of what would only be found by the garbage collector: paramiko's objects hold each other."""
        if self._transport is not None:
            self._transport._handler_table = {}
            self._transport.kex_engine = None
        self._transport = self._packets = None
        self._body = b""

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

    # the greeting

    def _greeted(self) -> None:
        while (end := self._greeting.find(b"\n")) >= 0:
            line = bytes(self._greeting[:end]).rstrip(b"\r")
            if line.startswith(b"SSH-"):
                if not line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
                    raise Ended("protocol", f"it speaks another protocol: {_shown(line.decode('utf-8', 'replace'))}")
                self.stage = "greeted"
                return
            self._lines += 1
            if self._lines >= _GREETING_LINES:
                break
            del self._greeting[: end + 1]
        if self._lines >= _GREETING_LINES or len(self._greeting) > _GREETING_BYTES:
            shown = _shown(bytes(self._greeting[:120]).decode("utf-8", "replace"))
            raise Ended("protocol", f"what it says is no SSH greeting: {shown}")

    def _begin(self) -> None:
        line, _, rest = bytes(self._greeting).partition(b"\n")
        self._greeting = bytearray()
        transport = self._transport = _Transport(_NoSocket(), packetizer_class=_Packets)  # type: ignore[arg-type]
        packets = self._packets = transport.packetizer
        assert isinstance(packets, _Packets)
        packets.outbox, packets.inbox = self._plain_outbox, bytearray(rest)
        transport.local_version, transport.remote_version = GREETING, line.rstrip(b"\r").decode()
        transport._preferred_keys = _algorithms(self._trusted) or transport._preferred_keys
        transport.active = True
        self.stage = "exchange"
        transport._send_kex_init()
        transport._expect_packet(_KEXINIT)
        self._read()

    # packets

    def _read(self) -> None:
        packets = self._packets
        assert packets is not None
        while self.stage != "done" and packets.whole():
            kind, message = packets.read_message()
            self._hear(kind, message)
            if len(packets.outbox) > _OUTBOX:
                raise Ended("protocol", "it asks without end and reads no answer")
        if self._place >= 0:
            self._pump()

    def _hear(self, kind: int, message: paramiko.Message) -> None:
        transport = self._transport
        assert transport is not None
        if kind in {_IGNORE, _DEBUG}:
            transport._enforce_strict_kex(kind)
            return
        if kind == _DISCONNECT:
            message.get_int()
            self._disconnected(message.get_string())
        expected = transport._expected_packet
        if expected:
            if kind not in expected:
                raise Ended("protocol", f"it sent message {kind} in the middle of the key exchange")
            transport._expected_packet = ()
            if 30 <= kind <= 41:
                transport.kex_engine.parse_next(kind, message)
                return
        if kind == _KEXINIT:
            transport._negotiate_keys(message)
            if not transport.length_is_clear:
                raise Unfit(f"{transport.remote_cipher} with {transport.remote_mac}")
        elif kind == _NEWKEYS:
            transport._parse_newkeys(message)
            self._keys_exchanged()
        elif kind == _EXT_INFO:
            transport._parse_ext_info(message)
        elif kind == _GLOBAL_REQUEST:
            message.get_string()
            if message.get_boolean():
                self._say(bytes([_REQUEST_FAILURE]))
        elif self.stage == "auth":
            self._hear_login(kind, message)
        elif self.stage == "command":
            self._hear_channel(kind, message)
        else:
            raise Ended("protocol", f"it sent message {kind} during the key exchange")

    def _say(self, payload: bytes) -> None:
        """Send a message, after a new key exchange when one is under way."""
        transport = self._transport
        assert transport is not None
        if transport.in_kex or not transport.clear_to_send.is_set():
            self._deferred.append(payload)
            if len(self._deferred) > 1000:
                raise Ended("protocol", "it asks without end during the key exchange")
        else:
            transport._send_message(paramiko.Message(payload))

    def _disconnected(self, reason: bytes) -> NoReturn:
        text = _shown(reason.decode("utf-8", "replace"))
        try:
            self.closed()
        except Ended as ended:
            raise Ended(ended.outcome, f"{ended.detail}: {text}" if text else ended.detail) from None

    def _keys_exchanged(self) -> None:
        transport = self._transport
        assert transport is not None
        offered = transport.get_remote_server_key()
        check_host_key(OfferedKey(offered.get_name(), offered.asbytes()), self._trusted)
        if self.stage == "exchange":
            self.stage = "auth"
            self._say(bytes([_SERVICE_REQUEST]) + _string("ssh-userauth"))
            # an RSA key signs as the server says that it likes; what it likes may come only before its answer to the request
            self._wait_to_sign = not transport.server_extensions and any(key.get_name() == "ssh-rsa" for key in self._signers)
            if not self._wait_to_sign:
                self._offer()
        deferred, self._deferred = self._deferred, []
        for payload in deferred:
            self._say(payload)

    # the login

    def _offer(self) -> None:
        transport = self._transport
        assert transport is not None
        if not self._signers:
            if self._more:
                raise Unfit("its keys were refused, other ways to log in are left")
            raise Ended("auth", f"{self._user}: no key was accepted")
        key = self._signers.pop(0)
        algorithm = self._algorithm(key)
        body = (
            bytes([_AUTH_REQUEST]) + _string(self._user) + _string("ssh-connection") + _string("publickey")
            + b"\1" + _string(algorithm) + _string(key.asbytes())
        )  # fmt: skip
        try:
            signature = bytes(key.sign_ssh_data(_string(transport.session_id) + body, algorithm))
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unfit(f"the agent does not sign: {error}") from error
        self._say(body + _string(signature))

    def _algorithm(self, key: paramiko.PKey) -> str:
        if key.get_name() != "ssh-rsa":
            return key.get_name()
        assert self._transport is not None
        liked = self._transport.server_extensions.get("server-sig-algs", b"")
        names = liked.decode("ascii", "replace").split(",") if liked else ["rsa-sha2-512"]
        for name in ("rsa-sha2-512", "rsa-sha2-256"):
            if name in names:
                return name
        raise Unfit("it accepts RSA keys only with SHA-1")

    def _hear_login(self, kind: int, message: paramiko.Message) -> None:
        if kind == _SERVICE_ACCEPT:
            if self._wait_to_sign:
                self._wait_to_sign = False
                self._offer()
        elif kind == _AUTH_SUCCESS:
            self.stage = "command"
            self._say(bytes([_OPEN]) + _string("session") + struct.pack(">III", 0, _WINDOW, _CHUNK))
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
            self._heard(message, self.output)
        elif kind == _EXTENDED:
            self._heard(message, None)
        elif kind == _ADJUST:
            message.get_int()
            self._room += message.get_int()
        elif kind == _OPENED and self._peer_channel is None:
            message.get_int()
            self._peer_channel, self._room, chunk = message.get_int(), message.get_int(), message.get_int()
            self._chunk = max(1, min(_CHUNK, chunk))
            self._to_peer(_REQUEST, _string("exec") + b"\1" + _string(self._command))
            self._body, self._place = self._stdin(), 0
        elif kind == _NOT_OPENED:
            message.get_int()
            message.get_int()
            raise Ended("protocol", f"it opens no session: {_shown(message.get_string().decode('utf-8', 'replace'))}")
        elif kind in {_EOF, _CLOSE} and self._peer_channel is not None:
            self.stage = "done"
        elif kind == _DENIED:
            raise Ended("protocol", "it refuses to run a command")
        elif kind == _REQUEST and self._peer_channel is not None:
            message.get_int()
            message.get_string()
            if message.get_boolean():
                self._to_peer(_DENIED)
        elif kind == _OPEN:
            message.get_string()
            refusal = struct.pack(">II", message.get_int(), 1)
            self._say(bytes([_NOT_OPENED]) + refusal + _string("") + _string(""))
        elif kind not in {_GRANTED, _SERVICE_ACCEPT, _UNIMPLEMENTED, _AUTH_BANNER}:
            self._say(bytes([_UNIMPLEMENTED]) + struct.pack(">I", message.seqno))

    def _to_peer(self, kind: int, rest: bytes = b"") -> None:
        assert self._peer_channel is not None
        self._say(bytes([kind]) + struct.pack(">I", self._peer_channel) + rest)

    def _heard(self, message: paramiko.Message, into: bytearray | None) -> None:
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
            self._to_peer(_ADJUST, struct.pack(">I", self._consumed))
            self._consumed = 0

    def _pump(self) -> None:
        """The command's input, as far as the peer's window and our own buffer take it; then its end."""
        transport, packets = self._transport, self._packets
        assert transport is not None
        assert packets is not None
        while self._place < len(self._body) and self._room and len(packets.outbox) < 4 * _CHUNK:
            if transport.in_kex or not transport.clear_to_send.is_set():
                return
            part = self._body[self._place : self._place + min(self._room, self._chunk)]
            self._to_peer(_DATA, _string(part))
            self._place += len(part)
            self._room -= len(part)
        if self._place >= len(self._body):
            self._to_peer(_EOF)
            self._body, self._place = b"", -1


def check_host_key(seen: OfferedKey, trusted: Keys) -> None:
    """Raises `Ended` unless the key is the one that is trusted for the host."""
    if not trusted:
        raise Ended("host key unknown", f"it offers {seen.algorithm} {seen.fingerprint}")
    if trusted.get(seen.algorithm) != seen.blob:
        known = ", ".join(f"{name} {OfferedKey(name, blob).fingerprint}" for name, blob in sorted(trusted.items()))
        raise Ended("host key changed", f"it offers {seen.algorithm} {seen.fingerprint}, trusted is {known}")


def _algorithms(trusted: Keys) -> tuple[str, ...]:
    """What host key algorithms to ask for: those of which a key is trusted.  An RSA key signs under newer names than its own."""
    names: list[str] = []
    for name in trusted:
        names += ["rsa-sha2-512", "rsa-sha2-256"] if name == "ssh-rsa" else [name]
    return tuple(name for name in names if name in paramiko.Transport._key_info)


class Agent(paramiko.Agent):
    """The agent, asked with a deadline of `seconds`: a key that waits for a finger or a click must not hold up everything."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        super().__init__()

    def _connect(self, conn: Any) -> None:
        conn.settimeout(self._seconds)
        super()._connect(conn)
