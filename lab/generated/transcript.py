"""One collector's output for each Linux server of a generated campus, in just the form that `planner import-transcript` takes.

In: the campus and a server.  Out: text with the frames of `inventory.collector.stand_alone`, sections in the collector's order, and the
checksum at its end.  A server's gaps are real ones: run without root, cut off, a section that was stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import cache, partial

from generated import databases, machine, webtext
from generated.making import system_of
from generated.model import Campus, Server, Site, draw
from generated.stacks import NOWHERE, STACKS, endings
from inventory import collector
from inventory.probes import registry

VERSION = "0.1.0"
_URLS = [
    "/",
    "/index.html",
    "/news/",
    "/about.html",
    "/xwzx/",
    "/tzgg/",
    "/list.php?id=3",
    "/show.php?id=12",
    "/images/logo.png",
    "/style.css",
]


@cache
def _digest(nonce: str) -> str:
    return collector.digest_of(collector.stand_alone(registry.PROBES, nonce, VERSION))


def render(campus: Campus, server: Server) -> str:
    """The output of one server."""
    nonce = hashlib.sha256(f"{campus.seed}:{server.name}".encode()).hexdigest()[:24]
    how = "user" if "user" in server.gaps else "root"
    mark = f"@@{nonce}"
    parts = [f"{mark} about 1 {VERSION} {_digest(nonce)} {server.name} {campus.at:%Y-%m-%dT%H:%M:%SZ}\n{mark} start {how} Linux \n"]
    for probe in registry.PROBES:
        section = _SECTIONS.get(probe.name, _nothing)(campus, server)
        text = "".join(f"{line}\n" for line in section)
        status = "124" if probe.name == "content" and "content" in server.gaps else "0"
        parts.append(f"\n{mark} begin {probe.name}\n{text}\n{mark} end {probe.name} {status} 1 {how}\n")
        if "cut" in server.gaps and probe.name == "packages":
            return "".join(parts)
    output = "".join(parts) + f"\n{mark} finish\n"
    return output + f"\n{mark} sum {hashlib.sha256(output.encode()).hexdigest()}\n"


def _nothing(_campus: Campus, _server: Server) -> list[str]:
    return []


def _web(kind: str, of: Callable[[Server], list[str]], _campus: Campus, server: Server) -> list[str]:
    return of(server) if server.web == kind else ["@ package "]


def _alone(of: Callable[[Server], list[str]], _campus: Campus, server: Server) -> list[str]:
    return of(server)


# ---------------------------------------------------------------- files


def hidden(server: Server, site: Site) -> bool:
    """Whether the collector could not read a site's docroot: it ran without root, and the files are the site's own account's."""
    return "user" in server.gaps and not site.static


def _walked(server: Server) -> list[Site]:
    """The sites whose docroots lie on the server, one of each folder."""
    return [site for site in server.sites if site.stack not in NOWHERE]


def _default_files(server: Server) -> int:
    """Files in the distribution's own docroot: its page of welcome, or none."""
    return 0 if server.web == "apache" and system_of(server).layout == "rhel" else 1


def _applications(_campus: Campus, server: Server) -> list[str]:
    lines = ["@ docroot /var/www/html", "|n index.html", "|c html 1 .", "|c index 1 ."] if server.web and _default_files(server) else []
    for site in _walked(server):
        lines.append(f"@ docroot {site.docroot}")
        if hidden(server, site):
            lines.append(f"|x {site.docroot}: Permission denied")
        else:
            lines += [f"|{line}" for line in STACKS[site.stack].traces(site)]
    return lines


def _content(campus: Campus, server: Server) -> list[str]:
    now = int(campus.at.timestamp())
    lines = [f"@ now {now}", "@ webusers |www-data|"]
    sites = _walked(server)
    if "content" in server.gaps:
        sites = sites[: len(sites) // 2]
    if server.web:
        files = _default_files(server)
        lines += ["@ docroot /var/www/html", f"|sum\t{files}\t{files * 612}" + "\t0" * 9, "|status\t0\tyes\t0\t1"]
        lines += [f"|ext\t{files}\t{files * 612}\thtml", "|writable\t0\t0\t0", "|backups\t0", "|core\t0\t0"] if files else []
    for site in sites:
        lines.append(f"@ docroot {site.docroot}")
        lines += ["|status\tunreadable"] if hidden(server, site) else [f"|{line}" for line in _walk(site, now)]
        if site.htaccess and not hidden(server, site):
            lines += [f"@ htaccess {site.docroot}/.htaccess", *(f"|{line}" for line in site.htaccess)]
    return lines


def _walk(site: Site, now: int) -> list[str]:
    newest = now - site.age_days * 86400 - 3600
    oldest = newest - 86400 * (200 + site.files % 1500)
    folders, links = max(1, site.files // 18), len(site.links_outside)
    lines = [
        f"sum\t{site.files}\t{site.bytes}\t{site.bytes + 2048 * site.files}\t{folders}\t{links}\t0\t0\t0\t0\t0\t0",
        f"status\t0\tyes\t0\t{site.files + folders}",
    ]
    lines += [f"oldest\t{oldest}", f"newest\t{newest}\tindex.{'php' if STACKS[site.stack].php and not site.static else 'html'}"]
    lines += [
        f"largest\t{site.bytes // 20}\tfiles/large.zip",
        f"owner\t{site.files}\t{site.bytes}\twww-data",
        f"group\t{site.files}\twww-data",
    ]
    lines += [f"mode\t{folders}\td 755", f"mode\t{site.files}\tf 644", f"day\t{newest // 86400}\t{site.files}\t{site.bytes}"]
    held = endings(site)
    whole = sum(held.values()) or 1
    lines += [f"ext\t{count}\t{site.bytes * count // whole}\t{ending}" for ending, count in held.items() if count]
    lines += ["writable\t0\t0\t0", "backups\t0", "core\t0\t0"]
    lines += [f"link\tok\t{path}\t{target}" for path, target in site.links_outside]
    lines += ["htaccess\t.htaccess"] if site.htaccess else []
    lines += [f"upload\t{path}" for path in site.uploads]
    return [*lines, "total\tacl\t0\t0", "total\timmutable\t0\t0"]


def _codesearch(_campus: Campus, server: Server) -> list[str]:
    lines = []
    for site in _walked(server):
        if not hidden(server, site):
            lines += [f"@ docroot {site.docroot}", "|status\twhole", "|skipped\t0", "|pictures\twhole\t0"]
    return lines


# ---------------------------------------------------------------- requests


def _accesslog(campus: Campus, server: Server) -> list[str]:
    lines = []
    for site in server.sites:
        if site.per_day is not None:
            lines += _log(campus, server, site)
    return lines


def _log(campus: Campus, server: Server, site: Site) -> list[str]:
    random = draw(campus.seed, site.name, "log")
    days, counts = 30 + len(site.name) % 40, {}
    for back in range(days, 0, -1):
        day = campus.at - timedelta(days=back)
        weekend = 0.45 if day.weekday() > 4 else 1.15
        count = round((site.per_day or 0) * weekend * random.uniform(0.7, 1.3) + random.random() - 0.5)
        if count > 0:
            counts[day] = count
    file = webtext.access_log(server, site)
    if not counts:
        return [f"@ empty {file}"]
    total = sum(counts.values())
    posts = round(total * (0.06 if not site.static else 0))
    ordered = sorted(counts)
    lines = [
        f"@ log {file}",
        f"|named {file}",
        f"|total {total} {total} {total * 14_000} {round(total * 0.4)} {max(1, total // 6)} 0 0 0",
        "|format combined",
    ]
    lines += [f"|first {ordered[0]:%d/%b/%Y}:08:00:00 +0000", f"|last {ordered[-1]:%d/%b/%Y}:21:00:00 +0000"]
    lines += [f"|human {ordered[-1]:%d/%b/%Y}:20:00:00 +0000"] if (site.per_day or 0) > 5 else []
    lines += [f"|status 2xx {total - total // 12}", f"|status 4xx {total // 12}", f"|method GET {total - posts}", f"|method POST {posts}"]
    lines += [f"|day {day:%d/%b/%Y} {count}" for day, count in counts.items()]
    left = total
    for at, path in enumerate(_URLS):
        asked = left // 2 if at < len(_URLS) - 1 else left
        if asked:
            lines.append(f"|url {asked} 200 - {path}")
        left -= asked
    return lines


_SECTIONS: dict[str, Callable[[Campus, Server], list[str]]] = {
    "system": machine.system,
    "network": partial(_alone, machine.network),
    "services": partial(_alone, machine.services),
    "usage": machine.usage,
    "nginx": partial(_web, "nginx", webtext.nginx),
    "apache": partial(_web, "apache", webtext.apache),
    "tomcat": partial(_alone, webtext.tomcat),
    "containers": partial(_alone, machine.containers),
    "appservers": partial(_alone, machine.appservers),
    "php": partial(_alone, machine.php),
    "cron": machine.cron,
    "certificates": machine.certificates,
    "usagehistory": machine.usagehistory,
    "mariadb": partial(_alone, databases.mariadb),
    "postgresql": partial(_alone, databases.postgresql),
    "applications": _applications,
    "accesslog": _accesslog,
    "content": _content,
    "codesearch": _codesearch,
}
