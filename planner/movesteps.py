"""The steps of a move that the planner carries out, by placement: their order, what does them, their undo, and what a failure takes back.

In: a placement.  Out: its steps.  Pure data; documents, bundles and the carrier all go by this one table, so a placement is carried out
when it stands here.  A step's playbook is `templates/playbooks/<placement>/<step>.yml.j2`, else the one in `move/` that placements share;
its undo is `undo-<step>.yml.j2` beside it.  What a step without an undo leaves goes with the undo of an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Work = Literal["playbook", "compare", "sign-off", "export", "record", "recheck"]
"""`playbook`: one of the bundle does it; `compare`: both sides are compared; `sign-off`: the unit's recorded word is asked for;
`export`: the planner's machine crawls the source, then a playbook publishes what came of it; `record`: what a machine is like before it is
carried is written down; `recheck`: it is held against that (planner/colocation.py)."""


When = Literal["any time", "preparation", "window"]
"""`preparation`: from the day on which the move's preparation begins; `window`: in the hours of its night."""
Side = Literal["source", "destination"]


@dataclass(frozen=True)
class Step:
    """One step.

    `on_failure`: what is taken back at once when it fails, in that order; `dns`: without a zone of ours nothing is to do; `go`: somebody
    has to say that it may begin; `changes`: machines whose shared configuration it changes, so that no other move's step does it meanwhile;
    `rehearsed`: it may be done while the source is in use, to see whether it works and how long it takes.
    """

    name: str
    work: Work = "playbook"
    undo: bool = False
    on_failure: tuple[str, ...] = ()
    dns: bool = False
    when: When = "any time"
    go: bool = False
    changes: tuple[Side, ...] = ()
    rehearsed: bool = False


BOTH: tuple[Side, ...] = ("source", "destination")

SITE = (
    Step("lower-ttl", undo=True, dns=True, when="preparation"),
    Step("provision", undo=True, when="preparation", changes=BOTH),
    Step("preseed", when="preparation"),
    Step("freeze", undo=True, on_failure=("freeze",), when="window", go=True, changes=("source",)),
    Step("sync", on_failure=("freeze",), rehearsed=True),
    Step("verify", work="compare", on_failure=("freeze",), rehearsed=True),
    Step("cutover", undo=True, on_failure=("cutover", "freeze"), when="window", go=True, changes=BOTH),
    Step("watch", changes=("source",)),
)
"""A site that goes to a server of ours."""

RETIRE = (
    Step("sign-off", work="sign-off"),
    Step("lower-ttl", undo=True, dns=True, when="preparation"),
    Step("provision", undo=True, when="preparation", changes=BOTH),
    # frozen before it is archived: a failure releases it, and the next run archives what it has become since
    Step("freeze", undo=True, on_failure=("freeze",), when="window", go=True, changes=("source",)),
    Step("archive", on_failure=("freeze",)),
    Step("verify", on_failure=("freeze",)),
    Step("cutover", undo=True, on_failure=("cutover", "freeze"), when="window", go=True, changes=BOTH),
    Step("watch", changes=("source",)),
    Step("decommission", undo=True, changes=("source",)),
)
"""A site that is closed: its archive is kept, the front answers for its names, its old host keeps everything."""

COLOCATION = (
    Step("lower-ttl", undo=True, dns=True, when="preparation"),
    Step("backup", undo=True, on_failure=("backup",), when="preparation", changes=("destination",)),
    Step("prepare", undo=True, when="preparation"),
    Step("record", work="record", when="preparation"),
    # of a machine that stays where it is
    Step("renumber", undo=True, on_failure=("renumber",), when="window", go=True, changes=("source",)),
    Step("depart", undo=True, when="window", go=True, changes=("source",)),  # of one that is carried: it switches itself off,
    Step("arrive", undo=True),  # and is waited for at its new address for as long as people need
    Step("verify", work="recheck", on_failure=("renumber",)),
    # at any hour: a machine that is at its new address is found there only when DNS says so
    Step("cutover", undo=True, dns=True, on_failure=("cutover", "renumber")),
    Step("watch"),
)
"""A machine that comes into our room: a move has either `renumber`, or `depart` and `arrive`."""

TABLE: Mapping[str, tuple[Step, ...]] = {
    "site-cluster": SITE, "virtual-host": SITE, "vps": SITE, "retire": RETIRE, "colocation": COLOCATION,
}  # fmt: skip
"""Placement → its steps, in order.  A move may have a part of them."""


def steps(placement: str) -> tuple[str, ...]:
    """The names of a placement's steps, in order; () when it is carried out by hand."""
    return tuple(one.name for one in TABLE.get(placement, ()))


def step(placement: str, name: str) -> Step:
    """A step of a placement.  Raises KeyError for one that it does not have."""
    return {one.name: one for one in TABLE[placement]}[name]


EXPORT = "static-export"
"""The profile of a site that becomes plain files on the site cluster; also the folder of its own playbooks."""
_CRAWLED = ("preseed", "sync")


def exported(move: Mapping[str, Any]) -> bool:
    """Whether the site moves as a static export: its pages are crawled, its program is not copied."""
    return bool(move["placement"] == "site-cluster" and move.get("profile") == EXPORT)


def work(move: Mapping[str, Any], name: str) -> Work:
    """What a step of this move is.  Raises KeyError for one that it does not have."""
    kind = step(move["placement"], name)
    return "export" if exported(move) and name in _CRAWLED else kind.work


def changes(move: Mapping[str, Any], name: str) -> tuple[Side, ...]:
    """Whose shared configuration a step of this move changes.  Raises KeyError for one that it does not have."""
    kind = step(move["placement"], name)
    return (*kind.changes, "destination") if work(move, name) == "export" else kind.changes


def prepared(placement: str) -> str:
    """The last step before the first one that needs a go-ahead, '' when there is none."""
    names = steps(placement)
    first = next((one.name for one in TABLE.get(placement, ()) if one.go), "")
    return names[names.index(first) - 1] if first and names.index(first) else ""


def rehearsed(placement: str) -> tuple[Step, ...]:
    """The steps that a rehearsal does after what is prepared, in order."""
    return tuple(one for one in TABLE.get(placement, ()) if one.rehearsed)


def signed(placement: str) -> bool:
    """Whether a move of this placement needs its unit's recorded sign-off; silence is none."""
    return any(one.work == "sign-off" for one in TABLE.get(placement, ()))


def every() -> tuple[str, ...]:
    """All names of steps, each once."""
    return tuple(dict.fromkeys(one.name for listed in TABLE.values() for one in listed))


def of(names: Iterable[str]) -> tuple[str, ...]:
    """The steps of the first placement that has all of these: what is known of a move of which only its journal is left."""
    known = set(names) & set(every())
    return next((steps(placement) for placement in TABLE if known <= set(steps(placement))), every())
