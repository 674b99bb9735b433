"""The acceptance pack of a move: what unit and center sign, in both languages, with the comparison's data beside it.

In: an open session, the plan's document, a move's id, the zone of times.  Out: a `Pack`; from it files, name → bytes.  All of it comes from
the journal and the stored comparison: the same catalogue gives the same bytes, whenever it is asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from inventory.errors import NotFound, PlanError
from planner import comparisonpage, equality, reportruns
from planner.i18n import LANGUAGES
from planner.reportruns import Move, Run, zoned

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Pack:
    """A move, its last comparison (`at`, `verdict`, `parts`: `Equality.to_json()`), and the names of its unit."""

    move: Move
    at: datetime
    verdict: str
    parts: Json
    unit: tuple[str, str]

    @property
    def data(self) -> bytes:
        """The comparison as it is stored, with what it was of."""
        found = {
            "plan": self.move.plan,
            "move": self.move.id,
            "site": self.move.site,
            "at": self.at.isoformat(),
            "verdict": self.verdict,
            "parts": self.parts,
        }
        return (json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()

    @property
    def runs(self) -> tuple[Run, ...]:
        """From the run on in which the move was begun for the last time: what was taken back before is over."""
        backs = [n for n, run in enumerate(self.move.runs) if any(step.undo and step.state == "undone" for step in run.steps)]
        return self.move.runs[backs[-1] + 1 :] if backs and backs[-1] + 1 < len(self.move.runs) else self.move.runs

    @property
    def left_out(self) -> tuple[str, ...]:
        """Files that were not compared on purpose."""
        return tuple(str(name) for name in (self.parts.get("files") or {}).get("ignored", ()))

    @property
    def meant(self) -> list[dict[str, Any]]:
        """Differences that are by design."""
        every = [entry for kind, part in sorted(self.parts.items()) if part for entry in comparisonpage.entries(kind, part)]
        return [entry for entry in every if entry.get("severity") == "design"]

    @property
    def configuration(self) -> str:
        """The application's configuration, which has other credentials at the destination; "" where there is none."""
        source = self.move.data.get("source") or {}
        known = {"config_file", "docroot", "database"} <= source.keys()
        return (equality.configuration_path(self.move.data) or "") if known else ""


def gather(session: Session, document: Json, name: str, now: datetime) -> Pack:
    """The pack of one move of a plan.  Times are in `now`'s zone.  Raises NotFound, and PlanError where nothing was compared yet."""
    identity = next((str(m["id"]) for m in document["moves"] if name in (m["id"], *m["names"])), None)
    if identity is None:
        raise NotFound(f"the plan has no move {name}", hint="planner plan show lists them")
    move = next(
        m for m in reportruns.moves(session, [(str(document["id"]), document)], now) if (m.plan, m.id) == (document["id"], identity)
    )
    query = select(model.Comparison).where(model.Comparison.move == identity)
    rows = session.scalars(query.order_by(model.Comparison.at.desc(), model.Comparison.id.desc())).all()
    row = next((one for one in rows if one.plan_id == document["id"]), rows[0] if rows else None)
    if row is None:
        hint = "planner run compares source and destination before it cuts over; planner status tells how far it is"
        raise PlanError(f"{identity}: source and destination were never compared, so there is nothing to accept", hint=hint)
    unit = session.get(model.Unit, move.unit) if move.unit else None
    names = (unit.name_en or unit.code, unit.name_zh or unit.code) if unit is not None else (move.unit, move.unit)
    return Pack(move, zoned(row.at, now), row.verdict, row.data, names)


def files(pack: Pack) -> dict[str, bytes]:
    """The pack's files: a page in each language, and the data."""
    name = f"comparison-{pack.move.id}.json"
    sum_ = hashlib.sha256(pack.data).hexdigest()
    found = {name: pack.data}
    parts = {kind: part for kind, part in pack.parts.items() if part}
    shown, more = comparisonpage.side_by_side(parts)
    for at, language in enumerate(LANGUAGES):
        page = comparisonpage.render(
            "acceptance.html.j2", language, pack.at, pack=pack, move=pack.move, unit=pack.unit[min(at, 1)],
            summaries=comparisonpage.summaries(parts), shown=shown, more=more, data_file=name, data_sum=sum_,
        )  # fmt: skip
        found[f"acceptance-{pack.move.id}.{language}.html"] = page.encode()
    return found
