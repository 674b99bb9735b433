"""Owners and modes of a copy, which are others than the original's by design, but so throughout: what falls out of line.  Pure.

In: (path, value at the source, value at the destination) of each file.  Out: the files whose value at the destination is another than that
of nearly all files with the same value at the source.  A copy belongs to an account of its own, and a cluster gives all files one mode:
what is measured is the rule that the copy itself follows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

MOST = 0.6
"""A rule is followed by at least this share of the files; and by two at least."""


def astray(told: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str, str]]:
    """(path, value at the source, at the destination, what it usually is there) of each file that does not follow the rule; by path."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for _, was, now in told:
        kinds[was][now] += 1
    usual: dict[str, str] = {}
    for was, found in kinds.items():
        best = min(found, key=lambda now: (-found[now], now != was, now))
        if found[best] >= 2 and found[best] >= MOST * found.total():
            usual[was] = best
    return sorted((path, was, now, usual[was]) for path, was, now in told if was in usual and now != usual[was])
