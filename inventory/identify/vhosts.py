"""Vhosts → which sites a host has, and what their configuration says of each.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from inventory import register
from inventory.identify.facts import Observed, Seen, Site

_valid = lru_cache(65_536)(register.valid_name)
NOT_SITES = frozenset({"localhost.localdomain", "localhost.localdomain4", "example.com", "www.example.com", "dummy-host.example.com"})
"""Names that distributions' own files carry; they are nobody's sites."""


def site_name(host: str, vhost: Seen, observed: Observed) -> str:
    """The site's name: the first that DNS allows; for a vhost without one, `HOST:DOCROOT` if it holds something.  '' is no site."""
    for name in vhost.data.get("names") or []:
        text = str(name).lower().rstrip(".")
        if _valid(text) and text not in NOT_SITES:
            return text
    docroot = vhost.data.get("host_docroot") or vhost.data.get("docroot")
    inside = vhost.data.get("container")
    known = observed.where("container", "pid", inside.get("pid")) if isinstance(inside, Mapping) else None
    if known is not None:
        return _published_name(host, vhost, known)
    content = observed.where("content", "docroot", docroot) if docroot else None
    # a distribution's own default page is not a site; a default vhost that holds more than that is
    if docroot and content is not None and (content.data.get("files") or 0) > 2:
        return f"{host}:{docroot}" if _plain(str(docroot)) and len(str(docroot)) <= 500 else f"{host}:default"
    return ""


def _published_name(host: str, vhost: Seen, container: Seen) -> str:
    """`HOST:PORT` for what a container serves under no name, where that port is open to others than the host itself."""
    ports = {str(entry.get("port")) for entry in vhost.data.get("listen") or []}
    for pair in container.data.get("ports") or []:
        address, _, port = str(pair.get("host") or "").rpartition(":")
        if str(pair.get("container") or "").partition("/")[0] in ports and port and not address.startswith(("127.", "[::1]", "::1")):
            return f"{host}:{port}"
    return ""


def _plain(text: str) -> bool:
    return re.fullmatch(r"[\w./@+-]+", text) is not None


def describe(site: Site, vhosts: Sequence[Seen], inner: Sequence[Seen], observed: Observed, at: date | None) -> None:
    """Facts that the configuration itself tells; `inner` are vhosts behind the site's proxy whose docroot is the site's."""
    names: list[str] = []
    odd: list[str] = []
    for vhost in vhosts:
        for name in vhost.data.get("names") or []:
            kept = names if _valid(str(name).rstrip(".")) else odd
            text = str(name).lower().rstrip(".") if kept is names else str(name)
            if text not in kept and text not in {"_", ""}:
                kept.append(text)
    site.names = names or [site.name]
    site.learn("site.names", names, *vhosts)
    site.learn("site.odd_names", odd, *vhosts, why="names that DNS does not allow; they cannot be moved")
    front = next((vhost for vhost in vhosts if not is_tls(vhost)), vhosts[0])
    site.learn("site.web_server", front.data.get("server"), front)
    site.learn("site.vhosts", [[v.data.get("file"), v.data.get("line")] for v in vhosts], *vhosts)
    rooted = next((vhost for vhost in (front, *vhosts, *inner) if vhost.data.get("docroot")), None)
    if rooted is not None:
        site.learn("site.docroot", rooted.data["docroot"], rooted)
        _place(site, rooted, observed)
    states = [bool(vhost.data["running"]) for vhost in vhosts if vhost.data.get("running") is not None]
    if states:
        site.learn("site.running", any(states), *vhosts, why="" if any(states) else "no process of its web server uses this configuration")
    secure = [vhost for vhost in vhosts if is_tls(vhost)]
    site.learn("site.tls", bool(secure), *vhosts)
    if secure:
        # vhosts that only redirect are none of the site's: what is left on a plain port serves it there, too
        plain = [vhost for vhost in vhosts if _plain_too(vhost)]
        site.learn("site.https_only", not plain, *(plain or secure), why="" if plain else "on plain ports, nothing but redirects")
        held = {str(name).lower().rstrip(".") for vhost in secure for name in vhost.data.get("names") or []}
        site.learn("site.tls_names", [name for name in names if name in held], *secure)
        site.learn("site.hsts", next((str(v.data["hsts"]) for v in secure if v.data.get("hsts")), ""), *secure)
    _certificate(site, secure, observed, at)
    for fact, field in (("site.proxy_to", "proxy_to"), ("site.fastcgi_to", "fastcgi_to")):
        site.learn(fact, sorted({str(text) for v in (*vhosts, *inner) for text in v.data.get(field) or []}), *vhosts, *inner)
    site.learn("site.php", any(bool(v.data.get("php")) for v in (*vhosts, *inner)), *vhosts, *inner)
    homes = sorted({str(text) for vhost in vhosts for text in vhost.data.get("userdirs") or []})
    if homes:
        site.learn("site.userdirs", homes, *vhosts, why="folders of users' homes, served as /~USER")
    ports = sorted({int(e["port"]) for v in vhosts for e in v.data.get("listen") or [] if str(e.get("port", "")).isdigit()})
    outer = site.name.rpartition(":")[2]
    if outer.isdigit() and len(outer) < 6:  # a container's: visitors know the port that it is published on
        ports = [int(outer)]
    site.learn("site.ports", ports, *vhosts)


def _place(site: Site, vhost: Seen, observed: Observed) -> None:
    """In which container its files lie: there, paths are the container's own, but for what is mounted from the host."""
    inside = vhost.data.get("container")
    if not isinstance(inside, Mapping):
        return
    known = observed.where("container", "pid", inside.get("pid"))
    engine, name = (known.data.get("engine"), known.data.get("name")) if known is not None else (inside.get("runtime"), inside.get("name"))
    name = str(name or inside.get("id") or f"process {inside.get('pid')}")
    site.learn("site.container", f"{engine} {name}", vhost, *([known] if known is not None else []))
    site.learn("site.host_docroot", vhost.data.get("host_docroot"), vhost)
    docroot = str(vhost.data.get("docroot") or "")
    for mount in known.data.get("mounts") or [] if known is not None else []:
        target, source = str(mount.get("destination") or "").rstrip("/"), str(mount.get("source") or "")
        if known is not None and target and source.startswith("/") and (docroot == target or docroot.startswith(target + "/")):
            site.learn("site.docroot", source + docroot[len(target) :], vhost, known, why=f"mounted into {name} as {docroot}")


def is_tls(vhost: Seen) -> bool:
    """Whether a vhost answers over TLS."""
    return bool(vhost.data.get("tls")) or any(entry.get("tls") for entry in vhost.data.get("listen") or [])


def _plain_too(vhost: Seen) -> bool:
    """Whether a vhost serves over plain HTTP."""
    listen = vhost.data.get("listen") or []
    return not vhost.data.get("forces_tls") and (any(not entry.get("tls") for entry in listen) if listen else not is_tls(vhost))


def _certificate(site: Site, secure: Sequence[Seen], observed: Observed, at: date | None) -> None:
    if not secure:
        return
    path: Any = (secure[0].data.get("tls") or {}).get("certificate")
    site.learn("site.certificate", path, *secure)
    seen = observed.where("certificate", "path", path)
    if seen is None:
        return
    site.learn("tls.names", seen.data.get("names"), seen)
    site.learn("tls.issuer", seen.data.get("issuer"), seen)
    site.learn("tls.self_signed", seen.data.get("self_signed"), seen)
    site.learn("tls.key_path", seen.data.get("key_path"), seen)
    site.learn("tls.key_there", seen.data.get("key_there"), seen)
    site.learn("tls.chain", seen.data.get("chain"), seen)
    site.learn("tls.chain_path", seen.data.get("chain_path") or None, seen)
    covered = [name for name in site.names if covers(seen.data.get("names") or [], name)]
    missing = sorted(set(site.names) - set(covered))
    site.learn("tls.names_missing", missing, seen, *secure, why="names of the site that its certificate does not hold")
    try:
        expires = datetime.fromisoformat(str(seen.data.get("not_after"))).astimezone(UTC)
    except ValueError:
        return
    site.learn("tls.expires", f"{expires:%Y-%m-%d}", seen)
    if at is not None:
        site.learn("tls.days_left", (expires.date() - at).days, seen, why=f"on {at.isoformat()}")


def covers(patterns: Sequence[Any], name: str) -> bool:
    """Whether a certificate's names hold a name: `*.a.b` stands for one label (RFC 6125, 6.4.3)."""
    for pattern in patterns:
        text = str(pattern).lower().rstrip(".")
        if text == name or (text.startswith("*.") and name.partition(".")[2] == text[2:]):
            return True
    return False
