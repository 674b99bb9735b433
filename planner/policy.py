"""Rules as data, with conditions in three values (Kleene): true, false, unknown.

In: rule files and a workload's facts.  Out: for each rule True, False or None, the facts it asked for, and which were unknown.  Pure
but for reading the files.  What a condition may say stands in `inventory.conditions`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inventory import yamlfile
from inventory.conditions import Facts, asked, holds, malformed
from inventory.errors import ConfigurationError

__all__ = ["PLACEMENTS", "SHIPPED", "Facts", "Rule", "RuleSet", "asked", "fill", "holds", "load", "message", "show"]

PLACEMENTS = ("site-cluster", "virtual-host", "vps", "colocation", "retire")
"""From the least privileged on: ties go to the first."""

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
        problem = malformed(self.when)
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


def message(rule: Rule, facts: Facts, language: str = "en") -> str:
    """The rule's sentence with the measured values: `{content.bytes}` becomes `12.3 MB`, an unknown one `?`."""
    chinese = language == "zh_CN" and rule.message_zh
    return fill(rule.message_zh if chinese else rule.message, facts, "zh_CN" if chinese else "en")


def fill(text: str, facts: Facts, language: str = "en") -> str:
    """A sentence with the values of the facts that it names."""

    def value(match: re.Match[str]) -> str:
        found = facts.get(match.group(1), {}).get("value", "?")
        if isinstance(found, bool) and language == "zh_CN":
            return "是" if found else "否"
        return show(match.group(1), found)

    return re.sub(r"\{([a-z_.]+)\}", value, text)


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
        shown = [_named(item) for item in value]
        return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "") if shown else "none"
    return str(value)


def _named(item: Any) -> str:
    """A list's item by what tells it: its path, or its sentence."""
    return str(next((item[key] for key in ("path", "why", "text") if key in item), item) if isinstance(item, dict) else item)
