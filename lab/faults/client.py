"""A client that reads and writes all the time: `client.py SITE OLD-ADDRESS PREFIX LOG`, on the lab's control side.

Two of each: one asks the name server before every request (and, as a resolver's cache would, takes the last answer when there is none), the
other learnt the old address long ago and never asks again.  Each reads a page, adds rows and uploads files, every 0.4 seconds.  Ends
when a file LOG.stop appears.  Out: a JSON line for each request: {at, end, kind, who, ok, by, name, detail}.  A request whose answer did
not come is not repeated: whether it was accepted is not known.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import sys
import threading
import time
import urllib.parse
from pathlib import Path

PAUSE = 0.4
TIMEOUT = 10.0
ACCEPTED = re.compile(r"^accepted (\S+) by (\S+)$", re.M)


class Client:
    """One of the two."""

    def __init__(self, site: str, address: str, asks: bool) -> None:
        self.site, self.address, self.asks = site, address, asks

    def request(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        """Status and text; 0 and what went wrong when no answer came."""
        if self.asks:
            with contextlib.suppress(OSError):
                self.address = socket.gethostbyname(self.site)
        connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT)
        headers = {"Host": self.site} | ({"Content-Type": "application/x-www-form-urlencoded"} if body else {})
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()


def main() -> None:
    """Until LOG.stop is there."""
    site, old, prefix, path = sys.argv[1:]
    lock, stop, sign = threading.Lock(), threading.Event(), Path(f"{path}.stop")
    with Path(path).open("a", encoding="utf-8") as log:

        def work(who: str, kind: str) -> None:
            client, count = Client(site, old, who == "fresh"), 0
            while not stop.is_set():
                begun, count = time.time(), count + 1
                name = "" if kind == "read" else f"{prefix}-{who}-{kind}-{count}"
                if kind == "read":
                    status, text = client.request("GET", "/write.php")
                    ok, by = status == 200 and "<title>Entries" in text, ""
                else:
                    status, text = client.request("POST", "/write.php", urllib.parse.urlencode({"kind": kind, "name": name}))
                    found = ACCEPTED.search(text) if status == 200 else None
                    ok, by = bool(found and found[1] == name), found[2] if found else ""
                line = {"at": begun, "end": time.time(), "kind": kind, "who": who, "ok": ok, "by": by, "name": name}
                with lock:
                    log.write(json.dumps(line | ({} if ok else {"detail": f"{status} {text[:120]}"})) + "\n")
                    log.flush()
                stop.wait(max(0.0, begun + PAUSE - time.time()))

        threads = [threading.Thread(target=work, args=(who, kind)) for who in ("fresh", "stale") for kind in ("read", "row", "file")]
        for thread in threads:
            thread.start()
        while not sign.exists():
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()
    sign.unlink()


if __name__ == "__main__":
    main()
