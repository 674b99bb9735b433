"""One run of a program that talks on its three streams: both outputs drained together, a cap, deadlines, and its whole group killed.

In: argv, environment, what to feed it.  Out: an `Ended`.  Nothing of it outlives the call.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from inventory.ssh.elevation import SECONDS, Dialogue
from inventory.ssh.model import SAID


@dataclass
class Ended:
    """How it ended: `stopped` is '' or why we killed it (deadline, size); `lost` is the caller's to say."""

    status: int
    output: bytes
    said: bytes
    stopped: str = ""
    lost: bool = False


def run(
    words: Sequence[str],
    environment: Mapping[str, str],
    stdin: bytes,
    before: float,
    seconds: float,
    max_bytes: int,
    inside: Callable[[], bool],
    dialogue: Dialogue | None,
) -> Ended:
    """Run it for at most `before` seconds until `inside` is true, then at most `seconds`.  With a dialogue, `stdin` waits for its end."""
    process = subprocess.Popen(
        words, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    talk = _Talk(process, stdin, max_bytes, dialogue)
    try:
        stopped = talk.until_end(before, seconds, inside)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        talk.close()
    return Ended(process.returncode, bytes(talk.output), bytes(talk.said), stopped)


class _Talk:
    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, max_bytes: int, dialogue: Dialogue | None) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.stdin, self.max_bytes, self.dialogue = stdin, max_bytes, dialogue
        self.feed, self.out, self.err = process.stdin, process.stdout, process.stderr
        self.pending = memoryview(b"" if dialogue else stdin)
        self.output, self.said = bytearray(), bytearray()
        self.process = process
        self.selector = selectors.DefaultSelector()
        for stream in (self.feed, self.out, self.err):
            os.set_blocking(stream.fileno(), False)
        for stream in (self.out, self.err):
            self.selector.register(stream, selectors.EVENT_READ)

    @property
    def asking(self) -> bool:
        return self.dialogue is not None and not self.dialogue.root

    def until_end(self, before: float, seconds: float, inside: Callable[[], bool]) -> str:
        """'' when both outputs have ended, else why it must be stopped."""
        entered, deadline, asking_until = False, time.monotonic() + before, 0.0
        while self.selector.get_map():
            if not entered and inside():
                entered, deadline = True, time.monotonic() + seconds
                asking_until = time.monotonic() + SECONDS
            if time.monotonic() > deadline:
                return "deadline"
            if self.asking and self.dialogue is not None and entered and time.monotonic() > asking_until:
                self.dialogue.failed = "slow"
            if self.dialogue is not None and self.dialogue.failed:
                return ""
            self._watch_feed()
            for key, _ in self.selector.select(0.2 if entered else 0.05):
                stream = key.fileobj
                if stream is self.feed:
                    self._send()
                else:
                    self._take(stream)  # type: ignore[arg-type]  # one of our two pipes
            if len(self.output) > self.max_bytes:
                return "size"
        return ""

    def _watch_feed(self) -> None:
        watched = self.feed in [key.fileobj for key in self.selector.get_map().values()]
        if self.pending and not watched and not self.feed.closed:
            self.selector.register(self.feed, selectors.EVENT_WRITE)
        elif not self.pending and watched:
            self.selector.unregister(self.feed)
        if not self.pending and not self.asking and not self.feed.closed:
            self.feed.close()

    def _send(self) -> None:
        try:
            sent = os.write(self.feed.fileno(), self.pending[:65536])
            self.pending = self.pending[sent:]
        except BlockingIOError:
            return
        except OSError:  # it reads no more
            self.pending = memoryview(b"")

    def _take(self, stream: IO[bytes]) -> None:
        try:
            data = os.read(stream.fileno(), 131072)
        except BlockingIOError:
            return
        if not data:
            self.selector.unregister(stream)
            return
        if stream is self.out:
            self.output += data
            return
        if len(self.said) < SAID:
            self.said += data[: SAID - len(self.said)]
        if self.asking and self.dialogue is not None:
            answer = self.dialogue.hear(data)
            more = answer + (self.stdin if self.dialogue.root else b"")
            if more:
                self.pending = memoryview(bytes(self.pending) + more)

    def close(self) -> None:
        self.selector.close()
        for stream in (self.feed, self.out, self.err):
            with contextlib.suppress(OSError):
                stream.close()
