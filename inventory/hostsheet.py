"""Everything known of one host on one sheet: its observations by subject, and what no site of it explains.  Pure.

In: a host's observations and the facts of its sites.  Out: `Part`s in a fixed order, each a table; and `Unclaimed` things: databases that
no configuration names, ports that nobody's site uses.  They belong to somebody all the same, and a host is not empty before they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import RootModel

from inventory import yamlfile
from inventory.identify import Observed

_LONG = frozenset({"vhost", "content", "access_log", "access_url", "htaccess", "connection", "group", "php_modules"})
"""Kinds that `planner show SITE` tells better, or that nobody reads in a list."""
_OWN_PORTS = frozenset({22, 53, 68, 123, 323, 546, 5353})
"""Listeners of the system itself: login, name service, time, address."""
_DATABASES = frozenset({1433, 1521, 3306, 5432, 6379, 9200, 11211, 27017, 33060})


@dataclass(frozen=True)
class Part:
    """One kind of observation as a table; `total` is how many there are, of which `rows` are shown."""

    subject: str
    kind: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    total: int


@dataclass(frozen=True)
class Unclaimed:
    """A thing that no site explains: `kind` is database or listener."""

    kind: str
    name: str
    detail: str


class _Subjects(RootModel[dict[str, dict[str, tuple[str, ...]]]]):
    """The data file: subject → kind → columns."""


@cache
def subjects() -> dict[str, dict[str, tuple[str, ...]]]:
    """What ships.  Raises ConfigurationError with `file:line:column`."""
    return yamlfile.read(Path(__file__).with_name("hostsheet.yml")).validate(_Subjects).root


def parts(kinds: Mapping[str, Sequence[Mapping[str, Any]]], *, most: int = 20, only: str = "") -> list[Part]:
    """Tables of what there is, at most `most` rows each (0: all); `only` one kind or subject, then with all its rows and fields."""
    found: list[Part] = []
    named: set[str] = set()
    for subject, members in subjects().items():
        for kind, columns in members.items():
            named.add(kind)
            if kinds.get(kind) and only in {"", kind, subject}:
                found.append(_part(subject, kind, columns, kinds[kind], 0 if only else most))
    for kind in sorted(set(kinds) - named):
        if kinds[kind] and only in {"", kind, "other"} and (only or kind not in _LONG):
            found.append(_part("other", kind, tuple(kinds[kind][0])[:6], kinds[kind], 0 if only else most))
    return found


def _part(subject: str, kind: str, columns: tuple[str, ...], rows: Sequence[Mapping[str, Any]], most: int) -> Part:
    shown = rows[:most] if most else rows
    kept = tuple(column for column in columns if any(row.get(column) not in (None, "", []) for row in shown))
    return Part(subject, kind, kept or columns[:1], tuple(shown), len(rows))


def unclaimed(observed: Observed, sites: Iterable[Mapping[str, Any]]) -> list[Unclaimed]:
    """Databases that no site's configuration names, and listeners that neither a site nor the system accounts for.

    `sites` are fact values by name.  Nothing is said of databases where no server could be asked.
    """
    facts = list(sites)
    used = {str(values.get("database.name")) for values in facts} | {str(n) for v in facts for n in v.get("database.candidates") or []}
    found = [
        Unclaimed("database", str(item.data.get("name")), f"{item.data.get('tables')} tables, {item.data.get('bytes')} bytes")
        for item in observed.of("database")
        if str(item.data.get("name")) not in used
    ]
    ports = {int(port) for values in facts for port in values.get("site.ports") or []}
    ports |= {int(text) for values in facts if (text := str(values.get("backend.address", "")).rpartition(":")[2]).isdigit()}
    seen: set[tuple[Any, Any]] = set()
    for item in observed.of("listener"):
        port, process = item.data.get("port"), str(item.data.get("process") or "")
        known = port in ports or port in _OWN_PORTS or port in _DATABASES or (item.data.get("protocol") == "udp" and not process)
        if isinstance(port, int) and not known and (port, process) not in seen:
            seen.add((port, process))
            found.append(Unclaimed("listener", f"{item.data.get('protocol')} {port}", process or "process unknown"))
    return found
