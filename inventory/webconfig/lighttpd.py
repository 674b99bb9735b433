"""lighttpd configuration text → vhosts.  Pure: includes are resolved only among the collected files; nothing is executed.

The main configuration is a vhost without a name, each `$HTTP["host"]` condition one with names, each `$SERVER["socket"]` an
address to listen on.  Regular expressions that only spell out a few names are written as these names, others as `~EXPRESSION`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from inventory.webconfig.model import DEEPEST, Vhost, WebConfig, unique
from inventory.webconfig.tree import Tree

_TOKEN = re.compile(
    r"""(?P<space>\s++)|(?P<comment>\#[^\n]*+)|(?P<string>"(?:[^"\\]|\\.)*+"|'[^']*+')"""
    r"""|(?P<field>\$[A-Z]++\[\s*+"[^"\]\n]{0,200}"\s*+\])|(?P<sign>=>|==|=~|!=|!~|=\^|=\$|\+=|:=|[=+(){},])|(?P<word>[\w.\-/:]++)|(?P<bad>.)""",
    re.S,
)
_KNOWN_SHELL = "include-conf-enabled"
_WHOLE = {"", "^", ".*", "(.*)", "^(.*)", "^(.*)$", "^.*$", "^/(.*)", "^/(.*)$", "^/.*", "^/"}
Value = Any  # str, or a list of (key, value)


@dataclass
class Block:
    """A condition with what is set under it.  `subject` is like `HTTP host`; '' for the main configuration."""

    subject: str
    operator: str
    value: str
    file: str
    line: int
    settings: dict[str, Value] = field(default_factory=dict)
    inner: list[Block] = field(default_factory=list)


@dataclass
class _State:
    tree: Tree
    root: str
    config: WebConfig
    variables: dict[str, Value] = field(default_factory=dict)


class _Reader:
    """One file's tokens, read into a block."""

    def __init__(self, file: str, state: _State, within: tuple[str, ...]) -> None:
        self.file, self.state, self.within = file, state, (*within, file)
        self.tokens: list[tuple[str, str, int]] = []
        self.at, line = 0, 1
        for match in _TOKEN.finditer(state.tree.files.get(file, "")):
            kind, text = match.lastgroup or "bad", match.group()
            if kind not in {"space", "comment"}:
                self.tokens.append((kind, text, line))
            line += text.count("\n")
        self.last = line

    def peek(self, ahead: int = 0) -> tuple[str, str, int]:
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else ("end", "", self.last)

    def take(self) -> tuple[str, str, int]:
        found = self.peek()
        self.at += 1
        return found

    def read(self, top: Block) -> None:
        stack = [top]
        while self.at < len(self.tokens):
            kind, text, line = self.take()
            if not self.state.config.spend(1, self.file, line):
                return
            if kind == "sign" and text == "}":
                if len(stack) > 1:
                    stack.pop()
                else:
                    self.state.config.problem(self.file, line, "a `}` too many")
            elif kind == "field" or (text == "else" and self.peek()[1] == "{"):
                made = self._condition(text, line) if kind == "field" else Block("else", "", "", self.file, line)
                if self.peek()[1] != "{":
                    continue
                self.take()
                if len(stack) > DEEPEST:
                    self.state.config.problem(self.file, line, f"conditions more than {DEEPEST} deep are not read")
                    return
                stack[-1].inner.append(made)
                stack.append(made)
            elif kind == "word" and text == "else":
                continue
            elif kind == "word" and text in {"include", "include_shell"}:
                self._include(text, stack[-1], line)
            elif kind == "word" and self.peek()[1] in {"=", "+=", ":="}:
                operator = self.take()[1]
                self._set(stack[-1], text, operator, self.value(0))
            elif kind == "sign" and text == "{":
                continue
            else:
                self.state.config.problem(self.file, line, f"`{text[:60]}` is not understood")
        if len(stack) > 1:
            self.state.config.problem(self.file, stack[-1].line, "the condition is never closed")

    def _condition(self, text: str, line: int) -> Block:
        match = re.match(r'\$(\w+)\[\s*"([^"]*)"', text)
        name = f"{match.group(1)} {match.group(2).lower()}" if match else ""
        operator = self.take()[1]
        value = self.value(0)
        return Block(name, operator, value if isinstance(value, str) else "", self.file, line)

    def _set(self, block: Block, name: str, operator: str, value: Value) -> None:
        where = self.state.variables if name.startswith("var.") else block.settings
        if operator == "+=" and name in where:
            value = _joined(where[name], value)
        where[name] = value
        if not block.subject:
            self.state.variables[name] = value  # a setting can be named in a value, too

    def value(self, depth: int) -> Value:
        """One value: strings, numbers, variables and arrays, joined by `+`."""
        found = self._one(depth)
        while self.peek()[1] == "+" and self.peek()[0] == "sign":
            self.take()
            found = _joined(found, self._one(depth))
        return found

    def _one(self, depth: int) -> Value:
        kind, text, _line = self.peek()
        if kind == "end" or (kind == "sign" and text != "("):
            return ""
        self.take()
        if kind == "string":
            return re.sub(r'\\(["\\])', r"\1", text[1:-1]) if text[0] == '"' else text[1:-1]
        if kind == "word":
            return self.state.variables.get(text, text) if "." in text or text.startswith("var") else text
        if text != "(":
            return ""
        held: list[tuple[str, Value]] = []
        if depth > DEEPEST:
            return held
        while self.at < len(self.tokens) and self.peek()[1] != ")":
            before = self.at
            item = self.value(depth + 1)
            if self.peek()[1] == "=>":
                self.take()
                held.append((item if isinstance(item, str) else "", self.value(depth + 1)))
            else:
                held.append(("", item))
            if self.peek()[1] == ",":
                self.take()
            if self.at == before or self.peek()[1] in {"{", "}"}:
                return held
        self.take()
        return held

    def _include(self, kind: str, block: Block, line: int) -> None:
        target = self.value(0)
        config, root = self.state.config, self.state.root
        if not isinstance(target, str):
            return
        if kind == "include_shell":
            if _KNOWN_SHELL not in target:
                config.problem(self.file, line, f"what `{target[:200]}` would print is not read")
                return
            target = "conf-enabled/*.conf"  # what Debian's program does
        pattern = target if target.startswith("/") else f"{root}/{target}"
        matches = self.state.tree.glob(pattern)
        if not matches and not re.search(r"[*?\[]", pattern):
            config.problem(self.file, line, f"the included file {pattern[:300]} was not collected")
        for shown, real in matches:
            config.reached |= {shown, real}
            if real in self.within or len(self.within) > 20:
                config.problem(self.file, line, f"{shown} includes itself")
            else:
                _Reader(real, self.state, self.within).read(block)


def _joined(left: Value, right: Value) -> Value:
    if isinstance(left, list) or isinstance(right, list):
        both = [value if isinstance(value, list) else [("", value)] for value in (left, right)]
        return (both[0] + both[1])[:5000]
    return (left + right)[:4096]


def read(
    files: Mapping[str, str] | Tree,
    main: str | Iterable[str] = "/etc/lighttpd/lighttpd.conf",
    links: Mapping[str, str] | None = None,
    *,
    root: str = "",
) -> WebConfig:
    """The main server and all its conditions on the host (enabled); files beside it that nothing includes (not enabled)."""
    tree, config = Tree.of(files, links), WebConfig()
    mains = [main] if isinstance(main, str) else list(main)
    root = root or (mains[0].rsplit("/", 1)[0] if mains else "")
    state = _State(tree, root, config)
    top = Block("", "", "", mains[0] if mains else "", 1)
    for name in mains:
        if tree.text(name) is None:
            config.problem(name, 1, "the main configuration was not collected")
            continue
        config.reached |= {name, tree.real(name)}
        top.file = tree.real(name) if name == mains[0] else top.file
        _Reader(tree.real(name), state, ()).read(top)
    config.vhosts = list(_vhosts(top, config, True, whole=bool(mains)))
    config.finish(tree.dead)
    for name in sorted(tree.files):
        text = tree.files[name]
        if name in config.reached or not name.startswith(root + "/") or not re.search(r'\$HTTP\["host"\]', text):
            continue
        alone = WebConfig(reached=set(config.reached))
        beside = Block("", "", "", name, 1, dict(top.settings))
        _Reader(name, _State(tree, root, alone, dict(state.variables)), ()).read(beside)
        config.vhosts += [vhost for vhost in _vhosts(beside, alone, False, whole=False) if vhost.file == name]
        config.problems += [problem for problem in alone.problems if problem["file"] == name]
    return config


def _listens(block: Block) -> list[dict[str, Any]]:
    """What a `$SERVER["socket"]` condition listens on."""
    address, _, port = block.value.rpartition(":")
    if block.value.endswith("]") or (not address and not port.isdigit()):
        address, port = block.value, "80"
    return [{"address": address, "port": port, "tls": _on(block.settings.get("ssl.engine")), "default": False}]


def _on(value: Value) -> bool:
    return value in ("enable", "enabled", "true", "1")


def _under(block: Block) -> Iterator[Block]:
    """The block and its inner conditions, but neither other hosts nor other sockets."""
    yield block
    for inner in block.inner:
        if inner.subject not in {"HTTP host", "SERVER socket"}:
            yield from _under(inner)


def _all_blocks(block: Block) -> Iterator[Block]:
    yield block
    for inner in block.inner:
        yield from _all_blocks(inner)


def _vhosts(top: Block, config: WebConfig, enabled: bool, *, whole: bool) -> Iterator[Vhost]:
    settings = top.settings
    port = settings.get("server.port", "443" if _on(settings.get("ssl.engine")) else "80")
    bind = settings.get("server.bind", "")
    bind, port = (part if isinstance(part, str) else "" for part in (bind, port))
    if bind.startswith("/"):
        bind, port = f"unix:{bind}", ""
    first = [{"address": bind, "port": port, "tls": _on(settings.get("ssl.engine")), "default": False}]
    shared: list[dict[str, Any]] = []
    for block in _all_blocks(top):
        if block.subject == "SERVER socket" and block.operator == "==":
            shared += [entry for entry in _listens(block) if entry not in shared and entry["port"]]
    everywhere = first + [entry for entry in shared if entry["port"] != port or entry["address"] != bind]
    if whole and (isinstance(settings.get("server.document-root"), str) or any("proxy.server" in block.settings for block in _under(top))):
        own = [
            e
            for inner in top.inner
            if inner.subject == "SERVER socket" and "server.document-root" in inner.settings
            for e in _listens(inner)
        ]
        yield _vhost(top, [], [entry for entry in everywhere if entry not in own], settings, config, enabled)
    waiting = [(inner, everywhere, settings) for inner in reversed(top.inner)]
    while waiting:
        block, listen, outer = waiting.pop()
        merged = {**outer, **block.settings}
        if block.subject == "SERVER socket" and block.operator == "==":
            listen = _listens(block)
            if isinstance(block.settings.get("server.document-root"), str):
                yield _vhost(block, [], listen, merged, config, enabled)
        if block.subject == "HTTP host" and block.operator in {"==", "=~", "=^", "=$"} and _says_something(block):
            yield _vhost(block, _names(block), listen, merged, config, enabled)
        waiting += [(inner, listen, merged) for inner in reversed(block.inner)]


def _says_something(block: Block) -> bool:
    names = {"server.document-root", "url.redirect", "proxy.server", "fastcgi.server", "scgi.server"}
    return any(names & set(inner.settings) for inner in _under(block))


def _names(block: Block) -> list[str]:
    if block.operator == "==":
        return [re.sub(r":\d+$", "", block.value)]
    if block.operator == "=~":
        return spelled(block.value) or ([] if block.value in _WHOLE else [f"~{block.value}"])
    return [f"{block.value}*" if block.operator == "=^" else f"*{block.value}"]


def spelled(expression: str) -> list[str]:
    """The host names that a simple regular expression stands for; none when it is not simple or not anchored."""
    text = re.sub(r"\(?:?\(?:\\?:?\[0-9\]\+\)\??|\(:\\d\+\)\?|\(:\[0-9\]\+\)\?", "", expression)
    any_below = False
    match = re.match(r"\(\^\|\\\.\)|\(\?:\^\|\\\.\)", text)
    if match:
        any_below, text = True, text[match.end() :]
    elif text.startswith("^"):
        text = text[1:]
    else:
        return []
    if not text.endswith("$"):
        return []
    found = [""]
    for part in re.finditer(r"\\([.\-])|([\w-])(?![?*+{])|\((?:\?:)?([\w.|\\-]*)\)(\?)?|(.)", text[:-1], re.S):
        if part.group(5) is not None or len(found) > 32:
            return []
        if part.group(3) is not None:
            choices = [choice.replace("\\", "") for choice in part.group(3).split("|")] + ([""] if part.group(4) else [])
        else:
            choices = [part.group(1) or part.group(2)]
        found = [before + choice for before in found for choice in choices][:64]
    names = unique([name for name in found if name])
    return names + [f"*.{name}" for name in names] if any_below else names


def _vhost(
    block: Block, names: list[str], listen: list[dict[str, Any]], settings: dict[str, Value], config: WebConfig, enabled: bool
) -> Vhost:
    docroot = settings.get("server.document-root", "")
    docroot = docroot if isinstance(docroot, str) else ""
    problems = []
    if any(isinstance(settings.get(name), str) for name in ("evhost.path-pattern", "simple-vhost.server-root")) and not names:
        problems.append("a rule by host name decides the roots of further vhosts (mod_evhost, mod_simple_vhost): they are not listed")
        if enabled:
            config.problem(block.file, block.line, problems[0])
    proxy: set[str] = set()
    fastcgi: set[str] = set()
    php = False
    # what the main configuration passes on holds for every host that does not say otherwise
    used = [*(scope.settings for scope in _under(block)), settings]
    for name, scheme in (("proxy.server", "http://"), ("scgi.server", "scgi://"), ("fastcgi.server", "")):
        for scope in used:
            for key, text in _backends(scope.get(name)):
                (proxy if scheme else fastcgi).add(scheme + text)
                php |= name == "fastcgi.server" and "php" in key
    redirect = ""
    for key, value in _pairs(block.settings.get("url.redirect")):
        if key in _WHOLE and isinstance(value, str):
            redirect = value
    log = settings.get("accesslog.filename")
    secure = any(entry["tls"] for entry in listen)
    certificate, key_file = (settings.get(name, "") for name in ("ssl.pemfile", "ssl.privkey"))
    tls = {"certificate": certificate, "key": key_file} if secure and isinstance(certificate, str) and isinstance(key_file, str) else None
    return Vhost(
        "lighttpd", names, [dict(entry) for entry in listen], docroot.rstrip("/") or docroot, block.file, block.line, enabled, tls,
        sorted(proxy), sorted(fastcgi), php, redirect, [[log, "combined"]] if isinstance(log, str) and not log.startswith("|") else [],
        False, not names, problems,
    )  # fmt: skip


def _pairs(value: Value) -> list[tuple[str, Value]]:
    return value if isinstance(value, list) else []


def _backends(value: Value) -> Iterator[tuple[str, str]]:
    """(path or extension, address) of `( ".php" => ( ( "host" => .., "port" => .. ) ) )`, with or without the inner list."""
    for key, group in _pairs(value):
        members = _pairs(group)
        if any(name in {"host", "socket", "port"} for name, _ in members):
            members = [("", members)]
        for _name, member in members:
            given = {name: text for name, text in _pairs(member) if isinstance(text, str)}
            if "socket" in given:
                yield key, f"unix:{given['socket']}"
            elif given.get("host", "").startswith("/"):
                yield key, f"unix:{given['host']}"
            elif "host" in given or "port" in given:
                yield key, f"{given.get('host') or '127.0.0.1'}" + (f":{given['port']}" if given.get("port") else "")
