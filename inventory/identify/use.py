"""How a site is used, by its access logs; of a log that several sites share, by its own lines where the log tells them apart.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from inventory.identify.facts import Observed, Seen, Site

MOST_URLS = 200


def describe(site: Site, vhosts: Sequence[Seen], observed: Observed) -> None:
    """Requests, days, months, last request (anybody's and a person's), forms sent, and the most asked URLs."""
    files = {_logged(vhost, entry) for vhost in vhosts for entry in vhost.data.get("access_log") or [] if entry}
    logs = observed.once("logs", lambda: _by_name(observed, "access_log"))
    own = _of(logs, files)
    if not files or not own:
        return
    mine = {id(vhost) for vhost in vhosts}
    writers = observed.once("writers", lambda: _writers(observed))
    shared = any(files & written and id(vhost) not in mine for vhost, written in writers)
    site.learn("use.log_shared", shared, *own)
    lines = _of(observed.once("uses", lambda: _by_name(observed, "access_use")), files) if shared else []
    split = bool(lines)  # the log tells its sites apart: one that it does not name was not asked for
    told = [item for item in lines if _named(item, site)] if split else own
    why = "the log is shared with other sites" if shared and not split else "" if told else "a log of several sites does not name it"
    requests = sum(int(item.data.get("requests") or 0) for item in told)
    days: dict[str, int] = {}
    months: dict[str, int] = {}
    for item in own:
        for day, count in (item.data.get("days") or {}).items():
            days[day] = days.get(day, 0) + int(count)
            months[day[:7]] = months.get(day[:7], 0) + int(count)
    site.learn("use.requests", requests, *(told or own), why=why)
    site.learn("use.days", len(days), *own, why=why)
    span = _span(days)
    if span is not None:
        site.learn("use.span_days", span, *own, why="from the first day in the log to the last")
    if days:
        site.learn("use.requests_per_day", round(requests / len(days), 1), *(told or own), why=why)
    for fact, field in (("use.last", "last"), ("use.last_human", "last_human")):
        site.learn(fact, max((str(item.data.get(field) or "") for item in told), default="") or None, *told, why=why)
    if not shared:
        site.learn("use.months", dict(sorted(months.items())) or None, *own)
    if split or not shared:
        _visitors(site, told, own, split)
        site.learn("use.posts", _posts(told, split), *told)
    urls: dict[str, int] = {}
    for item in _of(observed.once("urls", lambda: _by_name(observed, "access_url")), files):
        if not shared or _named(item, site):
            path = str(item.data.get("path"))
            urls[path] = urls.get(path, 0) + int(item.data.get("count") or 0)
    top = sorted(urls, key=lambda path: (-urls[path], path))[:MOST_URLS]
    site.learn("use.top_urls", top, *own)
    site.learn("use.top_requests", [urls[path] for path in top], *own, why="of the most asked URLs, in their order")


def _visitors(site: Site, told: Sequence[Seen], own: Sequence[Seen], split: bool) -> None:
    """How many people's addresses, over all and by month: the sum over a log's files, where these were counted so that they add up."""
    files = [item for item in own if item.data.get("requests")]
    if len(files) > 1 and not all(item.data.get("merged") for item in files):
        return  # a visit of before they were counted so: each file counted its own
    logs = {log_base(str(item.data.get("file"))) for item in files}
    why = "different addresses that are no bots, at least"
    if len(logs) > 1:
        why += f"; who is in several of {len(logs)} logs counts in each"
    site.learn("use.visitors", sum(int(item.data.get("visitors") or 0) for item in told), *told, why=why)
    if split:
        return
    months: dict[str, int] = {}
    for item in files:
        for month, counts in (item.data.get("months") or {}).items():
            if isinstance(counts, Mapping) and counts.get("visitors") is not None:
                months[month] = months.get(month, 0) + int(counts["visitors"])
    site.learn("use.visitors_by_month", dict(sorted(months.items())) or None, *files, why=why)


def _span(days: Mapping[str, int]) -> int | None:
    """How many days the log spans, the first and the last included; days without a request count, too."""
    known = []
    for text in days:
        try:
            known.append(date.fromisoformat(text).toordinal())
        except ValueError:
            continue
    return max(known) - min(known) + 1 if known else None


def _posts(told: Sequence[Seen], split: bool) -> int | None:
    """How many forms were sent; None where the log names no methods."""
    posts = [
        int((item.data.get("posts") if split else (item.data.get("methods") or {}).get("POST", 0)) or 0)
        for item in told
        if split or item.data.get("methods")
    ]
    return sum(posts) if posts else None


def _by_name(observed: Observed, kind: str) -> dict[str, list[Seen]]:
    """Observations of logs by every name that a configuration may give them."""
    found: dict[str, list[Seen]] = {}
    for item in observed.of(kind):
        for name in dict.fromkeys(_names(item)):
            found.setdefault(name, []).append(item)
    return found


def _of(logs: Mapping[str, Sequence[Seen]], files: set[str]) -> list[Seen]:
    found = {id(item): item for name in sorted(files) for item in logs.get(name, ())}
    return list(found.values())


def _writers(observed: Observed) -> list[tuple[Seen, set[str]]]:
    """The vhosts that serve something, with the logs that they write."""
    live = (v for v in observed.of("vhost") if v.data.get("enabled") and not v.data.get("redirect_to"))
    return [(v, {_logged(v, entry) for entry in v.data.get("access_log") or [] if entry}) for v in live]


def _named(item: Seen, site: Site) -> bool:
    """Whether a log's own word for the virtual host is one of the site's names."""
    name = str(item.data.get("vhost") or "").lower()
    host, _, port = name.rpartition(":")
    return (host if port.isdigit() and host else name) in site.names


def _names(item: Seen) -> tuple[str, ...]:
    """What a log may be called in a configuration: its file without the rotation's ending, and its name there (with `%Y` or `$host`)."""
    file, named = str(item.data.get("file")), str(item.data.get("named") or "")
    inside = re.match(r"/proc/\d+/root(?=/)", file)
    return (log_base(file), *([(inside.group() if inside else "") + named] if named else ()))


def _logged(vhost: Seen, entry: Sequence[Any]) -> str:
    """The log's name as the host sees it."""
    inside = vhost.data.get("container")
    return f"/proc/{inside.get('pid')}/root{entry[0]}" if isinstance(inside, Mapping) else str(entry[0])


def log_base(path: str) -> str:
    """`access.log.2.gz`, `access.log-20240101` → `access.log`."""
    return re.sub(r"(\.\d+)?(\.(gz|bz2|xz|zst))?$", "", re.sub(r"[-._]\d{4}-?\d\d-?\d\d(?=(\.(gz|bz2|xz|zst))?$)", "", path))
