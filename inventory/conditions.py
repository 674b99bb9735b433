"""Conditions over facts in three values (Kleene): true, false, unknown.  Pure; rules of every kind are made of them.

In: a condition as YAML gives it, and facts.  Out: True, False, or None when what is unknown decides it.  A condition is one of

    {all: [...]}  {any: [...]}  {not: ...}  {fact: NAME, is|not|below|above|in|contains|matches|empty: VALUE}  {known: NAME}  {always: true}

A fact that nobody could read makes its leaf unknown; `known` and `always` alone are never unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

Facts = Mapping[str, Mapping[str, Any]]
Values = Mapping[str, Any]
"""Facts without what they lead back to: name → value; an absent name is unknown."""
Test = Callable[[Values], bool | None]
OPERATORS = ("is", "not", "below", "above", "in", "contains", "matches", "empty")


def value(facts: Facts, name: str, default: Any = None) -> Any:
    """A fact's value, `default` when it is unknown."""
    return facts[name]["value"] if name in facts else default


def values_of(facts: Facts) -> Values:
    """Facts as conditions read them."""
    return {name: fact["value"] for name, fact in facts.items()}


def malformed(condition: Any) -> str:
    """What is wrong with a condition, or '' when nothing is."""
    if not isinstance(condition, dict):
        return f"expected a mapping, not {condition!r}"
    keys = set(condition)
    if keys in ({"all"}, {"any"}):
        items = next(iter(condition.values()))
        if not isinstance(items, list) or not items:
            return f"{next(iter(keys))} needs a list"
        return next((text for text in map(malformed, items) if text), "")
    if keys == {"not"}:
        return malformed(condition["not"])
    if keys == {"known"}:
        return "" if isinstance(condition["known"], str) else "known needs a fact's name"
    if keys == {"always"}:
        return "" if condition["always"] is True else "always can only be true: a rule that never holds is one too many"
    if len(keys) == 2 and "fact" in keys and (keys - {"fact"}) <= set(OPERATORS):
        return _operand(next(iter(keys - {"fact"})), condition)
    return f"{sorted(keys)} is no condition: all, any, not, known, always, or fact with one of {', '.join(OPERATORS)}"


def _operand(operator: str, condition: Mapping[str, Any]) -> str:
    """What is wrong with what a fact is compared with: a mistake here would silently be "unknown" for every workload."""
    wanted = condition[operator]
    if not isinstance(condition["fact"], str):
        return "fact needs a fact's name"
    if operator == "in" and not isinstance(wanted, list):
        return "in needs a list"
    if operator == "empty" and not isinstance(wanted, bool):
        return "empty is true or false"
    if operator in {"below", "above"}:
        try:
            _number(wanted)
        except (TypeError, ValueError):
            return f"{operator} needs a number or a version, not {wanted!r}"
    if operator == "matches":
        try:
            re.compile(str(wanted))
        except re.error as error:
            return f"matches: {error}"
    return ""


class Conditional:
    """What has a condition `when` that is asked of many workloads: it is made ready once."""

    when: dict[str, Any]

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """The facts that its condition asks for, in order, each once."""
        return tuple(dict.fromkeys(asked(self.when)))

    @cached_property
    def test(self) -> Test:
        """Its condition, ready to be asked."""
        return compiled(self.when)


def holds(condition: Mapping[str, Any], facts: Facts) -> bool | None:
    """True, False, or None when what is unknown decides it."""
    return compiled(condition)({name: facts[name]["value"] for name in set(asked(condition)) if name in facts})


def compiled(condition: Mapping[str, Any]) -> Test:
    """A condition made ready to be asked of many workloads' values."""
    if "all" in condition:
        return _every([compiled(item) for item in condition["all"]], False)
    if "any" in condition:
        return _every([compiled(item) for item in condition["any"]], True)
    if set(condition) == {"not"}:  # a leaf may have an operand of that name
        inner = compiled(condition["not"])

        def negated(values: Values) -> bool | None:
            value = inner(values)
            return None if value is None else not value

        return negated
    if "known" in condition:
        known = condition["known"]
        return lambda values: known in values
    if "always" in condition:
        return _true
    name: str = condition["fact"]
    operator = next(key for key in condition if key != "fact")
    compare = _COMPARING[operator](condition[operator])

    def leaf(values: Values) -> bool | None:
        value = values.get(name, _ABSENT)
        return None if value is _ABSENT else compare(value)

    return leaf


def _true(_values: Values) -> bool | None:
    return True


def _every(tests: list[Test], decides: bool) -> Test:
    """`decides` as soon as one test gives it; unknown when one is unknown; else the opposite."""

    def asked_of_all(values: Values) -> bool | None:
        result: bool | None = not decides
        for test in tests:
            value = test(values)
            if value is decides:
                return decides
            if value is None:
                result = None
        return result

    return asked_of_all


def candidates(condition: Mapping[str, Any], name: str) -> list[Any]:
    """Values of one fact that between them give every answer of the leaves that ask for it: what it might turn out to be."""
    if "all" in condition or "any" in condition:
        return [value for item in condition.get("all") or condition["any"] for value in candidates(item, name)]
    if set(condition) == {"not"}:
        return candidates(condition["not"], name)
    if condition.get("fact") != name:
        return []
    operator = next(key for key in condition if key != "fact")
    wanted = condition[operator]
    if isinstance(wanted, bool):
        return [["something"], []] if operator == "empty" else [True, False]
    if operator in {"is", "not"}:
        return [wanted, f"not {wanted}" if isinstance(wanted, str) else wanted + 1 if isinstance(wanted, (int, float)) else []]
    if operator == "in":
        return [*wanted[:1], "something else"]
    if operator in {"below", "above"}:
        bound = _number(wanted)
        shown = [
            tuple(max(0.0, part - 1) if at == 0 else part for at, part in enumerate(bound)),
            tuple(p + (at == 0) for at, p in enumerate(bound)),
        ]
        return [".".join(f"{part:g}" for part in one) if isinstance(wanted, str) else one[0] for one in shown]
    if operator == "contains":
        return [[wanted], []]
    return ["something else"]  # what matches a pattern cannot be made up


Compare = Callable[[Any], bool | None]
_ABSENT = object()


def _contains(wanted: Any) -> Compare:
    return lambda value: wanted in value if isinstance(value, (list, str, dict)) else None


def _matches(wanted: Any) -> Compare:
    search = re.compile(wanted).search
    return lambda value: search(value) is not None if isinstance(value, str) else None


def _ordered(wanted: Any, *, below: bool) -> Compare:
    bound = _number(wanted)

    def compare(value: Any) -> bool | None:
        try:
            number = _number(value)
        except (TypeError, ValueError):
            return None
        return number < bound if below else number > bound

    return compare


_COMPARING: Mapping[str, Callable[[Any], Compare]] = {
    "is": lambda wanted: lambda value: bool(value == wanted),
    "not": lambda wanted: lambda value: bool(value != wanted),
    "in": lambda wanted: lambda value: bool(value in wanted),
    "empty": lambda wanted: lambda value: bool((not value) == wanted),
    "contains": _contains,
    "matches": _matches,
    "below": lambda wanted: _ordered(wanted, below=True),
    "above": lambda wanted: _ordered(wanted, below=False),
}
"""What is compared is made ready once, and then asked of every workload."""


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
    elif "always" not in condition:
        for item in condition.get("all") or condition.get("any") or []:
            yield from asked(item)
