"""Options that several commands of `planner plan` share, and what is made of what is given."""

from __future__ import annotations

import getpass
from datetime import date
from typing import Annotated

import typer

from inventory.errors import InputError
from planner.cli.output import visible

By = Annotated[str, typer.Option("--by", help="Who says so; none: the account that runs the command.")]
Why = Annotated[str, typer.Option("--why", help="On what ground; it is shown wherever the decision is.")]
PlanNamed = Annotated[str, typer.Argument(help="A plan's id; none: the newest.")]


def account(by: str) -> str:
    """Who says so."""
    return by.strip() or getpass.getuser()


def as_date(text: str) -> date | None:
    """A day given as an option, None when none is.  Raises InputError."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InputError(f"{visible(text)} is no date", hint="YYYY-MM-DD") from None


def day(text: str) -> str:
    """The same as YYYY-MM-DD, '' for none."""
    found = as_date(text)
    return found.isoformat() if found is not None else ""
