"""An export from beginning to end: crawl, map, measure, and, if the gate lets it through, write and prove.

In: what is wanted, a folder, the moment.  Out: an `Export`.  A refused export writes nothing but its report (`refused.json`): the tree in
use stays.  The folder holds the crawl's own state in `crawl/`, so that the next export asks for what changed only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from planner.comparison import SiteComparison
from planner.export import coverage, mapping, proving, writing
from planner.export.crawl import Crawled, Wanted, crawl
from planner.export.records import opened
from planner.verification import Limits

STATE, REFUSED = "crawl", "refused.json"


@dataclass(frozen=True)
class Options:
    """How to export.  `https` has the site's own absolute `http://` links in pages, styles and scripts written with `https://`.

    `accept` lets an export through in spite of the gate; its report says so.  `also` gives further reasons to refuse, from the crawl.
    """

    gate: coverage.Gate = field(default_factory=coverage.Gate)
    https: bool = False
    accept: bool = False
    prove: bool = True
    proof: Limits | None = None
    also: Callable[[Crawled], Sequence[str]] = lambda _: ()


@dataclass
class Export:
    """What came of it; `written` is None when the gate refused, `proof` when none was asked for."""

    crawled: Crawled
    made: mapping.Mapping
    coverage: coverage.Coverage
    stopping: list[dict[str, Any]]
    written: writing.Written | None = None
    proof: SiteComparison | None = None

    @property
    def refused(self) -> bool:
        """Whether nothing was written."""
        return self.written is None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types: the report, what was written, and the verdict of the proof."""
        data = report(self.crawled, self.made, self.coverage, self.stopping)
        data["requests"], data["resumed"] = self.crawled.requests, self.crawled.resumed
        data["written"] = None
        if self.written is not None:
            data["written"] = {**vars(self.written), "added": len(self.written.added), "changed": len(self.written.changed),
                               "removed": list(self.written.removed)}  # fmt: skip
        data["proof"] = None
        if self.proof is not None:
            differing = [
                {"url": page.url, "outcome": page.outcome, "reason": page.reason, "differences": [vars(one) for one in page.differences]}
                for page in self.proof.pages
                if page.outcome != "equal"
            ]
            data["proof"] = {"verdict": self.proof.verdict, "reason": self.proof.reason, "counts": self.proof.counts, "pages": differing}
        return data


def report(crawled: Crawled, made: mapping.Mapping, measured: coverage.Coverage, stopping: list[dict[str, Any]]) -> dict[str, Any]:
    """What is kept beside the files: what is answered, what lacks, what stops, what was left out.  Same site, same report."""
    errors = [
        {"url": url, "outcome": record.outcome, "reason": record.reason, "by": crawled.by.get(url, "")}
        for url, record in sorted(crawled.records.items())
        if record.outcome not in ("exported", "moved") and crawled.known[url] != "candidate"
    ]
    return {
        "site": crawled.site.name,
        "scheme": crawled.site.scheme,
        "other_names": sorted(name for name in crawled.site.aliases if ":" not in name),
        "urls": sum(url in made.answered for url in crawled.records),
        "redirects": len(made.moved),
        "files": len(made.files),
        "coverage": measured.to_json(),
        "stops_working": stopping,
        "not_answered": errors,
        "refused_names": dict(sorted(made.refused.items())),
        "left_out": [vars(cut) for cut in crawled.cuts],
        "not_asked": sorted(url for url, why in crawled.not_asked.items() if why.startswith("asking may")),
        "robots_disallow": list(crawled.disallowed),
        "case_pairs": [list(pair) for pair in made.case_pairs],
        "mixed_content": crawled.mixed,
        "notes": crawled.notes,
    }


async def export(
    wanted: Wanted, out: Path, now: datetime, options: Options | None = None, progress: Callable[[int, int], None] = lambda *_: None
) -> Export:
    """Export a site into a folder.  Raises HostError when the source does not answer, Busy when the folder is in use, InputError."""
    options = options or Options()
    with opened(out / STATE) as store:
        crawled = await crawl(wanted, store, now, progress)
        made = mapping.build(crawled)
        measured = coverage.measure(crawled, made, options.gate)
        measured.refusals.extend(options.also(crawled))
        stopping = coverage.stops_working(crawled)
        result = Export(crawled, made, measured, stopping)
        told = report(crawled, made, measured, stopping)
        refused = out / REFUSED
        if measured.refusals and not options.accept:
            store.finish()
            refused.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            return result
        refused.unlink(missing_ok=True)
        rewrite = _https(crawled) if options.https else ()
        result.written = writing.write(made, store, out, told, now, rewrite)
        store.finish()
        if options.prove:
            limits = options.proof or Limits(
                pages=len(made.answered) + 2, seconds=3600.0, concurrency=wanted.manners.concurrency, settle_seconds=1.1
            )
            result.proof = await proving.prove(crawled, made, out / writing.CURRENT, limits)
        return result


def _https(crawled: Crawled) -> writing.Rewrite:
    names = sorted({crawled.site.name, *crawled.site.aliases})
    pairs: list[tuple[bytes, bytes]] = []
    for name in names:
        for mark, end in ((b"://", b"/"), (b":\\/\\/", b"\\/"), (b"://", b'"'), (b"://", b"'")):
            tail = mark + name.encode() + end
            pairs.append((b"http" + tail, b"https" + tail))
    return tuple(pairs)


def export_site(
    wanted: Wanted, out: Path, now: datetime, options: Options | None = None, progress: Callable[[int, int], None] = lambda *_: None
) -> Export:
    """`export` for callers without an event loop."""
    return asyncio.run(export(wanted, out, now, options, progress))
