"""The hand-written workloads of `tests/cases/verdicts`, read, checked in their shape, and compared with a verdict.

In: the folder's files.  Out: `Case`s; for a case and a verdict the list of what differs from what an admin would say, none if nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from inventory import register, yamlfile
from inventory.identify import content, databases
from planner import policy

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "cases" / "verdicts"
STATES = ("ready", "conditional", "unproven", "ineligible")
ANSWERS = frozenset({
    "login", "interactive", "custom_code", "sensitive", "critical", "special_hardware", "root_needed", "outage_tolerable", "staff_admin",
    "virtualizable", "state_secrets", "still_needed", "archive_value", "seasonal", "sso", "mail_sending", "student_records",
    "publishing_only",
})  # fmt: skip
"""What only people can say: `answer.<name>`."""
SENSITIVE = ("none", "student", "personal")
"""Values of `answer.sensitive`; every other answer is yes or no."""
_KEYS = {"title", "story", "at", "facts", "platforms", "expect", "why"}
_EXPECT = {"recommendation", "state", "strength", "placements", "questions", "not_questions", "steps"}


class Verdict(Protocol):
    """What an assessment says, as far as a case asks for it."""

    recommendation: str
    strength: str
    would_settle: Sequence[str]
    placements: Sequence[Any]


@dataclass(frozen=True)
class Case:
    """One workload: `name` is its file's; `facts` are values by name."""

    name: str
    title: str
    story: str
    why: str
    at: date
    facts: dict[str, Any]
    platforms: dict[str, Any]
    expect: dict[str, Any]

    @property
    def known(self) -> dict[str, dict[str, Any]]:
        """The facts as the catalogue keeps them."""
        return {name: {"value": value, "evidence": [], "why": ""} for name, value in self.facts.items()}


def cases() -> list[Case]:
    """All of them, by name."""
    return [_case(path) for path in sorted(FOLDER.glob("*.yml"))]


def _case(path: Path) -> Case:
    data = yamlfile.read(path).data
    return Case(
        path.stem, data.get("title", ""), data.get("story", ""), data.get("why", ""), data.get("at"), data.get("facts") or {},
        data.get("platforms") or {}, data.get("expect") or {},
    )  # fmt: skip


@cache
def fact_names() -> frozenset[str]:
    """Every fact that the product can learn, from its own text; `declared.` and `server.` from the register's fields."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "inventory" / "identify").glob("*.py"))]
    texts += [(ROOT / "inventory" / name).read_text(encoding="utf-8") for name in ("reconcile.py", "ownership.py")]
    names = {
        name
        for text in texts
        for name in re.findall(r'"((?:site|host|backend|tls|database|owner|use|application|content)\.[a-z_]+)"', text)
    }
    names |= {f"content.{name}" for name in content._SUMS} | {f"database.{name}" for name in databases._LEARNT}
    for supported in ("host.os", "site.php", "database"):
        names |= {f"{supported}_end", f"{supported}_supported"}
    view = (ROOT / "inventory" / "inspection" / "liveness.py").read_text(encoding="utf-8")
    names |= {f"http.{name}" for name in re.findall(r'(?:learn\(|\()"([a-z_]+)", ', view)}
    fields = register.shipped()
    for kind, prefix in (("site", "declared"), ("server", "server")):
        names |= {f"{prefix}.{field.id}" for field in fields.kinds[kind].fields}
    return frozenset(names | {f"answer.{name}" for name in ANSWERS})


def problems(case: Case) -> Iterator[str]:
    """What is wrong with a case's own text; nothing, if it is well made."""
    data = yamlfile.read(FOLDER / f"{case.name}.yml").data
    for what, given, allowed in (("key", data, _KEYS), ("expectation", case.expect, _EXPECT)):
        yield from (f"there is no {what} {name!r}" for name in sorted(set(given) - allowed))
    for name in ("title", "story", "why"):
        if not str(data.get(name) or "").strip():
            yield f"{name} is missing"
    if not isinstance(case.at, date):
        yield "at must be a day"
    if not case.facts:
        yield "facts are missing"
    yield from (f"nothing can learn the fact {name!r}" for name in sorted(set(case.facts) - fact_names()))
    yield from (f"{name} has no value: leave it out, then it is unknown" for name, value in case.facts.items() if value is None)
    for name, value in case.facts.items():
        if name == "answer.sensitive" and value not in SENSITIVE:
            yield f"{name} is one of {', '.join(SENSITIVE)}, not {value!r}"
        elif name.startswith("answer.") and name != "answer.sensitive" and not isinstance(value, bool):
            yield f"{name} is yes or no, not {value!r}"
    yield from _expectation(case)


def _expectation(case: Case) -> Iterator[str]:
    wanted, placements = str(case.expect.get("recommendation")), dict(case.expect.get("placements") or {})
    if wanted not in (*policy.PLACEMENTS, "none"):
        yield f"{wanted!r} is no placement"
    if (wanted == "none") == ("state" in case.expect):
        yield "state belongs to a recommended placement, and every recommended one has it"
    yield from (f"{name!r} is no placement" for name in sorted(set(placements) - set(policy.PLACEMENTS)))
    for name, states in {**placements, **({wanted: case.expect["state"]} if "state" in case.expect else {})}.items():
        yield from (f"{name}: {state!r} is no state" for state in listed(states) if state not in STATES)
    if wanted in placements and set(listed(placements[wanted])) != set(listed(case.expect.get("state", ()))):
        yield f"{wanted} has two different states"
    if "ineligible" in listed(case.expect.get("state", ())):
        yield "nobody recommends what a block rules out"
    for key in ("questions", "not_questions"):
        for name in case.expect.get(key) or ():
            if name not in fact_names():
                yield f"{key}: nothing can learn the fact {name!r}"
            if name in case.facts:
                yield f"{key}: {name} is known"


def listed(value: Any) -> tuple[str, ...]:
    """One word, or several of which each would do."""
    return (value,) if isinstance(value, str) else tuple(value)


def differences(case: Case, verdict: Verdict) -> Iterator[str]:
    """How a verdict differs from what an admin would say."""
    found = {item.placement: item for item in verdict.placements}
    wanted = case.expect["recommendation"]
    if verdict.recommendation != wanted:
        yield f"recommended is {verdict.recommendation}, not {wanted}"
    if "strength" in case.expect and verdict.strength not in listed(case.expect["strength"]):
        yield f"the recommendation is {verdict.strength}, not {' or '.join(listed(case.expect['strength']))}"
    states = dict(case.expect.get("placements") or {})
    if wanted != "none":
        states[wanted] = case.expect["state"]
    for name, allowed in states.items():
        state = found[name].state if name in found else "not assessed"
        if state not in listed(allowed):
            yield f"{name} is {state}, not {' or '.join(listed(allowed))}"
    yield from (f"{name} is not asked" for name in case.expect.get("questions") or () if name not in verdict.would_settle)
    yield from (
        f"{name} is asked, and can change nothing" for name in case.expect.get("not_questions") or () if name in verdict.would_settle
    )
    steps = {reason.step for reason in found[wanted].reasons if reason.holds and reason.step} if wanted in found else set()
    yield from (f"the step {name} got nothing to do" for name in case.expect.get("steps") or () if name not in steps)
