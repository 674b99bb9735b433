"""A workload as planning sees it, and why one stays where it is.  Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from inventory.conditions import Facts
from inventory.register import valid_name
from planner import equality, movesteps
from planner.assessment import Verdict
from planner.costs import Cost
from planner.decisions import Decision, Kind
from planner.rebuild import Rebuilt
from planner.sizing import Size

PLACES = {"site-cluster": "site cluster", "virtual-host": "virtual-host server", "vps": "VPS node", "colocation": "rack"}


@dataclass(frozen=True)
class Subject:
    """One workload.  `records` are its A records as read: {name, values, ttl}; `agreed` the night that its unit agreed to.

    `rebuilt` is what it stands on, where it goes to a VPS that has been made for it; None where there is no such machine.
    """

    name: str
    unit: str
    kind: str
    host: str
    address: str
    names: Sequence[str]
    facts: Facts
    verdict: Verdict
    size: Size
    costs: Mapping[str, Cost]
    decisions: Mapping[Kind, Decision] = field(default_factory=dict)
    settled: Mapping[str, Decision] = field(default_factory=dict)
    records: Sequence[Mapping[str, Any]] = ()
    agreed: date | None = None
    rebuilt: Rebuilt | None = None

    def value(self, name: str, default: Any = None) -> Any:
        """A fact's value, `default` when unknown."""
        return self.facts[name]["value"] if name in self.facts else default

    @property
    def placement(self) -> str:
        """Where it is to go."""
        return self.verdict.recommendation

    @property
    def dns_names(self) -> list[str]:
        """Its names that DNS allows."""
        return [name for name in self.names if valid_name(name)]

    @property
    def bytes(self) -> int | None:
        """What has to be copied: content and database; None when the content's size is unknown."""
        content = self.value("content.bytes")
        return None if content is None else int(content) + int(self.value("database.bytes", 0) or 0)

    @property
    def pinned(self) -> date | None:
        """The night that an admin chose, else the one that its unit agreed to."""
        chosen = self.decisions.get("cutover")
        return date.fromisoformat(chosen.value) if chosen is not None else self.agreed


def stays(item: Subject) -> str:
    """Why a workload is in no plan; '' when it moves."""
    left = item.decisions.get("leave")
    if left is not None:
        return f"{left.by} decided that it stays: {left.why}"
    if not item.host:
        return "it is declared, but was found on no host"
    if item.placement == "none":
        return f"no verdict: {item.verdict.strength}"
    chosen = item.verdict.of(item.placement)
    if chosen is not None and chosen.asked_only:
        return "its unit must answer first; see planner questions"
    if item.value("site.declared") is False and item.value("owner.known") is not True:
        return "no unit has declared it; have it declared first"
    if item.verdict.strength == "undecided":
        return "the verdict is undecided; see planner explain"
    return ""


def by_hand(item: Subject) -> str:
    """Why the planner's playbooks do not carry the move out; '' when they do."""
    if not movesteps.steps(item.placement):
        return f"there are no playbooks for {item.placement}"
    if not item.dns_names:
        return "it has no name that DNS allows"
    if not item.value("site.docroot"):
        return "its docroot is unknown"
    if item.placement == "vps":
        if item.rebuilt is None:
            return "no virtual machine has been made for it: name one in vps_machines of inventory/platforms.yml"
        return "; ".join(item.rebuilt.problems)
    configuration, docroot = item.value("application.config_file"), str(item.value("site.docroot"))
    if configuration and item.value("database.used", False) and not equality.within(str(configuration), docroot):
        return f"its configuration {configuration} stands outside of its docroot, and a move does not carry it"
    if item.value("site.tls") is True:
        return "it is served over HTTPS, and this planner does not yet bring certificates to a destination"
    if item.placement == "site-cluster" and item.value("site.static") is not True:
        return "there is no playbook for this profile of the site cluster"
    if item.placement == "virtual-host" and item.value("database.used") and _product(item) not in {"mariadb", "mysql"}:
        return "there is no playbook for its kind of database"
    return ""


def _product(item: Subject) -> str:
    return str(item.value("database.product", "")).lower()


def identities(items: Iterable[Subject]) -> dict[str, str]:
    """A move's id for each workload's name: readable, and unique by a digest where two names would give one."""
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name in sorted(item.name for item in items):
        text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:200] or "site"
        if text in taken:
            text = f"{text}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
        taken[text] = found[name] = text
    return found
