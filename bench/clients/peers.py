"""Other libraries as clients: `peers.py asyncssh|parallel-ssh|paramiko|openssh HOSTS KEY --in-flight N`, the script on its input.

Each is used as its documentation shows, with known hosts verified where it can.  CPU and time are without the imports.
"""

from __future__ import annotations

import argparse
import getpass
import json
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Hosts = list[tuple[str, int]]


def with_asyncssh(hosts: Hosts, known: Path, key: str, in_flight: int, script: str, connect: float) -> Any:
    import asyncio

    import asyncssh

    async def visit(place: tuple[str, int], gate: asyncio.Semaphore, trusted: Any, loaded: Any) -> bool:
        async with gate:
            try:
                async with asyncssh.connect(
                    *place, username=getpass.getuser(), client_keys=[loaded], known_hosts=trusted, config=None, agent_path=None,
                    connect_timeout=connect, login_timeout=60,
                ) as connection:  # fmt: skip
                    return bool((await connection.run("sh -s", input=script)).stdout)
            except (OSError, asyncssh.Error, TimeoutError):
                return False

    async def all_of_them() -> int:
        gate = asyncio.Semaphore(in_flight)
        trusted, loaded = asyncssh.read_known_hosts(str(known)), asyncssh.read_private_key(key)
        return sum(await asyncio.gather(*(visit(place, gate, trusted, loaded) for place in hosts)))

    return lambda: asyncio.run(all_of_them())


def with_parallel_ssh(hosts: Hosts, known: Path, key: str, in_flight: int, script: str, connect: float) -> Any:
    from pssh.clients import ParallelSSHClient

    def run() -> int:
        client = ParallelSSHClient(
            [address for address, _ in hosts], user=getpass.getuser(), port=hosts[0][1], pkey=key, pool_size=in_flight, num_retries=1,
            allow_agent=False, identity_auth=False, timeout=60,
        )  # fmt: skip
        outputs = client.run_command(script, stop_on_errors=False)
        return sum(1 for output in outputs if not output.exception and list(output.stdout))

    return run


def with_paramiko(hosts: Hosts, known: Path, key: str, in_flight: int, script: str, connect: float) -> Any:
    import paramiko

    loaded = paramiko.PKey.from_path(key)
    trusted = paramiko.HostKeys(str(known))

    def visit(place: tuple[str, int]) -> bool:
        client = paramiko.SSHClient()
        client.get_host_keys().update({name: trusted[name] for name in (f"[{place[0]}]:{place[1]}",)})
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            client.connect(*place, username=getpass.getuser(), pkey=loaded, allow_agent=False, look_for_keys=False, timeout=connect)
            given, out, _ = client.exec_command("sh -s", timeout=300)
            given.write(script)
            given.channel.shutdown_write()
            return bool(out.read()) and out.channel.recv_exit_status() == 0
        except (OSError, EOFError, paramiko.SSHException):
            return False
        finally:
            client.close()

    return _threads(visit, hosts, in_flight)


def with_openssh(hosts: Hosts, known: Path, key: str, in_flight: int, script: str, connect: float) -> Any:
    options = ["-F", "none", "-i", key, "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={connect:.0f}"]

    def visit(place: tuple[str, int]) -> bool:
        command = ["ssh", *options, "-p", str(place[1]), place[0], "sh -s"]
        done = subprocess.run(command, input=script.encode(), capture_output=True, check=False)
        return done.returncode == 0 and bool(done.stdout)

    return _threads(visit, hosts, in_flight)


def _threads(visit: Any, hosts: Hosts, in_flight: int) -> Any:
    def run() -> int:
        with ThreadPoolExecutor(in_flight) as pool:
            return sum(pool.map(visit, hosts))

    return run


CLIENTS = {"asyncssh": with_asyncssh, "parallel-ssh": with_parallel_ssh, "paramiko": with_paramiko, "openssh": with_openssh}


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Visit the hosts and say how it went."""
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("hosts", type=Path)
    parser.add_argument("key")
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--connect", type=float, default=8.0)
    options = parser.parse_args()
    hosts = [(line.split()[0], int(line.split()[1])) for line in options.hosts.read_text().splitlines()]
    script = sys.stdin.read()
    run = CLIENTS[options.client](hosts, Path(f"{options.hosts}.known"), options.key, options.in_flight, script, options.connect)
    cpu, begun = _cpu(), time.perf_counter()
    done = run()
    print(json.dumps({"done": done, "seconds": time.perf_counter() - begun, "cpu": _cpu() - cpu}))


if __name__ == "__main__":
    main()
