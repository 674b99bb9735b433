"""What a site's host is, and which PHP runs it: pool, version and user.  Pure."""

from __future__ import annotations

from datetime import date

from inventory.identify.facts import Observed, Site


def describe(site: Site, observed: Observed, at: date | None) -> None:
    """Facts of the host that a verdict on the site needs."""
    system = observed.first("os")
    if system is not None:
        ident, version = str(system.data.get("id") or ""), str(system.data.get("version") or "")
        site.learn("host.os", ident, system)
        site.learn("host.os_version", version, system)
        site.support("host.os", ident, version, at, system)
    hardware = observed.first("hardware")
    if hardware is not None:
        site.learn("host.cpus", hardware.data.get("cpus"), hardware)
        site.learn("host.memory_bytes", hardware.data.get("memory_bytes"), hardware)
        site.learn("host.virtualization", hardware.data.get("virtualization"), hardware)
    if site.value("site.php"):
        _php(site, observed)
    if version := site.value("site.php_version"):
        site.support("site.php", "php", str(version), at)
    if site.value("site.web_user") is None:
        master = observed.where("web_server", "server", site.value("site.web_server"))
        if master is not None and master.data.get("user") and not str(master.data["user"]).startswith("root"):
            site.learn("site.web_user", master.data["user"], master)


def _php(site: Site, observed: Observed) -> None:
    sockets = [str(text).removeprefix("unix:") for text in site.value("site.fastcgi_to") or []]
    pool = next((p for p in observed.of("php_pool") if str(p.data.get("listen")) in sockets), None)
    if pool is not None:
        site.learn("site.php_version", pool.data.get("version"), pool)
        site.learn("site.web_user", pool.data.get("user"), pool)
        site.learn("site.pool", pool.data.get("name"), pool)
        return
    sapi = "apache" if site.value("site.web_server") == "apache" and not sockets else "fpm"
    versions = [v for v in observed.of("php_version") if v.data.get("sapi") == sapi]
    by_socket = [v for v in versions if any(str(v.data.get("version")) in text for text in sockets)]
    version = (by_socket or versions)[0] if len(by_socket) == 1 or len(versions) == 1 else None
    if version is not None:
        site.learn("site.php_version", version.data.get("version"), version)
