"""Facts → sites: what the vhosts of one host serve, with application, database and owner, each value with its evidence.  Pure.

In: a host and its observations.  Out: `Site`s whose `facts` map a fact's name to {"value", "evidence", "why"}.  A fact that could
not be read is absent (unknown); it is never an empty value.  Evidence is [snapshot id, section, line].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from inventory import lifecycle, phpfacts
from inventory.register import valid_name

Evidence = list[Any]  # [snapshot id, section, line]


@dataclass(frozen=True)
class Seen:
    """An observation as identification needs it."""

    kind: str
    data: Mapping[str, Any]
    evidence: tuple[Any, ...]


@dataclass
class Site:
    """A site found on a host."""

    name: str
    host: str
    names: list[str]
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def learn(self, name: str, value: Any, *seen: Seen, why: str = "") -> None:
        """Record a fact; None is not a value."""
        if value is not None:
            self.facts[name] = {"value": value, "evidence": [list(item.evidence) for item in seen], "why": why}

    def value(self, name: str) -> Any:
        """A fact's value, None when unknown."""
        return self.facts.get(name, {}).get("value")


def sites(host: str, observations: Sequence[Seen], at: date | None = None) -> list[Site]:
    """All sites of one host on the day `at` of its visit: enabled vhosts that serve something of their own, same first names merged."""
    found: dict[str, tuple[Site, list[Seen]]] = {}
    unread = {item.data.get("what") for item in observations if item.kind == "unknown"}
    for seen in observations:
        if seen.kind != "vhost" or not seen.data.get("enabled") or seen.data.get("redirect_to"):
            continue
        name = _site_name(host, seen, observations)
        if name:
            found.setdefault(name, (Site(name, host, []), []))[1].append(seen)
    for site, vhosts in found.values():
        _from_vhosts(site, vhosts)
        _from_host(site, vhosts, observations, at)
        _from_content(site, observations, unread)
        _from_application(site, observations, unread)
        _from_database(site, observations, unread, at)
        _from_use(site, vhosts, observations)
        _from_backend(site, observations)
    return [found[name][0] for name in sorted(found)]


def _site_name(host: str, vhost: Seen, observations: Sequence[Seen]) -> str:
    for name in vhost.data.get("names") or []:
        if valid_name(str(name)):
            return str(name).lower()
    docroot = vhost.data.get("host_docroot") or vhost.data.get("docroot")
    content = next((item for item in observations if item.kind == "content" and item.data.get("docroot") == docroot), None)
    # a distribution's own default page is not a site; a default vhost that holds more than that is
    if docroot and content is not None and (content.data.get("files") or 0) > 2:
        return f"{host}:{docroot}" if _plain(str(docroot)) and len(str(docroot)) <= 500 else f"{host}:default"
    return ""


def _plain(text: str) -> bool:
    return re.fullmatch(r"[\w./@+-]+", text) is not None


def _from_vhosts(site: Site, vhosts: Sequence[Seen]) -> None:
    names: list[str] = []
    odd: list[str] = []
    for vhost in vhosts:
        for name in vhost.data.get("names") or []:
            kept = names if valid_name(str(name)) else odd
            text = str(name).lower() if kept is names else str(name)
            if text not in kept and text not in {"_", ""}:
                kept.append(text)
    site.names = names or [site.name]
    site.learn("site.names", names, *vhosts)
    site.learn("site.odd_names", odd, *vhosts, why="names that DNS does not allow; they cannot be moved")
    plain = next((v for v in vhosts if not _is_tls(v)), vhosts[0])
    secure = [v for v in vhosts if _is_tls(v)]
    site.learn("site.web_server", plain.data.get("server"), plain)
    site.learn("site.vhosts", [[v.data.get("file"), v.data.get("line")] for v in vhosts], *vhosts)
    site.learn("site.docroot", plain.data.get("docroot") or None, plain)
    _from_place(site, vhosts, plain)
    site.learn("site.tls", bool(secure), *vhosts)
    if secure:
        site.learn("site.certificate", (secure[0].data.get("tls") or {}).get("certificate"), *secure)
    proxied = sorted({str(t) for v in vhosts for t in v.data.get("proxy_to") or []})
    site.learn("site.proxy_to", proxied, *vhosts)
    sockets = sorted({str(t) for v in vhosts for t in v.data.get("fastcgi_to") or []})
    site.learn("site.fastcgi_to", sockets, *vhosts)
    site.learn("site.php", any(bool(v.data.get("php")) for v in vhosts), *vhosts)
    ports = sorted({int(e["port"]) for v in vhosts for e in v.data.get("listen") or [] if str(e.get("port", "")).isdigit()})
    site.learn("site.ports", ports, *vhosts)


def _from_place(site: Site, vhosts: Sequence[Seen], plain: Seen) -> None:
    """Whether its server runs, and in which container: there, paths are the container's own."""
    states = [bool(v.data["running"]) for v in vhosts if v.data.get("running") is not None]
    if states:
        site.learn("site.running", any(states), *vhosts, why="" if any(states) else "no process of its web server uses this configuration")
    inside = plain.data.get("container")
    if isinstance(inside, Mapping):
        name = str(inside.get("name") or inside.get("id") or f"process {inside.get('pid')}")
        site.learn("site.container", f"{inside.get('runtime')} {name}", plain)
        site.learn("site.host_docroot", plain.data.get("host_docroot"), plain)


def _walked(site: Site) -> Any:
    """Its docroot as the host sees it, which is how content and applications are told."""
    return site.value("site.host_docroot") or site.value("site.docroot")


def _is_tls(vhost: Seen) -> bool:
    return bool(vhost.data.get("tls")) or any(entry.get("tls") for entry in vhost.data.get("listen") or [])


def _first(observations: Iterable[Seen], kind: str, **where: Any) -> Seen | None:
    for item in observations:
        if item.kind == kind and all(item.data.get(key) == value for key, value in where.items()):
            return item
    return None


def _support(site: Site, fact: str, product: str, version: str, at: date | None, *seen: Seen) -> None:
    """Until when it gets fixes, and whether it still did on the day of the visit."""
    end = lifecycle.ends(product, version)
    if end is not None:
        site.learn(f"{fact}_end", end.isoformat(), *seen, why=f"{product} {version} in inventory/eol.yml")
        if at is not None:
            site.learn(f"{fact}_supported", at <= end, *seen, why=f"on {at.isoformat()}")


def _from_host(site: Site, vhosts: Sequence[Seen], observations: Sequence[Seen], at: date | None) -> None:
    system = _first(observations, "os")
    if system is not None:
        site.learn("host.os", system.data.get("id"), system)
        site.learn("host.os_version", str(system.data.get("version") or ""), system)
        _support(site, "host.os", str(system.data.get("id") or ""), str(system.data.get("version") or ""), at, system)
    hardware = _first(observations, "hardware")
    if hardware is not None:
        site.learn("host.cpus", hardware.data.get("cpus"), hardware)
        site.learn("host.memory_bytes", hardware.data.get("memory_bytes"), hardware)
        site.learn("host.virtualization", hardware.data.get("virtualization"), hardware)
    if site.value("site.php"):
        for name, value, proofs, why in phpfacts.facts(vhosts, observations, str(_walked(site) or "")):
            site.learn(name, value, *proofs, why=why)
    if version := site.value("site.php_version"):
        _support(site, "site.php", "php", str(version), at)
    if site.value("site.web_user") is None:
        master = _first(observations, "web_server", server=site.value("site.web_server"))
        if master is not None and master.data.get("user") and not str(master.data["user"]).startswith("root"):
            site.learn("site.web_user", master.data["user"], master)


def _from_content(site: Site, observations: Sequence[Seen], unread: set[Any]) -> None:
    content = _first(observations, "content", docroot=_walked(site))
    if content is None:
        return
    data = content.data
    site.learn("content.exists", data.get("exists"), content)
    if not data.get("exists"):
        return
    for name in (
        "bytes",
        "files",
        "directories",
        "symlinks",
        "newest",
        "age_days",
        "hard_links",
        "sparse_files",
        "owners",
    ):
        site.learn(f"content.{name}", data.get(name), content)
    for name in ("links_outside", "php_in_uploads", "world_writable", "htaccess"):
        site.learn(f"content.{name}", data.get(name), content)
    directives = [item for item in observations if item.kind == "htaccess" and _under(item.data.get("path"), _walked(site))]
    if directives or "htaccess" not in unread:
        lines = [str(line) for item in directives for line in item.data.get("lines") or []]
        site.learn(
            "content.htaccess_directives",
            sorted({line.split()[0].lower() for line in lines if line.split()}),
            *directives,
        )


def _under(path: Any, root: Any) -> bool:
    path, root = str(path or ""), str(root or "")
    return bool(root) and (path == root or path.startswith(root.rstrip("/") + "/"))


def _from_application(site: Site, observations: Sequence[Seen], unread: set[Any]) -> None:
    docroot = _walked(site)
    found = [item for item in observations if item.kind == "application" and _under(item.data.get("path"), docroot)]
    found.sort(key=lambda item: (len(str(item.data.get("path"))), str(item.data.get("name"))))
    dynamic = [item for item in found if str(item.data.get("name")) not in {"static", "unknown"}]
    if len(dynamic) > 1:
        site.learn("application.others", sorted({f"{i.data['name']} in {i.data['path']}" for i in dynamic[1:]}), *dynamic[1:])
    main = next(iter(dynamic or found), None)
    if main is not None:
        site.learn("application.name", main.data.get("name"), main)
        site.learn("application.version", main.data.get("version") or None, main)
        site.learn("application.config_file", main.data.get("config_file") or None, main)
        plugins = [str(p.get("name")) for p in main.data.get("plugins") or [] if isinstance(p, dict)]
        site.learn("application.plugins", plugins or None, main)
    if site.value("site.php") is False and not dynamic and not site.value("site.proxy_to") and "applications" not in unread:
        site.learn("site.static", True, *([main] if main else []), why="no PHP, no proxy and no application in its docroot")
    elif site.value("site.php") or dynamic or site.value("site.proxy_to"):
        site.learn("site.static", False, *dynamic, why="PHP, a proxy or an application answers")


def _from_database(site: Site, observations: Sequence[Seen], unread: set[Any], at: date | None) -> None:
    """Three proofs: the application's configuration, the list of databases, a database user that only this site can be."""
    docroot = _walked(site)
    configured = [i for i in observations if i.kind == "application" and _under(i.data.get("path"), docroot) and i.data.get("database")]
    if site.value("site.static"):
        site.learn("database.used", False, why="the site is static")
        return
    if not configured:
        return
    wanted = configured[0].data["database"]
    if not isinstance(wanted, dict) or not wanted.get("name"):
        return
    name = str(wanted["name"])
    site.learn("database.used", True, configured[0])
    site.learn("database.name", name, configured[0], why="the application's configuration names it")
    site.learn("database.user", wanted.get("user") or None, configured[0])
    site.learn("database.host", wanted.get("host") or "localhost", configured[0])
    proofs = ["configuration"]
    listed = _first(observations, "database", name=name)
    server = _first(observations, "database_server")
    if listed is not None:
        proofs.append("database list")
        for key in [
            "bytes",
            "tables",
            "charset",
            "collation",
            "engines",
            "myisam_bytes",
            "views",
            "routines",
            "triggers",
            "events",
            "definers",
            "latin1_columns",
        ]:
            site.learn(f"database.{key}", listed.data.get(key), listed)
    if server is not None:
        site.learn("database.product", server.data.get("product"), server)
        site.learn("database.version", server.data.get("version"), server)
        _support(site, "database", str(server.data.get("product") or ""), str(server.data.get("version") or ""), at, server)
    user = next((u for u in observations if u.kind == "database_user" and u.data.get("user") == wanted.get("user")), None)
    if user is not None and name in (user.data.get("schemas") or []):
        proofs.append("grant of its user")
    site.learn("database.proofs", proofs, configured[0], *([listed] if listed else []), *([user] if user else []))
    if listed is None and "databases" not in unread and server is not None:
        site.learn("database.missing", True, configured[0], why="the configuration names it, the server does not list it")


def _ports(vhost: Seen) -> list[Any]:
    return [entry.get("port") for entry in vhost.data.get("listen") or []]


def _from_backend(site: Site, observations: Sequence[Seen]) -> None:
    """What answers behind the proxy, where that is a process of the same host: by the address that it listens on."""
    behind: dict[str, Seen] = {}
    for target in site.value("site.proxy_to") or []:
        text = re.sub(r"^[a-z+]+://", "", str(target))
        wanted = f"unix:{text.removeprefix('unix:').partition(':')[0]}" if text.startswith(("unix:", "/")) else text.partition("/")[0]
        wanted = re.sub(r"^(localhost|\[::1\])(?=:)", "127.0.0.1", wanted)
        port = wanted.rpartition(":")[2]
        near = wanted.startswith("127.")
        for item in observations:
            listens = [str(one) for one in item.data.get("listens") or []] if item.kind == "application_server" else []
            if wanted in listens or (near and any(re.fullmatch(rf"((0\.){{3}}0|\[::\]):{re.escape(port)}", one) for one in listens)):
                behind.setdefault(str(item.data.get("server")), item)
            elif near and item.kind == "vhost" and item.data.get("server") == "tomcat" and port in map(str, _ports(item)):
                behind.setdefault("tomcat", item)
    if behind:
        site.learn("site.backend", sorted(behind), *behind.values(), why="it listens where the proxy sends requests")
        folders = sorted({str(i.data["directory"]) for i in behind.values() if i.data.get("directory") and i.data["directory"] != "/"})
        site.learn("site.backend_directory", folders or None, *behind.values())


def _from_use(site: Site, vhosts: Sequence[Seen], observations: Sequence[Seen]) -> None:
    """What its own log says; of a log that sites share, its own lines where the log tells them apart."""
    files = {_logged(vhost, entry) for vhost in vhosts for entry in vhost.data.get("access_log") or [] if entry}
    own = [i for i in observations if i.kind == "access_log" and files & set(_log_names(i))]
    if not files or not own:
        return
    shared = [
        v for v in observations
        if v.kind == "vhost" and v.data.get("enabled") and v not in vhosts
        and files & {_logged(v, e) for e in v.data.get("access_log") or [] if e}
        and not v.data.get("redirect_to")
    ]  # fmt: skip
    site.learn("use.log_shared", bool(shared), *own)
    lines = [i for i in observations if i.kind == "access_use" and files & set(_log_names(i))] if shared else []
    split = bool(lines)  # the log tells its sites apart: one that it does not name was not asked for
    told = [i for i in lines if _named(i, site)] if split else own
    why = "the log is shared with other sites" if shared and not split else "" if told else "a log of several sites does not name it"
    requests = sum(int(i.data.get("requests") or 0) for i in told)
    days: dict[str, int] = {}
    months: dict[str, int] = {}
    for item in own:
        for day, count in (item.data.get("days") or {}).items():
            days[day] = days.get(day, 0) + int(count)
            months[day[:7]] = months.get(day[:7], 0) + int(count)
    site.learn("use.requests", requests, *(told or own), why=why)
    site.learn("use.days", len(days), *own, why=why)
    if days:
        site.learn("use.requests_per_day", round(requests / len(days), 1), *(told or own), why=why)
    for fact, field_name in (("use.last", "last"), ("use.last_human", "last_human")):
        site.learn(fact, max((str(i.data.get(field_name) or "") for i in told), default="") or None, *told, why=why)
    if not shared:
        site.learn("use.months", dict(sorted(months.items())) or None, *own)
    if split or not shared:
        posts = [i.data["posts"] if split else (i.data.get("methods") or {}).get("POST", 0) for i in told if split or i.data.get("methods")]
        site.learn("use.posts", sum(posts) if posts else None, *told)
    urls: dict[str, int] = {}
    for item in observations:
        if item.kind == "access_url" and files & set(_log_names(item)) and (not shared or _named(item, site)):
            urls[str(item.data["path"])] = urls.get(str(item.data["path"]), 0) + int(item.data.get("count") or 0)
    top = sorted(urls, key=lambda path: (-urls[path], path))[:200]
    site.learn("use.top_urls", top, *own)


def _named(item: Seen, site: Site) -> bool:
    """Whether a log's own word for the virtual host is one of the site's names."""
    name = str(item.data.get("vhost") or "").lower()
    host, _, port = name.rpartition(":")
    return (host if port.isdigit() and host else name) in site.names


def _log_names(item: Seen) -> tuple[str, str]:
    """What a log may be called in a configuration: its file without the rotation's ending, and its name there (with `%Y` or `$host`)."""
    file = str(item.data.get("file"))
    inside = re.match(r"/proc/\d+/root(?=/)", file)
    return _log_base(file), (inside.group() if inside else "") + str(item.data.get("named") or "")


def _logged(vhost: Seen, entry: Sequence[Any]) -> str:
    """The log's name as the host sees it."""
    inside = vhost.data.get("container")
    return f"/proc/{inside.get('pid')}/root{entry[0]}" if isinstance(inside, Mapping) else str(entry[0])


def _log_base(path: str) -> str:
    return re.sub(r"(\.\d+)?(\.(gz|bz2|xz|zst))?$", "", re.sub(r"[-._]\d{4}-?\d\d-?\d\d(?=(\.(gz|bz2|xz|zst))?$)", "", path))
