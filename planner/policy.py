"""Rules and weights as data, with conditions in three values (Kleene): true, false, unknown.

In: rule files, the shipped ones and a workspace's own.  Out: a `RuleSet`: rules in force, weights, and one hash over both.  Pure but for
reading the files.  What a condition may say stands in `inventory.conditions`; the sentences in `planner.wording`.

A workspace's `policy/*.yml` add rules (`rules:`), replace one of the same id, or change single fields of a shipped one
(`change: {rule-id: {enabled: false}}`); `policy/weights.yml` does the same for weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inventory import conditions, yamlfile
from inventory.conditions import Facts, asked, holds, malformed
from inventory.errors import ConfigurationError
from inventory.findings import FACT

__all__ = ["DIMENSIONS", "PLACEMENTS", "SHIPPED", "Facts", "Rule", "RuleSet", "Step", "Weights", "asked", "holds", "load"]

Placement = Literal["site-cluster", "virtual-host", "vps", "colocation", "retire"]
PLACEMENTS: tuple[Placement, ...] = ("site-cluster", "virtual-host", "vps", "colocation", "retire")
"""From the least privileged on: ties go to the first."""

Dimension = Literal["technical", "effort", "operations", "security", "capacity", "autonomy", "cost"]
DIMENSIONS: tuple[Dimension, ...] = ("technical", "effort", "operations", "security", "capacity", "autonomy", "cost")
"""What a score is added up from.  Effort and cost are reckoned from hours and money; utilities may add to all others."""

Step = Literal[
    "", "agree", "quarantine", "content", "provision", "preseed", "rehearse", "freeze", "sync", "verify", "cutover", "watch", "accept",
    "decommission",
]  # fmt: skip
STEPS = tuple(step for step in get_args(Step) if step)
"""Where in a move a finding is dealt with, in order: `agree`, `quarantine` and `content` are people's work before anything is copied."""

Skill = Literal["web", "database", "system", "network", "unit"]
"""Whose hours a move takes; `unit` is the unit's own staff."""

SHIPPED = Path(__file__).parent / "rules"
_WEIGHTS = "weights.yml"
_NO_RULES = {"questions.yml"}
"""What else may stand in a workspace's `policy/`: planner/questions.py reads it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Strict, conditions.Conditional):
    """One rule.  A utility adds `points` to its dimension; a condition costs `effort_h` hours of `skill` and is settled in `step`.

    `gate`: the condition must be met before the move begins, so the move waits for it.  `check` says what verification has to look at
    because of it.  `known` is not allowed where a verdict depends on it: to learn a fact must never make anything less certain.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    placements: Annotated[tuple[Placement, ...], Field(min_length=1)]
    when: dict[str, Any]
    effect: Literal["block", "condition", "utility", "info"]
    dimension: Dimension | None = None
    points: Annotated[int, Field(ge=-100, le=100)] = 0
    effort_h: Annotated[float, Field(ge=0, le=1000)] = 0
    skill: Skill = "web"
    message: str
    message_zh: str = ""
    help: str
    fix: str = ""
    fix_zh: str = ""
    step: Step = ""
    gate: bool = False
    check: str = ""
    links: tuple[str, ...] = ()
    enabled: bool = True

    @model_validator(mode="after")
    def _check(self) -> Rule:
        problem = malformed(self.when)
        if problem:
            raise ValueError(f"when: {problem}")
        if (self.effect == "utility") != (self.points != 0) or (self.effect == "utility") != (self.dimension is not None):
            raise ValueError("points and a dimension belong to a utility, and every utility has both")
        if self.dimension in {"effort", "cost"}:
            raise ValueError(
                f"{self.dimension} is reckoned from {'hours' if self.dimension == 'effort' else 'tariffs'}, not given in points"
            )
        if self.effort_h and self.effect != "condition":
            raise ValueError("only a condition costs hours")
        if self.gate and self.effect != "condition":
            raise ValueError("only a condition can be a gate")
        if self.effect != "info" and "known" in _operators(self.when):
            raise ValueError("`known` is for info only: a verdict would change because of what was not read")
        return self

    @cached_property
    def shown(self) -> frozenset[str]:
        """The facts whose values its sentence shows."""
        return frozenset(FACT.findall(self.message)) | frozenset(FACT.findall(self.message_zh))


def _operators(condition: Mapping[str, Any]) -> set[str]:
    found = set(condition)
    for key in ("all", "any"):
        for item in condition.get(key, []):
            found |= _operators(item)
    return found | (_operators(condition["not"]) if isinstance(condition.get("not"), dict) else set())


class Trials(_Strict):
    """Does the first rank hold when the weights are a little different?  `count` draws within ± `spread`, of which `hold` must agree."""

    count: Annotated[int, Field(ge=1, le=10_000)] = 200
    spread: Annotated[float, Field(gt=0, lt=1)] = 0.25
    hold: Annotated[float, Field(gt=0, le=1)] = 0.8
    seed: int = 20_150


class Weights(_Strict):
    """How much each dimension counts, and what confidence is made of; the shipped file explains each figure."""

    dimensions: dict[Dimension, Annotated[float, Field(ge=0)]]
    hours: dict[Placement, dict[Skill, Annotated[float, Field(ge=0)]]] = {}
    hours_full: Annotated[float, Field(gt=0)]
    cost_full: Annotated[float, Field(gt=0)]
    reliability: dict[str, Annotated[float, Field(ge=0, le=1)]]
    half_life_days: Annotated[float, Field(gt=0)]
    trials: Trials = Trials()

    @model_validator(mode="after")
    def _check(self) -> Weights:
        missing = [name for name in DIMENSIONS if name not in self.dimensions]
        if missing:
            raise ValueError(f"dimensions: {', '.join(missing)} missing")
        if sum(self.base_hours(name) for name in PLACEMENTS) == 0:
            raise ValueError("hours: a move to any placement takes some work")
        if not any(self.dimensions.values()):
            raise ValueError("dimensions: at least one must count")
        return self

    def base_hours(self, placement: str) -> float:
        """Hours that a move to the placement takes before any condition adds to them."""
        return sum(hours for name, by_skill in self.hours.items() if name == placement for hours in by_skill.values())


class _RuleFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rules: list[Rule] = []
    change: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True)
class RuleSet:
    """All rules in force, ordered by id, the weights, and their hash."""

    rules: tuple[Rule, ...]
    weights: Weights

    @cached_property
    def hash(self) -> str:
        """SHA-256 over all rules and weights: a verdict names the set that it was made with."""
        rules = [rule.model_dump(mode="json") for rule in self.rules]
        text = json.dumps([rules, self.weights.model_dump(mode="json")], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def unpriced(self) -> RuleSet:
        """The same without the dimension of cost, for a center that has given no tariffs."""
        dimensions = {**self.weights.dimensions, "cost": 0.0}
        return RuleSet(self.rules, self.weights.model_copy(update={"dimensions": dimensions}))

    @cached_property
    def by_id(self) -> Mapping[str, Rule]:
        """The rules by their ids."""
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def facts(self) -> frozenset[str]:
        """Every fact that some rule asks for."""
        return frozenset(name for rule in self.rules for name in rule.facts)

    @cached_property
    def asked(self) -> frozenset[str]:
        """Every fact that a verdict depends on: what conditions ask for, what sentences show, what the placements cost."""
        shown = frozenset(name for rule in self.rules for name in rule.shown)
        return self.facts | shown | {f"cost.{placement}" for placement in PLACEMENTS}

    @cached_property
    def blocking(self) -> Mapping[str, frozenset[str]]:
        """The facts that blocks of a placement ask for, by placement."""
        blocks = [rule for rule in self.rules if rule.effect == "block"]
        return {name: frozenset(fact for rule in blocks if name in rule.placements for fact in rule.facts) for name in PLACEMENTS}

    @cached_property
    def asking(self) -> Mapping[str, tuple[Rule, ...]]:
        """The rules that ask for a fact, by the fact."""
        return {name: tuple(rule for rule in self.rules if name in rule.facts) for name in sorted(self.facts)}


def load(folders: Sequence[Path] = (SHIPPED,)) -> RuleSet:
    """Rules and weights of the folders; a later folder replaces and changes those of earlier ones.  Raises ConfigurationError."""
    rules: dict[str, Rule] = {}
    weights: dict[str, Any] = {}
    problems: list[str] = []
    at = _WEIGHTS
    for folder in folders:
        seen: dict[str, str] = {}
        for path in sorted(folder.glob("*.yml")):
            if path.name in _NO_RULES:
                continue
            document = yamlfile.read(path)
            if path.name == _WEIGHTS:
                weights, at = _merged(weights, document.data or {}), str(path)
                continue
            file = document.validate(_RuleFile)
            for index, rule in enumerate(file.rules):
                where = document.place(("rules", index, "id"))
                if rule.id in seen:
                    problems.append(f"{where}: the rule {rule.id!r} stands already at {seen[rule.id]}")
                seen[rule.id] = where
                rules[rule.id] = rule
            for name, changes in file.change.items():
                problems += _change(rules, name, changes, document)
    try:
        weighed = Weights.model_validate(weights)
    except ValidationError as error:
        problems += [f"{at}: {'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors()]
    if problems:
        raise ConfigurationError(problems)
    return RuleSet(tuple(rules[name] for name in sorted(rules) if rules[name].enabled), weighed)


def _change(rules: dict[str, Rule], name: str, changes: Mapping[str, Any], document: yamlfile.Document) -> list[str]:
    """Change single fields of a rule that stands already; what is wrong with that."""
    if name not in rules:
        return [f"{document.place(('change', name))}: there is no rule {name!r} to change; planner rules lists them"]
    try:
        rules[name] = Rule.model_validate({**rules[name].model_dump(), **changes})
    except ValidationError as error:
        return [
            f"{document.place(('change', name, *item['loc'][:1]))}: {'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors()
        ]
    return []


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: _merged(below[key], above[key]) for key in above if isinstance(below.get(key), dict) and isinstance(above[key], dict)}
    return {**below, **above, **both}
