"""A mapping → a folder, changed in one instant.  The disk side of an export.

`DIR/current` is a link to the tree in use: `htdocs/` (the files), `redirects.json`, `nginx-http.conf`, `nginx-server.conf`, `report.json`,
`urls.json` (what it answers) and `manifest.json` (SHA-256 and Content-Type for each file).  A new tree is made beside the old one, files
that did not change are hard links to the old ones (with their times, so that rsync passes them over), and the link is turned by one
rename.  A tree whose manifest is the same is not written at all.  Trees that nobody points to are removed, also those that a kill left
behind.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from inventory.errors import InputError
from planner.export import servers
from planner.export.mapping import Mapping
from planner.export.records import Record, Store

CURRENT, TREES, HTDOCS, MANIFEST = "current", "trees", "htdocs", "manifest.json"
Rewrite = tuple[tuple[bytes, bytes], ...]
_REWRITTEN = ("text/html", "application/xhtml+xml", "text/css", "text/javascript", "application/javascript", "application/x-javascript")


@dataclass(frozen=True)
class Written:
    """Files added, changed, removed and left as they were; all lists are sorted."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    bytes: int
    digest: str


def write(made: Mapping, store: Store, out: Path, report: dict[str, Any], now: datetime, rewrite: Rewrite = ()) -> Written:
    """Write the tree and turn to it.  Raises InputError when the folder cannot be written."""
    trees = out / TREES
    try:
        trees.mkdir(parents=True, exist_ok=True)
        before, old = _current(out)
        draft = trees / f"new-{os.getpid()}"
        _tidy(trees, old)
        (draft / HTDOCS).mkdir(parents=True)
        kept = {record.sha256 for record in store.done.values() if not store.spare(record)}
        files = {name: _file(name, made, store, kept, draft, old, before, now, rewrite) for name in sorted(made.files)}
        prefix = servers.prefix(str(report.get("site", "")))
        data = {
            "redirects.json": _json(servers.as_data(made)), "nginx-http.conf": servers.nginx_http(made, prefix),
            "nginx-server.conf": servers.nginx_server(made, prefix), "report.json": _json(report), "urls.json": _json(_answered(made)),
        }  # fmt: skip
        for name, content in data.items():
            (draft / name).write_bytes(content)
        manifest = _json({"version": 1, "files": files, "data": {name: sha256(content).hexdigest() for name, content in data.items()}})
        (draft / MANIFEST).write_bytes(manifest)
        digest = sha256(manifest).hexdigest()
        told = _told(before, files, digest)
        final = trees / digest[:16]
        if old is not None and old.name == final.name and not _spoiled(old, before):
            shutil.rmtree(draft)
            return told
        if final.exists():  # the tree in use, spoiled by somebody: put right beside it
            final = trees / f"{digest[:16]}-{now:%Y%m%d%H%M%S}"
        draft.rename(final)
        turned = out / f".{CURRENT}-{os.getpid()}"
        turned.symlink_to(Path(TREES) / final.name)
        turned.rename(out / CURRENT)
        _tidy(trees, final)
        return told
    except OSError as error:
        raise InputError(f"{error.filename or out}: {error.strerror}", hint="name a folder that can be written to") from error


def _answered(made: Mapping) -> dict[str, list[str]]:
    """Every URL that the tree answers; `declared` are those whose charset the source left to guessing."""
    declared = [url for url, file in made.answered.items() if file in made.files and made.files[file].record.declared]
    return {"answered": sorted(made.answered), "declared": sorted(declared)}


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()


def _current(out: Path) -> tuple[dict[str, dict[str, Any]], Path | None]:
    """Files of the tree in use by their path, and where it is; nothing of a folder that is none of ours."""
    link = out / CURRENT
    if not link.is_symlink():
        if link.exists():
            raise InputError(f"{link} is no link of ours", hint="export into an empty folder")
        return {}, None
    old = link.resolve()
    try:
        told = json.loads((old / MANIFEST).read_bytes())
        return dict(told["files"]), old
    except (OSError, ValueError, KeyError, TypeError):
        return {}, old  # unreadable, but still what visitors get until the new one is there


def _tidy(trees: Path, kept: Path | None) -> None:
    for tree in trees.iterdir():
        if kept is None or tree.name != kept.name:
            shutil.rmtree(tree)


def _on_disk(tree: Path, name: str) -> Path:
    """Where a file lies; names were made safe by the mapping, and this is the second lock on the same door."""
    parts = unquote(name, errors="strict").split("/")[1:]
    if not parts or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise InputError(f"{name!r} is no name for a file")
    return tree.joinpath(HTDOCS, *parts)


def _file(
    name: str,
    made: Mapping,
    store: Store,
    kept: set[str],
    draft: Path,
    old: Path | None,
    before: dict[str, dict[str, Any]],
    now: datetime,
    rewrite: Rewrite,
) -> dict[str, Any]:
    """Put one file into the draft; what the manifest says of it."""
    file = made.files[name]
    record, digest, content = file.record, file.record.sha256, None
    if rewrite and record.media in _REWRITTEN:
        content = store.path(record.sha256).read_bytes()
        for was, now_is in rewrite:
            content = content.replace(was, now_is)
        digest = sha256(content).hexdigest()
    there = _on_disk(draft, name)
    there.parent.mkdir(parents=True, exist_ok=True)
    size = record.size if content is None else len(content)
    if old is not None and before.get(name, {}).get("sha256") == digest and _whole(_on_disk(old, name), digest):
        os.link(_on_disk(old, name), there)
    else:
        if content is None and digest not in kept:
            os.link(store.path(digest), there)  # the store gives up its own name for it when the crawl is finished
            kept.add(digest)
        elif content is None:
            shutil.copyfile(store.path(digest), there)
        else:
            there.write_bytes(content)
        moment = _changed(record, now)
        os.utime(there, (moment, moment))
    return {"sha256": digest, "size": size, "type": file.type, "url": record.url}


def _whole(path: Path, digest: str) -> bool:
    """Whether a file of the old tree is what its manifest says: somebody may have edited it there."""
    try:
        with path.open("rb") as file:
            whole = sha256()
            while chunk := file.read(1_048_576):
                whole.update(chunk)
    except OSError:
        return False
    return whole.hexdigest() == digest


def _spoiled(tree: Path, files: dict[str, dict[str, Any]]) -> bool:
    there = sum(len(names) for _, _, names in os.walk(tree / HTDOCS))
    return there != len(files) or not all(_whole(_on_disk(tree, name), told["sha256"]) for name, told in files.items())


def _changed(record: Record, now: datetime) -> float:
    """When the source says that a file changed; a page made at each request says nothing, and has the time of the export."""
    try:
        said = parsedate_to_datetime(record.modified)
    except (ValueError, TypeError):
        return now.timestamp()
    said = said if said.tzinfo else said.replace(tzinfo=UTC)
    return min(said.timestamp(), now.timestamp())


def _told(before: dict[str, dict[str, Any]], files: dict[str, dict[str, Any]], digest: str) -> Written:
    same = {name for name in files.keys() & before.keys() if files[name]["sha256"] == before[name]["sha256"]}
    return Written(
        added=tuple(sorted(files.keys() - before.keys())),
        changed=tuple(sorted(files.keys() & before.keys() - same)),
        removed=tuple(sorted(before.keys() - files.keys())),
        unchanged=len(same),
        bytes=sum(int(told["size"]) for told in files.values()),
        digest=digest,
    )
