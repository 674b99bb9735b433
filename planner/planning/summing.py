"""What a plan says of all its moves together: waves, groups, what is lacking, costs, hosts that become free, problems.  Pure.

In: a `Made`, its moves as the document has them, addresses.  Out: the parts of the document (docs/plans.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from planner import addresses, costs
from planner.planning import addressing, fitting_in, ties
from planner.planning.subjects import Subject
from planner.planning.values import Made
from planner.policy import PLACEMENTS
from planner.schedules import Unscheduled
from planner.wording import line


def summed(made: Made, moves: Sequence[Mapping[str, Any]], got: addresses.Given) -> dict[str, Any]:
    """All parts but the moves themselves."""
    by_name = {item.name: item for item in made.inputs.subjects}
    return {
        "waves": waves(moves),
        "groups": groups(made),
        "cycles": [
            {"moves": list(group.members), "why": [line(f"{one.first} before {one.then}: {one.evidence}") for one in group.cycle]}
            for group in made.groups.merged
        ],
        "left": [
            {"site": name, "unit": by_name[name].unit, "recommendation": by_name[name].placement, "why": line(why)}
            for name, why in sorted(made.left.items())
        ],
        "hosts_free": hosts_free(made),
        "shortfall": [
            {"kind": kind, "zone": zone, "labels": list(labels), "resource": resource, "lacking": round(lack.amount, 3),
             "by": date.fromordinal(lack.by).isoformat(), "nodes": lack.nodes, "for": list(lack.moves)}
            for (kind, zone, labels, resource), lack in sorted(made.short.items())
        ],
        "addresses_missing": [
            {"zone": ", ".join(one.pools), "version": one.family, "lacking": one.count, "for": list(map(line, one.workloads))}
            for one in got.problems if one.what in {"exhausted", "no-pool"}
        ],
        "costs": total_costs(made),
        "problems": [line(text) for text in (*problems(made), *(addressing.problem(one) for one in got.problems if one.address))],
    }  # fmt: skip


def waves(moves: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each wave's nights, moves, hours and bytes."""
    members: dict[int, list[Mapping[str, Any]]] = {}
    for move in moves:
        if move["wave"]:
            members.setdefault(move["wave"], []).append(move)
    found = []
    for number, mine in sorted(members.items()):
        nights = [move["schedule"]["cutover"] for move in mine]
        hours: dict[str, float] = {}
        for move in mine:
            for skill, amount in move["hours"].items():
                hours[skill] = round(hours.get(skill, 0.0) + amount, 2)
        found.append(
            {"wave": number, "from": min(nights), "until": max(nights), "moves": len(mine), "hours": hours,
             "bytes": sum(move["bytes"] for move in mine)}
        )  # fmt: skip
    return found


def groups(made: Made) -> list[dict[str, Any]]:
    """Each group with its ties in words."""
    return [
        {"group": group.name, "moves": list(group.members), "after": list(group.after),
         "why": [line(f"{edge.a} and {edge.b}: {edge.evidence}") for edge in group.edges]}
        for group in sorted(made.groups.groups, key=lambda group: group.name)
    ]  # fmt: skip


def further(items: Sequence[Subject]) -> set[str]:
    """Names of the workloads that only ride on a machine which another one has paid for already."""
    machines: set[str] = set()
    found = set()
    for item in sorted(items, key=lambda one: one.name):
        if item.placement == "colocation":
            if item.host in machines:
                found.add(item.name)
            machines.add(item.host)
    return found


def total_costs(made: Made) -> dict[str, Any] | None:
    """Totals; None where nothing that moves has a cost.  A machine with several workloads is paid for once."""
    inputs, riding = made.inputs, further(made.moving)
    paying = [item for item in made.moving if item.name not in riding]
    if not any(item.costs.get(item.placement) for item in paying):
        return None
    told = costs.totals(costs.Row(item.unit, item.placement, item.costs) for item in paying)
    return {
        "currency": inputs.platforms.tariffs.currency, "total": told.overall.to_json(),
        "by_unit": {name or "none": total.to_json() for name, total in told.units.items()},
        "by_placement": {name: told.placements[name].to_json() for name in PLACEMENTS if name in told.placements},
        "unknown": [{"why": reason.text(inputs.language), "count": count} for reason, count in told.reasons.items()],
    }  # fmt: skip


# ---------------------------------------------------------------- hosts to be switched off


def hosts_free(made: Made) -> list[dict[str, Any]]:
    """Hosts that something leaves: the day from which all that was on them is elsewhere and tried, or who keeps them running.

    A machine that moves into our room stays in use, and so do our own platforms.  A host whose database or service a site on another host
    uses is kept by that site, too.
    """
    inputs, leaving = made.inputs, {item.name: item for item in made.moving}
    ends = {item.name: item.end for item in made.schedule.scheduled}
    machines = {item.host for item in made.moving if item.placement == "colocation"}
    hosts: dict[str, str] = {item.host: item.address for item in made.moving if item.host not in machines}
    users: dict[str, dict[str, Subject]] = {host: {} for host in hosts}
    by_address = {address: host for host, address in hosts.items()}
    for item in inputs.subjects:
        for host in {item.host, *(by_address.get(address, "") for address in ties.used(item))} & users.keys():
            users[host][item.name] = item
    found = []
    for host, address in sorted(hosts.items()):
        if fitting_in.is_ours(address, inputs.platforms):
            continue
        days, kept = [], []
        for name, item in sorted(users[host].items()):
            day = ends.get(inputs.ids[name]) if name in leaving else None
            if day is not None:
                days.append(day)
            elif not (item.carried is not None and item.carried.done):
                kept.append(line(name))
        on = max(days).isoformat() if days and not kept else None
        found.append({"host": host, "on": on, "kept_by": kept})
    return found


# ---------------------------------------------------------------- what somebody should settle


def apart(made: Made) -> dict[str, str]:
    """Workload → why no playbook may move it alone: another one that moves uses the same data, and each playbook makes its own copy."""
    found: dict[str, str] = {}
    for said, members in ties.shared([item for item in made.moving if item.placement != "retire"]).items():
        for item in members:
            others = sorted(one.name for one in members if one is not item)
            found.setdefault(item.name, f"{said} with {others[0]}, and one copy must serve them all".replace("both use", "it uses", 1)
                             .replace("both serve", "it serves", 1))  # fmt: skip
    return found


def problems(made: Made) -> list[str]:
    """Sentences for whoever approves the plan."""
    language = made.inputs.language
    ids = {identity: name for name, identity in made.inputs.ids.items()}
    found = [problem.sentence(language) for problem in made.schedule.problems]
    found += [_undated(item, language) for item in made.schedule.unscheduled]
    found += [
        f"{ids[name]}: no night was left before {day.isoformat()}, when the contract of its server ends"
        for name, day in made.late.items() if day >= made.inputs.first_day
    ]  # fmt: skip
    found += made.unpinned
    found += [*_torn(made), *_riding(made)]
    found += [
        f"{loss.node}: if it fails, {len(loss.homeless)} of its workloads find no room" for loss in made.placed.losses if loss.homeless
    ]
    return found


def _undated(item: Unscheduled, language: str) -> str:
    if item.held_by:
        return f"{item.name}: no date, for {item.held_by} has none"
    return f"{item.name}: no night found; " + "; ".join(one.sentence(language) for one in item.reasons[:3])


def _torn(made: Made) -> list[str]:
    """Data of several workloads that go to different kinds of places: it can only be in one of them."""
    found = []
    for said, members in ties.shared([item for item in made.moving if item.placement != "retire"]).items():
        kinds = sorted({item.placement for item in members})
        if len(kinds) > 1:
            names = ", ".join(sorted(item.name for item in members))
            found.append(f"{names}: {said}, and go to {' and '.join(kinds)}; decide where that is to be")
    return found


def _riding(made: Made) -> list[str]:
    """Workloads that were to stay on a machine that moves into our room."""
    machines = sorted({item.host for item in made.moving if item.placement == "colocation"})
    found = []
    for host in machines:
        staying = sorted(item.name for item in made.inputs.subjects if item.host == host and item.name in made.left)
        if staying:
            found.append(f"{host} moves as a machine, and takes along what was to stay on it: {', '.join(staying)}")
    return found


def unmaintained(made: Made) -> dict[str, str]:
    """Move's id → a note that its server's contract has ended before the cutover."""
    nights = {item.name: item.cutover for item in made.schedule.scheduled}
    return {
        name: f"the contract of its server ended on {day.isoformat()}" if day < made.inputs.first_day
        else f"the contract of its server ends on {day.isoformat()}"
        for name, day in made.late.items() if name in nights and nights[name] > day
    }  # fmt: skip
