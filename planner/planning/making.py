"""A plan from subjects: groups, dates, destinations, and what is lacking, as one document.  Pure.

In: subjects, platforms, rules, calendar, the first day.  Out: the document (docs/plans.md).

Dates come before destinations: a workload needs room from its own start on.  What finds no room is left out with its whole group, and dates
are laid anew without it, until nothing more falls out; so nobody's crew waits for a move that cannot be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from inventory.errors import PlanError
from planner import addresses, costs, groups, plandocument, waves
from planner.calendars import Calendar
from planner.freshness import facts_digest
from planner.moves import Move
from planner.placement import Demand, Node, Occupied, Placed, place
from planner.planning import fitting_in, ties, writing
from planner.planning.subjects import PLACES, Subject, identities, stays
from planner.platforms import Platforms
from planner.policy import PLACEMENTS, RuleSet
from planner.schedules import Schedule, Scheduled, Unscheduled

Short = dict[tuple[str, str, str], dict[str, Any]]
"""(kind, zone, resource) → {lacking, by, for}."""
ROUNDS = 10
"""How often what found no room is taken out; a round that takes nothing out is the last."""


@dataclass(frozen=True)
class Inputs:
    """All that a plan is made from."""

    subjects: Sequence[Subject]
    platforms: Platforms
    rules: RuleSet
    calendar: Calendar
    first_day: date
    made_from: Mapping[str, str]
    language: str = "en"
    dns_key: str = ""

    @cached_property
    def moving(self) -> list[Subject]:
        """Those that move, by name."""
        return sorted((item for item in self.subjects if not stays(item)), key=lambda item: item.name)

    @cached_property
    def ids(self) -> dict[str, str]:
        """The move's id of each of them."""
        return identities(self.moving)


@dataclass
class Made:
    """A plan before it is written down: what moves, with groups, dates and places; what stays, and why."""

    inputs: Inputs
    moving: list[Subject]
    groups: groups.Groups
    schedule: Schedule
    placed: Placed
    demands: list[Demand]
    nodes: list[Node]
    occupied: list[Occupied]
    assumed: Mapping[str, Sequence[str]]
    left: dict[str, str] = field(default_factory=dict)
    short: Short = field(default_factory=dict)


def scheduled_moves(items: Sequence[Subject], ids: Mapping[str, str], made: groups.Groups, rules: RuleSet) -> list[Move]:
    """Subjects as the schedule takes them."""
    members = {group.name: group.members for group in made.groups}
    after = {group.name: sorted(name for before in group.after for name in members[before]) for group in made.groups}
    return [_move(item, ids[item.name], made.of[ids[item.name]], after[made.of[ids[item.name]]], rules) for item in items]


def _move(item: Subject, identity: str, group: str, after: Sequence[str], rules: RuleSet) -> Move:
    taken = writing.hours(item, rules)
    ttls = [int(record["ttl"]) for record in item.records if item.address in record["values"]]
    ended = item.value("server.contract_end")
    return Move(
        identity, item.unit, item.placement, group, taken, None if item.placement == "colocation" else item.bytes, item.host,
        item.placement, ttl_s=max(ttls, default=None), risk=_risk(item, sum(taken.values())), urgency=_urgency(item), after=after,
        pinned=item.pinned, not_after=date.fromisoformat(str(ended)) if _is_day(ended) and item.placement != "colocation" else None,
    )  # fmt: skip


def _is_day(value: Any) -> bool:
    try:
        return bool(date.fromisoformat(str(value)))
    except ValueError:
        return False


def _risk(item: Subject, hours: float) -> float:
    """What can go wrong: work, visitors and the verdict's doubts.  Orders pilots only; the first moves should be harmless."""
    visits = float(item.value("use.requests_per_day", 0) or 0)
    return round(
        hours + min(20.0, visits / 500) + 10 * (1 - item.verdict.confidence) + (0 if item.verdict.strength == "dominant" else 5), 3
    )


def _urgency(item: Subject) -> float:
    """What should not wait: systems without security updates first, then PHP without, then certificates that run out."""
    days = item.value("tls.days_left")
    return (
        4.0 * (item.value("host.os_supported") is False) + 2.0 * (item.value("site.php_supported") is False)
        + 1.0 * (isinstance(days, (int, float)) and days < 60)
    )  # fmt: skip


def make(inputs: Inputs) -> Made:
    """Lay dates and find places.  Raises PlanError when there is nothing to plan with."""
    platforms, ids = inputs.platforms, inputs.ids
    all_nodes = fitting_in.nodes(platforms)
    if not all_nodes:
        raise PlanError("there is no platform to move anything to", hint="fill inventory/platforms.yml")
    moving, left = list(inputs.moving), {item.name: stays(item) for item in inputs.subjects if stays(item)}
    short: Short = {}
    placed: Placed | None = None
    for _ in range(ROUNDS):
        tied = groups.make([ids[item.name] for item in moving], ties.edges(moving, ids), ties.orders(moving, ids))
        dates = waves.schedule(scheduled_moves(moving, ids, tied, inputs.rules), _calendar(inputs), inputs.first_day)
        demands, assumed = _demands(moving, ids, dates, inputs)
        ends = {item.name: item.end for item in dates.scheduled}
        held = [*fitting_in.occupied(inputs.subjects, ids, ends, platforms), *fitting_in.moved(inputs.subjects, all_nodes)]
        previous = placed.assignments if placed is not None else {}
        placed = place(all_nodes, demands, held, spare=fitting_in.spare(platforms), previous=previous, sizes=_sizes(all_nodes))
        out = {one.demand: one.kind for one in placed.shortfalls}
        if not out:
            break
        for purchase in placed.purchases:
            for resource, amount in purchase.needs.items():
                _lacking(short, purchase.kind, purchase.zone, resource, amount, purchase.by, purchase.demands)
        gone = {*out} | {other for group in tied.groups for other in group.members if out.keys() & {*group.members}}
        gone -= {ids[item.name] for item in moving if item.under_way is not None}  # half a move is worse than one without its group
        for item in moving:
            if ids[item.name] in gone:
                kind = out.get(ids[item.name])
                left[item.name] = f"no {PLACES[kind]} has room for it" if kind else "what it must move together with finds no room"
        moving = [item for item in moving if ids[item.name] not in gone]
    assert placed is not None
    return Made(inputs, moving, tied, dates, placed, demands, all_nodes, held, assumed, left, short)


def _calendar(inputs: Inputs) -> Calendar:
    return inputs.calendar


def _sizes(nodes: Iterable[Node]) -> dict[str, Mapping[str, float]]:
    """What would be bought: a node like the largest that there is of its kind."""
    found: dict[str, Mapping[str, float]] = {}
    for node in sorted(nodes, key=lambda node: (sum(node.capacity.values()), node.name)):
        found[node.kind] = node.capacity
    return found


def _lacking(short: Short, kind: str, zone: str, resource: str, amount: float, by: int, of: Sequence[str]) -> None:
    entry = short.setdefault((kind, zone, resource), {"lacking": 0.0, "by": by, "for": []})
    entry["lacking"] += amount
    entry["by"] = min(entry["by"], by)
    entry["for"] = sorted({*entry["for"], *of})


def _demands(
    items: Sequence[Subject], ids: Mapping[str, str], dates: Schedule, inputs: Inputs
) -> tuple[list[Demand], dict[str, list[str]]]:
    found: list[Demand] = []
    assumed: dict[str, list[str]] = {}
    machines: set[str] = set()
    horizon = max((item.cutover for item in dates.scheduled), default=inputs.first_day)
    for item in items:
        if item.placement not in PLACES or item.under_way is not None:  # what is under way holds its room already
            continue
        identity = ids[item.name]
        told = dates.of(identity)
        start = told.start if isinstance(told, Scheduled) else horizon
        demand, notes = fitting_in.demand(item, identity, start, inputs.platforms, writing.profile(item))
        if item.placement == "colocation":
            # the machine is there once, however many workloads are on it
            again = item.host in machines
            demand = Demand(
                identity, demand.kind, {} if again else demand.needs, demand.start, pinned=demand.pinned, together=f"machine {item.host}"
            )  # fmt: skip
            machines.add(item.host)
        found.append(demand)
        if notes:
            assumed[identity] = notes
    return found, assumed


def _addresses(made: Made) -> addresses.Given:
    """Addresses for what gets a machine of its own.  Those that workloads have today stay theirs until they have moved."""
    platforms, ids = made.inputs.platforms, made.inputs.ids
    if not platforms.pools:
        return addresses.Given({}, ())
    zones = {node.name: node.zone for node in made.nodes}
    pools = [
        addresses.Pool(
            pool.name, pool.network, frozenset({pool.zone}), frozenset(pool.placements), pool.exclude, pool.reserved, pool.gateway or ""
        )
        for pool in platforms.pools
    ]  # fmt: skip
    wants = []
    seen: set[str] = set()
    for item in made.moving:
        node = made.placed.assignments.get(ids[item.name], "")
        if item.placement in {"vps", "colocation"} and node and (item.placement == "vps" or item.host not in seen):
            seen.add(item.host)
            wants.append(addresses.Want(item.name, item.placement, zones[node]))
    return addresses.assign(wants, pools, {item.address: "" for item in made.inputs.subjects if item.address})


def document(made: Made) -> dict[str, Any]:
    """The plan as its document."""
    inputs, ids = made.inputs, made.inputs.ids
    got = _addresses(made)
    given = got.addresses
    by_host = {item.host: given[item.name] for item in made.moving if item.placement == "colocation" and item.name in given}
    moves = []
    for item in made.moving:
        identity = ids[item.name]
        told = made.schedule.of(identity)
        address = given.get(item.name) or (by_host.get(item.host) if item.placement == "colocation" else None) or ("",)
        notes = made.assumed.get(identity, ())
        if item.under_way is not None:
            moves.append(writing.goes_on(item.under_way, made.groups.of[identity], told, inputs.language))
            continue
        moves.append(
            writing.move(
                item, identity, made.groups.of[identity], made.placed.assignments.get(identity, ""), address[0], told, inputs.platforms,
                inputs.rules, inputs.dns_key, inputs.language, notes,
            )
        )  # fmt: skip
    moves.sort(key=lambda move: (move["wave"] or len(moves) + 1, move["schedule"]["cutover"] if move["schedule"] else "", move["id"]))
    by_name = {item.name: item for item in inputs.subjects}
    digests = {item.name: facts_digest(item.facts) for item in inputs.subjects}
    return plandocument.made(
        {
            "first_day": inputs.first_day.isoformat(),
            "made_from": {"facts": plandocument.digest(digests), **inputs.made_from},
            "waves": _waves(moves),
            "moves": moves,
            "groups": _groups(made),
            "cycles": [
                {"moves": list(group.members), "why": [f"{one.first} before {one.then}: {one.evidence}" for one in group.cycle]}
                for group in made.groups.merged
            ],
            "left": [
                {"site": name, "unit": by_name[name].unit, "recommendation": by_name[name].placement, "why": why}
                for name, why in sorted(made.left.items())
            ],
            "shortfall": [
                {"kind": kind, "zone": zone, "resource": resource, "lacking": round(entry["lacking"], 3),
                 "by": date.fromordinal(entry["by"]).isoformat(), "for": entry["for"]}
                for (kind, zone, resource), entry in sorted(made.short.items())
            ],
            "addresses_missing": [
                {"zone": ", ".join(one.pools), "version": one.family, "lacking": one.count, "for": list(one.workloads)}
                for one in got.problems if one.what in {"exhausted", "no-pool"}
            ],
            "costs": _costs(made),
            "problems": [*_problems(made), *(_address_problem(one) for one in got.problems if one.what in {"in-use", "unkept"})],
        }
    )  # fmt: skip


def _waves(moves: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for number in sorted({move["wave"] for move in moves if move["wave"]}):
        mine = [move for move in moves if move["wave"] == number]
        nights = [move["schedule"]["cutover"] for move in mine]
        hours: dict[str, float] = {}
        for move in mine:
            for skill, amount in move["hours"].items():
                hours[skill] = round(hours.get(skill, 0.0) + amount, 2)
        found.append(
            {
                "wave": number,
                "from": min(nights),
                "until": max(nights),
                "moves": len(mine),
                "hours": hours,
                "bytes": sum(m["bytes"] for m in mine),
            }
        )
    return found


def _groups(made: Made) -> list[dict[str, Any]]:
    return [
        {"group": group.name, "moves": list(group.members), "after": list(group.after),
         "why": [f"{edge.a} and {edge.b}: {edge.evidence}" for edge in group.edges]}
        for group in sorted(made.groups.groups, key=lambda group: group.name)
    ]  # fmt: skip


def _costs(made: Made) -> dict[str, Any] | None:
    inputs = made.inputs
    told = costs.totals(costs.Row(item.unit, item.placement, item.costs) for item in made.moving)
    if not any(item.costs.get(item.placement) for item in made.moving):
        return None
    return {
        "currency": inputs.platforms.tariffs.currency, "total": told.overall.to_json(),
        "by_unit": {name or "none": total.to_json() for name, total in told.units.items()},
        "by_placement": {name: told.placements[name].to_json() for name in PLACEMENTS if name in told.placements},
        "unknown": [{"why": reason.text(inputs.language), "count": count} for reason, count in told.reasons.items()],
    }  # fmt: skip


def _problems(made: Made) -> list[str]:
    language = made.inputs.language
    found = [problem.sentence(language) for problem in made.schedule.problems]
    for item in made.schedule.unscheduled:
        found.append(_undated(item, language))
    found += [
        f"{loss.node}: if it fails, {len(loss.homeless)} of its workloads find no room" for loss in made.placed.losses if loss.homeless
    ]
    return found


def _address_problem(problem: addresses.Problem) -> str:
    said = "is used by another" if problem.what == "in-use" else "can no longer be given"
    return f"{', '.join(problem.workloads)}: the address {problem.address} {said}"


def _undated(item: Unscheduled, language: str) -> str:
    if item.held_by:
        return f"{item.name}: no date, for {item.held_by} has none"
    return f"{item.name}: no night found; " + "; ".join(one.sentence(language) for one in item.reasons[:3])
