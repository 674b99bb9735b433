"""The product's own version, as it was installed."""

from __future__ import annotations

import importlib.metadata


def version() -> str:
    """`1.2.3`, or `0` when it runs without having been installed."""
    try:
        return importlib.metadata.version("campus-planner")
    except importlib.metadata.PackageNotFoundError:
        return "0"
