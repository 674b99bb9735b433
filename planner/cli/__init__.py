"""The command line: one thin module per command; the only importer of typer.  Tables go to stdout, progress to stderr.

Errors of `inventory.errors` become their message and exit code here, and nowhere else; a traceback is a defect.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable

import typer

from inventory.errors import PlannerError
from planner.cli import auditing

app: typer.Typer  # see __getattr__

HELP = """Inventory and migration planner of a university network center.

The order of work:

\b
  planner init DIR             make a workspace, then fill planner.yml
  planner doctor               what this machine and workspace still lack
  planner register import F    the units' sheets: who declares what; --preview, undo, history, export, template
  planner hosts add / trust    which machines, and whose keys we trust; hosts way NAME: how one is logged in to
  planner discover             visit them; nothing is changed there
  planner collector            a script for hosts that we may not log in to; import-transcript takes its output
  planner sites, show, explain what was found, and what it means
  planner differences          declared against found; candidates: sites that may be asked to close
  planner owners               whose each site is and why; owner confirm / forget
  planner host NAME            everything known of one host
  planner view                 the sites as a visitor sees them: DNS, answers, certificates
  planner dependencies         which hosts need which others
  planner sample, usage        how busy hosts are, by repeated short visits
  planner coverage             what could not be read, and the line for sudoers that would fill each gap
  planner access               the least privilege that works: helper, sudoers, account recipe
  planner changes, reparse     what changed since the last visit; stored visits read again after an upgrade
  planner size                 how large each workload is, and what it would cost where
  planner questions            what only people can say, most decisive first; import takes the answers back
  planner assess, rules        verdicts with reasons, and what they hang on; the rules that speak
  planner plan                 groups, dates, destinations; why, shift, prove, calendar, diff, check, adopt, override
  planner plan approve         release a plan; agree, settle: a unit's word, a condition that is met
  planner history              how much of what hosts said is kept, and for how long
  planner generate             the plan as Ansible playbooks, for review
  planner preflight            what would make the moves fail; only looks
  planner rehearse --move M    try a move out while its source is in use; calibrate: how right predictions were
  planner run                  carry it out in its nights, or go on where it stopped; plan go: a word beforehand
  planner status [--watch]     where each move stands; log: who said and did what
  planner verify SITE --at A   a site at its source and elsewhere: are they equal?
  planner operations           what is in care after its move: backups, restores on trial, certificates; setup installs it
  planner acceptance MOVE      what unit and center sign
  planner rollback MOVE        take a move back, from whatever step it is at
  planner vhosts DIR           virtual hosts of a copied configuration tree; needs no workspace
  planner applications DIR     web applications in a local folder, by their files; needs no workspace
  planner export               a dynamic site that only publishes, as plain files, with a gate on what is missing
  planner report               all of it as one HTML page; --xlsx: as a workbook
  planner drift                what a second set-up would change: nothing

Everything that lists takes --json.  Exit codes: docs/exit-codes.md.
"""

MODULES = {
    "start": ("init",), "register": ("register",), "hosts": ("hosts",), "doctor": ("doctor",), "look": ("discover", "sites", "show"),
    "host": ("host",),
    "differences": ("differences", "candidates"), "owners": ("owners", "owner"),
    "view": ("view",), "dependencies": ("dependencies",), "load": ("sample", "usage"), "size": ("size",),
    "assess": ("assess", "explain"), "plan": ("plan",),
    "collect": ("collector", "import-transcript", "reparse", "changes"), "access": ("coverage", "access"),
    "carry": ("generate", "preflight", "run", "drift"), "status": ("status", "log"), "back": ("rollback",),
    "rehearse": ("rehearse", "calibrate"), "operations": ("operations",),
    "questions": ("questions",), "rules": ("rules",),
    "verify": ("verify",), "acceptance": ("acceptance",), "export": ("export",),
    "report": ("report",), "vhosts": ("vhosts",), "applications": ("applications",), "history": ("history",),
}  # fmt: skip
"""Modules of this package, in the order in which `--help` lists their commands.  A command loads its own: some of them load much."""


def _application(modules: Iterable[str]) -> typer.Typer:
    made = typer.Typer(help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
    for name in modules:
        importlib.import_module(f"planner.cli.{name}").add(made)
    return made


def _one(module: str) -> typer.Typer:
    made = _application([module])
    made.callback()(lambda: None)  # or an application of one command would have no commands
    return made


def __getattr__(name: str) -> typer.Typer:
    """`app` has all commands; it is made when somebody asks for it."""
    if name == "app":
        globals()["app"] = made = _application(MODULES)
        return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """The entry point `planner`."""
    by_command = {command: module for module, commands in MODULES.items() for command in commands}
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        with auditing.recorded(sys.argv[1:]):
            (_one(by_command[word]) if word in by_command else _application(MODULES))(standalone_mode=True)
    except PlannerError as error:
        from rich.console import Console

        from planner.cli.output import visible

        # a message may repeat what a host or a file says
        text = "\n".join(visible(line) for line in str(error).split("\n"))
        Console(stderr=True, soft_wrap=True).print(f"planner: {text}", markup=False, highlight=False, style="red")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("planner: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
