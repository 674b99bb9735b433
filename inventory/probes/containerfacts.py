"""What an engine's files say of one container → one record of the same shape for all engines.  Pure.

In: members of JSON as `jsonpaths.members` gives them, lines of LXC's and OpenVZ's configuration, and `Facts` of the whole host.
Out: the data of a `container` observation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from inventory.probes.fragments import number

Member = tuple[list[str], str, int]
Data = dict[str, Any]


@dataclass
class Facts:
    """What stands in other places than a container's own file: processes by id or name, podman's names and ports, registered machines."""

    processes: dict[str, int] = field(default_factory=dict)
    ports: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    storage: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    machines: dict[str, dict[str, str]] = field(default_factory=dict)
    openvz: set[str] = field(default_factory=set)

    def learn_ports(self, lines: Iterable[str]) -> None:
        """podman's database holds each container's configuration as JSON: its id, and after it its port mappings."""
        ident = ""
        for line in lines:
            match = re.fullmatch(r'"id":"([0-9a-f]{64})"', line)
            if match is not None:
                ident = match.group(1)
            elif ident and (start := line.find("[")) >= 0:
                self.ports[ident] = [port for item in _json_list(line[start:]) if (port := _mapping(item)) is not None]

    def learn_storage(self, owner: str, found: Iterable[Member]) -> None:
        """containers.json of containers/storage: id, name and image of each; the image's name is JSON within JSON."""
        rows: dict[str, dict[str, str]] = {}
        for path, value, _ in found:
            if len(path) >= 3 and path[0] == "storage":
                rows.setdefault(path[1], {})[path[2]] = value
        for row in rows.values():
            try:
                more = json.loads(row.get("metadata", "{}"))
            except ValueError:
                more = {}
            image = more.get("image-name") if isinstance(more, dict) else None
            self.storage[owner, row.get("id", "")] = {"name": row.get("names", ""), "image": image if isinstance(image, str) else ""}


def _json_list(text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return []
    return value if isinstance(value, list) else []


def _mapping(item: Any) -> dict[str, str] | None:
    """podman: {"host_ip": "", "container_port": 80, "host_port": 8080, "protocol": "tcp"}; CNI and nerdctl: HostPort, ContainerPort."""
    if not isinstance(item, dict):
        return None
    values = {str(key).lower().replace("_", ""): value for key, value in item.items()}
    inner, outer = values.get("containerport"), values.get("hostport")
    if inner is None:
        return None
    return {"container": f"{inner}/{values.get('protocol') or 'tcp'}", "host": f"{values.get('hostip') or '0.0.0.0'}:{outer}"}  # noqa: S104


def _empty(engine: str, owner: str, ident: str) -> Data:
    data: Data = {"engine": engine, "owner": owner, "id": ident, "name": "", "image": "", "state": None, "pid": None, "root": None}
    data |= {"ports": [], "exposed": [], "mounts": [], "networks": {}, "env": [], "project": None, "service": None, "project_dir": None}
    return data | {"restart": None, "privileged": None, "memory_limit": None, "hostname": None, "created": None}


def _running(data: Data, pid: int | None) -> None:
    data["pid"] = pid
    data["root"] = f"/proc/{pid}/root" if pid else None


def _pid(text: str) -> int | None:
    return number(text) or None


_LABELS = {"project": "project", "service": "service", "project.working_dir": "project_dir"}


def of_docker(found: list[Member], facts: Facts) -> Data:
    """config.v2.json, or config.json of docker before 1.10 (paths begin with `config`) with hostconfig.json (`host`), or one of `docker inspect` (`inspect`)."""
    data = _empty("docker", "root", "")
    state: dict[str, str] = {}
    mounts: dict[str, dict[str, str]] = {}
    ports: dict[tuple[str, str, str], dict[str, str]] = {}
    alive = any(path == ["alive"] for path, _, _ in found)
    for path, value, _ in found:
        match [*(path[2:] if path[:2] == ["inspect", "HostConfig"] else path[1:])]:
            case ["ID" | "Id"]:
                data["id"] = value
            case ["Name"]:
                data["name"] = value.lstrip("/")
            case ["Created"]:
                data["created"] = value
            case ["State", name]:
                state[name] = value
            case ["Config", "Image"]:
                data["image"] = value
            case ["Config", "Hostname"]:
                data["hostname"] = value
            case ["Config", "Env", _]:
                data["env"].append(value)
            case ["Config", "ExposedPorts", port]:
                data["exposed"].append(port)
            case ["Config", "Labels", label]:
                name = label.partition(".compose.")[2]
                if name in _LABELS:
                    data[_LABELS[name]] = value
            case ["NetworkSettings", "Networks", network, "IPAddress" | "GlobalIPv6Address"]:
                data["networks"][network] = value or data["networks"].get(network, "")
            case ["NetworkSettings" | "PortBindings" as where, *rest] if len(rest) >= 3:
                port, index, name = rest[-3:]
                ports.setdefault((where, port, index), {})[name] = value
            case ["MountPoints" | "Mounts", index, name]:
                mounts.setdefault(index, {})[name] = value
            case ["Volumes", index]:  # docker before 1.10, config.json
                mounts.setdefault(index, {"Source": value, "Destination": index, "Type": "bind"})
            case ["NetworkMode"]:
                data["networks"].setdefault(value.partition(":")[0] if value.startswith("container:") else value, "")
            case ["RestartPolicy", "Name"]:
                data["restart"] = value or None
            case ["Privileged"]:
                data["privileged"] = value == "true"
            case ["Memory"]:
                data["memory_limit"] = number(value) or None
            case _:
                pass
    data["ports"] = _docker_ports(ports)
    data["mounts"] = [
        {"source": m.get("Source") or m.get("Name", ""), "destination": m.get("Destination", ""), "type": m.get("Type", ""), "writable": m.get("RW") != "false"}
        for m in mounts.values()
    ]  # fmt: skip
    if "default" in data["networks"] and len(data["networks"]) > 1:
        del data["networks"]["default"]
    data["env"].sort()
    data["mounts"].sort(key=lambda mount: str(mount["destination"]))
    _docker_state(data, state, alive or any(path[0] == "inspect" for path, _, _ in found), facts)
    return data


def _docker_ports(ports: dict[tuple[str, str, str], dict[str, str]]) -> list[dict[str, str]]:
    """What is bound now; of a stopped container, what is to be bound."""
    chosen = [key for key in ports if key[0] == "NetworkSettings"] or list(ports)
    found = []
    for key in chosen:
        host, port = ports[key].get("HostIp") or "0.0.0.0", ports[key].get("HostPort", "")  # noqa: S104
        if port:
            found.append({"container": key[1], "host": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"})
    return found


def _docker_state(data: Data, state: dict[str, str], alive: bool, facts: Facts) -> None:
    """docker keeps `Running` in a file that a power cut leaves as it was: without a process it is stopped."""
    if state.get("Paused") == "true":
        data["state"] = "paused"
    elif state.get("Restarting") == "true":
        data["state"] = "restarting"
    elif state.get("Running") == "true":
        data["state"] = "running" if alive or data["id"] in facts.processes else "stopped"
    elif state.get("StartedAt", "").startswith("0001-"):
        data["state"] = "created"
    elif state.get("Running") == "false":
        data["state"] = "exited"
    if data["state"] in {"running", "paused"}:
        _running(data, _pid(state.get("Pid", "")) or facts.processes.get(data["id"]))


_PSEUDO = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "devtmpfs"}
_PLUMBING = re.compile(r"/(?:etc/(?:hosts|hostname|resolv\.conf)|run/\.containerenv|dev/shm|run/secrets)$")


def of_oci(words: list[str], found: list[Member], facts: Facts) -> Data | None:
    """`podman USER ID` or `containerd NAMESPACE ID` with the runtime's config.json, which exists once the container was started."""
    engine, owner, ident = words
    known = facts.storage.get((owner, ident)) if engine == "podman" else None
    if engine == "podman" and known is None:
        return None
    data = _empty(engine, owner if engine == "podman" else "root", ident)
    data |= known or {}
    notes: dict[str, str] = {"namespace": owner} if engine == "containerd" else {}
    mounts: dict[str, dict[str, Any]] = {}
    for path, value, _ in found:
        match path:
            case ["oci", "hostname"]:
                data["hostname"] = value
            case ["oci", "process", "env", _]:
                data["env"].append(value)
            case ["oci", "mounts", index, "options", _]:
                mounts.setdefault(index, {"writable": True})["writable"] = value != "ro"
            case ["oci", "mounts", index, "destination" | "source" | "type" as name]:
                mounts.setdefault(index, {"writable": True})[name] = value
            case ["oci", "annotations", name]:
                notes[name] = value
            case ["pid"]:
                _running(data, _pid(value))
            case _:
                pass
    for mount in mounts.values():
        if mount.get("type") not in _PSEUDO and not _PLUMBING.search(str(mount.get("destination", ""))):
            where = {name: mount.get(name, "") for name in ("source", "destination", "type")}
            data["mounts"].append(where | {"writable": mount["writable"]})
    data["ports"] = facts.ports.get(ident, [])
    if engine == "containerd":
        _annotated(data, notes)
    if data["pid"] is None and ident in facts.processes:
        _running(data, facts.processes[ident])
    data["state"] = "running" if data["pid"] else "stopped" if found else "created"
    data["env"].sort()
    return data


def _annotated(data: Data, notes: dict[str, str]) -> None:
    """nerdctl and Kubernetes leave names, image and ports in annotations; else containerd's namespace is all that tells."""
    data["name"] = notes.get("nerdctl/name") or notes.get("io.kubernetes.cri.container-name") or ""
    data["image"] = notes.get("io.kubernetes.cri.image-name") or ""
    data["project"] = notes.get("io.kubernetes.cri.sandbox-namespace") or notes["namespace"]
    data["service"] = notes.get("io.kubernetes.cri.sandbox-name")
    data["ports"] = [port for item in _json_list(notes.get("nerdctl/ports", "[]")) if (port := _mapping(item)) is not None]


def machine(engine: str, name: str, lines: list[str], facts: Facts) -> Data:
    """A system container: LXC's config, an OpenVZ configuration, or only a name (LXD, Incus, nspawn)."""
    data = _empty(engine, "root", name if engine == "openvz" else "")
    data["name"] = name
    values: list[tuple[str, str]] = []
    for line in lines:
        key, equal, value = line.partition("=")
        if equal:
            values.append((key.strip(), value.strip().strip('"')))
    for key, value in values:
        if key in {"lxc.rootfs", "lxc.rootfs.path", "VE_PRIVATE"}:
            place = value.rpartition(":")[2] if key.startswith("lxc") else value
            data["mounts"].append({"source": place, "destination": "/", "type": "rootfs", "writable": True})
        elif key == "lxc.mount.entry" and len(words := value.split()) >= 4:
            data["mounts"].append(
                {"source": words[0], "destination": "/" + words[1].lstrip("/"), "type": "bind", "writable": "ro" not in words[3].split(",")}
            )
        elif key.endswith((".ipv4", ".ipv4.address")) or key == "IP_ADDRESS":
            for address in value.split():
                data["networks"][f"{len(data['networks'])}"] = address.partition("/")[0]
        elif key in {"lxc.utsname", "lxc.uts.name", "HOSTNAME"}:
            data["hostname"] = value
        elif key == "OSTEMPLATE":
            data["image"] = value
        elif key in {"lxc.start.auto", "ONBOOT"}:
            data["restart"] = "always" if value in {"1", "yes"} else None
    leader = _pid(facts.machines.get(name, {}).get("LEADER", ""))
    pid = leader or facts.processes.get(name)
    if pid:
        _running(data, pid)
    data["state"] = "running" if pid or (engine == "openvz" and name in facts.openvz) else "stopped"
    return data
