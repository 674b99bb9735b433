"""The journal of moves: what was begun, done, failed and taken back, and what follows from it.  Pure but for `write` and `read`.

In: the journal's rows of one move, in order.  Out: the state of each of its steps and what is to be done next.  A row is written before
and after each step and never changed, so that the next run after a `kill -9` knows where the last one stood.  `TRANSITIONS` is the machine
that a step goes through; docs/steps.md draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from planner import audit, leases

TRANSITIONS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "started": (("waiting", "started", "failed", "done"), "started"),
    "done": (("started",), "done"),
    "failed": (("started",), "failed"),
    "undo-started": (("started", "done", "failed", "undoing", "undo-failed"), "undoing"),
    "undone": (("started", "done", "failed", "undoing", "undo-failed"), "waiting"),
    "undo-failed": (("undoing",), "undo-failed"),
}
"""Event → the states in which a step may be when it is written, and the one that it leads to.

`started` of a step that is started already is one that was cut off; of one that is done, a copy that is made afresh.  `undone` without an
`undo-started` before it is that of a step which has nothing to take back.  With `started` and `undone` all later steps wait again, but for
those whose undoing has not ended.
"""
EVENTS = tuple(TRANSITIONS)
ROLLBACK = "rollback"
"""Stands where a step stands, in the line that ends a rollback."""
BY_HAND = "by-hand"
"""Stands where a step stands, in the line by which somebody says that a move that people carry out is done (or is not, after all)."""
REHEARSAL = "rehearsal"
"""Stands where a step stands, in the line that tells how a rehearsal went; it changes nothing that a run goes by."""
TOLD = ("error", "compared", "signed", "by", "on", "proved", "seconds")
"""What of a line's detail the audit log has, too."""


@dataclass
class MoveState:
    """`steps`: step → waiting, started, done, failed, undoing or undo-failed, in order; `begun`: whether anything was ever done.

    `by` is who said that people have carried it out, and `on` the day on which; '' where nobody did.
    """

    steps: dict[str, str]
    attempts: dict[str, int] = field(default_factory=dict)
    begun: bool = False
    rolled_back: bool = False
    error: str = ""
    last: datetime | None = None
    by: str = ""
    on: str = ""

    @property
    def name(self) -> str:
        """One word for a table."""
        values = set(self.steps.values())
        if values == {"done"}:
            return "done"
        if values == {"waiting"}:
            return "rolled back" if self.rolled_back else "failed" if self.error else "waiting"
        return "taking back" if values & {"undoing", "undo-failed"} else "failed" if "failed" in values else "under way"

    @property
    def undo_first(self) -> list[str]:
        """Steps whose undo was begun and did not end: they come before anything else, the last one first."""
        return [step for step in reversed(self.steps) if self.steps[step] in {"undoing", "undo-failed"}]

    @property
    def touched(self) -> list[str]:
        """Steps that may have left something, the last one first: what a rollback takes back."""
        return [step for step in reversed(self.steps) if self.steps[step] != "waiting"]

    @property
    def next(self) -> str | None:
        """The step to begin with, None when all are done.

        A comparison that was cut off visited the destination's pages, and an application may write when it is visited: it begins
        again with a fresh copy.
        """
        for step, value in self.steps.items():
            if value != "done":
                return "sync" if step == "verify" and value != "waiting" and "sync" in self.steps else step
        return None

    def resume(self) -> None:
        """What a run begins with that was not there before: at a cutover it copies and compares anew.

        The comparison was another run's, and the destination may have lost something since.  A cutover that was cut off in the middle
        may serve visitors already, and is ended.
        """
        if self.next != "cutover" or self.steps["cutover"] != "waiting":
            return
        names = list(self.steps)
        last_copy = next((name for name in ("sync", "archive", "verify") if name in names), "cutover")
        self.steps.update(dict.fromkeys(names[names.index(last_copy) : names.index("cutover")], "waiting"))

    def take(self, step: str, event: str, error: str = "") -> None:
        """What one line of the journal changes; the only place that knows."""
        if step == BY_HAND:
            self.begun = event == "done"
            self.steps = dict.fromkeys(self.steps, "done" if event == "done" else "waiting")
            return
        if step not in self.steps:
            if event == "undone" and step == ROLLBACK:
                self.rolled_back = True
            return
        self.begun = True
        if event == "started":
            self.attempts[step] = self.attempts.get(step, 0) + 1
            self.rolled_back, self.error = False, ""
        elif event in {"failed", "undo-failed"}:
            self.error = error
        self.steps[step] = TRANSITIONS[event][1]
        if event in {"started", "undone"}:  # what came later was built on this step
            names = list(self.steps)
            later = names[names.index(step) + (event == "started") :]
            # what was not taken back is still there, whatever becomes of what it was built on
            self.steps.update({name: "waiting" for name in later if name == step or self.steps[name] not in {"undoing", "undo-failed"}})


def state(steps: Sequence[str], rows: Iterable[model.Journal]) -> MoveState:
    """What a move's rows amount to."""
    now = MoveState(dict.fromkeys(steps, "waiting"))
    for row in rows:
        now.last = row.at
        now.take(row.step, row.event, str(row.detail.get("error", "")))
        if row.step == BY_HAND:
            now.by, now.on = (str(row.detail.get(name, "")) if row.event == "done" else "" for name in ("by", "on"))
    return now


def read(session: Session, plan: Mapping[str, Any]) -> dict[str, MoveState]:
    """All moves of a plan: id → state.  What another plan did of the same move counts: a plan made anew goes on where that one stood."""
    rows = told(session, [str(move["id"]) for move in plan["moves"]])
    others = documents(session, {one for one, _ in rows} - {plan["id"]})
    return {move["id"]: state(move["steps"], story(str(plan["id"]), move, rows, others)) for move in plan["moves"]}


Rows = Mapping[tuple[str, str], Sequence[model.Journal]]
Moves = Mapping[tuple[str, str], Mapping[str, Any]]


def told(session: Session, moves: Sequence[str] | None = None) -> dict[tuple[str, str], list[model.Journal]]:
    """(plan, move) → rows in order; of these moves' ids, or of all."""
    found: dict[tuple[str, str], list[model.Journal]] = {}
    query = select(model.Journal).order_by(model.Journal.id)
    for part in catalogue.chunks(sorted(moves)) if moves is not None else [None]:
        for row in session.scalars(query if part is None else query.where(model.Journal.move.in_(part))):
            found.setdefault((row.plan_id, row.move), []).append(row)
    return found


def documents(session: Session, plans: Iterable[str]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """(plan, move) → the move as that plan has it."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for name in sorted(plans):
        row = session.get(model.Plan, name)
        for move in row.document.get("moves", ()) if row is not None else ():
            found[name, str(move["id"])] = move
    return found


def story(plan: str, move: Mapping[str, Any], rows: Rows, others: Moves) -> list[model.Journal]:
    """All rows of one move, those of other plans among them, in order.  Pure.

    The same move is one with the same id from the same host to the same place.  What another plan did and took back again is over: it
    does not hold up a plan that was made, and approved, since.
    """
    own = list(rows.get((plan, str(move["id"])), ()))
    before: list[model.Journal] = []
    for (other, name), lines in rows.items():
        if name == str(move["id"]) and other != plan and (other, name) in others and _same(move, others[other, name]):
            before += lines
    every = sorted([*before, *own], key=lambda row: row.id)
    ends = [at for at, row in enumerate(every) if row.plan_id != plan and (row.step, row.event) == (ROLLBACK, "undone")]
    over = ends[-1] + 1 if ends else 0
    return every if any(row.plan_id == plan for row in every[:over]) else every[over:]


def _same(move: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    def key(one: Mapping[str, Any]) -> tuple[Any, ...]:
        return one["site"], one["placement"], one["source"]["host"], one["destination"]["platform"]

    return key(move) == key(other)


@dataclass(frozen=True)
class Writer:
    """Appends to the journal of one plan, and to the audit log, each line in a transaction of its own.

    `holder` has the move's lease: a planner that has lost it to another one writes nothing more.
    """

    book: catalogue.Catalogue
    plan: Mapping[str, Any]
    run: str
    clock: Callable[[], datetime] = catalogue.now
    holder: leases.Holder | None = None

    def write(self, move: str, step: str, event: str, attempt: int = 1, **detail: Any) -> None:
        """One line; it is on disk when this returns.  Raises RunError when the move's lease was lost."""
        identity, now = str(self.plan["id"]), self.clock()
        with self.book.session() as session:
            if self.holder is not None:
                self.holder.check(session, f"move:{move}")
            session.add(
                model.Journal(plan_id=identity, move=move, step=step, event=event, at=now, attempt=attempt, run=self.run, detail=detail)
            )
            audit.add(
                session, event, f"{move} {step}", plan=identity, fingerprint=str(self.plan.get("fingerprint", "")), run=self.run, at=now,
                **{key: value for key, value in detail.items() if key in TOLD},
            )  # fmt: skip
