"""Declared versus found, value by value: declared and not found, found and not declared, and values that differ, with both sources.

In: an open session and the campus.  Out: a `Report` of pairs.  A pair's status says what the finding rests on: `missing` only when
the hosts that could have it were read; where a host could not be read, its sites and values are `unknown`, with the reason, for a
probe that failed says nothing about a site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model, sameness, whereabouts, yamlfile
from inventory.found import Found, Times, of_server, of_site, off_network
from inventory.register import history
from inventory.register.cells import written
from inventory.register.fields import shipped
from inventory.register.names import ascii_name
from inventory.scope import Campus
from inventory.whereabouts import READ

TABLE = Path(__file__).with_name("differences.yml")
_OF_HOST = (
    "os",
    "hardware",
    "disk",
    "address",
    "route",
    "web_server",
    "database_server",
    "php_version",
    "listener",
    "certificate",
    "unknown",
)


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    field: str
    found: str
    how: Literal["product", "number", "size", "boolean", "day", "names", "contained", "ports", "servers", "address", "choice"]
    within: float = 0.0


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    site: tuple[_Rule, ...]
    server: tuple[_Rule, ...]


@cache
def rules() -> _File:
    """What ships.  Raises ConfigurationError with `file:line:column`."""
    return yamlfile.read(TABLE).validate(_File)


@dataclass(frozen=True)
class Value:
    """One field's two values.  `differs` None: they cannot be compared, or one is not there; `note` says why or what."""

    field: str
    declared: Any
    found: Any
    differs: bool | None
    note: str = ""
    declared_at: datetime | None = None
    declared_place: str = ""
    found_at: datetime | None = None
    found_place: str = ""
    found_shown: Any = None


@dataclass
class Pair:
    """A site or server on both sides.  `status`: both, hidden (found only), missing (declared only), unknown (could not be looked for)."""

    kind: str
    key: str
    unit: str | None
    status: str
    note: str = ""
    values: list[Value] = field(default_factory=list)
    declared_at: datetime | None = None
    declared_place: str = ""
    found_at: datetime | None = None
    found_place: str = ""

    @property
    def differing(self) -> list[Value]:
        """The values that differ."""
        return [value for value in self.values if value.differs]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass
class Report:
    """All pairs, servers after sites, by key."""

    pairs: list[Pair] = field(default_factory=list)

    @property
    def notable(self) -> list[Pair]:
        """What somebody has to look at."""
        return [pair for pair in self.pairs if pair.status != "both" or pair.differing]


def compare(session: Session, campus: Campus, *, unit: str = "") -> Report:
    """Everything declared against everything found; `unit` limits it to one unit's."""
    known = _Known(session)
    sites = [_site(known, campus, item) for item in known.workloads if not unit or item.unit_code == unit]
    servers = [_server(known, host) for host in known.hosts.values() if not unit or host.unit_code == unit]
    report = Report(sorted(sites, key=lambda pair: pair.key) + sorted(servers, key=lambda pair: pair.key))
    for kind in ("site", "server"):
        pairs = [pair for pair in report.pairs if pair.kind == kind]
        sources = history.sources(session, kind, [known.keys.get((kind, pair.key), pair.key) for pair in pairs])
        for pair in pairs:
            told = sources.get(known.keys.get((kind, pair.key), pair.key), {})
            pair.values = [_sourced(value, told.get(value.field)) for value in pair.values]
    return report


def _sourced(value: Value, source: history.Source | None) -> Value:
    if source is None or value.declared is None:
        return value
    return Value(**{**vars(value), "declared_at": source.at, "declared_place": source.place})


class _Known:
    """What the catalogue knows, read once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.workloads = list(session.scalars(select(model.Workload).where(model.Workload.kind == "site").order_by(model.Workload.host_id)))
        self.hosts = {host.id: host for host in session.scalars(select(model.Host))}
        declared = session.scalars(select(model.Declared).where(model.Declared.withdrawn_at.is_(None), model.Declared.kind != "link"))
        self.sites: dict[str, model.Declared] = {}
        self.servers: dict[str, model.Declared] = {}
        self.keys: dict[tuple[str, str], str] = {}
        for row in declared:
            (self.sites if row.kind == "site" else self.servers)[row.key] = row
        self.by_name = dict(self.sites)
        for row in self.sites.values():
            for alias in row.data.get("aliases") or []:
                self.by_name.setdefault(ascii_name(str(alias)), row)
        self.times: Times = {row.id: row.taken_at for row in session.execute(select(model.Snapshot.id, model.Snapshot.taken_at))}
        self._called = whereabouts.called(self.hosts.values(), {key: row.data for key, row in self.servers.items()})
        self._observations: dict[int, Sequence[Any]] = {}

    def observations(self, host: int) -> Sequence[Any]:
        """A host's observations of the kinds that are compared."""
        if host not in self._observations:
            self._observations = {host: catalogue.observations(self.session, host, *_OF_HOST)}  # one at a time in memory
        return self._observations[host]

    def host_of(self, text: str) -> model.Host | None:
        """A host by what a sheet calls it: its name, its address, or the name of the declared server."""
        return self._called.get(text.casefold()) if text else None


def _unread(known: _Known, host: model.Host | None) -> str:
    """Why a host's sites cannot be told, or ''."""
    if host is None:
        return "it is no host of the catalogue"
    if host.outcome not in READ:
        return (
            f"{host.name}: {host.outcome}"
            + (f" on {host.visited_at:%Y-%m-%d}" if host.visited_at else "")
            + ", so nothing is known of its sites"
        )
    lost = [seen.data.get("what") for seen in known.observations(host.id) if seen.kind == "unknown" and seen.section == "web"]
    return f"{host.name}: {lost[0]} could not be read" if lost else ""


def _site(known: _Known, campus: Campus, item: model.Workload) -> Pair:
    names = [item.name.partition("@")[0], *item.names]
    row = next((known.by_name[name] for name in names if name in known.by_name), None)
    pair = Pair("site", item.name, item.unit_code, {"both": "both", "undeclared": "hidden"}.get(item.status, "missing"))
    if row is not None:
        known.keys["site", item.name] = row.key
        pair.declared_at, pair.declared_place = row.imported_at, row.origin
    if item.host is not None:
        pair.found_at, pair.found_place = item.host.visited_at, item.host.name
        found = of_site(item, known.observations(item.host.id), campus, known.times)
        if pair.status == "hidden":
            pair.note = f"found on {item.host.name}, declared nowhere"
    else:
        pair.status, pair.note = _why_missing(known, row)
        outside = off_network(campus, _declared_address(known, row), item.names)
        found = {"off_network": Found(outside, "its declared names and server")} if outside else {}
    pair.values = [
        _value("site", rule, row, found.get(rule.found), pair.note if item.host is None else "not read") for rule in rules().site
    ]
    return pair


def _servers(row: model.Declared | None) -> list[str]:
    return whereabouts.servers(row.data) if row is not None else []


def _declared_address(known: _Known, row: model.Declared | None) -> str:
    for text in _servers(row):
        host = known.host_of(text)
        if host is not None:
            return str(host.address)
    return ""


def _why_missing(known: _Known, row: model.Declared | None) -> tuple[str, str]:
    named = _servers(row)
    hosts = [(text, known.host_of(text)) for text in named]
    if hosts:
        unread = [f"{text}: {reason}" if host is None else reason for text, host in hosts if (reason := _unread(known, host))]
        if unread:
            return "unknown", "; ".join(unread)
        return "missing", f"not on {', '.join(named)}, which was read"
    unread = [host.name for host in known.hosts.values() if host.outcome not in READ]
    if not known.hosts:
        return "unknown", "no host has been visited yet"
    if unread:
        shown = ", ".join(sorted(unread)[:5]) + (" …" if len(unread) > 5 else "")
        return "unknown", f"its sheet names no server, and {len(unread)} of {len(known.hosts)} hosts could not be read: {shown}"
    return "missing", f"on none of {len(known.hosts)} hosts, which were all read; its sheet names no server"


def _server(known: _Known, host: model.Host) -> Pair:
    row = known.servers.get(host.address)
    read = host.outcome in READ
    pair = Pair("server", host.address, host.unit_code, "both" if row is not None and read else "hidden" if read else "unknown")
    if row is not None:
        pair.declared_at, pair.declared_place = row.imported_at, row.origin
    found: Mapping[str, Found] = {}
    if host.visited_at is not None or read:
        found = of_server(host, known.observations(host.id), known.times)
    if not read:
        pair.note = f"{host.name}: {host.outcome}" + (f" on {host.visited_at:%Y-%m-%d}" if host.visited_at else "")
        pair.note += "; values are from an earlier visit" if found else ""
    elif row is None:
        pair.note = f"{host.name} was visited, and no sheet declares it"
    pair.found_at, pair.found_place = host.visited_at, host.name
    pair.values = [_value("server", rule, row, found.get(rule.found), pair.note if not read else "not read") for rule in rules().server]
    return pair


def _value(kind: str, rule: _Rule, row: model.Declared | None, found: Found | None, unread: str) -> Value:
    declared = row.data.get(rule.field) if row is not None else None
    if rule.how == "names" and row is not None:
        declared = [str(row.data.get("domain") or row.key), *(row.data.get("aliases") or [])]
    place, at = (found.place, found.at) if found is not None else ("", None)
    value = found.value if found is not None else None
    differs, note = (None, "") if declared is None else (None, unread) if found is None else _differs(rule, declared, value)
    column = shipped().kinds[kind].by_id[rule.field]
    shown = value if value is None or (isinstance(value, (str, list)) and column.kind != "choice") else written(column, value)
    shown = ", ".join(map(str, shown)) if isinstance(shown, list) else shown
    return Value(rule.field, declared, value, differs, note, found_at=at, found_place=place, found_shown=shown)


def _differs(rule: _Rule, declared: Any, found: Any) -> tuple[bool | None, str]:
    """Whether the two differ; None when they cannot be compared."""
    if rule.how == "names":
        only, others = sameness.same_names(map(str, declared), map(str, found))
        said = [f"{text}: {', '.join(names)}" for text, names in (("not found", only), ("not declared", others)) if names]
        return bool(only or others), "; ".join(said)
    if rule.how == "contained":
        lacking = sorted(set(map(str, declared)) - set(map(str, found)))
        return bool(lacking), f"not found: {', '.join(lacking)}" if lacking else ""
    if rule.how == "ports":
        return _ports_differ(list(map(str, declared)), list(map(str, found)))
    if rule.how == "servers":
        texts = [declared] if isinstance(declared, str) else declared
        return not {str(text).casefold() for text in texts} & {str(text).casefold() for text in found}, ""
    if rule.how == "day":
        same = sameness.same_day(str(declared), str(found))
    elif rule.how == "product":
        same = sameness.same_product(str(declared), str(found))
    elif rule.how in {"number", "size"}:
        same = sameness.same_number(declared, found, rule.within)
    elif rule.how == "boolean":
        same = bool(declared) == bool(found)
    else:
        same = str(declared).casefold() == str(found).casefold()
    return (None, "cannot be compared") if same is None else (not same, "")


def _ports_differ(declared: Sequence[str], found: Sequence[str]) -> tuple[bool | None, str]:
    def numbers(texts: Sequence[str]) -> set[tuple[int, str]]:
        result = set()
        for text in texts:
            ports, _, protocol = text.partition(" ")[0].partition("/")
            first, _, last = ports.partition("-")
            result |= {(number, protocol) for number in range(int(first), int(last or first) + 1)}
        return result

    open_, told = numbers(found), numbers(declared)
    closed, untold = sorted(told - open_)[:20], sorted(open_ - told)[:20]
    said = [
        f"{text}: {', '.join(f'{number}/{protocol}' for number, protocol in ports)}"
        for text, ports in (("nothing listens on", closed), ("open, not declared", untold))
        if ports
    ]
    return bool(said), "; ".join(said)
