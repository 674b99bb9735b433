"""Visitors and an editor, run on the control side: ask by name every 0.2 s, each time through DNS, and write down what came back.

usage: visitors.py FILE: one JSON line per request, {at, site, what, ok, seconds}; ends on SIGTERM.
"""

import http.client
import json
import signal
import socket
import sys
import threading
import time
import urllib.parse
from pathlib import Path

SITES = ("www.hist.campus.test", "www.phys.campus.test", "events.phys.campus.test", "odd.campus.test")


def ask(site, method="GET", body=None):
    connection = http.client.HTTPConnection(site, timeout=10)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException, socket.gaierror) as error:
        return 0, str(error).encode()
    finally:
        connection.close()


def main(path):
    lock, stop = threading.Lock(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with Path(path).open("a") as log:

        def note(site, what, ok, begun, detail=""):
            with lock:
                log.write(json.dumps({"at": begun, "site": site, "what": what, "ok": ok, "seconds": time.time() - begun, "detail": detail}) + "\n")
                log.flush()

        def visitor(site):
            while not stop.wait(0.2):
                begun = time.time()
                status, body = ask(site)
                note(site, "read", status == 200 and b"<title>" in body, begun, "" if status == 200 else f"{status} {body[:80]!r}")

        def editor():
            count = 0
            while not stop.wait(0.2):
                count += 1
                begun = time.time()
                status, body = ask("events.phys.campus.test", "POST", urllib.parse.urlencode({"title": f"entry {count}."}))
                note("events.phys.campus.test", "write", status == 200 and f"entry {count}.".encode() in body, begun, f"entry {count}.")

        threads = [threading.Thread(target=visitor, args=(site,)) for site in SITES] + [threading.Thread(target=editor)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


main(sys.argv[1])
