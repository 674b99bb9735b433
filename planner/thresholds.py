"""What a difference weighs and how far a comparison has to reach, as data: the shipped `verification.yml` with the workspace's own.

In: the workspace's folder, or nothing.  Out: `Thresholds`.  A workspace names only what it changes; `moving` and `collations` are added to
the shipped ones, and an entry set to null is taken away.  Problems are told all at once, each with `file:line:column`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from inventory import yamlfile
from inventory.errors import ConfigurationError

FILE = "verification.yml"
SHIPPED = Path(__file__).with_name(FILE)

Severity = Literal["block", "warn", "design"]
_WEIGHTS: Mapping[str, Severity] = {"blocking": "block", "warning": "warn", "by design": "design"}
Weight = Literal["blocking", "warning", "by design"]
Share = Annotated[float, Field(ge=0, le=1)]
TABLES = ("pages", "headers", "files", "rows", "tls")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Strict):
    """How far a comparison has to reach, as shares; and when an answer is slow, in times and seconds."""

    pages_compared: Share = 0.9
    traffic_compared: Share = 0.8
    slower_times: Annotated[float, Field(ge=1)] = 3.0
    slower_seconds: Annotated[float, Field(ge=0)] = 1.0


class _File(_Strict):
    """`verification.yml` as it stands on disk."""

    pages: dict[str, Weight] = {}
    headers: dict[str, Weight] = {}
    files: dict[str, Weight] = {}
    rows: dict[str, Weight] = {}
    tls: dict[str, Weight] = {}
    limits: Limits = Limits()
    collations: dict[str, tuple[str, ...] | None] = {}
    moving: dict[str, str | None] = {}


@dataclass(frozen=True)
class Thresholds:
    """The weights in force, by table and kind; `moving` are names and patterns of text that moves by nature."""

    weights: Mapping[str, Mapping[str, Severity]]
    limits: Limits
    collations: Mapping[str, tuple[str, ...]]
    moving: tuple[tuple[str, re.Pattern[str]], ...]

    def severity(self, table: str, kind: str) -> Severity:
        """What a difference weighs; one that no table names blocks: unknown is never harmless."""
        return self.weights[table].get(kind, "block")

    def page(self, kind: str) -> Severity:
        """The same for a page; kinds of headers are `header NAME`."""
        word, _, name = kind.partition(" ")
        return self.severity("headers", name) if word == "header" else self.severity("pages", kind)


@cache
def shipped() -> Thresholds:
    """What ships."""
    return _joined(yamlfile.read(SHIPPED), None)


def load(root: Path) -> Thresholds:
    """The shipped thresholds with those of a workspace's folder.  Raises ConfigurationError, InputError."""
    path = root / FILE
    return _joined(yamlfile.read(SHIPPED), yamlfile.read(path)) if path.is_file() else shipped()


def _joined(basis: yamlfile.Document, own: yamlfile.Document | None) -> Thresholds:
    base = basis.validate(_File)
    more = own.validate(_File) if own is not None else _File()
    problems = [*(_problems(own, base, more) if own is not None else ())]
    if problems:
        raise ConfigurationError(problems, hint="docs/verification.md lists what can be set")
    weights = {table: {kind: _WEIGHTS[word] for kind, word in (getattr(base, table) | getattr(more, table)).items()} for table in TABLES}
    given = own.data.get("limits") if own is not None and isinstance(own.data, dict) else None
    limits = Limits(**(base.limits.model_dump() | more.limits.model_dump(include=set(given or ()))))
    collations = {name: listed for name, listed in (base.collations | more.collations).items() if listed}
    moving = tuple((name, re.compile(text, re.I)) for name, text in (base.moving | more.moving).items() if text)
    return Thresholds(weights, limits, collations, moving)


def _problems(document: yamlfile.Document, base: _File, more: _File) -> Iterator[str]:
    """What a schema cannot see: kinds that do not exist, patterns that are none."""
    for table in TABLES:
        known: Mapping[str, Any] = getattr(base, table)
        for kind in getattr(more, table):
            if kind not in known and table != "headers":
                yield f"{document.place((table, kind))}: {table}.{kind}: there is no such difference; one of {', '.join(known)}"
    for name, text in more.moving.items():
        if text is None:
            if name not in base.moving:
                yield f"{document.place(('moving', name))}: moving.{name}: nothing of this name ships, so nothing can be taken away"
            continue
        try:
            pattern = re.compile(text)
        except re.error as error:
            yield f"{document.place(('moving', name))}: moving.{name}: not a regular expression: {error}"
            continue
        if pattern.search("") is not None:
            yield f"{document.place(('moving', name))}: moving.{name}: it matches nothing at all, and so everywhere"
