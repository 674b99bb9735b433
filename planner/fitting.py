"""What follows from a workload's facts and the center's platforms: which of them could take it at all, as facts `fit.*`.  Pure.

In: facts, the names it answers to, the platforms, the school's own domains and networks.  Out: facts.  What cannot be told is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from inventory.conditions import Facts, value
from inventory.scope import Campus
from planner import wording
from planner.platforms import Flavour, Platforms

Fact = dict[str, Any]
Told = tuple[Any, str]
"""A value, and why it is that one."""


def facts(known: Facts, names: Sequence[str], address: str, platforms: Platforms, campus: Campus) -> dict[str, Fact]:
    """All `fit.*` facts that can be told; `address` is its host's, '' when it was found on none."""
    told: dict[str, Told] = {
        **_php(known, platforms), **_database(known, platforms), **_cluster(known, platforms), **_room(known, platforms),
        **_place(names, address, campus),
    }  # fmt: skip
    return {f"fit.{name}": {"value": said, "evidence": [], "why": why} for name, (said, why) in told.items()}


def series(version: str) -> tuple[int, ...]:
    """`8.2.7` → (8, 2)."""
    parts = str(version).split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def php_destination(version: str, offered: Sequence[str]) -> str:
    """The PHP that a site would run on: its own series, else the next newer one, else the newest there is; '' where none is offered."""
    ranked = sorted({*offered}, key=series)
    own = series(version)
    return next((one for one in ranked if series(one) >= own), ranked[-1] if ranked else "")


def _php(known: Facts, platforms: Platforms) -> Mapping[str, Told]:
    offered = sorted({version for server in platforms.virtual_hosts for version in server.php}, key=series)
    version = value(known, "site.php_version")
    if not offered:
        return {"php": ("none", "no virtual-host server offers PHP")}
    if version is None or not series(str(version)):
        return {}
    destination = php_destination(str(version), offered)
    word = "same" if series(destination) == series(str(version)) else "newer" if series(destination) > series(str(version)) else "older"
    why = f"virtual hosts offer PHP {', '.join(offered)}"
    return {"php": (word, why), "php_destination": (destination, why), **_modules(known, destination, platforms)}


_GONE = frozenset({"ereg", "interbase", "mcrypt", "mhash", "mssql", "mysql", "recode", "sqlite", "sybase_ct", "wddx", "xmlrpc"})
"""Modules that PHP itself has given up: no machine of one's own brings them back, a program that needs them needs an update."""


def _modules(known: Facts, destination: str, platforms: Platforms) -> Mapping[str, Told]:
    """PHP modules of the site that no virtual-host server with its PHP has, of the server that lacks the fewest."""
    modules = value(known, "site.php_modules")
    if not isinstance(modules, (list, tuple)):
        return {}
    wanted = {re.sub(r"^zend |^the ", "", str(name).lower()).strip() for name in modules} - _GONE
    offering = [{name.lower() for name in server.php_modules} for server in platforms.virtual_hosts if destination in server.php]
    missing = min((sorted(wanted - there - _BUILT_IN) for there in offering), key=lambda names: (len(names), names), default=sorted(wanted))
    return {"php_modules_missing": (missing, "against php_modules in inventory/platforms.yml")}


_BUILT_IN = frozenset({"core", "date", "pcre", "random", "reflection", "spl", "standard", "cgi-fcgi", "fpm", "apache2handler"})
"""What every PHP has in it."""


def family(product: str) -> str:
    """A database product as far as data goes from one to the other as they are: MySQL and Percona are MariaDB's family."""
    plain = product.strip().lower()
    return "mariadb" if plain in {"mysql", "percona"} else plain


def _database(known: Facts, platforms: Platforms) -> Mapping[str, Told]:
    product = value(known, "database.product")
    if value(known, "database.used") is False:
        return {"database": (True, "it uses none")}
    if product is None or not platforms.virtual_hosts:
        return {}
    offered = sorted({text for server in platforms.virtual_hosts for text in server.databases})
    families = {family(text.split()[0]) for text in offered if text.strip()}
    wanted = family(str(product))
    return {"database": (wanted in families or wanted == "sqlite", f"virtual hosts offer {', '.join(offered) or 'no database'}")}


def _cluster(known: Facts, platforms: Platforms) -> Mapping[str, Told]:
    profiles = {profile for cluster in platforms.site_clusters for profile in cluster.profiles}
    why = f"site clusters take {', '.join(sorted(profiles)) or 'nothing: there is none'}"
    static = value(known, "site.static")
    if not profiles or static is None:
        return {} if profiles else {"cluster_profile": ("none", why)}
    if static:
        return {"cluster_profile": ("static" if "static" in profiles else "none", why)}
    found: dict[str, Told] = {}
    publishing = _publishing(known) if "static-export" in profiles else False
    if value(known, "application.name") == "WordPress" and "wordpress" in profiles:
        allowed = {name.lower() for cluster in platforms.site_clusters for name in cluster.plugins}
        plugins = value(known, "application.plugins")
        if plugins is None:
            # unread plugins leave the managed WordPress open; an export takes over the pages whatever plugins made them
            return {"cluster_profile": ("static-export", f"{why}; its plugins are unknown")} if publishing else {}
        foreign = sorted(str(name) for name in plugins if str(name).lower() not in allowed)
        found["cluster_plugins_foreign"] = (foreign, f"allowed plugins: {', '.join(sorted(allowed)) or 'none'}")
        if not foreign:
            return {**found, "cluster_profile": ("wordpress", why)}
    if publishing is None:
        return found
    return {**found, "cluster_profile": ("static-export" if publishing else "none", why)}


def _publishing(known: Facts) -> bool | None:
    """Whether a site only publishes and does not answer its visitors, so that it can be exported; None where nobody says."""
    said = value(known, "answer.publishing_only")
    if said is not None:
        return bool(said)
    declared = value(known, "declared.type")
    return None if declared is None else declared in {"information", "archive"}


def _room(known: Facts, platforms: Platforms) -> Mapping[str, Told]:
    """Quotas, flavours and racks: whether its size is one that is on offer."""
    found: dict[str, Told] = {}
    disk = value(known, "size.disk_bytes")
    servers = platforms.virtual_hosts
    if disk is not None and servers:
        quota, most = max(server.quota_bytes for server in servers), max(server.quota_most_bytes for server in servers)
        found["over_quota"] = (disk > quota, f"the quota is {wording.size(quota)}")
        found["over_quota_most"] = (disk > most, f"on request there is {wording.size(most)}")
    sizes = [value(known, f"size.{name}") for name in ("cpus", "memory_bytes", "disk_bytes")]
    if None not in sizes:
        offered = sorted(platforms.flavours, key=lambda flavour: (flavour.cpus, flavour.memory_bytes, flavour.disk_bytes, flavour.name))
        fitting = [flavour for flavour in offered if _holds(flavour, sizes, platforms.vps_system_bytes)]
        why = f"flavours: {', '.join(flavour.name for flavour in offered) or 'none'}"
        found["flavour"] = (fitting[0].name if fitting else "none", why)
        default = platforms.default_flavour
        if default is not None:
            found["flavour_above_default"] = (not _holds(default, sizes, platforms.vps_system_bytes), f"{default.name} needs no reason")
    height = value(known, "server.height_u")
    if height is not None and platforms.racks:
        free = max(rack.units - rack.used_units for rack in platforms.racks)
        found["rack_room"] = (free >= height, f"the emptiest rack has {free} units free")
    return found


def _holds(flavour: Flavour, sizes: Sequence[Any], system_bytes: int) -> bool:
    cpus, memory, disk = sizes
    return bool(flavour.cpus >= cpus and flavour.memory_bytes >= memory and flavour.disk_bytes >= disk + system_bytes)


def _place(names: Sequence[str], address: str, campus: Campus) -> Mapping[str, Told]:
    """Outside the school's domains or its network (双非)."""
    found: dict[str, Told] = {}
    foreign = [name for name in names if campus.holds_name(name) is False]
    if names and campus.domains:
        shown = f": {', '.join(foreign[:5])}" if foreign else ""
        found["own_domain"] = (bool(foreign), f"{len(foreign)} of {len(names)} names outside {', '.join(campus.domains)}{shown}")
    inside = campus.holds_address(address) if address else None
    if inside is not None:
        found["off_network"] = (not inside, f"its host is {address}")
    return found
