"""What PostgreSQL's clusters answered → observations.  Pure; the questions stand in `postgresql`.

`server` is `postgresql:PORT:DATA-DIRECTORY` (and `container`); kinds and names are those of `mariadbfacts` where the thing is the same.
- `database_server` {server, product, version, port, socket (its folder), datadir, container, complete, read_as, running, replica,
  settings {name: value}, replicas, slots, tablespaces [{name, path, bytes}], rules [line of pg_hba.conf]}.  A cluster whose files are here
  and that does not run has `running` false and its version only.
- `database` {server, name, owner, charset (encoding), collation, ctype, tablespace, bytes, is_template, allows_connections, schemas
  {schema: owner}, tables, views, materialized_views, foreign_tables, partitioned_tables, sequences, rows_estimate, tables_not_analyzed (their
  rows are not in the estimate), largest_table {schema, name, bytes}, unlogged_tables, tables_with_oids, routines (with `functions` by
  language; those of extensions left out), triggers, triggers_disabled, event_triggers, large_objects, extensions {name: version},
  foreign_servers, publications, subscriptions, rows_written (since the statistics began), in_other_tablespaces, engines {"heap": tables}}.
- `database_user` {server, user, schemas (the databases in which it owns things), owns {database: objects}, superuser, can_login, create_db,
  create_role, expires, member_of}; `database_client` {server, user, host, database, application, connections}.
"""

from __future__ import annotations

import re
from typing import Any

from inventory.probes.base import Block, Observation, blocks, unknown
from inventory.probes.fragments import number

Rows = list[tuple[list[str], int]]
_ONCE = {"settings", "self", "databases", "roles", "members", "owned", "tablespaces", "clients", "replicas", "slots", "stats"}
_KINDS = {
    "r": "tables", "v": "views", "m": "materialized_views", "f": "foreign_tables", "p": "partitioned_tables", "S": "sequences",
}  # fmt: skip
_COUNTS = {
    "unlogged": "unlogged_tables", "largeobjects": "large_objects", "publications": "publications", "subscriptions": "subscriptions",
    "oids": "tables_with_oids", "writes": "rows_written", "outside": "in_other_tablespaces",
}  # fmt: skip
_LATER = {"tablespaces", "slots", "publications", "subscriptions", "eventtriggers", "replicas", "oids", "extensions", "foreign"}
"""What old servers do not have yet: their refusal is no gap."""


def text(value: str) -> str:
    """Hex → text; what is no hex is given back."""
    try:
        return bytes.fromhex(value).decode("utf-8", "surrogateescape") if re.fullmatch(r"(?:[0-9a-f]{2})*", value) else value
    except ValueError:
        return value


class _Part:
    """The answers of one cluster, or of one of its databases."""

    def __init__(self, name: str, line: int) -> None:
        self.name, self.line = name, line
        self.rows: dict[str, Rows] = {}
        self.errors: dict[str, tuple[str, int]] = {}
        self.databases: list[_Part] = []

    def take(self, block: Block) -> None:
        rows = self.rows.setdefault(block.tag, [])
        for offset, line in enumerate(block.lines, start=1):
            if re.match(r"(ERROR:|FATAL:|psql:|could not |server closed |connection to )", line):
                self.errors.setdefault(block.tag, (line[:300], block.line + offset))
            else:
                rows.append((line.split("\t"), block.line + offset))

    def cells(self, tag: str, width: int) -> Rows:
        return [(cells, at) for cells, at in self.rows.get(tag, []) if len(cells) == width]

    def answered(self, tag: str) -> bool:
        return tag in self.rows and tag not in self.errors


def observations(section: str) -> list[Observation]:
    """All clusters of a section."""
    found: list[Observation] = []
    clusters: list[_Part] = []
    for block in blocks(section):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "cluster":
            clusters.append(_Part(block.value, block.line))
        elif block.tag == "stopped":
            version, _, path = block.value.partition(" ")
            data = {"server": f"postgresql:stopped:{path}", "product": "PostgreSQL", "version": version, "datadir": path, "running": False}
            found.append(Observation("database_server", data, block.line))
        elif clusters and block.tag == "database":
            clusters[-1].databases.append(_Part(block.value, block.line))
        elif clusters and block.tag == "hba":
            clusters[-1].rows["hba"] = [([line], block.line) for line in block.lines]
        elif clusters:
            (clusters[-1] if block.tag in _ONCE or not clusters[-1].databases else clusters[-1].databases[-1]).take(block)
    for cluster in clusters:
        found += _cluster(cluster)
    return sorted(found, key=lambda item: item.line)


def _cluster(part: _Part) -> list[Observation]:
    settings = {cells[0]: text(cells[1]) for cells, _ in part.cells("settings", 2)}
    if "server_version" not in settings:
        return []
    where = "container" if part.name.startswith("container /") else ""
    path = part.name.removeprefix("container ") if where else part.name
    port = settings.pop("port", "")
    key = f"postgresql:{port}:{path}" + (":container" if where else "")
    superuser = next((cells[1] == "t" for cells, _ in part.cells("self", 3)), False)
    sockets = settings.pop("unix_socket_directories", None) or settings.pop("unix_socket_directory", None)
    data: dict[str, Any] = {
        "server": key,
        "product": "PostgreSQL",
        "version": settings.pop("server_version").partition(" ")[0],
        "port": port,
    }
    data |= {"socket": sockets, "datadir": path, "container": bool(where), "running": True, "complete": superuser}
    data["read_as"] = next((text(cells[0]) for cells, _ in part.cells("self", 3)), None)
    data["replica"] = next((cells[2] == "t" for cells, _ in part.cells("self", 3)), None)
    data["settings"] = dict(sorted(settings.items()))
    if part.answered("replicas") and superuser:
        data["replicas"] = [{"application": text(c[0]), "host": c[1], "state": c[2]} for c, _ in part.cells("replicas", 3)]
    if part.answered("slots"):
        data["slots"] = [{"name": text(c[0]), "type": c[1], "active": c[2] == "t"} for c, _ in part.cells("slots", 3)]
    if part.answered("tablespaces"):
        data["tablespaces"] = [{"name": text(c[0]), "path": text(c[1]), "bytes": number(c[2])} for c, _ in part.cells("tablespaces", 3)]
    if "hba" in part.rows:
        data["rules"] = [" ".join(cells[0].split()) for cells, _ in part.rows["hba"]]
    found = [Observation("database_server", data, part.line)]
    if not superuser:
        why = f"{path}: {data['read_as']} is no superuser: other roles' connections and some sizes are hidden from it"
        found.append(Observation("unknown", {"what": "databases:postgresql", "why": why}, part.line))
    found += _gaps(part, path)
    inside = {each.name: each for each in part.databases}
    for cells, at in part.cells("databases", 9):
        found += _database(key, cells, at, inside.get(cells[0]), path)
    return found + _users(part, key) + _clients(part, key)


def _gaps(part: _Part, where: str) -> list[Observation]:
    return [
        Observation("unknown", {"what": f"databases:postgresql:{tag}", "why": f"{where}: {why}"}, at)
        for tag, (why, at) in part.errors.items()
        if tag not in _LATER
    ]


def _database(key: str, cells: list[str], at: int, part: _Part | None, path: str) -> list[Observation]:
    name = text(cells[0])
    data: dict[str, Any] = {"server": key, "name": name, "owner": text(cells[1]), "charset": cells[2], "collation": text(cells[3])}
    data |= {"ctype": text(cells[4]), "allows_connections": cells[5] == "t", "is_template": cells[6] == "t", "tablespace": text(cells[7])}
    if (size := number(cells[8])) is not None:
        data["bytes"] = size
    if data["is_template"] and not part:
        return []
    found = [Observation("database", data, at)]
    if part is None:
        why = f"{path}: it takes no connections" if not data["allows_connections"] else f"{path}: it was not looked into"
        return [*found, Observation("unknown", {"what": f"databases:postgresql:{name}", "why": why}, at)]
    if part.answered("relations"):
        _relations(data, part)
    if part.answered("schemas"):
        data["schemas"] = {text(c[0]): text(c[1]) for c, _ in part.cells("schemas", 2)}
    if part.answered("extensions"):
        data["extensions"] = {text(c[0]): text(c[1]) for c, _ in part.cells("extensions", 2)}
    if part.answered("functions"):
        data["functions"] = {text(c[0]): count for c, _ in part.cells("functions", 2) if (count := number(c[1])) is not None}
        data["routines"] = sum(data["functions"].values())
    if part.answered("triggers"):
        states = {c[0]: number(c[1]) or 0 for c, _ in part.cells("triggers", 2)}
        data |= {"triggers": sum(states.values()), "triggers_disabled": states.get("D", 0)}
    if part.answered("eventtriggers"):
        rows = part.cells("eventtriggers", 3)
        data["event_triggers"] = [{"name": text(c[0]), "event": c[1], "enabled": c[2] != "D"} for c, _ in rows]
    if part.answered("foreign"):
        data["foreign_servers"] = [{"name": text(c[0]), "wrapper": text(c[1])} for c, _ in part.cells("foreign", 2)]
    for tag, field in _COUNTS.items():
        for row, _ in part.cells(tag, 1):
            if part.answered(tag) and (count := number(row[0] or "0")) is not None:
                data[field] = count
    return found + _gaps(part, f"{path}: {name}")


def _relations(data: dict[str, Any], part: _Part) -> None:
    data |= dict.fromkeys(_KINDS.values(), 0) | {"rows_estimate": 0, "tables_not_analyzed": 0}
    for cells, _ in part.cells("relations", 6):
        count, rows, _, fresh = (number(cell) for cell in cells[2:])
        if count is None or rows is None or cells[1] not in _KINDS:
            continue
        data[_KINDS[cells[1]]] += count
        if cells[1] == "r":
            data["rows_estimate"] += rows
            data["tables_not_analyzed"] += fresh or 0
    data["engines"] = {"heap": data["tables"]} if data["tables"] else {}
    for cells, _ in part.cells("largest", 3):
        if (size := number(cells[2])) is not None:
            data["largest_table"] = {"schema": text(cells[0]), "name": text(cells[1]), "bytes": size}


def _users(part: _Part, key: str) -> list[Observation]:
    found = []
    groups: dict[str, list[str]] = {}
    for cells, _ in part.cells("members", 2):
        groups.setdefault(cells[0], []).append(text(cells[1]))
    owned: dict[str, dict[str, int]] = {}
    for cells, _ in part.cells("owned", 3):
        if (count := number(cells[2])) is not None:
            owned.setdefault(cells[0], {})[text(cells[1])] = count
    for cells, _ in part.cells("databases", 9):
        owned.setdefault(cells[1], {}).setdefault(text(cells[0]), 0)
    for cells, at in part.cells("roles", 6):
        flags = [cell == "t" for cell in cells[1:]]
        data: dict[str, Any] = {"server": key, "user": text(cells[0])}
        data |= dict(zip(("superuser", "create_db", "create_role", "can_login", "expires"), flags, strict=True))
        data["member_of"] = sorted(groups.get(cells[0], []))
        # objects that belong to the whole cluster stand under ''
        data["owns"] = dict(sorted(owned.get(cells[0], {}).items()))
        data["schemas"] = [name for name in data["owns"] if name]
        found.append(Observation("database_user", data, at))
    return found


def _clients(part: _Part, key: str) -> list[Observation]:
    found = []
    for cells, at in part.cells("clients", 5):
        if (count := number(cells[4])) is not None:
            data = {"server": key, "user": text(cells[1]), "host": cells[3] or "local", "database": text(cells[0]), "connections": count}
            found.append(Observation("database_client", data | {"application": text(cells[2]) or None}, at))
    return found
