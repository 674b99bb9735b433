"""Addresses, routes, listeners and who talks to whom, over TCP and over Unix sockets.

In: `ip` and `ss`, or `ifconfig`, `netstat` and /proc/net where those are missing.  Out: `interface`, `address`, `route`,
`listener`, `connection`, `unix_peer`.  Local databases are spoken to over Unix sockets, which no TCP listing shows: hence `ss -xp`.
The other side's ephemeral port is dropped, so that a thousand connections of one client are one observation.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import SHOW, number

SCRIPT = (
    SHOW
    + r"""
most() {
  awk -v most=6000 -v what="$1" 'NR <= most { print "|" $0 }
    END { if (NR > most) print "@ unknown " what " only " most " of " NR " lines" }'
}
if test -d /sys/class/net; then
  echo '@ interfaces'
  get() { v=-; if test -r "$1"; then read -r v < "$1"; fi 2>/dev/null; printf '\t%s' "${v:--}"; }
  for d in /sys/class/net/*; do
    if test ! -e "$d/address"; then continue; fi
    case ${d##*/} in veth*|vnet*|tap*|cali*|tunl*|ifb*) continue ;; esac
    k=other
    if test -e "$d/device"; then k=physical; elif test -d "$d/bonding"; then k=bond; elif test -d "$d/bridge"; then k=bridge; fi
    m=; if test -e "$d/master"; then m=`readlink "$d/master"`; fi
    printf '|%s\t%s\t%s' "${d##*/}" $k "${m##*/}"
    get "$d/address"; get "$d/operstate"; get "$d/speed"; get "$d/mtu"; echo
  done
fi
if have ip && ip -o addr show >/dev/null 2>&1; then
  echo '@ ip-addr'; ip -o addr show | show
  echo '@ ip-route'; { ip -4 route show; ip -6 route show; } 2>/dev/null | awk 'NR <= 500 { print "|" $0 }'
else
  if have ifconfig; then echo '@ ifconfig'; ifconfig -a 2>/dev/null | show
  else mark unknown 'addresses ip and ifconfig missing'; fi
  if test -r /proc/net/route; then echo '@ proc-route'; show < /proc/net/route; else mark unknown 'routes ip missing'; fi
fi
if have ss && ss -lnt >/dev/null 2>&1; then
  echo '@ ss-listen'; ss -lntup | show
  echo '@ ss-established'; ss -ntp state established | most connections
  echo '@ ss-unix'; ss -xp state established | awk '$1 != "u_dgr" && $4 !~ /^\/run\/(systemd|dbus)|^@/' | most unix_peers
elif have netstat && netstat -lnt >/dev/null 2>&1; then
  echo '@ netstat'; { netstat -antup 2>/dev/null || netstat -antu; } | awk '$1 ~ /^(tcp|udp)/ && $6 !~ /_WAIT|CLOS|SYN_/' | most connections
  mark unknown 'unix_peers ss missing'
elif test -r /proc/net/tcp; then
  for f in tcp tcp6 udp udp6; do
    if test -r /proc/net/$f; then echo "@ proc-net $f"; awk '$4 ~ /^(0A|01|07)$/' /proc/net/$f | most connections; fi
  done
  mark unknown 'listener_processes ss and netstat missing'
  mark unknown 'unix_peers ss missing'
else
  mark unknown 'listeners ss, netstat and /proc/net missing'
fi
if test "`id -u`" != 0; then mark unknown 'listener_processes not root: other users processes are not named'; fi
"""
)

_PROCESS = re.compile(r'\("((?:[^"\\]|\\.){0,64})",(?:pid=)?(\d{1,10})')
_QUIET = ("/run/systemd/", "/run/dbus/", "/var/run/dbus/", "@", "/dev/log", "/run/user/")
Row = dict[str, Any]


def parse(section: Section) -> list[Observation]:
    """Observations of one host's network.  `prefix` and `port` are numbers, `gateway` and `process` may be None."""
    found: list[Observation] = []
    rows: list[tuple[Row, int]] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag in _READERS:
            for kind, data, offset in _READERS[block.tag](block):
                if kind == "row":
                    rows.append((data, block.line + 1 + offset))
                else:
                    found.append(Observation(kind, data, block.line + 1 + offset))
    return found + _sockets(rows)


Item = tuple[str, Row, int]


def _interfaces(block: Block) -> Iterator[Item]:
    """/sys/class/net: `speed_mbps` is None where the link is down or has none (virtual cards say -1)."""
    for offset, line in enumerate(block.lines):
        cells = line.split("\t")
        if len(cells) < 7 or not cells[0]:
            continue
        name, sort, master, mac, state, speed, mtu = cells[:7]
        data: Row = {
            "name": name,
            "sort": "loopback" if name == "lo" else sort,
            "mac": mac if re.fullmatch("[0-9a-f:]{11,59}", mac) and mac.strip("0:") else None,
        }
        data |= {"state": state if state not in {"-", "unknown"} else None, "speed_mbps": number(speed) or None, "mtu": number(mtu)}
        yield "interface", data | {"master": master or None}, offset


def _ip_addr(block: Block) -> Iterator[Item]:
    for offset, line in enumerate(block.lines):
        words = line.split()
        if len(words) >= 4 and words[2] in {"inet", "inet6"}:
            address = _address(words[1].split("@")[0], words[3])
            if address is not None:
                yield "address", address, offset


def _address(interface: str, text: str, mask: str = "") -> Row | None:
    try:
        parsed = ipaddress.ip_interface(f"{text}/{mask}" if mask else text)
    except ValueError:
        return None
    prefix = parsed.network.prefixlen
    return {"interface": interface, "address": str(parsed.ip), "prefix": prefix, "family": f"ipv{parsed.version}"}


def _ifconfig(block: Block) -> Iterator[Item]:
    """Both dialects: `inet addr:1.2.3.4 … Mask:255.0.0.0` and `inet 1.2.3.4 netmask 255.0.0.0`; BSD writes the mask in hex."""
    interface = ""
    for offset, line in enumerate(block.lines):
        if line[:1].strip():
            interface = line.split()[0].rstrip(":")
        words = line.replace("addr: ", "addr:").split()
        values = dict(pairwise(words))
        for name in ("inet", "inet6"):
            if name not in values:
                continue
            text = values[name].removeprefix("addr:").partition("%")[0]
            mask = values.get("netmask") or next((w[5:] for w in words if w.startswith("Mask:")), "") or values.get("prefixlen", "")
            if re.fullmatch(r"0x[0-9a-f]{8}", mask):
                mask = str(ipaddress.IPv4Address(int(mask, 16)))
            address = _address(interface, text, "" if "/" in text else mask)
            if address is not None:
                yield "address", address, offset


_ROUTE_TYPES = {"unicast", "blackhole", "unreachable", "prohibit", "broadcast", "local", "multicast", "anycast"}


def _ip_route(block: Block) -> Iterator[Item]:
    for offset, line in enumerate(block.lines):
        words = line.split()
        if words and words[0] in _ROUTE_TYPES:
            words = words[1:]
        if not words:
            continue
        values = dict(pairwise(words[1:]))
        gateway = values.get("via")
        if gateway in {"inet", "inet6"}:
            gateway = values.get(gateway)
        yield "route", {"destination": words[0], "gateway": gateway, "interface": values.get("dev")}, offset


def _proc_route(block: Block) -> Iterator[Item]:
    for offset, line in enumerate(block.lines):
        words = line.split()
        if len(words) < 8 or not all(re.fullmatch("[0-9A-Fa-f]{8}", words[i]) for i in (1, 2, 7)):
            continue
        destination, gateway, mask = (hex_ip(words[i]) for i in (1, 2, 7))
        prefix = bin(int(words[7], 16)).count("1")
        target = "default" if mask == "0.0.0.0" else f"{destination}/{prefix}"  # noqa: S104
        via = None if gateway == "0.0.0.0" else gateway  # noqa: S104
        yield "route", {"destination": target, "gateway": via, "interface": words[0]}, offset


def hex_ip(text: str) -> str:
    """The kernel prints 32-bit words in host order; every host met here is little-endian."""
    raw = bytes.fromhex(text)
    return str(ipaddress.ip_address(b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))))


def _ends(text: str) -> tuple[str, int | None]:
    """`[::1]:80`, `127.0.0.1%lo:53`, `*:80`, `:::80` → address without zone or brackets, port."""
    address, _, port = text.rpartition(":")
    address = address.partition("%")[0].strip("[]") if "%" in address else address.strip("[]")
    return _plain(address), number(port)


def _plain(address: str) -> str:
    """IPv4 seen through an IPv6 socket is the IPv4 address."""
    head, _, tail = address.rpartition(":")
    return tail if head.lower() == "::ffff" and "." in tail else address


def _row(protocol: str, local: str, peer: str, listening: bool, process: tuple[str | None, int | None]) -> Row | None:
    address, port = _ends(local)
    if port is None:
        return None
    other, other_port = _ends(peer)
    row: Row = {"protocol": protocol, "address": address, "port": port, "peer": other, "peer_port": other_port}
    return row | {"listening": listening, "process": process[0], "pid": process[1]}


def _process(text: str) -> tuple[str | None, int | None]:
    match = _PROCESS.search(text)
    return (match.group(1), int(match.group(2))) if match else (None, None)


def _ss_listen(block: Block) -> Iterator[Item]:
    for offset, line in enumerate(block.lines):
        words = line.split(None, 6)
        if len(words) >= 6 and words[0] in {"tcp", "udp"} and words[1] in {"LISTEN", "UNCONN"}:
            row = _row(words[0], words[4], words[5], True, _process(words[6] if len(words) > 6 else ""))
            if row is not None:
                yield "row", row, offset


def _ss_established(block: Block) -> Iterator[Item]:
    for offset, line in enumerate(block.lines):
        words = line.split(None, 4)
        if len(words) >= 4 and words[0].isdigit():
            row = _row("tcp", words[2], words[3], False, _process(words[4] if len(words) > 4 else ""))
            if row is not None:
                yield "row", row, offset


def _ss_unix(block: Block) -> Iterator[Item]:
    """The server's end carries the path, the client's end only an inode: the pair is joined by the inodes."""
    clients: dict[str, str | None] = {}
    named: list[tuple[str, str, str | None, int]] = []
    for offset, line in enumerate(block.lines):
        words = line.split(None, 7)
        if len(words) < 7 or not words[0].startswith("u_"):
            continue
        position = 4 if not words[1].isdigit() else 3  # with a state filter some versions leave the state's column out
        rest = line.split(None, position + 4)
        if len(rest) < position + 4:
            continue
        path, inode, peer = rest[position], rest[position + 1], rest[position + 3]
        name = _process(rest[position + 4] if len(rest) > position + 4 else "")[0]
        if path == "*":
            clients[inode] = name
        elif not path.startswith(_QUIET):
            named.append((path, peer, name, offset))
    seen = set()
    for path, peer, name, offset in named:
        key = (path, clients.get(peer), name)
        if key not in seen:
            seen.add(key)
            data = {"protocol": "unix", "local": path, "peer": clients.get(peer), "process": name, "direction": "in"}
            yield "unix_peer", data, offset


def _netstat(block: Block) -> Iterator[Item]:
    for offset, line in enumerate(block.lines):
        words = line.split(None, 6)
        if len(words) < 5 or words[0][:3] not in {"tcp", "udp"}:
            continue
        states = {"LISTEN", "ESTABLISHED"}
        state = words[5] if len(words) > 5 and words[5] in states else ""
        tail = words[6] if state and len(words) > 6 else " ".join(words[5:])
        pid, slash, name = tail.strip().partition("/")
        process = (name.split(":")[0].strip() or None, number(pid)) if slash else (None, None)
        listening = state == "LISTEN" or (words[0][:3] == "udp" and words[4].endswith(":*"))
        if listening or state == "ESTABLISHED":
            row = _row(words[0][:3], words[3], words[4], listening, process)
            if row is not None:
                yield "row", row, offset


def _proc_net(block: Block) -> Iterator[Item]:
    for offset, line in enumerate(block.lines):
        words = line.split()
        if len(words) < 4 or not all(re.fullmatch("(?:[0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4}", word) for word in words[1:3]):
            continue
        ends = [word.split(":") for word in words[1:3]]
        local, peer = (f"{hex_ip(address)}:{int(port, 16)}" for address, port in ends)
        listening = words[3] in {"0A", "07"}
        row = _row(block.value[:3], local, peer, listening, (None, None))
        if row is not None:
            yield "row", row, offset


_READERS = {
    "interfaces": _interfaces, "ip-addr": _ip_addr, "ifconfig": _ifconfig, "ip-route": _ip_route, "proc-route": _proc_route, "ss-listen": _ss_listen,
    "ss-established": _ss_established, "ss-unix": _ss_unix, "netstat": _netstat, "proc-net": _proc_net,
}  # fmt: skip


def _sockets(rows: list[tuple[Row, int]]) -> list[Observation]:
    """Listeners once each; a connection is `in` if something listens on its local port, else `out`."""
    found: dict[tuple[Any, ...], Observation] = {}
    ports = {row["port"] for row, _ in rows if row["listening"] and row["protocol"] == "tcp"}
    for row, line in rows:
        if row["listening"]:
            data = {name: row[name] for name in ("protocol", "address", "port", "pid", "process")}
            found.setdefault(("listener", row["protocol"], row["address"], row["port"]), Observation("listener", data, line))
            continue
        inward = row["port"] in ports
        local = f"{_bracket(row['address'])}:{row['port']}" if inward else row["address"]
        peer = row["peer"] if inward else f"{_bracket(row['peer'])}:{row['peer_port']}"
        data = {"protocol": row["protocol"], "local": local, "peer": peer, "process": row["process"]}
        data["direction"] = "in" if inward else "out"
        found.setdefault(("connection", local, peer, row["process"]), Observation("connection", data, line))
    return list(found.values())


def _bracket(address: str) -> str:
    return f"[{address}]" if ":" in address else address


PROBE = Probe("network", SCRIPT, parse, seconds=20, max_bytes=4_000_000)
