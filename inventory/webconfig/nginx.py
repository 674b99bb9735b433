"""nginx configuration text → vhosts.  Pure: includes are resolved only among the collected files.

Our own reader: it keeps line numbers, goes on after a bad file, takes quoted newlines and lua blocks, and needs linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inventory.webconfig.model import Vhost, WebConfig, included

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>\#[^\n]*)|(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<mark>[{};])"""
    r"""|(?P<word>(?:\$\{[^}\s]*\}|\\.|[^\s{};"'\\])(?:\$\{[^}\s]*\}|\\.|[^\s{};\\])*)|(?P<bad>.)""",
    re.S,
)


@dataclass
class Directive:
    """A directive with its arguments, its place, and its block's directives (None: it has no block)."""

    name: str
    args: list[str]
    file: str
    line: int
    block: list[Directive] | None = None


@dataclass
class _State:
    files: Mapping[str, str]
    links: Mapping[str, str]
    prefix: str
    config: WebConfig
    reached: set[str] = field(default_factory=set)


def tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, text, line): kind is `mark` or `word`; quotes are taken off, what they hold is kept as it is."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind, value = match.lastgroup or "bad", match.group()
        if kind == "quoted":
            yield "word", re.sub(r"\\([\"'\\])", r"\1", value[1:-1]), line
        elif kind in {"word", "mark", "bad"}:
            yield ("mark" if kind == "mark" else "word"), value, line
        line += value.count("\n")


def parse(text: str, file: str, config: WebConfig) -> list[Directive]:
    """Directives of one file.  What does not parse is noted as a problem; what stands before and after is kept."""
    top: list[Directive] = []
    stack: list[list[Directive]] = [top]
    words: list[str] = []
    start = last = 1
    lua = 0
    for kind, value, line in tokens(text):
        last = line
        if lua:  # inside a *_by_lua_block: only the braces count
            lua += {"{": 1, "}": -1}.get(value, 0) if kind == "mark" else 0
            continue
        if kind == "word":
            if not words:
                start = line
            words.append(value)
        elif value == ";":
            if words:
                stack[-1].append(Directive(words[0], words[1:], file, start))
            words = []
        elif value == "{":
            if words and words[-1].endswith("_by_lua_block"):
                stack[-1].append(Directive(words[0], words[1:], file, start))
                lua = 1
            else:
                made = Directive(words[0] if words else "", words[1:], file, start if words else line, [])
                stack[-1].append(made)
                stack.append(made.block or [])
                made.block = stack[-1]
            words = []
        else:
            if words:
                config.problem(file, start, f"`{words[0]}` ends without `;`")
            words = []
            if len(stack) > 1:
                stack.pop()
            else:
                config.problem(file, line, "a `}` too many")
    if len(stack) > 1 or words:
        config.problem(file, last, "the file ends inside a block or a directive")
    return top


def _expand(directives: list[Directive], state: _State, depth: int = 0) -> Iterator[Directive]:
    for item in directives:
        if item.name == "include" and item.args and item.block is None:
            pattern = item.args[0] if item.args[0].startswith("/") else f"{state.prefix}/{item.args[0]}"
            matches = included(pattern, state.files, state.links)
            if not matches and not re.search(r"[*?\[]", pattern):
                state.config.problem(item.file, item.line, f"the included file {pattern} was not collected")
            for name, real in matches:
                state.reached |= {name, real}
                if depth < 12:
                    yield from _expand(parse(state.files[real], real, state.config), state, depth + 1)
        elif item.block is not None:
            yield Directive(item.name, item.args, item.file, item.line, list(_expand(item.block, state, depth)))
        else:
            yield item


def _all(block: list[Directive], name: str) -> list[Directive]:
    return [item for item in block if item.name == name]


def _deep(block: list[Directive], name: str) -> list[Directive]:
    found = []
    for item in block:
        if item.name == name:
            found.append(item)
        if item.block is not None and item.name != "server":
            found += _deep(item.block, name)
    return found


def read(files: Mapping[str, str], main: str = "/etc/nginx/nginx.conf", links: Mapping[str, str] | None = None) -> WebConfig:
    """All server blocks reached from `main` (enabled), and those of sites-available that nothing includes (not enabled)."""
    config = WebConfig()
    state = _State(files, links or {}, main.rsplit("/", 1)[0], config)
    if main not in files:
        config.problem(main, 1, "the main configuration was not collected")
    else:
        state.reached.add(main)
        _collect(list(_expand(parse(files[main], main, config), state)), [], {}, config, True)
    for name in sorted(files):
        if name not in state.reached and "/sites-available/" in name:
            quiet = WebConfig()
            alone = _State(files, links or {}, state.prefix, quiet, set(state.reached))
            _collect(list(_expand(parse(files[name], name, quiet), alone)), [], {}, config, False)
    return config


def _collect(block: list[Directive], outer: list[Directive], upstreams: dict[str, list[str]], config: WebConfig, enabled: bool) -> None:
    for item in _all(block, "upstream"):
        if item.args:
            upstreams[item.args[0]] = [server.args[0] for server in _all(item.block or [], "server") if server.args]
    for item in block:
        if item.name == "http" and item.block is not None:
            _collect(item.block, item.block, upstreams, config, enabled)
        elif item.name == "server" and item.block is not None:
            config.vhosts.append(_vhost(item, outer, upstreams, enabled))


def _listen(item: Directive) -> dict[str, object]:
    text = item.args[0] if item.args else "80"
    address, port = ("", text) if text.isdigit() else (text, "80")
    if text.startswith("unix:"):
        address, port = text, ""
    elif ":" in text and not text.endswith("]"):
        address, _, port = text.rpartition(":")
    return {
        "address": address,
        "port": port,
        "tls": "ssl" in item.args,
        "default": bool({"default_server", "default"} & set(item.args)),
    }


def _vhost(server: Directive, outer: list[Directive], upstreams: dict[str, list[str]], enabled: bool) -> Vhost:
    block = server.block or []

    def inherited(name: str) -> Directive | None:
        return next(iter(_all(block, name)), None) or next(iter(_all(outer, name)), None)

    names = [name for item in _all(block, "server_name") for name in item.args]
    listen = [_listen(item) for item in _all(block, "listen")] or [{"address": "", "port": "80", "tls": False, "default": False}]
    tls_on = any(item.args[:1] == ["on"] for item in _all(block, "ssl"))
    for entry in listen:
        entry["tls"] = bool(entry["tls"]) or tls_on
    problems: list[str] = []
    docroot = _docroot(block, inherited("root"), names, problems)
    certificate, key = inherited("ssl_certificate"), inherited("ssl_certificate_key")
    tls = None
    if certificate is not None and certificate.args and any(entry["tls"] for entry in listen):
        tls = {"certificate": certificate.args[0], "key": key.args[0] if key and key.args else ""}
    proxy = sorted({_behind(item.args[0], upstreams) for item in _deep(block, "proxy_pass") if item.args})
    fastcgi = sorted({_behind(item.args[0], upstreams) for item in _deep(block, "fastcgi_pass") if item.args})
    logs = _all(block, "access_log") or _all(outer, "access_log")
    access = [[item.args[0], item.args[1] if len(item.args) > 1 else "combined"] for item in logs if item.args and item.args[0] != "off"]
    redirect = ""
    returns = [item for item in _all(block, "return") if item.args]
    if returns:
        target = returns[0].args[-1]
        redirect = target if returns[0].args[0] in {"301", "302", "303", "307", "308"} or target.startswith("http") else "(refuses)"
    whole = [item for item in _all(block, "location") if item.args in (["/"], ["^~", "/"])]
    if not redirect and len(_all(block, "location")) == len(whole) == 1:
        inner = [item for item in _all(whole[0].block or [], "return") if len(item.args) > 1 and item.args[0].startswith("30")]
        redirect = inner[0].args[-1] if inner else ""
    default = any(entry["default"] for entry in listen)
    return Vhost(
        "nginx", names, listen, docroot, server.file, server.line, enabled, tls, proxy, fastcgi, bool(fastcgi), redirect, access,
        False, default, problems,
    )  # fmt: skip


def _docroot(block: list[Directive], root: Directive | None, names: list[str], problems: list[str]) -> str:
    if not _all(block, "root"):
        slash = [item for item in _all(block, "location") if item.args[-1:] == ["/"]]
        for item in slash:
            root = next(iter(_all(item.block or [], "root")), root)
    if root is None or not root.args:
        return ""
    values = {item.args[0].lstrip("$"): item.args[1] for item in _all(block, "set") if len(item.args) == 2}
    real = [name for name in names if name not in {"_", ""}]
    if len(real) == 1:
        values |= {"host": real[0], "server_name": real[0], "http_host": real[0]}
    elif real:
        values["server_name"] = real[0]
    text = re.sub(r"\$\{?(\w+)\}?", lambda m: values.get(m.group(1), m.group()), root.args[0])
    # a `$` that names no variable of nginx's (`$(`) is plain text
    if re.search(r"\$\{?\w", text):
        problems.append(f"the root {text} holds a variable that only a request decides")
        return ""
    return text.rstrip("/") or "/"


def _behind(target: str, upstreams: dict[str, list[str]]) -> str:
    match = re.match(r"(https?://|uwsgi://|)([^/:]+)(.*)", target)
    if match and match.group(2) in upstreams and upstreams[match.group(2)]:
        return match.group(1) + upstreams[match.group(2)][0] + match.group(3)
    return target
