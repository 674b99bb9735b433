"""Move groups: what must move together because something hard ties it, and in which order the groups go.

In: names, hard edges with their kind and evidence, and directed edges "first before then".  Out: groups with their reasons, their order,
and the cycles of order that made several groups one.  Pure and deterministic: the order of the input changes nothing.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from inventory.errors import PlanError

KINDS = ("database", "docroot", "certificate", "address", "host", "declared", "cycle")
"""What ties two moves.  `host`: both stand on a server to be switched off; `cycle`: each was to go before the other."""


@dataclass(frozen=True, order=True)
class Edge:
    """A hard tie: `a` and `b` are cut over in the same night.  `evidence` is one sentence or line that shows it."""

    a: str
    b: str
    kind: str
    evidence: str = ""


@dataclass(frozen=True, order=True)
class Before:
    """`first` has to be cut over in an earlier night than `then`, unless they are of one group."""

    first: str
    then: str
    evidence: str = ""


@dataclass(frozen=True)
class Group:
    """Moves of one night.  `name` is its first member's; `after` names the groups that go before it; `edges` are all its hard ties."""

    name: str
    members: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    after: tuple[str, ...] = ()
    cycle: tuple[Before, ...] = ()


@dataclass(frozen=True)
class Groups:
    """All groups in an order in which they can go.  `of` leads from a member to its group's name."""

    groups: tuple[Group, ...]
    of: Mapping[str, str]
    _ties: Mapping[str, tuple[Edge, ...]] = field(repr=False, default_factory=dict)

    @property
    def merged(self) -> tuple[Group, ...]:
        """Groups that are one only because their order runs in a circle; each `cycle` is a shortest one of it."""
        return tuple(group for group in self.groups if group.cycle)

    def why(self, x: str, y: str) -> tuple[Edge, ...] | None:
        """Why two moves are together: the fewest ties that lead from one to the other; None when they are not together."""
        if x not in self.of or self.of[x] != self.of.get(y):
            return None
        came: dict[str, Edge | None] = {x: None}
        queue = deque([x])
        while queue and y not in came:
            here = queue.popleft()
            for edge in self._ties.get(here, ()):
                there = edge.b if edge.a == here else edge.a
                if there not in came:
                    came[there] = edge
                    queue.append(there)
        path: list[Edge] = []
        here = y
        while (step := came[here]) is not None:
            path.append(step)
            here = step.a if step.b == here else step.b
        return tuple(reversed(path))


def make(nodes: Iterable[str], edges: Iterable[Edge] = (), before: Iterable[Before] = ()) -> Groups:
    """Groups of `nodes`.  Raises PlanError for edges that name something else or are of an unknown kind, all at once."""
    names = sorted(set(nodes))
    known = set(names)
    ties, orders = sorted(set(edges)), sorted(set(before))
    _check(known, ties, orders)
    parent = {name: name for name in names}
    for edge in ties:
        _join(parent, edge.a, edge.b)
    between = [item for item in orders if _root(parent, item.first) != _root(parent, item.then)]
    cycles: list[tuple[Before, ...]] = []
    number = {name: index for index, component in enumerate(_components(parent, between)) for name in component}
    within: dict[int, list[Before]] = {}
    for item in between:
        index = number.get(_root(parent, item.first))
        if index is not None and index == number.get(_root(parent, item.then)):
            within.setdefault(index, []).append(item)
    for inside in within.values():
        cycles.append(_shortest_cycle(parent, inside))
        ties += [Edge(item.first, item.then, "cycle", item.evidence) for item in inside]
    for edge in ties:
        _join(parent, edge.a, edge.b)
    return _assembled(names, parent, sorted(ties), orders, cycles)


def _check(known: set[str], ties: Iterable[Edge], orders: Iterable[Before]) -> None:
    problems = [f"the tie {edge.a} – {edge.b} is of the unknown kind {edge.kind!r}" for edge in ties if edge.kind not in KINDS]
    for edge in ties:
        problems += [f"the tie {edge.a} – {edge.b} names {name!r}, which is no move" for name in (edge.a, edge.b) if name not in known]
    for item in orders:
        problems += [f"{item.first} before {item.then}: {name!r} is no move" for name in (item.first, item.then) if name not in known]
    if problems:
        raise PlanError("\n".join(problems), hint="leave out what stays, or add it to the moves")


def _root(parent: dict[str, str], name: str) -> str:
    while parent[name] != name:
        parent[name] = parent[parent[name]]
        name = parent[name]
    return name


def _join(parent: dict[str, str], a: str, b: str) -> None:
    """The smaller name becomes the root: a group is called by its first member whatever came first."""
    low, high = sorted((_root(parent, a), _root(parent, b)))
    parent[high] = low


def _components(parent: dict[str, str], between: Iterable[Before]) -> list[set[str]]:
    """Strongly connected components of more than one group (Tarjan's algorithm; with a stack of its own, since chains are long)."""
    out: dict[str, list[str]] = {}
    for item in between:
        out.setdefault(_root(parent, item.first), []).append(_root(parent, item.then))
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[set[str]] = []
    for begin in sorted(out):
        if begin in number:
            continue
        work = [(begin, iter(out[begin]))]
        number[begin] = low[begin] = len(number)
        stack.append(begin)
        on_stack.add(begin)
        while work:
            here, rest = work[-1]
            there = next(rest, None)
            if there is not None and there not in number:
                number[there] = low[there] = len(number)
                stack.append(there)
                on_stack.add(there)
                work.append((there, iter(out.get(there, ()))))
            elif there is not None:
                if there in on_stack:
                    low[here] = min(low[here], number[there])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[here])
                if low[here] == number[here]:
                    component = {here}
                    while (top := stack.pop()) != here:
                        component.add(top)
                    on_stack -= component
                    if len(component) > 1:
                        found.append(component)
    return found


def _shortest_cycle(parent: dict[str, str], inside: list[Before]) -> tuple[Before, ...]:
    """A shortest circle through the first group that has an edge here; `inside` are the edges of one component."""
    out: dict[str, list[Before]] = {}
    for item in inside:
        out.setdefault(_root(parent, item.first), []).append(item)
    begin = min(out)
    came: dict[str, Before] = {}
    queue = deque([begin])
    while begin not in came:
        here = queue.popleft()
        for item in out.get(here, ()):
            there = _root(parent, item.then)
            if there not in came:
                came[there] = item
                queue.append(there)
    path = [came[begin]]
    while (here := _root(parent, path[-1].first)) != begin:
        path.append(came[here])
    return tuple(reversed(path))


def _assembled(
    names: list[str], parent: dict[str, str], ties: list[Edge], orders: list[Before], cycles: list[tuple[Before, ...]]
) -> Groups:
    of = {name: _root(parent, name) for name in names}
    members: dict[str, list[str]] = {}
    for name in names:
        members.setdefault(of[name], []).append(name)
    tied: dict[str, list[Edge]] = {}
    at: dict[str, list[Edge]] = {}
    for edge in ties:
        tied.setdefault(of[edge.a], []).append(edge)
        for name in {edge.a, edge.b}:
            at.setdefault(name, []).append(edge)
    after: dict[str, set[str]] = {name: set() for name in members}
    for item in orders:
        if of[item.first] != of[item.then]:
            after[of[item.then]].add(of[item.first])
    circles: dict[str, tuple[Before, ...]] = {}
    for circle in cycles:
        circles.setdefault(of[circle[0].first], circle)
    groups = tuple(
        Group(name, tuple(members[name]), tuple(tied.get(name, ())), tuple(sorted(after[name])), circles.get(name, ()))
        for name in _order(after)
    )
    return Groups(groups, of, {name: tuple(edges) for name, edges in at.items()})


def _order(after: Mapping[str, set[str]]) -> list[str]:
    """Groups so that each comes after those that go before it; where the order is free, by name."""
    then: dict[str, list[str]] = {}
    waiting = {name: len(firsts) for name, firsts in after.items()}
    for name, firsts in after.items():
        for first in firsts:
            then.setdefault(first, []).append(name)
    ready = [name for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        name = heapq.heappop(ready)
        order.append(name)
        for other in then.get(name, ()):
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, other)
    return order
