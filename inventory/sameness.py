"""Whether a declared and a found value mean the same, as people mean it.  Pure; the names of products stand in `products.yml`.

In: what a sheet says (`CentOS 7.9`, `MySQL5.7`, 500 MB) and what a host said ({id: centos, version: 7}).  Out: True (they agree as
far as both go), False (they differ), None (they cannot be compared).  A version written more coarsely than the other is no difference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from inventory import yamlfile
from inventory.register.dates import NEVER, last_day
from inventory.register.names import ascii_name

TABLE = Path(__file__).with_name("products.yml")


class _Product(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    words: tuple[str, ...]
    covers: tuple[str, ...] = ()


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    products: Mapping[str, _Product]


@cache
def _products() -> Mapping[str, _Product]:
    return yamlfile.read(TABLE).validate(_File).products


def _folded(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()


@cache
def _words() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of all products' words, longest first.  A word ends where letters end: `pg` is not in `jpg`."""
    pairs = sorted(
        ((_folded(word), name) for name, item in _products().items() for word in item.words), key=lambda pair: (-len(pair[0]), pair[0])
    )
    return tuple(
        (re.compile(f"{_edge(word[0], '(?<![a-z])')}{re.escape(word)}{_edge(word[-1], '(?![a-z])')}"), name) for word, name in pairs
    )


def _edge(letter: str, boundary: str) -> str:
    return boundary if letter.isascii() and letter.isalpha() else ""


def products(text: str) -> list[tuple[str, tuple[int, ...]]]:
    """The products that a text names, each with the version that follows it: `PHP 5.6 + MySQL5.7` → php (5, 6), mysql (5, 7)."""
    rest = _folded(text[:500])
    found: list[tuple[int, int, str]] = []
    for pattern, name in _words():
        for match in pattern.finditer(rest):
            found.append((match.start(), match.end(), name))
            rest = rest[: match.start()] + "\0" * (match.end() - match.start()) + rest[match.end() :]
    found.sort()
    result = []
    for index, (_, end, name) in enumerate(found):
        until = found[index + 1][0] if index + 1 < len(found) else len(rest)
        result.append((name, version(rest[end:until])))
    return result


def version(text: str) -> tuple[int, ...]:
    """The first version in a text as numbers; () when there is none.  Sixty-four bits and service packs are no versions."""
    cleaned = re.sub(
        r"\b(?:x86[ _]?64|x64|x86|i[36]86|amd64|arm64|aarch64|(?:32|64)\s*(?:bit|位)|sp\s*\d|r2)\b", " ", text[:200].casefold()
    )
    match = re.search(r"(?<![\d.])(\d{1,5}(?:\.\d{1,5}){0,4})", cleaned)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def same_product(declared: str, found: str) -> bool | None:
    """Whether two texts name the same product, in a version that agrees as far as both tell it."""
    left, right = products(declared), products(found)
    if not left or not right:
        return None if _folded(declared) != _folded(found) else True
    verdicts = []
    for name, number in left:
        verdicts += [_agree(number, other) for found_name, other in right if found_name == name]
        if not number:
            verdicts += [True for found_name, _ in right if found_name in _products()[name].covers]
    return True in verdicts


def _agree(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def same_number(declared: Any, found: Any, tolerance: float = 0.0) -> bool | None:
    """Whether two amounts lie within a part of the larger one."""
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (declared, found)):
        return None
    return bool(abs(declared - found) <= tolerance * max(abs(declared), abs(found)))


def same_day(declared: str, found: str) -> bool | None:
    """Whether two dates agree as far as both tell them; a day's distance is the time zone's."""
    if NEVER in (declared, found):
        return declared == found
    shorter = min(len(declared), len(found[:10]))
    if shorter < 10:
        return declared[:shorter] == found[:shorter]
    one, other = last_day(declared), last_day(found[:10])
    return None if one is None or other is None else abs(one - other) <= timedelta(days=1)


def same_names(declared: Iterable[str], found: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names that only one side has: (declared only, found only), in ASCII and sorted."""
    one, other = {ascii_name(name) for name in declared}, {ascii_name(name) for name in found}
    return sorted(one - other), sorted(other - one)


def passed(iso: str, today: date) -> bool | None:
    """Whether a declared last day lies behind us; `never` does not, an unreadable one is unknown."""
    if iso == NEVER:
        return False
    end = last_day(iso)
    return None if end is None else end < today
