"""The bound is true (never above what is reached, equal to the optimum of small cases), and shipped instances come within 2 % of it."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
import yaml

from inventory.errors import InputError
from planner.placement import Demand, Node, Occupied, place
from planner.proof import prove

CASES = sorted((Path(__file__).resolve().parents[1] / "cases" / "placement").glob("*.yml"))
Given = tuple[list[Node], list[Demand], list[Occupied]]


def read(path: Path) -> Given:
    """A shipped instance: nodes and demands as their fields, label sets as lists."""
    data = yaml.safe_load(path.read_text())

    def sets(fields: dict[str, object]) -> dict[str, object]:
        return {name: frozenset(value) if isinstance(value, list) else value for name, value in fields.items()}

    nodes = [
        Node(**{**sets(one), "name": f"{one['name']}{n}"})
        for group in data["nodes"]
        for n in range(group.pop("count", 1))
        for one in [group]
    ]
    demands = [
        Demand(**{**sets(one), "name": f"{one['name']}{n}"})
        for group in data["demands"]
        for n in range(group.pop("count", 1))
        for one in [group]
    ]
    return nodes, demands, [Occupied(**one) for one in data.get("occupied", [])]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_shipped_instances_come_within_two_percent(path: Path) -> None:
    nodes, demands, occupied = read(path)
    placed = place(nodes, demands, occupied)
    assert placed.shortfalls == ()
    bound = prove(nodes, demands, placed, occupied, limit=3)
    assert -1e-3 <= bound.gap <= 0.02


def test_there_are_shipped_instances() -> None:
    assert len(CASES) >= 4


def test_the_bound_of_a_small_case_is_its_optimum() -> None:
    needs = [5, 4, 3, 3, 2, 2]
    nodes = [Node(f"n{n}", "vps", {"cpus": 10}) for n in range(2)]
    demands = [Demand(f"d{n}", "vps", {"cpus": need}, start=n % 2, apart=frozenset({"x"} if n < 2 else ())) for n, need in enumerate(needs)]
    best = min(
        max(sum(n for n, s in zip(needs, seats, strict=True) if s == seat) for seat in (0, 1)) / 10
        for seats in itertools.product((0, 1), repeat=6)
        if seats[0] != seats[1]
    )
    bound = prove(nodes, demands, place(nodes, demands))
    assert bound.status == "optimal"
    assert bound.value == pytest.approx(best, rel=2e-4)


def test_what_leaves_before_others_come_does_not_raise_the_bound() -> None:
    nodes = [Node("n", "vps", {"cpus": 10})]
    demands = [Demand("d", "vps", {"cpus": 6}, start=10), Demand("e", "vps", {"cpus": 5}, start=0, end=10)]
    occupied = [Occupied("n", "o", {"cpus": 4}, until=10)]
    bound = prove(nodes, demands, place(nodes, demands, occupied), occupied)
    assert bound.value == pytest.approx(0.9, rel=2e-4)


@pytest.mark.parametrize("count", [2400, 8000])
def test_large_cases_are_bounded_from_sums(count: int) -> None:
    nodes = [Node(f"n{n:02}", "vps", {"cpus": count / 20}, labels=frozenset({"ssd"} if n < 4 else ())) for n in range(40)]
    demands = [Demand(f"d{n:04}", "vps", {"cpus": 1}, start=n % 7, labels=frozenset({"ssd"} if n % 8 == 0 else ())) for n in range(count)]
    bound = prove(nodes, demands, place(nodes, demands, effort=0.1))
    assert bound.status == "snapshots"
    assert bound.value == pytest.approx(count / 8 / (4 * count / 20), rel=1e-3)  # the demands that only four nodes may take
    assert 0 <= bound.gap < 0.02


def test_without_highs_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highspy", None)
    with pytest.raises(InputError, match="prove") as error:
        prove([], [], place([], []))
    assert "pip install" in error.value.hint
