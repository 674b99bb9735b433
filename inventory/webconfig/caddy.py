"""A Caddyfile → vhosts: a site block is a vhost.  Pure: imports are resolved only among the collected files.

Snippets with arguments, `{$VARIABLE:default}`, the global options that move ports, the short form without braces.  Named sites
speak TLS unless their address or the global options say otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from inventory.webconfig.model import DEEPEST, Vhost, WebConfig, unique
from inventory.webconfig.tree import Tree

_TOKEN = re.compile(
    r"""(?P<line>\n)|(?P<space>(?:[^\S\n]|\\\n)++)|(?P<comment>\#[^\n]*+)|(?P<raw>`[^`]*+`)|(?P<quoted>"(?:[^"\\]|\\.)*+")"""
    r"""|(?P<here><<[A-Za-z0-9_-]{1,60}(?=\n))|(?P<word>(?:\\\s|\S)++)""",
    re.S,
)
_VARIABLE = re.compile(r"\{\$(\w{1,100})(?::([^}\n]{0,500}))?\}")


@dataclass
class Node:
    """One line's words and the block that it opens."""

    words: list[str]
    file: str
    line: int
    block: list[Node] | None = None


@dataclass
class _State:
    tree: Tree
    config: WebConfig
    snippets: dict[str, list[Node]] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


def parse(text: str, file: str, config: WebConfig) -> list[Node]:
    """The lines of a file as a tree.  A comma at the end of a line of addresses goes on in the next."""
    text = _VARIABLE.sub(lambda m: m.group(2) if m.group(2) is not None else m.group(), text)
    top: list[Node] = []
    stack: list[list[Node]] = [top]
    words: list[str] = []
    line = start = 1
    at = deeper = 0
    bare = ""  # the last word, if it stood without quotes
    while True:
        match = _TOKEN.match(text, at)
        kind, value = (match.lastgroup, match.group()) if match else ("line", "\n")
        at = match.end() if match else at + 1
        if kind in {"word", "quoted", "raw", "here"}:
            start = start if words else line
            bare = value if kind == "word" else ""
            if kind == "here":
                value, at = _here(text, at, value[2:])
                line += value.count("\n") + 1
            words.append(re.sub(r'\\(["\\])', r"\1", value[1:-1]) if kind == "quoted" else value[1:-1] if kind == "raw" else value)
        elif kind == "line" and words and not (len(stack) == 1 and bare.endswith(",")):
            if bare == "{":
                if len(stack) > DEEPEST or deeper:
                    deeper += 1
                    if deeper == 1:
                        config.problem(file, start, f"blocks more than {DEEPEST} deep are not read")
                else:
                    inner: list[Node] = []
                    stack[-1].append(Node(words[:-1], file, start, inner))
                    stack.append(inner)
            elif words == ["}"] and bare == "}":
                if deeper:
                    deeper -= 1
                elif len(stack) > 1:
                    stack.pop()
                else:
                    config.problem(file, start, "a `}` too many")
            else:
                stack[-1].append(Node(words, file, start))
            words = []
        if not match and at > len(text):
            break
        line += match.group().count("\n") if match and kind != "here" else 0
    if len(stack) > 1:
        config.problem(file, line, "the file ends inside a block")
    return top


def _here(text: str, at: int, mark: str) -> tuple[str, int]:
    end = re.compile(r"\n[ \t]*" + re.escape(mark) + r"(?=\s|$)").search(text, at)
    return (text[at + 1 : end.start()], end.end()) if end else (text[at + 1 :], len(text))


def _expand(nodes: list[Node], state: _State, args: list[str] | None = None, within: tuple[str, ...] = ()) -> Iterator[Node]:
    """The nodes with imports of files and snippets in their place, and an import's arguments put in."""
    for node in nodes:
        if not state.config.spend(1, node.file, node.line):
            return
        words = [_given(word, args) for word in node.words] if args is not None else node.words
        if words[:1] == ["import"] and len(words) > 1:
            yield from _import(words, node, state, within)
        else:
            block = None if node.block is None else list(_expand(node.block, state, args, within))
            yield Node(words, node.file, node.line, block)


def _given(word: str, args: list[str] | None) -> str:
    def one(match: re.Match[str]) -> str:
        place = int(match.group(1) or match.group(2))
        return args[place] if args is not None and place < len(args) else match.group()

    return re.sub(r"\{args\.(\d{1,3})\}|\{args\[(\d{1,3})\]\}", one, word)[:4096]


def _import(words: list[str], node: Node, state: _State, within: tuple[str, ...]) -> Iterator[Node]:
    name = words[1]
    if len(within) > 20 or f"({name})" in within:
        state.config.problem(node.file, node.line, f"{name[:200]} imports itself")
        return
    if name in state.snippets:
        yield from _expand(state.snippets[name], state, words[2:], (*within, f"({name})"))
        return
    directory = node.file.rsplit("/", 1)[0]
    pattern = name if name.startswith("/") else f"{directory}/{name}"
    matches = state.tree.glob(pattern)
    if not matches and not re.search(r"[*?\[]", pattern):
        state.config.problem(node.file, node.line, f"neither a snippet {name[:200]} nor a file of that name was collected")
    for shown, real in matches:
        state.config.reached |= {shown, real}
        if real in within or real == node.file:
            state.config.problem(node.file, node.line, f"{shown} imports itself")
        else:
            inner = _known(parse(state.tree.files[real], real, state.config), state)
            yield from _expand(inner, state, words[2:], (*within, real))


def _known(nodes: list[Node], state: _State) -> list[Node]:
    """The nodes without snippets and global options, which are kept in `state`."""
    left = []
    for node in nodes:
        name = node.words[0] if node.words else ""
        if node.block is not None and re.fullmatch(r"\([^)]+\)", name):
            state.snippets[name[1:-1]] = node.block
        elif node.block is not None and not node.words:
            state.options |= {item.words[0]: " ".join(item.words[1:]) for item in node.block if item.words}
        elif not name.startswith("&("):
            left.append(node)
    if left and left[0].block is None and left[0].words[:1] != ["import"]:
        left = [Node(left[0].words, left[0].file, left[0].line, left[1:])]  # one site, no braces
    return left


def read(
    files: Mapping[str, str] | Tree,
    main: str | Iterable[str] = "/etc/caddy/Caddyfile",
    links: Mapping[str, str] | None = None,
    *,
    root: str = "",
) -> WebConfig:
    """The sites reached from `main` (enabled), and those of Caddyfiles beside it that nothing imports (not enabled)."""
    tree, config = Tree.of(files, links), WebConfig()
    state = _State(tree, config)
    mains = [main] if isinstance(main, str) else list(main)
    root = root or (mains[0].rsplit("/", 1)[0] if mains else "")
    for name in mains:
        text = tree.text(name)
        if text is None:
            config.problem(name, 1, "the main configuration was not collected")
        elif tree.real(name) not in config.reached:
            config.reached |= {name, tree.real(name)}
            nodes = _known(parse(text, tree.real(name), config), state)
            config.vhosts += _sites(_expand(nodes, state, None, (tree.real(name),)), state, True)
    config.finish(tree.dead)
    for name in sorted(tree.files):
        likely = "caddy" in name.rsplit("/", 1)[-1].lower() or re.search(r"(available|disabled)/[^/]+$|\.(disabled|off)$", name)
        if name in config.reached or not name.startswith(root + "/") or not likely:
            continue
        alone = _State(tree, WebConfig(reached=set(config.reached)), dict(state.snippets), dict(state.options))
        nodes = _known(parse(tree.files[name], name, alone.config), alone)
        found = [vhost for vhost in _sites(_expand(nodes, alone, None, (name,)), alone, False) if vhost.file == name]
        config.vhosts += found
        config.problems += [problem for problem in alone.config.problems if found and problem["file"] == name]
    return config


def _sites(nodes: Iterable[Node], state: _State, enabled: bool) -> Iterator[Vhost]:
    for node in nodes:
        if node.block is not None and node.words:
            yield _vhost(node, state.options, enabled)


def _deep(block: list[Node]) -> Iterator[Node]:
    for node in block:
        if node.words:
            yield node
        if node.block is not None:
            yield from _deep(node.block)


def _matched(words: list[str]) -> tuple[str, list[str]]:
    """(matcher, arguments) of a directive: a matcher begins with `/`, `@` or is `*`."""
    args = words[1:]
    return (args[0], args[1:]) if args and (args[0] == "*" or args[0][:1] in {"/", "@"}) else ("", args)


def _listen(address: str, options: Mapping[str, str], has_tls: bool) -> tuple[str, dict[str, Any]]:
    """(host, listen) of a site address such as `https://a.example.edu:8443/path`, `:8080` or `[::1]`."""
    scheme, _, rest = address.rpartition("://")
    rest = re.sub(r"/.*$", "", rest, flags=re.S)
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*):([^:]*)", rest)
    host, port = match.groups() if match else (rest, "")
    plain = scheme == "http" or (not scheme and port == options.get("http_port", "80"))
    port = port or (options.get("http_port", "80") if plain else options.get("https_port", "443"))
    secure = not plain and (bool(host) or scheme == "https" or port == options.get("https_port", "443"))
    secure = has_tls if options.get("auto_https") == "off" and scheme != "https" else secure or (has_tls and not plain)
    return host, {"address": "", "port": port, "tls": secure, "default": not host}


def _vhost(site: Node, options: Mapping[str, str], enabled: bool) -> Vhost:
    block = site.block or []
    # commas part addresses; one may stand before, after or between two
    addresses = [part for word in site.words for part in word.split(",") if part]
    has_tls = any(node.words[:1] == ["tls"] and node.words[1:2] != ["off"] for node in block)
    names: list[str] = []
    listen: list[dict[str, Any]] = []
    bound = [place for node in block if node.words[:1] == ["bind"] for place in node.words[1:]] or [""]
    for address in addresses:
        host, one = _listen(address, options, has_tls)
        names += [host] if host else []
        for place in bound:
            entry = {**one, "address": f"[{place}]" if ":" in place and "[" not in place else place}
            listen += [entry] if entry not in listen else []
    names = unique(names)
    problems: list[str] = []
    docroot = _docroot(block, names, problems)
    proxy: set[str] = set()
    fastcgi: set[str] = set()
    for node in _deep(block):
        if node.words[0] in {"reverse_proxy", "php_fastcgi"}:
            targets = _matched(node.words)[1] + [to for item in node.block or [] if item.words[:1] == ["to"] for to in item.words[1:]]
            (fastcgi if node.words[0] == "php_fastcgi" else proxy).update(_upstream(text, node.words[0]) for text in targets)
    serves = proxy or fastcgi or any(node.words[0] in {"file_server", "respond"} for node in _deep(block))
    redirect = ""
    for node in block:
        if node.words[:1] == ["redir"] and not serves:
            matcher, args = _matched(node.words)
            redirect = args[0] if args and matcher in {"", "*"} else redirect
    tls = None
    if any(entry["tls"] for entry in listen):
        given = next((node.words[1:3] for node in block if node.words[:1] == ["tls"] and len(node.words) == 3), ["", ""])
        tls = {"certificate": given[0], "key": given[1]}
    outputs = [item.words for node in block if node.words[:1] == ["log"] for item in node.block or []]
    logs = [words[2] for words in outputs if words[:2] == ["output", "file"] and len(words) > 2]
    return Vhost(
        "caddy", names, listen, docroot, site.file, site.line, enabled, tls, sorted(proxy), sorted(fastcgi), bool(fastcgi), redirect,
        [[path, "json"] for path in logs], False, not names, problems,
    )  # fmt: skip


def _docroot(block: list[Node], names: list[str], problems: list[str]) -> str:
    found: list[str] = []
    for nodes in (block, list(_deep(block))):
        for node in nodes:
            if node.words[:1] != ["root"] or len(node.words) < 2:
                continue
            if len(node.words) == 2:
                found.append(node.words[1])
            elif node.words[1] == "*":
                found.append(node.words[2])
        if found:
            break
    if not found:
        return ""
    text = found[0]
    if len(names) == 1 and "*" not in names[0]:
        text = re.sub(r"\{(http\.request\.)?host\}", lambda _: names[0], text)
    if re.search(r"\{[\w.$]", text):
        problems.append(f"the root {text[:300]} holds a value that only a request decides")
        return ""
    return text.rstrip("/") or "/"


def _upstream(text: str, directive: str) -> str:
    if text.startswith("unix/"):
        return "unix:" + text.removeprefix("unix/")
    text = f"localhost{text}" if text.startswith(":") else text
    return text if "://" in text or directive == "php_fastcgi" else f"http://{text}"
