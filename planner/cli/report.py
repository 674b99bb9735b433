"""`planner report`: everything that is known and done, as one HTML file for the center's head and the units, or as a workbook."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from inventory import catalogue
from planner import calendars, facts, report, reportsheet, workspace
from planner.cli.output import note


class Language(StrEnum):
    """The report's languages."""

    EN = "en"
    ZH = "zh_CN"


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("report")(make)


def make(
    output: Annotated[Path | None, typer.Option(help="The file to write; none: reports/report.html in the workspace.")] = None,
    xlsx: Annotated[
        Path | None, typer.Option(help="Write a workbook for the leadership to this file; the page then only with --output.")
    ] = None,
    language: Annotated[Language | None, typer.Option(help="The report's language; none: the workspace's.")] = None,
) -> None:
    """One self-contained HTML file: units, hosts, sites with verdicts and evidence, the plan, its runs and their verification."""
    space = workspace.find()
    spoken = language.value if language else space.configuration.language
    now = datetime.now().astimezone().replace(microsecond=0)
    calendar = calendars.load(space.root / calendars.FILE)
    with space.open_catalogue().session() as session:
        known = facts.Assembly(session, space, catalogue.now().date())
        found = report.gather(session, now, known=known, platforms=space.platforms, calendar=calendar, language=spoken)
    if xlsx is None or output is not None:
        path = output or space.root / "reports" / "report.html"
        report.write(path, report.render(found, spoken))
        note(f"wrote {path}")
    if xlsx is not None:
        report.write(xlsx, reportsheet.workbook(found, spoken))
        note(f"wrote {xlsx}")
