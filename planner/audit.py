"""The audit log: who said or did what, when, to which plan.  Lines are only ever added; the database itself refuses the rest.

In: an open session and what happened.  Out: rows of `model.Audit`, in order.  A step's line is written with the journal's own, in one
transaction; a command's line when it has ended, with its words and its exit code.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from inventory import catalogue, model

LONGEST = 2000
"""Characters of one word of a command line that are kept."""


def account() -> str:
    """Who runs this process: the login behind sudo, too."""
    user, behind = getpass.getuser(), os.environ.get("SUDO_USER", "")
    return f"{user}{f' ({behind})' if behind and behind != user else ''}@{socket.gethostname()}"[:255]


def add(
    session: Session, action: str, subject: str = "", *, plan: str = "", fingerprint: str = "", run: str = "", by: str = "",
    at: datetime | None = None, **detail: Any,
) -> None:  # fmt: skip
    """One line; `by` '' is whoever runs this process."""
    session.add(
        model.Audit(
            at=at or catalogue.now(), by=(by or account())[:255], action=action, subject=subject[:600], plan_id=plan,
            fingerprint=fingerprint, run=run, detail=detail,
        )
    )  # fmt: skip


def command(session: Session, words: Sequence[str], code: int) -> None:
    """A command that changed something, or tried to."""
    add(session, "command", " ".join(words[:2])[:600], words=[word[:LONGEST] for word in words], exit_code=code)


def read(
    session: Session, *, plan: str = "", subject: str = "", since: datetime | None = None, actions: Iterable[str] = (), last: int = 0
) -> list[model.Audit]:
    """Lines in order; `subject` is a move's id or a word of a command; `last` keeps only so many of the newest."""
    query = select(model.Audit)
    if plan:
        query = query.where(model.Audit.plan_id == plan)
    if subject:
        word = subject.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        query = query.where(or_(model.Audit.subject == subject, model.Audit.subject.like(f"%{word}%", escape="\\")))
    if since is not None:
        query = query.where(model.Audit.at >= since)
    if chosen := sorted(set(actions)):
        query = query.where(model.Audit.action.in_(chosen))
    query = query.order_by(model.Audit.id.desc())
    rows = session.scalars(query.limit(last) if last else query).all()
    return list(reversed(rows))
