"""A rule's sentences with the measured values, and facts as people read them.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inventory import findings
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
    return findings.filled(text, lambda name: show(name, values.get(name, "?"), language))


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


def line(text: str) -> str:
    """A sentence in one line, with control characters of observed text (C0, C1, bidirectional overrides) as escapes."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else "\\n" if c == "\n" else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}" for c in text
    )


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


def condition(when: Mapping[str, Any], language: str = "en", inside: bool = False) -> str:
    """A condition as a sentence: `site.static is true and (content.files above 0 or ...)`."""
    chinese = language == "zh_CN"
    for key, english, word in (("all", " and ", " 且 "), ("any", " or ", " 或 ")):
        if key in when:
            text = (word if chinese else english).join(condition(item, language, True) for item in when[key])
            return f"({text})" if inside and len(when[key]) > 1 else text
    if set(when) == {"not"}:
        return f"{'非 ' if chinese else 'not '}{condition(when['not'], language, True)}"
    if "known" in when:
        return f"{when['known']} {'已知' if chinese else 'is known'}"
    if "always" in when:
        return "始终成立" if chinese else "always"
    operator = next(key for key in when if key != "fact")
    value = when[operator]
    if operator == "empty":
        return f"{when['fact']} {('为空' if value else '不为空') if chinese else 'is empty' if value else 'is not empty'}"
    words = {"is": "为", "not": "不为", "below": "小于", "above": "大于", "in": "属于", "contains": "包含", "matches": "匹配"}
    shown = str(value).lower() if isinstance(value, bool) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{when['fact']} {words[operator] if chinese else {'not': 'is not', 'in': 'is one of'}.get(operator, operator)} {shown}"
