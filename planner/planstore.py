"""Plans kept: a row in the catalogue, and the document in the workspace's `plans/<id>/`.

In: an open session, the workspace, a document.  Out: the files and rows; a plan by its id, the newest, the one to compare it with.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from inventory.conditions import Facts
from inventory.errors import NotFound
from planner import freshness, plandocument
from planner.workspace import Workspace


def keep(session: Session, space: Workspace, document: Mapping[str, Any], facts: Mapping[str, Facts], at: datetime) -> Path:
    """Write the plan, and the facts that each move (by its id) was built on, and note it as the newest; returns the plan's file."""
    row = session.get(model.Plan, document["id"])
    if row is None:
        row = model.Plan(id=document["id"], fingerprint=document["fingerprint"])
        session.add(row)
    row.fingerprint, row.document, row.created_at = document["fingerprint"], dict(document), at
    folder = space.plan_folder(document["id"])
    path = plandocument.write(document, folder)
    freshness.write_facts({move["id"]: facts[move["id"]] for move in document["moves"] if move["id"] in facts}, folder)
    return path


def find(session: Session, name: str = "") -> model.Plan:
    """The plan of that id, or the newest.  Raises NotFound."""
    query = select(model.Plan).order_by(model.Plan.created_at.desc(), model.Plan.id)
    row = session.scalar((query.where(model.Plan.id == name) if name else query).limit(1))
    if row is None:
        raise NotFound(f"there is no plan {name}" if name else "there is no plan yet", hint="planner plan makes one")
    return row


def load(session: Session, space: Workspace, name: str = "") -> dict[str, Any]:
    """Its document, unchanged since it was made.  Raises NotFound, PlanError."""
    return plandocument.load(path(space, find(session, name).id))


def look(session: Session, space: Workspace, name: str = "") -> dict[str, Any]:
    """The document as it was made, from the catalogue: reading a large file anew takes seconds, and a look runs nothing.

    Raises NotFound; PlanError for a plan of an earlier version.
    """
    row = find(session, name)
    return dict(row.document) if row.document.get("format") == plandocument.FORMAT else load(session, space, row.id)


def approved(session: Session, but: str = "") -> model.Plan | None:
    """The plan (another one than `but`) whose approval is the newest that stands, for the very document that is there."""
    query = (
        select(model.Plan)
        .join(model.Approval, model.Approval.plan_id == model.Plan.id)
        .where(model.Approval.withdrawn_at.is_(None), model.Approval.fingerprint == model.Plan.fingerprint, model.Plan.id != but)
        .order_by(model.Approval.id.desc())
        .limit(1)
    )
    return session.scalar(query)


def path(space: Workspace, plan: str) -> Path:
    """A plan's file."""
    return space.plan_folder(plan) / plandocument.FILE


def former(session: Session, plan: str) -> str:
    """What a plan is compared with: the newest approved one of the others, or the last one before it; '' when there is none."""
    mine = find(session, plan)
    newest = approved(session, but=mine.id)
    if newest is not None:
        return newest.id
    before = (
        select(model.Plan.id)
        .where(model.Plan.id != mine.id, model.Plan.created_at <= mine.created_at)
        .order_by(model.Plan.created_at.desc(), model.Plan.id)
        .limit(1)
    )
    return session.scalar(before) or ""
