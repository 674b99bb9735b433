"""A few threads for what `driven` cannot do without waiting: visits the plain way, and names that must be resolved.

Threads are daemons: one that hangs in a visit must not keep a program from ending, nor Ctrl-C from being heard.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

Task = tuple[Callable[[], Any], Any]


class Threads:
    """At most `most` threads, started as they are needed.  `ready` becomes readable when `finished` has something."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._started: list[threading.Thread] = []
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
        self.pending = 0
        self.ready = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closing = threading.Lock()
        self._closed = False

    def submit(self, tag: Any, function: Callable[[], Any]) -> None:
        """Call the function in a thread; `finished` will name the tag."""
        self.pending += 1
        self._tasks.put((function, tag))
        if len(self._started) < min(self._most, self.pending):
            thread = threading.Thread(target=self._work, name=f"plain-visit-{len(self._started)}", daemon=True)
            self._started.append(thread)
            thread.start()

    def finished(self) -> list[tuple[Any, Any]]:
        """(tag, what the function returned or the exception that it raised) of what has finished since."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.ready)
        found = []
        while not self._done.empty():
            found.append(self._done.get())
        self.pending -= len(found)
        return found

    def close(self) -> None:
        """No further tasks are begun.  Threads that wait end; one in the middle of a task ends after it."""
        while not self._tasks.empty():
            self._tasks.get()
        for _ in self._started:
            self._tasks.put(None)
        for thread in self._started if self.pending <= 0 else ():
            thread.join()
        with self._closing:
            self._closed = True
            os.close(self.ready)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            function, tag = task
            try:
                result = function()
            except Exception as error:
                result = error
            with self._closing:
                if self._closed:
                    return
                self._done.put((tag, result))
                os.eventfd_write(self.ready, 1)
