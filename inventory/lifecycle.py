"""Until when a release of a system or a program gets free security fixes: our own table, `eol.yml`, read once.

In: a product as os-release or the program names it, and a version.  Out: the last day of support, None when the table does not know.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from inventory import yamlfile

TABLE = Path(__file__).with_name("eol.yml")


@cache
def _products() -> dict[str, dict[str, Any]]:
    data: dict[str, dict[str, Any]] = yamlfile.read(TABLE).data["products"]
    return data


def ends(product: str, version: str) -> date | None:
    """The last day of support: of the release `11.4` for 11.4.2, or of `11` where the table has whole numbers."""
    known = _products().get(product.lower(), {}).get("ends", {})
    parts = version.split(".")
    for count in range(min(2, len(parts)), 0, -1):
        found = known.get(".".join(parts[:count]))
        if isinstance(found, date):
            return found
    return None
