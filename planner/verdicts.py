"""Verdicts kept in the catalogue: made where facts or rules have changed since, and left as they are where not.

In: an open session, the assembly of facts, workloads.  Out: the table `verdict`, and what stands in it for each workload.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy import update as change
from sqlalchemy.orm import Session

from inventory import model
from planner import assessment
from planner.assessment import Override
from planner.facts import Assembly
from planner.policy import Facts

Table = model.table(model.Verdict)


@dataclass(frozen=True)
class Kept:
    """How many were assessed, and the verdict of every workload (by its key) as JSON."""

    assessed: int
    of: Mapping[int, Mapping[str, Any]]


def marked(facts: Facts, override: Override | None, names: frozenset[str]) -> str:
    """What a verdict was made from, as one SHA-256: the values of the facts that rules ask for (`names`), and an admin's own choice.

    Kept beside the verdict; when it is another today, the verdict has to be made again.
    """
    chosen = {"override": {"value": override.to_json()}} if override else {}
    return assessment.facts_hash({**facts, **chosen}, names | {"override"})


def update(session: Session, assembly: Assembly, items: Sequence[model.Workload], at: datetime, *, everything: bool = False) -> Kept:
    """Bring the verdicts of `items` up to date.  One made today from the same facts and rules stands."""
    columns = (Table.c.workload_id, Table.c.facts_hash, Table.c.rules_hash, Table.c.assessed_at, Table.c.data)
    stored = {row.workload_id: row for row in session.execute(select(*columns))}
    names = assessment.asked(assembly.rules)
    found: dict[int, Mapping[str, Any]] = {}
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for item in items:
        facts = assembly.of(item)
        override = assembly.override(item)
        mark = marked(facts, override, names)
        row = stored.get(item.id)
        same = row is not None and (row.facts_hash, row.rules_hash, row.assessed_at.date()) == (mark, assembly.rules.hash, at.date())
        if row is not None and same and not everything:
            found[item.id] = row.data
            continue
        verdict = assembly.assess(item, facts, assembly.space.configuration.language)
        data = verdict.to_json()
        found[item.id] = data
        values = {
            "recommendation": verdict.recommendation, "strength": verdict.strength, "data": data, "rules_hash": assembly.rules.hash,
            "facts_hash": mark, "assessed_at": at,
        }  # fmt: skip
        (new if row is None else changed).append({"key": item.id, **values})
    if new:
        session.execute(insert(Table), [{"workload_id": row.pop("key"), **row} for row in new])
    if changed:
        moved: dict[str, Any] = {name: bindparam(name) for name in changed[0] if name != "key"}
        session.execute(change(Table).where(Table.c.workload_id == bindparam("key")).values(moved), changed)
    session.expire_all()
    return Kept(len(new) + len(changed), found)
