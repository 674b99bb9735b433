"""What admins decided beside the rules: read, found for a site by any of its names, added, withdrawn.

In: an open session, a day.  Out: `Decisions`: those that stand on that day.  A decision is kept when it is withdrawn or has ended.

A decision holds for the site with one of its names, on whatever host it is found later.  Only where it was made for one of several copies
of a site (NAME@HOST) does it not hold for the other copies.  Of two decisions of one kind the later one holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from inventory.errors import InputError
from planner.assessment import Override
from planner.plandocument import digest
from planner.policy import PLACEMENTS

Kind = Literal["placement", "cutover", "node", "leave", "settled"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OF_THE_PLAN: tuple[Kind, ...] = ("placement", "cutover", "node", "leave")
"""Kinds that a plan is made from; `settled` only lets a made plan run."""


@dataclass(frozen=True)
class Decision:
    """One decision; `until` is its last day, '' for one without end."""

    site: str
    names: tuple[str, ...]
    kind: Kind
    value: str
    by: str
    why: str
    until: str
    at: datetime

    def holds_for(self, site: str, names: Iterable[str]) -> bool:
        """Whether it was made for this site, a workload's name or one of a move's names."""
        if self.site == site:
            return True
        if "@" in self.site and "@" in site:
            return False
        return bool({site, site.partition("@")[0], *names} & {self.site.partition("@")[0], *self.names})


@dataclass(frozen=True)
class Decisions:
    """Those that stand on one day, in the order in which they were made."""

    standing: tuple[Decision, ...] = ()

    def of(self, site: str, names: Iterable[str] = ()) -> dict[Kind, Decision]:
        """What holds for one site, by kind; conditions that are settled are `settled`'s."""
        return {item.kind: item for item in self._holding(site, tuple(names)) if item.kind in OF_THE_PLAN}

    def settled(self, site: str, names: Iterable[str] = ()) -> dict[str, Decision]:
        """The conditions of one site that somebody says are met, by their rule's id."""
        return {item.value: item for item in self._holding(site, tuple(names)) if item.kind == "settled"}

    def _holding(self, site: str, names: Sequence[str]) -> Iterator[Decision]:
        places = {place for name in (site, site.partition("@")[0], *names) for place in self._by_name.get(name, ())}
        return (self.standing[place] for place in sorted(places) if self.standing[place].holds_for(site, names))

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        """The places of the decisions that may hold for a name: thousands of sites need not look at all of them."""
        found: dict[str, list[int]] = {}
        for place, item in enumerate(self.standing):
            for name in {item.site, item.site.partition("@")[0], *item.names}:
                found.setdefault(name, []).append(place)
        return found

    def override(self, site: str, names: Iterable[str] = ()) -> Override | None:
        """The placement that an admin chose for it, as an assessment takes it."""
        chosen = self.of(site, names).get("placement")
        if chosen is None:
            return None
        return Override(chosen.value, chosen.by, chosen.why, date.fromisoformat(chosen.until) if chosen.until else None)

    @property
    def hash(self) -> str:
        """Over all that a plan is made from: it changes when one comes, goes or ends.  Who decided and why changes no plan."""
        said = [[item.site, item.kind, item.value, item.until] for item in self.standing if item.kind in OF_THE_PLAN]
        return digest(sorted(said))


def standing(session: Session, on: date) -> Decisions:
    """The decisions that stand on a day: neither withdrawn nor ended."""
    query = select(model.Decision).where(model.Decision.withdrawn_at.is_(None), model.Decision.kind.in_(KINDS)).order_by(model.Decision.id)
    return Decisions(tuple(_plain(row) for row in session.scalars(query) if not row.until or row.until >= on.isoformat()))


def _plain(row: model.Decision) -> Decision:
    return Decision(row.site, tuple(map(str, row.names)), _kind(row.kind), row.value, row.by, row.why, row.until, row.at)


def _kind(text: str) -> Kind:
    return next(kind for kind in KINDS if kind == text)


def add(session: Session, decision: Decision) -> None:
    """Keep a decision; what it contradicts is withdrawn by it: one of the same kind, or that the site stays, or all else where it stays.

    Raises InputError.
    """
    if not decision.why.strip():
        raise InputError(f"{decision.site}: why?", hint='--why "...": it stands beside the decision wherever that is shown')
    if decision.kind == "placement" and decision.value not in PLACEMENTS:
        raise InputError(f"there is no placement {decision.value!r}", hint="one of " + ", ".join(PLACEMENTS))
    if decision.until and decision.until < decision.at.date().isoformat():
        raise InputError(f"{decision.until} is over: the decision would never hold")
    if decision.kind == "settled":
        withdraw(session, decision.site, decision.names, ("settled",), decision.by, decision.at, value=decision.value)
    else:
        against: tuple[Kind, ...] = OF_THE_PLAN if decision.kind == "leave" else (decision.kind, "leave")
        withdraw(session, decision.site, decision.names, against, decision.by, decision.at)
    session.add(
        model.Decision(
            site=decision.site, names=list(decision.names), kind=decision.kind, value=decision.value, by=decision.by[:64], why=decision.why,
            until=decision.until, at=decision.at,
        )
    )  # fmt: skip


def withdraw(
    session: Session, site: str, names: Sequence[str], kinds: Sequence[Kind], by: str, at: datetime, *, value: str | None = None
) -> list[Decision]:
    """Take back the site's decisions of these kinds (of this value); returns what stood."""
    query = select(model.Decision).where(model.Decision.withdrawn_at.is_(None), model.Decision.kind.in_(kinds)).order_by(model.Decision.id)
    found = []
    for row in session.scalars(query):
        plain = _plain(row)
        if (value is None or row.value == value) and plain.holds_for(site, names):
            row.withdrawn_at, row.withdrawn_by = at, by[:64]
            found.append(plain)
    return found
