"""The search for garbage in cycles, put off while many objects are made that all stay.

Python looks for cycles again and again while a host's thousand observations come to life; none of them is in a cycle, and the search took
a third of the time of parsing and half of that of identifying (bench/storing.py).  What is in no cycle is freed as always.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def put_off() -> Iterator[None]:
    """Inside, no search; after it as before."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()
