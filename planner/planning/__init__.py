"""The making of a plan: from workloads with verdicts and sizes to groups, dates, destinations and one document.

    gathering   the catalogue → `Subject`s              (the only module here that reads)
    ties        subjects → what must move together, and what before what
    fitting_in  platforms → nodes with room; subjects → what they need there
    writing     one subject with its date and place → its move in the document
    making      all of it, in order

Everything but `gathering` is pure: same subjects, platforms, calendar and first day, same document, whatever the order they came in.
"""
