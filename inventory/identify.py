"""Facts → sites: what the vhosts of one host serve, with application, database and owner, each value with its evidence.  Pure.

In: a host and its observations.  Out: `Site`s whose `facts` map a fact's name to {"value", "evidence", "why"}.  A fact that could
not be read is absent (unknown); it is never an empty value.  Evidence is [snapshot id, section, line].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache, partial
from typing import Any, NamedTuple

from inventory import lifecycle
from inventory.register import valid_name

Evidence = list[Any]  # [snapshot id, section, line]


class Seen(NamedTuple):
    """An observation as identification needs it."""

    kind: str
    data: Mapping[str, Any]
    evidence: tuple[Any, ...]


class Observed(Sequence[Seen]):
    """The observations of one host: by kind at once, and in their order; a kind that nobody asks for is never read.

    `parts` are (kind, how to read those observations), in the order in which they were read.
    """

    def __init__(self, parts: Iterable[tuple[str, Callable[[], Sequence[Seen]]]]) -> None:
        self._parts = list(parts)
        self._read: dict[int, Sequence[Seen]] = {}
        self._kinds: dict[str, list[Seen]] = {}
        self._made: dict[Any, Any] = {}

    @classmethod
    def of_all(cls, observations: Iterable[Seen]) -> Observed:
        """What is read already."""
        return cls([(item.kind, partial(tuple, [item])) for item in observations])

    def of(self, kind: str) -> list[Seen]:
        """All of one kind."""
        if kind not in self._kinds:
            self._kinds[kind] = [item for number, (name, _) in enumerate(self._parts) if name == kind for item in self._part(number)]
        return self._kinds[kind]

    def by(self, kind: str, field: str) -> dict[Any, list[Seen]]:
        """All of one kind by a field's value; values that cannot be keys are left out."""
        if (kind, field) not in self._made:
            made: dict[Any, list[Seen]] = {}
            for item in self.of(kind):
                value = item.data.get(field)
                if value is None or isinstance(value, (str, int)):
                    made.setdefault(value, []).append(item)
            self._made[kind, field] = made
        return self._made[kind, field]  # type: ignore[no-any-return]

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Something that is the same for all sites of the host, worked out once."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _part(self, number: int) -> Sequence[Seen]:
        if number not in self._read:
            self._read[number] = self._parts[number][1]()
        return self._read[number]

    def __iter__(self) -> Iterator[Seen]:
        return (item for number in range(len(self._parts)) for item in self._part(number))

    def __len__(self) -> int:
        return sum(len(self._part(number)) for number in range(len(self._parts)))

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]


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
    known = observations if isinstance(observations, Observed) else Observed.of_all(observations)
    found: dict[str, tuple[Site, list[Seen]]] = {}
    unread = {item.data.get("what") for item in known.of("unknown")}
    for seen in known.of("vhost"):
        if not seen.data.get("enabled") or seen.data.get("redirect_to"):
            continue
        name = _site_name(host, seen, known)
        if name:
            found.setdefault(name, (Site(name, host, []), []))[1].append(seen)
    for site, vhosts in found.values():
        _from_vhosts(site, vhosts)
        _from_host(site, known, at)
        _from_content(site, known, unread)
        _from_application(site, known, unread)
        _from_database(site, known, unread, at)
        _from_use(site, vhosts, known)
    return [found[name][0] for name in sorted(found)]


_valid = lru_cache(65_536)(valid_name)


def _site_name(host: str, vhost: Seen, observations: Observed) -> str:
    for name in vhost.data.get("names") or []:
        if _valid(str(name)):
            return str(name).lower()
    docroot = vhost.data.get("docroot")
    content = _first(observations, "content", docroot=docroot)
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
            kept = names if _valid(str(name)) else odd
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


def _is_tls(vhost: Seen) -> bool:
    return bool(vhost.data.get("tls")) or any(entry.get("tls") for entry in vhost.data.get("listen") or [])


def _first(observations: Observed, kind: str, **where: Any) -> Seen | None:
    items: Sequence[Seen] = observations.of(kind)
    if len(where) == 1:
        ((field, wanted),) = where.items()
        if wanted is None or isinstance(wanted, (str, int)):
            items = observations.by(kind, field).get(wanted, [])
    for item in items:
        if all(item.data.get(key) == value for key, value in where.items()):
            return item
    return None


def _support(site: Site, fact: str, product: str, version: str, at: date | None, *seen: Seen) -> None:
    """Until when it gets fixes, and whether it still did on the day of the visit."""
    end = lifecycle.ends(product, version)
    if end is not None:
        site.learn(f"{fact}_end", end.isoformat(), *seen, why=f"{product} {version} in inventory/eol.yml")
        if at is not None:
            site.learn(f"{fact}_supported", at <= end, *seen, why=f"on {at.isoformat()}")


def _from_host(site: Site, observations: Observed, at: date | None) -> None:
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
        pools = observations.of("php_pool")
        sockets = [str(text).removeprefix("unix:") for text in site.value("site.fastcgi_to") or []]
        pool = next((p for p in pools if str(p.data.get("listen")) in sockets), None)
        if pool is not None:
            site.learn("site.php_version", pool.data.get("version"), pool)
            site.learn("site.web_user", pool.data.get("user"), pool)
            site.learn("site.pool", pool.data.get("name"), pool)
        else:
            sapi = "apache" if site.value("site.web_server") == "apache" else "fpm"
            versions = [v for v in observations.of("php_version") if v.data.get("sapi") == sapi]
            by_socket = [v for v in versions if any(str(v.data.get("version")) in text for text in sockets)]
            version = (by_socket or versions)[0] if len(by_socket) == 1 or len(versions) == 1 else None
            if version is not None:
                site.learn("site.php_version", version.data.get("version"), version)
    if version := site.value("site.php_version"):
        _support(site, "site.php", "php", str(version), at)
    if site.value("site.web_user") is None:
        master = _first(observations, "web_server", server=site.value("site.web_server"))
        if master is not None and master.data.get("user") and not str(master.data["user"]).startswith("root"):
            site.learn("site.web_user", master.data["user"], master)


def _from_content(site: Site, observations: Observed, unread: set[Any]) -> None:
    content = _first(observations, "content", docroot=site.value("site.docroot"))
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
    directives = [item for item in observations.of("htaccess") if _under(item.data.get("path"), site.value("site.docroot"))]
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


def _from_application(site: Site, observations: Observed, unread: set[Any]) -> None:
    docroot = site.value("site.docroot")
    found = [item for item in observations.of("application") if _under(item.data.get("path"), docroot)]
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


def _from_database(site: Site, observations: Observed, unread: set[Any], at: date | None) -> None:
    """Three proofs: the application's configuration, the list of databases, a database user that only this site can be."""
    docroot = site.value("site.docroot")
    configured = [i for i in observations.of("application") if i.data.get("database") and _under(i.data.get("path"), docroot)]
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
    user = next((u for u in observations.of("database_user") if u.data.get("user") == wanted.get("user")), None)
    if user is not None and name in (user.data.get("schemas") or []):
        proofs.append("grant of its user")
    site.learn("database.proofs", proofs, configured[0], *([listed] if listed else []), *([user] if user else []))
    if listed is None and "databases" not in unread and server is not None:
        site.learn("database.missing", True, configured[0], why="the configuration names it, the server does not list it")


def _from_use(site: Site, vhosts: Sequence[Seen], observations: Observed) -> None:
    files = {str(entry[0]) for vhost in vhosts for entry in vhost.data.get("access_log") or [] if entry}
    logs = observations.once("logs", lambda: [(_log_base(str(i.data.get("file"))), i) for i in observations.of("access_log")])
    own = [item for base, item in logs if base in files]
    if not files or not own:
        return
    writers = observations.once("writers", lambda: _writers(observations))
    shared = [vhost for vhost, written in writers if files & written and vhost not in vhosts]
    why = "the log is shared with other sites" if shared else ""
    requests = sum(int(i.data.get("requests") or 0) for i in own)
    days: dict[str, int] = {}
    for item in own:
        for day, count in (item.data.get("days") or {}).items():
            days[day] = days.get(day, 0) + int(count)
    site.learn("use.requests", requests, *own, why=why)
    site.learn("use.days", len(days), *own, why=why)
    site.learn("use.log_shared", bool(shared), *own)
    if days:
        site.learn("use.requests_per_day", round(requests / len(days), 1), *own, why=why)
    last = max((str(i.data.get("last") or "") for i in own), default="")
    site.learn("use.last", last or None, *own, why=why)
    wanted = observations.once("urls", lambda: _urls(observations))
    urls: dict[str, int] = {}
    for base in files if not shared else ():
        for path, count in wanted.get(base, {}).items():
            urls[path] = urls.get(path, 0) + count
    top = sorted(urls, key=lambda path: (-urls[path], path))[:200]
    site.learn("use.top_urls", top, *own)


def _writers(observations: Observed) -> list[tuple[Seen, set[str]]]:
    """The vhosts that serve something, with the logs that they write."""
    live = (v for v in observations.of("vhost") if v.data.get("enabled") and not v.data.get("redirect_to"))
    return [(v, {str(e[0]) for e in v.data.get("access_log") or [] if e}) for v in live]


def _urls(observations: Observed) -> dict[str, dict[str, int]]:
    """Each log's addresses with their counts, its rotations included."""
    bases: dict[str, str] = {}
    found: dict[str, dict[str, int]] = {}
    for item in observations.of("access_url"):
        file = str(item.data.get("file"))
        if file not in bases:
            bases[file] = _log_base(file)
        counts = found.setdefault(bases[file], {})
        path = str(item.data["path"])
        counts[path] = counts.get(path, 0) + int(item.data.get("count") or 0)
    return found


def _log_base(path: str) -> str:
    return re.sub(r"(\.\d+)?(\.gz)?$", "", re.sub(r"-\d{8}(?=(\.gz)?$)", "", path))
