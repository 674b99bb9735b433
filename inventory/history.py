"""The history of what hosts said: how much of it is kept, and how its oldest part is given up.

In: an open session.  Out: counts, or fewer rows.  All snapshots are kept until somebody asks otherwise.  What stands in the catalogue now
never goes: each host's newest snapshot is what its sites' evidence leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session

from inventory import model

Host, Snapshot, VisitRun = (model.table(of) for of in (model.Host, model.Snapshot, model.VisitRun))


@dataclass(frozen=True)
class Kept:
    """How many snapshots and how many bytes of transcripts, of how many readings, since when."""

    snapshots: int
    readings: int
    bytes: int
    oldest: datetime | None


def kept(session: Session) -> Kept:
    """What there is."""
    columns = (func.count(), func.sum(Snapshot.c.readings), func.sum(func.length(Snapshot.c.transcript)), func.min(Snapshot.c.taken_at))
    snapshots, readings, size, oldest = session.execute(select(*columns).select_from(Snapshot)).one()
    return Kept(snapshots, int(readings or 0), int(size or 0), oldest)


def prune(session: Session, before: datetime) -> int:
    """Delete snapshots that were last confirmed before a time, but no host's newest, and discoveries of then; how many snapshots went."""
    newest = select(func.max(Snapshot.c.id)).group_by(Snapshot.c.host_id)
    standing = select(Host.c.snapshot_id).where(Host.c.snapshot_id.is_not(None))
    old = and_(Snapshot.c.taken_at < before, or_(Snapshot.c.seen_at.is_(None), Snapshot.c.seen_at < before))
    doomed = and_(old, Snapshot.c.id.not_in(newest), Snapshot.c.id.not_in(standing))
    number = session.scalar(select(func.count()).select_from(Snapshot).where(doomed)) or 0
    session.execute(delete(Snapshot).where(doomed))
    session.execute(delete(VisitRun).where(VisitRun.c.started_at < before))
    return number
