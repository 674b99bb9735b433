"""All facts of a workload, brought together: what was found, declared, answered, and what follows from them and the platforms.

In: an open catalogue, the workspace, today.  Out: for each workload the facts that rules read, each {"value", "evidence", "why", "seen"}.
`seen` is the day on which a fact was last confirmed.  What is read once for all workloads is read when the `Assembly` is made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model, sampling
from inventory.conditions import Facts, value
from planner import answers, assessment, costs, decisions, fitting, measures, signs, sizing
from planner.assessment import Override, Verdict
from planner.platforms import Platforms
from planner.policy import RuleSet
from planner.sizing import Size
from planner.workspace import Workspace

Fact = dict[str, Any]


class Assembly:
    """The facts of every workload of one catalogue, and its verdict by the rules in force."""

    def __init__(self, session: Session, space: Workspace, today: date, items: Sequence[model.Workload] | None = None) -> None:
        """`items`: the workloads that will be asked for; all without."""
        self.space, self.today = space, today
        self.rules = self.rules_of(space)
        self.sizes = _sizes(session, space.platforms, None if items is None else {item.host_id for item in items if item.host_id}, today)
        self._servers = _servers(session)
        self._seen = _seen(session)
        self.decisions = decisions.standing(session, today)
        self._answered = answers.facts(session)

    @staticmethod
    def rules_of(space: Workspace) -> RuleSet:
        """The rules in force: a center without tariffs does not weigh costs."""
        tariffs = space.platforms.tariffs
        priced = any(getattr(tariffs, name) is not None for name in ("site_cluster", "virtual_host", "vps", "colocation", "retire"))
        return space.rules if priced else space.rules.unpriced()

    def of(self, item: model.Workload, on: date | None = None) -> Facts:
        """What is known of one workload.  An absent name is unknown.  `on`: what follows from it is reckoned for that day, not today."""
        seen = self._seen.get(item.host_id or 0, "")
        known: dict[str, Fact] = {}
        for name, fact in item.facts.items():
            evidence = fact.get("evidence") or []
            told = isinstance(evidence[0][0], int) if evidence else not name.startswith(("declared.", "http.", "owner."))
            known[name] = {**fact, "seen": seen} if told and seen else fact
        if item.host is not None:
            known |= self._servers.get(item.host.address, {})
        known |= _measured(self.sizes.get(item.name, sizing.UNKNOWN), known, self.space.platforms)
        known |= self._answered([item.name, *map(str, item.names)])
        return self.derived(item, _here(known), on)

    def derived(self, item: model.Workload, known: Facts, on: date | None = None) -> Facts:
        """The same with what follows from it, made anew: what would follow if something else were known, too."""
        names, address = [str(name) for name in item.names], item.host.address if item.host is not None else ""
        bare = {name: fact for name, fact in known.items() if not name.startswith("fit.")}  # what fitted before need not fit now
        told = signs.derive(bare, on or self.today)
        return {**told, **fitting.facts(told, names, address, self.space.platforms, self.space.campus)}

    def assess(self, item: model.Workload, known: Facts | None = None, language: str = "en") -> Verdict:
        """Its verdict, from `known` or from all that is known of it."""
        found = self.of(item) if known is None else known
        return assessment.assess(found, self.rules, language, today=self.today, override=self.override(item))

    def override(self, item: model.Workload) -> Override | None:
        """What an admin decided about its placement."""
        return self.decisions.override(item.name, map(str, item.names))


def _here(known: dict[str, Fact]) -> dict[str, Fact]:
    """The same, where DNS leads to another address of the site's own host: whoever looked from outside could not know it."""
    told, dns = known.get("http.dns_here"), known.get("http.dns")
    if told is None or dns is None or told["value"] is not False or not isinstance(dns["value"], list):
        return known
    own = {text for text in value(known, "host.addresses", []) if not str(text).startswith(("127.", "::1", "fe80:"))}
    shared = sorted(own & set(map(str, dns["value"])))
    return known | {"http.dns_here": {**told, "value": True, "why": f"its host has the address {shared[0]}, too"}} if shared else known


def _sizes(session: Session, platforms: Platforms, hosts: Collection[int] | None, today: date) -> dict[str, Size]:
    since = datetime.combine(today, time(), UTC) - timedelta(days=sampling.WINDOW_DAYS)
    return measures.sizes(session, platforms, hosts, since)


def _measured(size: Size, known: Mapping[str, Fact], platforms: Platforms) -> dict[str, Fact]:
    """`size.*` and what it would cost a year on each placement, `cost.*`; unknown figures are no facts."""
    found: dict[str, Fact] = {}
    for name in ("cpus", "memory_bytes", "disk_bytes", "iops"):
        figure = getattr(size, name)
        if figure is not None:
            found[f"size.{name}"] = {"value": figure, "evidence": [], "why": f"{size.basis[name]}; {size.why}"}
    machine = costs.Machine(value(known, "server.height_u"), value(known, "server.power_w"))
    for name, cost in costs.costs(size, platforms, machine=machine).items():
        if cost.yearly is not None:
            found[f"cost.{name}"] = {"value": float(cost.yearly), "evidence": [], "why": "tariffs in inventory/platforms.yml"}
    return found


def _servers(session: Session) -> dict[str, dict[str, Fact]]:
    """What the sheets say of each server, by its address: facts `server.<field>`."""
    found: dict[str, dict[str, Fact]] = {}
    query = (
        select(model.Declared).where(model.Declared.kind == "server", model.Declared.withdrawn_at.is_(None)).order_by(model.Declared.key)
    )
    for row in session.scalars(query):
        facts = {
            f"server.{name}": {
                "value": value, "evidence": [["declared", row.origin, 0]], "why": f"declared in {row.origin}",
                "seen": _day(row.imported_at),
            }
            for name, value in sorted(row.data.items())
            if isinstance(value, (str, bool, int, float, list)) and name not in {"unit", "name", "address"}
        }  # fmt: skip
        for address in (row.key, *(row.data.get("addresses") or [])):
            found.setdefault(str(address), facts)
    return found


def _seen(session: Session) -> dict[int, str]:
    """The day on which each host last said what stands in the catalogue."""
    query = select(model.Host.id, model.Snapshot.taken_at, model.Snapshot.seen_at).join(
        model.Snapshot, model.Snapshot.id == model.Host.snapshot_id
    )
    return {key: _day(seen or taken) for key, taken, seen in session.execute(query)}


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
