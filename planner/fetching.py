"""Answers of one view of a site, fetched for a comparison.  In: a `SiteView`, bounds.  Out: `Answer`s, or why there is none.

A body is read once, hashed as it comes, and kept only as far as it may be text; whoever asked drops it when it is reduced to a page.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from inventory.inspection import pages
from inventory.inspection.pages import Page
from planner import pinned
from planner.pinned import SiteView

_HEADERS = {"User-Agent": "planner-verification/1.0", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
_TEXT = ("text", "html", "xml", "json", "script")
_UNIMPORTANT = {"date", "server", "connection", "keep-alive", "transfer-encoding", "content-length", "etag", "age", "via", "last-modified",
                "x-powered-by", "vary", "accept-ranges", "content-encoding"}  # fmt: skip


@dataclass(frozen=True)
class Bounds:
    """How much of an answer is read, in bytes: of text, and of other files; how long a request may take; how many are made at once."""

    per_page_bytes: int
    per_asset_bytes: int
    request_seconds: float
    concurrency: int


@dataclass(frozen=True)
class Failure:
    """No answer; `refused` when the peer said so itself, as opposed to a timeout."""

    reason: str
    refused: bool


@dataclass(frozen=True)
class Answer:
    """One answer.  `body` is all of a text; of what is no text only its `sha256` is kept, which a text needs not."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    sha256: str
    size: int
    truncated: bool
    seconds: float

    def page(self, old_addresses: Sequence[str] = ()) -> Page:
        """The answer reduced to what is compared; it takes some milliseconds."""
        return pages.digest(
            self.url,
            self.status,
            self.headers,
            self.body,
            sha256=self.sha256,
            size=self.size,
            truncated=self.truncated,
            seconds=self.seconds,
            old_addresses=old_addresses,
        )

    def same(self, other: Answer) -> bool:
        """Whether another answer is this one, byte for byte, with the same headers but for those that mean nothing to a visitor."""
        if self.truncated or other.truncated or self.status != other.status or self.sha256 != other.sha256 or self.body != other.body:
            return False
        return self.headers == other.headers or self.told() == other.told()

    def told(self) -> list[tuple[str, str]]:
        """Headers that may matter, sorted, dates left out; a date of modification counts as one."""
        names = [(name.lower(), value) for name, value in self.headers]
        kept = [(name, value) for name, value in names if name not in _UNIMPORTANT]
        return sorted([*kept, *((name, "") for name, _ in names if name == "last-modified")])


class Client:
    """Fetches URLs of one view."""

    def __init__(self, view: SiteView, bounds: Bounds) -> None:
        self._bounds = bounds
        self._pins = {name: aiohttp.Fingerprint(bytes.fromhex(pin)) for name, pin in view.pins.items()}
        self._session = pinned.session(view, concurrency=bounds.concurrency, request_seconds=bounds.request_seconds, headers=_HEADERS)

    async def close(self) -> None:
        """To be called at the end."""
        await self._session.close()

    async def get(self, url: str) -> Answer | Failure:
        """One answer; a dropped connection is tried once more, for kept-alive connections end at any time."""
        answer = await self._once(url)
        if isinstance(answer, Failure) and answer.refused:
            answer = await self._once(url)
        return answer

    async def _once(self, url: str) -> Answer | Failure:
        started = time.monotonic()
        try:
            pin = self._pins.get(urlsplit(url).netloc, True) if self._pins else True
            async with self._session.get(URL(url, encoded=True), allow_redirects=False, ssl=pin) as response:
                media = response.headers.get("Content-Type", "").lower()
                is_text = not media or any(word in media for word in _TEXT)
                keep = self._bounds.per_page_bytes
                limit = keep if is_text else self._bounds.per_asset_bytes
                body, size, whole, truncated = bytearray(), 0, hashlib.sha256(), False
                kept = is_text or ".gz" in url
                async for chunk in response.content.iter_any():
                    part = chunk if size + len(chunk) <= limit else chunk[: limit - size]
                    size += len(part)
                    if kept:
                        body += part[: max(0, keep - len(body))]
                    if not is_text:
                        whole.update(part)
                    if len(part) < len(chunk):
                        truncated = True
                        response.close()
                        break
                headers, status = tuple(response.headers.items()), response.status
        except TimeoutError:
            return Failure(f"no answer within {self._bounds.request_seconds:g} s", refused=False)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Failure(f"{type(error).__name__}: {error}"[:200], refused=True)
        seconds = round(time.monotonic() - started, 3)
        return Answer(url, status, headers, bytes(body), "" if is_text else whole.hexdigest(), size, truncated, seconds)
