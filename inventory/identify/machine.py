"""What a site's host is, and which PHP runs it: pool, version and user.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from inventory.identify import php
from inventory.identify.facts import Observed, Seen, Site, walked


def describe(site: Site, vhosts: Sequence[Seen], observed: Observed, at: date | None) -> None:
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
    if observed.addresses:
        site.learn("host.addresses", sorted(observed.addresses), *observed.of("address"))
    if site.value("site.php"):
        for name, value, proofs, why in php.facts(vhosts, observed, str(walked(site) or "")):
            site.learn(name, value, *proofs, why=why)
    if version := site.value("site.php_version"):
        site.support("site.php", "php", str(version), at)
    if site.value("site.web_user") is None:
        master = observed.where("web_server", "server", site.value("site.web_server"))
        if master is not None and master.data.get("user") and not str(master.data["user"]).startswith("root"):
            site.learn("site.web_user", master.data["user"], master)
