"""Who approved a plan, what units say to its moves, and which moves may therefore not be run.

In: an open session, a plan's document.  Out: the approval that stands; each move's agreement; reasons that hold single moves back.

An approval is one of a fingerprint.  An agreement is one to a placement in a certain night: when a later plan has another night or
placement, it counts no longer.  A refusal counts until the unit says otherwise or it is withdrawn, whatever night the plan has by then:
a new date is no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from inventory.errors import PlanError
from planner import movesteps
from planner.decisions import Decisions

SIGN_OFF = "retire-sign-off"
"""The gate that the unit's own agreement to be closed meets."""
Answer = Literal["agreed", "refused", "silence"]


@dataclass(frozen=True)
class Said:
    """A unit's word on one move.  `state`: agreed | silence | refused | agreed to another date | agreed to another placement | ''.

    '' is no word at all; `counts` is whether it is to this placement and night.
    """

    state: str
    counts: bool
    by: str = ""
    note: str = ""
    placement: str = ""
    cutover: str = ""
    at: datetime | None = None

    @property
    def signed(self) -> bool:
        """Whether the unit itself said yes to this placement and night.  Silence is no signature."""
        return self.counts and self.state == "agreed"

    @property
    def refused(self) -> bool:
        """Whether the unit said no, to this date or to an earlier one."""
        return self.state.startswith("refused")


# ---------------------------------------------------------------- approvals


def approval(session: Session, document: Mapping[str, Any]) -> model.Approval | None:
    """The approval of exactly this plan that stands, the newest."""
    query = select(model.Approval).where(
        model.Approval.plan_id == document["id"],
        model.Approval.fingerprint == document["fingerprint"],
        model.Approval.withdrawn_at.is_(None),
    )
    return session.scalar(query.order_by(model.Approval.id.desc()).limit(1))


def approve(session: Session, document: Mapping[str, Any], *, by: str, note: str, despite: str, at: datetime) -> None:
    """Keep that somebody approved it.  Raises PlanError for a plan with problems that no `despite` explains."""
    problems = document["problems"]
    if problems and not despite.strip():
        raise PlanError(
            f"{document['id']} has unsettled problems:\n" + "\n".join(f"  {line}" for line in problems),
            hint='settle them and make the plan anew, or approve it --despite "reason"',
        )
    said = "; ".join(part for part in (note.strip(), f"despite {len(problems)} problems: {despite.strip()}" if problems else "") if part)
    session.add(model.Approval(plan_id=document["id"], fingerprint=document["fingerprint"], by=by[:64], note=said, at=at))


def unapprove(session: Session, plan: str, *, by: str, at: datetime) -> int:
    """Withdraw all approvals of a plan; returns how many stood."""
    rows = session.scalars(select(model.Approval).where(model.Approval.plan_id == plan, model.Approval.withdrawn_at.is_(None))).all()
    for row in rows:
        row.withdrawn_at, row.withdrawn_by = at, by[:64]
    return len(rows)


# ---------------------------------------------------------------- units' agreement


def agree(session: Session, move: Mapping[str, Any], answer: Answer, *, by: str, note: str, night: str, at: datetime) -> None:
    """Keep a unit's word on a move in a certain night ('' where it was asked about none)."""
    session.add(
        model.Agreement(
            site=_key(move), unit_code=move["unit"], placement=move["placement"], cutover=night, answer=answer, by=by[:64], note=note,
            at=at,
        )
    )  # fmt: skip


def withdraw(session: Session, move: Mapping[str, Any], *, by: str, at: datetime) -> int:
    """Take back everything that the unit said of a move; returns how much stood."""
    query = select(model.Agreement).where(model.Agreement.withdrawn_at.is_(None))
    rows = [row for row in session.scalars(query) if _meant(row.site, move)]
    for row in rows:
        row.withdrawn_at, row.withdrawn_by = at, by[:64]
    return len(rows)


def agreements(session: Session, document: Mapping[str, Any]) -> dict[str, Said]:
    """Each move's agreement (by its id): the newest word of its unit."""
    newest: dict[str, dict[str, model.Agreement]] = {}
    query = select(model.Agreement).where(model.Agreement.withdrawn_at.is_(None)).order_by(model.Agreement.id)
    for row in session.scalars(query):
        newest.setdefault(row.site.partition("@")[0], {})[row.site] = row
    found = {}
    for move in document["moves"]:
        rows = [row for name in _names(move) for site, row in newest.get(name, {}).items() if _meant(site, move)]
        found[str(move["id"])] = _said(move, max(rows, key=lambda row: row.id)) if rows else Said("", counts=False)
    return found


def _key(move: Mapping[str, Any]) -> str:
    """Whose word it is: of two copies of one site on two hosts each has its own move, and may have its own unit."""
    return f"{str(move['site']).partition('@')[0]}@{move['source']['host']}"


def _meant(site: str, move: Mapping[str, Any]) -> bool:
    """Whether an agreement is about this move; one that was kept without a host is about every copy."""
    name, _, host = site.partition("@")
    return name in _names(move) and host in {"", str(move["source"]["host"])}


def _names(move: Mapping[str, Any]) -> list[str]:
    return sorted({str(move["site"]).partition("@")[0], *map(str, move["names"])})


def _said(move: Mapping[str, Any], row: model.Agreement) -> Said:
    night = move["schedule"]["cutover"] if move["schedule"] else ""
    other = "" if row.placement == move["placement"] else " another placement"
    other = other or ("" if row.cutover == night else " another date")
    joined = {"agreed": "agreed to", "silence": "silence to", "refused": "refused"}[row.answer]
    return Said(f"{joined}{other}" if other else row.answer, not other, row.by, row.note, row.placement, row.cutover, row.at)


# ---------------------------------------------------------------- what holds a move back


def held(document: Mapping[str, Any], said: Mapping[str, Said], decided: Decisions) -> dict[str, list[str]]:
    """Why single moves may not be run: move → reasons; moves that may are absent."""
    found: dict[str, list[str]] = {}
    for move in document["moves"]:
        reasons = [_refusal(said[move["id"]])] if said[move["id"]].refused else []
        if move["carried_out"] != "planner":
            reasons.append("it is carried out by hand")
        if movesteps.signed(move["placement"]) and move["carried_out"] == "planner" and not said[move["id"]].signed:
            reasons.append(unsigned(said[move["id"]]))
        reasons += [
            f"the gate {gate['rule']} is not settled: {gate['message']}"
            for gate in unsettled(move, decided)
            if not (gate["rule"] == SIGN_OFF and said[move["id"]].signed)
        ]
        if reasons:
            found[move["id"]] = reasons
    return found


def unsigned(said: Said) -> str:
    """Why there is no sign-off."""
    word = said.state or "no word yet"
    return f"its owner has not signed ({word}): planner plan agree MOVE --unit-agrees --by WHO records it; silence is no signature"


def _refusal(said: Said) -> str:
    what = f" {said.placement} on {said.cutover}" if not said.counts and said.cutover else "" if said.counts else f" {said.placement}"
    return f"its unit refused{what}, says {said.by}" + (f": {said.note}" if said.note else "")


def unsettled(move: Mapping[str, Any], decided: Decisions) -> Iterable[Mapping[str, Any]]:
    """The gates of a move that nobody has settled, or no longer."""
    settled = decided.settled(f"{move['site']}@{move['source']['host']}", move["names"])
    return [gate for gate in move["gates"] if gate["rule"] not in settled]
