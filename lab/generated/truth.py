"""What was generated, as data: for each site and server what there really is, and what the collectors could tell of it.

In: a campus and its register.  Out: plain data for `truth.json`.  `tellable` says which of a site's properties the transcripts hold at all:
a gap of the collector is no fault of the product.
"""

from __future__ import annotations

from typing import Any

from generated.model import Campus, Server, Site
from generated.registers import Register
from generated.stacks import STACKS
from generated.transcript import hidden

PROPERTIES = ("application", "static", "php", "database", "unit")


def of(campus: Campus, register: Register) -> dict[str, Any]:
    """All of it."""
    return {
        "seed": campus.seed,
        "at": f"{campus.at:%Y-%m-%dT%H:%M:%SZ}",
        "units": [{"code": unit.code, "name": unit.name_zh, "class": unit.kind} for unit in campus.units],
        "servers": [_server(server) for server in campus.servers],
        "sites": [_site(campus, site) for site in campus.sites],
        "gone": campus.gone,
        "register": {"rejected": register.rejected, "declared_twice": register.twice, "declared_elsewhere": register.moved},
    }


def _server(server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "address": server.address,
        "unit": server.unit,
        "kind": server.kind,
        "gaps": server.gaps,
        "cpus": server.cpus,
        "os": server.windows or (f"{server.system.ident} {server.system.version}" if server.system else ""),
        "memory_bytes": server.memory_bytes,
        "disk_bytes": server.disk_bytes,
        "physical": server.physical,
        "load_percent": server.load_percent,
        "transcript": server.told,
        "web": server.web,
        "outside": server.outside,
    }


def _site(campus: Campus, site: Site) -> dict[str, Any]:
    server = campus.server(site.server)
    stack = STACKS.get(site.stack)
    found = bool(server.web) and server.told
    php = None if site.static or server.system is None else server.system.php if stack and stack.php else ""
    return {
        "name": site.name,
        "aliases": site.aliases,
        "unit": site.unit,
        "server": site.server,
        "stack": site.stack,
        "declared": site.declared,
        "found": found,
        "application": stack.name if stack else "",
        "version": site.version,
        "static": site.static,
        "php": php,  # None: whether PHP is switched on says nothing of a static site
        "database": site.database.name if site.database else "",
        "database_on": site.database.on if site.database else "",
        "claimed_by": site.claimed_by,
        "answers": site.answers,
        "shared_with": site.shared_with,
        "docroot": site.docroot,
        "bytes": site.bytes,
        "files": site.files,
        "age_days": site.age_days,
        "requests_per_day": site.per_day,
        "traits": site.traits,
        "plugins": site.plugins,
        "links_outside": len(site.links_outside),
        "htaccess": bool(site.htaccess),
        "infected": bool(site.uploads),
        "tellable": _tellable(site, server) if found else [],
    }


def _tellable(site: Site, server: Server) -> list[str]:
    """Which properties the transcripts hold.  `unit`: declared, or a name in the unit's own domain."""
    stack = STACKS[site.stack]
    read = not hidden(server, site) and "cut" not in server.gaps
    told = ["application"] if read and stack.name else []
    told += ["database"] if read or site.static else []
    # that a program answers behind a proxy stands in the web server's own files
    told += ["static"] if stack.behind or (read and "content" not in server.gaps) else []
    told += [] if site.static else ["php"]
    told += ["unit"] if site.claimed_by == "" and (site.declared or site.name.endswith(f".{site.unit}.example.edu")) else []
    return told
