"""Views kept in the catalogue: the newest of each name, and the facts that follow for the sites that have it.

In: an open session.  Out: rows of `http_view`; facts of a site by its names, its own name's view first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from inventory.inspection import liveness
from inventory.inspection.model import View


def store(session: Session, views: Iterable[View], at: datetime) -> None:
    """Keep each view as the newest of its name."""
    for view in views:
        session.merge(model.HttpView(name=view.name, at=at, data=view.to_json()))


class Views:
    """All kept views, read once; `facts` gives a site's."""

    def __init__(self, session: Session) -> None:
        self._rows = {row.name: row for row in session.scalars(select(model.HttpView))}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def facts(self, names: Sequence[str]) -> dict[str, liveness.Fact]:
        """Facts of the first of these names that was ever asked; none when no name was."""
        row = next((self._rows[name] for name in names if name in self._rows), None)
        return liveness.facts(View.from_json(row.data), row.at) if row is not None else {}
