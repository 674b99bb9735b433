"""One web server's section: its running masters, in containers too, and the files that their configuration is made of.

In: the name of the server.  Out: the section's sh (`script`), and what it printed as `Place`s: the host itself and each container or
chroot with its files, links and `Instance`s (`gather`).  Nothing is executed: `nginx -T` as root is not read-only, and `apachectl -S` is
not there everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from inventory.probes.base import Block, Observation, Section, blocks, unknown
from inventory.probes.web.following import FOLLOW
from inventory.probes.web.masters import APACHE, CADDY, COMMANDS, LIGHTTPD, NGINX
from inventory.webconfig.model import WebConfig

PLACE = r"""
ports() { awk '
  function number(h,  i, n) { n = 0; for (i = 1; i <= length(h); i++) n = n * 16 + index("0123456789ABCDEF", substr(h, i, 1)) - 1; return n }
  $4 == "0A" { p = $2; sub(/.*:/, "", p); p = number(toupper(p)); if (!s[p]++) printf " %d", p }' "/proc/$1/net/tcp" "/proc/$1/net/tcp6" 2>/dev/null; }
place() {
  if test -z "$R"; then echo '@ root -'; else printf '@ root %s %s %s %s\n' "$1" "$runtime" "${id:--}" "${box:--}"; printf '|listens%s\n' "`ports "$1"`"; fi
}
process() {
  u=; while read -r k x y; do case $k in Uid:) u=$x; break ;; esac; done 2>/dev/null < "/proc/$1/status"
  mark process "$1 ${u:--} $exe"
  words "$1" | awk 'NR <= 200 { print "|" substr($0, 1, 2000) }'
}
"""

_SCRIPT = r"""
exec 4>&1; show=1; want=; prefix=; mains=$NL; host_seen=
packaged() {
  dpkg-query -W -f '${Status} ${Version}\n' $1 2>/dev/null | awk '/ installed / { print $NF; exit }'
  if have rpm; then rpm -q --qf '%{VERSION}\n' $1 2>/dev/null | grep '^[0-9]' | head -n 1; fi
  if test -r /lib/apk/db/installed; then awk -v p="$1" 'BEGIN { n = split(p, w, " "); for (i = 1; i <= n; i++) P[w[i]] = 1 }
    /^P:/ { p = substr($0, 3) } /^V:/ && (p in P) { print substr($0, 3); exit }' /lib/apk/db/installed; fi
}
server() {
  if test "$1" = -; then
    last=none; resolve "$3"; case $mains in *"$NL$real$NL"*) return 0 ;; esac
  fi
  place "$1"
  if test "$1" != -; then process "$1"; fi
  if test "$R" = unreadable; then mark unknown "the files of process $1 in a container: only root may read them"; return 0; fi
  mark instance "$1 $3"
  printf '%s\n' "|version $v" "|prefix $4"
  if test -n "$5"; then printf '%s\n' "$5" | awk -F '\t' '$1 == "V" { print "|variable " $2 "=" $3 } $1 == "R" { print "|root " $2 }'; fi
  if test -z "$3"; then mark unknown "the main configuration of process $1 was not found"; return 0; fi
  if test -z "$R"; then seen=$host_seen; last=none; resolve "$3"; mains=$mains$real$NL; else seen=; fi
  state=$5
  d=${3%/*}
  if test "$2" = apache; then
    follow environment "$d/envvars$NL/etc/sysconfig/httpd$NL/etc/sysconfig/apache2$NL/etc/conf.d/apache2$NL/etc/default/apache2" "$state"
  fi
  if test ! -r "$R$3"; then mark unknown "$3 unreadable or not there"; fi
  case $3 in
    *.json) mark file "$3"; mark unknown "$3 is JSON for an adapter: its sites are not known" ;;
    *)
      follow "$2" "$3" "$state"
      case $d in
        */etc/httpd/conf|*/apache2/conf) set -- "$d" "${d%/conf}" ;;
        */conf|*/nginx|*/nginx-*|*/tengine|*/angie|*/apache2|*/apache2-*|*/apache24|*/httpd|*/lampp/etc|*/lighttpd|*/caddy) set -- "$d" ;;
        *) set -- ;;
      esac
      case $1 in /usr/local/apache2/conf|/opt/*|/www/*|/usr/local/*) set -- "$1" ;; esac
      if test $# -gt 0; then rest "$@"; fi ;;
  esac
  if test -z "$R"; then host_seen=$seen; fi
}
"""

PACKAGES = {
    "nginx": "nginx nginx-core nginx-light nginx-full nginx-extras openresty",
    "apache": "apache2 httpd httpd24-httpd apache2-prefork",
    "lighttpd": "lighttpd",
    "caddy": "caddy",
}


def script(server: str) -> str:
    """The section's sh."""
    servers = {"nginx": NGINX, "apache": APACHE, "lighttpd": LIGHTTPD, "caddy": CADDY}[server]
    package = f"if grep -qs . /var/lib/dpkg/status /lib/apk/db/installed || have rpm; then mark package \"`packaged '{PACKAGES[server]}' | head -n 1`\"; fi\n"
    return FOLLOW + COMMANDS + servers + PLACE + _SCRIPT + f"{server}_servers\n" + package


@dataclass
class Instance:
    """A server with one main configuration: running (then with its process) or only lying there."""

    main: str
    line: int
    pid: int | None = None
    uid: int | None = None
    exe: str = ""
    arguments: list[str] = field(default_factory=list)
    version: str = ""
    prefix: str = ""
    root: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    live: bool = False


@dataclass
class Place:
    """The host itself (`container` None), or a container or chroot, {pid, runtime, id, name, listens}: its files by their names in there."""

    container: dict[str, Any] | None = None
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)

    def observations(self, server: str, config: WebConfig, **more: Any) -> list[Observation]:
        """Vhosts and problems, each with the section's line that proves it; `more` goes into each vhost."""
        inside: dict[str, Any] = {"container": self.container} if self.container else {}
        found = [
            Observation("vhost", {**vhost.to_json(), **inside, **self.outside(vhost.docroot), **more}, self.line(vhost.file, vhost.line))
            for vhost in config.vhosts
        ]
        return found + [
            Observation("web_problem", {"server": server, **problem, **inside}, self.line(str(problem["file"]), int(problem["line"])))
            for problem in config.problems
        ]

    def line(self, file: str, line: int) -> int:
        """The section's line of a file's line."""
        return max(1, self.lines.get(file, 0) + line)

    def outside(self, docroot: str) -> dict[str, Any]:
        """Where the host sees a container's docroot."""
        return {"host_docroot": f"/proc/{self.container['pid']}/root{docroot}"} if self.container and docroot else {}


@dataclass
class Gathered:
    """All that a section says."""

    places: list[Place]
    found: list[Observation]
    package: str = ""


def number(text: str) -> int | None:
    """A process or user number, None if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None


def gather(section: Section, mains: tuple[str, ...] = ()) -> Gathered:
    """The section's blocks by place; what could not be read is among `found`.

    `mains` are ends of main files' names: visits before there were `@ instance` lines are read by them.
    """
    host = Place()
    gathered = Gathered([host], [])
    place, process = host, None
    for block in blocks(section.text):
        if block.tag == "root":
            process = None
            place = host if block.value == "-" else _container(block, gathered.places)
        elif block.tag == "file":
            if block.value not in place.files:
                place.files[block.value], place.lines[block.value] = block.text, block.line
        elif block.tag == "link":
            name, arrow, target = block.value.partition(" -> ")
            if arrow:
                place.links[name] = target
        elif block.tag == "process":
            process = block
        elif block.tag == "instance":
            place.instances.append(_instance(block, process))
        elif block.tag == "package":
            gathered.package = released(block.value)
        elif block.tag == "unknown":
            gathered.found.append(_unknown(block, place))
    if mains and host.files and not any(place.instances for place in gathered.places):
        host.instances += _earlier(section, host, mains)
    return gathered


def _earlier(section: Section, host: Place, mains: tuple[str, ...]) -> Iterator[Instance]:
    """The one instance of a visit that printed `@ process PID PPID UID COMMAND` and `@ version PACKAGE`."""
    masters = [block.value.split(" ") for block in blocks(section.text) if block.tag == "process"]
    version = next((block.value for block in blocks(section.text) if block.tag == "version"), "")
    given = [after for words in masters for word, after in pairwise(words) if word in {"-c", "-f", "--config"}]
    main = next((name for name in [*given, *(n for end in mains for n in sorted(host.files) if n.endswith(end))] if name in host.files), "")
    if main:
        yield Instance(
            main, host.lines[main], number(masters[0][0]) if masters else None, live=bool(masters), version=f"/{released(version)}",
            arguments=masters[0][3:] if masters else [],
        )  # fmt: skip


def _container(block: Block, places: list[Place]) -> Place:
    pid, runtime, ident, name = [*block.value.split(" ", 3), "", "", ""][:4]
    listens = [int(port) for line in block.lines[:1] for port in line.split()[1:] if port.isascii() and port.isdigit() and len(port) < 6]
    made = Place({
        "pid": number(pid), "runtime": runtime, "id": ident.strip("-")[:64], "name": name if name != "-" else "", "listens": sorted(listens),
    })  # fmt: skip
    places.append(made)
    return made


def _unknown(block: Block, place: Place) -> Observation:
    """What could not be read: most are `PATH unreadable`, where the path may hold blanks."""
    text = block.value
    for why in ("unreadable or not there", "unreadable", "larger than 2 MB"):
        if text.endswith(f" {why}"):
            found = Observation("unknown", {"what": text.removesuffix(f" {why}"), "why": why}, block.line)
            break
    else:
        found = unknown(block) if text.startswith("/") else Observation("unknown", {"what": text, "why": ""}, block.line)
    return found if place.container is None else Observation("unknown", {**found.data, "container": place.container}, block.line)


def _instance(block: Block, process: Block | None) -> Instance:
    pid, _, main = block.value.partition(" ")
    made = Instance(main, block.line)
    if process is not None and process.value.split(" ", 1)[0] == pid:
        _pid, uid, exe = [*process.value.split(" ", 2), "", ""][:3]
        made.live = True
        made.pid, made.uid, made.exe, made.arguments = number(pid), number(uid), exe, [line.replace("\x01", "\n") for line in process.lines]
    for line in block.lines:
        word, _, value = line.partition(" ")
        if word == "version":
            made.version = value
        elif word == "prefix":
            made.prefix = value.rstrip("/")
        elif word == "root":
            made.root = value
        elif word == "variable":
            name, _, text = value.partition("=")
            made.variables[name] = text
    return made


def released(package: str) -> str:
    """`1:2.4.62-1~deb12u1` → `2.4.62`."""
    return package.strip().rpartition(":")[2].partition("-")[0].partition("+")[0]


def described(server: str, instance: Instance, place: Place, package: str, user: str) -> dict[str, Any]:
    """The `web_server` observation's data.  `version` is the binary's own word, else the package's; `flavour` its name where it has one."""
    flavour, slash, version = instance.version.partition("/")
    data: dict[str, Any] = {
        "server": server, "running": instance.live, "version": version if slash else package if not place.container else "",
        "main": instance.main, "user": user, "pid": instance.pid, "prefix": instance.prefix,
    }  # fmt: skip
    if slash and flavour.lower() not in {server, "apache"}:
        data["flavour"] = flavour
    if place.container:
        data["container"] = place.container
    return data


def instances(gathered: Gathered) -> Iterator[tuple[Place, Instance]]:
    """Every instance whose main configuration is known, with its place."""
    for place in gathered.places:
        for instance in place.instances:
            if instance.main:
                yield place, instance


def running(instance: Instance) -> Mapping[str, Any]:
    """What a vhost says of its server: whether that runs; an unused configuration beside a running one is not live."""
    return {"running": instance.live}
