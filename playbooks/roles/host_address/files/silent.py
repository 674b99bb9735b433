#!/usr/bin/python3
"""Fail when somebody has an address already: something answers there, or refuses.  usage: silent ADDRESS (on the control node)"""

import socket
import sys

PORTS = (22, 80, 443, 445, 3389)


def answers(address, port):
    try:
        with socket.create_connection((address, port), timeout=1.5):
            return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False


def main():
    for port in PORTS:
        if answers(sys.argv[1], port):
            sys.exit(f"planner: failed: somebody has the address {sys.argv[1]} already: port {port} answers")


if __name__ == "__main__":
    main()
