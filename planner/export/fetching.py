"""One answer from the source, its body on disk.  The HTTP I/O of an export.

In: a URL, and the record of it from an earlier crawl, if any.  Out: an `Answer`.  Requests are polite: few at once, a pause between their
starts, conditional where the source gave validators, tried again with growing pauses when it is overloaded (429, 503) or drops the
connection.  No redirect is followed, no cookie kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from yarl import URL

from planner import pinned
from planner.export.records import Record, Store

_HEADERS = {"User-Agent": "planner-export/1.0", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
_READ = 262_144
_SPOOLED = 4_000_000  # a longer body goes to disk while it is read
_TEXT = ("text", "html", "xml", "json", "script")


@dataclass(frozen=True)
class Manners:
    """How the source is asked; seconds and bytes.  `delay` lies between two starts of requests."""

    concurrency: int = 4
    delay: float = 0.0
    request_seconds: float = 60.0
    tries: int = 3
    pause: float = 0.5
    longest_pause: float = 30.0
    page_bytes: int = 16_000_000
    file_bytes: int = 1_000_000_000


@dataclass(frozen=True)
class Answer:
    """`body` is the whole of a text; of other media it is on disk only.  `failure` is why there is no answer."""

    url: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sha256: str = ""
    size: int = 0
    too_large: bool = False
    failure: str = ""


class Client:
    """Asks one view of the site; use it inside an event loop and close it."""

    def __init__(self, view: pinned.SiteView, manners: Manners, store: Store) -> None:
        self._manners, self._store = manners, store
        self._session = pinned.session(view, concurrency=manners.concurrency, request_seconds=manners.request_seconds, headers=_HEADERS)
        self._next = 0.0
        self.requests = 0

    async def close(self) -> None:
        """End the connections."""
        await self._session.close()

    async def get(self, url: str, before: Record | None = None) -> Answer:
        """One answer, after as many tries as it takes or may take."""
        pause = self._manners.pause
        for left in range(self._manners.tries - 1, -1, -1):
            await self._turn()
            answer = await self._once(url, before)
            if not left or not (answer.failure or answer.status in (429, 502, 503, 504)):
                break
            asked = answer.headers.get("retry-after", "")
            wait = float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else pause
            await asyncio.sleep(min(wait, self._manners.longest_pause))
            pause *= 2
        return answer

    async def _turn(self) -> None:
        if self._manners.delay:
            now = time.monotonic()
            self._next = max(now, self._next) + self._manners.delay
            await asyncio.sleep(self._next - self._manners.delay - now)

    async def _once(self, url: str, before: Record | None) -> Answer:
        conditions: dict[str, str] = {}
        if before is not None and self._store.has(before):
            if before.etag:
                conditions["If-None-Match"] = before.etag
            if before.modified:
                conditions["If-Modified-Since"] = before.modified
        self.requests += 1
        try:
            async with self._session.get(URL(url, encoded=True), allow_redirects=False, headers=conditions) as response:
                return await self._read(url, response)
        except TimeoutError:
            return Answer(url, failure=f"no answer within {self._manners.request_seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(url, failure=f"{type(error).__name__}: {error}"[:200])

    async def _read(self, url: str, response: aiohttp.ClientResponse) -> Answer:
        headers = {name.lower(): " ".join(response.headers[name].split()) for name in response.headers}
        media = headers.get("content-type", "").lower()
        is_text = not media or any(word in media for word in _TEXT)
        limit = self._manners.page_bytes if is_text else self._manners.file_bytes
        if (response.content_length or 0) > limit:
            response.close()
            return Answer(url, response.status, headers, size=response.content_length or 0, too_large=True)
        digest, size, kept = hashlib.sha256(), 0, bytearray()
        spool: Path | None = None
        file = None
        try:
            async for chunk in response.content.iter_chunked(_READ):
                size += len(chunk)
                if size > limit:
                    response.close()
                    return Answer(url, response.status, headers, size=size, too_large=True)
                digest.update(chunk)
                kept += chunk
                if not is_text and len(kept) > _SPOOLED:
                    if file is None:
                        spool = self._store.folder / f"spool-{self.requests}-{id(response)}"
                        file = spool.open("wb")
                    file.write(kept)
                    kept.clear()
            sha256 = digest.hexdigest()
            if response.status == 200:
                if file is not None and spool is not None:
                    file.write(kept)
                    kept.clear()
                    file.close()
                    self._store.path(sha256).parent.mkdir(parents=True, exist_ok=True)
                    spool.replace(self._store.path(sha256))
                else:
                    self._store.keep(sha256, bytes(kept))
            return Answer(url, response.status, headers, bytes(kept), sha256, size)
        finally:
            if file is not None and spool is not None:
                file.close()
                spool.unlink(missing_ok=True)
