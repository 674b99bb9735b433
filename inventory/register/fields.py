"""The register's fields as data: `fields.yml` as shipped, and the workspace's own headings, with suggestions for unknown ones.

In: the two files.  Out: `Register`, which knows the kinds of rows (unit, site, server, link), their fields, and which field a
heading means.  A heading that is nobody's is never guessed: `suggest` names the nearest for the admin to decide.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from inventory import yamlfile
from inventory.errors import ConfigurationError

SHIPPED = Path(__file__).with_name("fields.yml")
HEADINGS_FILE = "inventory/headings.yml"
Kind = Literal[
    "text", "code", "unit", "domain", "domains", "url", "address", "addresses", "plain_address", "ranges", "mask", "macs", "phone", "email",
    "date", "boolean", "integer", "number", "size", "choice", "list", "ports",
]  # fmt: skip
KINDS = ("unit", "site", "server", "link")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """One field.  `unit` and `base` belong to sizes, `values` to choices, `open_ended` to dates that may be `never`."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: Kind
    en: str
    zh: str
    headings: tuple[str, ...] = ()
    unit: str = ""
    base: int = 1000
    open_ended: bool = False
    values: Mapping[str, tuple[str, ...]] = {}
    help: Mapping[str, str] = {}

    def title(self, language: str) -> str:
        """What stands over the column, with the measure of its bare numbers: `Memory (GB)`."""
        text = self.zh if language.startswith("zh") else self.en
        return f"{text} ({self.unit})" if self.unit else text

    def shown(self, value: str, language: str) -> str:
        """A choice's value for people: its first English or Chinese word."""
        words = self.values.get(value, ())
        chinese = [word for word in words if not word.isascii()]
        return (chinese[0] if language.startswith("zh") and chinese else words[0]) if words else value

    @cached_property
    def choices(self) -> Mapping[str, str]:
        """Normalised words → value."""
        return {plain(word): value for value, words in self.values.items() for word in (value, *words)}


class RowKind(_Strict):
    """One kind of row: units, sites, servers or links."""

    key: str
    en: str
    zh: str
    sheets: tuple[str, ...] = ()
    fields: tuple[Column, ...]

    @cached_property
    def by_id(self) -> Mapping[str, Column]:
        """Fields by their name."""
        return {column.id: column for column in self.fields}

    def title(self, language: str) -> str:
        """What a sheet of such rows is called."""
        return self.zh if language.startswith("zh") else self.en


class _File(_Strict):
    kinds: Mapping[Literal["unit", "site", "server", "link"], RowKind]
    ignored: tuple[str, ...]
    footers: tuple[str, ...]
    blanks: tuple[str, ...]
    instructions: Mapping[str, tuple[str, ...]]
    instruction_sheet: Mapping[str, str]


class _Headings(_Strict):
    """The workspace's file: kind → field → further headings."""

    unit: Mapping[str, tuple[str, ...]] = {}
    site: Mapping[str, tuple[str, ...]] = {}
    server: Mapping[str, tuple[str, ...]] = {}
    link: Mapping[str, tuple[str, ...]] = {}
    ignored: tuple[str, ...] = ()

    @field_validator("unit", "site", "server", "link", mode="before")
    @classmethod
    def _lists(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: [item] if isinstance(item, str) else item for key, item in value.items()}


def plain(text: str) -> str:
    """Text as headings and choices are compared: width, case, blanks, brackets' kind and marks of a form do not count."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s*_:：、,，.。;；'\"“”‘’\u200b\ufeff-]+", "", folded)


def _without_brackets(text: str) -> str:
    return re.sub(r"[(（\[【<《][^()（）\[\]【】<>《》]*[)）\]】>》]", "", text)


class Register:
    """The fields in force."""

    def __init__(self, file: _File, own: Mapping[str, Mapping[str, Sequence[str]]], ignored: Sequence[str] = ()) -> None:
        self.kinds: Mapping[str, RowKind] = {name: file.kinds[name] for name in KINDS}  # type: ignore[index]  # the literals are KINDS
        self.footers = tuple(map(plain, file.footers))
        self.instructions, self.instruction_sheet = file.instructions, file.instruction_sheet
        self.blanks = frozenset(unicodedata.normalize("NFKC", word).casefold() for word in file.blanks) | {""}
        self._ignored = {plain(word) for word in (*file.ignored, *ignored)}
        self._headings: dict[str, dict[str, str]] = {}
        for name, kind in self.kinds.items():
            table: dict[str, str] = {}
            for column in kind.fields:
                # a field's own titles come before what else might mean it
                for word in (column.id, column.en, column.zh):
                    table.setdefault(plain(word), column.id)
            for column in kind.fields:
                for word in column.headings:
                    table.setdefault(plain(word), column.id)
            for field, words in own.get(name, {}).items():
                table |= {plain(word): field for word in words}
            self._headings[name] = table

    def field_of(self, kind: str, heading: str) -> Column | None:
        """The field that a heading means in sheets of a kind, or None."""
        table = self._headings[kind]
        found = table.get(plain(heading)) or table.get(plain(_without_brackets(heading)))
        return self.kinds[kind].by_id[found] if found else None

    def ignores(self, heading: str) -> bool:
        """Whether a heading is known to say nothing."""
        return plain(heading) in self._ignored or plain(_without_brackets(heading)) in self._ignored

    def suggest(self, kind: str, heading: str) -> list[Column]:
        """The fields whose headings look most like this one, at most three, nearest first."""
        table, word = self._headings[kind], plain(_without_brackets(heading))[:60]
        near = difflib.get_close_matches(word, table, n=8, cutoff=0.55)
        near += [known for known in table if len(known) > 1 and (known in word or (len(word) > 1 and word in known))]
        return [self.kinds[kind].by_id[name] for name in dict.fromkeys(table[item] for item in near)][:3]


@cache
def _file() -> _File:
    return yamlfile.read(SHIPPED).validate(_File)


@cache
def shipped() -> Register:
    """What ships, without any workspace's headings."""
    return Register(_file(), {})


def load(workspace: Path) -> Register:
    """What ships plus the workspace's `inventory/headings.yml`.  Raises ConfigurationError with its `file:line:column`."""
    path = workspace / HEADINGS_FILE
    if not path.exists():
        return shipped()
    document = yamlfile.read(path)
    own = document.validate(_Headings)
    problems = []
    for kind in KINDS:
        for field in getattr(own, kind):
            if field not in _file().kinds[kind].by_id:  # type: ignore[index]  # the literals are KINDS
                names = ", ".join(_file().kinds[kind].by_id)  # type: ignore[index]
                problems.append(f"{document.place((kind, field))}: there is no field {field!r} of a {kind}; there are {names}")
    if problems:
        raise ConfigurationError(problems)
    return Register(_file(), {kind: getattr(own, kind) for kind in KINDS}, own.ignored)
