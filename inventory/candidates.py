"""Candidates for closing (zombie sites): rules as data, judged in three values, each with the facts that prove it.

In: a site's facts, the sheet that declares it and the day.  Out: for each rule yes, no or unknown, the facts it read, those that are
missing, and the exception that excuses it.  Pure but for reading the rules.  A fact that nobody read never makes a candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inventory import yamlfile
from inventory.conditions import Conditional, Facts, malformed, values_of
from inventory.errors import ConfigurationError
from inventory.sameness import passed

SHIPPED = Path(__file__).with_name("candidates.yml")
OWN = "inventory/candidates.yml"


class _Named(BaseModel, Conditional):
    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    title: Mapping[str, str]
    when: dict[str, Any]
    enabled: bool = True

    @model_validator(mode="after")
    def _check(self) -> _Named:
        if problem := malformed(self.when):
            raise ValueError(f"when: {problem}")
        return self

    def called(self, language: str) -> str:
        """Its title for people."""
        return self.title.get(language[:2]) or self.title.get("en") or self.id


class Excuse(_Named):
    """What excuses a site."""


class Rule(_Named):
    """One rule; `exceptions` are ids."""

    message: str
    message_zh: str = ""
    exceptions: tuple[str, ...] = ()


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    rules: tuple[Rule, ...] = ()
    exceptions: tuple[Excuse, ...] = ()


@dataclass(frozen=True)
class RuleSet:
    """The rules in force, in their order, and the exceptions by id."""

    rules: tuple[Rule, ...]
    exceptions: Mapping[str, Excuse]


@dataclass(frozen=True)
class Finding:
    """One rule's say on one site: `holds` None means that `missing` facts decide it; `excused` is the exception that holds."""

    rule: Rule
    holds: bool | None
    excused: str
    facts: Mapping[str, Mapping[str, Any]]
    missing: tuple[str, ...]


def load(workspace: Path | None = None) -> RuleSet:
    """What ships, replaced and completed by the workspace's own file.  Raises ConfigurationError with `file:line:column`."""
    rules: dict[str, Rule] = {}
    exceptions: dict[str, Excuse] = {}
    problems: list[str] = []
    for path in (SHIPPED, workspace / OWN if workspace else None):
        if path is None or not path.exists():
            continue
        document = yamlfile.read(path)
        content = document.validate(_File)
        exceptions |= {item.id: item for item in content.exceptions}
        rules |= {item.id: item for item in content.rules}
        for index, rule in enumerate(content.rules):
            for number, name in enumerate(rule.exceptions):
                if name not in exceptions:
                    problems.append(f"{document.place(('rules', index, 'exceptions', number))}: there is no exception {name!r}")
    if problems:
        raise ConfigurationError(problems)
    return RuleSet(
        tuple(rule for rule in rules.values() if rule.enabled), {name: item for name, item in exceptions.items() if item.enabled}
    )


def judge(rules: RuleSet, facts: Facts) -> list[Finding]:
    """Every rule's say on a site."""
    found = []
    values = values_of(facts)
    for rule in rules.rules:
        value = rule.test(values)
        excuses = [rules.exceptions[name] for name in rule.exceptions if name in rules.exceptions]
        excused = [(item, item.test(values)) for item in excuses]
        excuse = next((item.id for item, state in excused if state), "")
        doubtful = [item for item, state in excused if state is None]
        lacking = [name for name in rule.facts if name not in facts] if value is None else []
        if excuse and value is not False:
            value, lacking = False, []
        elif value and doubtful:
            value, lacking = None, [name for item in doubtful for name in item.facts if name not in facts]
        known = {name: facts[name] for name in rule.facts if name in facts}
        found.append(Finding(rule, value, excuse, known, tuple(dict.fromkeys(lacking))))
    return found


def facts_of(facts: Facts, declared: Mapping[str, Any] | None, unit: str | None, today: date) -> dict[str, Mapping[str, Any]]:
    """The facts that the rules may read: the site's own, what its sheet declares, and what is made of both."""
    known: dict[str, Mapping[str, Any]] = dict(facts)

    def learn(name: str, value: Any, why: str, *made_of: str) -> None:
        if value is not None:
            evidence = [place for source in made_of for place in known.get(source, {}).get("evidence", [])]
            known[name] = {"value": value, "evidence": evidence, "why": why}

    sheet = declared or {}
    for name, value in sheet.items():
        known.setdefault(f"declared.{name}", {"value": value, "evidence": [], "why": "declared"})
    if "valid_until" in sheet:
        learn("purpose.passed", passed(str(sheet["valid_until"]), today), f"on {today.isoformat()}", "declared.valid_until")
    _visits(known, sheet, learn)
    supported = [known[name]["value"] for name in _SUPPORT if name in known]
    if supported:
        # one that is over is enough; all must be known to say that none is
        over = True if False in supported else False if all(supported) and "host.os_supported" in known else None
        learn("software.unsupported", over, "system, PHP and database against inventory/eol.yml", *_SUPPORT)
    counts = [sheet[name] for name in ("findings_high", "findings_medium") if isinstance(sheet.get(name), int)]
    if counts and (len(counts) == 2 or sum(counts)):
        learn("findings.open", sum(counts), "declared", "declared.findings_high", "declared.findings_medium")
    if unit is not None or not known.get("owner.ranking", {}).get("value"):
        # while something speaks for several units, nobody knows whether the owner is gone
        learn("owner.known", unit is not None, "see planner owners" if unit else "nothing says whose it is")
    student = sheet.get("admin_kind") == "student"
    learn("admin.known", bool(sheet.get("admin")) and not student, "its admin is a student" if student else "as declared", "declared.admin")
    return known


_SUPPORT = ("host.os_supported", "site.php_supported", "database_supported")


def _visits(known: Mapping[str, Mapping[str, Any]], sheet: Mapping[str, Any], learn: Any) -> None:
    """Of the access log when it is the site's own; a log of two weeks proves two weeks, and a declared figure no span at all."""

    def value(name: str) -> Any:
        return known.get(name, {}).get("value")

    a_day, days = value("use.requests_per_day"), value("use.days")
    if isinstance(a_day, (int, float)) and not value("use.log_shared"):
        learn("visits.month", round(30 * a_day, 1), "requests in its own access log", "use.requests_per_day")
        if isinstance(days, int):
            learn("visits.months", round(days / 30, 1), "days in its own access log", "use.days")
    elif isinstance(sheet.get("visits"), int):
        learn("visits.month", sheet["visits"], "declared", "declared.visits")


def summary(findings: Iterable[Finding]) -> bool | None:
    """Whether any rule holds; None when none does and one may."""
    values = [finding.holds for finding in findings]
    return True if True in values else None if None in values else False
