"""What identification works on and what it makes: observations of one host, looked up by kind, and sites that learn facts.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

from inventory import lifecycle

Evidence = list[Any]  # [snapshot id, section, line]


class Seen(NamedTuple):
    """An observation as identification needs it."""

    kind: str
    data: Mapping[str, Any]
    evidence: tuple[Any, ...]


@dataclass
class Site:
    """A workload found on a host.  `kind` is site or system; `facts[name]` is {"value", "evidence", "why"}."""

    name: str
    host: str
    names: list[str]
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    kind: str = "site"

    def learn(self, name: str, value: Any, *seen: Seen, why: str = "") -> None:
        """Record a fact; None is not a value."""
        if value is not None:
            self.facts[name] = {"value": value, "evidence": [list(item.evidence) for item in seen], "why": why}

    def value(self, name: str) -> Any:
        """A fact's value, None when unknown."""
        return self.facts.get(name, {}).get("value")

    def support(self, fact: str, product: str, version: str, at: Any, *seen: Seen) -> None:
        """Until when a release gets fixes, and whether it still did on the day `at` of the visit."""
        end = lifecycle.ends(product, version)
        if end is not None:
            self.learn(f"{fact}_end", end.isoformat(), *seen, why=f"{product} {version} in inventory/eol.yml")
            if at is not None:
                self.learn(f"{fact}_supported", at <= end, *seen, why=f"on {at.isoformat()}")


class Observed:
    """One host's observations by kind, in the order in which they were read; a kind that nobody asks for is never opened.

    `parts` are (kind, how to open those observations).
    """

    def __init__(self, parts: Iterable[tuple[str, Callable[[], Sequence[Seen]]]]) -> None:
        self._parts: dict[str, list[Callable[[], Sequence[Seen]]]] = {}
        for kind, opened in parts:
            self._parts.setdefault(kind, []).append(opened)
        self._kinds: dict[str, list[Seen]] = {}
        self._indexes: dict[tuple[str, str], dict[Any, Seen]] = {}
        self._made: dict[str, Any] = {}

    @classmethod
    def of_all(cls, observations: Iterable[Seen]) -> Observed:
        """What is open already."""
        kinds: dict[str, list[Seen]] = {}
        for item in observations:
            kinds.setdefault(item.kind, []).append(item)
        return cls([(kind, partial(tuple, items)) for kind, items in kinds.items()])

    def of(self, kind: str) -> Sequence[Seen]:
        """All of a kind; none when nothing of it was read."""
        if kind not in self._kinds:
            self._kinds[kind] = [item for opened in self._parts.get(kind, ()) for item in opened()]
        return self._kinds[kind]

    def first(self, kind: str) -> Seen | None:
        """The first of a kind."""
        return next(iter(self.of(kind)), None)

    def where(self, kind: str, name: str, value: Any) -> Seen | None:
        """The first of a kind whose field has this value; a table is made once for each field that is asked for."""
        if (kind, name) not in self._indexes:
            table: dict[Any, Seen] = {}
            for item in self.of(kind):
                key = item.data.get(name)
                if isinstance(key, (str, int)):
                    table.setdefault(key, item)
            self._indexes[kind, name] = table
        return self._indexes[kind, name].get(value) if isinstance(value, (str, int)) else None

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Something that is the same for all sites of the host, worked out once."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @cached_property
    def unread(self) -> frozenset[Any]:
        """What could not be read, by the words of the probes."""
        return frozenset(str(item.data.get("what")) for item in self.of("unknown"))

    @cached_property
    def addresses(self) -> frozenset[str]:
        """The host's own addresses."""
        return frozenset(str(item.data.get("address")) for item in self.of("address"))


def under(path: Any, root: Any) -> bool:
    """Whether a path is a folder or lies below it; nothing lies below an unknown folder."""
    path, root = str(path or ""), str(root or "").rstrip("/")
    return bool(root) and (path == root or path.startswith(root + "/"))


def walked(site: Site) -> Any:
    """A site's docroot as the host sees it, which is how content and applications are told: inside a container it has another name."""
    return site.value("site.host_docroot") or site.value("site.docroot")
