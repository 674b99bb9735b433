"""Apache configuration text → vhosts.  Pure: includes are resolved only among the collected files.

Debian's and Red Hat's layouts, macros, conditional sections (`apache_text`); here: what a vhost serves, inherits and passes on.
The main server is a vhost, too, where no `<VirtualHost>` takes its port.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from inventory.webconfig.apache_php import php_handler, php_values
from inventory.webconfig.apache_text import Line, State, arguments, deep, environment, parse, rooted
from inventory.webconfig.model import Vhost, WebConfig, unique
from inventory.webconfig.tree import Tree

__all__ = ["arguments", "environment", "read"]

_STATUS = {"permanent", "temp", "seeother", "gone"}
# conditions that hold for every plain request: what stays is still a vhost that only redirects
_ALWAYS = re.compile(r"%\{(HTTPS|SERVER_NAME|SERVER_PORT|REQUEST_SCHEME|HTTP:X-Forwarded-Proto)\}|%\{REQUEST_URI\}!", re.I)


def read(
    files: Mapping[str, str] | Tree,
    main: str | Iterable[str] = "/etc/apache2/apache2.conf",
    links: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    *,
    root: str = "",
) -> WebConfig:
    """Vhosts reached from `main` (enabled), and those beside it that no include reaches (not enabled).

    `variables` are the environment's and what `-D` defines.  `main` may be several files when the main configuration was not
    collected; `root` is then the server's root.
    """
    tree, config = Tree.of(files, links), WebConfig()
    mains = [main] if isinstance(main, str) else list(main)
    root = root or (mains[0].rsplit("/", 1)[0] if mains else "")
    root = root.removesuffix("/conf") if mains and mains[0].endswith("/conf/httpd.conf") else root
    state = State(tree, root, {"APACHE_LOG_DIR": "/var/log/apache2", **(variables or {})}, config)
    top: list[Line] = []
    for name in mains:
        if tree.text(name) is None:
            config.problem(name, 1, "the main configuration was not collected")
        elif tree.real(name) not in config.reached:
            config.reached |= {name, tree.real(name)}
            top += parse(tree.real(name), state)
    server = _Server(top, state)
    config.settings["user"] = _last(top, "user")
    config.vhosts = [server.vhost(item, True) for item in _flat(top, "virtualhost")]
    config.vhosts += server.itself(config.vhosts, tree.real(mains[0]) if mains else "")
    config.vhosts = list({(v.file, v.line, tuple(v.names)): v for v in config.vhosts}.values())
    config.finish(tree.dead)
    homes = {root, state.root, *(name.rsplit("/", 1)[0] for name in config.reached)} - {"", "/"}
    for name in sorted(tree.files):
        text = tree.files[name]
        if name in config.reached or "<virtualhost" not in text.lower() or not any(name.startswith(home + "/") for home in homes):
            continue
        alone = WebConfig(reached=set(config.reached))
        inner = State(tree, state.root, dict(state.variables), alone, state.modules, dict(state.macros), state.modules_missing)
        beside = _Server(top, inner, server.listens)
        found = [beside.vhost(item, False) for item in _flat(parse(name, inner), "virtualhost") if item.file == name]
        config.vhosts += found
        config.problems += [problem for problem in alone.problems if found and problem["file"] == name]
    return config


def _values(block: Iterable[Line], name: str) -> list[Line]:
    return [item for item in block if item.name == name and item.args]


def _last(block: list[Line], name: str) -> str:
    """The value in force: a later directive of the same scope replaces an earlier one."""
    found = _values(block, name)
    return found[-1].args[0] if found else ""


def _flat(block: list[Line], name: str) -> list[Line]:
    found = []
    for item in block:
        if item.name == name:
            found.append(item)
        elif item.block:
            found += _flat(item.block, name)
    return found


def _address(text: str) -> tuple[str, str]:
    """(address, port) of `80`, `a:80`, `[::]:80`, `[::]`, `a`; port '' when not given."""
    if text.isdigit():
        return "", text
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*|.*):(\d+|\*)", text)
    return (match.group(1), match.group(2).replace("*", "")) if match else (text, "")


class _Server:
    """The main server: what its vhosts inherit."""

    def __init__(self, top: list[Line], state: State, listens: list[tuple[str, str, str]] | None = None) -> None:
        self.top, self.state = top, state
        self.main = [line for line in top if line.name != "virtualhost"]  # a thousand vhosts ask what they inherit
        self.members = self._balancers(top)
        self.workers: dict[str, str] | None = None
        self.listens = listens if listens is not None else [
            (*_address(item.args[0]), item.args[1].lower() if len(item.args) > 1 else "")
            for item in _flat(top, "listen") + _flat(top, "port") if item.args
        ]  # fmt: skip

    def path(self, text: str) -> str:
        if text.startswith("/") or not text or not self.state.root or rooted(text) != text:
            return text
        root = self.state.root.rstrip("/")
        return f"{root.removeprefix('/') if re.match(r'/[A-Za-z]:/', root) else root}/{text}"

    def _balancers(self, block: list[Line]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for item, within in deep(block):
            if item.name != "balancermember" or not item.args:
                continue
            inside = within is not None and within.name == "proxy" and within.args
            name, member = (within.args[0], item.args[0]) if inside and within else (item.args[0], (item.args[1:] or [""])[0])
            if member:
                found.setdefault(name.rstrip("/").lower(), []).append(member)
        return found

    def _worker(self, name: str) -> str:
        """A worker of mod_jk, by its properties file when that was collected."""
        if self.workers is None:
            self.workers = {}
            file = next((item.args[0] for item in _flat(self.top, "jkworkersfile") if item.args), "")
            for raw in (self.state.tree.text(self.path(file)) or "").split("\n"):
                key, equals, value = raw.partition("=")
                if equals:
                    self.workers[key.strip()] = value.strip()
        host = self.workers.get(f"worker.{name}.host", "localhost")
        port = self.workers.get(f"worker.{name}.port", "")
        return f"ajp://{host}:{port}" if port else f"jk:{name}"

    def _resolved(self, target: str, members: Mapping[str, list[str]]) -> list[str]:
        match = re.match(r"(balancer://[^/]+)(.*)", target, re.S)
        found = members.get(match.group(1).lower(), []) if match else []
        return [member.rstrip("/") + match.group(2) for member in found] if match and found else [target]

    def _passed(self, block: list[Line], main: list[Line]) -> tuple[list[str], list[str]]:
        """(proxy targets, FastCGI targets) of a vhost."""
        targets: list[str] = []
        for item, within in deep(block):
            args, name = item.args, item.name
            if name in {"proxypass", "proxypassmatch"} and args:
                in_location = within is not None and within.name in {"location", "locationmatch"}
                target = args[0] if in_location and ("://" in args[0] or args[0] == "!") else (args[1:] or [""])[0]
                targets += [target] if target not in {"", "!"} else []
            elif name == "rewriterule" and len(args) > 2 and {"p", "proxy"} & set(args[2].strip("[]").lower().replace(" ", "").split(",")):
                targets.append(args[1])
            elif name == "sethandler" and args and args[0].startswith("proxy:"):
                targets.append(args[0].removeprefix("proxy:"))
            elif name == "jkmount" and len(args) > 1:
                targets.append(self._worker(args[1]))
            elif name in {"wsgiscriptalias", "wsgiscriptaliasmatch"} and len(args) > 1:
                targets.append(f"wsgi:{self.path(args[1])}")  # a process of its own answers: the site is not its docroot alone
        for item, _within in deep(main):
            if item.name == "sethandler" and item.args and "fcgi:" in item.args[0]:
                targets.append(item.args[0].removeprefix("proxy:"))
        members = {**self.members, **self._balancers(block)}
        resolved = [text for target in targets for text in self._resolved(target, members)]
        # `unix:/run/a.sock|fcgi://name`: behind the socket the name says nothing
        fastcgi = {text.partition("|")[0] for text in resolved if "fcgi:" in text}
        return sorted({text for text in resolved if "fcgi:" not in text}), sorted(fastcgi)

    def _listen(self, item: Line, engine: str, certificate: str) -> list[dict[str, object]]:
        found = []
        for text in item.args or ["*:80"]:
            address, port = _address(text)
            # no port means every port that the server listens on
            ports = [port] if port else unique([listen[1] for listen in self.listens if listen[1]]) or ["80"]
            for one in ports:
                https = one == "443" and not any(p == "443" and kind == "http" for _a, p, kind in self.listens)
                https = https or any(p == one and kind == "https" for _a, p, kind in self.listens)
                # mod_ssl turns itself on for a port whose protocol is https, once there is a certificate
                tls = engine == "on" or (not engine and bool(certificate) and https)
                found.append({"address": address, "port": one, "tls": tls, "default": address == "_default_"})
        return found

    def vhost(self, item: Line, enabled: bool) -> Vhost:
        """One `<VirtualHost>`, or the main server as if it were one."""
        block = item.block or []
        own = [] if block is self.top else self.main
        names = [re.sub(r"^\w+://|:\d+$", "", _last(block, "servername"))] if _last(block, "servername") else []
        names += [name for line in _values(block, "serveralias") for name in line.args]
        certificate, key = (_last(block, name) or _last(own, name) for name in ("sslcertificatefile", "sslcertificatekeyfile"))
        engine = (_last(block, "sslengine") or _last(own, "sslengine")).lower()
        listen = self._listen(item, engine, certificate)
        problems: list[str] = []
        proxy, fastcgi = self._passed(block, own)
        # what hands every request on serves nothing of the main server's: neither its files nor its PHP
        served = not proxy or bool(fastcgi) or not _passes_everything(block)
        docroot = self.path(_last(block, "documentroot") or self._aliased(block) or (_last(own, "documentroot") if served else ""))
        if "${" in docroot:
            problems.append(f"the root {docroot[:300]} holds a variable that nothing read here defines")
            docroot = ""
        handler = php_handler(block, own, fastcgi, self.state.modules) if served else ""
        php = bool(handler.removeprefix("off"))
        logs = _values(block, "customlog") or _values(block, "transferlog") or _values(own, "customlog")
        access = [[self.path(path), (line.args[1:] or [""])[0]] for line in logs if (path := _logged(line.args[0]))]
        return Vhost(
            "apache", unique([name for name in names if name]), listen, docroot.rstrip("/") or docroot, item.file, item.line, enabled,
            {"certificate": self.path(certificate), "key": self.path(key)} if any(entry["tls"] for entry in listen) else None,
            proxy, fastcgi, php, _redirect(block), access, _htaccess(docroot, block, own),
            any(bool(entry["default"]) for entry in listen), problems,
            php_handler=handler, php_values=php_values(block, own), userdirs=_userdirs(block), hsts=_hsts(block) or _hsts(own),
        )  # fmt: skip

    def _aliased(self, block: list[Line]) -> str:
        """`Alias / DIR` and `VirtualDocumentRoot` without a pattern stand for a document root."""
        for line in _values(block, "alias"):
            if line.args[0] == "/" and len(line.args) > 1:
                return line.args[1]
        virtual = _last(block, "virtualdocumentroot")
        return virtual if "%" not in virtual else ""

    def itself(self, vhosts: list[Vhost], main: str) -> list[Vhost]:
        """The main server as a vhost, for the ports it listens on that no vhost takes."""
        taken = {str(entry["port"]) for vhost in vhosts for entry in vhost.listen}
        free = [listen for listen in self.listens if listen[1] not in taken]
        if not self.listens and "80" not in taken and not vhosts:
            free = [("*", "80", "")]
        roots = _values(self.top, "documentroot")
        if not free or not (roots or _values(self.top, "proxypass")):
            return []
        place = roots[-1] if roots else _values(self.top, "proxypass")[0]
        args = unique([f"{address or '*'}:{port}" for address, port, _kind in free])
        return [self.vhost(Line("virtualhost", args, place.file or main, place.line, self.top), True)]


def _userdirs(block: list[Line]) -> list[str]:
    """The folders of `UserDir` in the vhost itself; what all vhosts inherit from the main server makes none of them a site of homes."""
    lines = _values(block, "userdir")
    if any([word.lower() for word in line.args] == ["disabled"] for line in lines):
        return []  # for everybody, but for those that `enabled` names; they have no folder without a line of its own
    return unique([word for line in lines if line.args[0].lower() not in {"enabled", "disabled"} for word in line.args])


def _passes_everything(block: list[Line]) -> bool:
    """Whether `/` goes to a proxy and no part of it is held back (`ProxyPass /files !`)."""
    whole = False
    for line, within in deep(block):
        if line.name not in {"proxypass", "proxypassmatch"} or not line.args:
            continue
        inside = within is not None and within.name in {"location", "locationmatch"}
        located = inside and ("://" in line.args[0] or line.args[0] == "!")  # then the section says the path
        path, target = (within.args[:1], line.args[0]) if located and within is not None else (line.args[:1], (line.args[1:] or [""])[0])
        if target == "!":
            return False
        whole = whole or (bool(set(path) & _WHOLE) and (within is None or located))
    return whole


_WHOLE = {"/", "^/", "^/(.*)$", "^/(.*)", "^(.*)$", "^(/.*)$"}


def _logged(target: str) -> str:
    """The file of a log; of a piped one what rotatelogs, cronolog and their kin write to, '' if that is no file."""
    if not target.startswith("|"):
        return target
    words = [word.strip("\"'") for word in target.lstrip("|$").split()]
    files = [word for word in words if word.startswith("/") and not re.search(r"bin/|\.(sh|pl|py)$", word)]
    if not files:
        return ""
    return files[-1] + (".*" if "rotatelogs" in target and "%" not in files[-1] else "")


def _redirect(block: list[Line]) -> str:
    """Where a vhost that does nothing else redirects to, '' if it serves."""
    conditions: list[str] = []
    for line, within in deep(block):
        args = line.args
        if line.name == "rewritecond":
            conditions.append("".join(args[:2]))
        if line.name in {"redirect", "redirectpermanent", "redirecttemp", "redirectmatch"}:
            rest = [arg for arg in args if not arg.isdigit() and arg.lower() not in _STATUS]
            if within is not None and within.name == "location" and within.args[:1] == ["/"] and len(rest) == 1:
                return rest[0]
            whole = (
                {"/"} if line.name != "redirectmatch" else {"^/(.*)$", "^(.*)$", "(.*)", "^/(.*)", "^/?(.*)$", "^", ".*", "^.*$", "^(.*)"}
            )
            if len(rest) == 2 and rest[0] in whole and (within is None or within.name.startswith("if")):
                return rest[1]
        if line.name == "rewriterule":
            flags = (args[2] if len(args) > 2 else "").strip("[]").lower().replace(" ", "").split(",")
            outside = len(args) > 1 and re.match(r"https?://", args[1])
            always = all(_ALWAYS.match(text) for text in conditions)
            everything = args[:1] and re.fullmatch(r"\^?/?\(?(\.\*)?\)?\$?", args[0])
            moves = any(re.match(r"r(edirect)?(=|$)", flag) for flag in flags)
            if within is None and outside and everything and moves and always:
                return args[1]
            conditions = []
    return ""


def _hsts(block: list[Line]) -> str:
    """What `Header always set Strict-Transport-Security VALUE` sends, '' when it is taken out again."""
    value = ""
    for line, within in deep(block):
        words = line.args[1:] if line.args[:1] in (["always"], ["onsuccess"]) else line.args
        here = within is None or within.name.startswith("if")
        if here and line.name == "header" and len(words) > 1 and words[1].lower() == "strict-transport-security":
            value = words[2] if words[0].lower() in {"set", "add", "append", "merge", "setifempty"} and len(words) > 2 else ""
    return value


def _htaccess(docroot: str, block: list[Line], main: list[Line]) -> bool:
    """The effective AllowOverride: of the longest <Directory> that holds the docroot; the vhost's own wins at equal length."""
    best, allowed = -1, False
    for section in _values(main, "directory") + _values(block, "directory"):
        path = section.args[0].rstrip("/")
        if docroot == path or docroot.startswith(path + "/"):
            for line in _values(section.block or [], "allowoverride"):
                if len(path) >= best:
                    best, allowed = len(path), [arg.lower() for arg in line.args] != ["none"]
    return allowed
