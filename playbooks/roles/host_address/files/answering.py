#!/usr/bin/python3
"""Print the first address at which SSH greets.  usage: answering PORT SECONDS "ADDRESS …" (on the control node)"""

import socket
import sys
import time


def greets(address, port):
    try:
        with socket.create_connection((address, port), timeout=3) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def main():
    port, seconds, places = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3].split()
    until = time.monotonic() + seconds
    while True:
        for address in places:
            if greets(address, port):
                print(address)
                return
        if time.monotonic() > until:
            sys.exit(f"planner: failed: nothing answers SSH at {' or '.join(places)} within {seconds:g} s")
        time.sleep(1)


if __name__ == "__main__":
    main()
