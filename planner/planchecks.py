"""What the parts of a plan's document must say of each other: names are unique, dates in order, sums and members agree.  Pure.

In: a valid `Plan`, or raw data of which parts are not valid.  Out: problems, each with its path in the document.  What is `derived` from
other parts (waves' sums, groups' members, totals) is checked apart: in a plan edited by hand it may lag behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from planner import movesteps
from planner.planmodel import Costs, Group, Move, Plan, Schedule

Path_ = tuple[str | int, ...]
Problem = tuple[Path_, str]
_NEEDED = ("platform", "nodes", "address", "account", "docroot", "receiver", "receiver_address")
_NEEDED_TO_CARRY = ("platform", "address", "receiver", "receiver_address")
_NEEDED_TO_RETIRE = ("platform", "front", "address", "receiver", "receiver_address")


def problems(plan: Plan, *, derived: bool = True) -> list[Problem]:
    """All problems of a document whose single values are good."""
    found = list(_moves(dict(enumerate(plan.moves)), derived=derived))
    if derived:
        found += [*_waves(plan), *_groups(plan)]
        if plan.id != f"plan-{plan.fingerprint[:10]}":
            found.append((("id",), "it does not belong to the fingerprint"))
        if plan.costs is not None:
            found += _costs(plan.costs)
    return found


def of_the_rest(data: Mapping[str, Any], bad: Sequence[Path_]) -> list[Problem]:
    """What can be said of the moves that are valid when others are not, so that all problems are shown at once."""
    listed = data.get("moves")
    if not isinstance(listed, list):
        return []
    broken = {path[1] for path in bad if path[:1] == ("moves",) and len(path) > 1}
    good: dict[int, Move] = {}
    for index, item in enumerate(listed):
        if index not in broken:
            try:
                good[index] = Move.model_validate(item)
            except ValidationError:  # it is among `bad` already, or its list is
                continue
    return list(_moves(good, derived=False))


def _moves(moves: Mapping[int, Move], *, derived: bool) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, move in moves.items():
        here: Path_ = ("moves", index)
        if move.id in first:
            yield (*here, "id"), f"the move {move.id} stands twice (moves.{first[move.id]})"
        first.setdefault(move.id, index)
        if move.names and move.site not in move.names:
            yield (*here, "site"), f"{move.site} is not among its names"
        for rule, count in Counter(gate.rule for gate in move.gates).items():
            if count > 1:
                yield (*here, "gates"), f"the gate {rule} stands {count} times"
        if derived and move.schedule is not None:
            yield from _dates(move.schedule, here)
        if move.carried_out == "planner":
            yield from _can_be_carried_out(move, here)


def _dates(schedule: Schedule, here: Path_) -> Iterator[Problem]:
    """Dates as text of one shape compare as dates."""
    for name, day in (("notice", schedule.notice), ("start", schedule.start), ("ttl_lowered", schedule.ttl_lowered)):
        if day is not None and day > schedule.cutover:
            yield (*here, "schedule", name), f"{day} is after the cutover, {schedule.cutover}"
    if schedule.end < schedule.cutover:
        yield (*here, "schedule", "end"), f"{schedule.end} is before the cutover, {schedule.cutover}"


def _can_be_carried_out(move: Move, here: Path_) -> Iterator[Problem]:
    destination = move.destination
    order = movesteps.steps(move.placement)
    if not order:
        yield (*here, "carried_out"), f"there are no playbooks for {move.placement}: it is carried out by hand"
        return
    if not move.names:
        yield (*here, "names"), "a move that the planner carries out needs a name"
    if not move.source.docroot:
        yield (*here, "source", "docroot"), "a move that the planner carries out needs it"
    for name in {"retire": _NEEDED_TO_RETIRE, "colocation": _NEEDED_TO_CARRY}.get(move.placement, _NEEDED):
        if not getattr(destination, name):
            yield (*here, "destination", name), "a move that the planner carries out needs it"
    positions = [order.index(step) if step in order else -1 for step in move.steps]
    if -1 in positions or positions != sorted(set(positions)) or not positions:
        yield (*here, "steps"), "these are not steps that the planner carries out, in their order: " + ", ".join(order)
    if move.placement == "retire":
        if move.retirement is None:
            yield (*here, "retirement"), "a site that is closed has one"
    elif move.placement == "colocation":
        if move.colocation is None:
            yield (*here, "colocation"), "a machine that moves into our room has one"
        elif move.colocation.new.address != destination.address or move.colocation.old.address != move.source.address:
            yield (*here, "colocation"), "its addresses are not those of source and destination"
    elif move.placement == "site-cluster":
        if not destination.front:
            yield (*here, "destination", "front"), "a site cluster has one"
        if set(destination.node_addresses) != set(destination.nodes):
            yield (*here, "destination", "node_addresses"), "every node has one, and nothing else"
    elif len(destination.nodes) > 1:
        yield (*here, "destination", "nodes"), "it lies on one server"
    elif move.placement == "vps" and move.stack is None:
        yield (*here, "stack"), "a system that the planner carries out needs to say what it stands on"
    elif move.source.database is not None and destination.database is None:
        yield (*here, "destination", "database"), "the source has a database"


def _waves(plan: Plan) -> Iterator[Problem]:
    members: dict[int, list[Move]] = {}
    for move in plan.moves:
        members.setdefault(move.wave, []).append(move)
    for index, wave in enumerate(plan.waves):
        here: Path_ = ("waves", index)
        mine = members.get(wave.wave, [])
        if wave.wave != index + 1:
            yield (*here, "wave"), f"waves are numbered one after the other: {index + 1} is expected"
        if wave.first is not None and wave.until is not None and wave.until < wave.first:
            yield (*here, "until"), f"{wave.until} is before {wave.first}"
        if wave.moves != len(mine):
            yield (*here, "moves"), f"{len(mine)} moves are of wave {wave.wave}"
        if wave.bytes != (total := sum(move.bytes for move in mine)):
            yield (*here, "bytes"), f"the moves of wave {wave.wave} have {total}"
        hours: Counter[str] = Counter()
        for move in mine:
            hours.update(move.hours)
        stated: Counter[str] = Counter(wave.hours)
        for skill in sorted({*hours, *stated}):
            if abs(hours[skill] - stated[skill]) > 0.051:  # shown to a tenth
                yield (*here, "hours"), f"the moves of wave {wave.wave} take {hours[skill]:g} h of {skill}"
    waves = {wave.wave: wave for wave in plan.waves}
    for index, move in enumerate(plan.moves):
        at: Path_ = ("moves", index, "wave")
        if move.wave == 0:
            if move.schedule is not None:
                yield at, "a move that has a cutover is of a wave"
            continue
        if move.wave not in waves:
            yield at, f"there is no wave {move.wave}"
            continue
        first, until = waves[move.wave].first, waves[move.wave].until
        if move.schedule is not None and first is not None and until is not None and not first <= move.schedule.cutover <= until:
            yield at, f"wave {move.wave} is from {first} to {until}, and the cutover is on {move.schedule.cutover}"


def _groups(plan: Plan) -> Iterator[Problem]:
    moves = {move.id: move for move in plan.moves}
    groups: dict[str, Group] = {}
    owner: dict[str, str] = {}
    for index, group in enumerate(plan.groups):
        here: Path_ = ("groups", index)
        if group.group in groups:
            yield (*here, "group"), f"the group {group.group} stands twice"
        groups.setdefault(group.group, group)
        for position, name in enumerate(group.moves):
            if name not in moves:
                yield (*here, "moves", position), f"there is no move {name}"
            elif name in owner:
                yield (*here, "moves", position), f"{name} is in the group {owner[name]}, too"
            else:
                owner[name] = group.group
        members = [moves[name] for name in group.moves if name in moves]
        if len({(move.wave, move.schedule.cutover if move.schedule is not None else "") for move in members}) > 1:
            yield (*here, "moves"), "its moves are not of one wave and night"
    for index, move in enumerate(plan.moves):
        if owner.get(move.id) != move.group:
            yield ("moves", index, "group"), f"{move.group} does not list it" if move.group in groups else f"there is no group {move.group}"
    for index, group in enumerate(plan.groups):
        for position, name in enumerate(group.after):
            at: Path_ = ("groups", index, "after", position)
            if name == group.group or name not in groups:
                yield at, "a group cannot wait for itself" if name == group.group else f"there is no group {name}"
                continue
            last, begin = _nights(groups[name], moves), _nights(group, moves)
            if last and begin and last[-1] >= begin[0]:
                yield at, f"{name} is to go before it, and goes on {last[-1]}, it itself on {begin[0]}"
    for index, cycle in enumerate(plan.cycles):
        for position, name in enumerate(cycle.moves):
            if name not in moves:
                yield ("cycles", index, "moves", position), f"there is no move {name}"


def _nights(group: Group, moves: Mapping[str, Move]) -> list[str]:
    scheduled = [moves[name].schedule for name in group.moves if name in moves]
    return sorted(item.cutover for item in scheduled if item is not None)


def _costs(costs: Costs) -> Iterator[Problem]:
    for name, parts in (("by_unit", costs.by_unit), ("by_placement", costs.by_placement)):
        for what in ("yearly", "once"):
            total = sum((Decimal(getattr(part, what)) for part in parts.values()), Decimal(0))
            if parts and total != Decimal(getattr(costs.total, what)):
                yield ("costs", name), f"what it adds up to {what}, {total}, is not the total, {getattr(costs.total, what)}"
