"""Single hosts: put a disk and a network card together, boot systemd in them, run commands there, switch off, cut the cable.

In: a `Lab` and a host's name.  Out: processes in the holder's namespaces.  `boot` alone runs inside these namespaces (as `lab _host_up`);
everything else runs outside and finds a host by its cgroup.
"""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from campuslab import LabError
from campuslab.configuration import Host
from campuslab.holder import MOUNT_AND_NETWORK, enter, need, remove_cgroups
from campuslab.images import layers
from campuslab.layout import Lab

OPS = 1000  # uid and gid of the login user `ops` in every image
PACKAGES = "/srv/packages"  # where a bare host sees its package repository
MEMINFO = "usr/lib/.lab-meminfo"
POWEROFF = signal.SIGRTMIN + 4  # systemd: start poweroff.target
# nspawn leaves with 133 when the host reboots itself: start it again, as a power supply would.
# The first line moves the shell, and so all that comes after it, into the host's cgroup.  A card that its host sets up itself is empty
# when the host is switched on, as a real one is: the network namespace outlives the host.
POWER_SUPPLY = """echo 0 > "$1" || exit 1; own=$2; shift 2
while :; do
  if [ -n "$own" ]; then ip -n "$own" addr flush dev eth0; ip -n "$own" link set eth0 down; fi
  "$@"; r=$?; [ $r = 133 ] || exit $r
done"""


# ---- inside the holder's namespaces ----


def boot(lab: Lab, name: str) -> None:
    """Start a host, unless it runs.  Its disk and network stay from its last run when there was one."""
    host = lab.configuration.hosts[name]
    cgroup = lab.cgroup_inside(name)
    if (cgroup / "payload").exists() and _populated(cgroup):
        return
    root = _disk(lab, host)
    _network(lab, host)
    command = [
        "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--settings=no", "--console=read-only",
        "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--drop-capability=CAP_MKNOD", "--capability=CAP_NET_ADMIN",
        f"--machine={name}", f"--uuid={uuid.uuid5(uuid.NAMESPACE_DNS, f'{name}.{lab.configuration.domain}').hex}",
        f"--directory={root}", f"--network-namespace-path=/run/netns/lab-{name}",
    ]  # fmt: skip
    if host.mem:
        (root / MEMINFO).write_text(meminfo(host.mem))
        command.append(f"--bind-ro=/{MEMINFO}:/proc/meminfo")  # looked up inside the host: nspawn does binds onto /proc last
    if host.repo:
        command.append(f"--bind-ro={lab.home / 'repo' / host.repo}:{PACKAGES}")
    cgroup.mkdir(exist_ok=True)
    with (lab.log / name).open("wb") as log:
        subprocess.Popen(
            [
                "sh",
                "-c",
                POWER_SUPPLY,
                f"lab-{name}",
                str(cgroup / "cgroup.procs"),
                f"lab-{name}" if host.network == "own" else "",
                *command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
        )


def _disk(lab: Lab, host: Host) -> Path:
    """The host's root folder: its own writable layer (a tmpfs of its size) over the shared image."""
    folder = lab.disks / host.name
    root = folder / "root"
    if not folder.is_mount():
        folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={host.disk},mode=755", f"lab-{host.name}", folder], check=True)
        for part in ("up", "work", "root"):
            (folder / part).mkdir()
    if not root.is_mount():
        lower = ":".join(map(str, layers(lab, host.image)))
        options = f"lowerdir={lower},upperdir={folder}/up,workdir={folder}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, root], check=True)
        _personalise(lab, host, root)
    return root


def _personalise(lab: Lab, host: Host, root: Path) -> None:
    """What differs from host to host: its name, its keys, who may log in, where its packages are."""

    def write(path: str, text: str, mode: int = 0o644) -> Path:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        return target

    keys = lab.host_keys(host.name)
    keys.mkdir(parents=True, exist_ok=True)
    private = keys / "ssh_host_ed25519_key"
    if not private.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", private], check=True)
    write("etc/hostname", f"{host.name}\n")
    write("etc/hosts", f"127.0.0.1 localhost\n{host.ip} {host.name}.{lab.configuration.domain} {host.name}\n")
    write("etc/resolv.conf", (lab.run / "resolv.conf").read_text())
    write("etc/ssh/ssh_host_ed25519_key", private.read_text(), 0o600)
    write("etc/ssh/ssh_host_ed25519_key.pub", private.with_suffix(".pub").read_text())
    if host.network == "own":
        write("etc/systemd/network/10-lan.network", networkd(lab, host))
        wants = root / "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
        wants.parent.mkdir(parents=True, exist_ok=True)
        wants.symlink_to("/lib/systemd/system/systemd-networkd.service")
    public = lab.key.with_suffix(".pub").read_text()
    write("root/.ssh/authorized_keys", public, 0o600)
    os.chown(write("home/ops/.ssh/authorized_keys", public, 0o600), OPS, OPS)
    if host.repo:
        write("etc/apt/sources.list.d/center.list", f"deb [trusted=yes] file:{PACKAGES} ./\n")


def networkd(lab: Lab, host: Host) -> str:
    """The network configuration of a host that sets its address itself, as an admin would have written it."""
    bridge = lab.configuration.bridge
    addresses = "".join(f"Address={address}/{bridge.network.prefixlen}\n" for address in (host.ip, *host.also))
    return f"# the room's switch, port 7\n[Match]\nName=eth0\n\n[Network]\n{addresses}Gateway={bridge.ip}\nLinkLocalAddressing=no\n"


def _network(lab: Lab, host: Host) -> None:
    """A network namespace with eth0, whose other end v-HOST hangs on the lab's bridge."""
    space, bridge = f"lab-{host.name}", lab.configuration.bridge
    if Path(f"/run/netns/{space}").exists():
        return
    own = host.network == "own"
    for command in (
        f"ip netns add {space}",
        f"ip link add v-{host.name} type veth peer name eth0 netns {space}",
        f"ip link set v-{host.name} master br0 up",
        *[f"ip -n {space} addr add {address}/{bridge.network.prefixlen} dev eth0" for address in (host.ip, *host.also) if not own],
        *[f"ip -n {space} link set eth0 up" for _ in range(not own)],
        f"ip -n {space} link set lo up",
        *[f"ip -n {space} route add default via {bridge.ip}" for _ in range(not own)],
    ):
        subprocess.run(command.split(), check=True)


def meminfo(size: str) -> str:
    """A /proc/meminfo for a machine of that size ("2G"): inventories read it, and this machine's own would be the same everywhere."""
    total = int(size.removesuffix("G")) * 1024 * 1024
    values = {
        "MemTotal": total, "MemFree": total * 6 // 10, "MemAvailable": total * 8 // 10, "Buffers": total // 50, "Cached": total // 5,
        "SwapCached": 0, "SwapTotal": 0, "SwapFree": 0, "Shmem": 1024, "SReclaimable": 4096,
    }  # fmt: skip
    return "".join(f"{name}:{kilobytes:>15} kB\n" for name, kilobytes in values.items())


# ---- from outside ----


def _populated(cgroup: Path) -> bool:
    try:
        return "populated 1" in (cgroup / "cgroup.events").read_text()
    except OSError:
        return False


def leader(lab: Lab, name: str) -> int | None:
    """The PID, on this machine, of a host's systemd."""
    try:
        pids = (lab.cgroup(name) / "payload/init.scope/cgroup.procs").read_text().split()
    except OSError:
        return None
    return int(pids[0]) if pids else None


def execute(
    lab: Lab, name: str, command: Sequence[str], *, capture: bool = False, stdin: IO[str] | None = None, log: IO[bytes] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command on a host as its root, without ssh and with a plain environment."""
    pid = leader(lab, name)
    if not pid:
        need(lab)
        raise LabError(f"{name} is not running: start it with `lab up {name}`")
    namespaces = ["-m", "-u", "-i", "-p", "-n", "-C", "-r", "-w"]
    environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
    return subprocess.run(
        ["nsenter", "-t", str(pid), *namespaces, "--", "/usr/bin/env", "-i", *environment, *command],
        stdin=stdin,
        stdout=subprocess.PIPE if capture else log,
        stderr=subprocess.PIPE if capture else subprocess.STDOUT if log else None,
        text=True,
        check=False,
    )


def wait_until_running(lab: Lab, name: str, seconds: float = 60) -> str:
    """Wait until systemd has started everything; its state: running, degraded, or where it got stuck."""
    deadline, state = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        if leader(lab, name):
            try:
                result = execute(lab, name, ["systemctl", "is-system-running"], capture=True)
            except LabError:  # it ended between the two looks
                continue
            state = result.stdout.strip() or result.stderr.strip()
            if state in ("running", "degraded"):
                return state
        time.sleep(0.1)
    return state or "no systemd"


def switch_off(lab: Lab, name: str, *, pull_the_plug: bool) -> None:
    """Power a host off: at once, or by its own shutdown.  Disk and network stay for the next start."""
    cgroup = lab.cgroup(name)
    pid = leader(lab, name)
    if not pid and not _populated(cgroup):
        return
    if pull_the_plug or not pid:
        (cgroup / "cgroup.kill").write_text("1")
    else:
        os.kill(pid, POWEROFF)
    deadline = time.monotonic() + 45
    while _populated(cgroup):
        if time.monotonic() > deadline:
            raise LabError(f"{name} did not shut down within 45 s; `lab kill {name}` pulls the plug")
        time.sleep(0.05)
    remove_cgroups(cgroup)


def forget_disk(lab: Lab, name: str) -> None:
    """Throw away what a host that is off has written; its keys stay."""
    folder = lab.disks / name
    for mounted in (folder / "root", folder):
        enter(need(lab), ["umount", "-l", mounted], capture=True)  # not mounted is fine, too
    lab.seeded(name).unlink(missing_ok=True)


def set_cable(lab: Lab, name: str, state: str) -> None:
    """Take a host's cable out ("down") or put it in ("up")."""
    result = enter(need(lab), ["ip", "link", "set", f"v-{name}", state], MOUNT_AND_NETWORK, capture=True)
    if result.returncode:
        raise LabError(f"{name} has no network card yet: start it with `lab up {name}` ({result.stderr.strip()})")
