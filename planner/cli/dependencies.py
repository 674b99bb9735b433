"""`planner dependencies`: which hosts need which others, by connections that were open and by what configurations name."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from sqlalchemy import select

from inventory import catalogue, dependencies, model
from planner import workspace
from planner.cli.output import Json, emit, note, table


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("dependencies")(show)


def show(
    hosts: Annotated[list[str] | None, typer.Argument(help="Only edges from or to these hosts.")] = None,
    outside: Annotated[
        bool, typer.Option("--outside", help="Only edges that leave the catalogue: other machines, other networks.")
    ] = False,
    dot: Annotated[bool, typer.Option("--dot", help="Print the graph for Graphviz: planner dependencies --dot | dot -Tsvg.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Which hosts need which others: connections seen at the visits, proxy targets and databases that configurations name."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        wanted = {catalogue.host_by_name(session, name).name for name in hosts or []}
        machines = []
        for host in session.scalars(select(model.Host).order_by(model.Host.name)):
            seen = catalogue.observations(session, host.id, "address", "connection")
            addresses = {str(item.data.get("address")) for item in seen if item.kind == "address"}
            connections = [item.data for item in seen if item.kind == "connection"]
            machines.append(dependencies.Machine(host.name, frozenset({host.address, *addresses}), connections))
        sites = [
            (item.name, item.host.name, {name: fact.get("value") for name, fact in item.facts.items()})
            for item in session.scalars(select(model.Workload).order_by(model.Workload.name))
            if item.host is not None
        ]
    full = dependencies.graph(machines, sites)
    edges = [e for e in full.edges if (not wanted or {e.source, e.target} & wanted) and not (outside and e.inside)]
    if dot:
        typer.echo(dependencies.dot(dependencies.Graph(tuple(edges), {})), nl=False)
        return
    rows: list[dict[str, Any]] = [{**vars(edge), "from": edge.source, "to": edge.target} for edge in edges]
    if as_json:
        emit({"edges": rows, "visitors": full.visitors})
        return
    table(rows, ["from", "to", "port", "service", "process", "proof", "sites"], as_json=False, empty="no dependency was seen")
    for name, count in full.visitors.items():
        if not wanted or name in wanted:
            note(f"{name}: {count} visitors' addresses at its web ports when it was visited")
