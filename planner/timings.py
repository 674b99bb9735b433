"""How long steps took, what that lets us expect of others, and how right we were.  Pure but for `read`.

In: the journal's lines.  Out: seconds by placement and step (medians), seconds for which a source was frozen, predictions, and the rate of
copies.  A median of few is told with its count; where there is none, nothing is predicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy.orm import Session

from inventory import model
from planner import journal, movesteps


@dataclass(frozen=True)
class Usual:
    """Of one placement's step: the median of its seconds, and of how many."""

    seconds: float
    count: int


@dataclass(frozen=True)
class Told:
    """What the journal says of one move."""

    plan: str
    move: str
    placement: str
    bytes: int
    steps: Mapping[str, float]
    frozen: float | None
    rehearsed: Mapping[str, float] | None


def told(plan: str, move: Mapping[str, Any], rows: Sequence[model.Journal]) -> Told:
    """Of one move's lines, in order.  A step that was done several times counts as it was the last time."""
    steps = {row.step: float(row.detail["seconds"]) for row in rows if row.event == "done" and "seconds" in row.detail}
    rehearsals = [row.detail["steps"] for row in rows if row.step == journal.REHEARSAL and row.event == "done"]
    rehearsed = {name: float(value) for name, value in rehearsals[-1].items()} if rehearsals else None
    return Told(plan, str(move["id"]), str(move["placement"]), int(move["bytes"]), steps, _frozen(rows), rehearsed)


def _frozen(rows: Sequence[model.Journal]) -> float | None:
    """Seconds from the beginning of the freeze to the end of the cutover, of the time when neither was taken back."""
    began = found = None
    for row in rows:
        if row.step == "freeze" and row.event == "started":
            began = row.at
        elif row.step == "freeze" and row.event in {"undo-started", "undone"}:
            began = None
        elif row.step == "cutover" and row.event == "done" and began is not None:
            found = (row.at - began).total_seconds()
    return found


def usual(moves: Iterable[Told]) -> dict[tuple[str, str], Usual]:
    """(placement, step) → how long it usually takes."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for one in moves:
        for step, value in one.steps.items():
            seconds.setdefault((one.placement, step), []).append(value)
    return {key: Usual(round(median(values), 1), len(values)) for key, values in sorted(seconds.items())}


def predicted(one: Told, known: Mapping[tuple[str, str], Usual]) -> float | None:
    """Seconds for which the source will be frozen: what was rehearsed as it was, the other steps as they usually are.  None: not known."""
    names = [step.name for step in movesteps.TABLE.get(one.placement, ())]
    if one.rehearsed is None or not {"freeze", "cutover"} <= set(names):
        return None
    total = 0.0
    for name in names[names.index("freeze") : names.index("cutover") + 1]:
        expected = one.rehearsed.get(name, known[one.placement, name].seconds if (one.placement, name) in known else None)
        if expected is None:
            return None
        total += expected
    return round(total, 1)


def rate(moves: Iterable[Told]) -> tuple[float, int] | None:
    """Bytes a second of first copies (median), and of how many; copies of less than a second or a megabyte tell of starting up only."""
    rates = [one.bytes / one.steps["preseed"] for one in moves if one.steps.get("preseed", 0) >= 1 and one.bytes >= 1_000_000]
    return (median(rates), len(rates)) if rates else None


def read(session: Session) -> list[Told]:
    """Of all moves of all plans."""
    rows = journal.told(session)
    moves = journal.documents(session, {plan for plan, _ in rows})
    return [told(plan, moves[plan, name], lines) for (plan, name), lines in sorted(rows.items()) if (plan, name) in moves]
