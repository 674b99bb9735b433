"""`planner owners`, `owner confirm`, `owner forget`: whose each site is, by what, how surely; and the admins' word, which is remembered."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model, reconcile
from inventory.errors import InputError, NotFound
from inventory.register import ascii_name
from planner import workspace
from planner.cli.output import Json, note, say, table, visible


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("owners")(owners)
    group = typer.Typer(help="An admin's word on whose a site is.", no_args_is_help=True, rich_markup_mode=None)
    group.command("confirm")(confirm)
    group.command("forget")(forget)
    app.add_typer(group, name="owner")


def owners(
    unsure: Annotated[
        bool, typer.Option("--unsure", help="Only sites without an owner, with little confidence, or with contradictions.")
    ] = False,
    unit: Annotated[str, typer.Option(help="Only this unit's, and sites for which something speaks for it.")] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Whose each site is, with every reason for and against, and how sure that is."""
    rows = []
    with workspace.find().open_catalogue().session() as session:
        for item in session.scalars(select(model.Workload).where(model.Workload.kind == "site").order_by(model.Workload.name)):
            row = _row(item)
            if (unsure and row["sure"]) or (unit and unit not in {item.unit_code, *row["ranking"]}):
                continue
            rows.append(row)
    if not as_json:
        for row in rows:
            row["confidence"] = f"{round(100 * row['confidence'])} %"
            row["reasons"] = (
                "; ".join(dict.fromkeys(reason["why"] for reason in row["reasons"] if reason["unit"] == row["unit"])) or row["reason"]
            )
            row["against"] = "; ".join(f"{reason['unit']}: {reason['why']}" for reason in row["against"])
    table(rows, ["site", "unit", "confidence", "reasons", "against", "confirmed"], as_json=as_json, empty="no sites yet: planner discover")


def _row(item: model.Workload) -> dict[str, Any]:
    def value(name: str, default: Any) -> Any:
        return item.facts.get(name, {}).get("value", default)

    reasons = value("owner.reasons", [])
    return {
        "site": item.name, "unit": item.unit_code, "confidence": value("owner.confidence", 0.0), "sure": value("owner.sure", False),
        "confirmed": item.owner_reason if value("owner.confirmed", False) else "", "reason": item.owner_reason, "reasons": reasons,
        "against": [reason for reason in reasons if reason["unit"] != item.unit_code], "ranking": value("owner.ranking", {}),
    }  # fmt: skip


def confirm(
    site: Annotated[str, typer.Argument(help="A site by any of its names.")],
    unit: Annotated[str, typer.Argument(help="The unit's code.")],
    by: Annotated[str, typer.Option("--by", help="Who says so; none: the account that runs the command.")] = "",
    why: Annotated[str, typer.Option("--why", help="On what ground; it is shown wherever the owner is.")] = "",
) -> None:
    """Say whose a site is.  It overrules every reason, and holds for the site's names on whatever host they are found later."""
    space = workspace.find()
    who, now = by or getpass.getuser(), catalogue.now()
    with space.lock("register"), space.open_catalogue().session() as session:
        item = catalogue.workload_by_name(session, site)
        if session.get(model.Unit, unit) is None:
            codes = ", ".join(session.scalars(select(model.Unit.code).order_by(model.Unit.code)))
            raise InputError(f"there is no unit {unit!r}", hint=f"units: {codes or 'none yet'}")
        for old in _standing(session, item):
            old.forgotten_at, old.forgotten_by = now, who[:64]
        main, names = item.name.partition("@")[0], list(item.names)
        session.add(model.OwnerConfirmation(site=main, names=names, unit_code=unit, by=who[:64], why=why, at=now))
        session.flush()
        reconcile.update(session, now)
    note(f"{visible(main)} is {unit}'s, by {visible(who)}'s word")


def forget(
    site: Annotated[str, typer.Argument(help="A site by any of its names.")],
    by: Annotated[str, typer.Option("--by", help="Who says so; none: the account that runs the command.")] = "",
) -> None:
    """Take a confirmation back: the reasons decide again."""
    space = workspace.find()
    now = catalogue.now()
    with space.lock("register"), space.open_catalogue().session() as session:
        try:
            standing = _standing(session, catalogue.workload_by_name(session, site))
        except NotFound:
            standing = [row for row in _all(session) if ascii_name(site) in {row.site, *row.names}]
        if not standing:
            raise NotFound(f"nobody has confirmed whose {site!r} is", hint="planner owners shows what is confirmed")
        for row in standing:
            row.forgotten_at, row.forgotten_by = now, (by or getpass.getuser())[:64]
        session.flush()
        reconcile.update(session, now)
        words = [f"{row.site}: {row.by}'s word of {row.at:%Y-%m-%d} for {row.unit_code} is forgotten" for row in standing]
    for text in words:
        say(visible(text))


def _all(session: Session) -> list[model.OwnerConfirmation]:
    return list(session.scalars(select(model.OwnerConfirmation).where(model.OwnerConfirmation.forgotten_at.is_(None))))


def _standing(session: Session, item: model.Workload) -> list[model.OwnerConfirmation]:
    """The confirmations that hold for a site."""
    names = {item.name, item.name.partition("@")[0], *item.names}
    return [row for row in _all(session) if names & {row.site, *row.names}]
