"""Move groups: who is together and why, in which order, and circles of order."""

import itertools
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.errors import PlanError
from planner.groups import Before, Edge, make


def members(groups):
    return [group.members for group in groups.groups]


def test_ties_make_groups_and_the_rest_stays_alone():
    groups = make("edcba", [Edge("c", "a", "database", "both use hist_db"), Edge("c", "e", "docroot")])
    assert members(groups) == [("a", "c", "e"), ("b",), ("d",)]
    assert groups.of == {"a": "a", "b": "b", "c": "a", "d": "d", "e": "a"}
    assert groups.groups[0].edges == (Edge("c", "a", "database", "both use hist_db"), Edge("c", "e", "docroot"))


def test_why_is_the_shortest_way_with_its_evidence():
    ties = [Edge(a, b, "certificate", f"{a}{b}") for a, b in ["ab", "bc", "cd", "de", "be"]]
    groups = make("abcdefg", ties)
    assert [edge.evidence for edge in groups.why("a", "e")] == ["ab", "be"]
    assert [edge.evidence for edge in groups.why("e", "a")] == ["be", "ab"]
    assert groups.why("a", "a") == ()
    assert groups.why("a", "f") is None
    assert groups.why("nobody", "f") is None


def test_groups_come_after_what_goes_before_them():
    groups = make("abcdz", [Edge("a", "b", "host")], [Before("z", "b", "b reads from z"), Before("b", "c")])
    assert [group.name for group in groups.groups] == ["d", "z", "a", "c"]
    assert [group.after for group in groups.groups] == [(), (), ("z",), ("a",)]
    assert groups.merged == ()


def test_order_within_one_group_is_no_circle():
    groups = make("ab", [Edge("a", "b", "docroot")], [Before("a", "b"), Before("b", "a")])
    assert members(groups) == [("a", "b")]
    assert groups.merged == ()


def test_a_circle_of_order_becomes_one_group_and_is_shown():
    ties = [Edge("b", "x", "database")]
    before = [Before("a", "b", "1"), Before("x", "c", "2"), Before("c", "a", "3"), Before("c", "d", "4"), Before("a", "c", "5")]
    groups = make("abcdx", ties, before)
    assert members(groups) == [("a", "b", "c", "x"), ("d",)]
    (merged,) = groups.merged
    assert merged.cycle == (Before("a", "c", "5"), Before("c", "a", "3")), "a shortest one"
    assert groups.groups[1].after == ("a",)
    assert [(edge.kind, edge.evidence) for edge in groups.why("a", "x")] == [("cycle", "1"), ("database", "")]


def test_two_circles_that_touch_are_one_and_two_apart_are_two():
    apart = make("abcd", [], [Before("a", "b"), Before("b", "a"), Before("c", "d"), Before("d", "c"), Before("b", "c")])
    assert members(apart) == [("a", "b"), ("c", "d")]
    assert len(apart.merged) == 2
    touching = make("abc", [], [Before("a", "b"), Before("b", "a"), Before("b", "c"), Before("c", "b")])
    assert members(touching) == [("a", "b", "c")]


def test_bad_edges_are_all_told():
    with pytest.raises(PlanError) as caught:
        make("ab", [Edge("a", "x", "host"), Edge("a", "b", "friendship")], [Before("y", "b")])
    assert len(caught.value.message.splitlines()) == 3
    assert "'friendship'" in caught.value.message


names = st.integers(0, 9).map(lambda number: f"n{number}")


@given(
    st.lists(st.builds(Edge, names, names, st.sampled_from(["host", "database"])), max_size=8),
    st.lists(st.builds(Before, names, names), max_size=12),
    st.randoms(use_true_random=False),
)
def test_properties(ties, before, chance):
    nodes = [f"n{number}" for number in range(10)]
    groups = make(nodes, ties, before)
    assert sorted(name for group in groups.groups for name in group.members) == nodes
    for edge in ties:
        assert groups.of[edge.a] == groups.of[edge.b]
    place = {group.name: number for number, group in enumerate(groups.groups)}
    for item in before:
        first, then = groups.of[item.first], groups.of[item.then]
        assert first == then or place[first] < place[then]
    for group in groups.groups:
        assert group.name == group.members[0]
        for x, y in itertools.product(group.members, repeat=2):
            here = x
            for edge in groups.why(x, y):
                assert here in (edge.a, edge.b)
                here = edge.b if edge.a == here else edge.a
            assert here == y
        for item, next_ in zip(group.cycle, group.cycle[1:] + group.cycle[:1], strict=True):
            assert item in before
            assert make(nodes, ties).of[item.then] == make(nodes, ties).of[next_.first]
    # Only what a tie or a circle joins is together: without both, groups are the components of the ties.
    if not groups.merged:
        assert groups.of == make(nodes, ties).of
    mixed = [chance.sample(items, len(items)) for items in (nodes, ties, before)]
    assert make(*mixed) == groups


def test_twenty_thousand_are_quick_even_in_one_long_circle():
    nodes = [f"n{number:05}" for number in range(20_000)]
    chance = random.Random(1)
    ties = [Edge(*chance.sample(nodes, 2), "host") for _ in range(8000)]
    chain = [Before(a, b) for a, b in itertools.pairwise(nodes)]
    begun = time.process_time()
    assert len(make(nodes, ties).groups) > 5000
    assert len(make(nodes, (), chain).groups) == 20_000
    (circle,) = make(nodes, (), [*chain, Before(nodes[-1], nodes[0])]).merged
    assert len(circle.cycle) == 20_000
    assert time.process_time() - begun < 8, "1 s on a quiet machine"
