"""What a reading of a site in care amounts to: the row that people see, and what is wrong.  Pure.

In: a site, its reading, the platforms, the hour.  Out: `Row`, with warnings in the order of their weight.  What was not read is unknown
and said so; it is never taken for good, nor for bad beyond that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from planner.operations.care import PLAIN, Cared
from planner.operations.reading import Part, Reading
from planner.platforms import Platforms

STAMP = "%Y%m%dT%H%M%SZ"
GRACE = timedelta(days=2)
"""So much later than `test_days` a restore on trial is late: it is tried every night from then on."""


@dataclass(frozen=True)
class Row:
    """One line of `planner operations`.  `warnings` are sentences, the heaviest first; `weight` is the first one's, 9 none."""

    id: str
    unit: str
    site: str
    placement: str
    machine: str
    address: str
    since: datetime
    by: str
    plan: str
    backup: dict[str, Any]
    restore: dict[str, Any]
    certificate: dict[str, Any]
    rotation: str
    monitoring: str
    warnings: tuple[str, ...]
    weight: int = 9

    @property
    def overdue(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.warnings)

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        told = {**vars(self), "warnings": list(self.warnings), "overdue": self.overdue}
        del told["weight"]
        return told


def row(one: Cared, reading: Reading, platforms: Platforms, now: datetime) -> Row:
    """The row of one site."""
    warned: list[tuple[int, str]] = []
    if not reading and not one.closed:
        warned.append((2, "nothing was ever read of it: planner operations visits it"))
    backup, restore = _backup(one, reading.get("backup", {}), platforms, now, warned)
    certificate = _certificate(one, reading.get("certificates", {}), platforms, now, warned)
    rotation = _rotation(one, reading.get("rotation", {}), warned)
    monitoring = _monitoring(one, reading.get("monitoring", {}), platforms, warned)
    texts = tuple(dict.fromkeys(text for _, text in sorted(warned, key=lambda item: item[0])))
    return Row(
        one.id, one.unit, one.site, one.placement, one.machine or one.platform, one.address, one.since, one.by, one.plan,
        backup, restore, certificate, rotation, monitoring, texts, min((weight for weight, _ in warned), default=9),
    )  # fmt: skip


def order(rows: list[Row]) -> list[Row]:
    """The heaviest warnings first, then by unit and site."""
    return sorted(rows, key=lambda one: (one.weight, -len(one.warnings), one.unit, one.site))


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)


def _hours(delta: timedelta) -> float:
    return round(delta.total_seconds() / 3600, 1)


def _backup(
    one: Cared, part: Part, platforms: Platforms, now: datetime, warned: list[tuple[int, str]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    nothing: tuple[dict[str, Any], dict[str, Any]] = ({"state": "none"}, {"state": "none"})
    if one.closed:
        return {"state": "archive"}, {"state": "archive"}
    if not one.held or not PLAIN.fullmatch(one.id):
        # a colocated machine is backed up by its unit; what people moved, by people: a warning that never ends would be read by nobody
        state = "its unit's" if one.placement == "colocation" else "by hand"
        return {"state": state}, {"state": state}
    if platforms.backup is None:
        warned.append((1, "no backup: platforms.yml names no machine for backups"))
        return nothing
    if part.get("trouble"):
        warned.append((2, f"what the machine for backups has of it is not known: {part['trouble']}"))
    if part.get("status") is None:
        return {"state": "unknown"}, {"state": "unknown"}
    status: Mapping[str, Any] = part["status"]
    if not status:
        warned.append((1, "no backup: it is not set up yet (planner operations setup)"))
        return nothing
    if status.get("error"):
        warned.append((1, f"the machine for backups cannot tell: {status['error']}"))
        return {"state": "unknown"}, {"state": "unknown"}
    if platforms.backup.address in {one.machine_address, one.address}:
        warned.append((4, "its backups lie on the machine that serves it"))
    return _taken(status, platforms.backup.late_hours, now, warned), _tried(status, platforms.backup.test_days, one, now, warned)


def _taken(status: Mapping[str, Any], late_hours: int, now: datetime, warned: list[tuple[int, str]]) -> dict[str, Any]:
    backups, last = status.get("backups") or {}, status.get("last")
    if last and not last["ok"]:
        warned.append((1, f"the last backup failed: {last['error']}"))
    if not backups:
        warned.append((0, "there is no backup of it"))
        return {"state": "none"}
    newest = max(backups)
    told, age = backups[newest], now - _moment(newest)
    if age > timedelta(hours=late_hours):
        warned.append((1, f"its last backup is {_hours(age):.0f} hours old"))
    if age < -timedelta(minutes=10):
        warned.append((1, "its last backup lies in the future: one of the clocks is wrong"))
    if told.get("odd"):
        warned.append((2, f"its last backup is odd: {told['odd']}"))
    return {
        "state": "ok", "at": newest, "hours": _hours(age), "bytes": told["bytes"], "new_bytes": told["new_bytes"], "files": told["files"],
        "tables": told["tables"], "rows": told["rows"], "kept": len(backups), "oldest": min(backups),
    }  # fmt: skip


def _tried(status: Mapping[str, Any], test_days: int, one: Cared, now: datetime, warned: list[tuple[int, str]]) -> dict[str, Any]:
    test = status.get("test")
    if not test:
        if now - one.since > timedelta(days=test_days) + GRACE or status.get("backups"):
            warned.append((3, "no backup of it was ever restored on trial"))
        return {"state": "never"}
    age = now - _moment(test["at"])
    told = {"state": "ok" if test["ok"] else "failed", "at": test["at"], "days": round(age.total_seconds() / 86400, 1), "of": test["stamp"]}
    if not test["ok"]:
        warned.append((0, f"its backup could not be restored on trial: {test['error']}"))
    elif age > timedelta(days=test_days) + GRACE:
        warned.append((3, f"its last restore on trial is {age.days} days old"))
    return told | {"error": test["error"], "files": test["files"], "tables": test["tables"], "rows": test["rows"]}


def _certificate(one: Cared, part: Part, platforms: Platforms, now: datetime, warned: list[tuple[int, str]]) -> dict[str, Any]:
    """The certificate that ends next of all its names."""
    names: Mapping[str, Any] = part.get("names", {})
    lacking = sorted(name for name in one.https if not names.get(name, {}).get("fingerprint"))
    if lacking and part:
        why = names.get(lacking[0], {}).get("why", "") or "no answer"
        warned.append((0, f"no certificate is presented for {', '.join(lacking)}: {why}"))
    foreign = sorted(name for name, told in names.items() if told.get("fingerprint") and not told["covers"])
    if foreign:
        warned.append((1, f"the certificate presented does not hold {', '.join(foreign)}"))
    shown = {name: told for name, told in names.items() if told.get("fingerprint")}
    if not shown:
        return {"state": "none" if not one.https else "unknown"}
    first = min(shown, key=lambda name: (shown[name]["not_after"], name))
    ends = datetime.fromisoformat(shown[first]["not_after"])
    days, together = (ends - now).days, sorted(name for name in shown if shown[name]["fingerprint"] == shown[first]["fingerprint"])
    if ends <= now:
        warned.append((0, f"the certificate of {', '.join(together)} ended on {ends:%Y-%m-%d}"))
    elif days < platforms.certificate_days:
        warned.append((2, f"the certificate of {', '.join(together)} ends on {ends:%Y-%m-%d}, in {days} days"))
    renewed = shown[first]["since"] if shown[first].get("former") else ""
    return {"state": "ok", "names": together, "ends": f"{ends:%Y-%m-%d}", "days": days, "renewed": renewed[:10]}


def _rotation(one: Cared, part: Part, warned: list[tuple[int, str]]) -> str:
    if not one.held:
        return "-"
    if part.get("trouble"):
        warned.append((4, f"whether its logs are rotated is not known: {part['trouble']}"))
    if part.get("missing") is None:
        return "unknown"
    if not part["timer"]:
        warned.append((4, "its logs are never rotated: logrotate is not installed there, or its timer is off"))
    for log in part["missing"]:
        warned.append((4, f"nothing rotates {log}"))
    for line in part["errors"]:
        warned.append((4, f"logrotate complains: {line}"))
    return "ok" if part["timer"] and not part["missing"] and not part["errors"] else "lacking"


def _monitoring(one: Cared, part: Part, platforms: Platforms, warned: list[tuple[int, str]]) -> str:
    if one.closed:
        return "-"
    if platforms.monitoring is None:
        return "none"
    if part.get("trouble"):
        warned.append((4, f"whether it is watched is not known: {part['trouble']}"))
    if part.get("files") is None:
        return "unknown"
    if not part["files"]:
        warned.append((4, "it is not among the targets of the monitoring (planner operations setup)"))
        return "lacking"
    return "ok"
