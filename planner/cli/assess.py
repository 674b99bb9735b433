"""`planner assess` and `explain`: verdicts with their reasons, what they hang on, and what would be if a fact were another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from inventory.conditions import Facts
from inventory.errors import InputError, NotFound
from planner import assessment, facts, flips, policy, signs, verdicts, workspace
from planner.cli import explaining
from planner.cli.explaining import score
from planner.cli.output import Json, emit, note, table, visible

WhatIf = Annotated[
    list[str],
    typer.Option("--what-if", metavar="FACT=VALUE", help="Suppose a fact, such as site.static=true; an empty value makes it unknown."),
]


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("assess")(assess)
    app.command("explain")(explain)


def assess(
    sites: Annotated[list[str] | None, typer.Argument(help="Only these, by any of their names; none: all.")] = None,
    what_if: WhatIf = [],  # noqa: B006  (typer wants a list)
    again: Annotated[bool, typer.Option("--again", help="Also those whose facts and rules are as they were.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """A verdict for each site, from facts and rules alone: the same facts give the same verdict.

    Sites whose facts and rules have not changed since keep theirs. With --what-if nothing is stored: what would change is shown.
    """
    space = workspace.find()
    today = catalogue.now().date()
    with space.open_catalogue().session() as session:
        if what_if:
            items = _chosen(session, sites)
            rows = _supposed(facts.Assembly(session, space, today, items if sites else None), items, _changes(what_if))
            table(rows, ["site", "unit", "verdict", "would_be", "strength", "because"], as_json=as_json, empty="nothing would change")
            return
        if sites:
            items = _chosen(session, sites)
            found = verdicts.update(session, facts.Assembly(session, space, today, items), items, catalogue.now(), everything=again)
        else:
            found = verdicts.update_all(session, space, catalogue.now(), everything=again)
        rows = [_row(name, unit, found.of[key]) for key, name, unit in _named(session, sites) if key in found.of]
    counts = Counter(row["verdict"] for row in rows)
    order = ["site", "unit", "verdict", "strength", "state", "score", "effort_h", "confidence", "open_questions"]
    table(rows, order, as_json=as_json, empty="no sites yet: planner discover")
    note(
        f"{found.assessed} assessed, {len(rows) - found.assessed} as before; "
        + ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
    )


def _chosen(session: Session, sites: Sequence[str] | None) -> list[model.Workload]:
    if not sites:
        return list(session.scalars(select(model.Workload).order_by(model.Workload.name)))
    found = {item.id: item for item in (catalogue.workload_by_name(session, name) for name in sites)}  # one may be named twice
    return list(found.values())


def _named(session: Session, sites: Sequence[str] | None) -> Iterator[tuple[int, str, str | None]]:
    if sites:
        yield from ((item.id, item.name, item.unit_code) for item in _chosen(session, sites))
        return
    query = select(model.Workload.id, model.Workload.name, model.Workload.unit_code).order_by(model.Workload.name)
    yield from ((key, name, unit) for key, name, unit in session.execute(query))


def _row(name: str, unit: str | None, data: Mapping[str, Any]) -> dict[str, Any]:
    best = next((entry for entry in data["placements"] if entry["placement"] == data["recommendation"]), None)
    return {
        "site": name, "unit": unit, "verdict": data["recommendation"], "strength": data["strength"],
        "state": best["state"] if best else "", "score": score(best["low"], best["high"]) if best else "",
        "effort_h": best["effort_h"] if best else None, "confidence": data["confidence"], "open_questions": len(data["would_settle"]),
    }  # fmt: skip


def _changes(words: Sequence[str]) -> dict[str, Any]:
    """FACT=VALUE as given: the value is YAML, so that `true`, `7.4` in quotes, and `[a, b]` are what they look like.  Raises InputError."""
    found: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign or not name.strip():
            raise InputError(
                f"{visible(word)} is no FACT=VALUE", hint="such as --what-if site.static=true or --what-if 'site.php_version=\"7.4\"'"
            )
        try:
            found[name.strip()] = yaml.safe_load(text) if text.strip() else None
        except yaml.YAMLError as error:
            raise InputError(f"{visible(text)} is no value", hint='true, 12, "7.4", [a, b]; nothing makes the fact unknown') from error
    return found


def _suppose(assembly: facts.Assembly, item: model.Workload, known: Facts, changes: Mapping[str, Any]) -> Facts:
    """The facts if those were so: presumptions and fits are derived anew from them, unless they are what is supposed."""
    if not changes:
        return known
    return flips.what_if(assembly.derived(item, flips.what_if(known, changes)), changes)


def _supposed(assembly: facts.Assembly, items: Sequence[model.Workload], changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    _told_of_nothing(assembly, changes)
    rows = []
    for item in items:
        known = assembly.of(item)
        now, then = assembly.assess(item, known), assembly.assess(item, _suppose(assembly, item, known, changes))
        before, after = now.of(now.recommendation), then.of(then.recommendation)
        told = ((now.recommendation, before and before.state, now.strength), (then.recommendation, after and after.state, then.strength))
        if told[0] == told[1]:
            continue
        because = [finding.message for finding in then.findings if set(changes) & set(finding.facts) and finding.effect != "info"]
        told_of = [f"{verdict.recommendation}, {entry.state if entry else '-'}" for verdict, entry in ((now, before), (then, after))]
        rows.append(
            {
                "site": item.name, "unit": item.unit_code, "verdict": told_of[0], "would_be": told_of[1], "strength": then.strength,
                "because": "; ".join(because[:3]),
            }
        )  # fmt: skip
    return rows


def explain(
    site: Annotated[str, typer.Argument(help="A site by any of its names.")],
    placement: Annotated[str, typer.Option(help="Only this placement.")] = "",
    what_if: WhatIf = [],  # noqa: B006
    everything: Annotated[
        bool, typer.Option("--all", help="Every rule, also what is unknown and what a ruled-out placement would ask.")
    ] = False,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="With the facts behind the verdict, the host's raw lines that prove them.")
    ] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Why a site's verdict is what it is, in sentences with the measured values; what is unknown, and which facts would turn it."""
    space = workspace.find()
    if placement and placement not in policy.PLACEMENTS:
        raise NotFound(f"there is no placement {visible(placement)}", hint="one of " + ", ".join(policy.PLACEMENTS))
    with space.open_catalogue().session() as session:
        item = catalogue.workload_by_name(session, site)
        assembly = facts.Assembly(session, space, catalogue.now().date(), [item])
        changes = _changes(what_if)
        _told_of_nothing(assembly, changes)
        known = _suppose(assembly, item, assembly.of(item), changes)
        verdict = assembly.assess(item, known, space.configuration.language)
        turning = flips.flips(known, assembly.rules, known=True)
        name, unit = item.name, item.unit_code
        lines = explaining.lines(session, known, _asked(verdict, placement)) if evidence else {}
    if as_json:
        data = verdict.to_json()
        data["placements"] = [entry for entry in data["placements"] if placement in {"", entry["placement"]}]
        data["findings"] = [entry for entry in data["findings"] if not placement or placement in entry["placements"]]
        more = {"evidence": lines} if evidence else {}
        emit({"site": name, "unit": unit, **data, "flips": [explaining.plain(flip) for flip in turning], **more})
        return
    explaining.head(name, unit or "", verdict)
    for entry in verdict.placements:
        if placement in {"", entry.placement}:
            explaining.placement(entry, list(verdict.findings_on(entry.placement)), everything=everything or bool(placement))
    explaining.turning(turning, verdict, everything=everything)
    if evidence:
        explaining.evidence(known, lines)


def _asked(verdict: assessment.Verdict, placement: str) -> list[str]:
    """The facts behind what holds for a placement, the recommended one without; for all where nothing is recommended."""
    chosen = placement or verdict.recommendation
    return sorted({name for one in verdict.findings if one.holds and (chosen == "none" or chosen in one.placements) for name in one.facts})


def _told_of_nothing(assembly: facts.Assembly, changes: Mapping[str, Any]) -> None:
    unknown = sorted(
        name for name in changes if name not in assembly.rules.facts | signs.asked() | {f"cost.{p}" for p in policy.PLACEMENTS}
    )
    if unknown:
        note(f"no rule asks for {', '.join(map(visible, unknown))}: planner rules")
