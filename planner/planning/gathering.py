"""What a plan is made from, read: workloads with facts, verdicts, sizes, costs, decisions, agreements and DNS records.

In: an open session, the workspace, today, the first day.  Out: `Inputs`, and sentences on what could not be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from planner import calendars, costs, freshness, journal, sizing, zonerecords
from planner.facts import Assembly
from planner.planning.subjects import Begun, Subject
from planner.planning.values import Inputs
from planner.workspace import Workspace


def inputs(session: Session, space: Workspace, today: date, first_day: date) -> tuple[Inputs, list[str]]:
    """Everything, and what could not be read."""
    assembly = Assembly(session, space, today)
    items = list(session.scalars(select(model.Workload).order_by(model.Workload.name)))
    zone, problems = zonerecords.records(space.platforms.dns, [str(name) for item in items if item.host_id for name in item.names])
    agreed = _agreed(session)
    begun = _begun(session, items, first_day)
    subjects = [_subject(item, assembly, zone, agreed, begun.get(item.name)) for item in items]
    calendar = calendars.load(space.root / freshness.CALENDAR)
    made_from = freshness.made_from(session, space, today)
    language = space.configuration.language
    found = Inputs(subjects, space.platforms, assembly.rules, calendar, first_day, made_from, language, space.dns_key())
    return found, problems


def _subject(
    item: model.Workload, assembly: Assembly, zone: dict[str, dict[str, object]], agreed: Mapping[tuple[str, str, str], date],
    begun: Begun | None,
) -> Subject:  # fmt: skip
    facts = assembly.of(item)
    verdict = assembly.assess(item, facts)
    names = [str(name) for name in item.names]
    size = assembly.sizes.get(item.name, sizing.UNKNOWN)
    efforts = {one.placement: one.effort_h for one in verdict.placements}
    machine = costs.Machine(*(facts[name]["value"] if name in facts else None for name in ("server.height_u", "server.power_w")))
    return Subject(
        item.name, item.unit_code or "", item.kind, item.host.name if item.host else "", item.host.address if item.host else "", names,
        facts, verdict, size, costs.costs(size, assembly.space.platforms, efforts, machine),
        assembly.decisions.of(item.name, names), assembly.decisions.settled(item.name, names),
        [zone[name] for name in names if name in zone],
        _night(item, names, verdict.recommendation, agreed), begun,
    )  # fmt: skip


def _night(item: model.Workload, names: Iterable[str], placement: str, agreed: Mapping[tuple[str, str, str], date]) -> date | None:
    host = item.host.name if item.host is not None else ""
    plain = item.name.partition("@")[0]
    keys = [(name, where, placement) for where in (host, "") for name in (plain, *names)]
    return next((agreed[key] for key in keys if key in agreed), None)


def _agreed(session: Session) -> dict[tuple[str, str, str], date]:
    """(site, host, placement) → the night that its unit agreed to, by its newest word.  A plan made anew keeps that night.

    The host is '' for a word that was kept without one.
    """
    newest: dict[tuple[str, str], model.Agreement] = {}
    query = select(model.Agreement).where(model.Agreement.withdrawn_at.is_(None)).order_by(model.Agreement.id)
    for row in session.scalars(query):
        site, _, host = row.site.partition("@")
        newest[site, host] = row
    return {
        (site, host, row.placement): date.fromisoformat(row.cutover)
        for (site, host), row in newest.items()
        if row.answer != "refused" and row.cutover
    }


def _begun(session: Session, items: Sequence[model.Workload], first_day: date) -> dict[str, Begun]:
    """Workloads whose move was begun or done by any plan, by their names; what was taken back is none of them."""
    rows = journal.told(session)
    plans = sorted({plan for plan, _ in rows})
    moves = journal.documents(session, plans)
    known = {item.name for item in items}
    found: dict[str, tuple[int, Begun]] = {}
    for plan in plans:
        mine = [moves[key] for key in rows if key[0] == plan and key in moves]
        for identity, item in freshness.workloads(session, mine).items():
            move = moves[plan, identity]
            lines = journal.story(plan, move, rows, moves)
            now = journal.state(move["steps"], lines)
            last = rows[plan, identity][-1]
            if not now.touched or item.name not in known or found.get(item.name, (0,))[0] > last.id:
                continue
            told = str(last.detail.get("on", "")) if last.step == journal.BY_HAND else ""
            on = date.fromisoformat(told) if told else last.at.date()
            night = date.fromisoformat(move["schedule"]["cutover"]) if move["schedule"] else first_day
            found[item.name] = (last.id, Begun(plan, move, now.name == "done", on, night if night > first_day else None))
    return {name: begun for name, (_, begun) in found.items()}
