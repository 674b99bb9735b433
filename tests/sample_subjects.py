"""Workloads, platforms and a calendar to plan with, small and by word: `subject("a", "virtual-host", **facts)`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache

from planner import calendars, costs, policy, sizing
from planner.assessment import Verdict
from planner.decisions import Decision
from planner.planning.subjects import Subject
from planner.planning.values import Inputs
from planner.platforms import Platforms
from planner.scoring import Placement

FIRST_DAY = date(2026, 11, 24)
GB = 1_000_000_000
HASHES = dict.fromkeys(("rules", "platforms", "calendar", "decisions"), "1" * 64)

PLATFORMS = {
    "virtual_hosts": [
        {"name": "vh1", "address": "192.0.2.101", "php": ["8.2"], "disk_bytes": 40 * GB, "accounts": 8},
        {"name": "vh2", "address": "192.0.2.102", "php": ["7.4", "8.2"], "disk_bytes": 40 * GB, "accounts": 8},
    ],
    "site_clusters": [
        {"name": "cluster", "front": {"name": "front", "address": "192.0.2.110"}, "nodes": [{"name": "n1", "address": "192.0.2.111"}],
         "disk_bytes": 50 * GB}
    ],
    "vps_nodes": [
        {"name": "kvm1", "cpus": 16, "memory_bytes": 64 * GB, "disk_bytes": 800 * GB},
        {"name": "kvm2", "cpus": 16, "memory_bytes": 64 * GB, "disk_bytes": 800 * GB},
    ],
    "racks": [{"name": "r1", "units": 10, "ports": 4}],
    "reserve": {"share": 0.0, "nodes": 0},
}  # fmt: skip

CALENDAR = """
notice_days: 0
reminder_days: 0
weekdays: [mon, tue, wed, thu]
nights: {cutovers: 2}
crew: {web: 20, system: 20, database: 20, network: 20}
pilots: {moves: 1, days_before_next: 3}
blackouts: [{name: exams, from: 2026-12-07, until: 2026-12-13}]
trial_days: 30
"""


@cache
def rules():
    return policy.load()


def verdict(placement, strength="dominant", *, asked_only=False):
    state = "unproven" if asked_only else "ready"
    places = () if placement == "none" else (Placement(placement, state, 60.0, 70.0, 2.0, 4.0, {}, asked_only),)
    return Verdict(placement, strength, 0.8, 1.0, placement, "", (), places, ())


def decided(**values):
    at = datetime(2026, 11, 20, tzinfo=UTC)
    return {kind: Decision("s", (), kind, value, "chen", "because", "", at) for kind, value in values.items()}


def subject(name, placement="virtual-host", *, host="old", address="", disk=GB, strength="dominant", names=None, unit="hist", **more):
    """`more`: fields of `Subject`, or facts with `__` for the dot."""
    fields = {key: more.pop(key) for key in ("decisions", "settled", "records", "agreed", "carried", "kind") if key in more}
    values = {"site.docroot": f"/var/www/{name}", "site.static": True, "content.bytes": disk or 0, "site.declared": True}
    values |= {key.replace("__", "."): value for key, value in more.items()}
    facts = {key: {"value": value, "evidence": [], "why": ""} for key, value in values.items() if value is not None}
    size = sizing.UNKNOWN if disk is None else sizing.Size(1.0, GB, disk, None, disk, {}, 0.5, "", "")
    platforms = Platforms.model_validate(PLATFORMS)
    kind = fields.pop("kind", "site")
    return Subject(
        name, unit, kind, host, address or f"198.51.100.{1 + sum(map(ord, host)) % 250}", [name.partition("@")[0]] if names is None else names,
        facts, verdict(placement, strength), size, costs.costs(size, platforms), **fields,
    )  # fmt: skip


def inputs(*items, calendar=CALENDAR, platforms=None, first_day=FIRST_DAY, **more):
    wanted = Platforms.model_validate({**PLATFORMS, **(platforms or {})})
    return Inputs(list(items), wanted, rules(), calendars.parse(calendar), first_day, HASHES, **more)
