"""Verdicts kept in the catalogue: made where what they depend on has changed since, and left as they are where not.

In: an open session, the assembly of facts, workloads.  Out: the tables `verdict` and `rule_set`, and each workload's verdict in short.

A verdict is made anew when a fact that some rule asks for or shows has another value, when the rules, the weights or the admin's own choice
are others.  A new day alone makes none anew: what follows from the day (a site's last day is over, a choice has ended) are facts and
choices themselves, and confidence, which falls with the age of facts, is reckoned anew for every verdict each time, from the same facts and
by the same function.  So what stands is always what would be made from scratch, but for `assessed_at`, the day on which it was made.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy import update as change
from sqlalchemy.orm import Session

from inventory import catalogue, findings, garbage, model, packing
from planner import assessment, workspace
from planner.assessment import Override
from planner.facts import Assembly
from planner.policy import Facts, RuleSet
from planner.workspace import Workspace

Table = model.table(model.Verdict)
Sets = model.table(model.RuleSet)

MANY = 2_000
"""So many workloads are worth a process for each core: starting one takes a second, assessing as many takes some."""


@dataclass(frozen=True)
class Kept:
    """How many were assessed, and of every workload (by its key) the verdict without its findings, as JSON."""

    assessed: int
    of: Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True)
class _Made:
    """What has come of some workloads: rows to insert and to change, summaries whose confidence is another, and all summaries by key."""

    new: list[dict[str, Any]]
    changed: list[dict[str, Any]]
    aged: list[dict[str, Any]]
    of: dict[int, Mapping[str, Any]]


def marked(facts: Facts, override: Override | None, names: frozenset[str]) -> str:
    """What a verdict was made from, as one SHA-256: the values of the facts that rules ask for (`names`), and an admin's own choice.

    Kept beside the verdict; when it is another today, the verdict has to be made again.
    """
    chosen = {"override": {"value": override.to_json()}} if override else {}
    return assessment.facts_hash({**facts, **chosen}, names | {"override"})


def update(session: Session, assembly: Assembly, items: Sequence[model.Workload], at: datetime, *, everything: bool = False) -> Kept:
    """Bring the verdicts of `items` up to date; with `everything` also those that nothing has changed for."""
    with garbage.put_off():
        made = _made(session, assembly, items, at, everything)
    _store(session, [made], assembly.rules)
    return Kept(len(made.new) + len(made.changed), made.of)


def update_all(session: Session, space: Workspace, at: datetime, *, everything: bool = False) -> Kept:
    """Bring the verdicts of all workloads up to date, on all cores where they are many.  The outcome is that of `update`.

    The other processes read what is committed: `session` should have nothing that is not.
    """
    query = select(model.Workload.id, model.Workload.host_id).order_by(
        model.Workload.host_id.is_(None), model.Workload.host_id, model.Workload.id
    )
    keys = [(key, host) for key, host in session.execute(query)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(keys) <= MANY or cores == 1:
        with garbage.put_off():
            items = list(session.scalars(select(model.Workload).order_by(model.Workload.name)))
            return update(session, Assembly(session, space, at.date()), items, at, everything=everything)
    # not forked: a copy of SQLite's locks would let two processes write at once
    with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn")) as pool:
        parts = list(pool.map(_part, [space.root] * cores, _parts(keys, cores), [at] * cores, [everything] * cores))
    _store(session, parts, Assembly.rules_of(space))
    of = {key: summary for part in parts for key, summary in part.of.items()}
    return Kept(sum(len(part.new) + len(part.changed) for part in parts), of)


def _parts(keys: Sequence[tuple[int, int | None]], count: int) -> list[list[int]]:
    """About equal parts, none of which ends within a host: what is read of a host is read once."""
    found: list[list[int]] = [[] for _ in range(count)]
    at, before = 0, None
    for place, (key, host) in enumerate(keys):
        if host is None or host != before:
            at = min(count - 1, place * count // len(keys))
        found[at].append(key)
        before = host
    return found


def _part(root: Path, keys: Sequence[int], at: datetime, everything: bool) -> _Made:
    """In a process of its own."""
    space = workspace.find(root)
    book = space.open_catalogue()
    try:
        with garbage.put_off(), book.session() as session:
            items = [
                item
                for some in catalogue.chunks(sorted(keys))
                for item in session.scalars(select(model.Workload).where(model.Workload.id.in_(some)).order_by(model.Workload.id))
            ]
            return _made(session, Assembly(session, space, at.date(), items), items, at, everything)
    finally:
        book.close()


def _made(session: Session, assembly: Assembly, items: Sequence[model.Workload], at: datetime, everything: bool) -> _Made:
    stored = _stored(session, [item.id for item in items])
    language, rules = assembly.space.configuration.language, assembly.rules
    made = _Made([], [], [], {})
    for item in items:
        facts = assembly.of(item)
        override = assembly.override(item)
        mark = marked(facts, override, rules.asked)
        row = stored.get(item.id)
        if not everything and row is not None and (row.facts_hash, row.rules_hash) == (mark, rules.hash) and "whole" not in row.reasons:
            believed = _confidence(row.summary, row.reasons, facts, assembly)
            if believed != row.summary.get("confidence"):
                made.aged.append({"key": item.id, "summary": {**row.summary, "confidence": believed}})
            made.of[item.id] = {**row.summary, "confidence": believed}
            continue
        verdict = assembly.assess(item, facts, language)
        summary = made.of[item.id] = verdict.summary()
        values = {
            "recommendation": verdict.recommendation, "strength": verdict.strength, "summary": summary,
            "reasons": packing.small(packing.encoded(verdict.reasons())), "rules_hash": rules.hash, "facts_hash": mark, "assessed_at": at,
        }  # fmt: skip
        (made.new if row is None else made.changed).append({"key": item.id, **values})
    return made


def _stored(session: Session, keys: Sequence[int]) -> dict[int, Any]:
    columns = (Table.c.workload_id, Table.c.facts_hash, Table.c.rules_hash, Table.c.summary, Table.c.reasons)
    return {
        row.workload_id: row
        for some in catalogue.chunks(sorted(keys))
        for row in session.execute(select(*columns).where(Table.c.workload_id.in_(some)))
    }


def _confidence(summary: Mapping[str, Any], reasons: Mapping[str, Any], facts: Facts, assembly: Assembly) -> float:
    """What the facts behind a stored verdict can be believed today."""
    by_id = assembly.rules.by_id
    said = (by_id[name] for kind in ("holds", "unknown") for name in reasons.get(kind, ()))
    return assessment.confidence(summary["recommendation"], said, facts, assembly.rules, assembly.today)


def _store(session: Session, parts: Sequence[_Made], rules: RuleSet) -> None:
    new = sorted((row for part in parts for row in part.new), key=lambda row: int(row["key"]))
    if new:
        session.execute(
            insert(Table), [{**{name: value for name, value in row.items() if name != "key"}, "workload_id": row["key"]} for row in new]
        )
    for names, rows in (
        (None, [row for part in parts for row in part.changed]),
        (("summary",), [row for part in parts for row in part.aged]),
    ):
        if rows:
            moved: dict[str, Any] = {name: bindparam(name) for name in (names or rows[0]) if name != "key"}
            session.execute(change(Table).where(Table.c.workload_id == bindparam("key")).values(moved), rows)
    _keep(session, rules)
    for row in [row for row in session.identity_map.values() if isinstance(row, model.Verdict)]:
        session.expire(row)  # statements go past the session's objects


def _keep(session: Session, rules: RuleSet) -> None:
    """What the rules in force say stands once in the catalogue; a set that no verdict names goes."""
    if session.scalar(select(Sets.c.hash).where(Sets.c.hash == rules.hash)) is None:
        said = {
            rule.id: {
                **rule.model_dump(mode="json", include={*findings.STATIC, "message", "message_zh", "fix_zh"}),
                "dimension": rule.dimension or "", "facts": list(rule.facts),
            }
            for rule in rules.rules
        }  # fmt: skip
        session.execute(insert(Sets), [{"hash": rules.hash, "rules": said}])
    session.execute(delete(Sets).where(Sets.c.hash != rules.hash, Sets.c.hash.not_in(select(Table.c.rules_hash))))
