"""Answers in the catalogue: read as facts, stored with who and when, taken back; nothing that was ever answered is lost.

In: an open session and `Given` answers.  Out: facts for any number of workloads from one query, what storing did to each answer, history.

An answer belongs to a site's names, so it stays with the site on whatever host it is found.  Among the answers that stand, the one with
the latest day counts, of equal days the one stored last: a sheet that comes in late does not undo what was said after it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from inventory import model
from inventory.register import ascii_name, cells, valid_name
from inventory.register.dates import Refused
from inventory.register.writing import printable
from planner.questions import PREFIX, Value

Action = Literal["new", "changed", "confirmed", "older", "outdated", "same"]
LONGEST_NAME = 64
"""Characters of the name of who answered."""


@dataclass(frozen=True)
class Found:
    """A site as answers know it: what it is called, and its names."""

    site: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Given:
    """One answer.  `on` is its day (YYYY-MM-DD); `dated`: somebody wrote that day, it is not merely the day of the import."""

    at: Found
    question: str
    value: Value
    by: str
    on: str
    dated: bool
    origin: str
    remark: str = ""


@dataclass(frozen=True)
class Stored:
    """What became of one answer; `before` is what counted until then."""

    given: Given
    action: Action
    before: model.Answer | None = None


def names_of(names: Iterable[str]) -> frozenset[str]:
    """The names by which answers follow a site: its own (`NAME`, `NAME@HOST`, `HOST:DOCROOT`), and those that DNS could know.

    `localhost` or `*.example.edu` may be the name of many sites, and an answer must not reach them.
    """
    found = set()
    for place, name in enumerate(map(str, names)):
        main = name.partition("@")[0]
        if valid_name(main):
            found.add(main)
        elif place == 0:
            found.add(name)
    return frozenset(found)


def found(item: model.Workload) -> Found:
    """A workload as answers know it."""
    main = item.name.partition("@")[0]
    return Found(main if valid_name(main) else item.name, tuple(sorted(names_of([item.name, *item.names]))))


# ---------------------------------------------------------------- as facts


def facts(session: Session) -> Callable[[Iterable[str]], dict[str, dict[str, Any]]]:
    """A function from a site's names (its own first, then all others) to its answers as facts; all are read in one query."""
    by_name: dict[str, dict[str, _Row]] = {}
    # rows, not objects: a campus has ten answers of each site
    table = model.table(model.Answer).c
    query = select(table.id, table.site, table.names, table.question, table.value, table.by, table.answered_on, table.origin)
    for answer in map(_Row._make, session.execute(query.where(table.withdrawn_at.is_(None)))):
        for name in {answer.site, *map(str, answer.names)}:
            standing = by_name.setdefault(name, {})
            other = standing.get(answer.question)
            if other is None or _age(other) < _age(answer):
                standing[answer.question] = answer

    def of(names: Iterable[str]) -> dict[str, dict[str, Any]]:
        newest: dict[str, _Row] = {}
        for name in names_of(names):
            for question, answer in by_name.get(name, {}).items():
                if question not in newest or _age(newest[question]) < _age(answer):
                    newest[question] = answer
        return {PREFIX + question: _fact(newest[question]) for question in sorted(newest)}

    return of


class _Row(NamedTuple):
    """What counts of a stored answer."""

    id: int
    site: str
    names: list[Any]
    question: str
    value: dict[str, Any]
    by: str
    answered_on: str
    origin: str


def _age(answer: model.Answer | _Row) -> tuple[str, int]:
    return answer.answered_on, answer.id


def _fact(answer: _Row) -> dict[str, Any]:
    return {
        "value": answer.value["value"], "evidence": [["answer", answer.origin, 0]],
        "why": f"answered by {answer.by} on {answer.answered_on}", "seen": answer.answered_on,
    }  # fmt: skip


# ---------------------------------------------------------------- sites by what is written in a cell


class Sites:
    """All sites of the catalogue by their names, as a sheet can hold them."""

    def __init__(self, session: Session) -> None:
        names = cast(model.Workload.names, Text)
        self._whole: dict[str, set[Found]] = {}
        self._named: dict[str, set[Found]] = {}
        for name, listed in session.execute(select(model.Workload.name, names).order_by(model.Workload.name)):
            others = [str(other) for other in json.loads(listed)]
            main = name.partition("@")[0]
            site = Found(main if valid_name(main) else name, tuple(sorted(names_of([name, *others]))))
            self._whole.setdefault(_written(name), set()).add(site)
            for other in (main, *others):
                self._named.setdefault(_written(other), set()).add(site)

    def find(self, text: str) -> Found:
        """The site that is written so.  Raises Refused with the nearest names."""
        word = _written(text)
        for known in (self._whole, self._named):
            sites = known.get(word, set())
            together = frozenset.intersection(*(frozenset(map(_written, site.names)) for site in sites)) if sites else frozenset()
            if len(sites) == 1 or word in together:
                # copies of one site on several hosts share the name, and the answer
                return min(sites, key=lambda site: (site.site, site.names))
            if sites:
                raise Refused(f"{text[:100]!r} may be each of {', '.join(sorted(site.site for site in sites))}: write one of these")
        near = difflib.get_close_matches(word[:200], sorted({*self._whole, *self._named}), n=3, cutoff=0.6)
        raise Refused(f"there is no site {text[:100]!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))


def _written(name: str) -> str:
    return ascii_name(cells.text_of(printable(name)))


# ---------------------------------------------------------------- storing


def store(session: Session, given: Sequence[Given], at: datetime) -> list[Stored]:
    """Store answers.  What says again what counts already is `same` and is not stored.

    `confirmed`: the same value, said again on a later day that somebody wrote; `older`: another answer of a later day stands, so this one
    goes to the history only.  `outdated`: a cell without a day that says what it said before, while something else was answered since; it
    is not stored, for nobody knows whether it was said again or only read again.
    """
    standing = session.scalars(select(model.Answer).where(model.Answer.withdrawn_at.is_(None)).order_by(model.Answer.id))
    by_key: dict[tuple[str, str], list[model.Answer]] = {}
    for row in standing:
        for name in {row.site, *map(str, row.names)}:
            by_key.setdefault((name, row.question), []).append(row)
    done = []
    for item in given:
        names = {item.at.site, *item.at.names}
        known = {id(row): row for name in names for row in by_key.get((name, item.question), ())}.values()
        before = max(known, key=_age, default=None)
        action = _action(item, known, before)
        done.append(Stored(item, action, before))
        if action in {"same", "outdated"}:
            continue
        row = model.Answer(
            site=item.at.site, names=list(item.at.names), question=item.question,
            value={"value": item.value, **({"remark": item.remark} if item.remark else {})},
            by=item.by, answered_on=item.on, origin=item.origin, at=at,
        )  # fmt: skip
        session.add(row)
        session.flush()  # its number is its place among answers of one day
        for name in names:
            by_key.setdefault((name, item.question), []).append(row)
    return done


def _action(item: Given, known: Iterable[model.Answer], before: model.Answer | None) -> Action:
    if before is None:
        return "new"
    if item.dated:
        if any(_says(row, item) and row.answered_on == item.on and row.by == item.by for row in known):
            return "same"
    elif not _says(before, item) and _says(max((row for row in known if row.origin == item.origin), key=_age, default=before), item):
        return "outdated"
    if _says(before, item):
        return "confirmed" if item.dated and item.on > before.answered_on else "same"
    return "older" if item.on < before.answered_on else "changed"


def _says(row: model.Answer, item: Given) -> bool:
    """Whether a stored answer says the same.  True is not 1; a remark that is left out takes none back."""
    value = row.value["value"]
    return type(value) is type(item.value) and value == item.value and (not item.remark or row.value.get("remark") == item.remark)


def of(session: Session, item: Found) -> list[model.Answer]:
    """Every answer that was ever given for a site, in the order in which they came."""
    names = {item.site, *item.names}
    rows = session.scalars(select(model.Answer).order_by(model.Answer.id))
    return [row for row in rows if names & {row.site, *map(str, row.names)}]


def withdraw(session: Session, item: Found, question: str, by: str, at: datetime) -> list[model.Answer]:
    """Take the answer to a question back, with what it superseded: the question is open again.  Those that were taken back."""
    taken = [row for row in of(session, item) if row.question == question and row.withdrawn_at is None]
    for row in taken:
        row.withdrawn_at, row.withdrawn_by = at, by[:LONGEST_NAME]
    return taken


def counting(rows: Iterable[model.Answer]) -> Mapping[str, model.Answer]:
    """Of a site's answers those that count, by question."""
    newest: dict[str, model.Answer] = {}
    for row in rows:
        if row.withdrawn_at is None and (row.question not in newest or _age(newest[row.question]) < _age(row)):
            newest[row.question] = row
    return newest
