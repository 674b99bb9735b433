"""Where a crawl ends although the site does not: calendars, facets, traps.  In: URLs and what their pages said.  Out: why one is not asked.

A URL is cut by its form (too long, too deep, the same folder again and again, too many parameters, a year far from ours), or because of
its kind (`urls.shape`): there is a cap for each, and a kind whose pages differ in nothing but digits is not followed any further.  What a
sitemap or the access log names is cut by its form only.  Deterministic: asked level by level, in order.  Everything cut is counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from planner.export import urls
from planner.export.records import Record

SHOWN = 3
CAP = "limit"
"""How a reason begins that says nothing about the URL: it lacks, as if it had not answered."""
_DATED = re.compile(r"^(?:y|yy|yyyy|year|month|ym|date|day|cal\w*|from|start|end|to|d|dt|time|week)$", re.I)
_YEAR = re.compile(r"(?<!\d)(\d{4})(?=[-/_.年]?\d{0,2}(?:\D|$)|\d{4}(?:\D|$))")
_DATED_PATH = re.compile(r"/(?:cal\w*|events?|archives?|day|month|year|week|日历)/(?:[^/]+/)*(\d{4})(?:[-/_.]|$)", re.I)


@dataclass(frozen=True)
class Bounds:
    """Limits of a crawl.  A kind counts as empty when, of at least `sample` pages, less than `distinct` differ in more than digits."""

    pages: int = 200_000
    per_kind: int = 20_000
    parameters: int = 8
    segments: int = 24
    length: int = 2_000
    levels: int = 2_000
    years_ahead: int = 2
    first_year: int = 1985
    sample: int = 60
    distinct: float = 0.25


@dataclass
class Cut:
    """What was not asked, for one reason: kind, how many URLs, the first few in order."""

    reason: str
    kind: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class _Kind:
    asked: int = 0
    read: int = 0
    texts: set[str] = field(default_factory=set)


class Fence:
    """The state of the bounds in one crawl; `year` is the current one."""

    def __init__(self, bounds: Bounds, year: int) -> None:
        self.bounds, self._year = bounds, year
        self._kinds: dict[str, _Kind] = {}
        self.cuts: dict[tuple[str, str], Cut] = {}
        self.asked = 0

    def refuses(self, url: str, level: int, *, named: bool) -> str:
        """Why a URL is not asked; "" when it may be, and then it counts.  `named` by sitemap or log."""
        kind = urls.shape(url)
        reason = self._form(url, level, named=named)
        its = self._kinds.get(kind)
        if its is None:
            its = self._kinds[kind] = _Kind()
        if not reason and not named:
            if its.asked >= self.bounds.per_kind:
                reason = f"{CAP} of {self.bounds.per_kind} of a kind"
            elif its.read >= self.bounds.sample and len(its.texts) < self.bounds.distinct * its.read:
                reason = "pages of its kind differ in digits only"
        if not reason and self.asked >= self.bounds.pages:
            reason, kind = f"{CAP} of {self.bounds.pages} URLs in all", "\N{HORIZONTAL ELLIPSIS}"
        if reason:
            cut = self.cuts.setdefault((reason, kind), Cut(reason, kind))
            cut.count += 1
            if len(cut.examples) < SHOWN:
                cut.examples.append(url)
        else:
            its.asked += 1
            self.asked += 1
        return reason

    def learn(self, record: Record) -> None:
        """A page has been read; files are never alike by their digits."""
        if record.outcome == "exported" and record.plain:
            its = self._kinds.setdefault(urls.shape(record.url), _Kind())
            its.read += 1
            if len(its.texts) < 5_000:
                its.texts.add(record.plain)

    def _form(self, url: str, level: int, *, named: bool) -> str:
        path, query = urls.split(url)
        segments = path.split("/")[1:]
        if len(url) > self.bounds.length:
            return f"longer than {self.bounds.length} characters"
        if len(segments) > self.bounds.segments:
            return f"deeper than {self.bounds.segments} folders"
        if _repeats(segments):
            return "the same folders again and again"
        given = urls.parameters(query)
        if len(given) > self.bounds.parameters and not named:
            return f"more than {self.bounds.parameters} parameters"
        if level > self.bounds.levels:
            return f"more than {self.bounds.levels} steps from the home page"
        if named:
            return ""
        years = [int(year) for name, value in given if _DATED.match(name) for year in _YEAR.findall(value + " ")[:1]]
        years += [int(year) for year in _DATED_PATH.findall(path)]
        if any(not self.bounds.first_year <= year <= self._year + self.bounds.years_ahead for year in years):
            return "a date far from today"
        return ""


def _repeats(segments: list[str]) -> bool:
    """`/a/b/a/b/a/b/`: a relative link that leads one folder deeper each time."""
    for width in (1, 2, 3):
        for start in range(len(segments) - 3 * width + 1):
            part = segments[start : start + width]
            if any(part) and part == segments[start + width : start + 2 * width] == segments[start + 2 * width : start + 3 * width]:
                return True
    return False
