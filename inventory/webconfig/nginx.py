"""nginx configuration text → vhosts.  Pure: includes are resolved only among the collected files.

Our own reader (docs/decisions/0001): it keeps line numbers, goes on after a bad file, takes quoted newlines and Lua blocks,
and needs linear time.  `set`, `map` and `upstream` are followed as far as no request decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from inventory.webconfig.model import Vhost, WebConfig, unique
from inventory.webconfig.nginx_text import HSTS, Directive, expand, parse
from inventory.webconfig.tree import Tree

__all__ = ["parse", "read"]

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_PASSES = ("proxy_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "fastcgi_pass")
_MOST_VALUES = 32


@dataclass
class _Http:
    """What the http block gives to its servers."""

    prefix: str
    directives: list[Directive] = field(default_factory=list)
    upstreams: dict[str, list[str]] = field(default_factory=dict)
    maps: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)


def _all(block: Iterable[Directive], name: str) -> list[Directive]:
    return [item for item in block if item.name == name]


def read(
    files: Mapping[str, str] | Tree,
    main: str | Iterable[str] = "/etc/nginx/nginx.conf",
    links: Mapping[str, str] | None = None,
    *,
    root: str = "",
    prefix: str | None = None,
) -> WebConfig:
    """Server blocks reached from `main` (enabled), and those beside it that no include reaches (not enabled).

    `main` may be several files, when the main configuration itself was not collected; `root` is then what includes are
    relative to.  `prefix` is the server's own directory (`-p`), which relative roots start from; "" leaves them relative.
    """
    tree, config = Tree.of(files, links), WebConfig()
    mains = [main] if isinstance(main, str) else list(main)
    root = root or (mains[0].rsplit("/", 1)[0] if mains else "")
    http = _Http(_prefix(root, tree) if prefix is None else prefix)
    for name in mains:
        text = tree.text(name)
        if text is None:
            config.problem(name, 1, "the main configuration was not collected")
            continue
        real = tree.real(name)
        if real in config.reached:
            continue
        config.reached |= {name, real}
        _collect(list(expand(parse(text, real, config), tree, root, config, (real,))), http, config, True)
    config.vhosts = list({(vhost.file, vhost.line, *vhost.names): vhost for vhost in config.vhosts}.values())  # included twice
    config.finish(tree.dead)
    homes = {root, *(name.rsplit("/", 1)[0] for name in config.reached)} - {""}
    for name in sorted(tree.files):
        text = tree.files[name]
        if name in config.reached or "server" not in text or not any(name.startswith(home + "/") for home in homes):
            continue
        alone = WebConfig(reached=set(config.reached))
        before = len(config.vhosts)
        beside = _Http(http.prefix, [], dict(http.upstreams), dict(http.maps))
        _collect(list(expand(parse(text, name, alone), tree, root, alone, (name,))), beside, alone, False)
        config.vhosts += [vhost for vhost in alone.vhosts if vhost.file == name]
        if len(config.vhosts) > before:
            config.problems += [problem for problem in alone.problems if problem["file"] == name]
    return config


def _prefix(root: str, tree: Tree) -> str:
    """The compiled prefix: Debian's is not where its configuration is."""
    if root.endswith("/conf"):
        return root.removesuffix("/conf")
    if root == "/etc/nginx" and (tree.exists("/etc/nginx/modules-enabled") or tree.exists("/etc/nginx/sites-available")):
        return "/usr/share/nginx"
    return root


def _collect(block: list[Directive], http: _Http, config: WebConfig, enabled: bool) -> None:
    for item in block:
        inner = item.block or []
        if item.name == "upstream" and item.args:
            http.upstreams[item.args[0]] = [s.args[0] for s in _all(inner, "server") if s.args and "down" not in s.args]
        elif item.name == "map" and len(item.args) > 1:
            flags = {"hostnames", "volatile", "include"}
            values = {entry.name: entry.args[0] for entry in inner if entry.args and entry.name not in flags}
            http.maps[item.args[1].lstrip("$")] = (item.args[0].lstrip("$"), values)
    http.directives += [item for item in block if item.block is None]
    for item in block:
        if item.name == "http" and item.block is not None:
            _collect(item.block, _Http(http.prefix, [], http.upstreams, http.maps), config, enabled)
        elif item.name == "server" and item.block is not None and not _all(item.block, "proxy_pass"):
            # proxy_pass right inside a server is the stream module's: no web server
            config.vhosts.append(_vhost(item, http, enabled))


def _listen(item: Directive) -> dict[str, object]:
    text = item.args[0] if item.args else "80"
    address, port = ("", text) if re.fullmatch(r"\d+(-\d+)?", text) else (text, "80")
    if text.startswith("unix:"):
        address, port = text, ""
    elif ":" in text and not text.endswith("]"):
        address, _, port = text.rpartition(":")
    return {
        "address": address,
        "port": port,
        "tls": bool({"ssl", "quic"} & set(item.args)),
        "default": bool({"default_server", "default"} & set(item.args)),
    }


class _Values:
    """What variables hold in one scope, as far as the configuration alone decides it."""

    def __init__(self, names: list[str], http: _Http, sets: dict[str, str] | None = None) -> None:
        self.names, self.http = names, http
        self.known = dict(sets or {})
        plain = [name for name in names if re.fullmatch(r"[\w.-]+", name) and name != "_"]
        self.only = plain[0] if len(plain) == 1 == len([name for name in names if name not in {"_", ""}]) else ""
        if plain and "server_name" not in self.known:
            self.known["server_name"] = plain[0]
        if self.only:
            self.known = {"host": self.only, "http_host": self.only, **self.known}

    def within(self, block: list[Directive]) -> _Values:
        """The same with the `set` of an inner block."""
        inner = self
        for item in _all(block, "set"):
            if len(item.args) == 2:
                if inner is self:
                    inner = _Values(self.names, self.http, self.known)
                inner.known[item.args[0].lstrip("$")] = inner.one(item.args[1])
        return inner

    def one(self, text: str) -> str:
        """The text with what is known put in; unknown variables stay."""
        if "$" not in text:
            return text
        made = _VARIABLE.sub(lambda m: self._value(m.group(1) or m.group(2), m.group()), text)
        return made if len(made) < 4096 else text

    def _value(self, name: str, otherwise: str) -> str:
        if name in self.known:
            return self.known[name]
        source, values = self.http.maps.get(name, ("", {}))
        if source in {"host", "http_host", "server_name"} and self.only:
            return values.get(self.only, values.get("default", otherwise))
        different = set(values.values())
        return different.pop() if len(different) == 1 else otherwise

    def every(self, text: str) -> list[str]:
        """Each text that it may become, maps followed to all their values."""
        text = self.one(text)
        match = _VARIABLE.search(text)
        for found in _VARIABLE.finditer(text):
            if (found.group(1) or found.group(2)) in self.http.maps:
                match = found
                break
        else:
            return [text]
        values = unique(list(self.http.maps[match.group(1) or match.group(2)][1].values()))[:_MOST_VALUES]
        return [self.one(text[: match.start()] + value + text[match.end() :]) for value in values if value]


def _deep(block: list[Directive], values: _Values) -> Iterator[tuple[Directive, _Values]]:
    values = values.within(block)
    for item in block:
        yield item, values
        if item.block is not None:
            yield from _deep(item.block, values)


def _vhost(server: Directive, http: _Http, enabled: bool) -> Vhost:
    block = server.block or []

    def inherited(name: str) -> Directive | None:
        return next(iter(_all(block, name)), None) or next(iter(_all(http.directives, name)), None)

    names = unique([name for item in _all(block, "server_name") for name in item.args])
    listen = [_listen(item) for item in _all(block, "listen")] or [{"address": "", "port": "80", "tls": False, "default": False}]
    ssl = inherited("ssl")
    for entry in listen:
        entry["tls"] = bool(entry["tls"]) or (ssl is not None and ssl.args[:1] == ["on"])
    problems: list[str] = []
    values = _Values(names, http)
    docroot = _docroot(block, inherited("root"), values.within(block), http.prefix, problems)
    certificate, key = inherited("ssl_certificate"), inherited("ssl_certificate_key")
    tls = None
    if certificate is not None and certificate.args and any(entry["tls"] for entry in listen):
        scope = values.within(block)
        tls = {"certificate": scope.one(certificate.args[0]), "key": scope.one(key.args[0]) if key and key.args else ""}
    passed: dict[str, set[str]] = {name: set() for name in _PASSES}
    inner = list(_deep(block, values))
    given = [*((item, values) for item in http.directives), *inner]
    for item, scope in inner:
        if item.name in passed and item.args:
            passed[item.name] |= {b for target in scope.every(item.args[0]) for b in _behind(target, http.upstreams, item.name, scope)}
    fastcgi = sorted(passed.pop("fastcgi_pass"))
    proxy = sorted(set().union(*passed.values()))
    logs = _all(block, "access_log") or _all(http.directives, "access_log")
    access = [
        [_log(values.one(item.args[0]), http.prefix), item.args[1] if len(item.args) > 1 and "=" not in item.args[1] else "combined"]
        for item in logs
        if item.args and item.args[0] != "off"
    ]
    default = any(entry["default"] for entry in listen)
    return Vhost(
        "nginx", names, listen, docroot, server.file, server.line, enabled, tls, proxy, fastcgi, bool(fastcgi), _redirect(block), access,
        False, default, problems, php_handler=f"fpm {' '.join(fastcgi)}" if fastcgi else "", php_values=_php_values(given),
        hsts=_hsts(block, http.directives), forces_tls=_forces_tls(block),
    )  # fmt: skip


def _hsts(block: list[Directive], outside: list[Directive]) -> str:
    """The header that `/` is answered with: an inner block's comes before the outer one's."""
    home = [item for item in _all(block, "location") if item.args in (["/"], ["^~", "/"])]
    for level in (*(item.block or [] for item in home), block, outside):
        found = [item.args[1] for item in _all(level, "add_header") if len(item.args) > 1 and item.args[0].lower() == HSTS]
        if found:
            return found[-1]
    return ""


def _forces_tls(block: list[Directive]) -> bool:
    """`if ($scheme = http) { return 301 https://...; }` in a server that also listens for TLS."""
    tested = [item for item in _all(block, "if") if {text.strip("()") for text in item.args} & {"$scheme", "$https"}]
    return any(re.match(r"https://", _moved(item.block or [])) for item in tested)


def _php_values(directives: list[tuple[Directive, _Values]]) -> dict[str, str]:
    """What `fastcgi_param PHP_VALUE "a=1 \n b=2"` sets, of the server and of its locations; the administrator's word counts."""
    given = [(item, scope) for item, scope in directives if item.name == "fastcgi_param" and len(item.args) > 1]
    found: dict[str, str] = {}
    for wanted in ("PHP_VALUE", "PHP_ADMIN_VALUE"):
        for item, scope in given:
            if item.args[0] == wanted:
                for line in re.split(r"\n|\\n|;", scope.one(item.args[1]))[:200]:
                    name, equals, value = line.partition("=")
                    if equals:
                        found[name.strip()] = value.strip().strip("\"'")
    return found


def _log(path: str, prefix: str) -> str:
    return path if not prefix or path.startswith(("/", "syslog:", "$", "memory:")) else f"{prefix}/{path}"


def _moved(block: list[Directive]) -> str:
    """Where a block sends every request that reaches it, '' if it does not."""
    for item in block:
        if item.name == "return" and item.args:
            target = item.args[-1]
            if re.fullmatch(r"30[12378]", item.args[0]) and len(item.args) > 1:
                return target
            return target if target.startswith("http") and len(item.args) == 1 else ""
        if item.name == "rewrite" and len(item.args) > 2 and item.args[0] in {"^", "^(.*)", "^(.*)$", "^/(.*)$", "^/(.*)", ".*", "(.*)"}:
            outside = re.match(r"https?://|\$scheme", item.args[1])
            return item.args[1] if outside or item.args[2] in {"permanent", "redirect"} else ""
    return ""


def _redirect(block: list[Directive]) -> str:
    """Where a vhost that does nothing else redirects to; `(refuses)` for one that answers nobody."""
    if moved := _moved(block):
        return moved
    refuses = any(item.args and re.fullmatch(r"4\d\d|5\d\d", item.args[0]) for item in _all(block, "return"))
    if refuses:  # certbot: `if ($host = a) { return 301 https://... }`, and 404 for everything else
        return next((moved for item in _all(block, "if") if (moved := _moved(item.block or []))), "(refuses)")
    locations = [item for item in _all(block, "location") if not any(".well-known" in arg for arg in item.args)]
    if len(locations) == 1 and locations[0].args in (["/"], ["^~", "/"], ["~", ".*"], ["~", "^"]):
        return _moved(locations[0].block or [])
    return ""


def _docroot(block: list[Directive], root: Directive | None, values: _Values, prefix: str, problems: list[str]) -> str:
    scope = values
    inner: tuple[Directive, _Values] | None = None
    for item in _all(block, "location"):
        held = item.block or []
        own = next(iter(_all(held, "root")), None)
        if item.args in (["/"], ["^~", "/"]):
            own = own or next(iter(_all(held, "alias")), None)
            if own is not None:
                root, scope, inner = own, values.within(held), None
                break
        elif own is not None and inner is None and any("php" in arg for arg in item.args):
            inner = own, values.within(held)
    if root is None and inner is not None:
        root, scope = inner
    if root is None or not root.args:
        return ""
    text = scope.one(root.args[0])
    # a `$` that names no variable of nginx's (`$(`) is plain text
    if re.search(r"\$\{?\w", text):
        problems.append(f"the root {text[:300]} holds a variable that only a request decides")
        return ""
    if not text.startswith("/") and prefix:
        text = f"{prefix}/{text}"
    return text.rstrip("/") or "/"


def _behind(target: str, upstreams: dict[str, list[str]], directive: str, values: _Values) -> list[str]:
    match = re.match(r"(\w+://|)([^/:]+)(.*)", target, re.S)
    found = [target]
    if match and upstreams.get(match.group(2)):
        found = []
        for server in upstreams[match.group(2)][:_MOST_VALUES]:
            # http://unix:/run/x.sock:/path is how nginx itself writes a socket with a path
            colon = ":" if server.startswith("unix:") and match.group(3) else ""
            found.append(match.group(1) + values.one(server) + colon + match.group(3))
    scheme = {"uwsgi_pass": "uwsgi://", "scgi_pass": "scgi://", "grpc_pass": "grpc://"}.get(directive, "")
    return [text if "://" in text or not scheme else scheme + text for text in found]
