"""MariaDB/MySQL over the local socket as root: server, schemas, definers, users with their schemas; read only, never hashes."""

from __future__ import annotations

import binascii
from typing import Any

from inventory.probes.base import Observation, Probe, Section, blocks, unknown

# every text column travels as HEX, so that a hostile name can hold tabs and newlines
_USER_SCHEMAS = "NOT IN ('mysql','sys','information_schema','performance_schema')"
SCRIPT = rf"""
pids=`ls -d /proc/[0-9]* 2>/dev/null | while read -r p; do case "\`readlink $p/exe 2>/dev/null\`" in */mysqld|*/mariadbd) echo ${{p#/proc/}};; esac; done`
test -n "$pids" || {{ for f in /usr/sbin/mysqld /usr/sbin/mariadbd /usr/libexec/mysqld; do test -x $f && echo "@ installed $f"; done; exit 0; }}
echo "@ running $pids"
c=`command -v mariadb || command -v mysql` || {{ echo "@ unknown databases no client program on the host"; exit 0; }}
q() {{ "$c" $1 --batch --skip-column-names --connect-timeout=5 -e "SET SESSION TRANSACTION READ ONLY; $2" 2>/dev/null; }}
o=""
for try in "" --defaults-file=/root/.my.cnf --defaults-file=/etc/mysql/debian.cnf; do
  case "$try" in --defaults-file=*) test -r "${{try#*=}}" || continue;; esac
  if q "$try" "SELECT 1" >/dev/null; then o=$try; ok=1; break; fi
done
test -n "$ok" || {{ echo "@ unknown databases the server refuses this account; see docs/security.md for a read-only one"; exit 0; }}
echo "@ server"
q "$o" "SELECT HEX(@@version),HEX(@@version_comment),@@port,HEX(@@socket),HEX(@@datadir),HEX(@@time_zone),HEX(@@sql_mode),@@character_set_server,@@collation_server,@@event_scheduler" | sed 's/^/|/'
echo "@ schemas"
q "$o" "SELECT HEX(SCHEMA_NAME),DEFAULT_CHARACTER_SET_NAME,DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME {_USER_SCHEMAS}" | sed 's/^/|/'
echo "@ tables"
q "$o" "SELECT HEX(TABLE_SCHEMA),IFNULL(ENGINE,'VIEW'),IFNULL(TABLE_COLLATION,'-'),COUNT(*),IFNULL(SUM(TABLE_ROWS),0),IFNULL(SUM(DATA_LENGTH+INDEX_LENGTH),0) FROM information_schema.TABLES WHERE TABLE_SCHEMA {_USER_SCHEMAS} GROUP BY 1,2,3" | sed 's/^/|/'
echo "@ objects"
q "$o" "SELECT 'routines',HEX(ROUTINE_SCHEMA),HEX(DEFINER),COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA {_USER_SCHEMAS} GROUP BY 2,3 UNION ALL SELECT 'triggers',HEX(TRIGGER_SCHEMA),HEX(DEFINER),COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA {_USER_SCHEMAS} GROUP BY 2,3 UNION ALL SELECT 'events',HEX(EVENT_SCHEMA),HEX(DEFINER),COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA {_USER_SCHEMAS} GROUP BY 2,3 UNION ALL SELECT 'views',HEX(TABLE_SCHEMA),HEX(DEFINER),COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA {_USER_SCHEMAS} GROUP BY 2,3" | sed 's/^/|/'
echo "@ columns"
q "$o" "SELECT HEX(TABLE_SCHEMA),COUNT(*) FROM information_schema.COLUMNS WHERE CHARACTER_SET_NAME='latin1' AND TABLE_SCHEMA {_USER_SCHEMAS} GROUP BY 1" | sed 's/^/|/'
echo "@ users"
q "$o" "SELECT HEX(User),HEX(Host),HEX(Db) FROM mysql.db" | sed 's/^/|/'
"""


def _text(value: str) -> str:
    try:
        return binascii.unhexlify(value).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return value


def parse(section: Section) -> list[Observation]:
    """`database_server`, `database`, `database_user`, `unknown`."""
    found: list[Observation] = []
    schemas: dict[str, tuple[dict[str, Any], int]] = {}
    users: dict[tuple[str, str], tuple[list[str], int]] = {}
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        for offset, line in enumerate(block.lines, start=1):
            cells = line.split("\t")
            at = block.line + offset
            if block.tag == "server" and len(cells) == 10:
                names = [
                    "version",
                    "comment",
                    "port",
                    "socket",
                    "datadir",
                    "time_zone",
                    "sql_mode",
                    "charset",
                    "collation",
                    "event_scheduler",
                ]
                server = {
                    k: _text(v) if k in {"version", "comment", "socket", "datadir", "time_zone", "sql_mode"} else v
                    for k, v in zip(names, cells, strict=True)
                }
                server["product"] = "MariaDB" if "mariadb" in (server["version"] + server["comment"]).lower() else "MySQL"
                server["version"] = server["version"].partition("-")[0]
                found.append(Observation("database_server", server, at))
            elif block.tag == "schemas" and len(cells) == 3:
                data = {
                    "server": "local", "name": _text(cells[0]), "charset": cells[1], "collation": cells[2], "bytes": 0, "tables": 0,
                    "rows_estimate": 0, "engines": {}, "table_collations": {}, "myisam_bytes": 0, "views": 0, "routines": 0,
                    "triggers": 0, "events": 0, "definers": [], "latin1_columns": 0,
                }  # fmt: skip
                schemas[cells[0]] = (data, at)
            elif block.tag == "tables" and len(cells) == 6 and cells[0] in schemas and all(c.isdigit() for c in cells[3:]):
                _table(schemas[cells[0]][0], cells)
            elif block.tag == "objects" and len(cells) == 4 and cells[1] in schemas and cells[3].isdigit():
                schema = schemas[cells[1]][0]
                if cells[0] in {"routines", "triggers", "events", "views"}:
                    schema[cells[0]] += int(cells[3])
                    schema["definers"] = sorted({*schema["definers"], _text(cells[2])})
            elif block.tag == "columns" and len(cells) == 2 and cells[0] in schemas and cells[1].isdigit():
                schemas[cells[0]][0]["latin1_columns"] = int(cells[1])
            elif block.tag == "users" and len(cells) == 3:
                key = (_text(cells[0]), _text(cells[1]))
                users.setdefault(key, ([], at))[0].append(_text(cells[2]).replace("\\_", "_").replace("\\%", "%"))
    found += [Observation("database", data, at) for data, at in schemas.values()]
    found += [Observation("database_user", {"user": k[0], "host": k[1], "schemas": v}, at) for k, (v, at) in users.items()]
    return found


def _table(data: dict[str, Any], cells: list[str]) -> None:
    engine, collation, count, rows, size = cells[1], cells[2], *map(int, cells[3:])
    if engine == "VIEW":
        return
    data["tables"] += count
    data["rows_estimate"] += rows
    data["bytes"] += size
    data["engines"][engine] = data["engines"].get(engine, 0) + count
    data["table_collations"][collation] = data["table_collations"].get(collation, 0) + count
    if engine == "MyISAM":
        data["myisam_bytes"] += size


PROBE = Probe("mariadb", SCRIPT, parse, seconds=30)
