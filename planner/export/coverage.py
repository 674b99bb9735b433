"""How much of a site its export answers, and whether that is enough.  Pure.

In: a `Crawled` and its `Mapping`.  Out: a `Coverage`: a share for what the access log, the sitemap and the site's own links name, each with
what lacks and why, and the reasons for which the export is refused.  What the source itself does not answer (4xx, an error page) lacks
nowhere, but for an error page that only its words betray, where a sitemap or the log names it.  What only administers the site is told
apart.  A share that nobody could know is None, never 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from planner.export import mapping, urls
from planner.export.bounds import CAP
from planner.export.crawl import Crawled
from planner.export.errorpages import BY_WORDS
from planner.export.mapping import Mapping

_ADMINISTERS = re.compile(
    r"wp-(?:login|admin|cron|signup|comments-post|trackback)|xmlrpc|/(?:admin|administrator|manage|manager|dede|phpmyadmin)(?:[/.?]|$)"
    r"|log-?_?(?:in|out|off)\b|sign-?_?(?:in|out|up)\b|/user/register|captcha|/e/admin",
    re.I,
)
_REFUSED = {mapping.CIRCLE: "gone", mapping.HIDDEN: "administers"}


@dataclass(frozen=True)
class Gate:
    """Least shares: of the log's hits, of the sitemap's URLs, of the URLs that the site itself links to or shows."""

    hits: float = 0.98
    sitemap: float = 1.0
    links: float = 0.98


@dataclass(frozen=True)
class Lack:
    """A URL that will not answer as it did: its weight, why, and the first page that leads to it."""

    url: str
    weight: int
    reason: str
    by: str


@dataclass
class Share:
    """`total` and `answered` are weights; `gone` counts what the source itself does not answer, `administers` what is no content."""

    total: int = 0
    answered: int = 0
    gone: int = 0
    administers: int = 0
    cut: int = 0
    lacks: list[Lack] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """answered ÷ total; None when nothing is known."""
        return self.answered / self.total if self.total else None


@dataclass
class Coverage:
    """Shares by what names the URLs; `refusals` is empty when the export may be used."""

    shares: dict[str, Share]
    refusals: list[str]
    unknown: list[str]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        shares = {}
        for name, its in self.shares.items():
            counts = {"total": its.total, "answered": its.answered, "gone": its.gone, "administers": its.administers, "cut": its.cut}
            shares[name] = {
                "share": None if its.share is None else round(its.share, 6),
                **counts,
                "lacks": [vars(lack) for lack in its.lacks],
            }
        return {"shares": shares, "refusals": self.refusals, "unknown": self.unknown}


def fate(url: str, crawled: Crawled, made: Mapping) -> tuple[str, str]:
    """(answered | gone | administers | cut | lacking, why)."""
    first = crawled.orders.get(url, url)
    seen: set[str] = set()
    while True:
        if first in made.refused:
            return _REFUSED.get(made.refused[first], "lacking"), made.refused[first]
        record = crawled.records.get(first)
        if record is None:
            why = crawled.not_asked.get(first, "it was not asked for")
            if first in crawled.orders and first not in seen:
                seen.add(first)
                first = crawled.orders[first]
                continue
            if why.startswith("asking may"):
                return ("administers" if _ADMINISTERS.search(urls.request_target(first)) else "lacking"), why
            return ("lacking" if why.startswith(CAP) else "cut"), why
        if record.outcome == "moved":
            seen.add(first)
            inside = crawled.site.normal(record.location.partition("#")[0])
            if not inside:
                return "answered", ""
            first = inside  # a circle was refused above
            continue
        if record.outcome == "exported":
            return "answered", ""
        if record.outcome == "soft_error" or (record.outcome == "error" and 400 <= record.status < 500 and record.status != 429):
            return "gone", record.reason
        return "lacking", record.reason


def measure(crawled: Crawled, made: Mapping, gate: Gate) -> Coverage:
    """The shares, and what they mean under the gate."""
    hits = Share()
    for url in sorted(crawled.top):
        _count(hits, url, _weight(crawled, url), crawled, made, stands=True)
    sitemap = Share()
    for url in sorted(crawled.sitemap):
        _count(sitemap, url, 1, crawled, made, stands=True)
    links = Share()
    for url in sorted(crawled.known):
        if crawled.known[url] != "candidate":
            _count(links, url, 1, crawled, made, stands=False)
    shares = {"hits": hits, "sitemap": sitemap, "links": links}
    refusals, unknown = [], []
    for name, least in (("hits", gate.hits), ("sitemap", gate.sitemap), ("links", gate.links)):
        share = shares[name].share
        if share is None:
            unknown.append(_UNKNOWN[name])
        elif share < least:
            refusals.append(f"{_SAID[name]}: {share:.2%} answered, at least {least:.2%} is asked for")
    if hits.total and any(count is None for count in crawled.top.values()):
        unknown.append("hits are not known for every URL of the access log; each of those counts once")
    state, why = fate(crawled.site.home, crawled, made)
    if state != "answered":
        refusals.insert(0, f"the home page is not exported: {why}")
    for share_of in shares.values():
        share_of.lacks.sort(key=lambda lack: (-lack.weight, lack.url))
    return Coverage(shares, refusals, unknown)


_SAID = {"hits": "requests of the access log", "sitemap": "URLs of the sitemap", "links": "URLs that the site links to"}
_UNKNOWN = {
    "hits": "what visitors ask for is unknown: no access log was read",
    "sitemap": "the site has no sitemap",
    "links": "the site links to nothing",
}


def _weight(crawled: Crawled, url: str) -> int:
    hits = crawled.top[url]
    return 1 if hits is None else hits


def _count(share: Share, url: str, weight: int, crawled: Crawled, made: Mapping, *, stands: bool) -> None:
    state, why = fate(url, crawled, made)
    if stands and state == "gone" and why == BY_WORDS:
        state = "lacking"  # words may deceive, and this is said to be content
    if not stands and state == "lacking" and why.startswith("asking may"):
        state = "administers"  # an edit link below each page
    if state == "gone":
        share.gone += 1
        return
    if state == "administers":
        share.administers += 1
        return
    if state == "cut" and not stands:
        share.cut += 1
        return
    share.total += weight
    if state == "answered":
        share.answered += weight
    else:
        share.lacks.append(Lack(url, weight, why, crawled.by.get(url, "")))


def stops_working(crawled: Crawled) -> list[dict[str, Any]]:
    """What needs a program behind it and will stop: searches, log-ins, comments, forms, calls from scripts; each once, sorted.

    A call that a static file answers as well (a JSON file that was exported) is none.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for function in sorted(crawled.functions):
        inside = crawled.site.normal(function.target)
        if function.kind == "call" and inside:
            record = crawled.records.get(inside)
            if record is not None and record.outcome == "exported" and "?" not in inside and not record.text:
                continue
        where = urls.request_target(inside) if inside else function.target
        told = found.setdefault(
            (function.kind, function.method, where),
            {"kind": function.kind, "method": function.method, "target": where, "foreign": bool(function.target) and not inside,
             "fields": [], "page": crawled.functions[function]},
        )  # fmt: skip
        told["fields"] = sorted({*told["fields"], *function.fields})
        told["page"] = min(told["page"], crawled.functions[function])
    return [found[name] for name in sorted(found)]


def kinds(stopping: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many of each kind will stop; what another site serves goes on."""
    counted: dict[str, int] = {}
    for one in stopping:
        if not one["foreign"]:
            counted[one["kind"]] = counted.get(one["kind"], 0) + 1
    return dict(sorted(counted.items()))
