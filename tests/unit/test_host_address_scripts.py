"""What runs on a machine that is renumbered, run here: on copies of its files, with a systemctl and an ip that only say what they were told."""

import base64
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import jinja2
import pytest

from tests.unit.test_host_address import NEW, OLD, tool

ROLE = Path(__file__).parents[2] / "playbooks/roles/host_address/templates"
BEFORE = b"[Match]\nName=eth0\n[Network]\nAddress=192.0.2.19/24\nGateway=192.0.2.1\nDNS=9.9.9.9 # \xe6\x9c\xba"
AFTER = BEFORE.replace(b"192.0.2.19/24", b"198.51.100.162/27").replace(b"192.0.2.1\n", b"198.51.100.161\n")
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]


def rendered(name, **values):
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"quote": lambda text: shlex.quote(str(text)), "ternary": lambda value, yes, no: yes if value else no}
    values = {"host_address_from": OLD, "host_address_to": NEW, "host_address_move": "m", "host_address_restart": "reboot",
              "host_address_confirm_seconds": 1, "ansible_check_mode": False, **values}  # fmt: skip
    return environment.from_string((ROLE / name).read_text()).render(**values)


class Machine:
    """A folder that stands for the machine; `has` is its address, `boot` its start."""

    def __init__(self, root, shell):
        self.root, self.shell = root, shell
        self.file = root / "10-lan.network"
        self.file.write_bytes(BEFORE)
        self.file.chmod(0o644)
        (root / "bin").mkdir()
        (root / "units").mkdir()
        for name, text in (
            ("systemctl", f'echo "$*" >> {root}/calls'),
            ("setsid", f'echo "setsid $*" >> {root}/calls'),
            ("ip", f"cat {root}/ip"),
        ):
            (root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (root / "bin" / name).chmod(0o755)
        self.restarted(OLD["address"], "one")

    def restarted(self, address, boot):
        (self.root / "ip").write_text(f"2: eth0    inet {address}/24 brd x scope global eth0\n")
        (self.root / "boot").write_text(boot + "\n")

    def here(self, script):
        for path, own in (("/var/lib/planner-move", f"{self.root}/kept"), ("/etc/systemd/system", f"{self.root}/units"),
                          ("/proc/sys/kernel/random/boot_id", f"{self.root}/boot")):  # fmt: skip
            script = script.replace(path, own)
        return script.replace("PATH=$PATH:", f"PATH={self.root}/bin:$PATH:")

    def run(self, state, *, code=0, **values):
        files = []
        if state == "prepared":
            read = f"file {base64.b64encode(b'/etc/systemd/network/a.network').decode()} {base64.b64encode(self.file.read_bytes()).decode()}\nend\n"
            worked = tool.worked_out({"from": values.get("host_address_from", OLD), "to": values.get("host_address_to", NEW), "read": read})
            assert worked["problems"] == []
            files = [file | {"path": str(self.file)} for file in worked["files"]]
        script = rendered("machine.sh.j2", host_address_state=state, host_address_worked={"files": files, "also": ["/etc/x:1"]}, **values)
        done = subprocess.run([*self.shell, "-c", self.here(script)], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def start(self):
        """What its systemd would run at a start, if it is there."""
        unit = self.root / "units/planner-address.service"
        if unit.exists():
            script = unit.read_text().partition("ExecStart=/bin/sh ")[2].partition("\n")[0]
            subprocess.run(
                [*self.shell, script], check=True, capture_output=True, env={**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
            )

    @property
    def calls(self):
        return (self.root / "calls").read_text() if (self.root / "calls").exists() else ""


@pytest.fixture(params=[shell for shell in SHELLS if shutil.which(shell[0])], ids=lambda shell: shell[0])
def machine(request, tmp_path):
    return Machine(tmp_path, request.param)


def test_prepared_changes_nothing_that_is_active_and_is_the_same_the_second_time(machine):
    assert "changed" in machine.run("prepared", ansible_check_mode=True)
    assert not (machine.root / "kept").exists(), "check mode only says so"
    said = machine.run("prepared")
    assert "planner: changed" in said
    assert "/etc/x:1" in said
    assert machine.file.read_bytes() == BEFORE
    assert (machine.root / "kept/m/to-198.51.100.162/1.new").read_bytes() == AFTER
    assert machine.run("prepared") == ""
    assert machine.calls == ""


def test_armed_and_confirmed(machine):
    machine.run("prepared")
    assert "changed" in machine.run("armed", ansible_check_mode=True)
    assert machine.file.read_bytes() == BEFORE
    machine.run("armed")
    assert machine.file.read_bytes() == AFTER
    assert machine.file.stat().st_mode & 0o777 == 0o644
    until = time.monotonic() + 10  # it is told in the background, so that the answer gets away first
    while "systemctl reboot" not in machine.calls and time.monotonic() < until:
        time.sleep(0.02)
    assert "systemctl reboot" in machine.calls
    machine.start()  # before its restart the watch does nothing
    assert machine.file.read_bytes() == AFTER
    assert "it was not restarted yet" in machine.run("confirmed", code=1) or "has not the address" in machine.run("confirmed", code=1)
    machine.restarted(NEW["address"], "two")
    assert machine.run("armed") == "", "what has arrived is not restarted again"
    assert "planner: proved: it answers as 198.51.100.162" in machine.run("confirmed")
    assert not (machine.root / "units/planner-address.service").exists()
    machine.start()
    assert machine.file.read_bytes() == AFTER
    machine.run("absent")
    assert not (machine.root / "kept").exists()
    assert machine.run("absent") == ""


def test_without_a_word_the_old_files_come_back_with_a_restart(machine):
    machine.run("prepared")
    machine.run("armed")
    machine.restarted(NEW["address"], "two")
    machine.start()
    assert machine.file.read_bytes() == BEFORE
    assert machine.calls.splitlines()[-1] == "reboot"
    assert not (machine.root / "units/planner-address.service").exists()
    machine.restarted(OLD["address"], "three")
    machine.start()
    assert "it had put its address 192.0.2.19 back by itself" in machine.run("withdrawn")
    assert machine.run("withdrawn") == ""
    machine.run("armed")
    assert machine.file.read_bytes() == AFTER, "and it can be tried once more"


def test_taken_back_before_its_restart(machine):
    machine.run("prepared")
    machine.run("armed")
    assert "its network files are as before" in machine.run("withdrawn")
    assert machine.file.read_bytes() == BEFORE
    machine.restarted(OLD["address"], "two")
    machine.start()
    assert machine.file.read_bytes() == BEFORE


def test_the_way_back_brings_the_very_file_that_was_there(machine):
    machine.file.write_bytes(BEFORE.replace(b"192.0.2.19/24", b"192.0.2.19/255.255.255.0"))
    there = machine.file.read_bytes()
    machine.run("prepared")
    machine.run("armed")
    machine.restarted(NEW["address"], "two")
    machine.run("confirmed")
    back = {"host_address_from": NEW, "host_address_to": OLD}
    machine.run("prepared", **back)
    machine.run("armed", **back)
    assert machine.file.read_bytes() == there
    machine.restarted(OLD["address"], "three")
    machine.run("confirmed", **back)
    machine.run("withdrawn")
    assert machine.file.read_bytes() == there


def test_what_somebody_changed_since_is_not_overwritten(machine):
    machine.run("prepared")
    machine.file.write_bytes(BEFORE + b"\nDomains=x.edu\n")
    assert "somebody changed it" in machine.run("armed", code=1)
    assert machine.file.read_bytes() == BEFORE + b"\nDomains=x.edu\n"
    assert "reboot" not in machine.calls


def test_what_somebody_changed_is_not_taken_back_over_his_head(machine):
    machine.run("prepared")
    machine.run("armed")
    machine.file.write_bytes(b"mine\n")
    assert "somebody changed" in machine.run("withdrawn")
    assert machine.file.read_bytes() == b"mine\n"


def test_nothing_is_cleared_while_it_is_on_its_way(machine):
    machine.run("prepared")
    machine.run("armed")
    assert "on its way" in machine.run("absent", code=1)


@pytest.mark.parametrize("state", ["prepared", "armed", "confirmed", "withdrawn", "absent"])
@pytest.mark.parametrize("restart", ["reboot", "poweroff"])
def test_each_script_is_one_that_a_shell_reads(machine, state, restart):
    for name in ("machine.sh.j2", "read.sh.j2"):
        script = rendered(name, host_address_state=state, host_address_restart=restart, host_address_worked={"files": [], "also": []})
        subprocess.run([*machine.shell, "-n"], input=script, text=True, check=True)
