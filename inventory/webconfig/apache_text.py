"""Apache configuration text → a tree of directives.  Pure, in linear time; what does not parse hides nothing else.

In: a `Tree`, the main file, the server's root and variables.  Out: `Line`s with includes, macros, `Define` and the conditional
sections already dealt with, in Apache's own order.  One logical line is one directive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from inventory.webconfig.model import DEEPEST, WebConfig
from inventory.webconfig.tree import Tree

_WORD = re.compile(r"""\s*+(?:"((?:[^"\\]|\\.|\\$)*+)"?|'((?:[^'\\]|\\.|\\$)*+)'?|(\S++))""", re.S)
_SECTION = re.compile(r"<\s*+([\w]++)(.*)", re.S)
_VARIABLE = re.compile(r"\$\{([\w.:-]{1,200})\}")
_CONDITIONS = {"ifmodule", "ifdefine", "ifversion", "iffile", "ifdirective", "ifsection"}
_BUILT_IN = {"core", "so", "log_config", "logio", "version", "unixd", "http", "watchdog", "http_core", "mpm_common"}
_VERSION = "2.4.62"
_LONGEST = 100_000
_LONGEST_VALUE = 1000


@dataclass
class Line:
    """A directive (lower case) with its arguments and place; a section holds its directives in `block`."""

    name: str
    args: list[str]
    file: str
    line: int
    block: list[Line] | None = None


@dataclass
class _Macro:
    parameters: list[str]
    body: list[tuple[str, int, str]]


@dataclass
class State:
    """What reading has met so far."""

    tree: Tree
    root: str
    variables: dict[str, str]
    config: WebConfig
    modules: set[str] = field(default_factory=set)
    macros: dict[str, _Macro] = field(default_factory=dict)
    modules_missing: bool = False
    here: str = ""


def deep(block: list[Line], within: Line | None = None) -> Iterator[tuple[Line, Line | None]]:
    """Every directive of a block with the section it stands in; other vhosts are not entered."""
    for item in block:
        yield item, within
        if item.block and item.name != "virtualhost":
            yield from deep(item.block, item)


def words(text: str) -> list[str]:
    """Apache's own splitting: quotes count only where a word begins, a backslash escapes the quote and itself."""
    found = []
    for match in _WORD.finditer(text):
        if match.group(3) is not None:
            found.append(match.group(3))
        else:
            inner = match.group(1) if match.group(1) is not None else match.group(2) or ""
            found.append(re.sub(r"\\([\"'\\])", r"\1", inner))
    return found


def logical(text: str, file: str) -> Iterator[tuple[str, int, str]]:
    """(file, line, text) of each directive: a backslash at the end of a line continues it, also that of a comment."""
    pending: list[str] = []
    first = 0
    for number, raw in enumerate(text.split("\n"), start=1):
        first = first or number
        if raw.endswith("\\"):
            pending.append(raw[:-1])
            continue
        line = "".join([*pending, raw]).strip()
        place, pending, first = first, [], 0
        if line and not line.startswith("#"):
            yield file, place, line[:_LONGEST]
    if pending and (line := "".join(pending).strip()) and not line.startswith("#"):
        yield file, first, line[:_LONGEST]


def rooted(path: str) -> str:
    """A path with a drive's letter as one below the root, where a copy of a Windows server has its files."""
    return "/" + path.replace("\\", "/") if re.match(r"[A-Za-z]:[/\\]", path) else path


def environment(text: str, suffix: str = "") -> dict[str, str]:
    """The variables of a shell file such as Debian's envvars or Red Hat's sysconfig/httpd, as far as plain assignments set them.

    `suffix` is what Debian's envvars make of an instance's name (`-intern` for /etc/apache2-intern).
    """
    found: dict[str, str] = {"SUFFIX": suffix}
    for raw in text.split("\n"):
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|[^\s;#]*)", raw)
        if match:
            if match.group(1) == "SUFFIX":  # Debian's own lines compute it
                continue
            value = match.group(2).strip("\"'")
            found[match.group(1)] = re.sub(r"\$\{?(\w+)\}?", lambda m: found.get(m.group(1), ""), value)[:4096]
    return found


def arguments(text: str) -> set[str]:
    """What `-D NAME` in a command line or in APACHE_ARGUMENTS, OPTIONS or APACHE2_OPTS defines."""
    return set(re.findall(r"(?<!\S)-D\s*(\w+)", text))


def parse(file: str, state: State, within: tuple[str, ...] = ()) -> list[Line]:
    """The file's lines as a tree."""
    top: list[Line] = []
    _feed(list(logical(state.tree.files.get(file, ""), file)), [Line("", [], file, 0, top)], state, (*within, file))
    return top


def _feed(lines: Sequence[tuple[str, int, str]], stack: list[Line], state: State, within: tuple[str, ...]) -> None:
    """Read lines into the innermost of `stack`, which sections opened here must leave as it was."""
    floor = len(stack)
    skipped: list[str] = []
    at = 0
    while at < len(lines):
        file, line, text = lines[at]
        at += 1
        if not state.config.spend(1 + len(text) // 200, file, line):
            return
        if text.startswith("</"):
            name = text[2:].rstrip(">").strip().lower()
            if skipped:
                # a closing that belongs further out ends what was left open on the way
                while skipped and skipped.pop() != name and name in skipped:
                    pass
            elif any(item.name == name for item in stack[floor:]):
                while stack.pop().name != name:
                    state.config.problem(file, line, f"</{name}> comes before an inner section is closed")
            elif name not in _CONDITIONS:
                state.config.problem(file, line, f"</{name[:60]}> closes nothing that is open")
            continue
        section = _SECTION.match(text) if text.startswith("<") else None
        if section is not None:
            name = section.group(1).lower()
            if skipped:
                skipped.append(name)
                continue
            args = words(_expanded(section.group(2).strip().removesuffix(">"), state))
            if name == "macro":
                at = _macro(words(section.group(2).strip().removesuffix(">")), lines, at, state)
            elif name in _CONDITIONS:
                if not _applies(name, args, state):
                    skipped.append(name)
            elif len(stack) > DEEPEST:
                state.config.problem(file, line, f"sections more than {DEEPEST} deep are not read")
                skipped.append(name)
            else:
                made = Line(name, args, file, line, [])
                _into(stack[-1], made)
                stack.append(made)
            continue
        if skipped:
            continue
        found = words(_expanded(text, state))
        name = found[0].lower() if found else ""
        if name == "define" and len(found) > 1:
            state.variables[found[1]] = found[2][:_LONGEST_VALUE] if len(found) > 2 else ""
        elif name == "undefine" and len(found) > 1:
            state.variables.pop(found[1], None)
        elif name in {"loadmodule", "addmodule"} and len(found) > 1:
            state.modules.add(found[1].lower())
        elif name == "serverroot" and len(found) > 1:
            root = rooted(found[1]).rstrip("/") or "/"
            # a copy may stand elsewhere than its text says: where the main file is, its includes are
            state.root = root if state.tree.exists(root) or not state.tree.exists(state.root) else state.root
        elif name in {"include", "includeoptional"} and len(found) > 1:
            _include(found[1], name, stack[-1], (file, line), state, within)
        elif name == "use" and len(found) > 1:
            _use(found[1:], stack, (file, line), state, within)
        elif name:
            _into(stack[-1], Line(name, found[1:], file, line))
    for open_section in stack[floor:]:
        state.config.problem(open_section.file, open_section.line, f"<{open_section.name}> is never closed")
    del stack[floor:]


def _expanded(text: str, state: State) -> str:
    if "${" not in text:
        return text
    return _VARIABLE.sub(lambda m: state.variables.get(m.group(1), m.group()), text, count=100)


def _into(parent: Line, item: Line) -> None:
    if parent.block is not None:
        parent.block.append(item)


def _include(target: str, name: str, parent: Line, place: tuple[str, int], state: State, within: tuple[str, ...]) -> None:
    target = rooted(target)
    pattern = target if target.startswith("/") else f"{state.root}/{target}"
    matches = state.tree.glob(pattern, directories=True)
    if not matches:
        state.modules_missing |= "mod" in pattern.rsplit("/", 2)[-2]
        if name == "include" and not re.search(r"[*?\[]", pattern):
            state.config.problem(*place, f"the included file {pattern[:300]} was not collected")
    for shown, real in matches:
        state.config.reached |= {shown, real}
        if real in within or len(within) > 20:
            state.config.problem(*place, f"{shown} includes itself")
            continue
        for item in parse(real, state, within):
            _into(parent, item)


def _macro(args: list[str], lines: Sequence[tuple[str, int, str]], at: int, state: State) -> int:
    """Keep a macro's body as it is; its variables and sections are read where it is used."""
    body = []
    while at < len(lines) and not re.match(r"</macro\s*>", lines[at][2], re.I):
        body.append(lines[at])
        at += 1
    if args:
        state.macros[args[0].lower()] = _Macro(args[1:], body)
    return at + 1


def _use(args: list[str], stack: list[Line], place: tuple[str, int], state: State, within: tuple[str, ...]) -> None:
    macro = state.macros.get(args[0].lower())
    if macro is None:
        state.config.problem(*place, f"the macro {args[0][:100]} is not defined")
        return
    if len(within) > 20 or f"macro {args[0].lower()}" in within:
        state.config.problem(*place, f"the macro {args[0][:100]} uses itself")
        return
    given = dict(zip(macro.parameters, args[1:], strict=False))
    # longest first: $name must not take the beginning of $names
    pattern = "|".join(re.escape(name) for name in sorted(given, key=len, reverse=True) if name)
    lines = [
        (*place, (re.sub(pattern, lambda m: given[m.group()], text) if pattern else text)[:_LONGEST]) for _file, _line, text in macro.body
    ]
    _feed(lines, stack, state, (*within, f"macro {args[0].lower()}"))


def _applies(name: str, args: list[str], state: State) -> bool:
    wanted = args[0] if args else ""
    negative = wanted.startswith("!")
    wanted = wanted.lstrip("!")
    if name == "ifdefine":
        return (wanted in state.variables) != negative
    if name == "ifmodule":
        if not state.modules or state.modules_missing:  # which modules are loaded was not collected: those that a section is for
            return not negative
        short = _short(wanted)
        return (short in _BUILT_IN or short in {_short(module) for module in state.modules} or _php(short, state)) != negative
    if name == "ifversion":
        return _version(args)
    if name == "iffile":
        path = wanted if wanted.startswith("/") else f"{state.root}/{wanted}"
        return (state.tree.exists(path) or not path.startswith(state.root + "/")) != negative
    return not negative


def _short(module: str) -> str:
    return module.lower().removeprefix("mod_").removesuffix(".c").removesuffix(".cpp").removesuffix("_module")


def _php(short: str, state: State) -> bool:
    # mod_php8.c is loaded as php_module, mod_php7.c as php7_module, mod_php.c by either
    loaded = {_short(module) for module in state.modules}
    return bool(re.fullmatch(r"php\d*", short)) and ("php" in loaded if short != "php" else any(m.startswith("php") for m in loaded))


def _version(args: list[str]) -> bool:
    text = "".join(args)
    match = re.match(r"(!?)(=|==|>=|<=|>|<|~)?\s*(.*)", text, re.S)
    negative, operator, wanted = match.groups() if match else ("", "", text)
    if operator == "~" or wanted.startswith("/"):
        return bool(negative) != _VERSION.startswith(wanted.strip("/^$").replace("\\", ""))
    numbers = [int(part) for part in re.findall(r"\d{1,6}", wanted)[:3]]
    ours = [int(part) for part in _VERSION.split(".")]
    # a version of two numbers is compared as if the third were 0, as mod_version does
    theirs = numbers + [0] * (3 - len(numbers))
    holds = {">": ours > theirs, "<": ours < theirs, ">=": ours >= theirs, "<=": ours <= theirs}.get(operator or "=", ours == theirs)
    return bool(negative) != holds
