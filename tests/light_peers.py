"""Thousands of SSH servers in one process, for tests: every loopback address is one, and some of them misbehave.

A program: it prints its host key, its port and the port on which nobody ever answers, and ends when its standard input does.  Whoever
has a key is let in; a command's input is read to its end, and its answer is `ANSWER`, with the number of bytes that were read.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import paramiko

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from inventory.ssh import packets

CASES = Path(__file__).parent / "cases" / "probes"
ANSWER = b"a line of an answer\n" * 300
MISBEHAVIOUR = {
    "127.200.": "silent",  # never greets
    "127.201.": "cut",  # closes in the middle of the key exchange
    "127.202.": "garbage",  # greets, then says nothing that is SSH
    "127.203.": "hang",  # never answers the command
    "127.204.": "flood",  # prints without end
    "127.205.": "half",  # is cut off in the middle of the answer
    "127.206.": "close",  # closes at once
    "127.207.": "web",  # is no SSH server at all
    "127.208.": "refuse",  # lets nobody in
    "127.209.": "unopened",  # opens no session
    "127.210.": "denied",  # runs no command
    "127.211.": "chatty",  # speaks, and asks, before and between what it must say
    "127.212.": "short",  # takes the input in small pieces
    "127.213.": "partly",  # wants a password beside the key
    "127.214.": "slow",  # answers the command after two seconds
    "127.215.": "lie",  # sends a packet whose length is absurd
    "127.216.": "old",  # speaks SSH 1
    "127.217.": "plainmac",  # has no cipher whose packets tell their length
    "127.218.": "rekey",  # changes keys in the middle of its answer
    "127.220.": "transcript",  # answers the collector's script as a host would
    "127.219.": "waits",  # says nothing for a fifth of a second at each step
}


class Transport(packets._Transport):
    """The server's side of the key exchange."""

    def __init__(self, key: paramiko.PKey) -> None:
        super().__init__(packets._NoSocket(), packetizer_class=packets._Framing)
        self.server_mode = True
        self.add_server_key(key)
        self.local_version = "SSH-2.0-light_peer"
        self.active = True


class Peer(asyncio.Protocol):
    def __init__(self, key: paramiko.PKey) -> None:
        self.key = key
        self.greeting = bytearray()
        self.read = 0
        self.script = bytearray()
        self.room = 0
        self.unsent = b""
        self.rekeyed = False
        self.flooding: asyncio.Task[None] | None = None

    def connection_made(self, link: Any) -> None:
        self.link = link
        address = link.get_extra_info("sockname")[0]
        self.manner = next((manner for prefix, manner in MISBEHAVIOUR.items() if address.startswith(prefix)), "")
        if self.manner == "close":
            link.close()
            return
        if self.manner in {"silent", "web"}:
            return
        if self.manner == "garbage":
            link.write(b"SSH-2.0-garbage\r\n" + b"\xff\x00\x01garbage" * 2000)
            return
        if self.manner == "old":
            link.write(b"SSH-1.5-1.2.27\r\n")
            return
        if self.manner == "chatty":
            link.write(b"Welcome, stranger!\r\n" * 20)
        self.transport = Transport(self.key)
        self.framing = self.transport.packetizer
        if self.manner == "plainmac":
            self.transport.preferred_ciphers = ("aes128-ctr",)
            self.transport.preferred_macs = ("hmac-sha2-256",)
        self.framing.outbox += b"SSH-2.0-light_peer\r\n"
        self.transport._send_kex_init()
        self.transport._expect_packet(packets.KEXINIT)
        self.flush()

    def connection_lost(self, _error: Any) -> None:
        if self.flooding:
            self.flooding.cancel()
        if hasattr(self, "transport"):
            self.transport._handler_table = {}
            self.transport.kex_engine = None

    def data_received(self, data: bytes) -> None:
        if self.manner in {"silent", "garbage", "old"}:
            return
        if self.manner == "web":
            self.link.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            self.link.close()
            return
        if not self.transport.remote_version:
            self.greeting += data
            line, end, rest = bytes(self.greeting).partition(b"\r\n")
            if not end:
                return
            self.transport.remote_version = line.decode()
            data = rest
        self.framing.inbox += data
        while not self.link.is_closing() and self.framing.whole():
            self.hear(*self.framing.read_message())
        self.flush()

    def flush(self) -> None:
        out = bytes(self.framing.outbox)
        self.framing.outbox.clear()
        if not out:
            return
        if self.manner == "waits":
            asyncio.get_running_loop().call_later(0.2, self.link.write, out)
        else:
            self.link.write(out)

    def say(self, kind: int, rest: bytes = b"") -> None:
        self.transport._send_message(paramiko.Message(bytes([kind]) + rest))

    def hear(self, kind: int, message: paramiko.Message) -> None:
        transport = self.transport
        expected, transport._expected_packet = transport._expected_packet, ()
        if expected and 30 <= kind <= 41:
            if self.manner == "cut":
                self.link.write(bytes(self.framing.outbox) + b"\0\0\1")
                self.link.close()
                return
            transport.kex_engine.parse_next(kind, message)
        elif kind == packets.KEXINIT:
            transport._negotiate_keys(message)
        elif kind == packets.NEWKEYS:
            transport._parse_newkeys(message)
            self.answer_rest()
        elif kind == 5:
            if self.manner == "chatty":
                self.say(4, b"\1" + _string(b"debug") + _string(b""))
                self.say(2, _string(b"ignored"))
                self.say(53, _string("Nobody may come in here ünless\n".encode()) + _string(b""))
            self.say(6, _string(b"ssh-userauth"))
        elif kind == 50:
            if self.manner == "lie":
                self.framing.outbox += b"\x7f\xff\xff\xff" + bytes(64)
            elif self.manner == "refuse":
                self.say(51, _string(b"publickey") + b"\0")
            elif self.manner == "partly":
                self.say(51, _string(b"password") + b"\1")
            else:
                self.say(52)
                if self.manner == "chatty":
                    self.say(80, _string(b"hostkeys-00@openssh.com") + b"\0")
                    self.say(80, _string(b"keepalive@openssh.com") + b"\1")
        elif kind == 90:
            if self.manner == "unopened":
                self.say(92, struct.pack(">II", 0, 1) + _string(b"no room") + _string(b""))
            else:
                window = 1000 if self.manner == "short" else 10_000_000
                self.say(91, struct.pack(">IIII", 0, 7, window, 300 if self.manner == "short" else 32768))
                message.get_string()
                message.get_int()
                self.room = message.get_int()
        elif kind == 98:
            if self.manner == "denied":
                self.say(100, struct.pack(">I", 0))
            else:
                self.say(99, struct.pack(">I", 0))
                if self.manner == "chatty":
                    self.say(98, struct.pack(">I", 0) + _string(b"keepalive@openssh.com") + b"\1")
                    self.say(199, b"what is this?")
                    self.say(95, struct.pack(">II", 0, 1) + _string(b"nice to meet you\n"))
        elif kind == 94:
            message.get_int()
            data = message.get_string()
            self.read += len(data)
            if self.manner == "transcript":
                self.script += data
            if self.manner == "short":
                self.say(93, struct.pack(">II", 0, len(data)))
        elif kind == 93:
            message.get_int()
            self.room += message.get_int()
        elif kind == 96:
            self.answer()

    def answer(self) -> None:
        body = ANSWER + b"%d\n" % self.read
        if self.manner == "transcript":
            body = transcript(self.script.decode())
        loop = asyncio.get_running_loop()
        if self.manner == "hang":
            return
        if self.manner == "flood":
            self.flooding = loop.create_task(self.flood())
        elif self.manner == "half":
            self.data(body[: len(body) // 2])
            self.flush()
            loop.call_later(0.05, self.link.close)
        elif self.manner == "slow":
            loop.call_later(2.0, self.finish, body)
        elif self.manner == "rekey":
            self.data(body[:1000])
            self.unsent = body[1000:]
            self.transport._send_kex_init()
            self.transport._expect_packet(packets.KEXINIT)
        else:
            self.finish(body)

    def answer_rest(self) -> None:
        if self.unsent:
            body, self.unsent = self.unsent, b""
            self.finish(body)

    def finish(self, body: bytes) -> None:
        self.data(body)
        self.say(98, struct.pack(">I", 0) + _string(b"exit-status") + b"\0" + bytes(4))
        self.say(96, struct.pack(">I", 0))
        self.say(97, struct.pack(">I", 0))
        self.flush()

    def data(self, body: bytes) -> None:
        for start in range(0, len(body), 30_000):
            self.say(94, struct.pack(">I", 0) + _string(body[start : start + 30_000]))

    async def flood(self) -> None:
        while not self.link.is_closing():
            if self.room >= 32_000 and self.link.get_write_buffer_size() < 100_000:
                self.room -= 30_000
                self.data(b"flood " * 5000)
                self.flush()
            await asyncio.sleep(0)


def transcript(script: str) -> bytes:
    """What a Debian host prints, as far as there are captured outputs: every section in its frame."""
    mark = script.partition("\n")[0].removeprefix("M=")
    parts = [f"{mark} start root Linux\n"]
    for name in re.findall(r"^run (\w+) \d", script, re.M):
        case = next(iter(sorted((CASES / name).glob("debian*.txt"))), None)
        body = case.read_text(errors="replace") if case else ""
        parts.append(f"\n{mark} begin {name}\n{body}\n{mark} end {name} 0 1\n")
    return "".join([*parts, f"\n{mark} finish\n"]).encode()


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _deaf() -> tuple[socket.socket, list[socket.socket]]:
    """A port that answers no further connection: its queue is full, and nobody ever takes from it.  As good as a host that is off."""
    listener = socket.socket()
    listener.bind(("0.0.0.0", 0))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", listener.getsockname()[1]))
        waiting.append(one)
    return listener, waiting


async def main() -> None:
    key = paramiko.Ed25519Key.from_private_key_file(sys.argv[1])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Peer(key), "0.0.0.0", 0, backlog=4096)
    deaf, waiting = _deaf()
    print(key.get_name(), key.get_base64(), server.sockets[0].getsockname()[1], deaf.getsockname()[1], flush=True)  # noqa: T201
    await loop.run_in_executor(None, os.read, 0, 1)
    del waiting


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)
