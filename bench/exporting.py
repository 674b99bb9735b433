"""How fast a site is exported, beside a bare aiohttp client that only fetches the same URLs, and beside `wget --mirror`.

    python bench/exporting.py --quick      # 2,000 pages
    python bench/exporting.py              # 10,000 pages, three rounds

The site is a process of its own on loopback: lists of a hundred links, articles of six kilobytes with a picture for every tenth.  Each
client is a process, too; rounds go through the clients in turn, and what counts are ratios.  The bare client keeps nothing and knows the
URLs beforehand; an export parses, judges and writes every page, twice (its own store, the tree).  On a machine that does other work, read
CPU per page: seconds then measure the others.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import measuring

NAME = "localhost"


def body(target: str, count: int) -> tuple[str, bytes] | None:
    """What the site answers."""
    path, _, query = target.partition("?")
    number = int(query.partition("=")[2] or 0) if query else 0
    menu = "".join(f"<li><a href='/list?p={n}'>menu {n}</a>" for n in range(1, 21))
    if path == "/":
        text = "".join(f"<a href='/list?p={n}'>{n}</a>" for n in range(1, count // 100 + 1))
    elif path == "/list":
        text = "".join(f"<a href='/a?id={n}'>article {n}</a>\n" for n in range((number - 1) * 100 + 1, number * 100 + 1))
    elif path == "/a":
        word = "".join(chr(97 + int(digit)) for digit in str(number))
        picture = f"<img src='/p/{number}.png'>" if number % 10 == 0 else ""
        text = f"<h1>{word}</h1>{picture}" + f"<p>{word} 学院新闻正文 and some words of it</p>" * 100
    elif path.startswith("/p/"):
        return "image/png", b"\x89PNG" + path.encode() * 500
    else:
        return None
    page = f"<!DOCTYPE html><html><head><meta charset=utf-8><title>{target}</title></head><body><ul>{menu}</ul>{text}</body></html>"
    return "text/html; charset=utf-8", page.encode()


def serve(port: int, count: int) -> None:
    """The site, until it is ended."""
    from aiohttp import web

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        found = body(request.raw_path, count)
        if found is None:
            return web.Response(status=404)
        return web.Response(body=found[1], headers={"Content-Type": found[0]})

    async def run() -> None:
        runner = web.ServerRunner(web.Server(answer, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    asyncio.run(run())


def targets(count: int) -> list[str]:
    """All URLs of the site."""
    pictures = [f"/p/{n}.png" for n in range(10, count + 1, 10)]
    return ["/", *(f"/list?p={n}" for n in range(1, count // 100 + 1)), *(f"/a?id={n}" for n in range(1, count + 1)), *pictures]


def bare(port: int, count: int) -> None:
    """The peer: fetch all URLs, keep nothing."""
    import aiohttp
    from yarl import URL

    async def run() -> int:
        waiting, done = iter(targets(count)), 0
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8), cookie_jar=aiohttp.DummyCookieJar()) as session:

            async def work() -> None:
                nonlocal done
                for target in waiting:
                    async with session.get(URL(f"http://127.0.0.1:{port}{target}", encoded=True)) as response:
                        await response.read()
                        done += 1

            await asyncio.gather(*(work() for _ in range(8)))
        return done

    _said(run)


def ours(port: int, count: int) -> None:
    """An export without its proof, which asks for everything again."""
    from planner.export.crawl import Wanted
    from planner.export.exporting import Options, export
    from planner.export.fetching import Manners
    from planner.pinned import SiteView

    async def run() -> int:
        with tempfile.TemporaryDirectory() as folder:
            wanted = Wanted(SiteView((NAME,), "127.0.0.1", port), manners=Manners(concurrency=8))
            result = await export(wanted, Path(folder), datetime.now(UTC), Options(prove=False))
            return len(result.made.answered)

    _said(run)


def _said(run) -> None:  # type: ignore[no-untyped-def]
    begun = time.perf_counter()
    done = asyncio.run(run())
    seconds = time.perf_counter() - begun
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"done": done, "seconds": seconds, "rss_mb": usage.ru_maxrss / 1024}))


@contextmanager
def site(count: int) -> Iterator[int]:
    """The site at work."""
    port = measuring.free_port()
    program = subprocess.Popen([sys.executable, __file__, "serve", str(port), str(count)])
    try:
        time.sleep(2)
        yield port
    finally:
        program.terminate()
        program.wait()


def wget(port: int) -> measuring.Measured:
    """`wget --mirror` into a folder of its own; files are counted."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["wget", "--mirror", "--quiet", "--no-proxy", "-P", folder, f"http://127.0.0.1:{port}/"]
        measured = measuring.run(command, count=lambda _: 1)
        measured.done = sum(len(names) for _, _, names in os.walk(folder))
        return measured


def main() -> None:
    options = measuring.arguments(__doc__ or "").parse_args()
    count, rounds = (2_000, 1) if options.quick else (10_000, options.rounds)
    found: dict[str, list[measuring.Measured]] = {}
    with site(count) as port:
        for _ in range(rounds):
            for name in ("bare", "ours"):
                found.setdefault(name, []).append(measuring.run([sys.executable, __file__, name, str(port), str(count)]))
            if shutil.which("wget"):
                found.setdefault("wget", []).append(wget(port))
    rows = measuring.rows(found, dict.fromkeys(found, count))
    rate = {row["client"]: row["hosts_per_s"] for row in rows}
    for row in rows:
        row["pages"], row["pages_per_s"], row["cpu_ms_per_page"] = row.pop("hosts"), row.pop("hosts_per_s"), row.pop("cpu_ms_per_host")
    ratios = {"pages/s, ours ÷ bare aiohttp": round(rate["ours"] / rate["bare"], 3)}
    if "wget" in rate:
        ratios["pages/s, ours ÷ wget --mirror"] = round(rate["ours"] / rate["wget"], 3)
    measuring.publish("exporting", rows, ratios)


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[1] in ("serve", "bare", "ours"):
        {"serve": serve, "bare": bare, "ours": ours}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
