"""How fast two copies of a site are compared, beside a bare fetch of the same pages by the same library, and with how much memory.

    python bench/verifying.py --quick     1,000 pages, one round: under a minute
    python bench/verifying.py             10,000 pages

Two nginx on the loopback serve the same tree of pages as units have them (13 kB, a menu, a list, text, a picture).  `still`: both give the
same bytes.  `restless`: each answer has its own nonce, time and token in five places (nginx's sub_filter), so that each page's source is
asked a second time.  `bare` is aiohttp with the same number of connections that reads the same answers, as many of each page
as the comparison needs, and does nothing with them; it is given the list of URLs, which the comparison has to find.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import measuring

NAME = "www.bench.test"
CONCURRENCY = 8
WORDS = "各位 老师 同学 通知 会议 学院 教学 科研 招生 就业 党建 国际 交流 实验室 安全 检查 工作 安排 关于 开展".split()  # noqa: SIM905


def article(n: int, count: int) -> str:
    """Page `n`: a menu of 30, links to the next ten, 40 paragraphs."""
    menu = "".join(f"<li class=item><a href=/page/{m}.html>{WORDS[m % 20]}{m}</a></li>" for m in range(30))
    near = "".join(
        f"<li><a href=/page/{(n * 10 + k) % count}.html>{WORDS[(n + k) % 20]}的{WORDS[k]}</a><span>11-{k + 1:02}</span></li>"
        for k in range(1, 11)
    )
    text = "".join(f"<p>{''.join(WORDS[(n * 7 + p * 3 + k) % 20] for k in range(40))} {n}.{p}</p>" for p in range(40))
    return (
        f"<!DOCTYPE html><html><head><meta charset=utf-8><title>第 {n} 页</title><link rel=stylesheet href=/site.css>"
        f"<meta name=csrf content=@NONCE@></head><body><div id=nav><ul>{menu}</ul></div><p>@CLOCK@</p><img src=/logo.png alt=校徽>"
        f"<ul class=list>{near}</ul><div id=content>{text}</div><form action=/search><input name=q>"
        f"<input type=hidden name=t value=@NONCE@></form><script nonce=@NONCE@>var t='@NONCE@';</script></body></html>"
    )


@contextmanager
def sites(count: int) -> Iterator[dict[str, tuple[int, int]]]:
    """Kind → ports of source and destination."""
    with tempfile.TemporaryDirectory(prefix="planner-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "tree" / "page").mkdir(parents=True)
        for n in range(count):
            (folder / "tree" / "page" / f"{n}.html").write_text(article(n, count), encoding="utf-8")
        (folder / "tree" / "index.html").write_text("".join(f"<a href=/page/{n}.html>{n}</a>" for n in range(30)))
        (folder / "tree" / "site.css").write_text("p{color:red}")
        (folder / "tree" / "logo.png").write_bytes(b"\x89PNG" + bytes(20_000))
        ports = {kind: (measuring.free_port(), measuring.free_port()) for kind in ("still", "restless")}
        changing = "sub_filter_once off; sub_filter '@NONCE@' $request_id; sub_filter '@CLOCK@' '$time_iso8601 $msec';"
        servers = "".join(
            f"server {{ listen 127.0.0.1:{port}; root {folder}/tree; charset utf-8; {changing if kind == 'restless' else ''} }}\n"
            for kind, both in ports.items() for port in both
        )  # fmt: skip
        (folder / "nginx.conf").write_text(
            f"user root; worker_processes 1; pid {folder}/pid; error_log /dev/null; events {{ worker_connections 512; }}\n"
            f"http {{ access_log off; sendfile on; keepalive_requests 100000; types {{ text/html html; text/css css; image/png png; }}\n"
            f"client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;\n"
            f"scgi_temp_path {folder}/s;\n{servers} }}\n"
        )
        program = subprocess.Popen(["nginx", "-c", f"{folder}/nginx.conf", "-g", "daemon off;"], stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            yield ports
        finally:
            program.terminate()
            program.wait(10)


async def bare(count: int, ports: tuple[int, int], times: int) -> int:
    """Every page `times` times: by turns from source and destination."""
    from planner import pinned

    views = [pinned.SiteView((NAME,), "127.0.0.1", port) for port in ports]
    sessions = [pinned.session(view, concurrency=CONCURRENCY, request_seconds=20, headers={}) for view in views]
    left = iter(range(count))

    async def worker() -> int:
        done = 0
        for n in left:
            for k in range(times):
                async with sessions[k % 2].get(f"http://{NAME}/page/{n}.html") as response:
                    await response.read()
            done += 1
        return done

    found = await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    for session in sessions:
        await session.close()
    return sum(found)


def client(kind: str, who: str, count: int, ports: tuple[int, int]) -> None:
    """One run, in a process of its own: a line of JSON."""
    from planner.verification import Limits, compare_site

    begun = time.perf_counter()
    if who == "bare":
        done = asyncio.run(bare(count, ports, 2 if kind == "still" else 3))
    else:
        limits = Limits(pages=count + 100, seconds=3600, concurrency=CONCURRENCY)
        result = compare_site([NAME], "127.0.0.1", "127.0.0.1", limits=limits, source_port=ports[0], destination_port=ports[1])
        assert result.verdict == "equal", result.reason
        done = result.counts["equal"]
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"done": done, "seconds": time.perf_counter() - begun, "rss_mb": rss}))


def main() -> None:
    parser = measuring.arguments(__doc__.partition("\n")[0])
    parser.add_argument("--client", nargs=5, help="for the bench itself: kind, who, pages, ports")
    given = parser.parse_args()
    if given.client:
        kind, who, *numbers = given.client
        count, first, second = map(int, numbers)
        client(kind, who, count, (first, second))
        return
    counts = [1000] if given.quick else [1000, 10_000]
    rounds: dict[str, list[measuring.Measured]] = {}
    hosts: dict[str, int] = {}
    for count in counts:
        with sites(count) as ports:
            for _ in range(1 if given.quick else given.rounds):
                for kind in ports:
                    for who in ("bare", "ours"):
                        name = f"{kind} {who} {count}"
                        command = [sys.executable, __file__, "--client", kind, who, str(count), *map(str, ports[kind])]
                        measured = measuring.run(command, limit=1800)
                        measuring.say(f"{name}: {measured.done} pages, {measured.seconds:.1f} s, {measured.rss_mb:.0f} MB {measured.more}")
                        rounds.setdefault(name, []).append(measured)
                        hosts[name] = count
    rows = measuring.rows(rounds, hosts)
    rate = {row["client"]: row["hosts_per_s"] for row in rows}
    ratios: dict[str, Any] = {}
    for count in counts:
        for kind in ("still", "restless"):
            ratios[f"{kind}, {count} pages: pages/s ÷ bare fetch of the same pages"] = round(
                rate[f"{kind} ours {count}"] / rate[f"{kind} bare {count}"], 3
            )
    cpu = {row["client"]: row["cpu_ms_per_host"] for row in rows}
    for count in counts:
        for kind in ("still", "restless"):
            bare_, ours = cpu[f"{kind} bare {count}"], cpu[f"{kind} ours {count}"]
            ratios[f"{kind}, {count} pages: pages per second of CPU ÷ bare fetch"] = round(bare_ / ours, 3)
    memory = {row["client"]: row["rss_mb"] for row in rows}
    if len(counts) > 1:
        for kind in ("still", "restless"):
            ratios[f"{kind}: MB at {counts[1]} pages − at {counts[0]}"] = (
                memory[f"{kind} ours {counts[1]}"] - memory[f"{kind} ours {counts[0]}"]
            )
    named = [{"pages" if key == "hosts" else key.replace("host", "page"): value for key, value in row.items()} for row in rows]
    measuring.publish("verifying", named, ratios)


if __name__ == "__main__":
    main()
