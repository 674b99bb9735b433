"""What a crawl keeps: one `Record` for each URL asked, bodies by their digest, and a journal that survives `kill -9`.

The folder holds `journal.jsonl` (the crawl that is going on: a head line, then a line for each URL that is done), `last.jsonl` (the one
before, for conditional requests) and `bodies/`.  A body is in its place before its line is written, so that a line is never without it;
a torn last line is passed over.  Who holds the folder's lock is its only user.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from inventory.errors import Busy, InputError

Outcome = Literal["exported", "moved", "error", "soft_error", "failed", "too_large"]
JOURNAL, LAST, BODIES = "journal.jsonl", "last.jsonl", "bodies"
RESUMED = timedelta(days=1)
"""A crawl that was cut off longer ago begins anew: half of a site from one week and half from the next is no copy of it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One URL's answer.  `type` is the whole Content-Type header; `declared` a charset that nobody declared, but that we found.

    `text` is a digest of the visible text, `plain` one of it without digits; `headers` are those that a static server has to repeat.
    `errors` names the error messages of a program that stand in a page; `blank` says that a page shows nothing.
    """

    url: str
    outcome: Outcome
    status: int = 0
    reason: str = ""
    type: str = ""
    charset: str = ""
    declared: str = ""
    sha256: str = ""
    size: int = 0
    location: str = ""
    etag: str = ""
    modified: str = ""
    text: str = ""
    plain: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    errors: str = ""
    blank: bool = False

    @property
    def media(self) -> str:
        """The media type in lower case, without parameters."""
        return self.type.partition(";")[0].strip().lower()

    @property
    def digest(self) -> str:
        """What two answers have in common when a visitor sees the same: the text of a page, the bytes of anything else."""
        return self.text or self.sha256


_FIELDS = tuple(Record.__dataclass_fields__)


class Store:
    """The folder of one site's crawls.  Use it inside `opened`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: dict[str, Record] = {}
        self.before: dict[str, Record] = {}
        self._file: int = -1
        self._whole: set[str] = set()
        self.resumed = False

    def begin(self, head: dict[str, Any], now: datetime, *, anew: bool = False) -> None:
        """Go on with the journal if it is of the same crawl and fresh, else begin one, as `anew` always does; `head` tells crawls apart."""
        journal = self.folder / JOURNAL
        lines = _lines(journal)
        first = next(lines, {})
        same = not anew and first.get("head") == head and _fresh(str(first.get("begun", "")), now)
        found = {record.url: record for record in map(_record, lines) if record is not None}
        self.before = read(self.folder / LAST)
        if same:
            self.done, self.resumed = found, bool(found)
            _end_line(journal)
        else:
            self.before.update(found)  # too old to be taken for granted, good enough to ask whether they changed
            journal.write_text(json.dumps({"head": head, "begun": now.isoformat()}, ensure_ascii=False) + "\n", encoding="utf-8")
        self._file = os.open(journal, os.O_WRONLY | os.O_APPEND)

    def add(self, record: Record) -> None:
        """One more is done; a line is one write, so that a kill leaves it whole or absent."""
        told = {name: value for name in _FIELDS if (value := getattr(record, name)) not in ("", 0, {}, False)}
        os.write(self._file, (json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n").encode("utf-8", "surrogatepass"))
        self.done[record.url] = record

    def finish(self) -> None:
        """The crawl is complete: its journal becomes the one before, and bodies that no later crawl can make use of go."""
        self.close()
        (self.folder / JOURNAL).replace(self.folder / LAST)
        kept = {record.sha256 for record in self.done.values() if not self.spare(record)}
        for path in (self.folder / BODIES).glob("*/*"):
            if path.name not in kept:
                path.unlink()

    def close(self) -> None:
        """The journal stays as it is."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def spare(self, record: Record) -> bool:
        """Whether the body is of no use after this crawl: without validators nobody can be asked whether it changed."""
        return not record.etag and not record.modified

    def path(self, sha256: str) -> Path:
        """Where a body lies, or would lie."""
        return self.folder / BODIES / sha256[:2] / sha256

    def keep(self, sha256: str, body: bytes) -> None:
        """Put a body into its place.  One that a kill left half has no line in the journal, and `has` would not take it for whole."""
        if sha256 in self._whole:
            return
        path = self.path(sha256)
        try:
            path.write_bytes(body)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        self._whole.add(sha256)

    def has(self, record: Record) -> bool:
        """Whether the body is there, whole by its size; an answer without one needs none."""
        if not record.sha256 or record.sha256 in self._whole:
            return True
        try:
            whole = self.path(record.sha256).stat().st_size == record.size
        except FileNotFoundError:
            return False
        if whole:
            self._whole.add(record.sha256)
        return whole


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """The folder as a store, made if it is not there.  Raises Busy when another process uses it, InputError when it cannot be made."""
    try:
        (folder / BODIES).mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}", hint="name a folder that can be written to") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"{folder} is used by another export", hint="wait for it, or export to another folder") from error
        store = Store(folder)
        try:
            yield store
        finally:
            store.close()
    finally:
        os.close(lock)


def read(path: Path) -> dict[str, Record]:
    """The records of a journal by their URL; {} when there is none."""
    return {record.url: record for record in map(_record, _lines(path)) if record is not None}


def again(record: Record, before: Record) -> Record:
    """The earlier record of an answer that says 304; validators may have been renewed."""
    return replace(before, etag=record.etag or before.etag, modified=record.modified or before.modified)


def _fresh(begun: str, now: datetime) -> bool:
    try:
        return timedelta(0) <= now - datetime.fromisoformat(begun) <= RESUMED
    except (ValueError, TypeError):
        return False


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", errors="surrogatepass") as file:
            for line in file:
                try:
                    told = json.loads(line)
                except ValueError:
                    continue
                if isinstance(told, dict):
                    yield told
    except (FileNotFoundError, UnicodeDecodeError):
        return


def _end_line(path: Path) -> None:
    """A torn line gets its end, or the next would be glued to it."""
    with path.open("rb+") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def _record(told: dict[str, Any]) -> Record | None:
    if "url" not in told or "outcome" not in told or not told.keys() <= set(_FIELDS):
        return None
    return Record(**told)
