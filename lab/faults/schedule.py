"""When faults strike: every step's beginning with every fault, and random instants, in an order that a seed decides.  Pure.

In: a seed.  Out: endless strikes for moves that go forward and for moves that are taken back; a boundary and an instant in turns, so that a
campaign that ends early has some of each.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

FORWARD = ("lower-ttl", "provision", "preseed", "freeze", "sync", "verify", "cutover", "watch")
BACK = ("cutover", "freeze", "provision", "lower-ttl")
"""The steps whose undo does something, in the order in which they are taken back."""


@dataclass(frozen=True)
class Strike:
    """One fault at one moment.

    `step`: at its beginning when `instant` is None, else after that share of its usual length; '' for a share of the whole way.
    `hold`: how long the fault lasts, seconds; None until the command has ended.  `recover`: how it goes on afterwards, run or rollback.
    """

    fault: str
    step: str
    instant: float | None
    hold: float | None
    recover: str

    @property
    def where(self) -> str:
        """For a table."""
        return self.step if self.instant is None else f"{self.step or 'the way'} at {self.instant:.0%}"


def _chain(recover: str, *struck: tuple[str, str, float | None, float | None]) -> tuple[Strike, ...]:
    return tuple(Strike(fault, step, instant, hold, recover) for fault, step, instant, hold in struck)


BOUNDED = (
    _chain(
        "run",
        ("kill-planner", "preseed", 0.5, None),
        ("kill-ansible", "freeze", 0.3, None),
        ("cut-source", "sync", 0.3, 3.0),
        ("database-source", "verify", None, None),
        ("dns-down", "cutover", None, None),
    ),
    _chain("rollback", ("kill-ansible", "cutover", 0.5, None), ("cut-destination", "provision", 0.3, 3.0)),
    _chain(
        "run",
        ("full-planner", "preseed", None, None),
        ("full-destination", "sync", None, None),
        ("wrong-tsig", "cutover", 0.5, None),
        ("kill-planner", "cutover", 0.7, None),
    ),
    _chain("rollback", ("power-source", "freeze", None, 2.0)),
)
"""What a change of the product has to withstand at least: a dozen faults in two moves there and back, several in one move."""


def strikes(seed: int, faults: Sequence[str], steps: Sequence[str]) -> Iterator[Strike]:
    """One after another, for ever; each round of boundaries in another order."""
    chance = random.Random(f"{seed} {steps[0]}")  # noqa: S311  (a schedule, not a secret)
    recovers = ["run", "rollback"]
    instants: list[str] = []
    while True:
        boundaries = [(fault, step) for fault in faults for step in steps]
        chance.shuffle(boundaries)
        for fault, step in boundaries:
            yield Strike(fault, step, None, _hold(chance, fault), recovers[0])
            if not instants:
                instants = [*faults]
                chance.shuffle(instants)
            struck, over = instants.pop(), chance.random() < 0.5
            yield Strike(struck, "" if over else chance.choice(steps), chance.random(), _hold(chance, struck), recovers[1])
            if chance.random() < 0.5:  # both ways back for boundaries and for instants
                recovers.reverse()


def chains(seed: int, faults: Sequence[str], steps: Sequence[str], length: int) -> Iterator[tuple[Strike, ...]]:
    """Several strikes for one way, each in a step of its own, in the steps' order; the last one says how it goes on."""
    chance = random.Random(f"{seed} {steps[0]} chains")  # noqa: S311  (a schedule, not a secret)
    every = strikes(seed, faults, steps)
    while length == 1:
        yield (next(every),)
    while True:
        found: dict[str, Strike] = {}
        while len(found) < min(length, len(steps)):
            one = next(every)
            step = one.step or chance.choice(steps)
            found.setdefault(step, replace(one, step=step))
        yield tuple(found[step] for step in steps if step in found)


def _hold(chance: random.Random, fault: str) -> float | None:
    short = round(chance.uniform(1, 8), 1)
    # what does not end by itself until the command has given up is told in minutes: fewer of those
    return None if chance.random() < (0.2 if fault.startswith(("cut", "power")) else 0.5) else short
