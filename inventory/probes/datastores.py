"""Database servers that are seen and not asked: MongoDB, memcached, Elasticsearch, SQL Server, Oracle, Dameng and their like.

In: processes, their listeners, the names of packages and of files beside them.  No client is run: MongoDB's keeps a log in the caller's
home, memcached has no names to list, and the others' want a password.  Out: `database_server` {server "product:PORT" or
"product:INSTANCE", product, version (from the package or the name of a jar; None when neither tells), ports, datadir, config_file,
container, bytes (of the data directory), complete false} and an `unknown` that says what of it was not read; `database` for MongoDB's
old storage engine, whose files bear the databases' names.
"""

from __future__ import annotations

import re
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import SHOW, number

PRODUCTS = {
    "mongod": ("MongoDB", r"mongodb-org-server|mongodb-server|mongodb|mongodb-server-core"), "mongos": ("MongoDB router", "mongodb-org-mongos"),
    "memcached": ("memcached", "memcached"), "sqlservr": ("SQL Server", "mssql-server"), "tnslsnr": ("Oracle listener", ""),
    "db2sysc": ("Db2", ""), "clickhouse-serv": ("ClickHouse", "clickhouse-server"), "influxd": ("InfluxDB", "influxdb2?"),
    "dmserver": ("Dameng", ""), "kingbase": ("KingbaseES", ""), "gaussdb": ("GaussDB", ""), "observer": ("OceanBase", ""),
    "tidb-server": ("TiDB", ""), "firebird": ("Firebird", r"firebird[0-9.]*-server.*"), "fbserver": ("Firebird", ""),
    "dataserver": ("Sybase ASE", ""), "oninit": ("Informix", ""), "arangod": ("ArangoDB", "arangodb3"), "etcd": ("etcd", "etcd(-server)?"),
    "slapd": ("OpenLDAP", "slapd|openldap-servers"),
}  # fmt: skip
"""A process's name (the kernel keeps 15 characters) → product, and an expression for its packages."""
JAVA = {
    "org.elasticsearch.": "Elasticsearch", "org.opensearch.": "OpenSearch", "org.apache.cassandra.service.": "Cassandra",
    "org.neo4j.": "Neo4j", "com.neo4j.": "Neo4j", "org.apache.hadoop.hbase.": "HBase", "-Dsolr.solr.home=": "Solr",
    "org.h2.tools.": "H2", "org.apache.derby.drda.": "Derby",
}  # fmt: skip
"""How an argument of a Java process begins → product.  A jar's name in its class path says nothing."""
_PACKAGES = "|".join(sorted({names for _, names in PRODUCTS.values() if names}))

SCRIPT = (
    SHOW
    + f"NAMES='{'|'.join(PRODUCTS)}|ora_pmon_.*'\nJAVA='^({'|'.join(name.replace('.', '[.]') for name in JAVA)})'\nPACKAGES='{_PACKAGES}|elasticsearch|opensearch'\n"
    + r"""
found=`grep -lE "^($NAMES|java|beam.smp)$" /proc/[0-9]*/comm 2>/dev/null | sed 's:/comm$::'`
test -n "$found" || exit 0
# only options that say where something lies; a command line can hold passwords
options() { tr '\000' '\n' < "$1/cmdline" 2>/dev/null | awk '
  want != "" { print "|option " want " " substr($0, 1, 300); want = ""; next }
  /^(--port|--dbpath|--config|-f|-p|-l|--datadir|--data-dir|-D)$/ { want = $0; sub(/^-+/, "", want); next }
  /^--(port|dbpath|config|data-dir|config-file)=/ { sub(/^--/, ""); at = index($0, "="); print "|option " substr($0, 1, at - 1) " " substr($0, at + 1, 300); next }
  /^-D(es|opensearch|cassandra|solr|neo4j)[.](path[.])?(home|conf|data|solr[.]home)=/ { sub(/^-D/, ""); at = index($0, "="); print "|option " substr($0, 1, at - 1) " " substr($0, at + 1, 300) }'; }
ports() {
  own=`ls -l "$1/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\].*/\1/p' | tr '\n' ' '`
  cat "$1/net/tcp" "$1/net/tcp6" 2>/dev/null | awk -v own=" $own" '$4 == "0A" && index(own, " " $10 " ") { n = split($2, a, ":"); print "|port " a[n] }' | sort -u
}
for p in $found; do
  name=`cat "$p/comm" 2>/dev/null`
  case $name in
    java|beam.smp)
      class=`tr '\000' '\n' < "$p/cmdline" 2>/dev/null | grep -oE -e "$JAVA" -e couchdb | head -n 1`
      case $name$class in java) continue ;; java*) name=$class ;; beam.smpcouchdb) name=couchdb ;; *) continue ;; esac ;;
  esac
  mark store "$name"
  space=`readlink "$p/ns/pid" 2>/dev/null`
  if test -n "$space" && test "$space" != "`readlink /proc/self/ns/pid`"; then echo '|container'; fi
  if test -r "$p/fd"; then ports "$p"; else echo '|ports unreadable'; fi
  options "$p"
  case $name in
    mongod)
      conf=`options "$p" | sed -n 's/^|option \(config\|f\) //p' | head -n 1`; dir=`options "$p" | sed -n 's/^|option dbpath //p' | head -n 1`
      if test -z "$dir" && test -r "$p/root${conf:-/etc/mongod.conf}"; then
        dir=`sed -n 's/^[[:space:]]*dbpath[[:space:]]*[:=][[:space:]]*"\{0,1\}\([^"#]*[^"# ]\).*/\1/p; s/^[[:space:]]*dbPath[[:space:]]*:[[:space:]]*"\{0,1\}\([^"#]*[^"# ]\).*/\1/p' "$p/root${conf:-/etc/mongod.conf}" | head -n 1`
      fi
      if test -n "$dir"; then
        mark datadir "$dir"
        limit 8 du -sk "$p/root$dir" 2>/dev/null | awk '{ print "|kib " $1; exit }'
        for f in "$p/root$dir"/*.ns "$p/root$dir"/*/*.ns; do if test -f "$f"; then f=${f##*/}; printf '|database %s\n' "${f%.ns}"; fi; done
      fi ;;
    org.elasticsearch.|org.opensearch.)
      home=`options "$p" | sed -n 's/^|option [a-z]*[.]path[.]home //p' | head -n 1`
      for j in "$p/root$home"/lib/elasticsearch-[0-9]*.jar "$p/root$home"/lib/opensearch-[0-9]*.jar; do if test -f "$j"; then printf '|jar %s\n' "${j##*/}"; fi; done ;;
  esac
done
if test -r /var/lib/dpkg/status; then
  echo '@ packages'
  awk -v names="^($PACKAGES)\$" '/^Package: / { p = $2; s = "" } /^Status: / { s = $0 } /^Version: / && s ~ / installed/ && p ~ names { print "|" p " " $2 }' /var/lib/dpkg/status
elif have rpm; then
  echo '@ packages'
  limit 10 rpm -qa --qf '%{NAME} %{VERSION}\n' 2>/dev/null | grep -E "^($PACKAGES) " | show
elif test -r /lib/apk/db/installed; then
  echo '@ packages'
  awk -v names="^($PACKAGES)\$" '/^P:/ { p = substr($0, 3) } /^V:/ && p ~ names { print "|" p " " substr($0, 3) }' /lib/apk/db/installed
fi
"""
)


def parse(section: Section) -> list[Observation]:
    """`database_server`, `database`, `unknown`."""
    found: list[Observation] = []
    packages: dict[str, str] = {}
    stores: list[tuple[Block, dict[str, Any]]] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "packages":
            packages |= {line.partition(" ")[0]: line.partition(" ")[2] for line in block.lines}
        elif block.tag == "store":
            stores.append((block, _store(block)))
        elif block.tag == "datadir" and stores:
            stores[-1][1]["datadir"] = block.value
            for offset, line in enumerate(block.lines, start=1):
                word, _, rest = line.partition(" ")
                if word == "kib" and (kib := number(rest)) is not None:
                    stores[-1][1]["bytes"] = kib * 1024
                elif word == "database":
                    stores[-1][1]["databases"].append((rest, block.line + offset))
    for block, data in stores:
        names = data.pop("databases")
        pattern = PRODUCTS.get(block.value, ("", ""))[1] or ("" if data["product"] not in JAVA.values() else data["product"].lower())
        known = [version for name, version in packages.items() if pattern and re.fullmatch(pattern, name)]
        if known and not data["version"] and not data["container"]:
            data["version"] = re.sub(r"^\d+:", "", known[0]).partition("-")[0].partition("+")[0]
        found.append(Observation("database_server", data, block.line))
        found += [Observation("database", {"server": data["server"], "name": name}, line) for name, line in names]
        what = "which databases it holds" if data["product"] != "memcached" else "what it holds"
        why = f"{data['product']} is seen by its process only: {what}, their sizes and users were not asked for"
        found.append(Observation("unknown", {"what": f"databases:{data['server']}", "why": why}, block.line))
    return sorted(found, key=lambda item: item.line)


def _store(block: Block) -> dict[str, Any]:
    name = block.value
    oracle = name.startswith("ora_pmon_")
    product = "Oracle" if oracle else PRODUCTS.get(name, (JAVA.get(name, "CouchDB" if name == "couchdb" else name), ""))[0]
    data: dict[str, Any] = {"product": product, "version": None, "ports": [], "container": "container" in block.lines, "complete": False}
    data |= {"datadir": None, "config_file": None, "databases": []}
    for line in block.lines:
        word, _, rest = line.partition(" ")
        if word == "port" and re.fullmatch(r"[0-9A-Fa-f]{4}", rest):
            data["ports"].append(str(int(rest, 16)))
        elif word == "jar" and (match := re.search(r"-(\d{1,4}(?:\.\d{1,4}){1,3})", rest)):
            data["version"] = match.group(1)
        elif word == "option":
            key, _, value = rest.partition(" ")
            if key in {"dbpath", "datadir", "data-dir", "D", "es.path.data"}:
                data["datadir"] = value
            elif key in {"config", "f", "config-file", "es.path.conf"} and value.startswith("/"):
                data["config_file"] = value
            elif key in {"port", "p"} and re.fullmatch(r"\d{1,5}", value, re.A) and not data["ports"]:
                data["ports"].append(value)
    data["ports"] = sorted(set(data["ports"]), key=int)
    place = name.removeprefix("ora_pmon_") if oracle else (data["ports"] or [""])[0]
    data["server"] = f"{product.lower().replace(' ', '-')}:{place}".rstrip(":")
    data["port"] = data["ports"][0] if data["ports"] else None
    return data


PROBE = Probe("datastores", SCRIPT, parse, seconds=30, max_bytes=500_000)
