"""What lies in a site's docroot, and which applications are there.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from inventory.identify.facts import Observed, Seen, Site, under, walked

_SUMS = (
    "bytes", "files", "directories", "symlinks", "newest", "age_days", "hard_links", "sparse_files", "owners", "links_outside",
    "php_in_uploads", "world_writable", "htaccess",
)  # fmt: skip


def describe(site: Site, observed: Observed) -> None:
    """Facts of the docroot's files."""
    content = observed.where("content", "docroot", walked(site))
    if content is None:
        return
    site.learn("content.exists", content.data.get("exists"), content)
    if not content.data.get("exists"):
        return
    for name in _SUMS:
        site.learn(f"content.{name}", content.data.get(name), content)
    directives = [item for item in observed.of("htaccess") if under(item.data.get("path"), walked(site))]
    if directives or "htaccess" not in observed.unread:
        lines = [str(line) for item in directives for line in item.data.get("lines") or []]
        words = sorted({line.split()[0].lower() for line in lines if line.split()})
        site.learn("content.htaccess_directives", words, *directives)


def applications(site: Site, observed: Observed) -> list[Seen]:
    """The applications in and below the docroot, the outermost first; those that are plain pages stand last."""
    docroot = walked(site)
    found = [_named(site, item) for item in observed.of("application") if under(item.data.get("path"), docroot)]
    found.sort(key=lambda item: (_plain(item), len(str(item.data.get("path"))), str(item.data.get("name"))))
    return found


_RUNTIMES = {
    "node": "Node.js", "python": "Python application", "ruby": "Ruby application", "java": "Java application", "dotnet": ".NET application",
}  # fmt: skip
"""What an application is called that only its process tells."""


_NETWORKS = frozenset({"WordPress", "Drupal"})
"""Applications of which one installation can be many sites, and whose configuration or folders tell."""


def _named(site: Site, item: Seen) -> Seen:
    """An application that reads another configuration for each site name, as this site has it.

    Debian's WordPress takes the first there is of `config-NAME.php`, the same without the name's first label, and `config-default.php`.
    """
    by_name = item.data.get("configured_by_name")
    if not isinstance(by_name, Mapping) or not by_name:
        return item
    names = [re.sub(r"[^a-z0-9.-]", "", name.rpartition(":")[0] if ":" in name else name) for name in map(str.lower, site.names)]
    wanted = [one for name in names for one in (name, name.partition(".")[2])]
    told: Mapping[str, Any] | None = next((by_name[name] for name in [*wanted, "default"] if isinstance(by_name.get(name), Mapping)), None)
    if told is None:  # it answers that there is none
        return item._replace(data={**item.data, "database": None})
    data = {**item.data, **told}
    # what that file leaves out has the default of the one that includes it
    if isinstance(told.get("database"), Mapping) and isinstance(item.data.get("database"), Mapping):
        said = {key: value for key, value in told["database"].items() if value}
        data["database"] = {**item.data["database"], **said}
    elif told.get("database") is None and not told.get("unreadable"):
        data["database"] = item.data.get("database")
    return item._replace(data=data)


def _plain(item: Seen) -> bool:
    return str(item.data.get("name")) in {"static", "unknown"}


def describe_application(site: Site, observed: Observed, found: list[Seen], *, proxied: bool) -> None:
    """The main application with its version and configuration, the others by name, and whether anything runs at all."""
    dynamic = [item for item in found if not _plain(item)]
    if len(dynamic) > 1:
        site.learn("application.others", sorted({f"{i.data['name']} in {i.data['path']}" for i in dynamic[1:]}), *dynamic[1:])
    main = next(iter(found), None)
    if main is not None:
        name = _RUNTIMES.get(str(site.value("backend.kind"))) if _plain(main) else None
        site.learn("application.name", name or main.data.get("name"), main)
        site.learn("application.version", main.data.get("version") or None, main)
        site.learn("application.config_file", main.data.get("config_file") or None, main)
        site.learn("application.language", main.data.get("language") or None, main)
        if main.data.get("multisite") or (
            main.data.get("config_file") and main.data.get("name") in _NETWORKS and "unreadable" not in main.data
        ):
            site.learn("application.multisite", bool(main.data.get("multisite")), main)
        plugins = [str(part.get("name")) for part in main.data.get("plugins") or [] if isinstance(part, dict)]
        site.learn("application.plugins", plugins or None, main)
    _static(site, observed, dynamic, found, proxied)


_PROGRAMS = frozenset({
    "php", "php3", "php4", "php5", "php7", "php8", "phtml", "pht", "phar", "cgi", "fcgi", "fpl", "pl", "py", "rb", "jsp", "jspx", "do",
    "asp", "aspx", "ashx", "asmx", "cfm", "shtml", "shtm", "lua", "tcl",
})  # fmt: skip
"""Endings of files that a web server runs, or looks into, instead of handing them out."""
_CHANGES_HANDLERS = frozenset({"addhandler", "addtype", "sethandler", "forcetype", "action", "addoutputfilter", "setoutputfilter"})


def _static(site: Site, observed: Observed, dynamic: list[Seen], found: list[Seen], proxied: bool) -> None:
    """Whether plain files are all that visitors get.  That PHP is switched on says nothing where there is no PHP file."""
    if dynamic or proxied:
        site.learn("site.static", False, *dynamic[:1], why="an application or a program behind a proxy answers")
        return
    if site.value("site.userdirs"):
        site.learn("site.static", False, why="it serves folders of users' homes, too, whatever they hold")
        return
    content = observed.where("content", "docroot", walked(site))
    endings = content.data.get("extensions") if content is not None and content.data.get("complete", True) else None
    if isinstance(endings, dict):
        programs = sorted(_PROGRAMS & {str(ending).lower() for ending in endings})
        if content is not None and programs:
            site.learn("site.static", False, content, why=f"its docroot holds programs: {', '.join(programs)}")
        elif content is not None and not _CHANGES_HANDLERS & set(site.value("content.htaccess_directives") or []):
            site.learn("site.static", True, content, *found[:1], why="no file in its docroot is a program, and nothing stands behind it")
    elif site.value("site.php"):
        return  # PHP would run what is there, and what is there was not read
    elif site.value("site.php") is False and "applications" not in observed.unread:
        site.learn("site.static", True, *found[:1], why="no PHP, no proxy and no application in its docroot")
