"""Apache configuration text → vhosts.  Pure: includes are resolved only among the collected files; one line, one directive."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from inventory.webconfig.model import Vhost, WebConfig, included


@dataclass
class _Line:
    name: str
    args: list[str]
    file: str
    line: int
    block: list[_Line] | None = None


@dataclass
class _State:
    files: Mapping[str, str]
    links: Mapping[str, str]
    root: str
    variables: dict[str, str]
    config: WebConfig
    reached: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, posix=True) if '"' in text or "'" in text else text.split()
    except ValueError:
        return text.split()


def _parse(file: str, state: _State, depth: int = 0) -> list[_Line]:
    """The file's lines as a tree, includes and `${variables}` resolved, conditional sections that do not hold left out."""
    top: list[_Line] = []
    stack: list[_Line] = [_Line("", [], file, 0, top)]
    skipped: list[str] = []
    pending, first = "", 0
    for number, raw in enumerate(state.files[file].split("\n"), start=1):
        first = first or number
        if raw.endswith("\\"):
            pending += raw[:-1] + " "
            continue
        text, line = (pending + raw).strip(), first
        pending, first = "", 0
        if not text or text.startswith("#"):
            continue
        text = re.sub(r"\$\{(\w+)\}", lambda m: state.variables.get(m.group(1), m.group()), text)
        if text.startswith("</"):
            name = text[2:].rstrip(">").strip().lower()
            if skipped:
                skipped.pop()
            elif len(stack) > 1 and stack[-1].name == name:
                stack.pop()
            elif name not in {"ifmodule", "ifdefine", "ifversion", "if"}:
                state.config.problem(file, line, f"</{name}> closes nothing that is open")
            continue
        if text.startswith("<"):
            match = re.match(r"<\s*(\w+)\s*(.*?)>?$", text)
            if match is None or skipped:
                skipped += ["?"] if skipped else []
                continue
            name, args = match.group(1).lower(), _words(match.group(2))
            if name in {"ifmodule", "ifdefine", "ifversion", "if", "else", "elseif"}:
                if not _applies(name, args, state):
                    skipped.append(name)
                continue
            made = _Line(name, args, file, line, [])
            _into(stack[-1], made)
            stack.append(made)
            continue
        if skipped:
            continue
        words = _words(text)
        name = words[0].lower()
        if name == "define" and len(words) > 1:
            state.variables[words[1]] = words[2] if len(words) > 2 else ""
        elif name == "loadmodule" and len(words) > 1:
            state.modules.add(words[1])
        elif name in {"include", "includeoptional"} and len(words) > 1:
            _include(words[1], name, stack[-1], file, line, state, depth)
        else:
            _into(stack[-1], _Line(name, words[1:], file, line))
    if len(stack) > 1:
        state.config.problem(file, stack[-1].line, f"<{stack[-1].name}> is never closed")
    return top


def _into(parent: _Line, item: _Line) -> None:
    if parent.block is not None:
        parent.block.append(item)


def _include(target: str, name: str, parent: _Line, file: str, line: int, state: _State, depth: int) -> None:
    pattern = target if target.startswith("/") else f"{state.root}/{target}"
    matches = included(pattern, state.files, state.links)
    if not matches and name == "include":
        state.config.problem(file, line, f"the included file {pattern} was not collected")
    for shown, real in matches:
        state.reached |= {shown, real}
        if depth < 12:
            for item in _parse(real, state, depth + 1):
                _into(parent, item)


def _applies(name: str, args: list[str], state: _State) -> bool:
    wanted = args[0] if args else ""
    negative = wanted.startswith("!")
    wanted = wanted.lstrip("!")
    if name == "ifdefine":
        return (wanted in state.variables) != negative
    if name == "ifmodule":
        short = wanted.removeprefix("mod_").removesuffix(".c").removesuffix("_module")
        loaded = any(short in module or module.removesuffix("_module") == short for module in state.modules)
        builtin = short in {"core", "so", "log_config", "logio", "version", "unixd", "http", "watchdog"}
        return (loaded or builtin) != negative
    return name not in {"else", "elseif"}


def _values(block: list[_Line], name: str) -> list[_Line]:
    return [item for item in block if item.name == name]


def read(
    files: Mapping[str, str],
    main: str = "/etc/apache2/apache2.conf",
    links: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> WebConfig:
    """All vhosts reached from `main` (enabled), and those of sites-available that nothing includes (not enabled)."""
    config = WebConfig()
    root = main.rsplit("/", 1)[0]
    root = root.removesuffix("/conf") if main.endswith("/conf/httpd.conf") else root
    state = _State(files, links or {}, root, {"APACHE_LOG_DIR": "/var/log/apache2", **(variables or {})}, config)
    if main not in files:
        config.problem(main, 1, "the main configuration was not collected")
        tree: list[_Line] = []
    else:
        state.reached.add(main)
        tree = _parse(main, state)
    for item in _flat(tree, "virtualhost"):
        config.vhosts.append(_vhost(item, tree, state, True))
    if not config.vhosts and _values(tree, "documentroot"):
        config.vhosts.append(_vhost(_Line("virtualhost", [], main, _values(tree, "documentroot")[0].line, tree), tree, state, True))
    for name in sorted(files):
        if name not in state.reached and "/sites-available/" in name:
            alone = _State(files, links or {}, root, dict(state.variables), WebConfig(), set(), set(state.modules))
            for item in _flat(_parse(name, alone), "virtualhost"):
                config.vhosts.append(_vhost(item, tree, alone, False))
    return config


def _flat(block: list[_Line], name: str) -> list[_Line]:
    found = []
    for item in block:
        if item.name == name:
            found.append(item)
        elif item.block:
            found += _flat(item.block, name)
    return found


def _deep(block: list[_Line], name: str) -> list[_Line]:
    return [item for item in block if item.name == name] + [hit for item in block if item.block for hit in _deep(item.block, name)]


def _vhost(item: _Line, tree: list[_Line], state: _State, enabled: bool) -> Vhost:
    block = item.block or []
    names = [name.rsplit(":", 1)[0] for line in _values(block, "servername") for name in line.args[:1]]
    names += [name for line in _values(block, "serveralias") for name in line.args]
    tls_on = any(line.args[:1] and line.args[0].lower() == "on" for line in _values(block, "sslengine"))
    listen = []
    for address in item.args or ["*:80"]:
        host, _, port = address.rpartition(":") if ":" in address else (address, "", "80")
        listen.append({"address": host, "port": port, "tls": tls_on, "default": host == "_default_"})
    roots = _values(block, "documentroot") or _values(tree, "documentroot")
    docroot = roots[0].args[0] if roots and roots[0].args else ""
    docroot = docroot if docroot.startswith("/") or not docroot else f"{state.root}/{docroot}"
    certificate = next((line.args[0] for line in _values(block, "sslcertificatefile") if line.args), "")
    key = next((line.args[0] for line in _values(block, "sslcertificatekeyfile") if line.args), "")
    proxy = [
        line.args[1] for line in _deep(block, "proxypass") + _deep(block, "proxypassmatch") if len(line.args) > 1 and line.args[1] != "!"
    ]
    proxy += [line.args[1] for line in _deep(block, "rewriterule") if len(line.args) > 2 and re.search(r"\bP\b", line.args[2])]
    handlers = [line.args[0] for scope in (block, tree) for line in _deep(scope, "sethandler") if line.args and "fcgi:" in line.args[0]]
    fastcgi = sorted({h.removeprefix("proxy:").partition("|")[0] for h in handlers} | {p for p in proxy if p.startswith("fcgi:")})
    proxy = sorted({p for p in proxy if not p.startswith("fcgi:")})
    php = bool(fastcgi) or any("php" in module for module in state.modules)
    redirect = ""
    for line in _values(block, "redirect") + _values(block, "redirectpermanent"):
        args = [arg for arg in line.args if not arg.isdigit() and arg.lower() not in {"permanent", "temp", "seeother", "gone"}]
        if len(args) == 2 and args[0] == "/":
            redirect = args[1]
    logs = _values(block, "customlog") or _values(tree, "customlog")
    access = [[line.args[0], line.args[1] if len(line.args) > 1 else ""] for line in logs if line.args and not line.args[0].startswith("|")]
    access = [[path if path.startswith("/") else f"{state.root}/{path}", form] for path, form in access]
    return Vhost(
        "apache", names, listen, docroot.rstrip("/") or docroot, item.file, item.line, enabled,
        {"certificate": certificate, "key": key} if tls_on else None, proxy, fastcgi, php, redirect, access,
        _htaccess(docroot, block, tree), any(entry["default"] for entry in listen), [],
    )  # fmt: skip


def _htaccess(docroot: str, block: list[_Line], tree: list[_Line]) -> bool:
    """The effective AllowOverride: of the longest <Directory> that holds the docroot; the vhost's own wins at equal length."""
    best, allowed = -1, False
    for section in _values(tree, "directory") + _values(block, "directory"):
        path = section.args[0].rstrip("/") if section.args else ""
        if docroot == path or docroot.startswith(path + "/"):
            for line in _values(section.block or [], "allowoverride"):
                if len(path) >= best:
                    best, allowed = len(path), [arg.lower() for arg in line.args] != ["none"]
    return allowed
