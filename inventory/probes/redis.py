"""Redis (Valkey, KeyDB): every server that runs here and answers without a password: version, keys per database, persistence, clients.

It is asked INFO, CONFIG GET of six harmless names, and CLIENT LIST, by `redis-cli` or, where that is missing, by bash's own sockets;
no password is tried and none is asked for.  What is printed is a list of allowed names.  Out: `database_server` {server
"redis:HOST:PORT", product, version, port, socket, mode, role, replica_of, replicas, memory_bytes, settings {dir, dbfilename, ...},
appendonly, last_save, unsaved_changes, uptime_s, protected}; `database` {server, name (its number), keys, expires};
`database_client` {server, host, database, connections}.  A server that wants a password has `protected` true and little else.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import SHOW, number

_INFO = (
    "redis_version", "valkey_version", "server_name", "redis_mode", "tcp_port", "uptime_in_seconds", "used_memory", "maxmemory", "role",
    "master_host", "master_port", "connected_slaves", "aof_enabled", "rdb_last_save_time", "rdb_changes_since_last_save",
    "cluster_enabled", "connected_clients",
)  # fmt: skip
_CONFIG = ("dir", "dbfilename", "save", "appendonly", "appendfilename", "maxmemory-policy")

SCRIPT = (
    SHOW
    + f"ALLOWED='^({'|'.join(_INFO)}|db[0-9]+):'\nCONFIG='{' '.join(_CONFIG)}'\n"
    + r"""
unset REDISCLI_AUTH
v=`dpkg-query -W -f '${Version}' redis-server 2>/dev/null`; if test -n "$v"; then mark package "$v"; fi
R=`printf '\r'`
questions() { printf 'INFO%s\n' "$1"; for c in $CONFIG; do printf 'CONFIG GET %s%s\n' "$c" "$1"; done; printf 'CLIENT LIST%s\nQUIT%s\n' "$1" "$1"; }
answers() { # what redis-cli prints, or the protocol itself
  tr -d '\r' | awk -v allowed="$ALLOWED" -v names=" $CONFIG " '
    /^-?(NOAUTH|DENIED|WRONGPASS|NOPERM)/ { sub(/^-/, ""); print "|refused " $1; next }
    /^[*$][0-9-]+$/ || /^#/ { next }
    want != "" { print "|config " want " " $0; want = ""; next }
    $0 ~ allowed { print "|info " $0; next }
    NF == 1 && index(names, " " $0 " ") { want = $0; next }
    /^id=[0-9]+ addr=/ { a = ""; d = ""; c = ""
      for (i = 1; i <= NF; i++) { if ($i ~ /^addr=/) a = substr($i, 6); if ($i ~ /^db=/) d = substr($i, 4); if ($i ~ /^cmd=/) c = $i }
      if (c !~ /^cmd=client/) print "|client " a " " d }'
}
ask() { # HOST PORT, or a socket
  if have redis-cli || have valkey-cli; then
    cli=`command -v redis-cli || command -v valkey-cli`
    if test -n "$2"; then set -- -h "$1" -p "$2"; else set -- -s "$1"; fi
    questions '' | limit 5 "$cli" "$@" 2>/dev/null | answers
  elif test -n "$2" && have bash; then
    limit 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" || exit 1; printf "%s\n" "$2" >&3; cat <&3' "$1" "$2" "`questions "$R"`" 2>/dev/null | answers
  else echo '|no client'; fi
}
for c in `grep -lE '^(redis-server|valkey-server|keydb-server)$' /proc/[0-9]*/comm 2>/dev/null`; do
  p=${c%/comm}
  title=`tr '\000' ' ' < $p/cmdline 2>/dev/null`
  mine=`readlink /proc/self/ns/net 2>/dev/null`; its=`readlink $p/ns/net 2>/dev/null`
  socket=`printf '%s\n' "$title" | sed -n 's/.* unixsocket:\([^ ]*\).*/\1/p'`
  place=`printf '%s\n' "$title" | sed -n 's/.* \([0-9a-fA-F.:*]*:[0-9]\{1,5\}\)\( .*\)\{0,1\}$/\1/p' | head -n 1`
  port=${place##*:}; host=${place%:*}; case $host in ''|'*'|0.0.0.0|::) host=127.0.0.1 ;; esac
  mark redis "`cat $c` ${socket:-$host $port}"
  if test -n "$its" && test "$its" != "$mine"; then echo '|container'; continue; fi
  if test -n "$socket"; then ask "$socket" ''; elif test -n "$port"; then ask "$host" "$port"; else echo '|no place'; fi
done
"""
)
_WHY = {"container": "it runs in a container's own network", "no": "there is no client program for it, or its place is unknown"}


def parse(section: Section) -> list[Observation]:
    """`database_server`, `database`, `database_client`, `unknown`."""
    found: list[Observation] = []
    packaged = ""
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "package":
            packaged = block.value.strip().partition("-")[0].rpartition(":")[2][:40]
        elif block.tag == "redis":
            found += _server(block)
    for item in found:  # one that wants a password still has its package's version
        if item.kind == "database_server" and item.data.get("product") == "Redis" and not item.data.get("version"):
            item.data["version"] = packaged or None
    return found


def _server(block: Block) -> list[Observation]:
    program, _, place = block.value.partition(" ")
    host, _, port = place.partition(" ")
    key = f"redis:{host}:{port}" if port else f"redis:{host}"
    info: dict[str, tuple[str, int]] = {}
    config: dict[str, str] = {}
    clients: Counter[tuple[str, str]] = Counter()
    why, first = "", 0
    for offset, line in enumerate(block.lines, start=1):
        word, _, rest = line.partition(" ")
        if word == "info":
            name, _, value = rest.partition(":")
            info[name] = (value, block.line + offset)
        elif word == "config":
            name, _, value = rest.partition(" ")
            config[name] = value
        elif word == "client" and " " in rest:
            address, _, database = rest.rpartition(" ")
            clients[address.rpartition(":")[0], database] += 1
            first = first or block.line + offset
        elif word == "refused":
            why = "it wants a password" if rest in {"NOAUTH", "WRONGPASS"} else f"it refuses: {rest}"
        elif word in _WHY:
            why = _WHY[word]
    told = {name: value for name, (value, _) in info.items()}
    products = {"valkey-server": "Valkey", "keydb-server": "KeyDB"}
    product = "Valkey" if "valkey_version" in told else products.get(program, "Redis")
    data: dict[str, Any] = {"server": key, "product": product, "version": told.get("valkey_version") or told.get("redis_version")}
    data |= {"port": port or None, "socket": None if port else host, "protected": why == "it wants a password"}
    if told:
        data |= {"mode": told.get("redis_mode"), "role": told.get("role"), "appendonly": told.get("aof_enabled") == "1"}
        data |= {"memory_bytes": number(told.get("used_memory", "")), "uptime_s": number(told.get("uptime_in_seconds", ""))}
        data |= {"replicas": number(told.get("connected_slaves", "")), "last_save": _when(told.get("rdb_last_save_time", ""))}
        data |= {"unsaved_changes": number(told.get("rdb_changes_since_last_save", "")), "settings": config}
        if told.get("master_host"):
            data["replica_of"] = f"{told['master_host']}:{told.get('master_port', '')}"
    found = [Observation("database_server", data, block.line)]
    if not told:
        found.append(Observation("unknown", {"what": f"databases:{key}", "why": why or "it did not answer"}, block.line))
    for name, (value, at) in info.items():
        if re.fullmatch(r"db\d{1,5}", name, re.A):
            counts = dict(part.partition("=")[::2] for part in value.split(","))
            entry = {"server": key, "name": name[2:], "keys": number(counts.get("keys", "")), "expires": number(counts.get("expires", ""))}
            found.append(Observation("database", entry, at))
    for (address, number_of), many in sorted(clients.items()):
        seen = {"server": key, "user": None, "host": address, "database": number_of, "connections": many}
        found.append(Observation("database_client", seen, first))
    return found


def _when(text: str) -> str | None:
    seconds = number(text)
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


PROBE = Probe("redis", SCRIPT, parse, seconds=20, max_bytes=500_000)
