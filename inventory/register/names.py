"""DNS names as sheets and hosts write them: which text is one, and its ASCII form, by which sites are compared.  Pure."""

from __future__ import annotations

import re

_NAME = re.compile(r"(?=.*[A-Za-z])([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{1,62}[A-Za-z0-9]")


def valid_name(text: str) -> bool:
    """Whether text is a DNS name (letters, digits, `-`, `_`; at least two labels; IDNs in their xn-- or Unicode form)."""
    try:
        ascii_text = text.encode("idna").decode() if not text.isascii() else text
    except UnicodeError:
        return False
    return len(ascii_text) <= 253 and _NAME.fullmatch(ascii_text) is not None


def ascii_name(text: str) -> str:
    """A name in lower case and ASCII (`网站.x.edu` → `xn--5tzm5g.x.edu`), without the root's dot; what is none stays as it is."""
    name = text.strip().lower().rstrip(".")
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return name
