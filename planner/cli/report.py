"""`planner report`: everything that is known and done, as one HTML file for the center's head and the units."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from planner import report, workspace
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
    language: Annotated[Language | None, typer.Option(help="The report's language; none: the workspace's.")] = None,
) -> None:
    """One self-contained HTML file: units, hosts, sites with verdicts and evidence, the plan, its runs and their verification."""
    space = workspace.find()
    spoken = language.value if language else space.configuration.language
    rules = space.rules
    now = datetime.now().astimezone().replace(microsecond=0)
    with space.open_catalogue().session() as session:
        found = report.gather(session, now, rules=rules, language=spoken)
    path = output or space.root / "reports" / "report.html"
    report.write(path, report.render(found, spoken))
    note(f"wrote {path}")
