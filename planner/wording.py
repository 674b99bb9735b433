"""A rule's sentences with the measured values, and facts as people read them.  Pure."""

from __future__ import annotations

import re
from typing import Any

from inventory.conditions import Values
from planner.policy import Rule


def message(rule: Rule, values: Values, language: str = "en") -> str:
    """The rule's sentence with the measured values: `{content.bytes}` becomes `12.3 MB`, an unknown one `?`."""
    chinese = language == "zh_CN" and rule.message_zh
    return fill(rule.message_zh if chinese else rule.message, values, "zh_CN" if chinese else "en")


def fix(rule: Rule, language: str = "en") -> str:
    """What to do about it."""
    return rule.fix_zh if language == "zh_CN" and rule.fix_zh else rule.fix


def fill(text: str, values: Values, language: str = "en") -> str:
    """A sentence with the values of the facts that it names."""
    return re.sub(r"\{([a-z][a-z0-9_.-]*)\}", lambda match: show(match.group(1), values.get(match.group(1), "?"), language), text)


def show(name: str, value: Any, language: str = "en") -> str:
    """A fact's value for people."""
    if isinstance(value, bool):
        return ("是" if value else "否") if language == "zh_CN" else ("yes" if value else "no")
    if name.endswith("bytes") and isinstance(value, (int, float)):
        return size(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in sorted(value.items(), key=str))
    if isinstance(value, (list, tuple)):
        shown = [_named(item) for item in value]
        more = f" 等 {len(shown)} 项" if language == "zh_CN" else f" and {len(shown) - 5} more"
        return ", ".join(shown[:5]) + (more if len(shown) > 5 else "") if shown else "无" if language == "zh_CN" else "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def size(value: float) -> str:
    """Bytes with a decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value = value / 1000
    return f"{value:.1f} TB"


def _named(item: Any) -> str:
    """A list's item by what tells it: its path, or its sentence."""
    return str(next((item[key] for key in ("path", "why", "text") if key in item), item) if isinstance(item, dict) else item)
