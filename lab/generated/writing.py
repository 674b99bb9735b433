"""A generated campus as files: register/, transcripts/, answers.csv, platforms.yml, calendar.yml, truth.json.

In: a campus and a folder.  Out: names of files with their bytes (`files`), written by `write`.  The same campus gives the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from generated import platforms, registers, transcript, truth
from generated.model import Campus


def files(campus: Campus) -> dict[str, bytes]:
    """Every file by its path in the folder."""
    register = registers.make(campus)
    found = {f"register/{name}": data for name, data in register.files.items()}
    for server in campus.servers:
        if server.told:
            found[f"transcripts/{server.name}.txt"] = transcript.render(campus, server).encode()
    found["answers.csv"] = registers.answers(campus)
    found["platforms.yml"] = _yaml(platforms.platforms(campus))
    found["calendar.yml"] = _yaml(platforms.calendar(campus))
    found["truth.json"] = (json.dumps(truth.of(campus, register), ensure_ascii=False, indent=1) + "\n").encode()
    return found


def _yaml(data: Any) -> bytes:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=140).encode()


def write(campus: Campus, folder: Path) -> dict[str, int]:
    """Write all files; {top folder or file: how many}.  What a campus of before left in the two folders goes."""
    for old in ("register", "transcripts"):
        for path in sorted((folder / old).glob("*")):
            path.unlink()
    counts: dict[str, int] = {}
    for name, data in files(campus).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        top = name.partition("/")[0]
        counts[top] = counts.get(top, 0) + 1
    return counts
