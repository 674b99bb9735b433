"""The approved plan, as the next one looks back at it: who got which night, place and addresses there.  Pure.

In: its document.  Out: the same by the workloads and ids of today.  A workload is the same when one of its names and its host are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from planner import plandates
from planner.planning.subjects import Subject
from planner.schedules import Schedule

Moves = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class Former:
    """Its id, its first day's schedule and its moves by (host, name)."""

    document: Mapping[str, Any]
    moves: Moves

    @property
    def plan(self) -> str:
        """Its id."""
        return str(self.document["id"])

    def of(self, item: Subject) -> Mapping[str, Any] | None:
        """Its move of a workload, unless that was to go to another kind of place."""
        for name in (item.name, item.name.partition("@")[0], *item.names):
            move = self.moves.get((item.host, str(name)))
            if move is not None:
                return move if move["placement"] == item.placement else None
        return None


def read(document: Mapping[str, Any]) -> Former:
    """A plan to look back at."""
    moves: dict[tuple[str, str], Mapping[str, Any]] = {}
    for move in document["moves"]:
        for name in (move["site"], *move["names"]):
            moves.setdefault((str(move["source"]["host"]), str(name)), move)
    return Former(document, moves)


def _pairs(former: Former | None, items: Iterable[Subject], ids: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """Today's id → the move of then."""
    if former is None:
        return {}
    found = ((ids[item.name], former.of(item)) for item in items)
    return {identity: move for identity, move in found if move is not None}


def nodes(former: Former | None, items: Iterable[Subject], ids: Mapping[str, str]) -> dict[str, str]:
    """Where each was to go."""
    pairs = _pairs(former, items, ids)
    return {identity: move["destination"]["platform"] for identity, move in pairs.items() if move["destination"]["platform"]}


def schedule(former: Former | None, items: Iterable[Subject], ids: Mapping[str, str]) -> Schedule | None:
    """When each was to go; None without a former plan."""
    if former is None:
        return None
    moves = [{**move, "id": identity} for identity, move in _pairs(former, items, ids).items()]
    return plandates.schedule({**former.document, "moves": moves})


def addresses(former: Former | None, items: Iterable[Subject]) -> dict[str, list[str]]:
    """Which addresses each (by its name) was to get."""
    found = {}
    for item in items if former is not None else ():
        move = former.of(item) if former is not None else None
        given = [text for text in (move["destination"]["address"], move["destination"]["address6"]) if text] if move is not None else []
        if given:
            found[item.name] = given
    return found
