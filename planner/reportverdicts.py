"""A site's verdict as the report shows it: placements with their intervals, what the rules say, said once, and the facts behind it.  Pure.

In: a stored verdict, the facts that it was made from, the rules in force, a language.  Out: a `Verdict`.

A rule speaks of several placements, and most rules say nothing that this site alone is told: so each finding is shown once, with its
placements; what holds for every site of a placement stands once in the report (`brings`); what nobody knows is counted, with the facts
that are lacking.  What is left out is counted too, never dropped in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inventory import conditions, model
from planner import wording
from planner.policy import PLACEMENTS, STEPS, Facts, Rule, RuleSet

Json = Mapping[str, Any]
KINDS = ("block", "condition", "utility", "info")


@dataclass(frozen=True)
class Reason:
    """What one rule says of a site.  `step` is where a move deals with it; `gate`: the move waits for it; `check`: what is verified."""

    rule: str
    message: str
    fix: str
    placements: tuple[str, ...]
    points: int
    dimension: str
    hours: float
    step: str
    gate: bool
    check: str


@dataclass(frozen=True)
class Placement:
    """One placement: state, score from `low` to `high`, hours (certain, and at most), each dimension's interval."""

    placement: str
    state: str
    low: int
    high: int
    hours: float
    most: float
    dimensions: tuple[tuple[str, float, float], ...]
    chosen: bool


@dataclass(frozen=True)
class Verdict:
    """A site's assessment as stored; `current` is false when its facts have changed since.

    `placements` are those that nothing blocks, `closed` the others.  `settles` are unknown facts on which the first rank hangs, `lacking`
    the other unknown ones, `unknown` how many rules nobody could answer, by effect.  `behind`: the facts that the reasons rest upon.
    Where a placement is recommended, `conditions` are those of it alone; `elsewhere` counts those of other open placements.
    """

    recommendation: str
    strength: str
    state: str
    confidence: float
    holds: float | None
    computed: str
    void: str
    override: Json | None
    placements: tuple[Placement, ...]
    closed: tuple[str, ...]
    blocks: tuple[Reason, ...]
    conditions: tuple[Reason, ...]
    scores: tuple[Reason, ...]
    notes: tuple[Reason, ...]
    elsewhere: int
    unknown: Mapping[str, int]
    settles: tuple[str, ...]
    lacking: tuple[str, ...]
    behind: frozenset[str]
    assessed_at: datetime
    current: bool

    @property
    def blocked(self) -> tuple[tuple[tuple[str, ...], tuple[Reason, ...]], ...]:
        """The blocks by the placements that they forbid."""
        found: dict[tuple[str, ...], list[Reason]] = {}
        for reason in self.blocks:
            found.setdefault(reason.placements, []).append(reason)
        return tuple((placements, tuple(reasons)) for placements, reasons in found.items())

    @property
    def lacking_groups(self) -> tuple[tuple[str, int], ...]:
        """How many further facts are unknown, by what they are about."""
        return tuple(sorted(Counter(_group(name) for name in self.lacking).items()))

    @property
    def settles_groups(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The facts on which the rank hangs, by what they are about: many of one kind have one cause, as that nobody looked over HTTP."""
        found: dict[str, list[str]] = {}
        for name in self.settles:
            found.setdefault(_group(name), []).append(name)
        return tuple((group, tuple(names)) for group, names in found.items())

    @property
    def gates(self) -> tuple[Reason, ...]:
        """What must be settled before the move to the recommended placement begins."""
        return tuple(item for item in self.conditions if item.gate and self.recommendation in item.placements)

    @property
    def questions(self) -> int:
        """How many of the unknown facts are answers of people."""
        return sum(name.startswith("answer.") for name in (*self.settles, *self.lacking))


def verdict(row: model.Verdict, facts: Facts, rules: RuleSet | None, language: str, *, at: datetime, current: bool) -> Verdict:
    """The stored verdict for the page.  Its sentences speak `language` where the rules in force are those that it was made with."""
    spoken = rules.by_id if rules is not None and rules.hash == row.rules_hash and current else {}
    values = conditions.values_of(facts)
    data = row.data
    entries = [_placement(entry, row.recommendation) for entry in data.get("placements", [])]
    entries.sort(key=lambda entry: (not entry.chosen, -entry.low - entry.high, PLACEMENTS.index(entry.placement)))
    open_ = {entry.placement for entry in entries if entry.state != "ineligible"}
    found: dict[str, list[Reason]] = {kind: [] for kind in KINDS}
    unknown: Counter[str] = Counter()
    elsewhere = 0
    missing: set[str] = set()
    behind: set[str] = set()
    for item in data.get("findings", []):
        effect = item["effect"]
        concerned = tuple(name for name in PLACEMENTS if name in item["placements"] and (name in open_ or effect == "block"))
        if not concerned or (effect == "utility" and item["holds"] and not item["facts"]):
            continue  # of what is blocked anyway, or the same for every site: `brings`
        if item["holds"] is None:
            if effect != "info" and open_ & {*concerned}:
                unknown[effect] += 1
                missing |= {*item["missing"]}
            continue
        if effect == "condition" and row.recommendation in open_ and row.recommendation not in concerned:
            elsewhere += 1
            continue
        rule = spoken.get(item["rule"])
        message = wording.message(rule, values, language) if rule else str(item["message"])
        fix = wording.fix(rule, language) if rule else str(item["fix"])
        fix = "" if str(item["fix"]).startswith("None needed") or _nothing(rule) else fix
        points, hours = int(item["points"]), float(item["effort_h"])
        found[effect].append(
            Reason(
                item["rule"], message, fix, concerned, points, item["dimension"], hours,
                item.get("step", ""), bool(item.get("gate")), item.get("check", ""),
            )
        )  # fmt: skip
        behind |= {*item["facts"]}
    chosen = next((entry for entry in entries if entry.chosen), None)
    settles = tuple(str(name) for name in data.get("would_settle", ()))
    holds = data.get("holds")
    return Verdict(
        row.recommendation, row.strength, chosen.state if chosen else "", float(data.get("confidence", 0)),
        None if holds is None else float(holds), str(data.get("computed") or ""), str(data.get("void") or ""), data.get("override"),
        tuple(entry for entry in entries if entry.placement in open_),
        tuple(entry.placement for entry in entries if entry.placement not in open_),
        _blocks(found["block"], row.recommendation), _conditions(found["condition"], row.recommendation), _scores(found["utility"]),
        tuple(found["info"]), elsewhere, dict(unknown), settles, tuple(sorted(missing - {*settles})), frozenset(behind), at, current,
    )  # fmt: skip


def _group(name: str) -> str:
    return name.partition(".")[0]


def _nothing(rule: Rule | None) -> bool:
    """Whether a rule's advice is that there is nothing to do."""
    return rule is not None and rule.fix.startswith("None needed")


def _placement(entry: Json, recommended: str) -> Placement:
    dimensions = tuple((name, float(low), float(high)) for name, (low, high) in entry.get("dimensions", {}).items())
    hours = float(entry.get("effort_h", 0))
    return Placement(
        entry["placement"], entry["state"], int(entry["low"]), int(entry["high"]), hours, float(entry.get("effort_most_h", hours)),
        dimensions, entry["placement"] == recommended,
    )  # fmt: skip


def _blocks(found: Iterable[Reason], recommended: str) -> tuple[Reason, ...]:
    return tuple(sorted(found, key=lambda item: (recommended not in item.placements, PLACEMENTS.index(item.placements[0]), item.rule)))


def _conditions(found: Iterable[Reason], recommended: str) -> tuple[Reason, ...]:
    order = {step: number for number, step in enumerate(STEPS)}
    return tuple(sorted(found, key=lambda item: (recommended not in item.placements, not item.gate, order.get(item.step, -1), item.rule)))


def _scores(found: Iterable[Reason]) -> tuple[Reason, ...]:
    return tuple(sorted(found, key=lambda item: (-item.points, item.rule)))


def because(verdict: Verdict) -> Reason | None:
    """The one reason that says most of why the recommended placement is it: what forbids the next simpler one, else what speaks for it."""
    chosen = verdict.recommendation
    if chosen not in PLACEMENTS:
        return next(iter(verdict.blocks), None)
    for simpler in reversed(PLACEMENTS[: PLACEMENTS.index(chosen)]):
        if chosen == "retire":
            break  # nobody retires a site because it could not be moved
        for item in verdict.blocks:
            if simpler in item.placements and chosen not in item.placements:
                return item
    speaks = (item for item in (*verdict.scores, *verdict.notes, *verdict.conditions) if chosen in item.placements and item.points >= 0)
    return next(speaks, None)


def brings(rules: RuleSet | None, language: str) -> Sequence[tuple[str, tuple[Reason, ...]]]:
    """What each placement brings whatever the site is: the scores that ask for no fact."""
    found = []
    for placement in PLACEMENTS:
        own = [
            _told(rule, wording.message(rule, {}, language), language)
            for rule in (rules.rules if rules is not None else ())
            if rule.effect == "utility" and not rule.facts and placement in rule.placements
        ]
        if own:
            found.append((placement, _scores(own)))
    return tuple(found)


def dealt_with(verdicts: Iterable[Verdict], rules: RuleSet | None, language: str) -> tuple[tuple[Reason, int], ...]:
    """The conditions that hold anywhere, with how many sites: what is done about each, in which step, and what is verified for it.

    It stands once in the report, since it is the same for every site; in `message` stands the rule's help, without a site's values.
    """
    counts = Counter(reason.rule for verdict in verdicts for reason in verdict.conditions)
    latest = {reason.rule: reason for verdict in verdicts for reason in verdict.conditions}
    known = rules.by_id if rules is not None else {}
    steps = {step: number for number, step in enumerate(STEPS)}
    found = [(_told(known[name], "", language) if name in known else latest[name], count) for name, count in counts.items()]
    return tuple(sorted(found, key=lambda item: (steps.get(item[0].step, -1), item[0].rule)))


def _told(rule: Rule, message: str, language: str) -> Reason:
    fix = "" if _nothing(rule) else wording.fix(rule, language)
    return Reason(
        rule.id, message, fix, rule.placements, rule.points, rule.dimension or "", rule.effort_h, rule.step, rule.gate, rule.check
    )  # fmt: skip
