"""Conditions over facts in three values (Kleene): true, false, unknown.  Pure; rules of every kind are made of them.

In: a condition as YAML gives it, and facts.  Out: True, False, or None when what is unknown decides it.  A condition is one of

    {all: [...]}  {any: [...]}  {not: ...}  {fact: NAME, is|not|below|above|in|contains|matches|empty: VALUE}  {known: NAME}

A fact that nobody could read makes its leaf unknown; `known` alone is never unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Facts = Mapping[str, Mapping[str, Any]]
OPERATORS = ("is", "not", "below", "above", "in", "contains", "matches", "empty")


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
