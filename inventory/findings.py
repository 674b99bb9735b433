"""The findings of a stored verdict: kept small, and made whole again as they were when the verdict was made.  Pure.

In: what a verdict keeps of its findings, and what the rules said that it was made with.  Out: findings as plain data.  Ten thousand
verdicts have most of their sentences in common, so these stand once for each rule set (`model.RuleSet`); a verdict keeps

    language   in which its sentences are              holds, unknown   ids of the rules that hold, that may hold
    missing    the facts that these do not know        values           name → the text of a fact that some sentence shows
    sentences  by rule, where a rule has none in the language and its values are shown in English

A verdict from before this form keeps its findings as they were: {"whole": [...]}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

FACT = re.compile(r"\{([a-z][a-z0-9_.-]*)\}")
"""A fact in a rule's sentence."""

STATIC = ("effect", "placements", "dimension", "points", "effort_h", "fix", "step", "gate", "check", "facts")
"""What a finding takes from its rule as it stands; `message` is filled, `message_zh` and `fix_zh` are said to those who read Chinese."""

_UNTOLD: Mapping[str, Any] = {
    "effect": "info", "placements": [], "dimension": "", "points": 0, "effort_h": 0, "fix": "", "step": "", "gate": False, "check": "",
    "facts": [], "message": "",
}  # fmt: skip
"""Of a rule whose set is not in the catalogue: it is named, and says nothing."""


def filled(text: str, show: Callable[[str], str]) -> str:
    """A sentence with what `show` makes of each fact that it names."""
    return FACT.sub(lambda match: show(match.group(1)), text) if "{" in text else text


def whole(kept: Mapping[str, Any], rules: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The findings by their rules' ids, each with all that a reader needs; `rules` are those of the set that the verdict names."""
    if "whole" in kept:
        return list(kept["whole"])
    chinese = kept.get("language") == "zh_CN"
    missing, values, sentences = frozenset(kept.get("missing", ())), kept.get("values", {}), kept.get("sentences", {})
    held = [(name, True) for name in kept.get("holds", ())]
    found = []
    for name, holds in sorted([*held, *((name, None) for name in kept.get("unknown", ()))], key=lambda one: one[0]):
        rule = rules.get(name, _UNTOLD)
        text = (rule.get("message_zh") if chinese else "") or rule["message"]
        found.append(
            {
                "rule": name, "holds": holds, **{field: rule[field] for field in STATIC},
                "fix": (rule.get("fix_zh") if chinese else "") or rule["fix"],
                "message": sentences.get(name) or filled(text, lambda fact: str(values.get(fact, "?"))),
                "missing": [fact for fact in rule["facts"] if fact in missing] if holds is None else [],
            }
        )  # fmt: skip
    return found
