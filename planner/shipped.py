"""Where the files lie that ship beside the code: roles and templates.

In: `playbooks` or `templates`.  Out: the folder, inside the installed wheel or beside the packages in a checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

PACKAGE = Path(__file__).parent


def folder(name: Literal["playbooks", "templates"]) -> Path:
    """The shipped folder of this name."""
    packed = PACKAGE / f"_{name}"
    return packed if packed.is_dir() else PACKAGE.parent / name
