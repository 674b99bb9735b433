"""The command line: one thin module per command; the only importer of typer.  Tables go to stdout, progress to stderr.

Errors of `inventory.errors` become their message and exit code here, and nowhere else; a traceback is a defect.
"""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from inventory.errors import PlannerError
from planner.cli import applications, carry, collect, decide, differences, doctor, look, owners, register, report, start, verify, vhosts

HELP = """Inventory and migration planner of a university network center.

The order of work:

\b
  planner init DIR             make a workspace, then fill planner.yml
  planner doctor               what this machine and workspace still lack
  planner register import F    the units' sheets: who declares what; --preview, undo, history, export, template
  planner hosts add / trust    which machines, and whose keys we trust
  planner discover             visit them; nothing is changed there
  planner collector            a script for hosts that we may not log in to; import-transcript takes its output
  planner sites, show, explain what was found, and what it means
  planner differences          declared against found; candidates: sites that may be asked to close
  planner owners               whose each site is and why; owner confirm / forget
  planner changes, reparse     what changed since the last visit; stored visits read again after an upgrade
  planner assess, plan         verdicts with reasons; destinations and waves
  planner generate             the plan as Ansible playbooks, for review
  planner run                  carry it out, or go on where it stopped
  planner status               where each move stands
  planner verify SITE --at A   a site at its source and elsewhere: are they equal?
  planner rollback MOVE        take a move back, from whatever step it is at
  planner vhosts DIR           virtual hosts of a copied configuration tree; needs no workspace
  planner applications DIR     web applications in a local folder, by their files; needs no workspace
  planner report               all of it as one HTML page
  planner drift                what a second set-up would change: nothing

Everything that lists takes --json.  Exit codes: docs/exit-codes.md.
"""

app = typer.Typer(help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
start.add(app)
register.add(app)
differences.add(app)
owners.add(app)
doctor.add(app)
look.add(app)
decide.add(app)
collect.add(app)
carry.add(app)
verify.add(app)
report.add(app)
vhosts.add(app)
applications.add(app)


def main() -> None:
    """The entry point `planner`."""
    try:
        app(standalone_mode=True)
    except PlannerError as error:
        Console(stderr=True, soft_wrap=True).print(f"planner: {error}", markup=False, highlight=False, style="red")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("planner: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
