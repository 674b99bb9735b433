"""`planner differences`, `candidates`: declared against found, value by value, and sites that may be asked to close."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import candidates as zombies
from inventory import differences as declared_found
from inventory import model
from inventory.conditions import Facts
from inventory.errors import InputError
from inventory.register import ascii_name, tables
from inventory.register.fields import shipped
from planner import wording, workspace
from planner.cli.output import Json, emit, note, table
from planner.i18n import N_, translator


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("differences")(differences)
    app.command("candidates")(candidates)


def differences(
    unit: Annotated[str, typer.Option(help="Only this unit's.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also values that agree, and those that cannot be compared.")] = False,
    xlsx: Annotated[Path | None, typer.Option(help="Write the same as a workbook, for the unit.")] = None,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Declared but not found, found but not declared (hidden), differing values; each with both sources and their days."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        _refuse_unknown_unit(session, unit)
        report = declared_found.compare(session, space.campus, unit=unit)
    pairs = report.pairs if everything else report.notable
    if as_json:
        emit([pair.to_json() for pair in pairs])
        return
    language = space.configuration.language
    rows = [row for pair in pairs for row in _rows(pair, everything, "en" if xlsx is None else language)]
    columns = ["status", "kind", "name", "unit", "field", "declared", "declared_in", "found", "found_on", "note"]
    if xlsx is not None:
        words = translator(language).gettext
        tables.write(
            xlsx, words(N_("Differences")), [words(_HEADINGS[name]) for name in columns], [[row[name] for name in columns] for row in rows]
        )
        note(f"wrote {xlsx}: {len(rows)} rows")
        return
    table(rows, columns, as_json=False, empty="no differences")
    if any(pair.status == "unknown" for pair in report.pairs):
        note("unknown: a host that could not be read says nothing about its sites; see `planner hosts list`")


_HEADINGS = {
    "status": N_("Status"), "kind": N_("Kind"), "name": N_("Name"), "unit": N_("Unit"), "field": N_("Field"), "declared": N_("Declared"),
    "declared_in": N_("Declared in"), "found": N_("Found"), "found_on": N_("Found on"), "note": N_("Note"),
}  # fmt: skip


def _refuse_unknown_unit(session: Session, unit: str) -> None:
    if unit and session.get(model.Unit, unit) is None:
        codes = ", ".join(session.scalars(select(model.Unit.code).order_by(model.Unit.code)))
        raise InputError(f"there is no unit {unit!r}", hint=f"units: {codes or 'none yet'}")


def _rows(pair: declared_found.Pair, everything: bool, language: str) -> list[dict[str, Any]]:
    def day(at: datetime | None) -> str:
        return f", {at:%Y-%m-%d}" if at else ""

    def text(value: Any) -> str:
        return "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else wording.show("", value)

    def size(value: Any) -> str:
        return "" if value is None else wording.show("bytes", value)

    base = {"status": pair.status, "kind": pair.kind, "name": pair.key, "unit": pair.unit or ""}
    rows = []
    if pair.status != "both" or (everything and not pair.values):
        rows.append(
            {**base, "field": "", "declared": "", "found": "", "note": pair.note,
             "declared_in": f"{pair.declared_place}{day(pair.declared_at)}" if pair.declared_place else "",
             "found_on": f"{pair.found_place}{day(pair.found_at)}" if pair.found_place else ""}
        )  # fmt: skip
    for value in pair.values if everything else pair.differing:
        if value.declared is None and value.found is None:
            continue
        column = shipped().kinds[pair.kind].by_id[value.field]
        amount = column.kind == "size"
        rows.append(
            {**base, "status": "differs" if value.differs else pair.status,
             "field": column.zh if language.startswith("zh") else value.field,
             "declared": size(value.declared) if amount else text(value.declared),
             "declared_in": f"{value.declared_place}{day(value.declared_at)}" if value.declared is not None else "",
             "found": size(value.found) if amount else text(value.found_shown),
             "found_on": f"{value.found_place}{day(value.found_at)}" if value.found is not None else "", "note": value.note}
        )  # fmt: skip
    return rows


def candidates(
    unit: Annotated[str, typer.Option(help="Only this unit's.")] = "",
    undecided: Annotated[bool, typer.Option("--undecided", help="Also rules that missing facts decide, with those facts.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every rule's say on every site.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Sites that may be asked to close (zombies), by rules in three values with the facts that prove them; see inventory/candidates.yml."""
    space = workspace.find()
    rules = zombies.load(space.root)
    language = space.configuration.language
    rows: list[dict[str, Any]] = []
    waiting: set[str] = set()
    with space.open_catalogue().session() as session:
        _refuse_unknown_unit(session, unit)
        sheets = _sheets(session)
        for item in session.scalars(select(model.Workload).where(model.Workload.kind == "site").order_by(model.Workload.name)):
            if unit and item.unit_code != unit:
                continue
            declared = next((sheets[name] for name in (item.name, *item.names) if name in sheets), None)
            facts = zombies.facts_of(item.facts, declared.data if declared else None, item.unit_code, datetime.now().astimezone().date())
            for finding in zombies.judge(rules, facts):
                open_ = finding.holds is None
                waiting |= {item.name} if open_ else set()
                if everything or finding.holds or finding.excused or (undecided and open_):
                    rows.append(_row(item, finding, facts, rules, language))
    # proven ones first; a rule that cannot be decided is work for the admins, not a verdict
    rows.sort(key=lambda row: (_ORDER[row["candidate"]], row["site"], row["rule"]))
    if not as_json:
        for row in rows:
            row["message"] = f"excused: {row['excused']}" if row["excused"] else row["message"]
    table(rows, ["candidate", "site", "unit", "rule", "message", "missing"], as_json=as_json, empty="no candidates")
    if waiting and not (undecided or everything or as_json):
        note(f"undecided for {len(waiting)} sites, for lack of facts: --undecided says which")


_ORDER = {"yes": 0, "unknown": 1, "excused": 2, "no": 3}


def _sheets(session: Session) -> dict[str, model.Declared]:
    found: dict[str, model.Declared] = {}
    for row in session.scalars(select(model.Declared).where(model.Declared.kind == "site", model.Declared.withdrawn_at.is_(None))):
        for name in (row.key, *(ascii_name(str(alias)) for alias in row.data.get("aliases") or [])):
            found.setdefault(name, row)
    return found


def _row(item: model.Workload, finding: zombies.Finding, facts: Facts, rules: zombies.RuleSet, language: str) -> dict[str, Any]:
    chinese = language == "zh_CN" and bool(finding.rule.message_zh)
    text = finding.rule.message_zh if chinese else finding.rule.message
    state = "excused" if finding.excused else {True: "yes", False: "no", None: "unknown"}[finding.holds]
    values = {name: fact["value"] for name, fact in facts.items()}
    return {
        "candidate": state, "site": item.name, "unit": item.unit_code or "",
        "rule": finding.rule.id, "title": finding.rule.called(language),
        "message": wording.fill(text, values, "zh_CN" if chinese else "en"), "missing": list(finding.missing),
        "excused": rules.exceptions[finding.excused].called(language) if finding.excused else "",
        "facts": {name: dict(fact) for name, fact in finding.facts.items()},
    }  # fmt: skip
