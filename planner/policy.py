"""Rules as data, with conditions in three values (Kleene): true, false, unknown.

In: rule files and a workload's facts.  Out: for each rule True, False or None, the facts it asked for, and which were unknown.  Pure
but for reading the files.  A condition is one of

    {all: [...]}  {any: [...]}  {not: ...}  {fact: NAME, is|not|below|above|in|contains|matches|empty: VALUE}  {known: NAME}

A fact that nobody could read makes its leaf unknown; `known` alone is never unknown.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inventory import yamlfile
from inventory.errors import ConfigurationError

PLACEMENTS = ("site-cluster", "virtual-host", "vps", "colocation", "retire")
"""From the least privileged on: ties go to the first."""

Facts = Mapping[str, Mapping[str, Any]]
OPERATORS = ("is", "not", "below", "above", "in", "contains", "matches", "empty")
SHIPPED = Path(__file__).parent / "rules"


class Rule(BaseModel):
    """One rule.  `points` is what a utility adds to the placement's score; `effort_h` the hours a condition costs."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    placements: tuple[Literal["site-cluster", "virtual-host", "vps", "colocation", "retire"], ...]
    when: dict[str, Any]
    effect: Literal["block", "condition", "utility", "info"]
    points: int = 0
    effort_h: float = 0
    message: str
    message_zh: str = ""
    help: str
    fix: str = ""
    step: str = ""
    links: tuple[str, ...] = ()
    enabled: bool = True

    @model_validator(mode="after")
    def _check(self) -> Rule:
        problem = _malformed(self.when)
        if problem:
            raise ValueError(f"when: {problem}")
        if (self.effect == "utility") != (self.points != 0):
            raise ValueError("points belong to a utility, and every utility has some")
        return self


class _RuleFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rules: list[Rule]


@dataclass(frozen=True)
class RuleSet:
    """All rules in force, ordered by id, and their hash."""

    rules: tuple[Rule, ...]

    @property
    def hash(self) -> str:
        """SHA-256 over all rules: a verdict names the set that it was made with."""
        text = json.dumps([rule.model_dump(mode="json") for rule in self.rules], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def load(folders: Sequence[Path] = (SHIPPED,)) -> RuleSet:
    """Rules of all `*.yml` in the folders; a later folder's rule replaces one of the same id.  Raises ConfigurationError."""
    rules: dict[str, Rule] = {}
    problems: list[str] = []
    for folder in folders:
        seen: dict[str, str] = {}
        for path in sorted(folder.glob("*.yml")):
            document = yamlfile.read(path)
            for index, rule in enumerate(document.validate(_RuleFile).rules):
                where = document.place(("rules", index, "id"))
                if rule.id in seen:
                    problems.append(f"{where}: the rule {rule.id!r} stands already at {seen[rule.id]}")
                seen[rule.id] = where
                rules[rule.id] = rule
    if problems:
        raise ConfigurationError(problems)
    return RuleSet(tuple(rules[name] for name in sorted(rules) if rules[name].enabled))


def _malformed(condition: Any) -> str:
    if not isinstance(condition, dict):
        return f"expected a mapping, not {condition!r}"
    keys = set(condition)
    if keys in ({"all"}, {"any"}):
        items = next(iter(condition.values()))
        if not isinstance(items, list) or not items:
            return f"{next(iter(keys))} needs a list"
        return next((text for text in map(_malformed, items) if text), "")
    if keys == {"not"}:
        return _malformed(condition["not"])
    if keys == {"known"}:
        return "" if isinstance(condition["known"], str) else "known needs a fact's name"
    if len(keys) == 2 and "fact" in keys and (keys - {"fact"}) <= set(OPERATORS):
        return ""
    return f"{sorted(keys)} is no condition: all, any, not, known, or fact with one of {', '.join(OPERATORS)}"


def holds(condition: Mapping[str, Any], facts: Facts) -> bool | None:
    """True, False, or None when what is unknown decides it."""
    if "all" in condition:
        values = [holds(item, facts) for item in condition["all"]]
        return False if False in values else None if None in values else True
    if "any" in condition:
        values = [holds(item, facts) for item in condition["any"]]
        return True if True in values else None if None in values else False
    if "not" in condition:
        value = holds(condition["not"], facts)
        return None if value is None else not value
    if "known" in condition:
        return bool(condition["known"] in facts)
    if condition["fact"] not in facts:
        return None
    operator = next(key for key in condition if key != "fact")
    return _compare(operator, facts[condition["fact"]]["value"], condition[operator])


def _compare(operator: str, value: Any, wanted: Any) -> bool | None:
    if operator == "is":
        return bool(value == wanted)
    if operator == "not":
        return bool(value != wanted)
    if operator == "in":
        return bool(value in wanted)
    if operator == "empty":
        return bool((not value) == wanted)
    if operator == "contains":
        return wanted in value if isinstance(value, (list, str, dict)) else None
    if operator == "matches":
        return re.search(wanted, value) is not None if isinstance(value, str) else None
    try:
        left, right = _number(value), _number(wanted)
    except (TypeError, ValueError):
        return None
    return left < right if operator == "below" else left > right


def _number(value: Any) -> tuple[float, ...]:
    """Numbers and version texts (`7.4`, `10.11.6-MariaDB`) as tuples, so that 10.11 lies above 10.5."""
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, (int, float)):
        return (float(value),)
    match = re.match(r"\d+(\.\d+)*", str(value))
    if match is None:
        raise ValueError(value)
    return tuple(float(part) for part in match.group().split("."))


def asked(condition: Mapping[str, Any]) -> Iterator[str]:
    """The facts that a condition reads."""
    if "fact" in condition:
        yield condition["fact"]
    elif "known" in condition:
        yield condition["known"]
    elif "not" in condition:
        yield from asked(condition["not"])
    else:
        for item in condition.get("all") or condition.get("any") or []:
            yield from asked(item)


def message(rule: Rule, facts: Facts, language: str = "en") -> str:
    """The rule's sentence with the measured values: `{content.bytes}` becomes `12.3 MB`, an unknown one `?`."""
    text = rule.message_zh if language == "zh_CN" and rule.message_zh else rule.message
    return re.sub(r"\{([a-z_.]+)\}", lambda match: show(match.group(1), facts.get(match.group(1), {}).get("value", "?")), text)


def show(name: str, value: Any) -> str:
    """A fact's value for people."""
    if name.endswith("bytes") and isinstance(value, (int, float)) and not isinstance(value, bool):
        for unit in ("B", "kB", "MB", "GB", "TB"):
            if value < 1000 or unit == "TB":
                return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
            value = value / 1000
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in sorted(value.items(), key=str))
    if isinstance(value, (list, tuple)):
        shown = [str(item.get("path", item)) if isinstance(item, dict) else str(item) for item in value]
        return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "") if shown else "none"
    return str(value)
