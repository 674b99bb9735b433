"""Which facts a verdict hangs on: what each might turn out to be, and what the recommendation would then be.  Pure.

In: a workload's facts and the rules.  Out: `Flip`s, and how decisive each unknown fact is, for the questions to people.

One fact is changed at a time.  The values that it is tried with are taken from the conditions that ask for it: between them they give every
answer that these conditions can have.  Only the rules that ask for it are asked again, and their say is taken out of the sums and put
back in: a verdict of a hundred rules is tried with forty facts in a few milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inventory import conditions
from inventory.conditions import Values
from planner import assessment, scoring
from planner.policy import Facts, RuleSet
from planner.scoring import Placement, Tally


@dataclass(frozen=True)
class Flip:
    """If `fact` were `value`, `recommendation` in `state` would come out; `known` is what it is now, where `is_known`."""

    fact: str
    value: Any
    recommendation: str
    state: str
    is_known: bool = False
    known: Any = None


@dataclass(frozen=True)
class Decisive:
    """How much an unknown fact could still change: 2 the recommendation, 1 its state, else how far its score would be settled (below 1)."""

    fact: str
    weight: float


class _Trial:
    """One workload's verdict, of which single facts can be changed."""

    def __init__(self, facts: Facts, rules: RuleSet) -> None:
        self.rules = rules
        self.values: Values = conditions.values_of(facts)
        self.said, self.tallies, self.placements = scoring.scored(self.values, rules)
        self.best = scoring.best(self.placements)

    def outcomes(self, fact: str) -> Iterator[tuple[Any, Placement | None]]:
        """For each value that the fact might have: it, and the first rank that then comes out."""
        for value in self.possible(fact):
            yield value, self.with_value(fact, value)

    def possible(self, fact: str) -> list[Any]:
        """What it might turn out to be, without what it is."""
        if fact.startswith("cost."):
            return [0.0, self.rules.weights.cost_full]
        found: dict[str, Any] = {}
        for rule in self.rules.asking.get(fact, ()):
            for value in conditions.candidates(rule.when, fact):
                found.setdefault(json.dumps(value, sort_keys=True, default=str), value)
        if fact in self.values:
            found.pop(json.dumps(self.values[fact], sort_keys=True, default=str), None)
        return list(found.values())

    def with_value(self, fact: str, value: Any) -> Placement | None:
        """The first rank if the fact had this value."""
        values = {**self.values, fact: value}
        changed: dict[str, Tally] = {}
        for rule in self.rules.asking.get(fact, ()):
            before, after = self.said[rule.id], rule.test(values)
            if before is after and (after is not None or scoring.asks_people(rule, self.values) is scoring.asks_people(rule, values)):
                continue
            for name in rule.placements:
                tally = changed.setdefault(name, self.tallies[name].copy())
                tally.count(rule, before, self.values, -1)
                tally.count(rule, after, values)
        if fact.startswith("cost."):
            priced = fact.removeprefix("cost.")
            changed.setdefault(priced, self.tallies[priced])
        judged = [
            scoring.judged(item.placement, changed[item.placement], values, self.rules) if item.placement in changed else item
            for item in self.placements
        ]  # fmt: skip
        return scoring.best(judged)


def _told(item: Placement | None) -> tuple[str, str]:
    return ("none", "") if item is None else (item.placement, item.state)


def flips(facts: Facts, rules: RuleSet, names: Iterable[str] | None = None, *, known: bool = False) -> list[Flip]:
    """The facts that by themselves would change the recommendation or its state: unknown ones, with `known` those that are known, too.

    Sorted: those that change the placement first, then by name.
    """
    trial = _Trial(facts, rules)
    now = _told(trial.best)
    wanted = rules.asked if names is None else set(names)
    found = []
    for name in sorted(wanted):
        if name in facts and not known:
            continue
        for value, outcome in trial.outcomes(name):
            if _told(outcome) != now:
                placement, state = _told(outcome)
                found.append(Flip(name, value, placement, state, name in facts, trial.values.get(name)))
    return sorted(found, key=lambda flip: (flip.is_known, flip.recommendation == now[0], flip.fact))


def decisive(facts: Facts, rules: RuleSet, names: Iterable[str]) -> list[Decisive]:
    """Unknown facts among `names` that could still change the verdict, the most decisive first.

    A fact that changes nothing by itself still counts when it is among those on which the first rank hangs together with others.
    """
    settle = {*assessment.assess(facts, rules).would_settle}
    trial = _Trial(facts, rules)
    now = _told(trial.best)
    found = []
    for name in sorted({*names} - {*facts}):
        told = [(_told(outcome), outcome) for _, outcome in trial.outcomes(name)]
        if any(one[0] != now[0] for one, _ in told):
            weight = 2.0
        elif any(one != now for one, _ in told):
            weight = 1.0
        elif name in settle:
            weight = _narrowing(trial.best, [outcome for _, outcome in told])
        else:
            continue
        found.append(Decisive(name, weight))
    return sorted(found, key=lambda item: (-item.weight, item.fact))


def _narrowing(now: Placement | None, then: Sequence[Placement | None]) -> float:
    """By what share the first rank's interval would shrink at most; a small amount, where there is none."""
    if now is None or now.high <= now.low:
        return 0.01
    widths = [item.high - item.low for item in then if item is not None]
    return max(0.01, min(0.99, 1 - min(widths, default=now.high) / (now.high - now.low)))


def what_if(facts: Facts, changes: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The facts as they would be: a value of None makes a fact unknown."""
    kept = {name: fact for name, fact in facts.items() if changes.get(name, ...) is not None}
    for name, value in changes.items():
        if value is not None:
            kept[name] = {"value": value, "evidence": [], "why": "supposed"}
    return kept
