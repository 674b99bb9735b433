"""Every command that changes something leaves a line in the audit log: its words, who ran it, and how it ended.

A command that only looks leaves none.  What cannot be recorded is said on stderr and changes nothing else: a full disk must not hide what
a command itself has to say.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from inventory.errors import PlannerError

LOOKING = {
    "--help", "init", "doctor", "sites", "show", "explain", "host", "differences", "candidates", "owners", "view", "dependencies", "usage",
    "size", "coverage", "access", "collector", "changes", "status", "log", "preflight", "acceptance", "calibrate", "verify", "report",
    "vhosts", "applications", "drift", "rules",
}  # fmt: skip
"""First words of commands that change nothing that is kept, on no machine; and `init`, before which there is no log."""
LOOKING_BELOW = {
    "plan": {"show", "why", "shift", "prove", "calendar", "diff", "check", "overrides", "agreements"},
    "hosts": {"list", "way"}, "register": {"history", "export", "template"}, "questions": {"", "list", "history"}, "history": {""},
    "operations": {"", "targets", "letter"},
}  # fmt: skip
"""The same of commands with a word of their own behind them."""


def changes(words: Sequence[str]) -> bool:
    """Whether these words are a command that may change something."""
    if not words or "--help" in words or "--preview" in words:
        return False
    first, *rest = words
    below = next((word for word in rest if not word.startswith("-")), "")
    return first not in LOOKING and below not in LOOKING_BELOW.get(first, ())


@contextmanager
def recorded(words: Sequence[str]) -> Iterator[None]:
    """Around a command: its line is written when it has ended, however it did."""
    if not changes(words):
        yield
        return
    code = 1
    try:
        yield
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
        raise
    except PlannerError as error:
        code = error.exit_code
        raise
    except KeyboardInterrupt:
        code = 130
        raise
    finally:
        _write(words, code)


def _write(words: Sequence[str], code: int) -> None:
    from planner import audit, workspace  # only for commands that need them anyway

    try:
        with workspace.find().open_catalogue().session() as session:
            audit.command(session, words, code)
    except PlannerError as error:
        if code in (0, PlannerError.exit_code):
            sys.stderr.write(f"planner: this command is not in the audit log: {error.message}\n")
