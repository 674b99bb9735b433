"""One cell of a sheet → one typed value, or the reason why not.  Pure.

In: a field of `fields.yml` and what the cell holds.  Out: `Value`: JSON data, plus what the cell said about other fields by the way
(the mask in `192.0.2.1/24`, the further names in a domain cell).  Text comes from strangers: control characters go, nothing is ever
evaluated, everything has a longest length.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from inventory.register import dates, network
from inventory.register.dates import Refused
from inventory.register.fields import Column, Register, plain
from inventory.register.names import ascii_name
from inventory.register.network import Value, narrow, words

LONGEST = 2000
"""Characters of one value; names and codes, which are columns of the catalogue, have their own (`SHORTER`)."""
SHORTER = {"code": 64, "name": 255, "name_zh": 255, "name_en": 255, "asset_no": 64, "unit": 255}
EXCEL_ERRORS = frozenset({"#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#GETTING_DATA"})


class Unreadable(str):
    """In place of a cell's value: why the file gives none (an error cell, a formula that was never calculated)."""

    __slots__ = ()


def text_of(value: Any) -> str:
    """A cell as one text: numbers without a false fraction, control and invisible characters gone, ends trimmed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return f"{Decimal(repr(value)):f}" if 1e-12 < abs(value) < 1e20 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time(0) else value.isoformat(" ", "seconds")
    if isinstance(value, (date, time, timedelta)):
        return str(value)
    text = str(value)
    if text.isprintable() and text == text.strip() and "\u3000" not in text:
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("_x000D_", "")
    kept = (c if c == "\n" or not unicodedata.category(c).startswith("C") else " " if c == "\t" else "" for c in text)
    return re.sub(r"[ \xa0\u3000]*\n\s*", "\n", "".join(kept)).strip(" \n\xa0\u3000")


def blank(register: Register, value: Any) -> bool:
    """Whether a cell says nothing: empty, or one of the words for "unknown"."""
    if value is None:
        return True
    if not isinstance(value, str) or isinstance(value, Unreadable):
        return False
    text = value.strip(" \t\r\n\xa0\u3000")
    return len(text) < 12 and unicodedata.normalize("NFKC", text).casefold() in register.blanks


def parse(column: Column, value: Any, *, unit: str = "", epoch: datetime = datetime(1899, 12, 30)) -> Value:
    """The typed value of a cell that is not blank.  `unit` is the measure that the heading names.  Raises Refused with the reason."""
    if isinstance(value, Unreadable):
        raise Refused(str(value))
    if isinstance(value, str) and value.strip() in EXCEL_ERRORS:
        raise Refused(f"the cell holds the error {value.strip()}: correct it, or leave it empty")
    if isinstance(value, str) and len(value) > LONGEST:
        raise Refused(f"longer than {LONGEST} characters: {text_of(value[:30])!r}…")
    if column.kind == "date":
        text = narrow(text_of(value)) if isinstance(value, str) else value
        return Value(dates.parse(text, open_ended=column.open_ended, epoch=epoch))
    if column.kind == "size":
        return Value(_size(value, unit or column.unit, column.base))
    if column.kind == "choice":
        return Value(_choice(column, text_of(value)))
    text = text_of(value)
    longest = SHORTER.get(column.id, LONGEST)
    if len(text) > longest:
        raise Refused(f"longer than {longest} characters: {text[:30]!r}…")
    if isinstance(value, (datetime, date)) and column.kind in {"integer", "number", "address", "domain", "phone", "boolean"}:
        raise Refused(f"the spreadsheet made the date {text} of this cell: format it as text and write it again")
    return _READERS[column.kind](text)


def _list(text: str) -> Value:
    if plain(text) in {"无", "none", "没有"}:
        return Value([])
    parts = [part.strip() for part in re.split(r"[\n,;、，；|]+", text)]
    return Value(words("\n".join(part for part in parts if part), r"\n"))


_TRUE = {
    "是", "有", "√", "✓", "✔", "☑", "y", "yes", "true", "1", "已", "支持", "开启", "已开启",
    "已签", "已签订", "已签署", "对", "t", "已完成", "已备案", "启用", "on",
}  # fmt: skip
_FALSE = {
    "否", "无", "×", "✗", "✘", "☒", "x", "n", "no", "false", "0", "未", "不支持", "未开启",
    "关闭", "未签", "未签订", "未签署", "没有", "不是", "f", "未完成", "未备案", "未启用", "不", "off",
}  # fmt: skip


def _boolean(text: str) -> Value:
    word = plain(text)
    if word in _TRUE:
        return Value(True)
    if word in _FALSE:
        return Value(False)
    raise Refused(f"{text[:40]!r} is neither yes (是, 有, √, Y) nor no (否, 无, ×, N)")


def _choice(column: Column, text: str) -> str:
    found = column.choices.get(plain(text))
    if found is None:
        allowed = ", ".join(f"{words[0]} ({column.shown(value, 'zh')})" for value, words in column.values.items())
        raise Refused(f"{text[:40]!r} is none of {allowed}")
    return found


_FIGURE = re.compile(r"(?:约|大约|~|≈)?([+-]?\d[\d,]*(?:\.\d+)?)\s*(万|千|k)?\s*(?:[次个人核颗台uUwW瓦路]|[cC]ores?|PV|pv)?(?:左右)?")


def _figure(text: str) -> float:
    """A number as people write it: `1,200`, `约1200次`, `1.5万`."""
    match = _FIGURE.fullmatch(narrow(text))
    if match is None or not re.fullmatch(r"[+-]?(\d{1,15}|\d{1,3}(,\d{3}){1,4})(\.\d{1,9})?", match[1]):
        raise Refused(f"{text[:40]!r} is not a number")
    return float(match[1].replace(",", "")) * {"万": 10_000, "千": 1000, "k": 1000, None: 1}[match[2]]


def _integer(text: str) -> Value:
    figure = _figure(text)
    if not round(figure, 6).is_integer() or figure < 0:
        raise Refused(f"{text[:40]!r} is not a whole number")
    return Value(round(figure))


def _number(text: str) -> Value:
    figure = _figure(text)
    if figure < 0:
        raise Refused(f"{text[:40]!r} is below zero")
    return Value(int(figure) if figure.is_integer() else figure)


_SIZE = re.compile(r"(?:约|~|≈)?(\d{1,19}(?:,\d{3}){0,4}(?:\.\d{1,9})?)(?:([kmgtp])?(i)?(b|字节|byte|bytes)?|(兆|个?[GT]))(?:左右)?", re.I)
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def _size(value: Any, unit: str, base: int) -> int:
    text = narrow(text_of(value)).replace(" ", "")
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Refused(f"{text[:40]!r} is not a size; write a number, or 500 MB, 1.5 GB")
    figure = float(match[1].replace(",", ""))
    letter = match[2] or ("" if not match[5] else "m" if match[5] == "兆" else match[5][-1])
    if not letter and not match[4]:
        letter = unit[:1]
    power = _POWERS[(letter or "b").lower()]
    size = round(figure * float(1024 if match[3] else base) ** power)
    if size > 10**18:
        raise Refused(f"{text[:40]!r} is larger than any disk")
    return size


def _phone(text: str) -> Value:
    word = " ".join(re.split(r"[\s、，；;,/]+", narrow(text)))
    if not re.search(r"\d{3}", word) or len(word) > 120:
        raise Refused(f"{text[:40]!r} is not a telephone number")
    return Value(word)


def _email(text: str) -> Value:
    parts = words(narrow(text).removeprefix("mailto:"))
    for word in parts:
        if not re.fullmatch(r"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,63}", word):
            raise Refused(f"{word[:60]!r} is not an e-mail address")
    return Value(", ".join(parts))


_READERS: Mapping[str, Callable[[str], Value]] = {
    "text": Value, "code": lambda text: Value(narrow(text)), "unit": Value, "phone": _phone, "email": _email, "boolean": _boolean,
    "integer": _integer, "number": _number, "list": _list, "domain": network.domain, "domains": network.domains, "url": network.url,
    "address": network.address, "addresses": network.addresses, "ranges": network.ranges, "mask": network.mask, "macs": network.macs,
    "plain_address": lambda text: Value(network.one_address(narrow(text))[0]), "ports": network.ports,
}  # fmt: skip


def key_of(kind: str, data: Mapping[str, Any]) -> str:
    """What a row is known by: a unit's code, a site's domain in ASCII, a server's address, a link's four ends."""
    if kind == "unit":
        return str(data.get("code") or "")
    if kind == "site":
        return ascii_name(str(data.get("domain") or ""))
    if kind == "server":
        return str(data.get("address") or "")
    ends = [ascii_name(str(data.get("site") or "")), *(str(data.get(name) or "") for name in ("server", "database", "dns"))]
    return " | ".join(ends) if ends[0] and any(ends[1:]) else ""


def written(column: Column, value: Any, language: str = "en") -> Any:
    """A stored value as a cell that `parse` reads back to the same: numbers and booleans typed for people, lists as one text."""
    if value is None or value == []:
        return "" if value is None else ("无" if language.startswith("zh") else "none")
    if column.kind == "boolean":
        return ("是" if value else "否") if language.startswith("zh") else ("yes" if value else "no")
    if column.kind == "choice":
        return column.shown(str(value), language)
    if column.kind == "size" and isinstance(value, int):
        figure = value / float(column.base) ** _POWERS[column.unit[:1].lower()]
        # a fraction that no cell would hold is told in bytes
        return f"{value} B" if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", repr(figure)) else int(figure) if figure.is_integer() else figure
    if isinstance(value, (list, tuple)):
        return ("\n" if column.kind == "list" else ", ").join(map(str, value))
    if column.kind == "date" and value == dates.NEVER and language.startswith("zh"):
        return "长期"
    return value
