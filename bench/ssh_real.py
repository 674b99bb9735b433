"""Our visits against Ansible and pyinfra on OpenSSH's own server: hosts/s, client CPU per host, and how near the server's floor.

    .venv/bin/python bench/ssh_real.py [--quick]

Client and server share this machine, and each visit costs the server some 30 ms of CPU, so that hosts/s say more about sshd than about the
client: the floor is what the cores could serve if the client cost nothing (cores ÷ the server's CPU per visit, as measured in our own
run).  Ansible gathers its facts, pyinfra and we run the same script.  What Ansible's persistent connections cost after it has ended is not
counted.  To be reached: 15 times Ansible's hosts/s, 95 % of the floor, 1/150 of Ansible's client CPU and 1/4 of pyinfra's.
"""

from __future__ import annotations

import getpass
import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import measuring
from bench.measuring import Measured, Server, real_sshd, run


def ours(server: Server, count: int, in_flight: int) -> Measured:
    command = [*measuring.OURS, str(server.hosts(count)), str(server.folder / "client"), "--in-flight", str(in_flight)]
    return run(command, stdin=measuring.SCRIPT)


def stock(server: Server, count: int) -> Measured:
    client = str(measuring.BENCH / "clients" / "peers.py")
    command = [sys.executable, client, "paramiko", str(server.hosts(count)), str(server.folder / "client"), "--in-flight", "16"]
    return run(command, stdin=measuring.SCRIPT)


def ansible(server: Server, count: int, python: str) -> Measured:
    hosts = server.hosts(count)
    inventory = server.folder / "inventory.ini"
    python_there = f"ansible_python_interpreter={sys.executable}"
    names = [line.split()[0] for line in hosts.read_text().splitlines()]
    inventory.write_text("".join(f"{name} ansible_port={server.port} {python_there}\n" for name in names))
    (server.folder / "ansible.cfg").write_text("")
    os.environ |= {
        "ANSIBLE_HOME": str(server.folder), "ANSIBLE_CONFIG": str(server.folder / "ansible.cfg"), "LC_ALL": "C.UTF-8",
        "ANSIBLE_SSH_ARGS": f"-C -o ControlMaster=auto -o ControlPersist=2s -o UserKnownHostsFile={hosts}.known",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(server.folder / "cp"),
    }  # fmt: skip
    command = [Path(python).parent / "ansible", "all", "-i", inventory, "-m", "setup", "-f", "16", "-u", getpass.getuser()]
    return run([*command, "--private-key", server.folder / "client"], count=lambda text: text.count("| SUCCESS =>"))


def pyinfra(server: Server, count: int, python: str) -> Measured:
    hosts = server.hosts(count)
    names = [line.split()[0] for line in hosts.read_text().splitlines()]
    data = {
        "ssh_user": getpass.getuser(), "ssh_port": server.port, "ssh_key": str(server.folder / "client"), "ssh_allow_agent": False,
        "ssh_known_hosts_file": f"{hosts}.known", "ssh_strict_host_key_checking": "yes",
    }  # fmt: skip
    inventory, deploy = server.folder / "inventory.py", server.folder / "deploy.py"
    inventory.write_text(f"peers = [(name, {data!r}) for name in {names!r}]\n")
    deploy.write_text(f"from pyinfra.operations import server\nserver.shell(commands=[{measuring.SCRIPT.read_text()!r}])\n")
    command = [Path(python).parent / "pyinfra", "-y", "--parallel", "32", inventory, deploy]
    return run(command, count=lambda text: sum("127." in line and "Success" in line for line in text.splitlines()))


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0]).parse_args()
    rounds = 1 if options.quick else options.rounds
    many, some, few = (120, 60, 16) if options.quick else (400, 200, 48)
    python = measuring.peers_python()
    clients = {
        "ours, 64": (many, lambda server: ours(server, many, 64)),
        "ansible -m setup, 16 forks": (few, lambda server: ansible(server, few, python)),
        "ours, 16": (many, lambda server: ours(server, many, 16)),
        "pyinfra, same script, 32": (some, lambda server: pyinfra(server, some, python)),
        "stock paramiko, 16 threads": (some, lambda server: stock(server, some)),
    }
    found: dict[str, list[Measured]] = {name: [] for name in clients}
    served: dict[str, list[float]] = {name: [] for name in clients}
    for place in range(rounds):
        for name, (count, visit) in clients.items():
            measuring.say(f"round {place + 1}: {name}")
            with real_sshd() as server:
                found[name].append(visit(server))
            served[name].append(server.cpu / max(1, count))
    table = measuring.rows(found, {name: count for name, (count, _) in clients.items()})
    for row in table:
        row["server_ms_per_host"] = round(1000 * statistics.median(served[row["client"]]), 1)
    by = {row["client"]: row for row in table}
    mine, setup, infra = by["ours, 64"], by["ansible -m setup, 16 forks"], by["pyinfra, same script, 32"]
    floor = 1000 * len(os.sched_getaffinity(0)) / mine["server_ms_per_host"]
    ratios = {
        "hosts/s, ours ÷ ansible -m setup (to be reached: 15)": round(mine["hosts_per_s"] / max(0.01, setup["hosts_per_s"]), 1),
        "client CPU per host, ansible -m setup ÷ ours (to be reached: 150)": round(setup["cpu_ms_per_host"] / mine["cpu_ms_per_host"], 1),
        "client CPU per host, pyinfra ÷ ours (to be reached: 4)": round(infra["cpu_ms_per_host"] / mine["cpu_ms_per_host"], 1),
        "hosts/s, ours ÷ sshd's floor on idle cores (to be reached: 0.95)": round(mine["hosts_per_s"] / floor, 3),
        "the same by CPU alone: sshd's ÷ (sshd's + ours)": round(
            mine["server_ms_per_host"] / (mine["server_ms_per_host"] + mine["cpu_ms_per_host"]), 3
        ),
        "sshd's floor, hosts/s": round(floor, 1),
    }
    measuring.publish("ssh_real", table, ratios)


if __name__ == "__main__":
    main()
