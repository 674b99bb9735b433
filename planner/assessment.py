"""Verdicts: for one workload's facts, each placement's state, score interval and reasons, and the recommendation.  Pure.

In: facts and a rule set.  Out: a `Verdict` as data.  Hard blocks come first, scores second: a placement is

    ineligible   a block holds                 unproven     a block may hold: a fact is unknown
    conditional  something must be done first  ready        nothing stands against it

The score is 50 plus the points of the utilities that hold, kept within 0–100; utilities that are unknown widen it to an interval.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from planner import policy

STATES = ("ready", "conditional", "unproven", "ineligible")


@dataclass(frozen=True)
class Reason:
    """One rule's say on one placement; `holds` None means that `missing` facts decide it."""

    rule: str
    effect: str
    holds: bool | None
    points: int
    message: str
    fix: str
    step: str
    effort_h: float
    facts: tuple[str, ...]
    missing: tuple[str, ...]
    evidence: tuple[Any, ...]


@dataclass
class Placement:
    """One placement's assessment."""

    placement: str
    state: str
    low: int
    high: int
    effort_h: float
    reasons: list[Reason] = field(default_factory=list)


@dataclass
class Verdict:
    """The whole assessment; `strength` is dominant, leaning, undecided or insufficient data."""

    recommendation: str
    strength: str
    confidence: float
    would_settle: list[str]
    placements: list[Placement]

    def to_json(self) -> dict[str, Any]:
        """Plain data for the catalogue and `--json`."""
        return asdict(self)


def facts_hash(facts: policy.Facts) -> str:
    """SHA-256 over names and values: the same for a second reading that saw the same."""
    plain = {name: item["value"] for name, item in facts.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def assess(facts: policy.Facts, rules: policy.RuleSet, language: str = "en") -> Verdict:
    """Apply all rules.  Deterministic: depends on facts and rules alone."""
    placements = [_placement(name, facts, rules, language) for name in policy.PLACEMENTS]
    return _recommend(placements, facts)


def _placement(name: str, facts: policy.Facts, rules: policy.RuleSet, language: str) -> Placement:
    reasons: list[Reason] = []
    low = high = 50
    effort = 0.0
    state = "ready"
    for rule in rules.rules:
        if name not in rule.placements:
            continue
        value = policy.holds(rule.when, facts)
        names = tuple(dict.fromkeys(policy.asked(rule.when)))
        if value is False:
            continue
        missing = tuple(item for item in names if item not in facts) if value is None else ()
        evidence = tuple(
            {"fact": item, "value": facts[item]["value"], "at": facts[item].get("evidence", [])} for item in names if item in facts
        )
        text = policy.message(rule, facts, language)
        reasons.append(
            Reason(
                rule.id,
                rule.effect,
                value,
                rule.points,
                text,
                rule.fix,
                rule.step,
                rule.effort_h,
                names,
                missing,
                evidence,
            )
        )
        if rule.effect == "block":
            state = "ineligible" if value else _worse(state, "unproven")
        elif rule.effect == "condition" and value:
            state = _worse(state, "conditional")
            effort += rule.effort_h
        elif rule.effect == "utility":
            low += min(rule.points, 0) if value is None else rule.points
            high += max(rule.points, 0) if value is None else rule.points
    return Placement(name, state, max(0, min(100, low)), max(0, min(100, high)), effort, reasons)


def _worse(one: str, other: str) -> str:
    return max(one, other, key=STATES.index)


def _recommend(placements: list[Placement], facts: policy.Facts) -> Verdict:
    open_ = [item for item in placements if item.state in {"ready", "conditional"}]
    unproven = [item for item in placements if item.state == "unproven"]
    missing = {name for item in placements for reason in item.reasons if reason.holds is None for name in reason.missing}
    if not open_:
        strength = "insufficient data" if unproven else "undecided"
        return Verdict("none", strength, 0.0, sorted(missing), placements)
    # stable: equal middles keep the order of PLACEMENTS, the least privileged first
    ranked = sorted(open_, key=lambda item: -(item.low + item.high))
    best = ranked[0]
    rivals = [item for item in (*ranked[1:], *unproven) if item.high >= best.low]
    flips = sorted({name for item in (best, *rivals) for reason in item.reasons if reason.holds is None for name in reason.missing})
    if not rivals:
        strength = "dominant"
    elif all(best.low + best.high > item.low + item.high for item in rivals if item.state != "unproven") and len(flips) < 4:
        strength = "leaning"
    else:
        strength = "undecided"
    used = {name for item in placements for reason in item.reasons for name in reason.facts}
    confidence = round(len(used & set(facts)) / len(used), 2) if used else 0.0
    return Verdict(best.placement, strength, confidence, flips, placements)
