"""Gates of a run: what has to be so before a step may begin: its hours, and somebody's word.

In: a plan, the calendar, what was said beforehand and what is said at the terminal.  Out: '' for a step that may begin, or why it may not.
Whoever starts a run may say that dates do not count (`despite`), with a reason, and that steps need no more words (`free`); both stand in
the audit log.  A go-ahead is for the plan as it was approved: one that was made anew needs another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from planner import movesteps, windows
from planner.calendars import Calendar

Ask = Callable[[str, str], bool]
"""(move, step): somebody at the terminal is asked."""


def asked(placement: str) -> list[str]:
    """The steps of a placement that need a go-ahead."""
    return [step.name for step in movesteps.TABLE.get(placement, ()) if step.go]


def go(session: Session, plan: Mapping[str, Any], move: str, step: str, *, by: str, note: str, at: datetime) -> None:
    """Keep that a step may begin."""
    session.add(model.GoAhead(plan_id=plan["id"], fingerprint=plan["fingerprint"], move=move, step=step, by=by[:64], note=note, at=at))


def withdraw(session: Session, plan: Mapping[str, Any], move: str, steps: Collection[str], *, by: str, at: datetime) -> int:
    """Take it back; returns how many stood."""
    rows = [row for row in _standing(session, plan) if row.move == move and row.step in steps]
    for row in rows:
        row.withdrawn_at, row.withdrawn_by = at, by[:64]
    return len(rows)


def _standing(session: Session, plan: Mapping[str, Any]) -> list[model.GoAhead]:
    query = select(model.GoAhead).where(
        model.GoAhead.plan_id == plan["id"], model.GoAhead.fingerprint == plan["fingerprint"], model.GoAhead.withdrawn_at.is_(None)
    )
    return list(session.scalars(query.order_by(model.GoAhead.id)))


def said(session: Session, plan: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """(move, step) → who said go, for this plan as it is."""
    return {(row.move, row.step): row.by for row in _standing(session, plan)}


@dataclass
class Gates:
    """The gates of one run.  `ask` None: nobody is there."""

    book: catalogue.Catalogue
    plan: Mapping[str, Any]
    calendar: Calendar
    despite: str = ""
    free: Collection[str] = ()
    ask: Ask | None = None
    clock: Callable[[], datetime] = catalogue.now
    _words: dict[tuple[str, str], str] = field(default_factory=dict)

    def closed(self, move: Mapping[str, Any], step: str) -> str:
        """Why a step of a move may not begin now."""
        kind = movesteps.step(move["placement"], step)
        if not self.despite and (reason := windows.closed(move["schedule"], kind.when, self.calendar, self.clock())):
            return reason
        return self._unsaid(move, step) if kind.go else ""

    def _unsaid(self, move: Mapping[str, Any], step: str) -> str:
        identity = str(move["id"])
        with self.book.session() as session:
            known = said(session, self.plan)
        if self.ask is not None:
            allowed = step in self.free or (identity, step) in known or self.ask(identity, step)
            return "" if allowed else f"nobody said go for {step}"
        # nobody is there: a site that was frozen and may not be cut over would stand still for nothing
        later = asked(move["placement"])
        needed = [one for one in later[later.index(step) :] if one not in self.free and (identity, one) not in known]
        if not needed:
            return ""
        return f"{' and '.join(needed)} {'needs' if len(needed) == 1 else 'need'} a go-ahead: planner plan go {identity} --by NAME"
