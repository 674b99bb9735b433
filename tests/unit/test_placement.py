"""Placing: what is never broken, what removing a demand can do, what is said of shortfalls; small cases against all that is possible."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.errors import ConfigurationError
from planner.placement import Demand, Node, Occupied, Placed, place

ROOT = Path(__file__).resolve().parents[2]
SOME = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
amounts = st.fixed_dictionaries({"cpus": st.integers(0, 8).map(lambda n: n / 2), "memory_bytes": st.integers(0, 6).map(float)})
Given = tuple[list[Node], list[Demand], list[Occupied]]


@st.composite
def instances(draw: st.DrawFn, most: int = 8) -> Given:
    nodes = [
        Node(
            f"n{n}",
            draw(st.sampled_from(["vps", "vps", "virtual-host"])),
            {"cpus": draw(st.sampled_from([4, 6, 6, 9])), "memory_bytes": draw(st.sampled_from([5, 8, 8]))},
            used={"cpus": draw(st.sampled_from([0, 0, 1, 7]))},
            zone=draw(st.sampled_from(["A", "A", "B"])),
            labels=draw(st.sampled_from([frozenset(), frozenset({"php8"})])),
            reserve=draw(st.sampled_from([0.0, 0.0, 0.1])),
        )
        for n in range(draw(st.integers(1, 4)))
    ]
    names = [node.name for node in nodes]
    demands = []
    for n in range(draw(st.integers(1, most))):
        start = draw(st.integers(0, 4))
        demands.append(
            Demand(
                f"d{n}",
                draw(st.sampled_from(["vps", "vps", "virtual-host"])),
                draw(amounts),
                start=start,
                end=draw(st.sampled_from([None, None, start + 1, start + 3])),
                zone=draw(st.sampled_from(["", "", "A"])),
                labels=draw(st.sampled_from([frozenset(), frozenset(), frozenset({"php8"})])),
                apart=draw(st.sampled_from([frozenset(), frozenset(), frozenset({"pair"})])),
                together=draw(st.sampled_from(["", "", "", "shared"])),
                pinned=draw(st.sampled_from(["", "", "", "", names[0]])),
                allowed=draw(st.sampled_from([frozenset(), frozenset(), frozenset(names[-2:])])),
            )
        )
    occupied = [
        Occupied(draw(st.sampled_from(names)), f"o{n}", draw(amounts), draw(st.sampled_from([None, 1, 2, 4])))
        for n in range(draw(st.integers(0, 2)))
    ]
    return nodes, demands, occupied


def broken(given_: Given, assignments: dict[str, str], spare: frozenset[str] = frozenset()) -> list[str]:
    """What a placement breaks, counted day by day and by no code of the product."""
    nodes, demands, occupied = given_
    found: list[str] = []
    node_of = {node.name: node for node in nodes}
    on = {demand.name: node_of[assignments[demand.name]] for demand in demands if demand.name in assignments}
    for demand in demands:
        node = on.get(demand.name)
        if node is None:
            continue
        right = node.kind == demand.kind and demand.zone in ("", node.zone) and demand.labels <= node.labels
        if not right or demand.pinned not in ("", node.name) or (demand.allowed and node.name not in demand.allowed):
            found.append(f"{demand.name} may not sit on {node.name}")
    for one, other in itertools.combinations(demands, 2):
        both = on.get(one.name), on.get(other.name)
        if one.apart & other.apart and both[0] is both[1] is not None:
            found.append(f"{one.name} and {other.name} are not apart")
        if one.together and one.together == other.together and one.kind == other.kind and both[0] is not both[1]:
            found.append(f"{one.name} and {other.name} are not together")
    resources = sorted({name for node in nodes for name in node.capacity})

    def load(node: Node, resource: str, day: int) -> tuple[float, float]:
        fixed = node.used.get(resource, 0.0)
        fixed += sum(o.needs.get(resource, 0.0) for o in occupied if o.node == node.name and (o.until is None or day < o.until))
        active = [d for d in demands if on.get(d.name) is node and d.start <= day and (d.end is None or day < d.end)]
        return fixed, sum(d.needs.get(resource, 0.0) for d in active)

    for day, resource in itertools.product(range(10), resources):
        loads = {node.name: load(node, resource, day) for node in nodes}
        for node in nodes:
            usable = node.capacity.get(resource, 0.0) * (1 - node.reserve)
            if loads[node.name][1] and sum(loads[node.name]) > usable + 1e-6:
                found.append(f"{node.name} has {sum(loads[node.name])} of {usable} {resource} on day {day}")
        for kind, zone in {(node.kind, node.zone) for node in nodes if node.kind in spare}:
            pool = [node for node in nodes if (node.kind, node.zone) == (kind, zone)]
            room = [node.capacity[resource] * (1 - node.reserve) for node in pool]
            total = sum(sum(loads[node.name]) for node in pool)
            if any(loads[node.name][1] for node in pool) and total > sum(room) - max(room) + 1e-6:
                found.append(f"{kind} in {zone} cannot lose a node on day {day}")
    return found


def fewest(given_: Given, spare: frozenset[str] = frozenset()) -> int:
    """The fewest demands that any assignment leaves out, by trying all of them."""
    nodes, demands, _ = given_
    best = len(demands)
    choices = [["", *(node.name for node in nodes if node.kind == demand.kind)] for demand in demands]
    for seats in itertools.product(*choices):
        out = seats.count("")
        if out < best and not broken(given_, {d.name: s for d, s in zip(demands, seats, strict=True) if s}, spare):
            best = out
    return best


@SOME
@given(instances(), st.sampled_from([frozenset(), frozenset({"vps"})]))
def test_nothing_is_ever_broken_and_every_demand_is_answered(given_: Given, spare: frozenset[str]) -> None:
    placed = place(*given_, spare=spare)
    assert broken(given_, dict(placed.assignments), spare) == []
    assert sorted([*placed.assignments, *(one.demand for one in placed.shortfalls)]) == sorted(demand.name for demand in given_[1])
    assert all(one.obstacles or not any(node.kind == one.kind for node in given_[0]) for one in placed.shortfalls)


@settings(max_examples=40, deadline=None)
@given(instances(most=4), st.sampled_from([frozenset(), frozenset({"vps"})]))
def test_no_assignment_leaves_out_fewer(given_: Given, spare: frozenset[str]) -> None:
    placed = place(*given_, spare=spare)
    assert placed.settled == {node.kind for node in given_[0]} | {demand.kind for demand in given_[1]}
    assert placed.short() == fewest(given_, spare)


@SOME
@given(instances(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(given_: Given, chance: random.Random) -> None:
    first = place(*given_)
    shuffled = tuple(chance.sample(part, len(part)) for part in given_)
    assert place(*shuffled) == first


@SOME
@given(instances(most=10), st.data(), st.sampled_from([frozenset(), frozenset({"vps"})]))
def test_removing_a_demand_never_raises_the_number_left_out(given_: Given, data: st.DataObject, spare: frozenset[str]) -> None:
    nodes, demands, occupied = given_
    before = place(*given_, spare=spare)
    gone = data.draw(st.sampled_from(demands))
    after = place(nodes, [demand for demand in demands if demand is not gone], occupied, spare=spare)
    for kind in before.settled & after.settled:
        assert after.short(kind) <= before.short(kind)
    assert before.settled and after.settled


@SOME
@given(instances(most=10), st.data())
def test_with_the_earlier_result_no_placed_demand_is_ever_left_out(given_: Given, data: st.DataObject) -> None:
    nodes, demands, occupied = given_
    before = place(*given_)
    rest = [demand for demand in demands if demand not in data.draw(st.lists(st.sampled_from(demands), max_size=3))]
    after = place(nodes, rest, occupied, previous=before.assignments)
    assert {one.demand for one in after.shortfalls} <= {one.demand for one in before.shortfalls}
    assert broken((nodes, rest, occupied), dict(after.assignments)) == []


@SOME
@given(st.integers(1, 3), st.lists(st.integers(1, 10), min_size=1, max_size=9), st.data())
def test_on_one_resource_and_equal_nodes_the_very_set_only_shrinks(count: int, sizes: list[int], data: st.DataObject) -> None:
    nodes = [Node(f"n{n}", "vps", {"cpus": 10}) for n in range(count)]
    demands = [Demand(f"d{n}", "vps", {"cpus": size}) for n, size in enumerate(sizes)]
    gone = data.draw(st.sampled_from(demands))
    before, after = place(nodes, demands), place(nodes, [demand for demand in demands if demand is not gone])
    # Demands of one size are interchangeable: it is the sizes left out that shrink.
    was, now = (sorted(demands[int(one.demand[1:])].needs["cpus"] for one in result.shortfalls) for result in (before, after))
    assert all(now.count(size) <= was.count(size) for size in now)


@pytest.mark.parametrize("seed", range(4))
def test_where_all_found_room_at_95_percent_they_do_without_one_of_them(seed: int) -> None:
    chance = random.Random(seed)
    nodes = [Node(f"n{n}", "vps", {"cpus": 32, "memory_bytes": 128}) for n in range(6)]
    demands = [Demand(f"d{n:02}", "vps", {"cpus": chance.randint(1, 6), "memory_bytes": chance.randint(4, 22)}) for n in range(70)]
    while any(sum(d.needs[name] for d in demands) > 0.95 * 6 * nodes[0].capacity[name] for name in ("cpus", "memory_bytes")):
        demands.pop()
    assert place(nodes, demands, effort=0.1).shortfalls == ()
    for gone in range(0, len(demands), 9):
        assert place(nodes, demands[:gone] + demands[gone + 1 :], effort=0.1).shortfalls == ()


@SOME
@given(instances(), st.sampled_from([frozenset(), frozenset({"vps"})]))
def test_what_is_bought_takes_what_was_short(given_: Given, spare: frozenset[str]) -> None:
    nodes, demands, occupied = given_
    placed = place(*given_, spare=spare)
    bought = []
    for number, one in enumerate(placed.purchases):
        if one.nodes is None or one.size is None:
            continue
        assert one.least is not None
        assert one.least <= one.nodes
        reserve = max((node.reserve for node in nodes if node.kind == one.kind), default=0.0)
        bought += [
            Node(f"new{number}-{n}", one.kind, one.size, zone=one.zone, labels=one.labels, reserve=reserve) for n in range(one.nodes)
        ]
    short = {name for one in placed.purchases if one.nodes is not None for name in one.demands}
    # Those for whom a node must grow are left aside: in a zone with a spare they would compete for what the others' nodes add.
    rest = [demand for demand in demands if demand.name in short or demand.name in placed.assignments]
    again = place([*nodes, *bought], rest, occupied, spare=spare, previous=placed.assignments)
    assert not short & {one.demand for one in again.shortfalls}


def test_source_and_destination_count_until_the_move_ends() -> None:
    nodes = [Node("n1", "vps", {"cpus": 8})]
    held = [Occupied("n1", "old", {"cpus": 6}, until=30)]
    assert place(nodes, [Demand("new", "vps", {"cpus": 5}, start=20)], held).short() == 1
    placed = place(nodes, [Demand("new", "vps", {"cpus": 5}, start=30)], held)
    assert placed.assignments == {"new": "n1"}
    assert [(day, dict(load)) for day, load in placed.timeline["n1"]][-1] == (30, {"cpus": 5.0})
    assert placed.peak == 0.75


def test_a_shortfall_says_node_by_node_why_and_what_is_lacking() -> None:
    nodes = [
        Node("full", "vps", {"cpus": 8, "memory_bytes": 16}, used={"cpus": 5}, zone="A", labels=frozenset({"kvm"})),
        Node("far", "vps", {"cpus": 8, "memory_bytes": 16}, zone="B", labels=frozenset({"kvm"})),
        Node("plain", "vps", {"cpus": 8, "memory_bytes": 16}, zone="A"),
        Node("silent", "vps", {"memory_bytes": 16}, zone="A", labels=frozenset({"kvm"})),
    ]
    demand = Demand("d", "vps", {"cpus": 4, "memory_bytes": 2}, start=7, zone="A", labels=frozenset({"kvm"}))
    (short,) = place(nodes, [demand]).shortfalls
    told = {one.node: (one.what, one.detail, one.resource, one.needed, one.free) for one in short.obstacles}
    assert told == {
        "full": ("resource", "", "cpus", 4.0, 3.0),
        "far": ("zone", "B", "", 0.0, 0.0),
        "plain": ("label", "kvm", "", 0.0, 0.0),
        "silent": ("unstated", "", "cpus", 4.0, 0.0),
    }
    assert (dict(short.lacking), short.day, short.alone) == ({"cpus": 1.0}, 7, True)


def test_a_zone_that_must_bear_a_loss_keeps_the_room_of_its_largest_node() -> None:
    nodes = [Node(f"n{n}", "site-cluster", {"cpus": 10}, zone="A") for n in range(3)]
    demands = [Demand(f"d{n}", "site-cluster", {"cpus": 5}) for n in range(6)]
    assert place(nodes, demands).short() == 0
    placed = place(nodes, demands, spare={"site-cluster"})
    assert placed.short() == 2
    assert {one.node for one in placed.shortfalls[0].obstacles if one.what == "spare"} == {"n0", "n1", "n2"}
    assert [loss.homeless for loss in placed.losses] == [()] * len(placed.losses)
    (purchase,) = placed.purchases
    assert (purchase.nodes, purchase.zone) == (1, "A")


def test_a_lost_node_whose_demands_do_not_pack_onto_the_others_is_told() -> None:
    nodes = [Node(f"n{n}", "vps", {"cpus": 10}) for n in range(3)]
    placed = place(nodes, [Demand(f"d{n}", "vps", {"cpus": 6}) for n in range(3)], spare={"vps"})
    assert placed.short() == 0  # 18 of 20: the rule is kept
    assert [len(loss.homeless) for loss in placed.losses] == [1, 1, 1]


def test_one_node_alone_bears_no_loss() -> None:
    placed = place([Node("n", "vps", {"cpus": 10})], [Demand("d", "vps", {"cpus": 1})], spare={"vps"})
    assert placed.short() == 1
    assert placed.purchases[0].nodes == 1


def test_what_no_node_states_is_not_planned_with_and_said() -> None:
    placed = place([Node("n", "vps", {"cpus": 4})], [Demand("d", "vps", {"cpus": 1, "iops": 900})])
    assert placed.assignments == {"d": "n"}
    assert placed.unplanned == {("vps", "iops")}


def test_without_nodes_of_a_kind_all_of_it_must_be_bought() -> None:
    placed = place([], [Demand(f"d{n}", "colocation", {"units": 2, "power_w": 300}, start=n) for n in (3, 4)])
    (purchase,) = placed.purchases
    assert (dict(purchase.needs), purchase.by, purchase.nodes) == ({"power_w": 600.0, "units": 4.0}, 3, None)
    placed = place([], [Demand("d", "colocation", {"units": 2})], sizes={"colocation": {"units": 42}})
    assert placed.purchases[0].nodes == 1


def test_amounts_that_binary_fractions_cannot_hold_still_fill_a_node() -> None:
    placed = place([Node("n", "vps", {"cpus": 0.3}, reserve=0.0)], [Demand(f"d{n}", "vps", {"cpus": 0.1}) for n in range(3)])
    assert placed.short() == 0


def test_members_of_a_group_together_that_must_be_apart_cannot_be_placed() -> None:
    demands = [Demand(f"d{n}", "vps", {"cpus": 1}, apart=frozenset({"x"}), together="y") for n in range(2)]
    placed = place([Node("n", "vps", {"cpus": 9})], demands)
    assert placed.short() == 2
    assert placed.shortfalls[0].obstacles[0].what == "together"
    assert placed.purchases == ()


def test_a_pinned_demand_without_room_asks_for_its_node_to_grow() -> None:
    nodes = [Node("n1", "vps", {"cpus": 4}), Node("n2", "vps", {"cpus": 4})]
    placed = place(nodes, [Demand("d", "vps", {"cpus": 6}, pinned="n1")])
    assert (placed.purchases[0].extends, placed.purchases[0].nodes) == ("n1", None)


def test_everything_wrong_with_the_input_is_said_at_once() -> None:
    nodes = [Node("n", "vps", {"cpus": float("nan")}, reserve=1.0), Node("n", "vps", {})]
    demands = [Demand("d", "vps", {"cpus": -1}, start=5, end=5, pinned="m")]
    with pytest.raises(ConfigurationError) as error:
        place(nodes, demands, [Occupied("o", "x", {})])
    assert len(error.value.problems) == 7


def fingerprint(placed: Placed) -> str:
    return hashlib.sha256(repr((placed.assignments, placed.purchases, placed.peaks, placed.timeline)).encode()).hexdigest()


def sample() -> Placed:
    chance = random.Random(5)
    labels = ["php7", "php8", "ssd"]
    nodes = [Node(f"n{n}", "vps", {"cpus": 32, "disk_bytes": 900}, labels=frozenset(chance.sample(labels, 2))) for n in range(6)]
    demands = [
        Demand(f"d{n}", "vps", {"cpus": chance.randint(1, 9) / 2, "disk_bytes": chance.randint(1, 90)}, labels=frozenset(labels[: n % 2]))
        for n in range(90)
    ]
    return place(nodes, [replace(d, apart=frozenset({"a", f"g{n % 20}"} - {"a"})) for n, d in enumerate(demands)])


def test_the_hash_seed_leaves_no_trace() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_placement as t; print(t.fingerprint(t.sample()))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    }
    assert found == {fingerprint(sample()).encode() + b"\n"}


def test_more_demands_take_their_share_of_steps_and_no_more() -> None:
    """Growth is bounded by counted steps, so that this holds on any machine; bench/placing.py measures the seconds."""
    steps = {}
    for count in (1600, 3200):
        nodes = [Node(f"n{n:03}", "vps", {"cpus": 64}) for n in range(count // 50)]
        chance = random.Random(count)
        placed = place(nodes, [Demand(f"d{n:04}", "vps", {"cpus": chance.randint(1, 9) / 6}, start=n % 90) for n in range(count)])
        assert placed.short() == 0
        steps[count] = placed.steps
    assert steps[3200] <= 2.2 * steps[1600] + 1000
