"""`planner rules`, `rules show`, `rules test`: the rules in force, each with its reasons and cases, and the cases run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from inventory.errors import ConfigurationError, NotFound
from planner import policy, rulecases, wording, workspace
from planner.cli.output import Json, emit, say, table


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    rules = typer.Typer(help="The rules that verdicts are made of.", invoke_without_command=True, rich_markup_mode=None)
    rules.callback()(rules_list)
    rules.command("show")(rules_show)
    rules.command("test")(rules_test)
    app.add_typer(rules, name="rules")


def rules_list(
    context: typer.Context,
    placement: Annotated[str, typer.Option(help="Only rules on this placement.")] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """All rules in force, the workspace's own included: what they do, for which placements, and when."""
    if context.invoked_subcommand:
        return
    if placement and placement not in policy.PLACEMENTS:
        raise NotFound(f"there is no placement {placement!r}", hint="one of " + ", ".join(policy.PLACEMENTS))
    space = workspace.find()
    language = space.configuration.language
    chosen = [rule for rule in space.rules.rules if not placement or placement in rule.placements]
    if as_json:
        emit([_plain(rule) for rule in chosen])
        return
    rows = [
        {"rule": rule.id, "effect": _effect(rule), "placements": list(rule.placements), "when": wording.condition(rule.when, language)}
        for rule in chosen
    ]
    table(rows, ["rule", "effect", "placements", "when"], as_json=False, empty="no rules")


def rules_show(name: Annotated[str, typer.Argument(help="A rule's id.")], as_json: Annotated[bool, Json] = False) -> None:
    """One rule: why it is there, its condition in words, what it says and adds to a move, and its cases."""
    space = workspace.find()
    rule = space.rules.by_id.get(name)
    if rule is None:
        raise NotFound(f"there is no rule {name!r} in force", hint="planner rules lists them")
    located = rulecases.load((policy.SHIPPED, space.root / "policy")).get(name)
    cases = located.cases.model_dump(mode="json") if located else {}
    if as_json:
        emit({**_plain(rule), "cases": cases})
        return
    language = space.configuration.language
    say(f"{rule.id}: {_effect(rule)}, for {', '.join(rule.placements)}\n\n{rule.help}\n")
    say(f"when     {wording.condition(rule.when, language)}")
    for head, text in (("says", rule.message), ("", rule.message_zh), ("to do", rule.fix), ("", rule.fix_zh)):
        if text:
            say(f"{head:<8} {text}")
    if rule.step:
        say(f"step     {rule.step}{', and the move waits for it' if rule.gate else ''}")
    if rule.check:
        say(f"verify   {rule.check}")
    for link in rule.links:
        say(f"see      {link}")
    for kind, told in (("match", "holds"), ("no_match", "does not"), ("unknown", "unknown")):
        for values in cases.get(kind, []):
            say(f"{told:<8} {', '.join(f'{fact} = {wording.show(fact, value)}' for fact, value in values.items()) or 'with any facts'}")


def rules_test(as_json: Annotated[bool, Json] = False) -> None:
    """Try the cases of all rules, shipped and the workspace's own (`policy/cases/*.yml`)."""
    space = workspace.find()
    shipped = frozenset(policy.load().by_id)
    report = rulecases.run(space.rules, (policy.SHIPPED, space.root / "policy"), shipped)
    if as_json:
        emit({"rules": report.rules, "cases": report.tried, "problems": list(report.problems)})
    if report.problems:
        raise ConfigurationError(
            list(report.problems), hint="a rule that the workspace changes needs cases of its own in policy/cases/*.yml"
        )
    if not as_json:
        say(f"{report.rules} rules, {report.tried} cases: all as expected")


def _effect(rule: policy.Rule) -> str:
    told = {"utility": f"{rule.points:+d} {rule.dimension}", "condition": f"condition, {rule.effort_h:g} h of {rule.skill}"}
    return told.get(rule.effect, rule.effect) + (", gate" if rule.gate else "")


def _plain(rule: policy.Rule) -> dict[str, Any]:
    return {**rule.model_dump(mode="json"), "when_in_words": wording.condition(rule.when)}
