"""The holder: one process that owns a lab's namespaces.

It is PID 1 of a PID namespace and the only owner of a mount and a network namespace.  All hosts, mounts and devices of the lab live in
these, so that the kernel removes them when the holder dies.  In: a `Lab`.  Out: the holder's PID, seen from this machine.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NoReturn

from campuslab import LabError
from campuslab.layout import COMMAND, Lab

MOUNT_AND_NETWORK = ("-m", "-n")
EVERYTHING = ("-m", "-n", "-p")
# Each host's systemd takes some ten inotify instances of root's, of which Linux allows 128: a dozen hosts would use them up.
INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH_INSTANCES = 1024


def _birth(pid: int) -> str:
    """When a process started, in ticks; with its PID it names a process for good.  The program's name before it may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]


def alive(lab: Lab) -> int | None:
    """The PID of the running holder."""
    try:
        pid, birth = (lab.run / "holder.pid").read_text().split()
        return int(pid) if _birth(int(pid)) == birth else None
    except (OSError, ValueError):
        return None


def need(lab: Lab) -> int:
    """The PID of the running holder, or an error that says how to start it."""
    pid = alive(lab)
    if pid is None:
        raise LabError(f"lab {lab.name} is not up: run `LAB_NAME={lab.name} lab up` first")
    return pid


def enter(
    pid: int,
    command: Sequence[str | Path],
    namespaces: Sequence[str] = EVERYTHING,
    *,
    capture: bool = False,
    stdin: IO[str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine inside namespaces of a process (options of nsenter)."""
    return subprocess.run(
        ["nsenter", "-t", str(pid), *namespaces, "--", *map(str, command)], capture_output=capture, stdin=stdin, text=True, check=False
    )


def raise_limit() -> None:
    """Let this machine's root watch more files.  It stays so until the machine restarts: other labs may need it when this one is gone."""
    with contextlib.suppress(OSError, ValueError):  # where it cannot be written, a few hosts still start
        allowed = int(INSTANCES.read_text())
        if allowed < ENOUGH_INSTANCES:
            INSTANCES.write_text(str(ENOUGH_INSTANCES))
            print(f"raised this machine's fs.inotify.max_user_instances from {allowed} to {ENOUGH_INSTANCES}", flush=True)


def start(lab: Lab) -> int:
    """Start the holder, unless it runs; its PID."""
    raise_limit()
    lab.log.mkdir(parents=True, exist_ok=True)
    _write_names(lab)
    running = alive(lab)
    if running:
        return running
    _clear(lab)  # after an accident
    lab.disks.mkdir(exist_ok=True)
    ready = lab.run / "ready"
    ready.unlink(missing_ok=True)
    if not lab.key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab-{lab.name}", "-f", lab.key], check=True)
    unshare = "unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc --propagation private"
    with (lab.log / "holder").open("ab") as log:
        process = subprocess.Popen(
            [*unshare.split(), sys.executable, str(COMMAND), "_holder"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 10
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            said = (lab.log / "holder").read_text(errors="replace")[-800:].strip()
            raise LabError(f"the lab's namespaces could not be set up ({lab.log}/holder):\n{said}")
        time.sleep(0.02)
    pid = _child(process.pid)  # unshare forks, and its child holds
    (lab.run / "holder.pid").write_text(f"{pid} {_birth(pid)}")
    return pid


def _child(parent: int) -> int:
    """The only child of a process."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(status.read_text().rsplit(")", 1)[1].split()[1]) == parent:
                return int(status.parent.name)
    raise LabError("the lab's holder ended at once; its log stands in /run/campus-lab")


def _write_names(lab: Lab) -> None:
    """The control side's hosts and resolv.conf.  Written in place: a running holder has these very files mounted."""
    configuration = lab.configuration
    lines = [f"{host.ip} {name}.{configuration.domain} {name}\n" for name, host in configuration.hosts.items()]
    resolver = f"search {configuration.domain}\nnameserver {configuration.dns}\noptions timeout:1 attempts:1\n" if configuration.dns else ""
    for name, text in (("hosts", "127.0.0.1 localhost\n" + "".join(lines)), ("resolv.conf", resolver)):
        path = lab.run / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def serve(lab: Lab) -> NoReturn:
    """Be the holder: set up the namespaces it stands in, then only collect dead children.  Runs as `lab _holder`."""
    run = lab.run
    for command in (
        "mount --make-rprivate /",
        # hosts get cgroup v2 alone, whatever this machine has
        "umount -R -l /sys/fs/cgroup",
        "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
        # what ip and nspawn keep in /run, kept off this machine's own
        "mkdir -p /run/netns /run/systemd/nspawn",
        "mount -t tmpfs tmpfs /run/netns",
        "mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn",
        f"mount -t tmpfs -o size=16G,mode=755 lab {run}/fs",
        # names as the lab knows them, for `lab ctl`
        f"mount --bind {run}/resolv.conf /etc/resolv.conf",
        f"mount --bind {run}/hosts /etc/hosts",
        "ip link set lo up",
        "ip link add br0 type bridge",
        f"ip addr add {lab.configuration.bridge} dev br0",
        "ip link set br0 up",
        # no uplink exists; with forwarding, other destinations are 'unreachable' at once instead of silently dropped
        "sysctl -qw net.ipv4.ip_forward=1",
    ):
        subprocess.run(shlex.split(command), check=True)
    lab.cgroup_inside().mkdir(parents=True, exist_ok=True)
    (run / "ready").touch()
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:  # none now; hosts started later become children of PID 1
            time.sleep(1)


def remove_cgroups(top: Path) -> None:
    """Remove a cgroup and those below it, deepest first; one with a process in it stays."""
    for folder in sorted((path for path in [top, *top.rglob("*")] if path.is_dir()), key=lambda path: -len(path.parts)):
        with contextlib.suppress(OSError):
            folder.rmdir()


def stop(lab: Lab) -> None:
    """End the lab and everything in it; keys for logging in and logs stay."""
    _clear(lab)
    left = ("fs", "hostkeys", "lock", "cp", "known_hosts", "tsig.key", "holder.pid", "ready", "hosts", "resolv.conf")
    subprocess.run(["rm", "-rf", "--one-file-system", *[lab.run / name for name in left]], check=True)


def _clear(lab: Lab) -> None:
    """End the holder, with it all hosts, and what may be left of a lab whose holder is gone; forget which disks were seeded."""
    pid = alive(lab)
    # `lab ctl` starts processes in the lab's namespaces but for that of PIDs, and some linger (ssh's ControlPersist):
    # they would keep network and mounts alive
    for inside in ([pid] if pid else []) + list(_inside(lab)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(inside, signal.SIGKILL)
    while pid and Path(f"/proc/{pid}").exists():
        time.sleep(0.02)
    for _ in range(100):  # the kernel takes its time to empty a cgroup
        remove_cgroups(lab.cgroup())
        if not lab.cgroup().exists():
            break
        time.sleep(0.05)
    else:
        raise LabError(f"processes are left in {lab.cgroup()}; see cgroup.procs below it, then `lab down` again")
    shutil.rmtree(lab.run / "seeded", ignore_errors=True)


def _inside(lab: Lab) -> Iterator[int]:
    """PIDs of this machine in the lab's mount namespace: only there something is mounted where the disks are."""
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):
            mounted = any(line.split()[4] == str(lab.disks) for line in table.read_text(errors="replace").splitlines())
            if mounted and int(table.parent.name) != os.getpid():
                yield int(table.parent.name)
