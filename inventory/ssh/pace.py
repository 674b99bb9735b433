"""A loop's own clock, so that no host is given up because we were busy: it counts all waiting, but only little of each stretch of work.

While the loop waits, the time is the hosts'; while it works (or its caller does), their answers lie unread, and that is no fault of
theirs.  Deadlines run by this clock.
"""

from __future__ import annotations

import heapq
import itertools
import time

from inventory.ssh.flight import Flight

STEP = 0.05
"""Seconds of a stretch of our own work that count."""


class Pace:
    """The clock, the deadlines that run by it, and how long the last turn worked (`busy`, seconds)."""

    def __init__(self) -> None:
        self.now = 0.0
        self.busy = 0.0
        self._looked = time.monotonic()
        self._slept = self._looked
        self._ends: list[tuple[float, int, Flight]] = []
        self._count = itertools.count()

    def sleeps(self) -> None:
        """The loop begins to wait."""
        self._slept = time.monotonic()
        self.now += min(self._slept - self._looked, STEP)

    def wakes(self) -> None:
        """The loop has looked at all its connections."""
        self._looked = time.monotonic()
        self.now += self._looked - self._slept

    def worked(self) -> None:
        """The turn is over."""
        self.busy = time.monotonic() - self._looked

    def limit(self, flight: Flight, seconds: float) -> None:
        """The flight's stage may last so long from now."""
        flight.deadline = self.now + seconds
        heapq.heappush(self._ends, (flight.deadline, next(self._count), flight))

    def hold(self, flight: Flight) -> None:
        """The flight waits for us: its time stands still."""
        flight.left, flight.deadline = flight.deadline - self.now, float("inf")

    def go_on(self, flight: Flight) -> None:
        """The flight waits no longer."""
        self.limit(flight, flight.left)

    def until_next(self, most: float) -> float:
        """Seconds until the next deadline, at most so many."""
        return max(0.0, min(most, self._ends[0][0] - self.now)) if self._ends else most

    def expired(self) -> list[Flight]:
        """Flights whose deadline has passed."""
        found = []
        while self._ends and self._ends[0][0] <= self.now:
            deadline, _, flight = heapq.heappop(self._ends)
            if flight.deadline == deadline and flight.sock is not None:
                found.append(flight)
        return found
