"""Where a proxy leads: from a vhost's targets to the listener, its process and, where that is a web server again, its vhost.  Pure.

A target is `http://127.0.0.1:8080/app`, `ajp://localhost:8009`, `unix:/run/app.sock`, `uwsgi://unix:/run/app.sock`.  A chain ends at a
process, at a socket, at another machine, or nowhere: that nothing listens there is a fact, too (`backend.missing`), but only where the
listeners were read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory.identify.facts import Observed, Seen, Site, under

LONGEST = 8
"""Hops that are followed; more than two or three are a loop or a riddle."""
_PORTS = {"http": 80, "https": 443, "ajp": 8009, "fcgi": 9000, "scgi": 4000, "ws": 80, "wss": 443}
_TARGET = re.compile(r"(?:(?P<scheme>[a-z][a-z0-9+]*):(?://)?)?(?P<rest>.*)", re.S)
_KINDS = (
    ("tomcat", r"org\.apache\.catalina|catalina\.base|\btomcat"),
    ("java", r"(^|/)java\b|\.jar\b|jsvc"),
    ("python", r"gunicorn|uwsgi|uvicorn|hypercorn|daphne|waitress|(^|[/ ])python[0-9.]*\b|(^|[/ ])flask\b"),
    ("node", r"(^|[/ ])node(js)?\b|\bpm2\b|(^|[/ ])deno\b|(^|[/ ])bun\b|next-server"),
    ("ruby", r"\bpuma\b|\bunicorn\b|[Pp]assenger|(^|[/ ])ruby[0-9.]*\b|\bthin\b"),
    ("dotnet", r"(^|/)dotnet\b|\bmono\b|kestrel"),
    ("php", r"php-?fpm|(^|/)php[0-9.]*\b|php-cgi"),
    ("container", r"docker-proxy|\bconmon\b|containerd-shim|rootlessport|slirp4netns"),
    ("web server", r"\bnginx\b|\bhttpd\b|apache2?\b|lighttpd|\bcaddy\b|haproxy|varnishd|squid|\benvoy\b|traefik"),
    ("go", r"(^|/)(gitea|forgejo|grafana|minio|hugo|gogs)\b"),
)
"""What a process is by its command line: the first that fits."""
SYSTEMS = frozenset({"tomcat", "java", "python", "node", "ruby", "dotnet", "go"})
"""Kinds that make a workload a system: programs of their own, with a life cycle that no web server keeps."""


@dataclass(frozen=True)
class Place:
    """Where a target leads: `host` and `port`, or a Unix `socket`; `named` is a balancer or variable that the configuration left open."""

    scheme: str
    host: str = ""
    port: int = 0
    socket: str = ""
    named: str = ""

    def __str__(self) -> str:
        if not self.host:
            return self.socket or self.named
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def place(target: str) -> Place:
    """Read one target; whatever it is, there is an answer."""
    scheme, rest = _TARGET.fullmatch(target).group("scheme", "rest") if _TARGET.fullmatch(target) else ("", target)  # type: ignore[union-attr]
    scheme = (scheme or "").lower()
    if scheme == "unix" or rest.startswith("unix:") or (not scheme and rest.startswith("/")):
        path = rest.removeprefix("unix:").removeprefix("//")
        path = path.partition("|")[0]  # Apache writes unix:/run/php.sock|fcgi://localhost
        return Place(scheme if scheme != "unix" else "http", socket="/" + path.partition(":")[0].lstrip("/"))
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    if scheme in {"balancer", "jk"} or "$" in authority or not authority:
        return Place(scheme, named=target)
    if authority.startswith("["):
        host, _, tail = authority[1:].partition("]")
        text = tail.removeprefix(":")
    elif authority.count(":") == 1:
        host, _, text = authority.partition(":")
    else:
        host, text = authority, ""
    port = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else _PORTS.get(scheme, 80)
    return Place(scheme, host=host.lower(), port=port)


@dataclass
class Chain:
    """A target followed: `steps` as words, the `seen` that prove them, and what stands at the end."""

    steps: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    vhosts: list[Seen] = field(default_factory=list)
    kind: str = ""
    process: Seen | None = None
    listener: Seen | None = None
    server: Seen | None = None
    remote: str = ""
    missing: bool = False
    place: Place | None = None
    container: Seen | None = None

    @property
    def plain(self) -> bool:
        """Whether it ends at a web server that hands out files: a front before another, or before a container."""
        last = self.vhosts[-1] if self.vhosts else None
        return last is not None and last.data.get("server") != "tomcat" and not last.data.get("proxy_to")


def classify(command: str) -> str:
    """Kind of program by its command line, '' when none fits."""
    text = command[:4000]
    return next((kind for kind, pattern in _KINDS if re.search(pattern, text)), "")


def follow(target: str, names: Sequence[str], observed: Observed) -> Chain:
    """Follow one target through the host, as a request for one of `names` would go."""
    chain = Chain()
    visited: set[str] = set()
    while target and len(chain.steps) < LONGEST:
        at = place(target)
        chain.place = at
        chain.steps.append(str(at))
        if str(at) in visited or at.named:
            break
        visited.add(str(at))
        if at.socket:
            _socket(chain, at, observed)
            break
        if not _local(at.host, observed):
            chain.remote = str(at)
            break
        listener = _listener(at, observed)
        if listener is None:
            chain.missing = bool(observed.of("listener")) and "listeners" not in observed.unread
            break
        chain.listener = listener
        chain.seen.append(listener)
        _process(chain, observed.where("process", "pid", listener.data.get("pid")), str(listener.data.get("process") or ""))
        _served(chain, at, observed)
        behind = _vhost(at, names, observed) or _contained(chain, at, names, observed)
        if behind is None:
            break
        chain.vhosts.append(behind)
        chain.seen.append(behind)
        server = str(behind.data.get("server"))
        chain.steps.append(f"{server} {behind.data.get('file')}:{behind.data.get('line')}")
        chain.kind = "tomcat" if server == "tomcat" else "web server"
        target = str(next(iter(behind.data.get("proxy_to") or []), ""))
    return chain


def _local(host: str, observed: Observed) -> bool:
    if host in {"localhost", "localhost.localdomain", "ip6-localhost", "::1", "0.0.0.0", "::"} or host.startswith("127."):  # noqa: S104
        return True
    machine = observed.first("machine")
    own = {str(machine.data.get(key) or "").lower() for key in ("hostname", "fqdn")} - {""} if machine is not None else set()
    return host in observed.addresses or host in own


def _listener(at: Place, observed: Observed) -> Seen | None:
    wild = {"*", "0.0.0.0", "::", ""}  # noqa: S104
    fitting = [i for i in observed.of("listener") if i.data.get("port") == at.port and i.data.get("protocol") == "tcp"]
    exact = [i for i in fitting if str(i.data.get("address")) == at.host]
    return next(iter(exact or [i for i in fitting if str(i.data.get("address")) in wild] or fitting), None)


def _process(chain: Chain, process: Seen | None, name: str) -> None:
    if process is not None:
        chain.process = process
        chain.seen.append(process)
        chain.kind = classify(str(process.data.get("command") or ""))
    chain.kind = chain.kind or classify(name)
    if name:
        chain.steps.append(name)


def _served(chain: Chain, at: Place, observed: Observed) -> None:
    """The application server that listens there, by its own sockets: it says in which folder it runs."""
    hosts = (at.host, "127.0.0.1", "0.0.0.0", "[::]", "[::1]", "*")  # noqa: S104
    wanted = {f"unix:{at.socket}"} if at.socket else {f"{host}:{at.port}" for host in hosts}
    for item in observed.of("application_server"):
        if wanted & {str(text) for text in item.data.get("listens") or []}:
            chain.server = item
            chain.seen.append(item)
            name = str(item.data.get("server") or "")
            chain.kind = chain.kind or classify(name) or classify(str(item.data.get("command") or ""))
            if name and name not in chain.steps:
                chain.steps.append(name)
            return


def _socket(chain: Chain, at: Place, observed: Observed) -> None:
    pool = next((p for p in observed.of("php_pool") if str(p.data.get("listen")) == at.socket), None)
    if pool is not None:
        chain.kind = "php"
        chain.seen.append(pool)
        return
    _served(chain, at, observed)
    if chain.server is not None:
        process = observed.where("process", "pid", chain.server.data.get("pid"))
        _process(chain, process, "")
        return
    # the path on a command line, or the connection itself, tells as much where sockets are not listed
    process = next((p for p in observed.of("process") if at.socket in str(p.data.get("command") or "")), None)
    peer = next((p for p in observed.of("unix_peer") if p.data.get("local") == at.socket), None)
    if peer is not None:
        chain.seen.append(peer)
    _process(chain, process, str(peer.data.get("process") or "") if peer is not None else "")


def _vhost(at: Place, names: Sequence[str], observed: Observed) -> Seen | None:
    """The vhost of the server on that port that would answer: by name, else the port's default, else the first."""
    here = [v for v in observed.of("vhost") if v.data.get("enabled") and not v.data.get("container") and _listens(v, at)]
    if not here:
        return None
    wanted = {name.lower() for name in (*names, at.host)}
    for vhost in here:
        if wanted & {str(name).lower() for name in vhost.data.get("names") or []}:
            return vhost
    return next((vhost for vhost in here if vhost.data.get("default")), here[0])


def published(port: int, observed: Observed) -> tuple[Seen, int] | None:
    """The running container that a port of the host leads into, and the port inside."""
    for item in observed.of("container"):
        for pair in item.data.get("ports") or []:
            outside, inside = str(pair.get("host") or ""), str(pair.get("container") or "").partition("/")[0]
            if outside.rpartition(":")[2] == str(port) and inside.isdigit() and item.data.get("pid"):
                return item, int(inside)
    return None


def _contained(chain: Chain, at: Place, names: Sequence[str], observed: Observed) -> Seen | None:
    """The vhost inside the container that the port leads into."""
    led = published(at.port, observed)
    if led is None:
        return None
    container, port = led
    chain.container = container
    chain.kind = "container"
    chain.seen.append(container)
    chain.steps.append(f"{container.data.get('engine')} {container.data.get('name')}")
    inside = Place(at.scheme, host=at.host, port=port)
    here = [
        vhost
        for vhost in observed.of("vhost")
        if vhost.data.get("enabled") and _pid(vhost) == container.data.get("pid") and _listens(vhost, inside)
    ]
    wanted = {name.lower() for name in names}
    named = [vhost for vhost in here if wanted & {str(name).lower() for name in vhost.data.get("names") or []}]
    return next(iter(named or [vhost for vhost in here if vhost.data.get("default")] or here), None)


def _pid(vhost: Seen) -> Any:
    inside = vhost.data.get("container")
    return inside.get("pid") if isinstance(inside, Mapping) else None


def _listens(vhost: Seen, at: Place) -> bool:
    for entry in vhost.data.get("listen") or []:
        if str(entry.get("port")) == str(at.port) and str(entry.get("address") or "*") in {
            "*", "", "0.0.0.0", "[::]", "::", "_default_", at.host, "127.0.0.1", "localhost",  # noqa: S104
        }:  # fmt: skip
            return True
    return False


def describe(site: Site, chains: Sequence[Chain]) -> None:
    """What answers behind the site's web server."""
    if not chains:
        return
    main = max(chains, key=lambda chain: (*_told(chain), -chains.index(chain)))
    site.learn("backend.chain", [" → ".join(chain.steps) for chain in chains], *_once(chains))
    site.learn("backend.kind", main.kind or None, *main.seen)
    site.learn("backend.address", str(main.place) if main.place is not None and not main.place.named else None, *main.seen)
    if main.process is not None:
        site.learn("backend.command", str(main.process.data.get("command"))[:500], main.process)
        site.learn("backend.user", main.process.data.get("user"), main.process)
    elif main.server is not None:
        site.learn("backend.command", main.server.data.get("command") or None, main.server)
    elif main.listener is not None:
        site.learn("backend.command", main.listener.data.get("process") or None, main.listener)
    if main.server is not None and main.server.data.get("directory") not in {None, "", "/"}:
        site.learn("backend.folder", main.server.data["directory"], main.server, why="the folder that it runs in")
    remote = sorted({chain.remote for chain in chains if chain.remote})
    if remote:
        site.learn("backend.remote", remote, *_once(chains), why="the proxy leads to another machine")
    if any(chain.missing for chain in chains):
        gone = sorted({str(chain.place) for chain in chains if chain.missing})
        site.learn("backend.missing", gone, *_once(chains), why="nothing listens there: this part of the site cannot answer")
    listener = main.listener
    if listener is not None and listener.data.get("address") and main.kind != "php":
        wide = str(listener.data["address"]) not in {"127.0.0.1", "::1", "localhost"}
        site.learn("backend.exposed", wide, listener, why="whether visitors can pass the front by and ask the backend's port themselves")
    if main.kind in SYSTEMS:
        site.kind = "system"


def settle(site: Site, chains: Sequence[Chain], observed: Observed) -> None:
    """Where the site's files really lie, when that is the backend's to say: its program's folder, Tomcat's ROOT application."""
    folder = site.value("backend.folder")
    walked = folder and (
        observed.where("content", "docroot", folder) is not None
        or any(under(item.data.get("path"), folder) for item in observed.of("application"))
    )
    if site.value("site.docroot") is None and walked:
        servers = [chain.server for chain in chains if chain.server is not None]
        site.learn("site.docroot", folder, *servers, why="the folder that its program runs in")
    docroot = str(site.value("site.docroot") or "")
    tomcat = any(v.data.get("server") == "tomcat" for chain in chains for v in chain.vhosts) or site.value("site.web_server") == "tomcat"
    inner = observed.where("content", "docroot", f"{docroot}/ROOT") if docroot and tomcat else None
    if inner is not None and inner.data.get("exists"):
        site.learn("site.docroot", f"{docroot}/ROOT", inner, why="Tomcat's application at /")


def _told(chain: Chain) -> tuple[bool, bool, bool]:
    """How much is known of a chain's end."""
    return bool(chain.vhosts), chain.process is not None or chain.server is not None, bool(chain.kind)


def _once(chains: Iterable[Chain]) -> list[Seen]:
    found: dict[Any, Seen] = {item.evidence: item for chain in chains for item in chain.seen}
    return list(found.values())
