"""What the servers of MariaDB and MySQL answered → observations.  Pure; the questions stand in `mariadb`.

`server` is `product:socket` (and `container`): it joins all that belongs to one server, as in `postgresql` and the other databases.
- `database_server` {server, product, version, full_version, comment, port, socket, container, read_as, complete, settings {variable:
  value}, status {counter: number}, replication {replica_of, running, replicas}, plus charset, collation, time_zone, sql_mode, datadir,
  event_scheduler}.  `complete` is whether the account sees everything; if not, what it lists is a part, and an `unknown` says so.
- `database` {server, name, charset, collation, tables, views, rows_estimate, bytes = data_bytes + index_bytes, engines {engine: tables},
  engine_bytes, myisam_bytes (what stays locked while a dump without transactions reads), table_collations, row_formats, partitioned,
  largest_table {name, bytes}, last_write (newest UPDATE_TIME: InnoDB keeps it only since its start), broken_tables, column_charsets,
  column_collations, latin1_columns, zero_date_defaults, routines, triggers, events, events_enabled, definers, definers_missing (no such
  account), foreign_keys, foreign_keys_to [other schemas], samples}.  What was not asked, or
  what the reading account may not see, is absent; sums over a part of the tables stand under `at_least`, and `bytes_from` "files" says
  that a schema was not looked into and its bytes are its files'.
- `samples` {columns, rows, not_ascii, double_encoded [{table, column, rows}], utf8_in_latin1 [...], zero_dates [...]}: at most 200 rows of
  400 bytes of up to 120 columns of a server, in tables below 1 GiB; it can show that something is there, never that nothing is.
- `database_user` {server, user, host, schemas, privileges {schema: [..]}, global, grantable, table_grants, plugin}.
- `database_client` {server, user, host, database, connections}: who was connected at that moment.
"""

from __future__ import annotations

import binascii
import contextlib
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from inventory.probes.base import Block, Observation, blocks, unknown
from inventory.probes.fragments import number

_SYSTEM = {"mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys"}
_COUNTED = ("routines", "triggers", "events", "views")
_PLAIN = {
    "port": "port", "datadir": "datadir", "time_zone": "time_zone", "sql_mode": "sql_mode", "character_set_server": "charset",
    "collation_server": "collation", "event_scheduler": "event_scheduler",
}  # fmt: skip
_PARTS = {
    "self": "account", "variables": "settings", "status": "counters", "accounts": "accounts", "schemas": "databases", "grants": "grants",
    "clients": "clients", "tables": "tables", "columns": "columns", "routines": "routines", "triggers": "triggers", "events": "events",
    "views": "views", "keys": "foreign keys", "samples": "samples", "tablegrants": "grants on tables",
}  # fmt: skip


def text(value: str) -> str:
    """HEX → text; what is no HEX is given back."""
    try:
        return binascii.unhexlify(value).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return value


class _Server:
    """One server's blocks on their way to observations."""

    def __init__(self, line: int, container: bool, socket: str) -> None:
        self.line, self.container, self.socket = line, container, socket
        self.rows: dict[str, list[tuple[list[str], int]]] = {}
        self.errors: dict[str, tuple[str, int]] = {}
        self.order: set[str] = set()
        self.cut = 0

    def take(self, block: Block) -> None:
        self.order.add(block.tag)
        if block.tag == "cut":
            self.cut = block.line
        for offset, line in enumerate(block.lines, start=1):
            if line.startswith(("ERROR ", "ERROR:", "mysql: ", "mariadb: ")):
                self.errors.setdefault(block.tag, (line[:300], block.line + offset))
            else:
                self.rows.setdefault(block.tag, []).append((line.split("\t"), block.line + offset))

    def cells(self, tag: str, width: int) -> list[tuple[list[str], int]]:
        return [(cells, at) for cells, at in self.rows.get(tag, []) if len(cells) == width]


def observations(section: str) -> list[Observation]:
    """All servers of a section."""
    found: list[Observation] = []
    server: _Server | None = None
    servers: list[_Server] = []
    for block in blocks(section):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "server":
            where, _, socket = block.value.partition(" ")
            server = _Server(block.line, where == "container", socket)
            servers.append(server)
        elif server is not None:
            server.take(block)
    for each in servers:
        found += _server(each)
    return sorted(found, key=lambda item: item.line)


def _server(server: _Server) -> list[Observation]:
    settings = {cells[0].lower(): cells[1] for cells, _ in server.cells("variables", 2)}
    version = settings.get("version", "")
    if not version:
        if server.rows or server.errors:
            why = next(iter(server.errors.values()), ("the server did not say its version", server.line))[0]
            return [Observation("unknown", {"what": "databases", "why": f"{server.socket}: {why}"}, server.line)]
        return []
    product = "MariaDB" if "mariadb" in (version + settings.get("version_comment", "")).lower() else "MySQL"
    key = f"{product.lower()}:{settings.get('socket') or server.socket}" + (":container" if server.container else "")
    accounts = {(text(c[0]), text(c[1])) for c, _ in server.cells("accounts", 2)}
    complete = bool(accounts) and "schemas" not in server.errors
    data: dict[str, Any] = {"server": key, "product": product, "version": version.partition("-")[0], "full_version": version}
    data |= {"comment": settings.get("version_comment", ""), "socket": settings.get("socket") or server.socket}
    data |= {"container": server.container, "complete": complete}
    data |= {"read_as": next((text(c[0]) for c, _ in server.cells("self", 1)), None)}
    data |= {name: settings[source] for source, name in _PLAIN.items() if source in settings}
    told = {"version", "version_comment", "socket", *_PLAIN}
    data["settings"] = {name: value for name, value in sorted(settings.items()) if name not in told}
    data["status"] = {c[0].lower(): value for c, _ in server.cells("status", 2) if (value := number(c[1])) is not None}
    data["replication"] = _replication(server)
    found = [Observation("database_server", data, server.line)]
    if not complete:
        why = f"{server.socket}: {data['read_as']} may not read mysql.user; only what it may see is listed"
        found.append(Observation("unknown", {"what": "databases", "why": why}, server.line))
    for tag, (why, line) in server.errors.items():
        if tag in _PARTS and not (tag == "accounts" and not complete):
            found.append(Observation("unknown", {"what": f"databases:{_PARTS[tag]}", "why": f"{server.socket}: {why}"}, line))
    if server.cut:
        why = f"{server.socket}: more than 4000 tables; the largest schemas were not looked into"
        found.append(Observation("unknown", {"what": "databases:tables", "why": why}, server.cut))
    users = _users(server, key, complete)
    reader = tuple(str(data["read_as"] or "").rpartition("@")[::2])
    rights: dict[str, Any] = next(
        (user.data for user in users if (user.data["user"], user.data["host"]) == reader), {"global": [], "privileges": {}}
    )
    if "PROCESS" not in rights["global"]:
        why = f"{server.socket}: {data['read_as']} lacks PROCESS and sees only its own connections"
        found.append(Observation("unknown", {"what": "databases:clients", "why": why}, server.line))
    return found + _databases(server, key, accounts, rights) + users + _clients(server, key)


def _replication(server: _Server) -> dict[str, Any]:
    said = dict(cells[0].split(": ", 1) for cells, _ in server.cells("replication", 1) if ": " in cells[0])
    data: dict[str, Any] = {"replicas": sorted({text(c[1]) for c, _ in server.cells("clients", 5) if c[3].startswith("Binlog Dump")})}
    host = said.get("Master_Host") or said.get("Source_Host")
    if host:
        running = [said.get(f"{word}_{part}_Running") for part in ("IO", "SQL") for word in ("Slave", "Replica")]
        data |= {"replica_of": host, "port": said.get("Master_Port") or said.get("Source_Port")}
        data["running"] = [value for value in running if value] == ["Yes", "Yes"]
    return data


_NEEDED = {
    "routines": {"EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE", "SHOW_ROUTINE", "SHOW CREATE ROUTINE"}, "triggers": {"TRIGGER"},
    "events": {"EVENT"}, "views": {"SHOW VIEW"}, "tables": {"SELECT"},
}  # fmt: skip
"""Who lacks all of these sees an empty list where there may be much."""


def _trust(data: dict[str, Any], rights: dict[str, Any]) -> None:
    """Take out what the reading account could not have seen."""
    own = {*rights["global"], *rights["privileges"].get(data["name"], [])}
    blind = [tag for tag, needed in _NEEDED.items() if not own & needed and not (tag == "routines" and "SELECT" in rights["global"])]
    for tag in blind:
        if not data.get(tag):
            data.pop(tag, None)
    if "events" in blind and not data.get("events_enabled"):
        data.pop("events_enabled", None)
    if set(blind) & set(_COUNTED):
        for name in ("definers", "definers_missing"):
            if not data.get(name):
                data.pop(name, None)
    if "tables" in blind:
        sums = ("tables", "views", "rows_estimate", "bytes", "data_bytes", "index_bytes", "myisam_bytes")
        data["at_least"] = {name: data.pop(name) for name in sums if data.get(name) is not None}
        for name in [name for name, value in data.items() if value in (0, [], {})]:
            del data[name]


def _databases(server: _Server, key: str, accounts: set[tuple[str, str]], rights: dict[str, Any]) -> list[Observation]:
    found: dict[str, tuple[dict[str, Any], int]] = {}
    asked = {tag for tag in (*_COUNTED, "tables", "columns", "keys") if tag in _asked(server)}
    for cells, at in server.cells("schemas", 3):
        data: dict[str, Any] = {"server": key, "name": text(cells[0]), "charset": cells[1], "collation": cells[2]}
        data |= {tag: 0 for tag in _COUNTED if tag in asked}
        if "events" in asked:
            data["events_enabled"] = 0
        if "keys" in asked:
            data |= {"foreign_keys": 0, "foreign_keys_to": []}
        found[cells[0]] = (data, at)
    known = {cells[0]: number(cells[1]) for cells, _ in server.cells("counts", 2)}
    tables, columns = _by_schema(server.cells("tables", 11)), _by_schema(server.cells("columns", 7))
    for schema, (data, _) in found.items():
        if "tables" in asked and (schema in tables or not known.get(schema)):
            _tables(data, tables.get(schema, []))
            _columns(data, columns.get(schema, []), "columns" in asked)
        elif known.get(schema) is not None:
            data["tables"] = known[schema]
            data.pop("views", None)
    _objects(server, found, accounts)
    for cells, _ in server.cells("keys", 3):
        if cells[0] in found and (count := number(cells[2])) is not None and "keys" in asked:
            data = found[cells[0]][0]
            data["foreign_keys"] += count
            if cells[1] != cells[0]:
                data["foreign_keys_to"] = sorted({*data["foreign_keys_to"], text(cells[1])})
    _samples(server, found)
    folders = {cells[1].rstrip("/").rpartition("/")[2]: number(cells[0]) for cells, _ in server.cells("cut", 2)}
    for data, _ in found.values():
        if "bytes" not in data and (kib := folders.get(data["name"])) is not None:
            data |= {"bytes": kib * 1024, "bytes_from": "files"}
    for data, _ in found.values():
        _trust(data, rights)
    return [Observation("database", data, at) for data, at in found.values()]


def _by_schema(rows: list[tuple[list[str], int]]) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for cells, _ in rows:
        found.setdefault(cells[0], []).append(cells)
    return found


def _asked(server: _Server) -> set[str]:
    """The questions that were put and not refused: an empty answer to one of these is a fact."""
    return {tag for tag in server.order if tag not in server.errors}


def _tables(data: dict[str, Any], rows: list[list[str]]) -> None:
    data |= {"tables": 0, "rows_estimate": 0, "bytes": 0, "data_bytes": 0, "index_bytes": 0, "myisam_bytes": 0, "partitioned": 0}
    engines: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    collations: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    largest, written, broken = ("", -1), 0, []
    for cells in rows:
        counts = [number(cell) for cell in cells[5:9]]
        if cells[3] not in {"BASE TABLE", "SYSTEM VERSIONED"} or None in counts:
            continue
        many, content, index, at = (value or 0 for value in counts)
        data["tables"] += 1
        if cells[2] == "-":
            broken.append(text(cells[1]))
            continue
        data["rows_estimate"] += many
        data["data_bytes"] += content
        data["index_bytes"] += index
        data["partitioned"] += cells[10] == "1"
        engines[cells[2]] += 1
        sizes[cells[2]] += content + index
        collations[cells[4]] += 1
        formats[cells[9]] += 1
        if content + index > largest[1]:
            largest = (text(cells[1]), content + index)
        written = max(written, at)
    data["bytes"] = data["data_bytes"] + data["index_bytes"]
    data["myisam_bytes"] = sizes.get("MyISAM", 0)
    data |= {"engines": dict(engines), "engine_bytes": dict(sizes), "table_collations": dict(collations), "row_formats": dict(formats)}
    data["broken_tables"] = sorted(broken)
    if largest[1] >= 0:
        data["largest_table"] = {"name": largest[0], "bytes": largest[1]}
    if written:
        with contextlib.suppress(ValueError, OverflowError, OSError):
            data["last_write"] = datetime.fromtimestamp(written, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _columns(data: dict[str, Any], rows: list[list[str]], asked: bool) -> None:
    if not asked:
        return
    charsets = Counter(cells[4] for cells in rows if cells[4] != "-")
    data |= {"column_charsets": dict(charsets), "column_collations": dict(Counter(cells[5] for cells in rows if cells[5] != "-"))}
    data["latin1_columns"] = charsets.get("latin1", 0)
    data["zero_date_defaults"] = sum(cells[6] == "1" for cells in rows)


def _objects(server: _Server, found: dict[str, tuple[dict[str, Any], int]], accounts: set[tuple[str, str]]) -> None:
    definers: dict[str, set[str]] = {schema: set() for schema in found}
    asked = _asked(server)
    for tag in _COUNTED:
        for cells, _ in server.cells(tag, 4):
            count = number(cells[3])
            if cells[0] not in found or count is None or tag not in found[cells[0]][0]:
                continue
            data = found[cells[0]][0]
            data[tag] += count
            definers[cells[0]].add(text(cells[1]))
            if tag == "events" and cells[2] == "ENABLED":
                data["events_enabled"] += count
    for schema, (data, _) in found.items():
        if definers[schema] or (asked.issuperset(_COUNTED) and "views" in data):
            data["definers"] = sorted(definers[schema])
            if accounts:
                pairs = {name: tuple(name.rpartition("@")[::2]) for name in data["definers"]}
                data["definers_missing"] = [name for name, pair in pairs.items() if pair not in accounts]


def _samples(server: _Server, found: dict[str, tuple[dict[str, Any], int]]) -> None:
    if "samples" not in server.order:
        return
    for cells, _ in server.cells("samples", 8):
        # a sum over no row is NULL
        counts = [number("0" if cell == "NULL" else cell) for cell in cells[4:]]
        if cells[0] not in found or None in counts:
            continue
        rows, high, utf8, doubled = (value or 0 for value in counts)
        data = found[cells[0]][0].setdefault(
            "samples", {"columns": 0, "rows": 0, "not_ascii": 0, "double_encoded": [], "utf8_in_latin1": [], "zero_dates": []}
        )
        place = {"table": text(cells[1]), "column": text(cells[2])}
        data["columns"] += 1
        data["rows"] += rows
        if cells[3] == "-":
            data["zero_dates"] += [place | {"rows": high}] if high else []
            continue
        data["not_ascii"] += high
        if cells[3] == "latin1":
            data["utf8_in_latin1"] += [place | {"rows": utf8, "not_ascii": high}] if utf8 else []
        elif cells[3].startswith("utf8"):
            data["double_encoded"] += [place | {"rows": doubled, "not_ascii": high}] if doubled else []


def _grantee(value: str) -> tuple[str, str]:
    """`'user'@'host'` → user, host; a role of MariaDB has no host."""
    user, at, host = value.rpartition("'@'")
    return (user.removeprefix("'"), host.removesuffix("'")) if at else (value.strip("'"), "")


def _users(server: _Server, key: str, complete: bool) -> list[Observation]:
    users: dict[tuple[str, str], tuple[dict[str, Any], int]] = {}

    def user(name: tuple[str, str], at: int) -> dict[str, Any]:
        empty = {"server": key, "user": name[0], "host": name[1], "schemas": [], "privileges": {}, "global": [], "table_grants": {}}
        return users.setdefault(name, (empty, at))[0]

    for cells, at in server.cells("accounts", 2):
        user((text(cells[0]), text(cells[1])), at)
    for cells, at in server.cells("grants", 4):
        data = user(_grantee(text(cells[0])), at)
        privileges = sorted(cells[2].split(","))
        if cells[3] == "YES":
            data["grantable"] = True
        if cells[1] == "-":
            data["global"] = privileges
        else:
            schema = text(cells[1]).replace("\\_", "_").replace("\\%", "%")
            data["privileges"][schema] = privileges
            data["schemas"] = sorted({*data["schemas"], schema})
    for cells, at in server.cells("tablegrants", 3):
        if (count := number(cells[2])) is not None:
            user(_grantee(text(cells[0])), at)["table_grants"][text(cells[1])] = count
    for cells, at in server.cells("plugins", 3):
        user((text(cells[0]), text(cells[1])), at)["plugin"] = cells[2]
    if not complete and not server.cells("accounts", 2):
        users = {name: entry for name, entry in users.items() if entry[0]["schemas"] or entry[0]["global"]}
    return [Observation("database_user", data, at) for name, (data, at) in users.items() if name[0] not in _SYSTEM]


def _clients(server: _Server, key: str) -> list[Observation]:
    found: dict[tuple[str, str, str], tuple[dict[str, Any], int]] = {}
    for cells, at in server.cells("clients", 5):
        user, host, database = (text(cell) for cell in cells[:3])
        count = number(cells[4])
        if count is None or user in {"system user", "event_scheduler", "unauthenticated user"}:
            continue
        empty: dict[str, Any] = {"server": key, "user": user, "host": host, "database": database or None, "connections": 0}
        found.setdefault((user, host, database), (empty, at))[0]["connections"] += count
    return [Observation("database_client", data, at) for data, at in found.values()]
