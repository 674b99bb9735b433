"""Observations made small and storable: one row for each kind in each section of a visit, and a digest of what a host said.

In: what a visit read, (section, observation).  Out: `Packed`, which a collecting process can send to the one that stores, and from a
stored row the observations again, unchanged.  Pure; linear in what was read.

A row is JSON of keys, values and lines (`{"keys": […], "rows": [[…]], "lines": […]}`; `"keys": null` where the observations of a kind
differ in their fields), compressed.  Kinds of `SHARED` are the same on many hosts: their values go into a dictionary, and the row holds
numbers of it.  Two visits with one digest said the same but for what is of the moment (`PASSING`, `COUNTING`).  Sections that say byte for
byte what is stored (`unchanged`) are only named: their rows are taken over.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from inventory.probes.base import Observation, Section

SHARED = frozenset({"package"})
"""Kinds whose values most hosts have in common; `name` is the field that is searched."""

PASSING = frozenset({"connection", "database_client", "load", "mail_queue", "process", "unix_peer", "usage_history", "usage_sample"})
"""Kinds that differ at every visit; they do not make a reading new."""

COUNTING: Mapping[str, frozenset[str]] = {
    "account": frozenset({"last_login"}),
    "acme": frozenset({"next"}),
    "application_server": frozenset({"container", "pid"}),
    "authorized_key": frozenset({"line"}),
    "config_check": frozenset({"checked"}),
    "container": frozenset({"created", "hostname", "id", "pid", "root"}),
    "content": frozenset({"age_days"}),
    "database": frozenset(
        {"beside", "expires", "keys", "last_write", "pages", "rows_estimate", "rows_written", "samples", "tables_not_analyzed"}
    ),
    "database_server": frozenset({"last_save", "memory_bytes", "status", "unsaved_changes", "uptime_s"}),
    "disk": frozenset({"used_bytes"}),
    "interface": frozenset({"speed_mbps", "state"}),
    "listener": frozenset({"pid"}),
    "machine": frozenset({"booted", "time", "uptime_s"}),
    "mail_alias": frozenset({"line"}),
    "php_fpm": frozenset({"container", "pid"}),
    "sudo_rule": frozenset({"line"}),
    "swap": frozenset({"used_bytes"}),
    "vhost": frozenset({"container", "host_docroot", "line", "problems"}),
    "web_problem": frozenset({"line"}),
    "web_server": frozenset({"container", "pid"}),
}
"""Fields that move with the clock or with every restart; likewise.  The same as in changes.yml, which this module is too low to read:
a test holds the two together."""

LEVEL = 1
"""zlib's: a transcript takes 0.7 ms instead of 1.8 ms at level 6, and is a sixth larger (bench/storing.py)."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode
_PLAIN = frozenset({str, int, bool, type(None)})
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(value: Any) -> Any:
    """A value that both engines can store: surrogates (undecodable bytes) become U+FFFD, NUL becomes U+2400, NaN None, the rest text."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value).replace("\0", "␀")
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return clean(value.isoformat() if isinstance(value, date) else str(value))


def encoded(value: Any) -> str:
    """JSON that both engines can store; what needs no cleaning is not walked through."""
    try:
        text = _encode(value)
        if "\\u0000" not in text:
            text.encode()  # a lone surrogate raises
            return text
    except (ValueError, TypeError):  # NaN, a date, a surrogate
        pass
    return _encode(clean(value))


@dataclass(frozen=True, slots=True)
class Group:
    """All observations of one kind in one section; `body` is the compressed row."""

    kind: str
    section: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SharedGroup:
    """The same for a kind of `SHARED`, before its values have numbers."""

    kind: str
    section: str
    keys: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is stored of a host: its newest snapshot's number and digest, and for each section its mark and what it told (digests, '' for
    nothing that makes a reading new).  `fresh`: a reading that says the same need not be stored again."""

    snapshot: int
    digest: str
    fresh: bool
    marks: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Packed:
    """A visit as it is stored: the transcript compressed, rows in the order in which they were read, and the digest of both.

    `marks` are for the next visit's `Earlier`.  The rows of the sections in `kept` are those of the snapshot `base`; when the whole reading
    is `base`'s, there are neither rows nor transcript.
    """

    transcript: bytes
    groups: tuple[Group | SharedGroup, ...]
    digest: str
    marks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    base: int | None = None


def pack(
    transcript: bytes,
    observations: Iterable[tuple[str, Observation]],
    sections: Sequence[Section] = (),
    privilege: str = "",
    *,
    marks: Mapping[str, str] = MappingProxyType({}),
    earlier: Earlier | None = None,
    kept: Collection[str] = (),
) -> Packed:
    """A visit's transcript and observations, without those of the sections `kept` from `earlier`.

    Never raises on what a host may have said.
    """
    by_place: dict[tuple[str, str], list[Observation]] = {}
    for section, item in observations:
        place = (section, item.kind)
        if place in by_place:
            by_place[place].append(item)
        else:
            by_place[place] = [item]
    telling: dict[str, list[str]] = {}
    made: list[SharedGroup | tuple[str, str, str]] = []
    for (section, kind), items in by_place.items():
        shared = _shared(section, kind, items) if kind in SHARED else None
        if shared is not None:
            telling.setdefault(section, []).append(repr((kind, shared.keys, shared.values)))
            made.append(shared)
            continue
        keys = _keys(items)
        values: list[Any] = [list(item.data.values()) for item in items] if keys else [item.data for item in items]
        rows = encoded(values)
        if kind not in PASSING:
            passing = COUNTING.get(kind)
            told = encoded(_lasting(keys, values, passing)) if passing else rows
            telling.setdefault(section, []).append(f"{kind}\0{encoded(keys)}\0{told}")
        lines = ",".join([str(item.line) for item in items])
        made.append((clean(kind), clean(section), f'{{"keys":{encoded(keys)},"rows":{rows},"lines":[{lines}]}}'))
    tells = {section: _hash("\0".join(parts)) for section, parts in telling.items()}
    tells |= {section: earlier.marks[section][1] for section in kept if earlier is not None and earlier.marks[section][1]}
    how = [[s.name, s.status, s.truncated, s.privilege] for s in sections]  # a helper that went stale changes what fills the gaps
    digest = _hash(_encode([privilege, how, sorted(tells.items())]))
    if earlier is not None and earlier.fresh and digest == earlier.digest:
        return Packed(b"", (), digest, base=earlier.snapshot)
    groups = tuple(one if isinstance(one, SharedGroup) else Group(one[0], one[1], small(one[2])) for one in made)
    remembered = {name: (mark, tells.get(name, "")) for name, mark in marks.items()}
    base = earlier.snapshot if earlier is not None and kept else None
    return Packed(zlib.compress(transcript, LEVEL), groups, digest, remembered, tuple(sorted(kept)), base)


def _lasting(keys: Sequence[str] | None, values: Sequence[Any], passing: Set[str]) -> list[Any]:
    """The values without those of fields that move by themselves."""
    if keys is None:
        return [{name: value for name, value in row.items() if name not in passing} for row in values]
    kept = [at for at, name in enumerate(keys) if name not in passing]
    return [[row[at] for at in kept] for row in values]


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def small(body: str) -> bytes:
    """JSON of an object, compressed when that is worth its start; `large` tells the two by the first byte."""
    raw = body.encode()
    return zlib.compress(raw, LEVEL) if len(raw) > 300 else raw


def large(body: bytes) -> Any:
    """What `small` made small."""
    return json.loads(body if body[:1] == b"{" else zlib.decompress(body))


def _keys(items: Sequence[Observation]) -> list[str] | None:
    """The fields of all of them, if they have the same."""
    first = tuple(items[0].data)
    if not first or any(tuple(item.data) != first for item in items) or not all(isinstance(key, str) for key in first):
        return None
    return list(first)


def _shared(section: str, kind: str, items: Sequence[Observation]) -> SharedGroup | None:
    """None when they are no flat records with a name: a parser's defect must not fill the dictionary."""
    keys = _keys(items)
    if keys is None or "name" not in keys:
        return None
    values = [tuple(item.data.values()) for item in items]
    if not {type(value) for row in values for value in row} <= _PLAIN:
        return None
    text = "".join([value for row in values for value in row if type(value) is str])
    if "\0" in text or _SURROGATE.search(text):
        values = [tuple(clean(row)) for row in values]
    return SharedGroup(kind, clean(section), tuple(clean(keys)), tuple(values), tuple(item.line for item in items))


def numbered(group: SharedGroup, numbers: Sequence[int]) -> Group:
    """A shared group whose values have got their numbers in the dictionary."""
    body = _encode({"keys": None, "numbers": list(numbers), "lines": list(group.lines)})
    return Group(group.kind, group.section, small(body))


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A stored row opened: either `rows` (data, line) or `numbers` (number in the dictionary, line)."""

    rows: tuple[tuple[dict[str, Any], int], ...] = ()
    numbers: tuple[tuple[int, int], ...] = ()


def unpack(body: bytes) -> Unpacked:
    """What `pack` made, as data and lines in their order."""
    told = large(body)
    lines = told["lines"]
    if "numbers" in told:
        return Unpacked(numbers=tuple(zip(told["numbers"], lines, strict=True)))
    keys, rows = told["keys"], told["rows"]
    data = [dict(zip(keys, row, strict=True)) for row in rows] if keys else rows
    return Unpacked(tuple(zip(data, lines, strict=True)))
