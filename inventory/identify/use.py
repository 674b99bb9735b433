"""How a site is used, by its access logs.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inventory.identify.facts import Observed, Seen, Site

MOST_URLS = 200


def describe(site: Site, vhosts: Sequence[Seen], observed: Observed) -> None:
    """Requests, days, last request and the most asked URLs; a log that several sites share says so."""
    files = _logs(vhosts)
    logs = observed.once("logs", lambda: [(log_base(str(item.data.get("file"))), item) for item in observed.of("access_log")])
    own = [item for base, item in logs if base in files]
    if not files or not own:
        return
    mine = {id(vhost) for vhost in vhosts}
    writers = observed.once("writers", lambda: _writers(observed))
    shared = any(files & written and id(vhost) not in mine for vhost, written in writers)
    why = "the log is shared with other sites" if shared else ""
    requests = sum(int(item.data.get("requests") or 0) for item in own)
    days: dict[str, int] = {}
    for item in own:
        for day, count in (item.data.get("days") or {}).items():
            days[day] = days.get(day, 0) + int(count)
    site.learn("use.requests", requests, *own, why=why)
    site.learn("use.days", len(days), *own, why=why)
    site.learn("use.log_shared", shared, *own)
    if days:
        site.learn("use.requests_per_day", round(requests / len(days), 1), *own, why=why)
    last = max((str(item.data.get("last") or "") for item in own), default="")
    site.learn("use.last", last or None, *own, why=why)
    asked = observed.once("urls", lambda: _urls(observed))
    urls: dict[str, int] = {}
    for base in files if not shared else ():
        for path, count in asked.get(base, {}).items():
            urls[path] = urls.get(path, 0) + count
    site.learn("use.top_urls", sorted(urls, key=lambda path: (-urls[path], path))[:MOST_URLS], *own)


def _logs(vhosts: Sequence[Seen]) -> set[str]:
    return {str(entry[0]) for vhost in vhosts for entry in vhost.data.get("access_log") or [] if entry}


def _writers(observed: Observed) -> list[tuple[Seen, set[str]]]:
    """The vhosts that serve something, with the logs that they write."""
    live = (v for v in observed.of("vhost") if v.data.get("enabled") and not v.data.get("redirect_to"))
    return [(vhost, _logs([vhost])) for vhost in live]


def _urls(observed: Observed) -> dict[str, dict[str, int]]:
    """Each log's addresses with their counts, its rotations included."""
    bases: dict[str, str] = {}
    found: dict[str, dict[str, int]] = {}
    for item in observed.of("access_url"):
        file = str(item.data.get("file"))
        if file not in bases:
            bases[file] = log_base(file)
        counts = found.setdefault(bases[file], {})
        path = str(item.data.get("path"))
        counts[path] = counts.get(path, 0) + int(item.data.get("count") or 0)
    return found


def log_base(path: str) -> str:
    """`access.log.2.gz`, `access.log-20240101` → `access.log`."""
    return re.sub(r"(\.\d+)?(\.gz)?$", "", re.sub(r"-\d{8}(?=(\.gz)?$)", "", path))
