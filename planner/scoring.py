"""What rules say of each placement, added up: its state and the interval of its score.  Pure.

In: a workload's values, a rule set.  Out: `Placement`s, and the sums that they were made of, so that one fact can be tried.  A placement is

    ineligible   a block holds                 unproven     a block may hold: a fact is unknown
    conditional  something must be done first  ready        nothing stands against it

A score is the weighted mean of seven dimensions, each 0–100.  Five start at 50 and get the points of their utilities; effort falls from
100 with the hours of the conditions, cost with the yearly price.  What is unknown counts at its best and at its worst: an interval.  To
learn a fact never widens it, and to add a block never raises a placement (tests/unit/test_assessment.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from inventory.conditions import Values
from planner.policy import DIMENSIONS, PLACEMENTS, Dimension, Rule, RuleSet

STATES = ("ready", "conditional", "unproven", "ineligible")
_SCORED = tuple(name for name in DIMENSIONS if name not in {"effort", "cost"})
_START = 50
Interval = tuple[float, float]


@dataclass(frozen=True)
class Placement:
    """One placement's assessment: state, total score, hours (certain, and if all that is unknown goes wrong), score of each dimension.

    `asked_only`: it is unproven, and answers of people are all that lacks.
    """

    placement: str
    state: str
    low: float
    high: float
    effort_h: float
    effort_most_h: float
    dimensions: Mapping[Dimension, Interval]
    asked_only: bool = False

    @property
    def middle(self) -> float:
        """What placements are ranked by."""
        return (self.low + self.high) / 2

    @property
    def open(self) -> bool:
        """Whether nothing forbids it."""
        return self.state in {"ready", "conditional"}

    @property
    def recommendable(self) -> bool:
        """Whether it may be recommended: it is open, or would be if people said so."""
        return self.open or self.asked_only


@dataclass(slots=True)
class Tally:
    """What the rules that hold, or may hold, add up to for one placement.  Kept as sums, so that one rule can be taken out again."""

    blocks: int = 0
    blocks_unknown: int = 0
    blocks_unread: int = 0
    conditions: int = 0
    hours: float = 0.0
    hours_unknown: float = 0.0
    low: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_SCORED, 0.0))
    high: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_SCORED, 0.0))

    def count(self, rule: Rule, value: bool | None, values: Values, sign: int = 1) -> None:
        """Put a rule's say in (`sign` 1) or take it out (-1); `values` are those that it was asked with."""
        if value is False:
            return
        if rule.effect == "block":
            if value:
                self.blocks += sign
            else:
                self.blocks_unknown += sign
                self.blocks_unread += 0 if asks_people(rule, values) else sign
        elif rule.effect == "condition":
            if value:
                self.conditions += sign
                self.hours += sign * rule.effort_h
            else:
                self.hours_unknown += sign * rule.effort_h
        elif rule.effect == "utility" and rule.dimension is not None:
            self.low[rule.dimension] += sign * (min(rule.points, 0) if value is None else rule.points)
            self.high[rule.dimension] += sign * (max(rule.points, 0) if value is None else rule.points)

    def copy(self) -> Tally:
        """One that can be changed by itself."""
        return Tally(
            self.blocks, self.blocks_unknown, self.blocks_unread, self.conditions, self.hours, self.hours_unknown,
            dict(self.low), dict(self.high),
        )  # fmt: skip


def asks_people(rule: Rule, values: Values) -> bool:
    """Whether all that a rule does not know is what people can say."""
    return all(name.startswith("answer.") for name in rule.facts if name not in values)


def judged(name: str, tally: Tally, values: Values, rules: RuleSet) -> Placement:
    """A placement from what was counted."""
    weights = rules.weights
    state = "ready"
    if tally.blocks:
        state = "ineligible"
    elif tally.blocks_unknown:
        state = "unproven"
    elif tally.conditions:
        state = "conditional"
    hours = round(weights.base_hours(name) + tally.hours, 6)
    most = round(hours + tally.hours_unknown, 6)
    scores: dict[Dimension, Interval] = {}
    for dimension in DIMENSIONS:
        if dimension == "effort":
            scores[dimension] = (_falling(most, weights.hours_full), _falling(hours, weights.hours_full))
        elif dimension == "cost":
            price = values.get(f"cost.{name}")
            scores[dimension] = (0.0, 100.0) if price is None else (_falling(float(price), weights.cost_full),) * 2
        else:
            scores[dimension] = (_within(_START + tally.low[dimension]), _within(_START + tally.high[dimension]))
    whole = sum(weights.dimensions.values())
    low = sum(weights.dimensions[dimension] * interval[0] for dimension, interval in scores.items()) / whole
    high = sum(weights.dimensions[dimension] * interval[1] for dimension, interval in scores.items()) / whole
    asked_only = state == "unproven" and not tally.blocks_unread
    return Placement(name, state, round(low, 9), round(high, 9), hours, most, scores, asked_only)


def _within(score: float) -> float:
    return max(0.0, min(100.0, score))


def _falling(amount: float, full: float) -> float:
    return _within(100.0 * (1 - amount / full))


def answers(values: Values, rules: RuleSet) -> dict[str, bool | None]:
    """Each rule's answer, by its id."""
    return {rule.id: rule.test(values) for rule in rules.rules}


def tallies(said: Mapping[str, bool | None], values: Values, rules: RuleSet) -> dict[str, Tally]:
    """What was said, added up for each placement."""
    counted: dict[str, Tally] = {name: Tally() for name in PLACEMENTS}
    for rule in rules.rules:
        value = said[rule.id]
        if value is not False:
            for name in rule.placements:
                counted[name].count(rule, value, values)
    return counted


def best(placements: Sequence[Placement]) -> Placement | None:
    """The first of those that may be recommended; equal ones keep the order of PLACEMENTS, the least privileged first."""
    return max((item for item in placements if item.recommendable), key=lambda item: item.middle, default=None)


class Scored(NamedTuple):
    """Each rule's answer by its id, each placement's sums by its name, and the placements in the order of PLACEMENTS."""

    said: Mapping[str, bool | None]
    tallies: Mapping[str, Tally]
    placements: tuple[Placement, ...]


def scored(values: Values, rules: RuleSet) -> Scored:
    """All placements of one workload."""
    said = answers(values, rules)
    counted = tallies(said, values, rules)
    return Scored(said, counted, tuple(judged(name, counted[name], values, rules) for name in PLACEMENTS))
