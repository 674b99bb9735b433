"""The generated pages of `docs/`, written from the code that they describe, so that they cannot lag behind it.

In: the typer application, the rules, the error tree, the probes, the modules' docstrings.  Out: `commands.md`, `rules.md`,
`steps.md`, `exit-codes.md`, `probes.md`, and the module table of `architecture.md`.  `python docs/generate.py` writes what has changed;
with `--check` it writes nothing, names the stale pages and leaves with 1.
"""

from __future__ import annotations

import ast
import collections
import difflib
import inspect
import itertools
import re
import sys
import textwrap
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from typer import Typer  # noqa: E402
from typer.models import ArgumentInfo, DefaultPlaceholder, OptionInfo  # noqa: E402

from inventory import collector, errors  # noqa: E402
from inventory.probes import registry  # noqa: E402
from inventory.probes.base import Probe  # noqa: E402
from inventory.ssh import elevation  # noqa: E402
from planner import journal, movesteps, policy, wording  # noqa: E402
from planner.cli import app  # noqa: E402

NOTICE = "<!-- Written by docs/generate.py: change {source}, then run `python docs/generate.py`. -->\n"
TABLE = "<!-- modules: written by docs/generate.py from the modules' docstrings -->"
END = "<!-- end of modules -->"


# ---------------------------------------------------------------- commands


@dataclass(frozen=True)
class Command:
    """One command: its words after `planner`, its function, its help."""

    words: str
    callback: Callable[..., Any]
    help: str


def _given(value: Any) -> Any:
    return value.value if isinstance(value, DefaultPlaceholder) else value


def commands(application: Typer = app, before: str = "") -> Iterator[Command]:
    """All commands, in the order in which `--help` lists them; a group that does something by itself comes before its members."""
    for entry in application.registered_commands:
        function = entry.callback
        if function is not None and not _given(entry.hidden):
            name = entry.name or function.__name__.replace("_", "-")
            yield Command(f"{before}{name}", function, inspect.cleandoc(entry.help or function.__doc__ or ""))
    for group in application.registered_groups:
        inner = group.typer_instance
        if inner is None or _given(group.hidden):
            continue
        name = _given(group.name) or _given(inner.info.name) or ""
        own = inner.registered_callback
        if own is not None and own.callback is not None:
            yield Command(f"{before}{name}", own.callback, inspect.cleandoc(_given(own.help) or own.callback.__doc__ or ""))
        yield from commands(inner, f"{before}{name} ")


@dataclass(frozen=True)
class Parameter:
    """An argument or option as a user writes it."""

    kind: str
    written: str
    help: str
    default: str


def parameters(callback: Callable[..., Any]) -> list[Parameter]:
    """Arguments and options of a command's function, in order.  Parameters that typer fills in itself are left out."""
    hints = typing.get_type_hints(callback, include_extras=True)
    found = []
    for name, parameter in inspect.signature(callback).parameters.items():
        hint = hints.get(name, str)
        marks = [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, (ArgumentInfo, OptionInfo))]
        default = parameter.default
        if isinstance(default, (ArgumentInfo, OptionInfo)):
            marks, default = [default], default.default
        plain = typing.get_args(hint)[0] if marks and hasattr(hint, "__metadata__") else hint
        if getattr(plain, "__name__", "") == "Context":
            continue
        required = default is inspect.Parameter.empty or default is ...
        mark: ArgumentInfo | OptionInfo = marks[0] if marks else ArgumentInfo() if required else OptionInfo()
        if getattr(mark, "hidden", False):
            continue
        found.append(_parameter(name, plain, mark, None if required else default, required))
    return found


def _parameter(name: str, plain: Any, mark: ArgumentInfo | OptionInfo, default: Any, required: bool) -> Parameter:
    many = typing.get_origin(plain) is list or any(typing.get_origin(item) is list for item in typing.get_args(plain))
    word = str(mark.metavar or name.upper().strip("_"))
    if isinstance(mark, ArgumentInfo):
        written = f"{word}…" if many else word
        return Parameter("argument", written if required else f"[{written}]", mark.help or "", "")
    names = [*_shifted(mark), *(mark.param_decls or ())]
    flag = plain is bool
    if not names:
        dashed = name.replace("_", "-")
        names = [f"--{dashed}/--no-{dashed}" if flag else f"--{dashed}"]
    shown = "" if flag or default in (None, "", (), []) else str(default)
    return Parameter("option", ", ".join(names) + ("" if flag else f" {word}"), mark.help or "", "required" if required else shown)


def _shifted(mark: OptionInfo) -> list[str]:
    # inside Annotated, the first name stands where the default value would
    return [mark.default] if isinstance(mark.default, str) and mark.default.startswith("-") else []


def _leaves(callback: Callable[..., Any]) -> list[tuple[int, str]]:
    """Exit codes that a command leaves with without an error's message: `raise typer.Exit(X.exit_code)` in its function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(callback)))
    codes = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and "Exit" in ast.unparse(node.exc.func):
            for inner in ast.walk(node.exc):
                kind = getattr(errors, ast.unparse(inner.value), None) if isinstance(inner, ast.Attribute) else None
                if isinstance(kind, type) and issubclass(kind, errors.PlannerError):
                    codes.add((kind.exit_code, kind.__name__))
    return sorted(codes)


def commands_page() -> str:
    """`commands.md`."""
    everything = list(commands())
    lines = [NOTICE.format(source="the command in planner/cli/"), "# Commands", ""]
    lines += ["Each command also has `--help`. Lists go to stdout, notes and progress to stderr; [exit codes](exit-codes.md).", ""]
    lines += ["Further pages: [what is run on a unit's host](probes.md), [the rules behind a verdict](rules.md),"]
    lines += ["[how the program is built](architecture.md), [the words](glossary.md).", ""]
    lines += ["| command | what it does |", "|---|---|"]
    lines += [f"| [`planner {c.words}`](#planner-{c.words.replace(' ', '-')}) | {_cell(_sentence(c.help))} |" for c in everything]
    for command in everything:
        found = parameters(command.callback)
        arguments = [item for item in found if item.kind == "argument"]
        options = [item for item in found if item.kind == "option"]
        usage = " ".join(["planner", command.words, *(["[OPTIONS]"] if options else []), *(item.written for item in arguments)])
        lines += ["", f"## planner {command.words}", "", f"    {usage}", "", _prose(command.help)]
        if found:
            lines += ["", "| argument or option | meaning | default |", "|---|---|---|"]
            lines += [f"| `{item.written}` | {_cell(item.help)} | {_code(item.default)} |" for item in arguments + options]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- rules


def rules_page() -> str:
    """`rules.md`."""
    rules = policy.load().rules
    lines = [NOTICE.format(source="planner/rules/*.yml"), "# Rules that ship", ""]
    lines += [
        "A **block** makes a placement impossible, a **condition** costs work, a **utility** adds points, an **info** only tells.",
        "A rule is true, false, or unknown when a fact that decides it could not be read.",
        "A workspace's `policy/*.yml` add rules, or replace one by its id. In a message, `{fact}` stands for the measured value.",
        "",
        "| rule | effect | placements |",
        "|---|---|---|",
    ]
    lines += [f"| [`{rule.id}`](#{rule.id}) | {_effect(rule)} | {', '.join(rule.placements)} |" for rule in rules]
    for rule in rules:
        lines += ["", f"## {rule.id}", "", rule.help.strip(), ""]
        lines += [f"- effect: {_effect(rule)}, for {', '.join(rule.placements)}", f"- when: `{wording.condition(rule.when)}`"]
        lines += [f"- message: {_text(rule.message)}"]
        lines += [f"- 中文: {_text(rule.message_zh)}"] if rule.message_zh else []
        lines += [f"- what to do: {_text(rule.fix)}"] if rule.fix else []
        gate = "; a gate: the move waits for it" if rule.gate else ""
        lines += [f"- settled in the step: {rule.step}{gate}"] if rule.step else []
        lines += [f"- verification looks at: {_text(rule.check)}"] if rule.check else []
        lines += [f"- see {link}" for link in rule.links]
    return "\n".join(lines) + "\n"


def _effect(rule: policy.Rule) -> str:
    extra = f" {rule.points:+d} {rule.dimension}" if rule.points else ""
    return rule.effect + extra + (f", {rule.effort_h:g} h" if rule.effort_h else "")


# ---------------------------------------------------------------- steps


def steps_page() -> str:
    """The machine that each step goes through, and each placement's steps with their gates and undoing."""
    lines = [
        "# Steps of a move, and the machine that each goes through",
        NOTICE.format(source="planner/movesteps.py and planner/journal.py"),
        "A run writes a line into the journal before and after each step. From these lines alone the next run knows where a move stands.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "  [*] --> waiting",
    ]
    lines += [f"  {before} --> {after}: {event}" for event, (froms, after) in journal.TRANSITIONS.items() for before in froms]
    lines += ["```", "", *_prose(inspect.cleandoc(_attribute_text(journal, "TRANSITIONS"))).splitlines()]
    for placement, steps in movesteps.TABLE.items():
        lines += ["", f"## {placement}", "", "```mermaid", "flowchart LR"]
        lines += [f'  {step.name}["{step.name}"]' for step in steps]
        lines += [f"  {one.name} --> {two.name}" for one, two in itertools.pairwise(steps)]
        released = sorted({(step.name, back) for step in steps for back in step.on_failure if back != step.name})
        lines += [f"  {name} -. fails .-> {back}" for name, back in released]
        head = "| step | when | needs a go | taken back by itself when it fails | has an undo | has to itself |"
        lines += ["```", "", head, "|---|---|---|---|---|---|"]
        lines += [
            f"| {step.name} | {step.when} | {'yes' if step.go else ''} | {', '.join(step.on_failure)} | {'yes' if step.undo else ''} "
            f"| {', '.join(step.changes)} |"
            for step in steps
        ]
    return "\n".join(lines) + "\n"


def _attribute_text(module: Any, name: str) -> str:
    """The text below a module's constant."""
    body = ast.parse(inspect.getsource(module)).body
    for one, two in itertools.pairwise(body):
        target = one.target if isinstance(one, ast.AnnAssign) else one.targets[0] if isinstance(one, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id == name and isinstance(two, ast.Expr) and isinstance(two.value, ast.Constant):
            return str(two.value.value)
    raise LookupError(name)


# ---------------------------------------------------------------- exit codes


def _errors(kind: type[errors.PlannerError] = errors.PlannerError) -> Iterator[type[errors.PlannerError]]:
    yield kind
    for sub in kind.__subclasses__():
        if sub.__module__ == errors.__name__:
            yield from _errors(sub)


def exit_codes_page() -> str:
    """`exit-codes.md`."""
    by_code: dict[int, list[str]] = collections.defaultdict(list)
    for kind in _errors():
        by_code[kind.exit_code].append(f"`{kind.__name__}`: {_cell(_prose(inspect.cleandoc(kind.__doc__ or '')))}")
    lines = [NOTICE.format(source="inventory/errors.py"), "# Exit codes", ""]
    lines += ["Each class of `inventory/errors.py` owns its code. A message says what is wrong, where, and what to do next.", ""]
    lines += ["An unknown command or option leaves with 2, like any other input that cannot be used.", ""]
    lines += ["| code | meaning |", "|---|---|", "| 0 | done |"]
    lines += [f"| {code} | {'<br>'.join(by_code[code])} |" for code in sorted(by_code)]
    lines += ["| 130 | interrupted by Ctrl-C |", ""]
    lines += ["Commands that finish their work, print its result, and then leave with a code because of what it says:", ""]
    lines += ["| command | code |", "|---|---|"]
    for command in commands():
        codes = _leaves(command.callback)
        if codes:
            lines.append(f"| [`planner {command.words}`](commands.md#planner-{command.words.replace(' ', '-')}) | " + _codes(codes) + " |")
    return "\n".join(lines) + "\n"


def _codes(codes: list[tuple[int, str]]) -> str:
    return ", ".join(f"{code} (`{name}`)" for code, name in codes)


# ---------------------------------------------------------------- probes


def probes_page() -> str:
    """`probes.md`."""
    lines = [NOTICE.format(source="the probe in inventory/probes/"), "# What is run on a unit's host", ""]
    lines += [
        "One SSH connection, one script through the standard input of the command below, nothing else. The script writes no file and",
        "starts no service. It consists of the sections on this page; each runs in a shell of its own, niced, with an empty standard",
        "input, for at most its seconds, and at most its bytes are kept. [Security](security.md) says which account this needs.",
        "",
        "## Privilege",
        "",
        "This is the command. As root, or where `sudo -n` works without a password, the sections run as root; otherwise as the login",
        "user, and what only root may read is unknown. No section calls sudo itself.",
        "",
        *_fence(collector.COMMAND),
        "",
        "For a login with a password for sudo, this one is tried before it: the answer to sudo's question goes to its standard input,",
        "and the script only after the mark `@@NONCE-root`.",
        "",
        *_fence(elevation.Dialogue("0", "").command.replace("@@0-", "@@NONCE-")),
        "",
        "## Redaction",
        "",
        "Every line of every section goes through these `sed -E` expressions on the host, before it leaves it:",
        "",
        *_fence("\n".join(collector.REDACT)),
        "",
        "## The frame around the sections",
        "",
        "`NONCE` is random in each visit.",
        "",
        *_fence(collector.script((), "NONCE").rstrip("\n")),
        "",
        "## Sections, in the order in which they run",
        "",
        "| section | subject | seconds | bytes |",
        "|---|---|---|---|",
    ]
    lines += [f"| [`{p.name}`](#{p.name}) | {_cell(_sentence(_subject(p)))} | {p.seconds} | {p.max_bytes:,} |" for p in registry.PROBES]
    for probe in registry.PROBES:
        lines += ["", f"### {probe.name}", "", _prose(_subject(probe)), ""]
        known = {"name", "script", "parse", "seconds", "max_bytes"}
        lines += [f"- {item.name.replace('_', ' ')}: {getattr(probe, item.name)}" for item in fields(Probe) if item.name not in known]
        lines += [f"- parser: `{probe.parse.__module__}.{probe.parse.__qualname__}`. {_prose(inspect.cleandoc(probe.parse.__doc__ or ''))}"]
        lines += ["", *_fence(probe.script.strip("\n"))]
    return "\n".join(lines) + "\n"


def _subject(probe: Probe) -> str:
    return inspect.cleandoc(inspect.getmodule(probe.parse).__doc__ or "")


# ---------------------------------------------------------------- modules


def modules() -> list[Path]:
    """All modules of both packages."""
    return sorted(path for package in ("inventory", "planner") for path in (ROOT / package).rglob("*.py"))


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def architecture_page() -> str:
    """`architecture.md`, with its module table brought up to date; the rest of the page is written by hand."""
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    head, _, rest = page.partition(TABLE)
    _, end, tail = rest.partition(END)
    if not end:
        raise SystemExit(f"docs/architecture.md: the lines {TABLE} and {END} must stand there")
    rows = ["| module | what for |", "|---|---|"]
    for path in modules():
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        rows.append(f"| `{_dotted(path)}` | {_cell(_sentence(doc))} |")
    return head + "\n".join([TABLE, *rows, END]) + tail


# ---------------------------------------------------------------- text


def _sentence(text: str) -> str:
    """The first sentence of a docstring."""
    paragraph = " ".join(text.split("\n\n", maxsplit=1)[0].split())
    return re.split(r"(?<=[.]) (?=[A-Z`])", paragraph)[0].rstrip(".:") if paragraph else ""


def _prose(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.replace("\b", "").split("\n\n"))


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _text(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")


def _code(text: str) -> str:
    return f"`{text}`" if text and text != "required" else text


def _fence(text: str) -> list[str]:
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    return ["`" * (longest + 1) + "sh", text, "`" * (longest + 1)]


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "rules.md": rules_page,
    "steps.md": steps_page,
    "exit-codes.md": exit_codes_page,
    "probes.md": probes_page,
    "architecture.md": architecture_page,
}


def stale() -> dict[str, str]:
    """Pages that are not what the code says now → a unified difference."""
    found = {}
    for name, page in PAGES.items():
        path = DOCS / name
        have, want = path.read_text(encoding="utf-8") if path.exists() else "", page()
        if have != want:
            lines = difflib.unified_diff(have.splitlines(), want.splitlines(), f"docs/{name}", "what the code says", lineterm="", n=1)
            found[name] = "\n".join(list(lines)[:40])
    return found


def main(words: list[str]) -> int:
    """`[--check]`."""
    if words not in ([], ["--check"]):
        sys.stderr.write("usage: python docs/generate.py [--check]\n")
        return 2
    found = stale()
    for name, difference in found.items():
        if words:
            sys.stderr.write(f"docs/{name} is stale: python docs/generate.py\n{difference}\n")
        else:
            (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
            sys.stderr.write(f"wrote docs/{name}\n")
    return 1 if words and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
