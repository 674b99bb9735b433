"""Where a comparison of a site begins, and what weight its pages have: from the access log and from what the unit declares.

In: the facts of a site, or its name and an open session.  Out: paths and URLs to ask for, and `Traffic`, None where no log tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from inventory import catalogue
from inventory.errors import NotFound
from planner.comparison import Traffic

Facts = Mapping[str, Mapping[str, Any]]
_URL = re.compile(r"https?://[^\s,;，；、<>\"']{1,2000}|(?<![^\s:：])/[^\s,;，；、<>\"']{1,500}")


def _value(facts: Facts, name: str) -> Any:
    return facts.get(name, {}).get("value")


def of(facts: Facts) -> Traffic | None:
    """What the log says of a site's pages; None of a log that several sites share without telling them apart, or that counts nothing."""
    urls, counts = _value(facts, "use.top_urls") or [], _value(facts, "use.top_requests") or []
    total = _value(facts, "use.requests")
    if not urls or len(urls) != len(counts) or not isinstance(total, int) or total <= 0:
        return None
    return Traffic({str(url): int(count) for url, count in zip(urls, counts, strict=True)}, total)


def seeds(facts: Facts) -> list[str]:
    """Where to begin: the log's top, the declared address, and the addresses that stand in declared columns."""
    found = [str(url) for url in _value(facts, "use.top_urls") or []]
    for name in ("declared.url", "declared.columns", "declared.interactive_columns"):
        value = _value(facts, name)
        for text in value if isinstance(value, list) else [value] if value else []:
            found += _URL.findall(str(text))
    return list(dict.fromkeys(found))


def of_site(session: Session, name: str) -> Traffic | None:
    """The same of a site in the catalogue; None of one that is no longer there."""
    try:
        return of(catalogue.workload_by_name(session, name).facts)
    except NotFound:
        return None
