"""What a machine needs so that a system runs there as it runs on its own host: facts and observations → `Stack`, or why not.  Pure.

In: a workload's facts, what was observed on its host as (kind, data), and the release of the machine that takes it.  Out: a `Rebuilt` with
the stack, or with problems, all of them at once: what has no way here is never left out in silence.  Which package stands for what is
`packages.yml`.  Systems of today: a host of a Tomcat with or without a PostgreSQL database, behind nginx.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from inventory import yamlfile
from inventory.conditions import Facts, value
from planner.stackmodel import CARRIED, Stack, carried

KINDS = (
    "vhost",
    "web_server",
    "package",
    "process",
    "account",
    "group",
    "cron",
    "database",
    "database_user",
    "listener",
    "database_server",
)
"""The kinds of observations that are asked for."""
Seen = Mapping[str, Sequence[Mapping[str, Any]]]
FIRST_PORT = 8080
_OPTION = re.compile(
    r"-(?:X(?:m[nsx]|ss)[0-9]+[kKmMgG]?|XX:[+-]?[A-Za-z0-9]+(?:=[A-Za-z0-9.]+)?|D(?:file\.encoding|user\.timezone|user\.language|java\.awt\.headless)=[A-Za-z0-9/_.+-]+)"
)
_OF_TOMCAT = re.compile(
    r"-D(?:java\.util\.logging\.|jdk\.tls\.|java\.protocol\.handler\.pkgs=|sun\.io\.|org\.apache\.catalina\.security\.|ignore\.endorsed\.dirs"
    r"|catalina\.|java\.io\.tmpdir|java\.endorsed\.dirs)|--add-opens|-classpath|-cp\b"
)
"""Options that Tomcat's own scripts set: the scripts of the destination set theirs."""


@dataclass(frozen=True)
class Rebuilt:
    """`stack` is None exactly when there are problems."""

    stack: Stack | None
    problems: tuple[str, ...] = ()


@functools.cache
def catalogue() -> Mapping[str, Any]:
    """`packages.yml`: release → product → …"""
    data = yamlfile.read(Path(__file__).with_name("packages.yml")).data
    assert isinstance(data, dict)
    return data


def gather(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, list[Mapping[str, Any]]]:
    """Observations by kind."""
    found: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in KINDS}
    for kind, data in rows:
        if kind in found:
            found[kind].append(data)
    return found


def rebuild(facts: Facts, seen: Seen, release: str, position: int = 0) -> Rebuilt:
    """The stack of one workload; `position` counts the workloads of its machine, so that each gets a port of its own."""
    work = _Work(facts, seen, catalogue()[release])
    parts = work.parts(release, position)
    if work.problems:
        return Rebuilt(None, tuple(dict.fromkeys(work.problems)))
    try:
        return Rebuilt(Stack.model_validate(parts))
    except ValidationError as error:  # observed text that has no place in a command, a unit or a configuration
        said = [f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors()]
        return Rebuilt(None, tuple(said))


class _Work:
    """One workload on its way; each part adds to the problems what it cannot do."""

    def __init__(self, facts: Facts, seen: Seen, names: Mapping[str, Any]) -> None:
        self.facts, self.seen, self.names = facts, seen, names
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.installed = {str(row.get("name")) for row in seen["package"] if row.get("state", "installed") == "installed"}

    def value(self, name: str, default: Any = None) -> Any:
        return value(self.facts, name, default)

    def parts(self, release: str, position: int) -> dict[str, Any]:
        docroot = str(self.value("site.docroot") or "")
        packages = {"nginx-light", "rsync"}
        tomcat = self._tomcat(docroot, FIRST_PORT + position, packages)
        database = self._database(packages)
        if not docroot:
            self.problems.append("its docroot is unknown")
        elif not carried(docroot):
            self.problems.append(f"{docroot} is no directory of its own below {', '.join(CARRIED)}: it cannot be copied to the same place")
        self._outside()
        return {
            "release": release, "packages": sorted(packages), "users": self._users(), "folders": [docroot], "tomcat": tomcat,
            "database": database, "jobs": list(self._jobs(docroot, database)), "ports": self._ports(), "notes": self.notes,
        }  # fmt: skip

    def _tomcat(self, docroot: str, port: int, packages: set[str]) -> dict[str, Any]:
        kind = self.value("backend.kind")
        if kind != "tomcat":
            self.problems.append(
                f"there is no way yet to rebuild {kind}" if kind else "what answers behind its web server is unknown"
            )  # fmt: skip
            return {}
        server = next((row for row in self.seen["web_server"] if row.get("server") == "tomcat"), {})
        version = str(server.get("version") or "") or next((n[6:] for n in sorted(self.installed) if re.fullmatch(r"tomcat\d+", n)), "")
        series = version.partition(".")[0]
        offered = self.names["tomcat"]
        if series in offered:
            packages |= {offered[series], self.names["java"]["package"]}
        else:
            self.problems.append(
                f"Tomcat {series or '(version unknown)'} is not in the destination's release, which has {', '.join(offered)}"
                + ("; from 9 to 10 its classes change their names from javax to jakarta" if series in {"7", "8", "9"} else "")
            )
        wanted = {str(name).lower() for name in self.value("site.names", [])}
        host = next((row for row in self.seen["vhost"] if row.get("server") == "tomcat" and wanted & {*map(str.lower, row["names"])}), None)
        if host is None:
            self.problems.append("no host of its Tomcat has one of its names")
            return {}
        if host.get("contexts"):
            self.problems.append(f"its host holds other contexts beside the first: {', '.join(map(str, host['contexts'][:5]))}")
        files = sorted({str(row["file"]) for row in host.get("datasources", ())})
        if len(files) > 1:
            self.problems.append(f"its data sources stand in several files: {', '.join(files)}")
        if any(file.endswith("server.xml") for file in files):
            self.problems.append("its data source stands in server.xml, which belongs to all hosts of that Tomcat")
        drivers = [jar for package, jar in self.names["drivers"].items() if package in self.installed]
        packages |= {package for package in self.names["drivers"] if package in self.installed}
        first, *aliases = [str(name).lower() for name in host["names"]]
        return {
            "series": series or "0", "port": port, "host": first, "aliases": aliases, "docroot": docroot,
            "context": files[0] if files else "",
            "java_options": self._java_options(), "drivers": drivers,
        }  # fmt: skip

    def _java_options(self) -> list[str]:
        """What makes the same program of it: heap, collector, encoding, time zone.  Others are told, without their values."""
        kept, left = [], set()
        words = str(self.value("backend.command") or "").split()[1:]
        for word in words:
            if word.startswith("org.apache.catalina.startup."):
                break
            if _OPTION.fullmatch(word):
                kept.append(word)
            elif word.startswith("-") and not _OF_TOMCAT.match(word):
                left.add(re.split(r"[=:]", word)[0])
        self.notes += [f"the option {name} of its Java is not carried over: add it by hand if it is needed" for name in sorted(left)]
        return list(dict.fromkeys(kept))

    def _database(self, packages: set[str]) -> dict[str, Any] | None:
        if not self.value("database.used", False):
            return None
        product, name = str(self.value("database.product") or ""), str(self.value("database.name") or "")
        if product.lower() != "postgresql":
            self.problems.append(f"its database is {product or 'unknown'}: on a VPS only PostgreSQL is rebuilt so far")
            return None
        if self.value("database.remote"):
            self.problems.append(f"its database stands on another host, {self.value('database.remote')}")
            return None
        shared = [str(other) for other in self.value("database.shared_with", [])]
        if shared:
            self.problems.append(f"its database is used by {', '.join(shared)}, too")
        row = next((row for row in self.seen["database"] if row.get("name") == name and "postgresql" in str(row.get("server"))), None)
        if row is None:
            self.problems.append(f"the database {name} was not seen on its host")
            return None
        user = str(self.value("database.user") or "")
        roles = {str(role["user"]): role for role in self.seen["database_user"] if role.get("server") == row["server"]}
        if not user:
            self.problems.append("the role with which it reaches its database is unknown")
        elif roles.get(user, {}).get("superuser"):
            self.problems.append(f"it reaches its database as the superuser {user}: give it a role of its own first")
        have, series = str(self.value("database.version") or "").partition(".")[0], self.names["postgresql"]["series"]
        if not have.isdigit() or int(have) > int(series):
            self.problems.append(
                f"PostgreSQL {have or '(version unknown)'} is newer than the destination's {series}: a dump is not read backwards"
            )
        packages.add(self.names["postgresql"]["package"])
        extensions = sorted(map(str, row.get("extensions", {})))
        for extension in extensions:
            if extension not in self.names["extensions"]:
                self.problems.append(f"no package is known for the extension {extension} of its database")
            elif self.names["extensions"][extension]:
                packages.add(self.names["extensions"][extension])
        for what in ("foreign_servers", "publications", "subscriptions", "in_other_tablespaces", "event_triggers"):
            if row.get(what):
                self.problems.append(f"its database has {what.replace('_', ' ')}, which no dump carries as they are")
        if row.get("large_objects"):
            self.notes.append(
                f"its database holds {row['large_objects']} large objects: they are copied, and compared by their number and size"
            )
        locales = self._locales(row)
        packages |= {"locales"} if locales else set()
        return {
            "major": have or "0", "name": name, "owner": str(row.get("owner") or ""), "user": user,
            "encoding": str(row.get("charset") or ""), "collation": str(row.get("collation") or ""), "ctype": str(row.get("ctype") or ""),
            "locales": locales, "extensions": extensions,
        }  # fmt: skip

    def _locales(self, row: Mapping[str, Any]) -> list[str]:
        """Lines of `locale.gen` that a bare machine lacks: `zh_CN.utf8` is written `zh_CN.UTF-8 UTF-8` there."""
        found = set()
        for name in {str(row.get("collation") or ""), str(row.get("ctype") or "")}:
            if name.upper().replace("-", "") in {"C", "POSIX", "C.UTF8"}:
                continue
            match = re.fullmatch(r"([a-z]{2,3}_[A-Z]{2})\.([A-Za-z0-9-]+)", name)
            if match is None:
                self.problems.append(f"the locale {name or '(unknown)'} of its database has no name that a Debian knows")
                continue
            charset = "UTF-8" if match[2].upper().replace("-", "") == "UTF8" else match[2].upper()
            found.add(f"{match[1]}.{charset} {charset}")
        return sorted(found)

    def _users(self) -> list[dict[str, Any]]:
        """Owners of the content and who runs the program; root and what a package brings are there already."""
        wanted = {str(self.value("backend.user") or ""), *map(str, self.value("content.owners", {}))} - {"", "root"}
        accounts = {str(row["name"]): row for row in self.seen["account"]}
        found = []
        for name in sorted(wanted):
            row = accounts.get(name)
            if row is None:
                self.problems.append(f"files belong to {name}, of whom the host's list of accounts knows nothing")
                continue
            packaged = name in {"tomcat", "www-data", "postgres"}
            found.append({"name": name, "uid": row["uid"], "gid": row["gid"], "home": str(row.get("home") or "/"), "packaged": packaged})
        return found

    def _jobs(self, docroot: str, database: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Cron entries that name its files or its database; what a package brings is left to the package there."""
        name = database["name"] if database else ""
        for row in self.seen["cron"]:
            command, file = str(row.get("command") or ""), str(row.get("file") or "")
            if not row.get("enabled") or file.startswith("/usr/lib/systemd/"):
                continue
            concerned = (docroot and docroot in command) or (name and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", command))
            if not concerned:
                continue
            if str(row.get("schedule", "")).startswith("On") or "[redacted]" in command:
                self.problems.append(
                    f"the job in {file} cannot be carried over as it is: "
                    + ("it is a timer" if str(row.get("schedule", "")).startswith("On") else "a secret stands in it")
                )
                continue
            yield {"user": str(row["user"]), "schedule": str(row["schedule"]), "command": command, "file": file}

    def _outside(self) -> None:
        for link in self.value("content.links_outside", []) or []:
            self.problems.append(f"a link of its content leads outside of it: {link}")
        for mount in self.value("content.mounts", []) or []:
            self.problems.append(f"something is mounted in its content: {mount}")
        if self.value("site.tls") is True:
            self.problems.append("it is served over HTTPS, and certificates are not brought to a VPS yet")

    def _ports(self) -> list[int]:
        """What visitors reach; the program itself listens on the loopback from now on."""
        wide = {int(row["port"]) for row in self.seen["listener"] if str(row.get("address")) not in {"127.0.0.1", "::1"}}
        own = {int(port) for port in self.value("site.ports", []) or []}
        behind = str(self.value("backend.address") or "").rpartition(":")[2]
        if behind.isdigit() and int(behind) in wide and self.value("backend.exposed"):
            self.notes.append(f"port {behind} was open to everybody there; here only the web server reaches the program")
        return sorted({80} | {port for port in own & wide if port in {80, 443}} - {443})
