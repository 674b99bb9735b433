"""Two addresses' answers for one URL, compared.  Pure: in go `Page` digests, two or more of the source and one or more of the
destination; out come `Difference`s and, for a whole site, a `SiteComparison` with its verdict.

What differs between the source's answers is noise (clocks, nonces, counters, random boxes) and is cancelled at the same place of the
destination's answer.  What a difference weighs says `planner/verification.yml`: `block` means that visitors would notice or be harmed,
`warn` is for the admin's eye, `design` is meant to differ.  A site whose differences do not block is equal; one where nothing, or too
little, could be compared never is.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from inventory.inspection.pages import Page
from inventory.inspection.references import CODECS
from planner import noise, thresholds
from planner.noise import Unstable
from planner.thresholds import Severity, Thresholds

Outcome = Literal["equal", "different", "not_compared"]
Verdict = Literal["equal", "different", "insufficient"]

EXCERPT = 500
_MAX_DIFFERENCES = 20  # per page
_SAME_TYPES = {
    "application/javascript": "text/javascript",
    "application/x-javascript": "text/javascript",
    "application/xml": "text/xml",
    "image/vnd.microsoft.icon": "image/x-icon",
    "application/font-woff": "font/woff",
    "application/x-font-woff": "font/woff",
    "application/font-woff2": "font/woff2",
}


@dataclass(frozen=True)
class Difference:
    """One difference; `source` and `destination` are excerpts of at most 500 characters."""

    kind: str
    source: str
    destination: str
    severity: Severity = "block"


@dataclass(frozen=True)
class PageResult:
    """One URL; `different` only when a difference blocks; `reason` says why it was not compared.  Times in seconds."""

    url: str
    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    reason: str = ""
    status: int = 0
    source_seconds: float = 0.0
    destination_seconds: float = 0.0
    by_design: bool = False  # not compared because we chose not to ask: counts against nothing


@dataclass(frozen=True)
class Traffic:
    """What an access log says: requests to each URL that it names, and all requests in it; no URL is named that nobody asked for."""

    requests: Mapping[str, int]
    total: int


@dataclass(frozen=True)
class Covered:
    """Requests of the log: `total` in it, `named` to URLs that it names and that may be asked for, `compared` of those."""

    total: int
    named: int
    compared: int

    @property
    def share(self) -> float:
        """Of all requests, the share to pages that were compared; at least that, for the log names its top only."""
        return round(self.compared / self.total, 4) if self.total else 0.0


@dataclass(frozen=True)
class SiteComparison:
    """All URLs, sorted; `counts` has equal, different, not_compared, warnings, by_design.  `traffic` None: no log tells.

    `seconds`: the median time of an answer at the source and at the destination.
    """

    pages: tuple[PageResult, ...]
    counts: dict[str, int]
    verdict: Verdict
    reason: str
    traffic: Covered | None = None
    seconds: tuple[float, float] = (0.0, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON types; pages are sorted by URL."""
        pages = [{**vars(page), "differences": [vars(d) for d in page.differences]} for page in self.pages]
        found: dict[str, Any] = {"verdict": self.verdict, "reason": self.reason, "counts": dict(self.counts), "pages": pages}
        found["seconds"] = {"source": self.seconds[0], "destination": self.seconds[1]}
        if self.traffic is not None:
            found["traffic"] = {**vars(self.traffic), "share": self.traffic.share}
        return found


def summarise(
    pages: Iterable[PageResult], required: Sequence[str] = (), traffic: Traffic | None = None, rules: Thresholds | None = None
) -> SiteComparison:
    """The verdict over all pages; without the `required` URLs compared it is never "equal".  `traffic` has absolute URLs."""
    limits = (rules or thresholds.shipped()).limits
    ordered = tuple(sorted(pages, key=lambda page: page.url))
    by_outcome = Counter(page.outcome for page in ordered)
    counts = {name: by_outcome[name] for name in ("equal", "different", "not_compared")}
    weighs = Counter(d.severity for page in ordered for d in page.differences)
    counts |= {"warnings": weighs["warn"], "by_design": weighs["design"]}
    compared = [page for page in ordered if page.outcome != "not_compared"]
    tried = [page for page in ordered if not page.by_design]
    missed = sorted(set(required) - {page.url for page in compared})
    covered = _covered(ordered, traffic)
    verdict: Verdict = "insufficient"
    if counts["different"]:
        verdict, reason = "different", f"{counts['different']} of {len(compared)} pages differ"
    elif not any(200 <= page.status < 300 for page in compared):
        reason = "no page with content was compared"
    elif missed:
        reason = f"not compared: {missed[0]}"
    elif len(compared) < limits.pages_compared * len(tried):
        reason = f"only {len(compared)} of {len(tried)} pages could be compared"
    elif covered is not None and covered.compared < limits.traffic_compared * covered.named:
        reason = f"compared pages have only {covered.compared} of {covered.named} requests that the log names"
    else:
        verdict, reason = "equal", f"{len(compared)} pages are equal"
    seconds = [round(statistics.median(one), 3) if (one := list(times)) else 0.0 for times in (
        (page.source_seconds for page in compared), (page.destination_seconds for page in compared if page.destination_seconds)
    )]  # fmt: skip
    return SiteComparison(ordered, counts, verdict, reason, covered, (seconds[0], seconds[1]))


def _covered(pages: Iterable[PageResult], traffic: Traffic | None) -> Covered | None:
    """How much of the log's requests went to what was compared.  What we chose not to ask for counts for nothing, and so on both sides."""
    if traffic is None or not traffic.total:
        return None
    outcomes = {page.url: page for page in pages}
    named = {url: n for url, n in traffic.requests.items() if not (url in outcomes and outcomes[url].by_design)}
    compared = sum(n for url, n in named.items() if url in outcomes and outcomes[url].outcome != "not_compared")
    return Covered(max(traffic.total, sum(traffic.requests.values())), sum(named.values()), compared)


def compare_pages(first: Page, second: Page, other: Page, rules: Thresholds | None = None) -> PageResult:
    """Compares a URL's destination answer `other` with the source's two answers `first` and `second`."""
    return compare_samples([first, second], [other], rules)


def compare_samples(sources: Sequence[Page], others: Sequence[Page], rules: Thresholds | None = None) -> PageResult:
    """The same with more answers: a difference is one that shows in each pairing.  Two of the source at least, one of the destination."""
    rules = rules or thresholds.shipped()
    first, second, other = sources[0], sources[1], others[0]
    result = PageResult(first.url, "equal", (), "", first.status, first.seconds, other.seconds)
    if first.status != second.status or first.location.partition("?")[0] != second.location.partition("?")[0]:
        return replace(result, outcome="not_compared", reason=f"source unstable: status {first.status}, then {second.status}")
    if first.status >= 500 or first.status == 429:
        return replace(result, outcome="not_compared", reason=f"source answers {first.status}, destination {other.status}")
    # answers that failed meanwhile say nothing of the page; what they say of the server was seen in the first ones
    again = [page for page in sources[1:] if (page.status, page.content_type) == (first.status, first.content_type)]
    rest = [page for page in others[1:] if page.status == first.status]
    if other.status != first.status and rest:
        steady = Difference("unsteady", str(first.status), f"{other.status}, then {rest[0].status}")
        others, found = rest, [steady]
    else:
        others, found = [other, *rest], []
    try:
        found += _differences([first, *again], others, rules)
    except Unstable as unstable:
        return replace(result, outcome="not_compared", reason=f"source unstable: {unstable}")
    found += _slow(sources, others, rules)
    found = [replace(one, severity=rules.page(one.kind)) for one in found]
    if first.status >= 400:  # error pages come from the server's software, which is meant to change
        found = [d if d.kind == "status" or d.severity == "design" else replace(d, severity="warn") for d in found]
    blocked = any(d.severity == "block" for d in found)
    found.sort(key=lambda d: (d.severity != "block", d.severity, d.kind, d.source, d.destination))
    clipped = tuple(replace(d, source=d.source[:EXCERPT], destination=d.destination[:EXCERPT]) for d in found[:_MAX_DIFFERENCES])
    if (first.truncated or other.truncated) and not blocked:
        reason = f"larger than {min(first.size, other.size)} bytes; what was read is equal"
        return replace(result, outcome="not_compared", reason=reason, differences=clipped, by_design=True)
    return replace(result, outcome="different" if blocked else "equal", differences=clipped)


def _slow(sources: Sequence[Page], others: Sequence[Page], rules: Thresholds) -> Iterator[Difference]:
    """The destination's best time against the source's worst: one slow answer is nobody's fault."""
    ours, theirs = max(page.seconds for page in sources), min(page.seconds for page in others)
    if theirs > rules.limits.slower_times * ours and theirs > ours + rules.limits.slower_seconds:
        yield Difference("slow", f"{ours:.1f} s", f"{theirs:.1f} s")


def _differences(sources: Sequence[Page], others: Sequence[Page], rules: Thresholds) -> Iterator[Difference]:
    first, other = sources[0], others[0]
    known = {name for page in sources for name in page.errors}
    yield from (Difference("error_text", "", name) for name in other.errors if name not in known)
    yield from (Difference("old_address", "", address) for address in other.addresses)
    if first.status != other.status:
        yield Difference("status", str(first.status), str(other.status))
        return  # the rest follows from it
    yield from _headers(sources, others)
    if 300 <= first.status < 400:
        yield from _texts("redirect", [(page.location,) for page in sources], [(page.location,) for page in others])
        return
    ours, theirs = (_SAME_TYPES.get(page.content_type, page.content_type) for page in (first, other))
    if ours != theirs:
        yield Difference("content_type", first.content_type, other.content_type)
    elif first.content_type != other.content_type:
        yield Difference("content_type_spelling", first.content_type, other.content_type)
    yield from _charsets(first, other)
    if not first.is_text or not other.is_text:
        sums = {page.sha256 for page in sources}
        if not sums & {page.sha256 for page in others}:
            if len(sums) > 1:
                raise Unstable("binary content changes with each request")
            was, now = (f"sha256 {page.sha256}, {page.size} bytes" for page in (first, other))
            yield Difference("content", was, now)
        return
    titles = noise.masked([(page.title,) for page in (*sources, *others)], rules.moving)
    yield from _texts("title", titles[: len(sources)], titles[len(sources) :])
    yield from _visible(sources, others, rules)
    yield from _texts("inline", [page.inline for page in sources], [page.inline for page in others])
    for kind, pick in _SETS:
        lost, new = noise.lost(*_picked(pick, sources, others)), noise.gained(*_picked(pick, sources, others))
        if lost or new:
            yield Difference(kind, " ".join(lost), " ".join(new))
    if mixed := [url for url in noise.gained(*_picked(_insecure, sources, others)) if first.url.startswith("https:")]:
        yield Difference("mixed_content", "", " ".join(mixed))


Pick = Callable[[Page], frozenset[str]]
_SETS: tuple[tuple[str, Pick], ...] = (
    ("links", lambda page: page.links),
    ("assets", lambda page: page.assets),
    ("forms", lambda page: page.forms),
)


def _insecure(page: Page) -> frozenset[str]:
    return frozenset(url for url in page.assets if url.startswith("http:"))


def _picked(pick: Pick, sources: Sequence[Page], others: Sequence[Page]) -> tuple[list[frozenset[str]], list[frozenset[str]]]:
    return [pick(page) for page in sources], [pick(page) for page in others]


def _charsets(first: Page, other: Page) -> Iterator[Difference]:
    """A label that browsers read as before is spelt differently; so is one that the header adds or leaves, when the page says the same."""
    for kind in ("header_charset", "meta_charset"):
        was, now = getattr(first, kind), getattr(other, kind)
        if was != now:
            both = [_codec(page.header_charset or page.meta_charset) for page in (first, other)]
            same = both[0] and both[0] == both[1]
            yield Difference("charset_spelling" if same else f"charset_{kind.partition('_')[0]}", was, now)


def _codec(label: str) -> str:
    return CODECS.get(label, label)


def _visible(sources: Sequence[Page], others: Sequence[Page], rules: Thresholds) -> Iterator[Difference]:
    """The text that visitors read."""
    lines = noise.masked([page.lines for page in (*sources, *others)], rules.moving)
    ours, theirs = lines[: len(sources)], lines[len(sources) :]
    if theirs[0] in ours:
        return
    found = noise.differing(ours, theirs)
    if found and all(page.answered for page in (*sources, *others)):
        still = [
            [noise.without_clock(text, page.answered) for text, page in zip(texts, pages, strict=True) if page.answered]
            for texts, pages in ((ours, sources), (theirs, others))
        ]
        found = found if noise.differing(*still) else []
    yield from (Difference("text", " ".join(was), " ".join(now)) for was, _, now in found)
    if found:
        return
    yield from (Difference("text", " ".join(was), " ".join(now)) for was, _, now in noise.lost_in_shuffle(ours, theirs))
    if broken := noise.garbled(set(theirs[0]).difference(*ours)):
        yield Difference("garbled", "", " ".join(broken))


def _headers(sources: Sequence[Page], others: Sequence[Page]) -> Iterator[Difference]:
    first, other = sources[0], others[0]
    for name in sorted(first.headers.keys() | other.headers.keys()):
        ours, theirs = ([tuple(filter(None, [page.headers.get(name)])) for page in pages] for pages in (sources, others))
        yield from _texts(f"header {name}", ours, theirs)
    cookies = _picked(lambda page: page.cookies, sources, others)
    for cookie in noise.lost(*cookies):
        name, _, flags = cookie.partition("; ")
        now = next((c for c in sorted(other.cookies) if c.partition("; ")[0] == name), "")
        gained_only = bool(now) and set(flags.split("; ")) - {""} <= set(now.split("; ")[1:])
        yield Difference("cookie_more" if gained_only else "cookie", cookie, now)
    known = {c.partition("; ")[0] for page in sources for c in page.cookies}
    for cookie in sorted(frozenset.intersection(*cookies[1]) - frozenset.union(*cookies[0])):
        if cookie.partition("; ")[0] not in known:
            yield Difference("cookie_more", "", cookie)


def _texts(kind: str, sources: Sequence[Sequence[str]], others: Sequence[Sequence[str]]) -> Iterator[Difference]:
    """A stable source is settled by one look; of an unsteady one each pairing counts."""
    if any(other in sources for other in others):
        return
    for ours, _, theirs in noise.differing(sources, others):
        yield Difference(kind, " ".join(ours), " ".join(theirs))
