"""Site → database by proofs that do not lean on each other, their disagreements shown.  Pure.

The application's configuration says what it means to use; the server's list says what there is; a grant says who may; a connection,
or the server's own list of clients, says who does.  Each alone can be wrong: a configuration may be a left-over of an old server, a
schema may be nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from inventory.identify.facts import Observed, Seen, Site, under, walked

_LEARNT = (
    "bytes", "tables", "charset", "collation", "engines", "myisam_bytes", "views", "routines", "triggers", "events", "definers",
    "latin1_columns", "rows_estimate",
)  # fmt: skip
_FAMILIES = {"mysql": "mysql", "mariadb": "mysql", "mysqli": "mysql", "percona": "mysql", "postgresql": "postgresql",
             "postgres": "postgresql", "pgsql": "postgresql"}  # fmt: skip
_HERE = {"", "localhost", "127.0.0.1", "::1", "local"}


def describe(site: Site, vhosts: Sequence[Seen], applications: Sequence[Seen], observed: Observed, at: date | None) -> None:
    """The database of a site's main application, with every proof that there is."""
    if site.value("site.static"):
        site.learn("database.used", False, why="the site is static")
        return
    unresolved = next((item for item in applications if item.data.get("unresolved")), None)
    configured = next((item for item in applications if _names_database(item)), None) or _datasource(vhosts)
    if configured is None:
        if _by_file(site, observed):
            return
        if unresolved is not None:
            site.learn("database.unresolved", True, unresolved, why="the configuration takes it from the environment or from code")
            _by_clients(site, observed, at)
        return
    wanted: Mapping[str, Any] = configured.data["database"]
    name, host = str(wanted["name"]), str(wanted.get("host") or "localhost")
    site.learn("database.used", True, configured)
    site.learn("database.name", name, configured, why="the application's configuration names it")
    site.learn("database.user", wanted.get("user") or None, configured)
    site.learn("database.host", host, configured)
    if site.value("application.config_file") is None or (configured.kind == "application" and "path" not in configured.data):
        site.learn("application.config_file", configured.data.get("config_file"), configured)
    if _family(wanted.get("server")) == "sqlite" or str(wanted.get("server") or "").lower().startswith("sqlite"):
        site.learn("database.product", "SQLite", configured)
        return
    _confirm(site, wanted, configured, observed, at)


_JDBC = re.compile(r"jdbc:(?P<server>[a-z0-9]+):(?://(?P<host>[^/;:?]*)(?::(?P<port>\d+))?/)?(?P<name>[^?;&]{1,200})")


def _datasource(vhosts: Sequence[Seen]) -> Seen | None:
    """The database that a servlet container's context names: a configuration like an application's own."""
    for vhost in vhosts:
        for source in vhost.data.get("datasources") or []:
            match = _JDBC.match(str(source.get("url") or ""))
            if match is not None:
                wanted = {
                    "server": match["server"],
                    "host": match["host"] or "localhost",
                    "name": match["name"],
                    "user": source.get("user"),
                }
                return Seen("application", {"database": wanted, "config_file": source.get("file")}, vhost.evidence)
    return None


def _by_file(site: Site, observed: Observed) -> bool:
    """A SQLite file in the site's own folder, where no configuration names a database."""
    files = [item for item in observed.of("database") if item.data.get("server") == "sqlite" and under(item.data.get("path"), walked(site))]
    if not files:
        return False
    chosen = max(files, key=lambda item: int(item.data.get("bytes") or 0))
    site.learn("database.used", True, chosen)
    site.learn("database.product", "SQLite", chosen)
    site.learn("database.name", chosen.data.get("path"), chosen, why="a SQLite file in its folder")
    site.learn("database.bytes", chosen.data.get("bytes"), chosen)
    site.learn("database.proofs", ["file"], chosen)
    return True


def _names_database(item: Seen) -> bool:
    database = item.data.get("database")
    return isinstance(database, dict) and bool(database.get("name"))


def _family(product: Any) -> str:
    text = str(product or "").lower()
    return _FAMILIES.get(text, text)


def local(host: str, observed: Observed) -> bool:
    """Whether a database host as a configuration names it is this machine."""
    name = host.rpartition(":")[0] if host.count(":") == 1 else host
    machine = observed.first("machine")
    own = {str(machine.data.get(key) or "") for key in ("hostname", "fqdn")} if machine is not None else set()
    return name.lower() in _HERE | own or name.startswith("/") or host.startswith(("/", ":/")) or name in observed.addresses


def _confirm(site: Site, wanted: Mapping[str, Any], configured: Seen, observed: Observed, at: date | None) -> None:
    name, user, host = str(wanted["name"]), wanted.get("user"), str(wanted.get("host") or "localhost")
    proofs: list[str] = ["configuration"]
    against: list[str] = []
    proven: list[Seen] = [configured]
    here = local(host, observed)
    family = _family(wanted.get("server"))
    listed = _listed(name, family, observed) if here else None
    server = _server(listed, family, observed) if here else None
    if not here:
        site.learn("database.remote", host, configured, why="its database is on another machine")
    if listed is not None:
        proofs.append("database list")
        proven.append(listed)
        for key in _LEARNT:
            site.learn(f"database.{key}", listed.data.get(key), listed)
    if server is not None:
        product, version = str(server.data.get("product") or ""), str(server.data.get("version") or "")
        site.learn("database.product", product or None, server)
        site.learn("database.version", version or None, server)
        site.support("database", product, version, at, server)
    if here and listed is None and server is not None and "databases" not in observed.unread:
        site.learn("database.missing", True, configured, why="the configuration names it, the server does not list it")
        against.append(f"the server does not list {name}")
    grants = [item for item in observed.of("database_user") if item.data.get("user") == user] if here and user else []
    granted = next((item for item in grants if name in (item.data.get("schemas") or [])), None)
    if granted is not None:
        proofs.append("grant of its user")
        proven.append(granted)
    elif grants and not any(item.data.get("global") or item.data.get("superuser") for item in grants):
        against.append(f"{user} has no grant on {name}")
        proven.append(grants[0])
    client = _client(name, user, observed) if here else None
    if client is not None:
        proofs.append("connection")
        proven.append(client)
    site.learn("database.proofs", proofs, *proven)
    site.learn("database.disagreements", against, *proven)


def _listed(name: str, family: str, observed: Observed) -> Seen | None:
    fitting = [item for item in observed.of("database") if item.data.get("name") == name]
    by_product = [item for item in fitting if not family or _family(item.data.get("product") or _of_server(item, observed)) in {family, ""}]
    return next(iter(by_product or ([] if family else fitting)), None)


def _of_server(item: Seen, observed: Observed) -> str:
    server = observed.where("database_server", "server", item.data.get("server"))
    return str(server.data.get("product") or "") if server is not None else ""


def _server(listed: Seen | None, family: str, observed: Observed) -> Seen | None:
    servers = observed.of("database_server")
    if listed is not None:
        ident = listed.data.get("server")
        same = [item for item in servers if ident and item.data.get("server") == ident]
        if same:
            return same[0]
        family = _family(listed.data.get("product")) or family
    fitting = [item for item in servers if not family or _family(item.data.get("product")) == family]
    return fitting[0] if len(fitting) == 1 or (fitting and family) else None


def _client(name: str, user: Any, observed: Observed) -> Seen | None:
    """A client that the server itself saw on that database as that user."""
    for item in observed.of("database_client"):
        if item.data.get("database") == name and (not user or item.data.get("user") == user):
            return item
    return None


def _by_clients(site: Site, observed: Observed, at: date | None) -> None:
    """Where the configuration is silent: a database user of the name of the site's own account, or its process among the clients."""
    accounts = {str(site.value(key)) for key in ("site.web_user", "backend.user", "site.pool") if site.value(key)}
    found = [item for item in observed.of("database_user") if str(item.data.get("user")) in accounts and item.data.get("schemas")]
    names = sorted({str(name) for item in found for name in item.data.get("schemas") or []})
    if len(names) == 1:
        listed = _listed(names[0], "", observed)
        site.learn("database.used", True, *found)
        site.learn("database.name", names[0], *found, why="the only database that the site's own account may use")
        site.learn("database.proofs", ["grant of its user", *(["database list"] if listed else [])], *found)
        for key in _LEARNT if listed is not None else ():
            site.learn(f"database.{key}", listed.data.get(key) if listed else None, *([listed] if listed else []))
        server = _server(listed, "", observed)
        if server is not None:
            site.learn("database.product", server.data.get("product"), server)
            site.support("database", str(server.data.get("product") or ""), str(server.data.get("version") or ""), at, server)
    elif names:
        site.learn("database.candidates", names, *found, why="databases that the site's own account may use")


def shared(sites: Sequence[Site]) -> None:
    """Tell each site which others of the host use the same database: they can only move together."""
    users: dict[tuple[Any, Any], list[Site]] = {}
    for site in sites:
        if site.value("database.name") and site.value("database.product") != "SQLite":
            users.setdefault((site.value("database.host"), site.value("database.name")), []).append(site)
    for group in users.values():
        for site in group:
            others = sorted(other.name for other in group if other is not site)
            if others:
                places = [tuple(place) for place in site.facts["database.name"]["evidence"]]
                site.learn("database.shared_with", others, *[Seen("", {}, place) for place in places], why="they name the same database")
