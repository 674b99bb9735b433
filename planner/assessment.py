"""Verdicts: for one workload's facts, each placement's state, score interval and reasons, and the recommendation.  Pure.

In: facts, a rule set, today, perhaps somebody's override.  Out: a `Verdict` as data.  Blocks come first, scores second
(`planner.scoring`).

Recommended is the highest score among ready and conditional ones, and among those that only an answer of people still has to prove: else
a costlier placement would win just because nobody asked.  What nobody has read of a host is never guessed.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from operator import mul
from typing import Any, NamedTuple

from inventory import conditions
from inventory.conditions import Values
from planner import wording
from planner.policy import DIMENSIONS, Dimension, Facts, Rule, RuleSet, Trials
from planner.scoring import Placement, best, scored


@dataclass(frozen=True)
class Override:
    """An admin's own choice for one workload; it cannot pass a block, and ends on its day (None: never)."""

    placement: str
    by: str
    why: str
    until: date | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"placement": self.placement, "by": self.by, "why": self.why, "until": self.until and self.until.isoformat()}


class Finding(NamedTuple):
    """What one rule says of a workload; `holds` None means that `missing` facts decide it.  Rules that do not hold are no findings.

    Its sentences are made when they are asked for: of a hundred findings few are ever read.
    """

    of: Rule
    holds: bool | None
    values: Values
    language: str = "en"

    @property
    def rule(self) -> str:
        """The rule's id."""
        return self.of.id

    @property
    def effect(self) -> str:
        """block, condition, utility or info."""
        return self.of.effect

    @property
    def placements(self) -> tuple[str, ...]:
        """The placements that it speaks of."""
        return self.of.placements

    @property
    def dimension(self) -> str:
        """Of a utility the dimension that its points go to, else ''."""
        return self.of.dimension or ""

    @property
    def points(self) -> int:
        """Of a utility."""
        return self.of.points

    @property
    def effort_h(self) -> float:
        """Of a condition the hours that it takes."""
        return self.of.effort_h

    @property
    def message(self) -> str:
        """The rule's sentence with the measured values."""
        return wording.message(self.of, self.values, self.language)

    @property
    def fix(self) -> str:
        """What to do about it."""
        return wording.fix(self.of, self.language)

    @property
    def step(self) -> str:
        """The step of a move in which it is settled."""
        return self.of.step

    @property
    def gate(self) -> bool:
        """Whether the move waits for it."""
        return self.of.gate

    @property
    def check(self) -> str:
        """What verification has to look at because of it."""
        return self.of.check

    @property
    def facts(self) -> tuple[str, ...]:
        """The facts that it rests on."""
        return self.of.facts

    @property
    def missing(self) -> tuple[str, ...]:
        """The facts that decide it and are unknown."""
        return tuple(name for name in self.of.facts if name not in self.values) if self.holds is None else ()


@dataclass(frozen=True)
class Verdict:
    """The whole assessment; `strength` is dominant, leaning, undecided, insufficient data, none possible, or overridden.

    Dominant: above all others whatever the unknown turns out to be, in every trial.  Leaning: in so many trials as `weights.yml` asks.
    `holds` is the share of the trials in which the first rank stands.  `computed` is what rules alone recommend; `void` says why an
    override does not count.  `would_settle` are unknown facts on which the first rank may hang; `planner.flips` tells which do.
    """

    recommendation: str
    strength: str
    confidence: float
    holds: float
    computed: str
    void: str
    would_settle: tuple[str, ...]
    placements: tuple[Placement, ...]
    findings: tuple[Finding, ...]
    override: Override | None = None

    def of(self, placement: str) -> Placement | None:
        """One placement's assessment."""
        return next((item for item in self.placements if item.placement == placement), None)

    def findings_on(self, placement: str) -> Iterator[Finding]:
        """What rules say of one placement."""
        return (item for item in self.findings if placement in item.placements)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {**self.summary(), "findings": [_plain(item) for item in self.findings]}

    def summary(self) -> dict[str, Any]:
        """All but the findings, as plain data: what lists and plans need."""
        said = self.override
        return {
            "recommendation": self.recommendation, "strength": self.strength, "confidence": self.confidence, "holds": self.holds,
            "computed": self.computed, "void": self.void, "would_settle": list(self.would_settle),
            "override": said.to_json() if said else None,
            "placements": [
                {
                    "placement": item.placement, "state": item.state, "low": round(item.low), "high": round(item.high),
                    "effort_h": item.effort_h, "effort_most_h": item.effort_most_h,
                    "dimensions": {name: [round(low, 1), round(high, 1)] for name, (low, high) in item.dimensions.items()},
                }
                for item in self.placements
            ],
        }  # fmt: skip

    def reasons(self) -> dict[str, Any]:
        """The findings as the catalogue keeps them (`inventory.findings`): what the rules themselves say is not said again."""
        if not self.findings:
            return {}
        values, language = self.findings[0].values, self.findings[0].language
        shown = sorted({name for item in self.findings for name in item.of.shown} & values.keys())
        unknown = [item.of for item in self.findings if item.holds is None]
        untranslated = [item for item in self.findings if language == "zh_CN" and item.of.shown and not item.of.message_zh]
        return {
            "language": language,
            "holds": [item.of.id for item in self.findings if item.holds],
            "unknown": [rule.id for rule in unknown],
            "missing": sorted({name for rule in unknown for name in rule.facts} - values.keys()),
            "values": {name: wording.show(name, values[name], language) for name in shown},
            "sentences": {item.of.id: item.message for item in untranslated},
        }


def _plain(item: Finding) -> dict[str, Any]:
    return {
        "rule": item.rule, "effect": item.effect, "holds": item.holds, "placements": list(item.placements), "dimension": item.dimension,
        "points": item.points, "effort_h": item.effort_h, "message": item.message, "fix": item.fix, "step": item.step, "gate": item.gate,
        "check": item.check, "facts": list(item.facts), "missing": list(item.missing),
    }  # fmt: skip


def facts_hash(facts: Facts, names: frozenset[str] | None = None) -> str:
    """SHA-256 over names and values (of `names` alone): the same for a second reading that saw the same."""
    plain = {name: item["value"] for name, item in facts.items() if names is None or name in names}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


# ---------------------------------------------------------------- the verdict


def assess(facts: Facts, rules: RuleSet, language: str = "en", *, today: date | None = None, override: Override | None = None) -> Verdict:
    """Apply all rules.  Deterministic: depends on its arguments alone.  Without `today`, facts do not age and overrides do not end."""
    values = conditions.values_of(facts)
    said, _, placements = scored(values, rules)
    findings = tuple(Finding(rule, value, values, language) for rule in rules.rules if (value := said[rule.id]) is not False)
    first = best(placements)
    rivals = _rivals(placements, first)
    others = [item for item in placements if item is not first and item.state != "ineligible"]
    held = _holds(first, others, rules.weights.dimensions, rules.weights.trials) if first is not None else 0.0
    if first is not None:
        strength = (
            "dominant" if not rivals and held == 1 and first.open else "leaning" if held >= rules.weights.trials.hold else "undecided"
        )
    else:
        strength = "insufficient data" if any(item.state == "unproven" for item in placements) else "none possible"
    computed = first.placement if first is not None else "none"
    chosen, void = _overridden(override, placements, today)
    looked_at = {item.placement for item in ((first, *rivals) if first is not None else placements)}
    settle: set[str] = set()
    for item in findings:
        if item.holds is None and item.of.effect != "info" and not looked_at.isdisjoint(item.of.placements):
            settle.update(item.of.facts)
    settle -= values.keys()
    return Verdict(
        chosen or computed, "overridden" if chosen else strength,
        confidence(chosen or computed, (item.of for item in findings), facts, rules, today),
        round(held, 3), computed, void, tuple(sorted(settle)), placements, findings, override,
    )  # fmt: skip


def _rivals(placements: Sequence[Placement], first: Placement | None) -> list[Placement]:
    """Placements that could be above the first when all is known: open or not yet proven, with an interval that reaches into its own."""
    if first is None:
        return []
    return [item for item in placements if item is not first and item.state != "ineligible" and item.high > first.low]


def _holds(first: Placement, rivals: Sequence[Placement], weights: Mapping[Dimension, float], trials: Trials) -> float:
    """The share of trials with other weights in which no rival's middle is above the first's.  A rival not yet proven counts as proven."""
    differences = []
    for rival in rivals:
        part = {name: sum(first.dimensions[name]) / 2 - sum(rival.dimensions[name]) / 2 for name in first.dimensions}
        gap = sum(weights[name] * value for name, value in part.items())
        swing = trials.spread * sum(weights[name] * abs(value) for name, value in part.items())
        if gap < swing:  # otherwise no weights within the spread can turn it
            differences.append([part.get(name, 0.0) for name in DIMENSIONS])
    if not differences:
        return 1.0
    drawn = _drawn(tuple(weights[name] for name in DIMENSIONS), trials)
    stands = [draw for draw in drawn if all(sum(map(mul, draw, part)) >= -1e-9 for part in differences)]
    return len(stands) / trials.count


@lru_cache(maxsize=8)
def _drawn(weights: tuple[float, ...], trials: Trials) -> list[tuple[float, ...]]:
    chance = random.Random(trials.seed)  # noqa: S311  (trials of weights, no secret)
    return [tuple(weight * (1 + trials.spread * (2 * chance.random() - 1)) for weight in weights) for _ in range(trials.count)]


def _overridden(override: Override | None, placements: Sequence[Placement], today: date | None) -> tuple[str, str]:
    """(the overriding placement or '', why the override does not count or '')."""
    if override is None:
        return "", ""
    if override.until is not None and today is not None and today > override.until:
        return "", f"it ended on {override.until.isoformat()}"
    state = next((item.state for item in placements if item.placement == override.placement), "ineligible")
    if state == "ineligible":
        return "", "a block holds, and an override cannot pass it"
    return override.placement, ""


def confidence(placement: str, said: Iterable[Rule], facts: Facts, rules: RuleSet, today: date | None) -> float:
    """0–1: how far the facts behind the recommended placement can be believed.  Unknown ones count nothing, old ones less every day.

    `said` are the rules that hold or may hold.  Nothing else of a verdict depends on the day, or on where its facts come from.
    """
    behind: set[str] = set()
    for rule in said:
        if rule.effect != "info" and (placement in rule.placements or placement == "none"):
            behind.update(rule.facts)
    # facts that ruled something out are as much behind it as those that hold
    behind |= rules.blocking.get(placement, frozenset()) & facts.keys()
    if not behind:
        return 0.0
    ages: dict[str, float] = {}
    return round(sum(_believed(facts[name], rules, today, ages) for name in sorted(behind) if name in facts) / len(behind), 2)


def _believed(fact: Mapping[str, Any], rules: RuleSet, today: date | None, ages: dict[str, float]) -> float:
    """`ages`: what is left of a belief by the day of its fact, kept from one fact to the next."""
    weights = rules.weights
    belief = weights.reliability.get(source(fact), 1.0)
    seen = fact.get("seen")
    if today is None or not isinstance(seen, str):
        return belief
    day = seen[:10]
    if day not in ages:
        try:
            ages[day] = 0.5 ** (max(0, (today - date.fromisoformat(day)).days) / weights.half_life_days)
        except ValueError:
            ages[day] = 1.0
    return belief * ages[day]


def source(fact: Mapping[str, Any]) -> str:
    """Where a fact comes from: observed, http, inferred, answer or declared; the names in `weights.yml`."""
    evidence = fact.get("evidence") or []
    first = evidence[0][0] if evidence else None
    if isinstance(first, str) and first in {"http", "answer", "declared"}:
        return first
    return "inferred" if fact.get("why") or not evidence else "observed"
