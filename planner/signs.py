"""What nobody has said of a workload, presumed from signs: does it hold sensitive data, do visitors log in, is it needed.  Pure.

In: a workload's facts (observed, declared, answered, from HTTP) and the day.  Out: the same facts with those that `signs.yml` derives, each
with its value, why, and the evidence of what it was taken from; such a fact carries `presumed`.  What somebody answered is never touched.
Where signs point both ways the fact stays absent, and a question settles it.  What was presumed is presumed anew each time: to add an
answer and derive again gives what would be if somebody had said so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inventory import conditions, yamlfile
from inventory.conditions import Facts, Test, Values, compiled, malformed
from inventory.sameness import passed

SHIPPED = Path(__file__).with_name("signs.yml")
WORDS = "sign.words"
PASSED = "purpose.passed"
_TEXTS = ("declared.name", "declared.purpose", "declared.application", "declared.remarks", "http.title", "server.name", "server.remarks")
"""Where people write what something is for; names of the site are looked at besides."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Conditional(_Strict):
    """Something that is so when a condition holds."""

    when: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check(self) -> _Conditional:
        if self.when is not None and (problem := malformed(self.when)):
            raise ValueError(f"when: {problem}")
        return self

    @cached_property
    def _ready(self) -> Test | None:
        return compiled(self.when) if self.when is not None else None

    def holds(self, values: Values) -> bool:
        """Whether its condition certainly holds; without a condition it always does."""
        return self._ready is None or self._ready(values) is True

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """What its condition asks for."""
        return tuple(conditions.asked(self.when)) if self.when is not None else ()


class Complete(_Conditional):
    """What the absence of a fact means where its neighbours were read: `value` when `when` holds."""

    fact: str
    value: Any
    why: str = "nothing of the kind was found"


class Clause(_Conditional):
    """One step: `value` when `when` holds (always without it); `ask` leaves the fact unknown."""

    value: Any = None
    ask: bool = False
    why: str = ""

    @model_validator(mode="after")
    def _one(self) -> Clause:
        if (self.value is not None) == self.ask:
            raise ValueError("a clause has one of value, ask")
        if self.value is not None and not self.why:
            raise ValueError("a value that nobody said needs its why")
        return self


class Item(_Conditional):
    """One entry of a collected list."""

    item: str


class Ask(_Conditional):
    """When an empty list is not sure to be empty."""


class Sign(_Strict):
    """One derived fact: of the first clause that holds; or a list of all items that hold.

    Of a list, nothing is collected where `none` holds; it is unknown where no item holds and `ask` does.
    """

    fact: Annotated[str, Field(pattern=r"^[a-z]+\.[a-z_]+$")]
    what: str
    first: tuple[Clause, ...] = ()
    collect: tuple[Item, ...] = ()
    ask: Ask | None = None
    none: Ask | None = None

    @model_validator(mode="after")
    def _check(self) -> Sign:
        if bool(self.first) == bool(self.collect):
            raise ValueError("a sign has either first or collect")
        return self


class Signs(_Strict):
    """The whole file."""

    complete: tuple[Complete, ...] = ()
    words: Mapping[str, str]
    signs: tuple[Sign, ...]

    @model_validator(mode="after")
    def _check(self) -> Signs:
        for name, pattern in self.words.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"words.{name}: {error}") from error
        return self


@cache
def load(path: Path = SHIPPED) -> Signs:
    """The shipped signs.  Raises ConfigurationError."""
    return yamlfile.read(path).validate(Signs)


@cache
def asked() -> frozenset[str]:
    """The facts that presumptions are made from."""
    told = load()
    clauses = [*told.complete, *(clause for sign in told.signs for clause in (*sign.first, *sign.collect, sign.ask, sign.none) if clause)]
    return frozenset({name for clause in clauses for name in clause.facts} | {*_TEXTS, "site.names", "declared.valid_until"})


def presumed(facts: Facts) -> tuple[str, ...]:
    """The questions whose answers are only presumed: an answer that differs would change more than the score."""
    return tuple(name for name in sorted(facts) if name.startswith("answer.") and facts[name].get("presumed"))


def derive(facts: Facts, today: date | None = None) -> dict[str, Mapping[str, Any]]:
    """The facts with all that is derived; what was derived before is made anew.  Without `today`, no declared last day is past."""
    told = load()
    known: dict[str, Mapping[str, Any]] = {name: fact for name, fact in facts.items() if not fact.get("presumed")}
    values: dict[str, Any] = {name: fact["value"] for name, fact in known.items()}

    def presume(name: str, fact: Mapping[str, Any]) -> None:
        values[name] = fact["value"]
        known[name] = {**fact, "presumed": True}

    for one in told.complete:
        if one.fact not in values and one.holds(values):
            presume(one.fact, _made_of(one.value, one.why, known, one.facts))
    last = values.get("declared.valid_until")
    over = passed(str(last), today) if today is not None and last is not None else None
    if over is not None and today is not None and known.get(PASSED, {"presumed": True}).get("presumed"):
        presume(PASSED, _made_of(over, f"on {today.isoformat()}", known, ["declared.valid_until"]))
    found, sources = _words(values, told.words)
    presume(WORDS, _made_of(found, "words of its names and of what people wrote of it", known, sources))
    for sign in told.signs:
        if sign.fact in values:
            continue
        fact = _collected(sign, values, known) if sign.collect else _first(sign, values, known)
        if fact is not None:
            presume(sign.fact, fact)
    return known


def _first(sign: Sign, values: Values, known: Facts) -> dict[str, Any] | None:
    for clause in sign.first:
        if clause.holds(values):
            return None if clause.ask else _made_of(clause.value, clause.why, known, clause.facts)
    return None


def _collected(sign: Sign, values: Values, known: Facts) -> dict[str, Any] | None:
    if sign.none is not None and sign.none.holds(values):
        return _made_of([], "somebody said so", known, sign.none.facts)
    holding = [item for item in sign.collect if item.holds(values)]
    if not holding and sign.ask is not None and sign.ask.holds(values):
        return None
    names = [name for item in holding for name in item.facts]
    return _made_of([item.item for item in holding], "", known, names)


def _made_of(value: Any, why: str, known: Facts, names: Iterable[str]) -> dict[str, Any]:
    """A fact with the evidence and the age of those that it was taken from."""
    evidence: list[Any] = []
    seen = ""
    for name in dict.fromkeys(names):
        source = known.get(name)
        if source is not None:
            evidence += [place for place in source.get("evidence") or () if place not in evidence]
            day = source.get("seen")
            seen = min(seen or day, day) if day else seen
    fact: dict[str, Any] = {"value": value, "evidence": evidence, "why": why or "inferred"}
    if seen:
        fact["seen"] = seen
    return fact


def _words(values: Values, groups: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The groups of words that occur, sorted, and the facts in which they do."""
    texts = {name: str(values[name])[:2000] for name in _TEXTS if isinstance(values.get(name), str)}
    names = values.get("site.names")
    if isinstance(names, list):
        texts["site.names"] = " ".join(str(name) for name in names[:50])
    found, sources = set(), []
    for group, pattern in groups.items():
        test = _pattern(pattern)
        where = [name for name, text in texts.items() if test.search(text)]
        if where:
            found.add(group)
            sources += where
    return sorted(found), sorted(set(sources))


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.I)
