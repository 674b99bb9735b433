"""The command line of the lab: one function per command, and what each exit code means.

Exit codes: 0 done; 1 something in the lab does not work; 2 wrong use (unknown host, wrong lab.toml, no root).  `exec` and `ctl` leave with
the code of the command that they ran.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from campuslab import LabError, WrongUse, holder, hosts, images, starting
from campuslab.layout import Lab, current

Arguments = argparse.Namespace
ABOUT = """A network of real Debian hosts (systemd as PID 1) on one machine, in namespaces only.  Needs root.

LAB_NAME names the lab (several run side by side), LAB_HOME says where images are kept (/var/lib/campus-lab).
Exit codes: 0 done, 1 something in the lab does not work, 2 wrong use; exec and ctl give their command's own code."""


def _build(lab: Lab, _: Arguments) -> int:
    """build the images that lab.toml needs"""
    images.install_tools()
    images.build(lab, lab.configuration.hosts)
    return 0


def _up(lab: Lab, arguments: Arguments) -> int:
    """start the lab, or only some hosts; builds images first"""
    names = lab.known(arguments.host) or [name for name, host in lab.configuration.hosts.items() if host.autostart]
    images.install_tools()
    images.build(lab, names)
    starting.up(lab, names)
    return 0


def _down(lab: Lab, _: Arguments) -> int:
    """stop everything, leave no process, mount, device or cgroup"""
    began = time.monotonic()
    holder.stop(lab)
    print(f"lab down in {time.monotonic() - began:.2f}s")
    return 0


def _ps(lab: Lab, _: Arguments) -> int:
    """state of each host"""
    for name, host in lab.configuration.hosts.items():
        pid = hosts.leader(lab, name)
        print(f"{name:12} {host.ip:16} {host.image:18} {host.role:8} {f'up pid {pid}' if pid else 'down'}")
    return 0


def _exec(lab: Lab, arguments: Arguments) -> int:
    """run a command on a host as root, without ssh"""
    command = _command(arguments)
    return hosts.execute(lab, lab.known([arguments.host])[0], command).returncode


def _ctl(lab: Lab, arguments: Arguments) -> int:
    """run a command on the control side: in the lab's network, with this machine's files"""
    command = _command(arguments)
    here = [*holder.MOUNT_AND_NETWORK, f"--wdns={Path.cwd()}"]  # as the namespace sees it: the mounts inside differ
    return holder.enter(holder.need(lab), command, here).returncode


def _stop(lab: Lab, arguments: Arguments) -> int:
    """shut hosts down"""
    names = lab.known(arguments.host)
    holder.need(lab)
    for name in names:
        hosts.switch_off(lab, name, pull_the_plug=False)
    return 0


def _kill(lab: Lab, arguments: Arguments) -> int:
    """pull the plug of hosts"""
    names = lab.known(arguments.host)
    holder.need(lab)
    for name in names:
        hosts.switch_off(lab, name, pull_the_plug=True)
    return 0


def _start(lab: Lab, arguments: Arguments) -> int:
    """switch hosts on again, with what they had written"""
    starting.up(lab, lab.known(arguments.host))
    return 0


def _reset(lab: Lab, arguments: Arguments) -> int:
    """put hosts back to image and seed, and start them"""
    names = lab.known(arguments.host)
    holder.need(lab)
    for name in names:
        hosts.switch_off(lab, name, pull_the_plug=True)
        hosts.forget_disk(lab, name)
    starting.up(lab, names)
    return 0


def _inventory(lab: Lab, _: Arguments) -> int:
    """print an Ansible inventory (JSON, which is YAML)"""
    groups: dict[str, Any] = {}
    for name, host in lab.configuration.hosts.items():
        groups.setdefault(host.role or "other", {"hosts": {}})["hosts"][name] = {"ansible_host": host.ip}
    variables = {
        "ansible_user": "ops",
        "ansible_ssh_private_key_file": str(lab.key),
        "ansible_python_interpreter": "/usr/bin/python3",
        # Labs have the same addresses: with Ansible's common folder, one would reach another's hosts over connections kept open.
        "ansible_control_path_dir": str(lab.run / "cp"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.known_hosts} -o StrictHostKeyChecking=yes",
    }
    print(json.dumps({"all": {"vars": variables, "children": groups}}, indent=1))
    return 0


def _key(lab: Lab, _: Arguments) -> int:
    """print the path of the private key that logs in everywhere"""
    print(lab.key)
    return 0


def _known_hosts(lab: Lab, _: Arguments) -> int:
    """print the path of the hosts' keys"""
    print(lab.known_hosts)
    return 0


def _tsig(lab: Lab, _: Arguments) -> int:
    """print the path of the key for dynamic DNS updates"""
    print(lab.tsig)
    return 0


def _cut(lab: Lab, arguments: Arguments) -> int:
    """take out hosts' network cables"""
    for name in lab.known(arguments.host):
        hosts.set_cable(lab, name, "down")
    return 0


def _heal(lab: Lab, arguments: Arguments) -> int:
    """put hosts' network cables in again"""
    for name in lab.known(arguments.host):
        hosts.set_cable(lab, name, "up")
    return 0


def _be_holder(lab: Lab, _: Arguments) -> NoReturn:
    holder.serve(lab)


def _host_up(lab: Lab, arguments: Arguments) -> int:
    hosts.boot(lab, lab.known([arguments.host])[0])
    return 0


Command = Callable[[Lab, Arguments], int]
# In the order in which --help lists them.
COMMANDS: dict[str, Command] = {
    "build": _build, "up": _up, "down": _down, "ps": _ps, "exec": _exec, "ctl": _ctl, "stop": _stop, "kill": _kill, "start": _start,
    "reset": _reset, "cut": _cut, "heal": _heal, "inventory": _inventory, "key": _key, "known-hosts": _known_hosts, "tsig": _tsig,
}  # fmt: skip
ON_HOSTS = {"stop", "kill", "start", "reset", "cut", "heal"}
INSIDE: dict[str, Command] = {"_holder": _be_holder, "_host_up": _host_up}  # how the lab calls itself in its namespaces


def parser() -> argparse.ArgumentParser:
    """The command line, with each command's first docstring line as its help."""
    top = argparse.ArgumentParser(prog="lab", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(function=function)
        if name == "up":
            command.add_argument("host", nargs="*", metavar="HOST", help="all with autostart when none is named")
        elif name == "exec":
            command.add_argument("host", metavar="HOST")
        elif name in ON_HOSTS:
            command.add_argument("host", nargs="+", metavar="HOST")
        if name in ("exec", "ctl"):
            command.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD…", help="after -- when it starts with a dash")
    return top


def _command(arguments: Arguments) -> list[str]:
    """The command to run, without the -- before it."""
    words: list[str] = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not words:
        raise WrongUse("no command given: `lab exec HOST CMD…` or `lab ctl -- CMD…`")
    return words


def _parse(words: list[str]) -> Arguments:
    if words and words[0] in INSIDE:
        return Arguments(function=INSIDE[words[0]], host="".join(words[1:2]))
    if not words or words == ["help"]:
        parser().print_help()
        raise SystemExit(0)
    return parser().parse_args(words)


def main() -> NoReturn:
    """Run the command that the command line names; never a traceback for what a user can mend."""
    arguments = _parse(sys.argv[1:])
    try:
        if os.geteuid() != 0:
            raise WrongUse("needs root (namespaces, mounts); without it, read docs/ and run the unit tests")
        code = arguments.function(current(), arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        code = error.code
    except subprocess.CalledProcessError as error:
        print(f"lab: {' '.join(map(str, error.cmd))} failed with code {error.returncode}", file=sys.stderr)
        code = 1
    except BrokenPipeError:  # whoever read the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at the end
        code = 1
    except OSError as error:  # a missing program, a full disk, a path that cannot be written
        print(f"lab: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("lab: interrupted; `lab ps` says what runs", file=sys.stderr)
        code = 1
    sys.exit(code)
