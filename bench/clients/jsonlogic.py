"""The rules' conditions in json-logic (two-valued), asked of every workload: `jsonlogic.py FILE` with {"conditions", "workloads"} as JSON.

Prints one line of JSON: CPU seconds, and for each workload how many conditions are true.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from json_logic import add_operation, jsonLogic


def main() -> None:
    given: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    # the plain library has no regular expressions and no versions; these two are ours, as a user of it would write them
    add_operation("matches", given_matches)
    add_operation("number", number)
    begun = time.process_time()
    held = [sum(bool(jsonLogic(condition, values)) for condition in given["conditions"]) for values in given["workloads"]]
    print(json.dumps({"seconds": time.process_time() - begun, "held": held}))


def given_matches(value: Any, pattern: str) -> bool:
    """A text that a pattern is found in."""
    import re

    return isinstance(value, str) and re.search(pattern, value) is not None


def number(value: Any) -> float:
    """A number, or the first two parts of a version."""
    if isinstance(value, (int, float)):
        return float(value)
    major, _, rest = str(value).partition(".")
    minor = "".join(letter for letter in rest.partition(".")[0] if letter.isdigit())
    return float(f"{int(major)}.{int(minor or 0):04}") if major.isdigit() else float("nan")


if __name__ == "__main__":
    main()
