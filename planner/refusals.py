"""Why not earlier: the ranges of nights that were refused to a move, as data and as a sentence in two languages.  Pure.

In: constraints, each a set of refused days as the bits of one integer (bit n is the n-th day from a first Monday).  Out: the fewest ranges
that cover every day before a cutover, each with one constraint that refuses all of it.  The sentences stand in `refusals.yml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from inventory import yamlfile

Detail = Mapping[str, Any]
CAPACITY = frozenset({"night", "crew", "source", "destination", "link"})
"""Kinds that look at nights only on which a cutover could be at all: a weekend between two full weeks does not end their range."""


class Sentence(BaseModel):
    """One kind's words."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    message: str
    message_zh: str


class Sentences(BaseModel):
    """`refusals.yml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    refusals: dict[str, Sentence]
    notes: dict[str, Sentence]


class Constraint(NamedTuple):
    """What refuses days to a group: `bits` are the days, `detail` the measured values."""

    kind: str
    detail: Detail
    bits: int


@dataclass(frozen=True)
class Refusal:
    """Nights `first` to `last`, both included, are refused for one reason."""

    first: date
    last: date
    kind: str
    detail: Detail

    def sentence(self, language: str = "en") -> str:
        """`2026-09-01 – 2026-09-11: change freeze “Term start”`."""
        shown = f"{self.first}" if self.first == self.last else f"{self.first} – {self.last}"
        return shown + ("：" if language == "zh_CN" else ": ") + reason(self.kind, self.detail, language)


@dataclass(frozen=True)
class Note:
    """Something that a reader of the schedule has to know; of one move, or of all where `move` is empty."""

    move: str
    kind: str
    detail: Detail

    def sentence(self, language: str = "en") -> str:
        """The note in a language."""
        return (f"{self.move}: " if self.move else "") + reason(self.kind, self.detail, language)


@cache
def sentences() -> Sentences:
    """All kinds with their words."""
    return yamlfile.read(Path(__file__).with_suffix(".yml")).validate(Sentences)


@cache
def _words() -> dict[str, Sentence]:
    return sentences().refusals | sentences().notes


def reason(kind: str, detail: Detail, language: str = "en") -> str:
    """A constraint's words with its values."""
    words = _words()[kind]
    chinese = language == "zh_CN"

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        found = detail.get(f"{name}_zh") if chinese and detail.get(f"{name}_zh") else detail[name]
        if isinstance(found, tuple):
            shown = ("、" if chinese else ", ").join(str(item) for item in found[:5])
            return shown + (" …" if len(found) > 5 else "")
        return f"{found:g}" if isinstance(found, float) else str(found)

    return re.sub(r"\{([a-z]+)\}", value, words.message_zh if chinese else words.message)


def runs(bits: int) -> Iterator[tuple[int, int]]:
    """The runs of set bits as (first, last)."""
    position = 0
    while bits:
        skip = (bits & -bits).bit_length() - 1
        bits >>= skip
        length = (~bits & (bits + 1)).bit_length() - 1
        yield position + skip, position + skip + length - 1
        bits >>= length
        position += skip + length


def cover(
    constraints: Sequence[Constraint], idle: int, begin: int, end: int, fallback: Constraint | None = None
) -> list[tuple[int, int, Constraint]]:
    """Ranges over all days from `begin` up to before `end`, each of one constraint; always the longest next one, so that they are few.

    `idle` are days of weekdays without cutovers.  What nothing refuses goes to `fallback`; without it that is a defect of the caller and
    raises AssertionError.
    """
    wide = [item.bits | idle if item.kind in CAPACITY else item.bits for item in constraints]
    found: list[tuple[int, int, Constraint]] = []
    here = begin
    while here < end:
        best, reach = fallback, 0
        for item, bits in zip(constraints, wide, strict=True):
            if item.bits >> here & 1:
                rest = bits >> here
                length = (~rest & (rest + 1)).bit_length() - 1
                if length > reach:
                    best, reach = item, length
        assert best is not None, f"day {here} is refused by nothing"
        if not reach:
            refused = 0
            for item in constraints:
                refused |= item.bits >> here
            reach = (refused & -refused).bit_length() - 1 if refused else end - here
        found.append((here, min(here + reach, end) - 1, best))
        here += reach
    return found


def dated(found: Sequence[tuple[int, int, Constraint]], base: date, on: Mapping[int, Sequence[str]]) -> tuple[Refusal, ...]:
    """The ranges with their days; those of full nights name who is on the first one (`on`)."""
    refusals = []
    for first, last, (kind, detail, _) in found:
        if kind == "night":
            detail = {**detail, "moves": tuple(sorted(on.get(first, ()))) or ("–",)}
        refusals.append(Refusal(base + timedelta(first), base + timedelta(last), kind, detail))
    return tuple(refusals)
