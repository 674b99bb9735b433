"""Which node takes which workload, on finite capacity over time.  Pure.

    nodes, demands, occupied → instance (whole numbers, an order of its own) → packing → search → balancing → shortfalls → Placed

**What is kept at every instant**: each node's capacity less its reserve, with sources and destinations both counted while a move runs;
zones, labels, pins, `apart` and `together`; and for kinds that must bear the loss of a node, that each zone's load fits into the sum of its
nodes less the largest (resource by resource, the worst loss).  This sum is the rule, because it is exact, cheap and only ever gets easier
when load goes away.  Whether the lost node's demands also *pack* onto the others is tried for each node and told in `Placed.losses`: a
greedy trial that fails proves nothing, so it refuses nothing; but an admin should look at it.  The reserve stays free in that case, too: it
is there for what the measured sizes leave out, and that does not go away with a node.

**The aim**: the fewest demands left out, of equally many the largest; then the lowest peak share; then balance; then names.

**What removing a demand can do to the others.**
1. *With the earlier result as `previous`* no demand that was placed is ever left out afterwards: whatever fitted still fits where it was.
2. *Afresh, for a kind that both results call `settled`* its cost (demands left out, less their sizes) never rises: it is the optimum of a
   sum over the demands, and a placement of them all, without the one removed, is a placement of the rest.  In particular: where nothing was
   short, nothing is.  A kind is settled when nothing is left out, or when the complete search came to its end (components of up to 60
   items, bounded by steps).
3. *Afresh, on one resource with interchangeable nodes and one span* the very set of shortfalls only shrinks.  With several resources it
   need not: without `a`, another pair than before may be the largest choice that fits.
4. For larger kinds left unsettled it is a greedy result with repairs, for which nothing is promised.
"""

from planner.placement.loads import BEGINNING
from planner.placement.model import Demand, Loss, Node, Obstacle, Occupied, Peak, Placed, Purchase, Shortfall
from planner.placement.place import place

__all__ = ["BEGINNING", "Demand", "Loss", "Node", "Obstacle", "Occupied", "Peak", "Placed", "Purchase", "Shortfall", "place"]
