"""What a plan is made from, read: workloads with facts, verdicts, sizes, costs, decisions, agreements, DNS records, moves that have begun.

In: an open session, the workspace, today, the first day, perhaps the plan to look back at.  Out: `Inputs`, and sentences on what could not
be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from inventory.conditions import Facts
from planner import calendars, costs, freshness, journal, rebuild, sizing, zonerecords
from planner.facts import Assembly
from planner.planning.subjects import Carried, Subject
from planner.planning.values import Inputs
from planner.platforms import Platforms
from planner.workspace import Workspace


def inputs(session: Session, space: Workspace, today: date, first_day: date) -> tuple[Inputs, list[str]]:
    """Everything, and what could not be read."""
    assembly = Assembly(session, space, today)
    items = list(session.scalars(select(model.Workload).order_by(model.Workload.name)))
    zone, problems = zonerecords.records(space.platforms.dns, [str(name) for item in items if item.host_id for name in item.names])
    agreed, carried = _agreed(session), _carried(session)
    subjects = [_subject(session, item, assembly, zone, agreed, carried.get(item.id)) for item in items]
    calendar = calendars.load(space.root / freshness.CALENDAR)
    codes = {*session.scalars(select(model.Unit.code))}
    strange = sorted({code for _, code in calendar.units_named()} - codes)
    problems += [f"{freshness.CALENDAR} names the unit {code}, which the register does not have" for code in strange]
    made_from = freshness.made_from(session, space, today)
    language = space.configuration.language
    found = Inputs(subjects, space.platforms, assembly.rules, calendar, first_day, made_from, language, space.dns_key())
    return found, problems


def _subject(
    session: Session, item: model.Workload, assembly: Assembly, zone: dict[str, dict[str, object]],
    agreed: Mapping[tuple[str, str, str], date], carried: Carried | None,
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
        _night(item, names, verdict.recommendation, agreed),
        carried,
        _rebuilt(session, item, facts, assembly.space.platforms) if verdict.recommendation == "vps" else None,
        _card(session, item) if verdict.recommendation == "colocation" else {},
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


def _card(session: Session, item: model.Workload) -> dict[str, Any]:
    """How its host reaches the network by the address at which it is visited; {} unless prefix, interface and gateway are all known."""
    if item.host_id is None or item.host is None:
        return {}
    rows = [(row.kind, row.data) for row in catalogue.observations(session, item.host_id, "address", "route", "interface")]
    own = next((data for kind, data in rows if kind == "address" and data.get("address") == item.host.address), None)
    if own is None or not own.get("prefix"):
        return {}
    name = str(own.get("interface"))
    routes = [data for kind, data in rows if kind == "route" and data.get("destination") in {"default", "0.0.0.0/0"}]
    gateway = next((str(data["gateway"]) for data in routes if data.get("gateway") and data.get("interface") in {name, None}), "")
    card = next((data for kind, data in rows if kind == "interface" and data.get("name") == name), {})
    sorts = {str(data.get("name")): str(data.get("sort")) for kind, data in rows if kind == "interface"}

    def counts(data: Mapping[str, Any]) -> bool:
        text, where = str(data.get("address")), str(data.get("interface"))
        inside = sorts.get(where) in {"loopback", "bridge"} or where.startswith(_CONTAINERS)
        return data.get("family") == "ipv4" and data is not own and not inside and not text.startswith(("127.", "169.254."))

    others = [str(data["address"]) for kind, data in rows if kind == "address" and counts(data)]
    found = {"interface": name, "mac": card.get("mac"), "prefix": int(own["prefix"]), "gateway": gateway, "others": others}
    return found if gateway else {}


_CONTAINERS = ("docker", "br-", "virbr", "veth", "cni", "podman", "lxc", "tun", "wg", "zt")
"""What the names of interfaces begin with that a machine makes for its guests, or for tunnels."""


def _night(item: model.Workload, names: Iterable[str], placement: str, agreed: Mapping[tuple[str, str, str], date]) -> date | None:
    host = item.host.name if item.host is not None else ""
    keys = [(name, where, placement) for where in (host, "") for name in (item.name.partition("@")[0], *names)]
    return next((agreed[key] for key in keys if key in agreed), None)


def _agreed(session: Session) -> dict[tuple[str, str, str], date]:
    """(site, host, placement) → the night that its unit agreed to, by its newest word.  A plan made anew keeps that night.

    The host is '' for a word that was kept without one.
    """
    newest: dict[tuple[str, str], model.Agreement] = {}
    for row in _rows(session):
        site, _, host = row.site.partition("@")
        newest[site, host] = row
    return {
        (site, host, row.placement): date.fromisoformat(row.cutover)
        for (site, host), row in newest.items()
        if row.answer != "refused" and row.cutover
    }


def _carried(session: Session) -> dict[int, Carried]:
    """Workload's key → its move that a run has begun or finished and nobody has taken back; the newest plan's."""
    found: dict[int, Carried] = {}
    nowhere = _nowhere(session)
    begun = select(model.Journal.plan_id).distinct()
    for row in session.scalars(select(model.Plan).where(model.Plan.id.in_(begun)).order_by(model.Plan.created_at, model.Plan.id)):
        states = journal.read(session, row.document)
        moves = [move for move in row.document["moves"] if states[move["id"]].touched]
        there = freshness.workloads(session, moves)
        for move in moves:
            item, now = there.get(move["id"]), states[move["id"]]
            # its old host, visited since, shows it no more: what is declared of it was moved, and is not lost
            keys = [item.id] if item is not None else [nowhere[name] for name in (move["site"], *move["names"]) if name in nowhere]
            on = now.on or (f"{now.last:%Y-%m-%d}" if now.last is not None else "")
            found |= dict.fromkeys(keys, Carried(row.id, move["placement"], move["destination"]["platform"], now.name == "done", on))
    return found


def _nowhere(session: Session) -> dict[str, int]:
    """Names of workloads that are declared and found on no host, by their workload's key."""
    query = select(model.Workload.id, model.Workload.name, model.Workload.names).where(model.Workload.host_id.is_(None))
    return {str(name): key for key, own, names in session.execute(query) for name in (own, *names)}


def _rows(session: Session) -> Iterable[model.Agreement]:
    return session.scalars(select(model.Agreement).where(model.Agreement.withdrawn_at.is_(None)).order_by(model.Agreement.id))
