"""What a plan is made from, read: workloads with facts, verdicts, sizes, costs, decisions, agreements and DNS records.

In: an open session, the workspace, today, the first day.  Out: `Inputs`, and sentences on what could not be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from inventory.conditions import Facts
from planner import calendars, costs, freshness, rebuild, sizing, zonerecords
from planner.facts import Assembly
from planner.planning.making import Inputs
from planner.planning.subjects import Subject
from planner.platforms import Platforms
from planner.workspace import Workspace


def inputs(session: Session, space: Workspace, today: date, first_day: date) -> tuple[Inputs, list[str]]:
    """Everything, and what could not be read."""
    assembly = Assembly(session, space, today)
    items = list(session.scalars(select(model.Workload).order_by(model.Workload.name)))
    zone, problems = zonerecords.records(space.platforms.dns, [str(name) for item in items if item.host_id for name in item.names])
    agreed = _agreed(session)
    subjects = [_subject(session, item, assembly, zone, agreed) for item in items]
    calendar = calendars.load(space.root / freshness.CALENDAR)
    made_from = freshness.made_from(session, space, today)
    language = space.configuration.language
    found = Inputs(subjects, space.platforms, assembly.rules, calendar, first_day, made_from, language, space.dns_key())
    return found, problems


def _subject(
    session: Session, item: model.Workload, assembly: Assembly, zone: dict[str, dict[str, object]], agreed: dict[tuple[str, str], date]
) -> Subject:
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
        next((agreed[name, verdict.recommendation] for name in (item.name, *names) if (name, verdict.recommendation) in agreed), None),
        _rebuilt(session, item, facts, assembly.space.platforms) if verdict.recommendation == "vps" else None,
    )  # fmt: skip


def _rebuilt(session: Session, item: model.Workload, facts: Facts, platforms: Platforms) -> rebuild.Rebuilt | None:
    """What it stands on, for the machine that was made for it; None without such a machine."""
    names = {item.name, *map(str, item.names)}
    machine = platforms.machine_for(names)
    if machine is None or item.host_id is None:
        return None
    position = next(at for at, name in enumerate(machine.workloads) if name.lower() in {one.lower() for one in names})
    rows = catalogue.observations(session, item.host_id, *rebuild.KINDS)
    return rebuild.rebuild(facts, rebuild.gather((row.kind, row.data) for row in rows), machine.release, position)


def _agreed(session: Session) -> dict[tuple[str, str], date]:
    """(site, placement) → the night that its unit agreed to, by its newest word.  A plan made anew keeps that night."""
    newest: dict[str, model.Agreement] = {}
    for row in _rows(session):
        newest[row.site] = row
    return {
        (site, row.placement): date.fromisoformat(row.cutover) for site, row in newest.items() if row.answer != "refused" and row.cutover
    }


def _rows(session: Session) -> Iterable[model.Agreement]:
    return session.scalars(select(model.Agreement).where(model.Agreement.withdrawn_at.is_(None)).order_by(model.Agreement.id))
