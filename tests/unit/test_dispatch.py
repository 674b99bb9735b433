"""Moves side by side: what may begin beside what runs, what a failure holds back, what Ctrl-C leaves; and that nothing is lost on the way."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.errors import RunError
from planner import dispatch, journal, movesteps, playing
from planner.dispatch import Limits

STEPS = movesteps.steps("virtual-host")


def move(name, source="s1", receiver="d1", group=None):
    destination = {"receiver": receiver, "platform": receiver}
    return {"id": name, "group": group or name, "placement": "virtual-host", "source": {"host": source}, "destination": destination}


def plan(moves, after=None):
    groups = {}
    for one in moves:
        groups.setdefault(one["group"], []).append(one["id"])
    return {"moves": moves, "groups": [{"group": g, "moves": m, "after": (after or {}).get(g, [])} for g, m in groups.items()]}


class Carrier:
    """Takes each move to its end; `failing` and `gated` (move → step) stop some of them; says what ran beside what."""

    def __init__(self, failing=(), gated=None, seconds=0.0, limit=None):
        self.stop, self.failing, self.gated, self.seconds = playing.Stop(), set(failing), gated or {}, seconds
        self.running, self.most, self.order, self.guard = [], [], [], threading.Lock()
        self.limit = limit

    def forward(self, one, now, until=""):
        with self.guard:
            self.running.append(one)
            self.order.append(one["id"])
            self.most.append(list(self.running))
        try:
            time.sleep(self.seconds)
            while step := now.next:
                if self.stop.soon.is_set():
                    raise RunError(f"{one['id']}: stopped before {step}")
                if self.gated.get(one["id"]) == step:
                    return f"{step}: a gate"
                if one["id"] in self.failing:
                    raise RunError(f"{one['id']}: {step}: broke")
                now.take(step, "started")
                now.take(step, "done")
                if step == until:
                    break
            return ""
        finally:
            with self.guard:
                self.running.remove(one)


def carry(carrier, moves, limits, after=None, until=""):
    states = {one["id"]: journal.state(STEPS, ()) for one in moves}
    return dispatch.carry(carrier, plan(moves, after), moves, states, limits, until), states


def test_one_after_another_in_the_plans_order():
    moves = [move(name) for name in "cab"]
    carrier = Carrier()
    result, _ = carry(carrier, moves, Limits(1))
    assert (carrier.order, result.carried, result.begun) == (["c", "a", "b"], ["c", "a", "b"], 3)
    assert all(len(beside) == 1 for beside in carrier.most)


def test_limits_of_sources_destinations_and_in_all():
    moves = [move("a"), move("b"), move("c"), move("d", "s2"), move("e", "s3"), move("f", "s4", "d2")]
    chosen = [one["id"] for one in dispatch.startable(moves, [], lambda _: False, Limits(10, 2, 3))]
    assert chosen == ["a", "b", "d", "f"], "two of s1, three to d1, and what goes elsewhere"
    assert [one["id"] for one in dispatch.startable(moves, [], lambda _: False, Limits(2, 2, 8))] == ["a", "b"]
    assert [one["id"] for one in dispatch.startable(moves[2:], moves[:2], lambda _: False, Limits(10, 2, 8))] == ["d", "e", "f"]


def test_a_group_runs_one_after_another_and_fails_together():
    moves = [move("a", group="g"), move("b", group="g"), move("c", "s2")]
    carrier = Carrier(failing="a", seconds=0.05)
    result, states = carry(carrier, moves, Limits(8))
    assert result.carried == ["c"]
    assert list(result.failed) == ["a"]
    assert result.held == {"b": "a, which it moves together with, did not get through"}
    assert states["b"].next == STEPS[0]
    assert not any({"a", "b"} <= {one["id"] for one in beside} for beside in carrier.most)


def test_what_waits_at_a_gate_is_prepared_with_its_whole_group():
    moves = [move("a", group="g"), move("b", group="g")]
    result, states = carry(Carrier(gated={"a": "freeze"}), moves, Limits(8))
    assert list(result.held) == ["a", "b"]
    assert (states["a"].next, states["b"].next) == ("freeze", "freeze"), "neither is frozen without the other"


def test_what_comes_after_waits_for_it_and_not_for_its_failure():
    moves = [move("a"), move("b", "s2"), move("c", "s3")]
    result, _ = carry(Carrier(seconds=0.05), moves, Limits(8), after={"b": ["a"]})
    assert result.carried == ["a", "b", "c"]
    result, _ = carry(Carrier(failing="a"), moves, Limits(8), after={"b": ["a"], "c": ["b"]})
    assert list(result.failed) == ["a"]
    assert result.held == {"b": "a must be moved before it", "c": "b must be moved before it"}


def test_ctrl_c_starts_no_more():
    moves = [move(name, f"s{name}") for name in "abcd"]
    carrier = Carrier(seconds=0.2)
    threading.Timer(0.05, carrier.stop.soon.set).start()
    result, _ = carry(carrier, moves, Limits(2))
    assert sorted(carrier.order) == ["a", "b"]
    assert list(result.failed.values()) == ["a: stopped before lower-ttl", "b: stopped before lower-ttl"]


def test_what_nobody_foresaw_is_raised_after_the_others_have_stopped():
    class Strange(Carrier):
        def forward(self, one, now, until=""):
            if one["id"] == "a":
                raise ZeroDivisionError
            return super().forward(one, now, until)

    carrier = Strange(seconds=0.1)
    with pytest.raises(ZeroDivisionError):
        carry(carrier, [move("a"), move("b", "s2")], Limits(8))
    assert carrier.running == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_move_ends_somewhere_and_no_limit_is_passed(data):
    count = data.draw(st.integers(1, 9))
    places = st.sampled_from("xyz")
    moves = [move(f"m{n}", data.draw(places), data.draw(places), data.draw(st.sampled_from([f"g{n}", "g", "h"]))) for n in range(count)]
    groups = [one["group"] for one in moves]
    after = {group: [groups[0]] for group in set(groups) - {groups[0]} if data.draw(st.booleans())}
    failing = {one["id"] for one in moves if data.draw(st.integers(0, 3)) == 0}
    gated = {one["id"]: data.draw(st.sampled_from(["freeze", "cutover"])) for one in moves if data.draw(st.integers(0, 3)) == 0}
    limits = Limits(*(data.draw(st.integers(1, 4)) for _ in range(3)))
    carrier = Carrier(failing, gated)
    result, states = carry(carrier, moves, limits, after)
    assert sorted([*result.carried, *result.failed, *result.held]) == sorted(one["id"] for one in moves)
    assert all(states[name].name == "done" for name in result.carried)
    for beside in carrier.most:
        assert len(beside) <= limits.at_once
        for key, most in (
            (lambda m: m["source"]["host"], limits.per_source),
            (lambda m: m["destination"]["receiver"], limits.per_destination),
        ):
            assert max(map([key(one) for one in beside].count, map(key, beside))) <= most
        assert len({one["group"] for one in beside}) == len(beside)
