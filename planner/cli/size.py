"""`planner size`: how large each workload is, by what it was measured, how sure that is, and what it costs on each placement."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from inventory import catalogue
from planner import costs, measures, policy, sizing, workspace
from planner.cli.output import Json, emit, note, say, table, visible
from planner.sizewords import amount


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("size")(size)


def size(
    sites: Annotated[list[str] | None, typer.Argument(help="Sites by any of their names; none: all.")] = None,
    days: Annotated[float, typer.Option(min=1.25, help="Only our own samples of the last so many days.")] = 14,
    why: Annotated[bool, typer.Option("--why", help="Also what each figure rests on, in sentences.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """The size that each workload needs at its destination, and its cost for a year on each placement, with totals by unit.

    CPU is the 95th percentile of what was measured, memory the 99th, disk what is held with its growth; all with headroom. Factors,
    flavours and tariffs stand in inventory/platforms.yml. ? is unknown, – not eligible; hours of effort come from the last planner assess.
    """
    space = workspace.find()
    language = space.configuration.language
    with space.open_catalogue().session() as session:
        found = _sized(session, space, sites, days)
    priced = {subject.name: costs.costs(told, space.platforms, subject.efforts, subject.machine) for subject, told in found}
    totals = costs.totals(costs.Row(subject.unit, subject.placement, priced[subject.name]) for subject, _ in found)
    if as_json:
        emit({
            "currency": space.platforms.tariffs.currency,
            "workloads": [_entry(subject, told, priced[subject.name], language) for subject, told in found],
            "totals": {
                "units": {name: total.to_json() for name, total in totals.units.items()},
                "placements": {name or "none": total.to_json() for name, total in totals.placements.items()},
                "overall": totals.overall.to_json(),
                "unknown": [{"why": reason.text(language), "count": count} for reason, count in totals.reasons.items()],
            },
        })  # fmt: skip
        return
    _show(found, priced, totals, language, why)


Sized = list[tuple[measures.Subject, sizing.Size]]


def _sized(session: Session, space: workspace.Workspace, sites: list[str] | None, days: float) -> Sized:
    only = {catalogue.workload_by_name(session, site).id for site in sites} if sites else None
    subjects = measures.subjects(session, only)
    wanted = None if only is None else {subject.host_id for subject in subjects if subject.host_id is not None}
    by_name = measures.sizes(session, space.platforms, wanted, catalogue.now() - timedelta(days=days))
    return [(subject, by_name.get(subject.name, sizing.UNKNOWN)) for subject in subjects]


def _entry(subject: measures.Subject, told: sizing.Size, priced: dict[str, costs.Cost], language: str) -> dict[str, Any]:
    cheaper = costs.alternatives(priced, subject.states, subject.placement)
    return {
        "site": subject.name, "unit": subject.unit, "placement": subject.placement, "size": told.to_json(),
        "costs": [{**cost.to_json(language), "state": subject.states.get(name)} for name, cost in priced.items()],
        "alternatives": [cost.placement for cost in cheaper],
    }  # fmt: skip


def _show(found: Sized, priced: dict[str, dict[str, costs.Cost]], totals: costs.Totals, language: str, why: bool) -> None:
    rows = [
        {
            "site": subject.name, "unit": subject.unit, "cpus": _number(told.cpus), "memory": amount(told.memory_bytes),
            "disk": amount(told.disk_bytes), "iops": _number(told.iops),
            "basis": ", ".join(dict.fromkeys(told.basis[name] for name in ("cpus", "memory_bytes", "disk_bytes"))),
            "confidence": f"{told.confidence:.2f}", "verdict": subject.placement or "?",
            **{name: _price(cost, subject.states.get(name, "")) for name, cost in priced[subject.name].items()},
        }
        for subject, told in found
    ]  # fmt: skip
    columns = ["site", "unit", "cpus", "memory", "disk", "iops", "basis", "confidence", "verdict", *policy.PLACEMENTS]
    table(rows, columns, as_json=False, empty="no sites yet: planner discover")
    if not found:
        return
    if why:
        for subject, told in found:
            say(f"\n{visible(subject.name)}: {told.why_zh if language == 'zh_CN' else told.why}")
    say()
    table(
        [_total(name, total) for name, total in [*totals.units.items(), ("all", totals.overall)]],
        ["unit", "workloads", "yearly", "unknown", "once", "once_unknown"], as_json=False, empty="",
    )  # fmt: skip
    for reason, count in totals.reasons.items():
        note(f"{count} × {reason.text(language)}")
    if any(cost.justify for costs_ in priced.values() for cost in costs_.values()):
        note("* 超出默认云主机规格，须说明理由" if language == "zh_CN" else "* is more than the default VPS and needs a reason")


def _total(name: str, total: costs.Total) -> dict[str, Any]:
    return {
        "unit": name or "?", "workloads": total.count, "yearly": _money(total.yearly), "unknown": total.yearly_unknown,
        "once": _money(total.once), "once_unknown": total.once_unknown,
    }  # fmt: skip


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _price(cost: costs.Cost, state: str) -> str:
    if state == "ineligible":
        return "–"
    return "?" if cost.yearly is None else _money(cost.yearly) + ("*" if cost.justify else "")


def _money(value: Decimal) -> str:
    return f"{value:.2f}"
