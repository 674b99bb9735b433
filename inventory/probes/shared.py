"""What several sections have in common is sent to a host once: quoting that puts a variable where a shared piece of sh stands.

In: a section's sh.  Out: `definitions`, assignments for the beginning of the whole script, and `quoted`, the section as one word of sh that
expands to exactly its text.  Pure; a section's text itself knows nothing of it.
"""

from __future__ import annotations

import re
import shlex

from inventory.probes.fragments import MASK, SHOW
from inventory.probes.web.following import FOLLOW
from inventory.probes.web.masters import APACHE, CADDY, COMMANDS, LIGHTTPD, NGINX

_PIECES = {f"W{number}": piece for number, piece in enumerate((FOLLOW, COMMANDS, NGINX, APACHE, LIGHTTPD, CADDY, MASK, SHOW))}
_PLACES = re.compile("|".join(re.escape(piece) for piece in _PIECES.values()))
_NAMES = {piece: name for name, piece in _PIECES.items()}


def definitions() -> list[str]:
    """`W0='...'` and so on, one string each."""
    return [f"{name}={shlex.quote(piece)}" for name, piece in _PIECES.items()]


def quoted(script: str) -> str:
    """The script as one word of sh, given `definitions` before."""
    words, at = [], 0
    for match in _PLACES.finditer(script):
        before = script[at : match.start()]
        words += [shlex.quote(before)] if before else []
        words.append(f'"${_NAMES[match.group()]}"')
        at = match.end()
    return "".join([*words, shlex.quote(script[at:]) if script[at:] or not words else ""])
