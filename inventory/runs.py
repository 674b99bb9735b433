"""Discoveries as rows: which hosts one is to visit, whether it came to its end, and where one that was cut is taken up again.

In: an open session and what an admin asked for.  Out: hosts, and `VisitRun`s.  A discovery of all hosts that was cut (a kill, a full disk,
Ctrl-C) is continued by the next one within a day, with the hosts that it had not come to; after that its first visits are old news.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from inventory import catalogue, model

WITHIN = timedelta(hours=24)
"""How long after its begin a cut discovery is still continued."""


def cut(session: Session) -> model.VisitRun | None:
    """The newest discovery of all hosts, if it never came to its end."""
    runs = select(model.VisitRun).order_by(model.VisitRun.id.desc())
    last = next((run for run in session.scalars(runs.limit(200)) if not run.asked), None)
    return last if last is not None and last.finished_at is None else None


def left(session: Session, run: model.VisitRun) -> list[model.Host]:
    """The hosts that a discovery has not come to, by name; those added since are among them."""
    other = or_(model.Host.visit_run_id.is_(None), model.Host.visit_run_id != run.id)
    return list(session.scalars(select(model.Host).where(other).order_by(model.Host.name)))


def chosen(
    session: Session, names: Sequence[str] = (), outcomes: Collection[str] = (), stale: timedelta | None = None, now: datetime | None = None
) -> list[model.Host]:
    """Hosts by name or address (all without), whose last visit ended in one of `outcomes`, and that were not read for `stale`.

    By name.  Raises NotFound.
    """
    query = select(model.Host).order_by(model.Host.name)
    if outcomes:
        query = query.where(model.Host.outcome.in_(sorted(outcomes)))
    if stale is not None and now is not None:
        read = select(model.Snapshot.host_id).where(func.coalesce(model.Snapshot.seen_at, model.Snapshot.taken_at) > now - stale)
        query = query.where(model.Host.id.not_in(read))
    hosts = list(session.scalars(query))
    if not names:
        return hosts
    wanted = {catalogue.host_by_name(session, name).id for name in names}
    return [host for host in hosts if host.id in wanted]


def begin(session: Session, asked: dict[str, Any], hosts: int, now: datetime) -> model.VisitRun:
    """A new discovery; `asked` is empty when it is one of all hosts."""
    run = model.VisitRun(started_at=now, asked=asked, hosts=hosts)
    session.add(run)
    session.flush()
    return run


def finish(session: Session, run: int, now: datetime) -> None:
    """It has come to its end."""
    session.get_one(model.VisitRun, run).finished_at = now
