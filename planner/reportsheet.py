"""The report as a workbook for the leadership: units, sites with verdicts, the plan by wave, costs, shortfalls, what stays.  Pure.

In: a `Report`, a language.  Out: the bytes of an XLSX file.  Observed text is hostile: every text is written as text, never as a formula
or a link, and what cannot be seen in it is written out.  Amounts are numbers, so that a reader can add them up; an unknown one is an
empty cell, never 0.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import xlsxwriter

from planner import i18n
from planner.i18n import N_
from planner.report import Report, Site
from planner.reportpage import visible
from planner.reportwords import Words

_LONGEST = 32_000  # a cell holds 32,767 characters
_MADE = datetime(2000, 1, 1, tzinfo=UTC)
"""The day that stands in the file as its making: the same report gives the same bytes."""
Cell = str | float | None
Table = tuple[str, Sequence[str], Sequence[Sequence[Cell]]]

HEADINGS = {
    "units": (
        N_("Code"), N_("Unit"), N_("Head"), N_("Contact"), N_("Hosts"), N_("Sites"), N_("Hidden"), N_("Missing"), N_("Planned"),
        N_("Moved"), N_("Cost a year"), N_("Unknown"), N_("Cost once"), N_("Unknown"),
    ),
    "sites": (
        N_("Site"), N_("Unit"), N_("Host"), N_("Status"), N_("Recommendation"), N_("Strength"), N_("State"),
        N_("Score from"), N_("Score to"), N_("Hours"), N_("Hours at most"), N_("Confidence"), N_("In one sentence"), N_("Decided by"),
        N_("Cutover"), N_("Cost a year"),
        N_("Cost once"), N_("For the unit to settle"), N_("Open questions"),
    ),
    "plan": (
        N_("Wave"), N_("Cutover"), N_("Site"), N_("Unit"), N_("Placement"), N_("From"), N_("To"), N_("Work begins"), N_("Trial run ends"),
        N_("Hours"), N_("Bytes"), N_("Cost a year"), N_("Cost once"), N_("Open gates"), N_("The unit's word"), N_("Carried out"),
        N_("State"), N_("Note"),
    ),
    "costs": (N_("Of"), N_("Moves"), N_("Cost a year"), N_("Unknown"), N_("Cost once"), N_("Unknown")),
    "shortfalls": (N_("For"), N_("Zone"), N_("What"), N_("Lacking"), N_("By"), N_("Workloads")),
    "left": (N_("Site"), N_("Unit"), N_("Recommendation"), N_("Why it stays")),
}  # fmt: skip
TITLES = {
    "units": N_("Units"), "sites": N_("Sites"), "plan": N_("Plan by wave"), "costs": N_("Costs"), "shortfalls": N_("To buy"),
    "left": N_("What stays"),
}  # fmt: skip


def workbook(report: Report, language: str = "en") -> bytes:
    """The whole file: six sheets, each with its headings even where there is nothing to list."""
    target = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    book = xlsxwriter.Workbook(target, options)
    book.set_properties({"created": _MADE.replace(tzinfo=None)})
    head = book.add_format({"bold": True, "border": 1, "bg_color": "#DDEBF7", "text_wrap": True, "valign": "top"})
    text = book.add_format({"valign": "top", "text_wrap": True, "num_format": "@"})
    amount = book.add_format({"valign": "top", "num_format": "#,##0.##"})
    words = Words(i18n.translator(language), report.at.tzinfo)
    for key, rows in tables(report, words).items():
        page = book.add_worksheet(words(TITLES[key])[:31])
        page.freeze_panes(1, 1)
        page.autofilter(0, 0, max(1, len(rows)), len(HEADINGS[key]) - 1)
        for index, heading in enumerate(HEADINGS[key]):
            page.write_string(0, index, words(heading), head)
            page.set_column(index, index, 28 if any(len(str(row[index])) > 16 for row in rows) else 14)
        for number, row in enumerate(rows, start=1):
            for index, cell in enumerate(row):
                if isinstance(cell, str):
                    page.write_string(number, index, "\n".join(map(visible, cell[:_LONGEST].split("\n"))), text)
                elif cell is not None:
                    page.write_number(number, index, cell, amount)
    book.close()
    return target.getvalue()


def tables(report: Report, words: Words) -> dict[str, list[list[Cell]]]:
    """The rows of each sheet, by its key."""
    names = {unit.code: _named(unit.name_zh, unit.name_en, unit.code, words) for unit in report.units}
    return {
        "units": _units(report, names),
        "sites": [_site(site, names, words) for site in report.sites],
        "plan": _plan(report, names, words),
        "costs": _costs(report, names, words),
        "shortfalls": _shortfalls(report, words),
        "left": _left(report, names, words),
    }  # fmt: skip


def _named(chinese: str, english: str, code: str, words: Words) -> str:
    return (chinese or english if words.language == "zh_CN" else english or chinese) or code


def _amount(value: Any) -> float | None:
    return None if value is None else float(value)


def _units(report: Report, names: dict[str, str]) -> list[list[Cell]]:
    found: list[list[Cell]] = []
    for unit in report.units:
        costs = unit.costs or {}
        found.append(
            [unit.code, names[unit.code], unit.head, unit.contact, unit.hosts, len(unit.sites), unit.counts.get("undeclared", 0),
             unit.counts.get("missing", 0), len(unit.planned), unit.moved, _amount(costs.get("yearly")),
             _amount(costs.get("yearly_unknown")), _amount(costs.get("once")), _amount(costs.get("once_unknown"))]
        )  # fmt: skip
    return found


def _site(site: Site, names: dict[str, str], words: Words) -> list[Cell]:
    verdict, move = site.verdict, site.move
    first: list[Cell] = [site.name, names.get(site.unit, site.unit), site.host, words.word(site.status)]
    said: list[Cell] = [None] * 10
    questions: float | None = None
    if verdict is not None:
        chosen = next((place for place in verdict.placements if place.chosen), None)
        counts = verdict.override is not None and not verdict.void
        said = [
            words.word(verdict.recommendation), words.word(verdict.strength), words.word(verdict.state) if verdict.state else "",
            chosen.low if chosen else None, chosen.high if chosen else None, chosen.hours if chosen else None,
            chosen.most if chosen else None, verdict.confidence,
            str(verdict.override["why"]) if counts and verdict.override else site.because,
            str(verdict.override["by"]) if counts and verdict.override else "",
        ]  # fmt: skip
        questions = verdict.questions
    dates = move.schedule if move is not None else {}
    cost = move.cost if move is not None else {}
    return [
        *first, *said, str(dates.get("cutover") or ""), _amount(cost.get("yearly")), _amount(cost.get("once")), "\n".join(site.gates),
        questions,
    ]  # fmt: skip


def _plan(report: Report, names: dict[str, str], words: Words) -> list[list[Cell]]:
    found: list[list[Cell]] = []
    plan = report.plan
    for move in plan.moves if plan is not None else ():
        dates, said = move.schedule, plan.said.get(move.id) if plan is not None else None
        notes = "; ".join(words.sentence(note) for note in str(move.data.get("note") or "").split("; "))
        hours = sum(map(float, (move.data.get("hours") or {}).values()))
        gates = len(plan.open_gates.get(move.id, ())) if plan is not None else None
        word = words.word(f"said {said.state}") if said is not None and said.state else ""
        found.append(
            [move.wave or None, str(dates.get("cutover") or ""), move.site, names.get(move.unit, move.unit), words.word(move.placement),
             move.source, move.platform, str(dates.get("start") or ""), str(dates.get("end") or ""), hours, move.bytes,
             _amount(move.cost.get("yearly")), _amount(move.cost.get("once")), gates, word,
             words.word(str(move.data.get("carried_out") or "")), words.word(move.state), notes]
        )  # fmt: skip
    return found


def _costs(report: Report, names: dict[str, str], words: Words) -> list[list[Cell]]:
    costs = (report.plan.document.get("costs") if report.plan is not None else None) or {}
    if not costs:
        return []
    rows = [(words.word(name), total) for name, total in costs["by_placement"].items()]
    rows += [(names.get("" if code == "none" else code) or words(N_("unknown")), total) for code, total in costs["by_unit"].items()]
    rows.append((f"{words(N_('All'))} ({costs['currency']})", costs["total"]))
    return [
        [name, total["count"], float(total["yearly"]), total["yearly_unknown"], float(total["once"]), total["once_unknown"]]
        for name, total in rows
    ]  # fmt: skip


def _shortfalls(report: Report, words: Words) -> list[list[Cell]]:
    document = report.plan.document if report.plan is not None else {}
    found: list[list[Cell]] = [
        [words.word(entry["kind"]), entry["zone"], words.word(entry["resource"]), float(entry["lacking"]), str(entry["by"] or ""),
         ", ".join(entry["for"])]
        for entry in document.get("shortfall", ())
    ]  # fmt: skip
    for entry in document.get("addresses_missing", ()):
        what = words(N_("IPv%(version)s addresses")) % {"version": entry["version"]}
        found.append(["", entry["zone"], what, float(entry["lacking"]), "", ", ".join(entry["for"])])
    return found


def _left(report: Report, names: dict[str, str], words: Words) -> list[list[Cell]]:
    return [
        [str(entry["site"]), names.get(str(entry["unit"]), str(entry["unit"])), words.word(str(entry["recommendation"])),
         words.sentence(stay.why)]
        for stay in (report.plan.stays if report.plan is not None else ())
        for entry in stay.entries
    ]  # fmt: skip
