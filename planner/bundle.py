"""Plan → bundle: a folder of playbooks, inventory and vars that plain `ansible-playbook` runs without this program.

In: a plan document, the login, the trusted host keys.  Out: files under `plans/<id>/bundle/`; same plan, same bytes, and a manifest of
their digests by which a run notices that somebody changed them after they were reviewed.

Observed text is hostile: it travels only in JSON vars whose strings are tagged `__ansible_unsafe`, which Ansible never templates.
The playbook templates use `[[ ]]`, refuse undefined names, and dump every value as JSON, so that it stays one YAML scalar.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from inventory.errors import PlanError
from planner import closing, movesteps, runsheet
from planner.shipped import folder as shipped

MANIFEST = "MANIFEST"
SILENCE = "-o ServerAliveInterval=10 -o ServerAliveCountMax=4"
"""A machine that has fallen silent (power, network) ends its connection after 40 s.  Without, OpenSSH waits for a task's answer for ever: a
step would never fail, and what is frozen would stay so until the source's own clock runs out."""


@dataclass(frozen=True)
class Access:
    """How Ansible logs in; `keys`: address → host keys as `algorithm base64`."""

    user: str
    port: int
    key_files: Sequence[str]
    known_hosts: str
    keys: Mapping[str, Sequence[str]]


def unsafe(value: Any) -> Any:
    """Tag every string, so that Ansible takes it as text whatever it contains."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {str(key): unsafe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [unsafe(item) for item in value]
    return value


def dump(data: Any) -> str:
    """JSON as it stands in bundles: sorted, readable, ended by a newline."""
    return json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def environment() -> Environment:
    """Jinja for playbooks: `[[ value ]]` becomes JSON, which is YAML."""
    return Environment(
        loader=FileSystemLoader(shipped("templates") / "playbooks"),
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        undefined=StrictUndefined,
        finalize=lambda value: json.dumps(value, ensure_ascii=False),
        autoescape=False,  # noqa: S701  (YAML, and every value is JSON)
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def templates(placement: str, profile: str = "") -> dict[str, str]:
    """The playbook templates of a placement: step (or `undo-step`) → template.  Its own go before those in `move/`, which all may have.

    Those of a static export go before the site cluster's.
    """
    folders = [*([profile] if movesteps.exported({"placement": placement, "profile": profile}) else []), placement, "move"]
    root = shipped("templates") / "playbooks"
    wanted = [name for step in movesteps.TABLE[placement] if step.work == "playbook" for name in (step.name, f"undo-{step.name}")]
    wanted += [f"undo-{step.name}" for step in movesteps.TABLE[placement] if step.work != "playbook"]
    found: dict[str, str] = {}
    for name in wanted:
        places = [f"{folder}/{name}.yml.j2" for folder in folders if (root / folder / f"{name}.yml.j2").exists()]
        found |= {name: places[0]} if places else {}
    return found


def playbook_name(placement: str, step: str) -> str:
    """`30-preseed.yml`: numbered so that a listing shows the order; undo playbooks keep their step's number."""
    steps = movesteps.steps(placement)
    apart = 10 if len(steps) < 10 else 5  # two digits, or 100 would stand before 20
    return f"{(steps.index(step.removeprefix('undo-')) + 1) * apart:02d}-{step}.yml"


def playbook_path(move: Mapping[str, Any], step: str) -> str:
    """Where a move's playbook lies in a bundle."""
    return f"moves/{move['id']}/{playbook_name(move['placement'], step)}"


def inventory(plan: Mapping[str, Any], access: Access) -> dict[str, Any]:
    """An Ansible inventory of all hosts that the plan touches; sources need no Python."""
    kinds = ("sources", "vhost_servers", "cluster_fronts", "cluster_nodes", "archives", "vps_machines")
    groups: dict[str, dict[str, str]] = {kind: {} for kind in kinds}
    for move in carried_out(plan):
        groups["sources"][move["source"]["host"]] = move["source"]["address"]
        destination = move["destination"]
        if move["placement"] == "virtual-host":
            groups["vhost_servers"][destination["receiver"]] = destination["receiver_address"]
        elif move["placement"] == "vps":
            groups["vps_machines"][destination["receiver"]] = destination["receiver_address"]
        elif move["placement"] == "colocation":
            groups["archives"][destination["receiver"]] = destination["receiver_address"]
        elif move["placement"] == "retire":
            groups["archives"][destination["receiver"]] = destination["receiver_address"]
            fronts = "cluster_fronts" if destination["node_addresses"] else "vhost_servers"
            groups[fronts][destination["front"]] = destination["address"]
            groups["cluster_nodes"].update(destination["node_addresses"])
        else:
            groups["cluster_fronts"][destination["front"]] = destination["receiver_address"]
            groups["cluster_nodes"].update(destination["node_addresses"])
    found = grouped(groups, access)
    hosts = found["all"]["children"]["sources"]["hosts"]
    for move in carried_out(plan):
        if move["placement"] == "colocation":
            # its address changes on the way, and whatever it is, it must show the key that is trusted for the old one
            old = move["source"]["address"]
            alias = old if access.port == 22 else f"[{old}]:{access.port}"
            hosts[move["source"]["host"]] = {
                "ansible_host": f"{{{{ host_address_at | default('{old}') }}}}",
                "ansible_ssh_common_args": f"{found['all']['vars']['ansible_ssh_common_args']} -o HostKeyAlias={alias}",
            }
    return found


def grouped(groups: Mapping[str, Mapping[str, str]], access: Access) -> dict[str, Any]:
    """An Ansible inventory of groups of hosts with their addresses, and how they are logged in to."""
    options = f"-o UserKnownHostsFile={access.known_hosts} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes {SILENCE}"
    variables: dict[str, Any] = {"ansible_user": access.user, "ansible_port": access.port, "ansible_ssh_common_args": options}
    if access.key_files:
        variables["ansible_ssh_private_key_file"] = access.key_files[0]
    children = {
        name: {"hosts": {host: {"ansible_host": address} for host, address in sorted(hosts.items())}} for name, hosts in groups.items()
    }
    return {"all": {"vars": variables, "children": children}}


CONFIGURATION = """\
# Connections are shared under a name of this workspace's own: another workspace may know another machine at the same address.
[defaults]
inventory = inventory/hosts.json
roles_path = roles
host_key_checking = True
retry_files_enabled = False
interpreter_python = /usr/bin/python3
nocows = True

[ssh_connection]
pipelining = True
control_path = %(directory)s/{workspace}-%%C
"""


def configuration(access: Access) -> str:
    """The bundle's ansible.cfg."""
    return CONFIGURATION.replace("{workspace}", hashlib.sha256(access.known_hosts.encode()).hexdigest()[:8])


def write(plan: Mapping[str, Any], folder: Path, access: Access) -> str:
    """Write the bundle anew, whole or not at all; returns its digest, which the manifest's lines prove."""
    return put(files(plan, access), folder)


def put(texts: Mapping[str, str], folder: Path) -> str:
    """Files (path → text) and all roles as a bundle in a folder, whole or not at all; returns its digest."""
    draft = folder.with_name(folder.name + ".new")
    if draft.exists():
        shutil.rmtree(draft)
    for name, text in texts.items():
        path = draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copytree(shipped("playbooks") / "roles", draft / "roles", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    manifest = "".join(f"{value}  {name}\n" for name, value in sorted(_digests(draft).items()))
    (draft / MANIFEST).write_text(manifest, encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    draft.replace(folder)
    return hashlib.sha256(manifest.encode()).hexdigest()


def carried_out(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The moves for which there are playbooks; the others are carried out by hand."""
    return [move for move in plan["moves"] if move["carried_out"] == "planner"]


def files(plan: Mapping[str, Any], access: Access) -> dict[str, str]:
    """The bundle's own files but for the roles: path → text.  Pure but for reading the templates."""
    jinja = environment()
    out = {"ansible.cfg": configuration(access), "inventory/hosts.json": dump(inventory(plan, access)), "README.md": _readme(plan)}
    for move in carried_out(plan):
        base = f"moves/{move['id']}"
        source = {
            **move["source"],
            "user": access.user,
            "port": access.port,
            "host_keys": list(access.keys.get(move["source"]["address"], ())),
        }
        carried = {key: move[key] for key in ("id", "site", "names", "placement", "profile", "destination", "dns", "retirement")}
        if move.get("stack"):
            carried["stack"] = move["stack"]
        if move.get("colocation"):
            carried["colocation"] = move["colocation"]
        out[f"{base}/vars.json"] = dump({"move": unsafe({**carried, "source": source})})
        names = {
            "source": move["source"]["host"],
            "receiver": move["destination"]["receiver"],
            "nodes": move["destination"]["nodes"],
            "dns": move["dns"] is not None,
            "front": move["destination"]["front"],
            "cluster": bool(move["destination"]["node_addresses"]),
            "tls": move["source"]["certificate"] is not None,
            "machine": move.get("colocation"),
            "export": movesteps.exported(move),
        }
        for step, template in templates(move["placement"], move["profile"]).items():
            if step.removeprefix("undo-") not in move["steps"]:
                continue
            if move["dns"] is not None or not movesteps.step(move["placement"], step.removeprefix("undo-")).dns:
                text = jinja.get_template(template).render(title=f"Move {move['id']}: {step}", **names)
                out[playbook_path(move, step)] = text
        if move["retirement"] is not None:
            out[f"{base}/CHECKLIST.md"] = closing.checklist(move)
        if move.get("colocation") and move["colocation"]["leader"] == move["id"]:
            out[f"{base}/RUNSHEET.md"] = runsheet.text(move)
    for wave in sorted({move["wave"] for move in carried_out(plan)}):
        out[f"wave-{wave}.yml"] = _wave([move for move in carried_out(plan) if move["wave"] == wave], out)
    return out


def _wave(moves: Sequence[Mapping[str, Any]], present: Mapping[str, str]) -> str:
    lines = ["---"]
    for move in moves:
        for step in move["steps"]:
            name = playbook_path(move, step)
            if name in present:
                lines += [f"- name: {json.dumps('Move ' + move['id'] + ', ' + step)}", f"  ansible.builtin.import_playbook: {name}"]
    return "\n".join(lines) + "\n"


def _digests(folder: Path) -> dict[str, str]:
    names = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in names}


def check(folder: Path) -> str:
    """The bundle's digest, after its files were compared with the manifest.  Raises PlanError naming every file that differs."""
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError(f"{folder} is no bundle: {error.strerror}", hint="planner generate writes it") from error
    listed = {line[66:]: line[:64] for line in text.splitlines()}
    present = _digests(folder)
    differing = sorted(name for name in listed.keys() | present.keys() if listed.get(name) != present.get(name))
    if differing:
        raise PlanError(
            f"{folder} is not what was generated; changed, added or missing: {', '.join(differing[:10])}",
            hint="planner generate makes it anew; local roles belong into the platform's own playbooks",
        )
    return hashlib.sha256(text.encode()).hexdigest()


def _readme(plan: Mapping[str, Any]) -> str:
    lines = [
        f"# Bundle of {plan['id']}",
        "",
        f"Fingerprint `{plan['fingerprint']}`. Everything here runs with plain `ansible-playbook` from this folder:",
        "",
        "    ansible-playbook moves/ID/NN-STEP.yml         # one step of one move",
        "    ansible-playbook moves/ID/NN-undo-STEP.yml    # and back",
        "    ansible-playbook wave-1.yml                   # all moves of a wave, step by step",
        "",
        "`planner run` does the same with a journal, and compares source and destination between `sync` and `cutover`.",
        "By hand, compare before you start the cutover: `planner verify SITE --at ADDRESS`.",
        "",
        "| wave | move | placement | from | to |",
        "|---|---|---|---|---|",
    ]
    for move in carried_out(plan):
        lines.append(
            f"| {move['wave']} | `{move['id']}` | {move['placement']} | `{move['source']['host']}` | `{move['destination']['platform']}` |"
        )
    lines += ["", "Undo goes backwards: the undo playbook of each step that was started, the last one first."]
    return "\n".join(lines) + "\n"
