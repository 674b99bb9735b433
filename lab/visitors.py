"""Visitors and an editor: ask the lab's sites by name every 0.2 s, each time through DNS, and write down what came back.

visitors.py LOG               until SIGTERM: one JSON line per request, {at, site, what, ok, seconds, detail}
visitors.py --summary LOG     per site and kind: requests, failures, the longest time without a good answer
"""

import http.client
import itertools
import json
import sys
import threading
import time
import urllib.parse
from collections import defaultdict
from pathlib import Path

SITES = ("www.hist.campus.test", "www.phys.campus.test", "events.phys.campus.test", "odd.campus.test")
EDITED = "events.phys.campus.test"
PAUSE = 0.2


def ask(site: str, method: str = "GET", body: str | None = None) -> tuple[int, bytes]:
    """Status and body of the site's home page; status 0 when nothing answered."""
    connection = http.client.HTTPConnection(site, timeout=10)
    try:
        connection.request(method, "/", body, {"Content-Type": "application/x-www-form-urlencoded"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()
    finally:
        connection.close()


def watch(path: Path) -> None:
    """Ask all sites until a file `LOG.stop` appears: a signal would not pass through every way of starting this."""
    lock, stop, sign = threading.Lock(), threading.Event(), Path(f"{path}.stop")
    with path.open("a", encoding="utf-8") as log:

        def note(site: str, what: str, ok: bool, begun: float, detail: str = "") -> None:
            line = {"at": begun, "site": site, "what": what, "ok": ok, "seconds": time.time() - begun, "detail": detail}
            with lock:
                log.write(json.dumps(line) + "\n")
                log.flush()

        def visitor(site: str) -> None:
            while not stop.wait(PAUSE):
                begun = time.time()
                status, body = ask(site)
                note(site, "read", status == 200 and b"<title>" in body, begun, "" if status == 200 else f"{status} {body[:80]!r}")

        def editor() -> None:
            count = 0
            while not stop.wait(PAUSE):
                count += 1
                begun = time.time()
                entry = f"entry {count}."
                status, body = ask(EDITED, "POST", urllib.parse.urlencode({"title": entry}))
                note(EDITED, "write", status == 200 and entry.encode() in body, begun, entry)

        threads = [threading.Thread(target=visitor, args=(site,)) for site in SITES] + [threading.Thread(target=editor)]
        for thread in threads:
            thread.start()
        while not sign.exists():
            time.sleep(PAUSE)
        stop.set()
        for thread in threads:
            thread.join()
    sign.unlink()


def gaps(lines: list[str]) -> dict[tuple[str, str], tuple[int, int, float]]:
    """(site, what) → requests, failures, the longest time between two good answers in seconds."""
    seen = defaultdict(list)
    for line in lines:
        entry = json.loads(line)
        seen[entry["site"], entry["what"]].append(entry)
    found = {}
    for key, entries in sorted(seen.items()):
        good = sorted(entry["at"] + entry["seconds"] for entry in entries if entry["ok"])
        longest = max((b - a for a, b in itertools.pairwise(good)), default=0.0)
        found[key] = len(entries), sum(not entry["ok"] for entry in entries), longest
    return found


if __name__ == "__main__":
    if sys.argv[1] == "--summary":
        print(f"{'site':<26}{'':<7}{'requests':>9}{'failed':>8}  longest without an answer")
        for (site, what), (count, failed, longest) in gaps(Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()).items():
            print(f"{site:<26}{what:<7}{count:>9}{failed:>8}  {longest:.2f} s")
    else:
        watch(Path(sys.argv[1]))
