"""Values of placing: nodes with finite capacity, demands over time, what occupies nodes meanwhile; and the answer.  No logic but their own.

Resources are free text (`cpus`, `memory_bytes`, `disk_bytes`, `accounts`, `units`, `power_w`, `ports`, `iops`); amounts are in the unit
that the name says, counted in thousandths: needs are rounded up to one, capacities down.  A day is a whole number, best
`date.toordinal()`.  A span of days is half open: `end` and `until` are the first day on which the room is free again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Amounts = Mapping[str, float]
"""Resource → amount."""


@dataclass(frozen=True)
class Node:
    """A place with finite room.  `kind` is the placement that it serves; `used` is there for good; `reserve` is the share (0 to below 1)
    of each capacity that stays free."""

    name: str
    kind: str
    capacity: Amounts
    used: Amounts = field(default_factory=dict)
    zone: str = ""
    labels: frozenset[str] = frozenset()
    reserve: float = 0.0


@dataclass(frozen=True)
class Demand:
    """Room that one workload needs from `start` on, until `end` or for good.

    `zone` '' is any zone; `labels` must all be the node's; two demands that share a group in `apart` never share a node; those of one
    group `together` always do, or none of them is placed.  `pinned` names the node, `allowed` (when not empty) the only nodes to consider.
    """

    name: str
    kind: str
    needs: Amounts
    start: int = 0
    end: int | None = None
    zone: str = ""
    labels: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()
    together: str = ""
    pinned: str = ""
    allowed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Occupied:
    """What holds room on a node until its own move ends (`until`, the first free day), or for good: a source on one of our nodes."""

    node: str
    name: str
    needs: Amounts
    until: int | None = None


@dataclass(frozen=True)
class Obstacle:
    """Why one node does not take one demand.

    `what`: kind | zone | label | pinned | allowed | apart | together | unstated (the node does not say how much it has) | resource | spare
    (the room that the loss of a node would need).  For the last two `resource`, `needed` and `free` (at the tightest instant of the
    demand's span, reserve kept); `detail` names the label, zone, group or pinned node.
    """

    node: str
    what: str
    detail: str = ""
    resource: str = ""
    needed: float = 0.0
    free: float = 0.0


@dataclass(frozen=True)
class Shortfall:
    """A demand that found no node.  `lacking` is what the node that comes nearest would have to have more; all that it needs when no node
    of the kind may take it.  `alone` says that it would not fit even if no other demand were there."""

    demand: str
    kind: str
    day: int
    obstacles: tuple[Obstacle, ...]
    lacking: Amounts
    alone: bool


@dataclass(frozen=True)
class Purchase:
    """What to buy for all shortfalls of one kind, zone and set of labels: `needs` together at their worst instant, by day `by`.

    `nodes` of the size `size` (capacity, reserve included) are enough: the demands were put on them one by one.  `least` is the bound
    below which no number of such nodes can go.  All three are None when no size is known.  `extends` names the node that must grow
    instead, because the demands are bound to it; '' when any new node does.
    """

    kind: str
    zone: str
    labels: frozenset[str]
    by: int
    demands: tuple[str, ...]
    needs: Amounts
    size: Amounts | None
    nodes: int | None
    least: int | None
    extends: str = ""


@dataclass(frozen=True)
class Peak:
    """The highest load of a resource on a node: on `day` first; `share` = load ÷ usable (capacity less reserve)."""

    node: str
    resource: str
    day: int
    load: float
    usable: float
    share: float


@dataclass(frozen=True)
class Loss:
    """What happens when one node fails: its demands that found no room on the others of its kind and zone, put there one by one."""

    node: str
    homeless: tuple[str, ...]


@dataclass(frozen=True)
class Placed:
    """The answer.  `peaks` are per node and resource, `timeline` per node the loads from each day on which they change.

    `settled` names the kinds whose shortfalls are proven the fewest possible; a kind without shortfalls is among them.  `unplanned` are
    (kind, resource) that demands need and no node of the kind states: they are not planned with.
    """

    assignments: Mapping[str, str]
    shortfalls: tuple[Shortfall, ...]
    purchases: tuple[Purchase, ...]
    peaks: tuple[Peak, ...]
    timeline: Mapping[str, tuple[tuple[int, Amounts], ...]]
    losses: tuple[Loss, ...] = ()
    settled: frozenset[str] = frozenset()
    unplanned: frozenset[tuple[str, str]] = frozenset()
    steps: int = field(default=0, compare=False)

    @property
    def peak(self) -> float:
        """The highest share of all nodes, resources and days; 0 without any."""
        return max((one.share for one in self.peaks), default=0.0)

    def short(self, kind: str = "") -> int:
        """How many demands (of a kind) found no node."""
        return sum(1 for one in self.shortfalls if kind in ("", one.kind))
