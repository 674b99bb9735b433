"""What follows when one move goes to another night, and what waits when one has failed.  Pure.

In: the moves, the calendar and the schedule that stands.  Out: which others move and by how many days, which constraints the new date
breaks, which moves are held back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from inventory.errors import NotFound
from planner.calendars import Calendar
from planner.moves import Move
from planner.schedules import Problem, Schedule
from planner.waves import schedule


@dataclass(frozen=True)
class Shifted:
    """A move that goes to another night; `before` or `after` is None where it had or has no date."""

    name: str
    before: date | None
    after: date | None

    @property
    def days(self) -> int | None:
        """By how many days: positive is later."""
        return (self.after - self.before).days if self.before and self.after else None


@dataclass(frozen=True)
class Effects:
    """What a move to another date does: the group itself, what else moves, and which constraints the date breaks."""

    move: str
    to: date
    group: tuple[Shifted, ...]
    moved: tuple[Shifted, ...]
    broken: tuple[Problem, ...]
    schedule: Schedule


def shift(moves: Iterable[Move], calendar: Calendar, start: date, name: str, to: date, *, former: Schedule | None = None) -> Effects:
    """What happens when the group of `name` is cut over on `to`; all others keep their night unless it becomes impossible.

    `former` is the schedule that stands (made anew when it is not given).  Raises NotFound for an unknown move.
    """
    all_ = sorted(moves, key=lambda move: move.name)
    standing = former or schedule(all_, calendar, start)
    mine = next((move for move in all_ if move.name == name), None)
    if mine is None:
        raise NotFound(f"there is no move {name!r}")
    group = {move.name for move in all_ if move.name == name or (mine.group and move.group == mine.group)}
    pinned = [replace(move, pinned=to) if move.name in group else move for move in all_]
    after = schedule(pinned, calendar, start, former=standing)
    old, new = standing.cutovers, after.cutovers
    changed = [Shifted(move.name, old.get(move.name), new.get(move.name)) for move in all_ if old.get(move.name) != new.get(move.name)]
    known = {(problem.move, problem.refusal.kind) for problem in standing.problems if problem.move not in group}
    return Effects(
        name,
        to,
        tuple(item for item in changed if item.name in group),
        tuple(item for item in changed if item.name not in group),
        tuple(problem for problem in after.problems if (problem.move, problem.refusal.kind) not in known),
        after,
    )


def held_back(failed: Iterable[str], groups: Mapping[str, str], edges: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Moves that must wait because of failed ones, each with a failed move at the root of it; all others go on.

    In: names of failed moves, each move's group, (before, after) pairs of moves.  The failed groups themselves are not in the result.
    """
    then: dict[str, set[str]] = {}
    for before, after in edges:
        if groups[before] != groups[after]:
            then.setdefault(groups[before], set()).add(groups[after])
    root: dict[str, str] = {}
    for name in sorted(failed):
        root.setdefault(groups[name], name)
    broken = set(root)
    queue = sorted(root)
    for here in queue:
        for group in sorted(then.get(here, ())):
            if group not in root:
                root[group] = root[here]
                queue.append(group)
    return {name: root[group] for name, group in sorted(groups.items()) if group in root and group not in broken}
