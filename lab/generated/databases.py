"""The sections mariadb and postgresql of a generated server: settings, accounts, schemas with their tables, definers and grants.

In: a server with the schemas that it holds.  Out: lines; names stand in hexadecimal, as the collector's queries print them.
"""

from __future__ import annotations

from generated.model import EVERYWHERE, Database, Server

_ALL = "SELECT,INSERT,UPDATE,DELETE,CREATE,DROP,REFERENCES,INDEX,ALTER,EXECUTE,CREATE VIEW,SHOW VIEW,CREATE ROUTINE,EVENT,TRIGGER"
_ROOT = f"{_ALL},PROCESS,SUPER,RELOAD,SHOW DATABASES"
_COLLATIONS = {"gbk": "gbk_chinese_ci", "latin1": "latin1_swedish_ci", "utf8mb4": "utf8mb4_general_ci", "utf8": "utf8_general_ci"}


def hexadecimal(text: str) -> str:
    """As MariaDB's HEX() writes it."""
    return text.encode().hex().upper()


def mariadb(server: Server) -> list[str]:
    """The section; empty where nothing of the family runs."""
    held = [item for item in server.databases if item.product in {"MySQL", "MariaDB"}]
    if not held:
        return []
    if "user" in server.gaps:
        return ["@ unknown databases the server at /run/mysqld/mysqld.sock refuses this account; see docs/security.md for a read-only one"]
    system = server.system
    product, version = system.database if system else ("MariaDB", "10.11.6")
    wide = "%" if server.kind == "database" else "localhost"
    settings = {
        "bind_address": EVERYWHERE if server.kind == "database" else "127.0.0.1",
        "character_set_server": "utf8mb4",
        "datadir": "/var/lib/mysql/",
        "event_scheduler": "ON" if any(item.events for item in held) else "OFF",
        "max_connections": "151",
        "port": "3306",
        "socket": "/run/mysqld/mysqld.sock",
        "sql_mode": "NO_ENGINE_SUBSTITUTION",
        "time_zone": "SYSTEM",
        "version": f"{version}-MariaDB" if product == "MariaDB" else version,
        "version_comment": f"{product} Server",
    }
    accounts = [("root", "localhost"), *dict.fromkeys((item.user, wide) for item in held)]
    accounts += [(item.definer, "localhost") for item in held if item.definer and (item.definer, "localhost") not in accounts]
    lines = ["@ server host /run/mysqld/mysqld.sock", "@ self", f"|{hexadecimal('root@localhost')}", "@ variables"]
    lines += [f"|{name}\t{value}" for name, value in settings.items()] + ["@ accounts"]
    lines += [f"|{hexadecimal(user)}\t{hexadecimal(host)}" for user, host in dict.fromkeys(accounts)]
    lines += ["@ schemas", *(f"|{hexadecimal(item.name)}\t{item.charset}\t{_COLLATIONS[item.charset]}" for item in held)]
    lines += ["@ counts", *(f"|{hexadecimal(item.name)}\t{item.tables}" for item in held)]
    root_ = hexadecimal("'root'@'localhost'")
    lines += ["@ grants", f"|{root_}\t-\t{_ROOT}\tYES"]
    lines += [f"|{hexadecimal(_grantee(item.user, wide))}\t{hexadecimal(item.name)}\t{_ALL}\tNO" for item in held]
    lines += ["@ tablegrants", "@ clients", "@ routines", "@ triggers", *_objects(held, "triggers"), "@ events", *_objects(held, "events")]
    lines += ["@ keys", "@ replication", "@ tables", *(line for item in held for line in _tables(item)), "@ views"]
    return [*lines, "@ columns", *(_column(item) for item in held), "@ samples"]


def _grantee(user: str, host: str) -> str:
    return f"'{user}'@'{host}'"


def _objects(held: list[Database], tag: str) -> list[str]:
    counted = [(item, item.triggers if tag == "triggers" else item.events) for item in held if item.definer]
    state = "-" if tag == "triggers" else "ENABLED"
    return [f"|{hexadecimal(item.name)}\t{hexadecimal(item.definer + '@localhost')}\t{state}\t{count}" for item, count in counted if count]


def _tables(item: Database) -> list[str]:
    """One row a table: the first holds what is in MyISAM, the second the rest, the others are empty."""
    schema, collation = hexadecimal(item.name), _COLLATIONS[item.charset]
    inno = item.bytes - item.myisam_bytes
    rows = [("InnoDB", inno)] if not item.myisam_bytes else [("MyISAM", item.myisam_bytes), *([("InnoDB", inno)] if inno else [])]
    rows += [("InnoDB", 0)] * (item.tables - len(rows))
    return [
        f"|{schema}\t{hexadecimal(f't{at}')}\t{engine}\tBASE TABLE\t{collation}\t{size // 200}\t{size}\t0\t1795400000\tDynamic\t0"
        for at, (engine, size) in enumerate(rows)
    ]


def _column(item: Database) -> str:
    return (
        f"|{hexadecimal(item.name)}\t{hexadecimal('t0')}\t{hexadecimal('title')}\tvarchar\t{item.charset}\t{_COLLATIONS[item.charset]}\t0"
    )


def postgresql(server: Server) -> list[str]:
    """The section; empty where no cluster runs."""
    held = [item for item in server.databases if item.product == "PostgreSQL"]
    if not held:
        return []
    if "user" in server.gaps:
        return ["@ unknown databases:postgresql this account may not ask the cluster at /var/lib/postgresql"]
    settings = {
        "data_directory": "/var/lib/postgresql/15/main",
        "listen_addresses": "localhost",
        "port": "5432",
        "server_encoding": "UTF8",
        "server_version": "15.6 (Debian 15.6-0+deb12u1)",
        "unix_socket_directories": "/var/run/postgresql",
    }
    lines = [
        "@ cluster /var/lib/postgresql/15/main",
        "@ settings",
        *(f"|{name}\t{value.encode().hex()}" for name, value in sorted(settings.items())),
    ]
    lines += ["@ self", "|706f737467726573\tt\tf", "@ databases"]
    place = "\t".join(["UTF8", "43", "43", "t", "f", "70675f64656661756c74"])
    lines += [f"|{item.name.encode().hex()}\t{item.user.encode().hex()}\t{place}\t{item.bytes}" for item in held]
    lines += [
        "@ roles",
        "|706f737467726573\tt\tt\tt\tt\tf",
        *(f"|{user.encode().hex()}\tf\tf\tf\tt\tf" for user in dict.fromkeys(i.user for i in held)),
    ]
    lines += ["@ members", "@ owned", "@ tablespaces", "@ clients", "@ replicas", "@ slots"]
    for item in held:
        lines += [f"@ database {item.name.encode().hex()}", "@ extensions", "@ relations"]
        lines += [
            f"|7075626c6963\tr\t{item.tables}\t{item.bytes // 300}\t0\t0",
            "@ schemas",
            "|7075626c6963\t706f737467726573",
            "@ functions",
            "@ triggers",
        ]
    return lines
