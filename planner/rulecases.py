"""Cases of rules, run: facts with which a rule holds, with which it does not, and with which nobody can tell.  Pure but for reading files.

In: the rules in force, and folders of rules: their `cases/*.yml`, as `rule-id: {match: [{fact: value}], no_match: [...], unknown: [...]}`.
Out: how many cases were tried, and every problem with its `file:line:column`.  A later folder's cases of a rule take the place of
earlier ones, as its rules do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel

from inventory import yamlfile
from planner import factnames
from planner.policy import Rule, RuleSet

FOLDER = "cases"
EXPECTED = {"match": True, "no_match": False, "unknown": None}
_SAID = {True: "it holds", False: "it does not hold", None: "nobody can tell"}


class Cases(BaseModel):
    """One rule's cases; each is a mapping of facts to values, and what it does not name is unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    match: tuple[dict[str, Any], ...] = ()
    no_match: tuple[dict[str, Any], ...] = ()
    unknown: tuple[dict[str, Any], ...] = ()


class _File(RootModel[dict[str, Cases]]):
    pass


@dataclass(frozen=True)
class Located:
    """A rule's cases, and the file that they stand in."""

    cases: Cases
    document: yamlfile.Document


@dataclass(frozen=True)
class Report:
    """What a run found; no problems is a pass."""

    rules: int
    tried: int
    problems: tuple[str, ...]


def load(folders: Sequence[Path]) -> dict[str, Located]:
    """The cases of all folders by rule.  Raises ConfigurationError for a file that is not well made."""
    found: dict[str, Located] = {}
    for folder in folders:
        for path in sorted((folder / FOLDER).glob("*.yml")):
            document = yamlfile.read(path)
            for name, cases in document.validate(_File).root.items():
                found[name] = Located(cases, document)
    return found


def run(rules: RuleSet, folders: Sequence[Path], also: frozenset[str] = frozenset()) -> Report:
    """Try every case.  `also` are rules that exist but are not in force: their cases are left alone."""
    located = load(folders)
    problems = [
        f"{one.document.place((name,))}: there is no rule {name!r}"
        for name, one in located.items()
        if name not in rules.by_id and name not in also
    ]
    problems += factnames.unknown(rules.rules)
    tried = 0
    for rule in rules.rules:
        one = located.get(rule.id)
        if one is None:
            problems.append(f"{rule.id}: it has no cases; write them into {FOLDER}/*.yml beside its rules")
            continue
        problems += _lacking(rule, one)
        for kind, expected in EXPECTED.items():
            for index, values in enumerate(getattr(one.cases, kind)):
                tried += 1
                problem = _tried(rule, values, expected)
                if problem:
                    problems.append(f"{one.document.place((rule.id, kind, index))}: {rule.id}: {problem}")
    return Report(len(rules.rules), tried, tuple(problems))


def _lacking(rule: Rule, one: Located) -> list[str]:
    """Kinds of cases that a rule must have and has not; one that always holds can only match."""
    wanted = ("match",) if rule.when.get("always") else tuple(EXPECTED)
    at = one.document.place((rule.id,))
    return [f"{at}: {rule.id}: it has no case of {kind}" for kind in wanted if not getattr(one.cases, kind)]


def _tried(rule: Rule, values: Mapping[str, Any], expected: bool | None) -> str:
    """What is wrong with one case, or ''."""
    strange = sorted(name for name in values if name not in factnames.names())
    if strange:
        return f"nothing can learn {', '.join(strange)}"
    nothing = sorted(name for name, value in values.items() if value is None)
    if nothing:
        return f"{', '.join(nothing)}: leave out what is unknown"
    try:
        said = rule.test(values)
    except Exception as error:  # whatever a rule does to stop, the others are tried
        return f"it stops with {type(error).__name__}: {error}"
    return "" if said is expected else f"{_SAID[said]}, where {_SAID[expected]} is expected"
