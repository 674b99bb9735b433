"""nginx configuration text → directives with their lines.  Pure, in linear time; what does not parse hides nothing else.

In: a `Tree` and the main file.  Out: `Directive`s, includes put in their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from inventory.webconfig.model import DEEPEST, WebConfig
from inventory.webconfig.tree import Tree

# possessive throughout: a quote that is never closed must not be tried again from every character
_TOKEN = re.compile(
    r"""\s*+(?:\#[^\n]*+\s*+)*+(?:(?P<quoted>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')|(?P<mark>[{};])"""
    r"""|(?P<word>(?:[^\s{};"'\\$]|\$\{\w{0,99}\}|\\.|\$)(?:[^\s{};\\$]++|\$\{\w{0,99}\}|\\.|\$)*+)|(?P<bad>.))""",
    re.S,
)
_PLAIN = re.compile(r"""\s*+(?:([^\s{};"'\\#]++)((?:[ \t]++[^\s{};"'\\#]++)*+)[ \t]*+([;{])|(\}))""")
"""A whole directive of plain words on one line, or the end of a block: most of what there is, read at once; `_TOKEN` reads the others."""
_LUA = re.compile(r"""--\[=*+\[|--[^\n]*+|\[=*+\[|"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'|[{}]""", re.S)
KEPT = {
    "server_name", "listen", "root", "alias", "set", "proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "ssl",
    "ssl_certificate", "ssl_certificate_key", "access_log", "log_format", "return", "rewrite", "include", "user",
}  # fmt: skip
"""Directives without a block that say what a vhost is.  The others (headers, buffers, parameters) are most of what snippets hold, and a
thousand vhosts include the same snippets."""
PHP_VALUES = (["PHP_VALUE"], ["PHP_ADMIN_VALUE"])
HSTS = "strict-transport-security"
_ENTRIES = {"map", "upstream", "geo", "split_clients", "match"}
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}


@dataclass(slots=True)
class Directive:
    """A directive with its arguments, its place, and its block's directives (None: it has no block)."""

    name: str
    args: list[str]
    file: str
    line: int
    block: list[Directive] | None = None


def _unquoted(text: str) -> str:
    return re.sub(r"\\([\"'\\trn])", lambda m: _ESCAPES.get(m.group(1), m.group(1)), text[1:-1])


def _after_lua(text: str, at: int, hopeless: set[str]) -> int:
    """Where a Lua block that was opened just before `at` ends.  Its strings and comments may hold braces and single quotes."""
    depth = 1
    while (match := _LUA.search(text, at)) is not None:
        at, found = match.end(), match.group()
        if found in "{}":
            depth += 1 if found == "{" else -1
            if not depth:
                return at
        elif found.endswith("["):
            closing = found.removeprefix("--").replace("[", "]")
            end = -1 if closing in hopeless else text.find(closing, at)
            if end >= 0:
                at = end + len(closing)
            else:
                hopeless.add(closing)  # not to be looked for again from every later bracket
    return len(text)


def parse(text: str, file: str, config: WebConfig) -> list[Directive]:
    """Directives of one file, not to be changed.  What does not parse is noted as a problem; what stands before and after is kept."""
    if len(text) > _SHORT:
        return _read(text, file, config)
    found, problems = _short(text, file)
    for line, message in problems:
        config.problem(file, line, message)
    return found


_SHORT = 8192


@lru_cache(256)
def _short(text: str, file: str) -> tuple[list[Directive], list[tuple[int, str]]]:
    """Short texts are mostly the same on every host: the tables of types and parameters that come with nginx."""
    config = WebConfig()
    found = _read(text, file, config)
    return found, [(int(one["line"]), str(one["message"])) for one in config.problems]


def _read(text: str, file: str, config: WebConfig) -> list[Directive]:
    top: list[Directive] = []
    stack: list[list[Directive]] = [top]
    words: list[str] = []
    inner: list[Directive]
    line = start = 1
    at = deeper = 0
    hopeless: set[str] = set()
    while True:
        if not words and not deeper and (match := _PLAIN.match(text, at)) is not None:
            name, rest, sign, _ = match.groups()
            if sign == ";":
                line += text.count("\n", at, match.start(1))
                stack[-1].append(Directive(name, rest.split(), file, line))
                at = match.end()
                continue
            last = rest or name or ""
            if sign == "{" and len(stack) <= DEEPEST and not last.endswith(("$", "_by_lua_block")):  # `${name}` is no block
                line += text.count("\n", at, match.start(1))
                inner = []
                stack[-1].append(Directive(name, rest.split(), file, line, inner))
                stack.append(inner)
                at = match.end()
                continue
            if sign is None and len(stack) > 1:
                line += text.count("\n", at, match.start(4))
                stack.pop()
                at = match.end()
                continue
        if (match := _TOKEN.match(text, at)) is None:
            break
        kind, end = match.lastgroup or "", match.end()
        value = match.group(kind)
        line += text.count("\n", at, end - len(value))  # in blanks and comments before it
        at = end
        if kind in {"word", "quoted", "bad"}:
            if not words:
                start = line
            words.append(_unquoted(value) if kind == "quoted" else value)
        elif value == ";":
            if words:
                stack[-1].append(Directive(words[0], words[1:], file, start))
            words = []
        elif value == "{":
            if words and words[-1].endswith("_by_lua_block"):
                stack[-1].append(Directive(words[0], words[1:], file, start))
                at = _after_lua(text, end, hopeless)
                line += text.count("\n", end, at)
            elif len(stack) > DEEPEST:
                deeper += 1
                if deeper == 1:
                    config.problem(file, line, f"blocks more than {DEEPEST} deep are not read")
            else:
                inner = []
                stack[-1].append(Directive(words[0] if words else "", words[1:], file, start if words else line, inner))
                stack.append(inner)
            words = []
        elif value == "}":
            if words:
                config.problem(file, start, f"`{words[0][:60]}` ends without `;`")
            words = []
            if deeper:
                deeper -= 1
            elif len(stack) > 1:
                stack.pop()
            else:
                config.problem(file, line, "a `}` too many")
        if len(value) > 1:
            line += value.count("\n")
    if len(stack) > 1 or words:
        line += text.count("\n", at)
        config.problem(file, line, "the file ends inside a block or a directive")
    return top


def expand(
    directives: list[Directive], tree: Tree, prefix: str, config: WebConfig, within: tuple[str, ...] = (), *, every: bool = False
) -> Iterator[Directive]:
    """The directives with every include in its place; of those without a block only `KEPT`, unless `every` is wanted (a map's entries).

    A file that includes itself is read once.
    """
    for item in directives:
        if (
            item.block is None
            and not every
            and item.name not in KEPT
            and not (item.name == "fastcgi_param" and item.args[:1] in PHP_VALUES)
            and not (item.name == "add_header" and item.args and item.args[0].lower() == HSTS)
        ):
            continue
        if not config.spend(1, item.file, item.line):
            return
        if item.name == "include" and item.args and item.block is None:
            pattern = item.args[0] if item.args[0].startswith("/") else f"{prefix}/{item.args[0]}"
            matches = tree.glob(pattern)
            if not matches and not re.search(r"[*?\[]", pattern):
                config.problem(item.file, item.line, f"the included file {pattern[:300]} was not collected")
            config.spend(len(matches), item.file, item.line)
            for name, real in matches:
                config.reached |= {name, real}
                if real not in tree.parsed:  # a snippet that a thousand vhosts include is read once
                    tree.parsed[real] = parse(tree.files[real], real, config)
                if real in within or len(within) > 20:
                    config.problem(item.file, item.line, f"{name} includes itself")
                else:
                    yield from expand(tree.parsed[real], tree, prefix, config, (*within, real), every=every)
        elif item.block is not None:
            if item.name == "types":
                continue
            named = item.name in _ENTRIES
            inner = list(expand(item.block, tree, prefix, config, within, every=named))
            yield Directive(item.name, item.args, item.file, item.line, inner)
        else:
            yield item
