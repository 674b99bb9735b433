"""Every fact that a rule may ask for, in one place.  Pure but for reading the tables.

In: `facts.yml`, the register's fields, the questions, the signs.  Out: the names; and of rules, those that ask for what does not exist:
such a rule would be unknown for every workload, which reads like care and is a mistake in typing.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from inventory import register, yamlfile
from planner import signs
from planner.policy import Rule

TABLE = Path(__file__).with_name("facts.yml")
QUESTIONS = Path(__file__).with_name("questions.yml")


@cache
def names() -> frozenset[str]:
    """All of them."""
    table: dict[str, list[str]] = yamlfile.read(TABLE).data
    found = {f"{prefix}.{name}" if prefix else name for prefix, group in table.items() for name in group}
    fields = register.shipped()
    for kind, prefix in (("site", "declared"), ("server", "server")):
        found |= {f"{prefix}.{field.id}" for field in fields.kinds[kind].fields}
    return frozenset(found | {signs.WORDS} | {sign.fact for sign in signs.load().signs} | answers())


@cache
def answers() -> frozenset[str]:
    """The facts that questions ask for."""
    return frozenset(f"answer.{question['id']}" for question in yamlfile.read(QUESTIONS).data["questions"])


def unknown(rules: Iterable[Rule]) -> list[str]:
    """What is wrong with the names that rules ask for, one sentence each."""
    found = []
    for rule in rules:
        for name in rule.facts:
            if name not in names():
                near = get_close_matches(name, sorted(names()), n=1)
                found.append(f"{rule.id}: nothing can learn the fact {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
    return found
