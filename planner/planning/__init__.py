"""The making of a plan: from workloads with verdicts and sizes to groups, dates, destinations and one document.

    gathering   the catalogue → `Inputs` of `Subject`s  (the only module here that reads)
    ties        subjects → what must move together, what before what, what cannot go without another
    dating      subjects → their moves in the schedule, and their nights
    fitting_in  platforms → nodes with room; subjects → what they need there
    addressing  what gets a machine of its own → its addresses
    former      the approved plan → nights, places and addresses to keep
    writing     one subject with its date and place → its move in the document
    summing     all moves → waves, groups, costs, what is lacking, hosts that become free, problems
    making      all of it, in order

Everything but `gathering` is pure: same inputs, same document, whatever the order they came in.  `subjects` and `values` hold what goes
from one to the other.
"""
