"""A site that moves as a static export: its source crawled from this machine, what came of it judged, and compared where it was published.

In: a move, and the folder in which exports are kept (`runs/exports/`, one folder for each move, as `planner export` writes it).  Out: what
goes into the journal; an `Equality`.  The bundle's playbooks publish `current` from there.

The site is crawled twice: while it is in use, which is what its visitors see, and under the freeze, which is what is published.  A program
that may not write can answer otherwise.  So the second crawl is held against the first: a page that was good before the freeze and fails
under it refuses the move, and the source is released.  What editors changed between the two is told.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from inventory.errors import MissingProgram, RunError
from planner import contents, equality, handshakes, movesteps, verification, wording
from planner.comparison import PageResult, SiteComparison, Traffic, summarise
from planner.contents import FilesComparison
from planner.export import coverage, exporting, proving, records, writing
from planner.export.crawl import Crawled, Wanted
from planner.export.errorpages import BROKEN
from planner.pinned import SiteView, ascii_names
from planner.thresholds import Thresholds

BEFORE_FREEZE = "before-freeze.jsonl"
"""The records of the crawl while the site was in use: what the one under the freeze is held against."""
MAPS = "/etc/nginx/exports"
"""Where a node keeps a site's maps, as the role cluster_export writes them."""
SHOWN = 200
_GOOD = ("exported", "moved")
MOST_GONE = 0.1
"""Share of the pages that answered before the freeze and may be gone under it: an editor takes away a few, a site that fails many."""


def folder(exports: Path, move: Mapping[str, Any]) -> Path:
    """Where a move's export is kept on this machine."""
    return exports / str(move["id"])


def crawled(
    move: Mapping[str, Any], step: str, exports: Path, now: datetime, say: Callable[[str], None], stopped: Callable[[], bool]
) -> dict[str, Any]:
    """Crawl the source for `preseed` (in use) or `sync` (frozen) and write the tree; what the journal keeps of it.

    Raises RunError when the gate or the comparison of both crawls refuses: nothing is written then.  HostError: the source does not answer.
    """
    if shutil.which("rsync") is None:
        raise MissingProgram("rsync is not installed on this machine, which publishes exports", hint="apt-get install rsync")
    own, frozen = folder(exports, move), step == "sync"
    own.mkdir(parents=True, exist_ok=True, mode=0o700)
    before = records.read(own / BEFORE_FREEZE) if frozen else {}
    if frozen and not before:
        raise RunError(f"{own} has no crawl from before the freeze", hint="planner rollback, then planner run begins with one")
    names = equality.over_https(move)
    view = SiteView(ascii_names(names or move["names"]), move["source"]["address"], 0, bool(names))
    wanted = Wanted(view, dict.fromkeys(str(seed) for seed in move["seeds"]), anew=frozen)

    def progress(done: int, known: int) -> None:
        if stopped():
            raise RunError("stopped while the source was crawled")
        if done % 25 == 0:
            say(f"{done} of {known} URLs crawled")

    def also(found: Crawled) -> list[str]:
        return [*lacking_names(move["names"], found), *(worse(before, found.records) if frozen else ())]

    result = exporting.export_site(wanted, own, now, exporting.Options(prove=False, also=also), progress)
    if result.written is None:
        raise RunError(refusal(result, own / exporting.REFUSED))
    if not frozen:
        draft = own / f"{BEFORE_FREEZE}.new"
        shutil.copyfile(own / exporting.STATE / records.LAST, draft)
        draft.replace(own / BEFORE_FREEZE)
    return told(result, changes(before, result.crawled.records) if frozen else None)


def lacking_names(names: Sequence[str], found: Crawled) -> list[str]:
    """Names of the move that would not be answered by the export: they show another site, or nothing."""
    answered = {found.site.name, *found.site.aliases}
    return [f"{name} shows another site than {found.site.name}, or nothing" for name in ascii_names(names) if name not in answered]


def worse(before: Mapping[str, records.Record], now: Mapping[str, records.Record]) -> list[str]:
    """Why the frozen site is not what visitors saw: pages that were good and fail since.  [] when it answers as well as before."""
    good = {url: was for url, was in sorted(before.items()) if was.outcome in _GOOD}
    found = [f"{url}: {why}" for url, was in good.items() if url in now and (why := _failing(was, now[url]))]
    gone = [url for url in good if url not in now or now[url].outcome not in _GOOD]
    said = []
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        said.append(f"while it may not write, the site fails for {len(found)} URLs that it answered before: {'; '.join(found[:3])}{more}")
    elif len(gone) > max(3, MOST_GONE * len(good)):
        said.append(f"while it may not write, {len(gone)} of {len(good)} URLs are gone that it answered before, {gone[0]} the first")
    return said


def _failing(was: records.Record, after: records.Record) -> str:
    """How a page fails that was good; '' when it does not.  What an editor may have done, such as taking it away, is no failure."""
    if after.outcome in ("failed", "too_large") or (after.outcome == "error" and (after.status >= 500 or after.status == 429)):
        return after.reason
    if after.outcome == "soft_error":
        return after.reason if after.reason.startswith(BROKEN) else ""
    if after.blank and not was.blank:
        return "it shows nothing any more"
    return ", ".join(sorted(set(after.errors.split(", ")) - {"", *was.errors.split(", ")}))


def changes(before: Mapping[str, records.Record], now: Mapping[str, records.Record]) -> dict[str, Any]:
    """What is new, other and gone between two crawls, by the digest of what a visitor sees; counts, and the first few URLs."""
    good = [{url: one for url, one in both.items() if one.outcome in _GOOD} for both in (before, now)]
    parts = {
        "new": sorted(good[1].keys() - good[0].keys()),
        "other": sorted(url for url in good[0].keys() & good[1].keys() if _shown(good[0][url]) != _shown(good[1][url])),
        "gone": sorted(good[0].keys() - good[1].keys()),
    }
    return {name: {"count": len(urls), "first": urls[:20]} for name, urls in parts.items()}


def _shown(record: records.Record) -> tuple[str, str]:
    return record.location, record.digest


def refusal(result: exporting.Export, file: Path) -> str:
    """Why an export was refused, with the first URLs that lack."""
    lacks = [lack for share in result.coverage.shares.values() for lack in share.lacks]
    shown = "".join(f"\n    {lack.url}: {lack.reason}" for lack in list(dict.fromkeys(lacks))[:5])
    return f"the export is refused, nothing was published: {'; '.join(result.coverage.refusals)} (all of it: {file}){shown}"


def told(result: exporting.Export, since: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the journal keeps: shares, what stops working, what was left out, the tree's digest, what changed since the first crawl."""
    shares = {name: its.share for name, its in result.coverage.shares.items()}
    stops = coverage.kinds(result.stopping)
    percent = ", ".join(f"{name} {'unknown' if share is None else f'{share:.2%}'}" for name, share in shares.items())
    written = result.written
    assert written is not None
    text = f"{len(result.made.answered)} URLs as {len(result.made.files)} files, {wording.size(written.bytes)}; {percent}"
    text += f"; will stop working: {', '.join(f'{count} {kind}' for kind, count in stops.items())}" if stops else ""
    detail: dict[str, Any] = {
        "exported": text, "coverage": shares, "digest": written.digest,
        "stops_working": [one for one in result.stopping if not one["foreign"]][:SHOWN],
        "left_out": sum(cut.count for cut in result.crawled.cuts), "notes": [*result.crawled.notes, *result.coverage.unknown],
    }  # fmt: skip
    if since is not None:
        counted = ", ".join(f"{since[name]['count']} {name}" for name in ("new", "other", "gone"))
        detail |= {"since_preseed": since, "exported": f"{text}; since the pre-seed {counted}"}
    return detail


def compare(
    move: Mapping[str, Any], hosts: equality.Hosts, exports: Path, *, pages: bool = True, limits: verification.Limits | None = None,
    rules: Thresholds | None = None, traffic: Traffic | None = None,
) -> equality.Equality:  # fmt: skip
    """Everything of one move, whether it is an export or not.  Raises HostError when a machine cannot be visited, RunError without a tree.

    Of an export: the tree's files by its manifest at the origin and on each node, the nodes' maps, certificates, and every URL that it
    answers, asked at the source and at the destination.  What stops working stands among the pages, as it is meant.  Which URLs of
    the log are answered the export's own gate has measured: `traffic` is for the others.
    """
    if not movesteps.exported(move):
        return equality.compare(move, hosts, pages=pages, limits=limits, rules=rules, traffic=traffic)
    tree = folder(exports, move) / writing.CURRENT
    try:
        manifest, listed, report = (json.loads((tree / name).read_bytes()) for name in (writing.MANIFEST, "urls.json", "report.json"))
    except (OSError, ValueError) as error:
        raise RunError(f"{tree} holds no export: {error}", hint="planner run crawls the source in preseed and sync") from error
    files = _files(move, hosts, manifest, rules)
    seen = presented = None
    if pages:
        addresses = move["source"]["address"], move["destination"]["address"]
        names = equality.over_https(move)
        presented = handshakes.compare(names, *addresses, rules=rules) if names else None
        views = [
            SiteView(ascii_names(names or move["names"]), address, 0, bool(names), pins)
            for address, pins in zip(addresses, ({}, presented.pins if presented else {}), strict=True)
        ]
        seen = _pages(views[0], views[1], listed, report, limits, rules).to_json()
    return equality.Equality(seen, files.to_json(), None, presented.to_json() if presented else None)


def _files(move: Mapping[str, Any], hosts: equality.Hosts, manifest: Mapping[str, Any], rules: Thresholds | None) -> FilesComparison:
    """The manifest against the origin and each node; a node's maps go by their absolute paths, and by digest, since it knows no sizes."""
    wanted = {
        unquote(name).removeprefix("/"): contents.Entry("f", str(told["sha256"]), int(told["size"]))
        for name, told in manifest["files"].items()
    }
    places, maps = equality.places_of(move), f"{MAPS}/{move['destination']['account']}"
    digests = {f"{maps}/{short}.conf": str(manifest["data"][f"nginx-{short}.conf"]) for short in ("http", "server")}

    def one(place: equality.Place) -> tuple[str, FilesComparison]:
        name, address, there = place
        copy, ours = dict(equality.checksums(hosts, address, there)), wanted
        if name:
            copy |= {f"{maps}/{short}": entry for short, entry in equality.checksums(hosts, address, maps).items()}
            ours = wanted | {long: contents.Entry("f", digest, copy[long].size if long in copy else 0) for long, digest in digests.items()}
        return name, contents.compare_files(ours, copy, rules=rules)

    with ThreadPoolExecutor(max_workers=len(places)) as pool:
        return equality.together(list(pool.map(one, places)))


def _pages(
    source: SiteView,
    destination: SiteView,
    listed: Mapping[str, Any],
    report: Mapping[str, Any],
    limits: verification.Limits | None,
    rules: Thresholds | None,
) -> SiteComparison:
    seeds, declared = [str(url) for url in listed["answered"]], {str(url) for url in listed["declared"]}
    limits = limits or verification.Limits(pages=len(seeds) + len(source.names) + 2, seconds=3600.0)
    found = asyncio.run(verification.compare_views(source, destination, seeds, limits, follow=False, rules=rules))
    home = f"{report['scheme']}://{report['site']}"
    stopped: dict[str, list[str]] = {}
    for one in report["stops_working"]:
        if not one["foreign"]:
            stopped.setdefault(home + str(one["target"]), []).append(f"{one['kind']} ({one['method']})")
    answered = set(seeds)
    stops = [
        PageResult(url, "not_compared", (), f"stops working, as is meant: {', '.join(sorted(kinds))}", by_design=True)
        for url, kinds in stopped.items()
        if url not in answered and urlsplit(url).netloc
    ]
    return summarise([*(proving.by_nature(page, declared) for page in found.pages), *stops], required=[f"{home}/"], rules=rules)
