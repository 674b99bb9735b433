"""What a run is doing, on stderr: a table that moves on a terminal, plain lines of what ended elsewhere; and the questions it asks.

Moves run in threads of their own and report here; one question is asked at a time, and Ctrl-C ends the waiting for its answer.
"""

from __future__ import annotations

import select
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.live import Live as Screen
from rich.table import Table

from planner.cli.output import visible

ENDINGS = ("done", "failed", "taken back", "waits for")
"""First words of what is kept as a line; everything else only stands in the table until the next."""


@dataclass
class _Line:
    step: str
    text: str
    begun: float


class Live:
    """The view of one run."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, soft_wrap=True)
        self.screen: Screen | None = None
        self._lines: dict[str, _Line] = {}
        self._guard, self._asking = threading.Lock(), threading.Lock()

    def __enter__(self) -> Live:
        if self.console.is_terminal:
            self.screen = Screen(get_renderable=self._drawn, console=self.console, refresh_per_second=2, transient=True)
            self.screen.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self.screen:
            self.screen.stop()

    def step(self, move: str, step: str, text: str) -> None:
        """One report of a move."""
        if text.startswith(ENDINGS):
            self.console.print(f"{move}  {step:<9}  {visible(text)}", markup=False, highlight=False)
        with self._guard:
            known = self._lines.get(move)
            begun = known.begun if known and known.step == step else time.monotonic()
            self._lines[move] = _Line(step, visible(text), begun)

    def over(self, move: str) -> None:
        """The move is at its end for this run."""
        with self._guard:
            self._lines.pop(move, None)

    def _drawn(self) -> Table:
        drawn = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        with self._guard:
            for move, line in sorted(self._lines.items()):
                drawn.add_row(move, line.step, f"{time.monotonic() - line.begun:.0f} s", line.text[:100].replace("[", r"\["))
        return drawn

    def ask(self, question: str, stopped: Callable[[], bool]) -> bool:
        """A yes from the terminal.  Anything else, and being stopped, is no."""
        with self._asking:
            if self.screen:
                self.screen.stop()
            try:
                sys.stderr.write(f"{visible(question)} [y/N]: ")
                sys.stderr.flush()
                while not stopped():
                    if select.select([sys.stdin], [], [], 0.3)[0]:
                        return sys.stdin.readline().strip().lower() in {"y", "yes"}
                return False
            finally:
                if self.screen:
                    self.screen.start()
