"""What lies in a site's docroot, and which applications are there.  Pure."""

from __future__ import annotations

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
    found = [item for item in observed.of("application") if under(item.data.get("path"), docroot)]
    found.sort(key=lambda item: (_plain(item), len(str(item.data.get("path"))), str(item.data.get("name"))))
    return found


def _plain(item: Seen) -> bool:
    return str(item.data.get("name")) in {"static", "unknown"}


def describe_application(site: Site, observed: Observed, found: list[Seen]) -> None:
    """The main application with its version and configuration, the others by name, and whether anything runs at all."""
    dynamic = [item for item in found if not _plain(item)]
    if len(dynamic) > 1:
        site.learn("application.others", sorted({f"{i.data['name']} in {i.data['path']}" for i in dynamic[1:]}), *dynamic[1:])
    main = next(iter(found), None)
    if main is not None:
        site.learn("application.name", main.data.get("name"), main)
        site.learn("application.version", main.data.get("version") or None, main)
        site.learn("application.config_file", main.data.get("config_file") or None, main)
        site.learn("application.language", main.data.get("language") or None, main)
        plugins = [str(part.get("name")) for part in main.data.get("plugins") or [] if isinstance(part, dict)]
        site.learn("application.plugins", plugins or None, main)
    proofs = [*dynamic[:1]]
    if site.value("site.php") or dynamic or site.value("site.proxy_to"):
        site.learn("site.static", False, *proofs, why="PHP, a proxy or an application answers")
    elif site.value("site.php") is False and "applications" not in observed.unread:
        site.learn("site.static", True, *found[:1], why="no PHP, no proxy and no application in its docroot")
