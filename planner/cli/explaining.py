"""What `planner explain` says of a verdict: its head, each placement, what would turn it, and the raw lines behind it.

In: a verdict, facts, flips.  Out: lines on stdout.  What is certain is told in full; what is unknown in one line for each effect, because
twenty conditions that may hold hide the one that does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from inventory.conditions import Facts
from planner import assessment, flips, scoring, wording
from planner.cli.look import Lines
from planner.cli.output import say, visible

MARKS = {"block": "✗", "condition": "!", "utility": "±", "info": "·"}
SHOWN = 8
"""So many facts of a list are named; --all names the others."""


def score(low: float, high: float) -> str:
    """An interval in whole numbers."""
    return f"{round(low)}" if round(low) == round(high) else f"{round(low)}–{round(high)}"


def head(name: str, unit: str, verdict: assessment.Verdict) -> None:
    """The recommendation in one line, and what an admin decided about it."""
    say(f"{visible(name)} (unit {unit or '?'}): {verdict.recommendation}, {_strength(verdict)}; confidence {verdict.confidence:.0%}")
    said = verdict.override
    if said is not None:
        until = f", until {said.until.isoformat()}" if said.until else ""
        void = f" (does not count: {verdict.void})" if verdict.void else ""
        say(f"  {visible(said.by)} chose {said.placement}{until}: {visible(said.why)}{void}")


def _strength(verdict: assessment.Verdict) -> str:
    if verdict.strength in {"leaning", "undecided"}:
        return f"{verdict.strength} (first in {verdict.holds:.0%} of the trials with other weights)"
    return verdict.strength


def placement(entry: scoring.Placement, findings: Sequence[assessment.Finding], *, everything: bool) -> None:
    """One placement: state, score, and its rules; of one that is ruled out, by what."""
    out = entry.state == "ineligible"
    hours = f"{entry.effort_h:g}" if entry.effort_h == entry.effort_most_h else f"{entry.effort_h:g}–{entry.effort_most_h:g}"
    say(f"\n{entry.placement}: {entry.state}" + ("" if out else f", score {score(entry.low, entry.high)}, {hours} h of work"))
    if not out:
        say("  " + ", ".join(f"{name} {score(low, high)}" for name, (low, high) in entry.dimensions.items()))
    ordered = sorted(findings, key=lambda item: (list(MARKS).index(item.effect), item.holds is None, item.rule))
    shown = [one for one in ordered if everything or (one.holds and not out) or (one.effect == "block" and (one.holds or not out))]
    for finding in shown:
        _finding(finding)
    if not everything and not out:
        _unknown([one for one in ordered if one.holds is None and one.effect != "block"])


def _finding(finding: assessment.Finding) -> None:
    mark = "?" if finding.holds is None else MARKS[finding.effect]
    points = f" ({finding.points:+d} {finding.dimension})" if finding.effect == "utility" else ""
    hours = f" ({finding.effort_h:g} h)" if finding.effort_h else ""
    say(f"  {mark} {visible(finding.message)}{points}{hours}   [{finding.rule}]")
    if finding.holds is None:
        say(f"      unknown: {', '.join(finding.missing)}")
    elif finding.fix and finding.effect in {"block", "condition"}:
        say(f"      → {visible(finding.fix)}" + (" (before the move begins)" if finding.gate else ""))


def _unknown(findings: Sequence[assessment.Finding]) -> None:
    """What may hold: a line for each effect, with the count, what it could come to, and the facts that would tell."""
    for effect, name in (("condition", "conditions"), ("utility", "points for or against"), ("info", "remarks")):
        mine = [one for one in findings if one.effect == effect]
        if not mine:
            continue
        amount = ""
        if effect == "condition":
            amount = f", up to {sum(one.effort_h for one in mine):g} h"
        elif effect == "utility":
            low, high = sum(min(one.points, 0) for one in mine), sum(max(one.points, 0) for one in mine)
            amount = f", {low:+d} to {high:+d} points" if low and high else f", {low or high:+d} points at most"
        facts = sorted({name for one in mine for name in one.missing})
        say(f"  ? {len(mine)} {name} unknown{amount}: {_few(facts, everything=False)}")


def _few(names: Sequence[str], *, everything: bool) -> str:
    more = len(names) - SHOWN
    return ", ".join(names) if everything or more <= 0 else ", ".join(names[:SHOWN]) + f" and {more} more (--all)"


# ---------------------------------------------------------------- what would turn it


def plain(flip: flips.Flip) -> dict[str, Any]:
    """A flip as plain data."""
    return {"fact": flip.fact, "value": flip.value, "recommendation": flip.recommendation, "state": flip.state,
            "is_known": flip.is_known, "known": flip.known}  # fmt: skip


def turning(found: Sequence[flips.Flip], verdict: assessment.Verdict, *, everything: bool) -> None:
    """The facts that would turn the verdict: unknown ones, and known ones if they were otherwise."""
    unknown = [flip for flip in found if not flip.is_known]
    if unknown:
        say("\nUnknown, and would turn it:")
        for text in dict.fromkeys(
            f"  {flip.fact} {_value(flip.fact, flip.value)} → {flip.recommendation} {flip.state}" for flip in unknown
        ):
            say(text)
    together = sorted(set(verdict.would_settle) - {flip.fact for flip in unknown})
    if together:
        say(f"\nUnknown, and could turn it together with others: {_few(together, everything=everything)}")
    known = list(dict.fromkeys(_otherwise(flip) for flip in found if flip.is_known and flip.recommendation != verdict.computed))
    if known:
        say("\nKnown, and would turn it if it were otherwise:")
        for text in known if everything else known[:SHOWN]:
            say(text)
        if not everything and len(known) > SHOWN:
            say(f"  and {len(known) - SHOWN} more (--all)")


def _otherwise(flip: flips.Flip) -> str:
    now = visible(wording.show(flip.fact, flip.known)) or "nothing"
    return f"  {flip.fact} is {now}; {_value(flip.fact, flip.value)} → {flip.recommendation}"


def _value(name: str, value: Any) -> str:
    return f"= {visible(wording.show(name, value))}"


# ---------------------------------------------------------------- the lines that prove it


def lines(session: Session, known: Facts, names: Sequence[str]) -> dict[str, list[str]]:
    """Fact → up to three raw lines that it leads back to; facts without any are left out."""
    reader = Lines(session)
    found = {name: [reader.find(*place) for place in (known[name].get("evidence") or [])[:3]] for name in names if name in known}
    return {name: shown for name, shown in found.items() if shown}


def evidence(known: Facts, found: Mapping[str, Sequence[str]]) -> None:
    """The facts with their lines."""
    say("\nFrom where these facts are:" if found else "\nNo line of a host is behind this.")
    for name, shown in found.items():
        why = known[name].get("why")
        say(f"  {name} = {visible(wording.show(name, known[name]['value']))}" + (f"   ({visible(why)})" if why else ""))
        for line in shown:
            say(f"      ← {visible(line)}")
