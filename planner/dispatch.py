"""Moves of a plan side by side: which may begin while others run, and what a failure holds back.

In: moves in the plan's order, their states, limits.  Out: what was carried, what failed and what is held, with reasons.  Each move runs in
a thread of its own.  Moves of one group run one after another and a failure ends their group; every other move goes on.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from inventory.errors import PlannerError, RunError
from planner import movesteps
from planner.journal import MoveState
from planner.playing import Stop

Move = Mapping[str, Any]
Ending = Literal["failed", "held", "done"]


@dataclass(frozen=True)
class Limits:
    """How many moves run at once: in all, from one source, to one destination."""

    at_once: int = 1
    per_source: int = 2
    per_destination: int = 8


class Carrier(Protocol):
    """What carries one move: `execution.Carrier`."""

    stop: Stop

    def forward(self, move: Move, now: MoveState, until: str = "") -> str:
        """'' or why it is held.  Raises RunError."""
        ...


@dataclass
class Result:
    """Ids of moves that went as far as they should; why others failed, and why others were held: each in the order of the plan.

    `begun`: how many there were to carry at all.
    """

    begun: int = 0
    carried: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)


def waits_for(document: Mapping[str, Any], move: Move, states: Mapping[str, MoveState]) -> list[str]:
    """Moves that have to be done before this one and are not.  Of those that people carry out, `planner plan done` tells."""
    machine = move.get("colocation")
    if machine and machine["leader"] != move["id"]:  # it rides on a machine that another move carries
        return [machine["leader"]] if states[machine["leader"]].name != "done" else []
    groups = {group["group"]: group for group in document["groups"]}
    before = [name for group in groups[move["group"]]["after"] for name in groups[group]["moves"]]
    return sorted(name for name in before if states[name].name != "done")


def startable(waiting: Sequence[Move], running: Collection[Move], blocked: Callable[[Move], bool], limits: Limits) -> Iterator[Move]:
    """Those that may begin now, in the plan's order.  Pure."""
    sources, destinations = Counter(map(_source, running)), Counter(map(_destination, running))
    groups, count = {move["group"] for move in running}, len(running)
    for move in waiting:
        full = sources[_source(move)] >= limits.per_source or destinations[_destination(move)] >= limits.per_destination
        if count < limits.at_once and move["group"] not in groups and not full and not blocked(move):
            yield move
            count += 1
            sources[_source(move)] += 1
            destinations[_destination(move)] += 1
        groups.add(move["group"])  # nor does a later one of its group begin before it


def _source(move: Move) -> str:
    return str(move["source"]["host"])


def _destination(move: Move) -> str:
    return str(move["destination"].get("receiver") or move["destination"]["platform"])


def carry(
    carrier: Carrier, document: Mapping[str, Any], moves: Sequence[Move], states: Mapping[str, MoveState], limits: Limits,
    until: str = "", ended: Callable[[str, Ending, str], None] = lambda *_: None,
) -> Result:  # fmt: skip
    """Carry moves out.  `ended` (move, how, why) is called as they end; what nobody foresaw is raised after the others."""
    result, waiting = Result(len(moves)), list(moves)
    running: dict[str, Move] = {}
    ends: queue.SimpleQueue[tuple[Move, str, BaseException | None]] = queue.SimpleQueue()
    strange: list[BaseException] = []

    def work(move: Move, parted: str) -> None:
        # what moves together is prepared, and then waits together
        last = movesteps.prepared(move["placement"]) if parted else until
        try:
            ends.put((move, carrier.forward(move, states[move["id"]], last) or parted, None))
        except BaseException as error:  # told to the main thread, whatever it is
            ends.put((move, "", error))

    def hold(move: Move, reason: str) -> None:
        waiting.remove(move)
        result.held[move["id"]] = reason
        ended(move["id"], "held", reason)

    while True:
        for move in list(waiting):
            if reason := _held(document, move, states, result, [*waiting, *running.values()]):
                hold(move, reason)
        if not carrier.stop.soon.is_set():
            for move in list(startable(waiting, running.values(), lambda one: bool(waits_for(document, one, states)), limits)):
                waiting.remove(move)
                running[move["id"]] = move
                parted = _parted(document, move, result.held)
                threading.Thread(target=work, args=(move, parted), name=str(move["id"])).start()
        if not running:
            break
        move, reason, error = ends.get()
        del running[move["id"]]
        if isinstance(error, (PlannerError, OSError)):
            result.failed[move["id"]] = str(error) if isinstance(error, RunError) else f"{move['id']}: {error}"
            ended(move["id"], "failed", result.failed[move["id"]])
        elif error is not None:
            strange.append(error)
            carrier.stop.soon.set()
        elif reason:
            result.held[move["id"]] = reason
            ended(move["id"], "held", reason)
        else:
            result.carried.append(move["id"])
            ended(move["id"], "done", "")
    if strange:
        raise strange[0]
    order = {move["id"]: at for at, move in enumerate(moves)}
    return Result(len(moves), _sorted(result.carried, order), _sorted(result.failed, order), _sorted(result.held, order))


def _sorted(part: Any, order: Mapping[str, int]) -> Any:
    names = sorted(part, key=lambda name: order[name])
    return {name: part[name] for name in names} if isinstance(part, dict) else names


def _mates(document: Mapping[str, Any], move: Move) -> set[str]:
    return {one for group in document["groups"] if group["group"] == move["group"] for one in group["moves"]}


def _parted(document: Mapping[str, Any], move: Move, which: Collection[str]) -> str:
    stuck = sorted(_mates(document, move) & set(which))
    return f"{', '.join(stuck)}, which it moves together with, did not get through" if stuck else ""


def _held(document: Mapping[str, Any], move: Move, states: Mapping[str, MoveState], result: Result, going: Sequence[Move]) -> str:
    """Why a waiting move will not begin in this run: what it waits for failed, is held, or is none of this run's."""
    parted = _parted(document, move, result.failed)
    if not parted and not _preparing(move, states[move["id"]]):
        parted = _parted(document, move, result.held)
    if parted:
        return parted
    still = {one["id"] for one in going if one["id"] != move["id"]}
    before = [name for name in waits_for(document, move, states) if name not in still]
    return f"{', '.join(before)} must be moved before it" if before else ""


def _preparing(move: Move, now: MoveState) -> bool:
    """Whether there is something to do before the first step that needs a go-ahead."""
    steps, last = list(now.steps), movesteps.prepared(move["placement"])
    return last in steps and now.next is not None and steps.index(now.next) <= steps.index(last)
