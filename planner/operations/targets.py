"""The sites in care as files of targets for Prometheus (`file_sd_configs`): what its node exporters and its blackbox exporter look at.

In: the sites in care, the node exporters' port.  Out: file name → text, JSON, the same for the same input; `write` replaces files whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inventory.errors import InputError
from planner.operations.care import Cared

NODE, HTTP, HTTPS = "node.json", "blackbox-http.json", "blackbox-https.json"


def files(cared: Iterable[Cared], node_port: int) -> dict[str, str]:
    """`node.json`, `blackbox-http.json`, `blackbox-https.json`.  What is closed is not watched.

    A machine that many sites share has no unit or site among its labels: those of its figures would change with each site that comes, and
    begin anew.  A name with `*` cannot be asked for.
    """
    open_ = sorted((one for one in cared if not one.closed), key=lambda one: (one.site, one.id))
    http, https = [], []
    for one in open_:
        labels = {"unit": one.unit, "site": one.site, "placement": one.placement}
        names = sorted(name for name in one.names if "*" not in name)
        secure = sorted(set(one.https) & set(names))
        if names:
            http.append({"targets": [f"http://{name}/" for name in names], "labels": labels})
        if secure:
            https.append({"targets": [f"https://{name}/" for name in secure], "labels": labels})
    return {NODE: _text(_nodes(open_, node_port)), HTTP: _text(http), HTTPS: _text(https)}


def _nodes(cared: Sequence[Cared], port: int) -> list[dict[str, Any]]:
    machines: dict[str, tuple[str, list[Cared]]] = {}
    for one in cared:
        for name, address in _machines(one):
            machines.setdefault(address, (name, []))[1].append(one)
    found = []
    for address, (name, sites) in sorted(machines.items()):
        labels = {"machine": name, "placement": ",".join(sorted({one.placement for one in sites}))}
        if len(sites) == 1 and sites[0].placement in {"vps", "colocation"}:
            labels |= {"unit": sites[0].unit, "site": sites[0].site}
        host = f"[{address}]" if ":" in address else address
        found.append({"targets": [f"{host}:{port}"], "labels": labels})
    return found


def _machines(one: Cared) -> list[tuple[str, str]]:
    """Names and addresses of the machines that a site needs."""
    destination = one.move["destination"]
    found = [(str(name), str(address)) for name, address in (destination.get("node_addresses") or {}).items()]
    found += [(one.machine, one.machine_address)] if one.machine_address else []
    if not found and one.address:
        found = [(one.platform or one.site, one.address)]
    return found


def _text(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def watched(texts: Mapping[str, str]) -> dict[str, set[str]]:
    """Site → names of the files that have it, as they were read; a file that is no list of targets has none."""
    found: dict[str, set[str]] = {}
    for name, text in texts.items():
        try:
            groups = json.loads(text)
            sites = {str(group["labels"]["site"]) for group in groups if "site" in group["labels"]}
        except (ValueError, TypeError, KeyError):
            continue
        for site in sites:
            found.setdefault(site, set()).add(name)
    return found


def write(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """Put the files into a folder, each beside its place and then renamed; returns those that changed.  Raises InputError."""
    changed = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in sorted(texts.items()):
            path = folder / name
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            # Prometheus looks at every *.json: the draft must not be one
            draft = folder / f".{name}.{os.getpid()}.new"
            draft.write_text(text, encoding="utf-8")
            draft.chmod(0o644)
            draft.replace(path)
            changed.append(path)
    except OSError as error:
        raise InputError(f"{error.filename or folder}: {error.strerror}") from error
    return changed
