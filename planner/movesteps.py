"""The steps of a move that the planner carries out, by placement: their order, what does them, their undo, and what a failure takes back.

In: a placement.  Out: its steps.  Pure data; documents, bundles and the carrier all go by this one table, so a placement is carried out
when it stands here.  A step's playbook is `templates/playbooks/<placement>/<step>.yml.j2`, else the one in `move/` that placements share;
its undo is `undo-<step>.yml.j2` beside it.  What a step without an undo leaves goes with the undo of an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Work = Literal["playbook", "compare", "sign-off", "record", "recheck"]
"""`playbook`: one of the bundle does it; `compare`: both sides are compared; `sign-off`: the unit's recorded word is asked for.

`record`: what a machine is like before it is carried is written down; `recheck`: it is held against that (planner/colocation.py)."""


@dataclass(frozen=True)
class Step:
    """One step.  `on_failure`: what is taken back at once when it fails, in that order; `dns`: without a zone of ours nothing is to do."""

    name: str
    work: Work = "playbook"
    undo: bool = False
    on_failure: tuple[str, ...] = ()
    dns: bool = False


SITE = (
    Step("lower-ttl", undo=True, dns=True),
    Step("provision", undo=True),
    Step("preseed"),
    Step("freeze", undo=True, on_failure=("freeze",)),
    Step("sync", on_failure=("freeze",)),
    Step("verify", work="compare", on_failure=("freeze",)),
    Step("cutover", undo=True, on_failure=("cutover", "freeze")),
    Step("watch"),
)
"""A site that goes to a server of ours."""

RETIRE = (
    Step("sign-off", work="sign-off"),
    Step("lower-ttl", undo=True, dns=True),
    Step("provision", undo=True),
    # frozen before it is archived: a failure releases it, and the next run archives what it has become since
    Step("freeze", undo=True, on_failure=("freeze",)),
    Step("archive", on_failure=("freeze",)),
    Step("verify", on_failure=("freeze",)),
    Step("cutover", undo=True, on_failure=("cutover", "freeze")),
    Step("watch"),
    Step("decommission", undo=True),
)
"""A site that is closed: its archive is kept, the front answers for its names, its old host keeps everything."""

COLOCATION = (
    Step("lower-ttl", undo=True, dns=True),
    Step("backup", undo=True, on_failure=("backup",)),
    Step("prepare", undo=True),
    Step("record", work="record"),
    Step("renumber", undo=True, on_failure=("renumber",)),  # of a machine that stays where it is
    Step("depart", undo=True),  # of one that is carried: it switches itself off,
    Step("arrive", undo=True),  # and is waited for at its new address for as long as people need
    Step("verify", work="recheck", on_failure=("renumber",)),
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
