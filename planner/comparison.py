"""Two addresses' answers for one URL, compared.  Pure: in go `Page` digests, two of the source and one of the
destination; out come `Difference`s and, for a whole site, a `SiteComparison` with its verdict.

What differs between the two source answers is noise (clocks, nonces, counters, random boxes) and is cancelled at the
same place of the destination's answer.  Severity `block` means that visitors would notice or be harmed; `warn` is for
the admin's eye.  A page or a site with warnings only counts as equal; one where nothing could be compared never does.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from inventory.inspection.pages import Page

Severity = Literal["block", "warn"]
Outcome = Literal["equal", "different", "not_compared"]
Verdict = Literal["equal", "different", "insufficient"]

EXCERPT = 500
COVERAGE = 0.9  # share of the URLs tried that must have been compared before "equal" may be said
_MAX_ALIGN = 1000  # beyond this many changed units alignment is too slow; whole stretches are compared instead
_MAX_DIFFERENCES = 20  # per page
_BLOCKING_HEADERS = {
    "content-disposition",
    "content-security-policy",
    "strict-transport-security",
    "x-frame-options",
}
_SAME_TYPES = {
    "application/javascript": "text/javascript",
    "application/x-javascript": "text/javascript",
    "application/xml": "text/xml",
    "image/vnd.microsoft.icon": "image/x-icon",
    "application/font-woff": "font/woff",
    "application/x-font-woff": "font/woff",
    "application/font-woff2": "font/woff2",
}
# An ASCII word with its punctuation stays whole, so that a nonce is one token; CJK is compared by character.
_TOKEN = re.compile(r"[!-~]+|[^\s!-~]")


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
class SiteComparison:
    """All URLs, sorted; `counts` has equal, different, not_compared, warnings."""

    pages: tuple[PageResult, ...]
    counts: dict[str, int]
    verdict: Verdict
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON types; pages are sorted by URL."""
        pages = [{**vars(page), "differences": [vars(d) for d in page.differences]} for page in self.pages]
        return {"verdict": self.verdict, "reason": self.reason, "counts": dict(self.counts), "pages": pages}


def summarise(pages: Iterable[PageResult], required: Sequence[str] = ()) -> SiteComparison:
    """The verdict over all pages; without the `required` URLs compared it is never "equal"."""
    ordered = tuple(sorted(pages, key=lambda page: page.url))
    by_outcome = Counter(page.outcome for page in ordered)
    counts = {name: by_outcome[name] for name in ("equal", "different", "not_compared")}
    counts["warnings"] = sum(d.severity == "warn" for page in ordered for d in page.differences)
    compared = [page for page in ordered if page.outcome != "not_compared"]
    tried = [page for page in ordered if not page.by_design]
    missed = sorted(set(required) - {page.url for page in compared})
    verdict: Verdict = "insufficient"
    if counts["different"]:
        verdict, reason = "different", f"{counts['different']} of {len(compared)} pages differ"
    elif not any(200 <= page.status < 300 for page in compared):
        reason = "no page with content was compared"
    elif missed:
        reason = f"not compared: {missed[0]}"
    elif len(compared) < COVERAGE * len(tried):
        reason = f"only {len(compared)} of {len(tried)} pages could be compared"
    else:
        verdict, reason = "equal", f"{len(compared)} pages are equal"
    return SiteComparison(ordered, counts, verdict, reason)


def compare_pages(first: Page, second: Page, other: Page) -> PageResult:
    """Compares a URL's destination answer `other` with the source's two answers `first` and `second`."""
    result = PageResult(first.url, "equal", (), "", first.status, first.seconds, other.seconds)
    if first.status != second.status or first.location.partition("?")[0] != second.location.partition("?")[0]:
        return replace(result, outcome="not_compared", reason=f"source unstable: status {first.status}, then {second.status}")
    if first.status >= 500 or first.status == 429:
        return replace(result, outcome="not_compared", reason=f"source answers {first.status}, destination {other.status}")
    try:
        found = list(_differences(first, second, other))
    except _Unstable as unstable:
        return replace(result, outcome="not_compared", reason=f"source unstable: {unstable}")
    if first.status >= 400:  # error pages come from the server's software, which is meant to change
        found = [d if d.kind == "status" else replace(d, severity="warn") for d in found]
    blocked = any(d.severity == "block" for d in found)
    found.sort(key=lambda d: (d.severity, d.kind, d.source, d.destination))
    clipped = tuple(replace(d, source=d.source[:EXCERPT], destination=d.destination[:EXCERPT]) for d in found[:_MAX_DIFFERENCES])
    if (first.truncated or other.truncated) and not blocked:
        reason = f"larger than {min(first.size, other.size)} bytes; what was read is equal"
        return replace(result, outcome="not_compared", reason=reason, differences=clipped, by_design=True)
    return replace(result, outcome="different" if blocked else "equal", differences=clipped)


class _Unstable(Exception):
    """The source's two answers share too little for a comparison."""


def _differences(first: Page, second: Page, other: Page) -> Iterator[Difference]:
    yield from (Difference("error_text", "", name) for name in other.errors if name not in first.errors + second.errors)
    yield from (Difference("old_address", "", address, "warn") for address in other.addresses)
    if first.status != other.status:
        yield Difference("status", str(first.status), str(other.status))
        return  # the rest follows from it
    yield from _headers(first, second, other)
    if 300 <= first.status < 400:
        yield from _texts("redirect", (first.location,), (second.location,), (other.location,))
        return
    ours, theirs = (_SAME_TYPES.get(page.content_type, page.content_type) for page in (first, other))
    if ours != theirs:
        yield Difference("content_type", first.content_type, other.content_type)
    elif first.content_type != other.content_type:
        yield Difference("content_type", first.content_type, other.content_type, "warn")
    if first.header_charset != other.header_charset:
        yield Difference("charset_header", first.header_charset, other.header_charset)
    if not first.is_text or not other.is_text:
        if other.sha256 not in (first.sha256, second.sha256):
            if first.sha256 != second.sha256:
                raise _Unstable("binary content changes with each request")
            was, now = (f"sha256 {page.sha256}, {page.size} bytes" for page in (first, other))
            yield Difference("content", was, now)
        return
    if first.meta_charset != other.meta_charset:
        yield Difference("charset_meta", first.meta_charset, other.meta_charset)
    yield from _texts("title", (first.title,), (second.title,), (other.title,))
    yield from _texts("text", first.lines, second.lines, other.lines)
    yield from _texts("inline", first.inline, second.inline, other.inline, "warn")
    for kind, pick in _SETS:
        yield from _sets(kind, pick(first), pick(second), pick(other))


_SETS: tuple[tuple[str, Callable[[Page], frozenset[str]]], ...] = (
    ("links", lambda page: page.links),
    ("assets", lambda page: page.assets),
    ("forms", lambda page: page.forms),
)


def _headers(first: Page, second: Page, other: Page) -> Iterator[Difference]:
    for name in sorted(first.headers.keys() | other.headers.keys()):
        ours, again, theirs = (tuple(filter(None, [page.headers.get(name)])) for page in (first, second, other))
        severity: Severity = "block" if name in _BLOCKING_HEADERS else "warn"
        yield from _texts(f"header {name}", ours, again, theirs, severity)
    for cookie in _only(first.cookies, second.cookies, other.cookies):
        name, _, flags = cookie.partition("; ")
        now = next((c for c in sorted(other.cookies) if c.partition("; ")[0] == name), "")
        gained_only = bool(now) and set(flags.split("; ")) - {""} <= set(now.split("; ")[1:])
        yield Difference("cookie", cookie, now, "warn" if gained_only else "block")
    known = {c.partition("; ")[0] for c in first.cookies | second.cookies}
    for cookie in _only(other.cookies, other.cookies, first.cookies | second.cookies):
        if cookie.partition("; ")[0] not in known:
            yield Difference("cookie", "", cookie, "warn")


def shape(url: str) -> str:
    """A URL without what changes from request to request: numbers, long hexadecimal words, values of the query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    keys = sorted(pair.partition("=")[0] for pair in parts.query.split("&"))
    path = re.sub(r"[0-9a-fA-F]{8,}|\d+", "#", parts.path)
    return f"{parts.scheme}://{parts.netloc}{path}?{'&'.join(keys)}"


def _only(first: frozenset[str], second: frozenset[str], other: frozenset[str]) -> list[str]:
    """Members that both source answers have and `other` lacks; shapes of unstable members are forgiven."""
    noisy = {shape(item) for item in first ^ second}
    return sorted(item for item in (first & second) - other if shape(item) not in noisy)


def _sets(kind: str, first: frozenset[str], second: frozenset[str], other: frozenset[str]) -> Iterator[Difference]:
    noisy = {shape(item) for item in first ^ second}
    missing = _only(first, second, other)
    extra = sorted(item for item in other - first - second if shape(item) not in noisy)
    if missing or extra:
        yield Difference(kind, " ".join(missing), " ".join(extra))


def _texts(
    kind: str, first: Sequence[str], second: Sequence[str], other: Sequence[str], severity: Severity = "block"
) -> Iterator[Difference]:
    if other in (first, second):
        return
    for ours, _, theirs in unexplained(first, second, other):
        yield Difference(kind, " ".join(ours), " ".join(theirs), severity)


Change = tuple[Sequence[str], Sequence[str], Sequence[str]]


def unexplained(first: Sequence[str], second: Sequence[str], other: Sequence[str]) -> list[Change]:
    """Stretches (first, second, other) of lines in which `other` differs from the source and noise does not cover it.

    Lines are aligned three-way, then the words inside each stretch of changed lines.
    """
    out: list[Change] = []
    noise = 0
    for lines in merge(first, second, other):
        ours, again, theirs = lines
        if theirs in (ours, again):
            continue
        words = [_TOKEN.findall("\n".join(part)) for part in lines]
        stretches = list(merge(*words))
        changed = sum(len(a) for a, b, _ in stretches if a != b)
        noise += changed if ours != again else 0
        if ours != again and 2 * changed > max(len(words[0]), len(words[1])):
            stretches = [(words[0], words[1], words[2])]  # mostly noise: what matches inside does so by chance
        if any(c not in (a, b) and not _covered(a, b, c) for a, b, c in stretches):
            out.append(lines)
    total = sum(len(_TOKEN.findall(line)) for line in first)
    if noise > 20 and 2 * noise > total:
        raise _Unstable(f"{noise} of {total} words change with each request")
    return out


def _covered(ours: Sequence[str], again: Sequence[str], theirs: Sequence[str]) -> bool:
    return ours != again and len(theirs) <= 2 * max(len(ours), len(again)) + 8


def merge(first: Sequence[str], second: Sequence[str], other: Sequence[str]) -> Iterator[Change]:
    """Three-way alignment on `first`: yields the stretches where not all three are the same, in order."""
    to_second, to_other = _matches(first, second), _matches(first, other)
    i = j = k = 0
    for at in [*sorted(to_second.keys() & to_other.keys()), len(first)]:
        end_j, end_k = to_second.get(at, len(second)), to_other.get(at, len(other))
        if at == len(first):
            end_j, end_k = len(second), len(other)
        if (at, end_j, end_k) != (i, j, k):
            yield first[i:at], second[j:end_j], other[k:end_k]
        i, j, k = at + 1, end_j + 1, end_k + 1


def _matches(first: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    """Index in `first` → index in `other` of the same unit; both ascend."""
    start, shorter = 0, min(len(first), len(other))
    while start < shorter and first[start] == other[start]:
        start += 1
    tail = 0
    while tail < shorter - start and first[-1 - tail] == other[-1 - tail]:
        tail += 1
    found = {i: i for i in range(start)}
    left, right = first[start : len(first) - tail], other[start : len(other) - tail]
    if left and right and max(len(left), len(right)) <= _MAX_ALIGN:
        for block in difflib.SequenceMatcher(None, left, right).get_matching_blocks():
            found.update((start + block.a + n, start + block.b + n) for n in range(block.size))
    found.update((len(first) - tail + n, len(other) - tail + n) for n in range(tail))
    return found
