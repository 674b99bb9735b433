"""Which moves of a plan may be run today, and why each of the others may not.

In: the catalogue, the workspace, a plan, its moves' states.  Out: moves that may go on and reasons by move.  Raises PlanError for a plan
that nobody has approved, or that is not of today.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from inventory import catalogue
from inventory.errors import PlanError
from planner import approvals, decisions, freshness, journal, workspace

Move = Mapping[str, Any]
States = Mapping[str, journal.MoveState]


def approved(session: Session, document: Mapping[str, Any]) -> None:
    """Only what was reviewed is done.  Raises PlanError."""
    if approvals.approval(session, document) is None:
        raise PlanError(
            f"nobody has approved {document['id']} (fingerprint {document['fingerprint'][:12]})",
            hint="planner plan diff shows what it changes; planner plan approve --by NAME",
        )


def held(session: Session, document: Mapping[str, Any], states: States) -> dict[str, list[str]]:
    """Why single moves may not be run: refused, not signed, a gate that nobody settled, or a mate that is held.  Others are absent."""
    standing = decisions.standing(session, catalogue.now().date())
    found = approvals.held(document, approvals.agreements(session, document), standing)
    for name, reasons in _together(document, found, states).items():
        found.setdefault(name, []).extend(reasons)
    return found


def _together(document: Mapping[str, Any], held: Mapping[str, list[str]], states: States) -> dict[str, list[str]]:
    """What is held because a move of its own group is: sites with one database or docroot are not to be parted."""
    found: dict[str, list[str]] = {}
    for group in document["groups"]:
        waiting = [name for name in group["moves"] if name in held and states[name].name != "done" and not states[name].touched]
        for name in group["moves"]:
            others = [other for other in waiting if other != name]
            if others:
                found[name] = [f"{', '.join(others)}, which it moves together with, may not be run"]
    return found


def permitted(
    session: Session, space: workspace.Workspace, document: Mapping[str, Any], moves: Sequence[dict[str, Any]], states: States
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The moves that may go on, and why each of the others may not.  Raises PlanError when the plan is not of today.

    What has begun goes on: half a move is worse than one that was planned with yesterday's rules.  A unit's refusal stops also that.
    """
    untouched = [move for move in moves if not states[move["id"]].touched]
    stale = freshness.stale(session, space, document, untouched, catalogue.now().date()) if untouched else []
    reasons = held(session, document, states)
    said = approvals.agreements(session, document)
    if stale:
        lines = freshness.lines(stale, space.configuration.language)
        more = [f"  and {len(lines) - 40} more"] if len(lines) > 40 else []
        raise PlanError(
            "\n".join([f"{document['id']} is not of today:", *(f"  {line}" for line in lines[:40]), *more]),
            hint="planner plan makes the plan anew, planner plan diff shows what that changes; a move that has begun can go on by --move",
        )
    going = [move for move in moves if move["id"] not in reasons or (states[move["id"]].touched and not said[move["id"]].refused)]
    kept = {move["id"] for move in going}
    return going, {move["id"]: "; ".join(reasons[move["id"]]) for move in moves if move["id"] not in kept}
