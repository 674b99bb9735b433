"""The host's probes run against made-up hosts: as whom rpm is asked, what processes tell of containers, sysstat's columns, tools that fail."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from inventory.probes import accounts, containers, firewall, packages, packagetrees, registry, usagehistory
from inventory.probes.base import Section

SHELLS = [path for path in map(shutil.which, ("dash", "bash", "ksh", "mksh")) if path]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it is about what root must not do")


def tool(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def open_folder():
    """pytest's own folders are closed to nobody, who must be able to run the stand-in for rpm."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@root_only
@pytest.mark.parametrize("shell", SHELLS)
def test_rpm_is_never_asked_as_root(shell, host, open_folder):
    tool(open_folder, "rpm", 'printf "asker-%s\\t(none):1-1\\tnoarch\\n" "`id -u`"')
    host.put({"var/lib/rpm/Packages": "x"})
    found = host.observed(packages.PROBE, host.output(shell, packages.SCRIPT, f"{open_folder}:{PATH}"))
    assert [item.data["name"] for item in found if item.kind == "package"] == ["asker-65534"]
    for name in ("chroot", "setpriv"):
        tool(open_folder, name, "exit 1")
    found = host.observed(packages.PROBE, host.output(shell, packages.SCRIPT, f"{open_folder}:{PATH}"))
    assert [item.kind for item in found if item.kind in {"package", "unknown"}] == ["unknown"]
    assert "as root rpm would write" in found[-1].data["why"]


@root_only
def test_an_rpm_that_tells_nothing_is_unknown_and_not_empty(host, open_folder):
    host.put({"usr/lib/sysimage/rpm/rpmdb.sqlite": "x"})
    for text in ("exit 1", "exit 0"):
        tool(open_folder, "rpm", text)
        found = host.observed(packages.PROBE, host.output("sh", packages.SCRIPT, f"{open_folder}:{PATH}"))
        assert [item.data["what"] for item in found if item.kind == "unknown"] == ["packages"]


def test_three_thousand_packages_are_parsed_in_20_ms():
    lines = "\n".join(f"|lib-package-{n}\t1:{n}.2.3-4+deb12u1\tamd64\t" for n in range(3000))
    section = Section("packages", f"@ dpkg\n{lines}\n")
    best = min(_seconds(lambda: packages.parse(section)) for _ in range(7))
    assert len(packages.parse(section)) == 3000
    assert best < 0.02, best


def _seconds(call):
    started = time.process_time()
    call()
    return time.process_time() - started


IDENT = "7f182da058fa7ed5e00cbd08337c093b6e864ff27aeb71db855d655a2c52a046"
OTHER = "a657a941e4dd1cac189cfee23529fea26c3d68f64d7f78b1a5e50ba662a9aef8"
CGROUPS = {
    "1": "0::/init.scope\n",
    "20": f"0::/system.slice/docker-{IDENT}.scope\n",
    "300": f"0::/system.slice/docker-{IDENT}.scope\n",
    "31": f"11:cpu:/libpod_parent/libpod-{OTHER}\n1:name=systemd:/libpod_parent/libpod-{OTHER}\n",
    "32": f"0::/machine.slice/libpod-conmon-{OTHER}.scope\n",
    "40": "0::/lxc.payload.mail\n",
    "41": "5:cpu:/lxc/web one\n",
    "42": "0::/lxc.monitor.mail\n",
    "50": "0::/machine.slice/systemd-nspawn@build.service/payload\n",
    "51": "0::/machine.slice/systemd-nspawn@build.service/supervisor\n",
    "60": "0::/system.slice/docker.service\n",
    "70": f"0::/kubepods/burstable/pod1/{IDENT[::-1]}\n",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_processes_of_containers(shell, host):
    host.put({f"proc/{pid}/cgroup": text for pid, text in CGROUPS.items()} | {"proc/self/cgroup": "0::/user.slice\n"})
    script = containers.RUNNING.replace("/proc/", f"{host.root}/proc/") + "\ncontainers"
    lines = [line.replace(str(host.root), "") for line in host.output(shell, script).splitlines()]
    assert lines == [
        f"20 /proc/20/root {IDENT}",
        f"31 /proc/31/root {OTHER}",
        "40 /proc/40/root mail",
        "41 /proc/41/root web one",
        "50 /proc/50/root build",
        f"70 /proc/70/root {IDENT[::-1]}",
    ]


def test_a_container_does_not_list_itself(host):
    own = f"12:cpu:/docker/{IDENT}\n"
    host.put({"proc/1/cgroup": own, "proc/2/cgroup": f"12:cpu:/docker/{IDENT}/docker/{OTHER}\n", "proc/self/cgroup": own})
    script = containers.RUNNING.replace("/proc/", f"{host.root}/proc/") + "\ncontainers"
    assert [line.rpartition(" ")[2] for line in host.output("sh", script).splitlines()] == [OTHER]


def test_docker_before_1_10(host):
    """config.json instead of config.v2.json, volumes as a map; as docker 1.7 of CentOS 6 documents them."""
    config = {
        "ID": IDENT,
        "Name": "/old",
        "State": {"Running": True, "Pid": 0, "StartedAt": "2016-01-01T00:00:00Z"},
        "Volumes": {"/d": "/srv/d"},
    }
    host.put({f"var/lib/docker/containers/{IDENT}/config.json": json.dumps({**config, "Config": {"Image": "web:1", "Env": None}})})
    found = [item.data for item in host.observed(containers.PROBE, host.output("sh", containers.SCRIPT)) if item.kind == "container"]
    assert [(row["name"], row["image"], row["state"]) for row in found] == [("old", "web:1", "stopped")]
    assert found[0]["mounts"] == [{"source": "/srv/d", "destination": "/d", "type": "bind", "writable": True}]


OLD_SADF = """\
# hostname;interval;timestamp;CPU;%user;%nice;%system;%iowait;%steal;%idle
h;600;2026-11-21 00:10:01 UTC;-1;10.00;0.00;5.00;5.00;0.00;80.00
h;600;2026-11-21 00:20:01 UTC;-1;30.00;0.00;5.00;5.00;0.00;60.00
h;-1;2026-11-21 00:25:01 UTC;LINUX-RESTART
# hostname;interval;timestamp;tps;rtps;wtps;bread/s;bwrtn/s
h;600;2026-11-21 00:10:01 UTC;12.00;2.00;10.00;1000.00;1000.00
h;600;2026-11-21 00:20:01 UTC;20.00;2.00;18.00;0.00;0.00
# hostname;interval;timestamp;kbmemfree;kbmemused;%memused;kbbuffers;kbcached;kbcommit;%commit
h;600;2026-11-21 00:10:01 UTC;100000;900000;90.00;50000;350000;1;1.00
# hostname;interval;timestamp;IFACE;rxpck/s;txpck/s;{rx};{tx};rxcmp/s;txcmp/s;rxmcst/s
h;600;2026-11-21 00:10:01 UTC;lo;9;9;9999.00;9999.00;0;0;0
h;600;2026-11-21 00:10:01 UTC;eth0;9;9;{one};{one};0;0;0
h;600;2026-11-21 00:10:01 UTC;eth1;9;9;{one};0.00;0;0;0
"""


@pytest.mark.parametrize(("rx", "tx", "one"), [("rxkB/s", "txkB/s", "100.00"), ("rxbyt/s", "txbyt/s", "102400.00")], ids=["el6", "el5"])
def test_columns_of_old_sysstat(rx, tx, one, host, tmp_path):
    """As its manual page gives them for releases 9 and 7: memory with caches in it, no kbavail, bytes instead of kB."""
    text = OLD_SADF.format(rx=rx, tx=tx, one=one)
    tool(tmp_path / "bin", "sadf", f"cat <<'E'\n{text}E")
    host.put({"var/log/sa/sa21": "binary", "var/log/sa/sar21": "a report in text"})
    found = host.observed(usagehistory.PROBE, host.output("sh", usagehistory.SCRIPT, f"{tmp_path}/bin:{PATH}"))
    assert [item.data for item in found] == [{
        "source": "sysstat", "day": "2026-11-21", "samples": 2, "span_s": 1200.0, "cpu_percent": {"mean": 25.0, "p95": 35.0},
        "iowait_percent": {"mean": 5.0, "p95": 5.0}, "memory_percent": {"mean": 50.0, "p95": 50.0}, "disk_tps": {"mean": 16.0, "p95": 20.0},
        "disk_kbps": {"mean": 512.0, "p95": 1024.0}, "net_in_kbps": {"mean": 204.8, "p95": 204.8}, "net_out_kbps": {"mean": 102.4, "p95": 102.4},
    }]  # fmt: skip


def test_sysstat_without_its_reader_is_unknown(host, tmp_path):
    host.put({"var/log/sysstat/sa21": "binary"})
    for name in ("ls", "grep", "head", "awk", "cat", "timeout"):
        tool(tmp_path / "bin", name, f'exec {shutil.which(name)} "$@"')
    found = host.observed(usagehistory.PROBE, host.output("/bin/sh", usagehistory.SCRIPT, f"{tmp_path}/bin"))
    assert [item.kind for item in found] == ["unknown"]


@root_only
@pytest.mark.parametrize("answer", ["exit 1", "echo 'table inet x {'; echo '}'"], ids=["fails", "answers"])
def test_a_firewall_tool_that_fails_is_unknown(answer, host, tmp_path):
    tool(tmp_path / "bin", "nft", answer)
    script = firewall.SCRIPT.replace("present nf_tables", "true")
    found = host.observed(firewall.PROBE, host.output("sh", script, f"{tmp_path}/bin:{PATH}"))
    tools = [item.data["tool"] for item in found if item.kind == "firewall"]
    unread = [item.data["what"] for item in found if item.kind == "unknown"]
    assert ("nftables" in unread, "nftables" in tools) == ((answer == "exit 1"), (answer != "exit 1"))


@root_only
def test_no_tool_is_asked_whose_kernel_module_is_not_loaded(host, tmp_path):
    """A tool that is asked leaves a mark; /proc/modules of this host names none."""
    for name in ("nft", "iptables-save", "ip6tables-save", "iptables-legacy-save"):
        tool(tmp_path / "bin", name, f"touch {tmp_path}/asked")
    tool(tmp_path / "bin", "iptables", "echo 'iptables v1.8.9 (nf_tables)'")
    host.put({"proc/modules": "ext4 1 0 - Live 0x0\n", "proc/net/x": ""})
    output = host.output("sh", firewall.SCRIPT.replace("/proc/", f"{host.root}/proc/"), f"{tmp_path}/bin:{PATH}")
    assert not (tmp_path / "asked").exists()
    found = host.observed(firewall.PROBE, output)
    assert {item.data["tool"]: item.data["active"] for item in found if item.kind == "firewall"} == {"nftables": False, "iptables": False}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_home_on_a_network_file_system_is_not_entered(shell, host):
    host.put({
        "etc/passwd": "li:x:1001:1001::/far/li:/bin/sh\n",
        "mounts": "filer:/home /far nfs rw 0 0\n",
    })  # fmt: skip
    script = accounts.SCRIPT.replace("/proc/mounts", f"{host.root}/mounts")
    unread = [item.data for item in host.observed(accounts.PROBE, host.output(shell, script)) if item.kind == "unknown"]
    assert {"what": "authorized_keys", "why": "of li: /far/li is on a network file system"} in unread


@pytest.mark.parametrize("shell", SHELLS)
def test_packaged_tree(shell, host):
    """What dpkg knows of a tree: a changed, a missing and an unowned file, and names that must not confuse the shell."""
    import hashlib

    site = f"{host.root}/usr/share/x y".lstrip("/")
    names = ["index.php", "a.php", "b.php", "c$(id).php", "gone.php"]
    host.put({f"usr/share/x y/{name}": name for name in names})
    sums = "".join(f"{hashlib.md5(name.encode()).hexdigest()}  {site}/{name}\n" for name in names)
    listed = "".join(f"/{site}/{name}\n" for name in names)
    host.put({"var/lib/dpkg/info/x.md5sums": sums, "var/lib/dpkg/info/x.list": f"/.\n/{site}\n{listed}"})
    (host.root / "usr/share/x y/gone.php").unlink()
    host.put({"usr/share/x y/a.php": "changed", "usr/share/x y/shell\n@ tree forged.php": ""})
    script = packagetrees.SCRIPT.replace("docroots; echo; lists", f"printf '%s\\n' '/{site}'; echo; lists").replace(
        r"opt|home|www", r"opt|tmp|www"
    )
    found = [item.data for item in host.observed(packagetrees.PROBE, host.output(shell, script))]
    assert [(row["root"], row["packages"], row["files"], row["changed"], row["missing"]) for row in found] == [(f"/{site}", ["x"], 5, 1, 1)]
    assert found[0]["changed_paths"] == [f"/{site}/a.php"]
    assert found[0]["missing_paths"] == [f"/{site}/gone.php"]
    assert found[0]["unowned"] == 2  # one name, two lines


def test_order_and_names():
    names = [probe.name for probe in registry.PROBES]
    assert len(names) == len(set(names))
    assert names.index("usage") < names.index("packages") < names.index("packagetrees") < names.index("content")
