"""Plan → bundle: a folder of playbooks, inventory and vars that plain `ansible-playbook` runs without this program.

In: a plan document, the login and known hosts to be used.  Out: files under `plans/<id>/bundle/`; same plan, same bytes.

Observed text is hostile: it travels only in JSON vars whose strings are tagged `__ansible_unsafe`, which Ansible never templates.
The playbook templates use `[[ ]]`, refuse undefined names, and dump every value as JSON, so that it stays one YAML scalar.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from planner.plan import STEPS

PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """`playbooks` or `templates`: inside the installed wheel, or beside the packages in a checkout."""
    packed = PACKAGE / f"_{name}"
    return packed if packed.is_dir() else PACKAGE.parent / name


def unsafe(value: Any) -> Any:
    """Tag every string, so that Ansible takes it as text whatever it contains."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {str(key): unsafe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [unsafe(item) for item in value]
    return value


def _dump(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def environment() -> Environment:
    """Jinja for playbooks: `[[ value ]]` becomes JSON."""
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


def steps(placement: str) -> dict[str, str]:
    """The playbook templates of a placement: step (or `undo-step`) → template's name."""
    folder = shipped("templates") / "playbooks" / placement
    return {path.name.removesuffix(".yml.j2"): f"{placement}/{path.name}" for path in sorted(folder.glob("*.yml.j2"))}


def playbook_name(step: str) -> str:
    """`30-preseed.yml`: numbered so that a listing shows the order; undo playbooks keep their step's number."""
    base = step.removeprefix("undo-")
    number = (STEPS.index(base) + 1) * 10
    return f"{number:02d}-{step}.yml"


def inventory(plan: Mapping[str, Any], *, user: str, port: int, key_files: tuple[str, ...], known_hosts: str) -> dict[str, Any]:
    """An Ansible inventory of all hosts that the plan touches; sources need no Python."""
    groups: dict[str, dict[str, str]] = {"sources": {}, "vhost_servers": {}, "cluster_fronts": {}, "cluster_nodes": {}}
    for move in plan["moves"]:
        groups["sources"][move["source"]["host"]] = move["source"]["address"]
        destination = move["destination"]
        if move["placement"] == "virtual-host":
            groups["vhost_servers"][destination["receiver"]] = destination["receiver_address"]
        else:
            groups["cluster_fronts"][destination["front"]] = destination["receiver_address"]
            groups["cluster_nodes"].update(destination["node_addresses"])
    ssh_arguments = f"-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null"
    variables: dict[str, Any] = {"ansible_user": user, "ansible_port": port, "ansible_ssh_common_args": ssh_arguments}
    if key_files:
        variables["ansible_ssh_private_key_file"] = key_files[0]
    return {
        "all": {
            "vars": variables,
            "children": {
                name: {"hosts": {host: {"ansible_host": address} for host, address in sorted(hosts.items())}}
                for name, hosts in groups.items()
            },
        }
    }


CONFIGURATION = """\
[defaults]
inventory = inventory/hosts.json
roles_path = roles
host_key_checking = True
retry_files_enabled = False
interpreter_python = /usr/bin/python3
nocows = True

[ssh_connection]
pipelining = True
"""


def write(
    plan: Mapping[str, Any], folder: Path, *, user: str, port: int, key_files: tuple[str, ...], known_hosts: Mapping[str, list[str]], known_hosts_file: str
) -> list[str]:
    """Write the bundle anew; returns the paths written, relative to it.  `known_hosts`: address → lines for the copies' SSH."""
    if folder.exists():
        shutil.rmtree(folder)
    written: list[str] = []

    def put(name: str, text: str) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(name)

    put("ansible.cfg", CONFIGURATION)
    hosts = inventory(plan, user=user, port=port, key_files=key_files, known_hosts=known_hosts_file)
    put("inventory/hosts.json", _dump(hosts))
    shutil.copytree(shipped("playbooks") / "roles", folder / "roles", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    jinja = environment()
    for move in plan["moves"]:
        base = f"moves/{move['id']}"
        source = {**move["source"], "user": user, "port": port, "host_keys": known_hosts.get(move["source"]["address"], [])}
        carried = {key: move[key] for key in ("id", "site", "names", "placement", "profile", "destination", "dns")}
        put(f"{base}/vars.json", _dump({"move": unsafe({**carried, "source": source})}))
        for step, template in steps(move["placement"]).items():
            if move["dns"] is None and step in {"lower-ttl", "undo-lower-ttl"}:
                continue
            names = {"source": move["source"]["host"], "receiver": move["destination"]["receiver"], "nodes": move["destination"]["nodes"]}
            text = jinja.get_template(template).render(title=f"{move['id']}: {step}", **names)
            put(f"{base}/{playbook_name(step)}", text)
    for wave in sorted({move["wave"] for move in plan["moves"]}):
        lines = ["---"]
        for move in (m for m in plan["moves"] if m["wave"] == wave):
            for step in move["steps"]:
                if (folder / f"moves/{move['id']}/{playbook_name(step)}").exists():
                    lines += [f"- name: {json.dumps(move['id'] + ', ' + step)}", f"  ansible.builtin.import_playbook: moves/{move['id']}/{playbook_name(step)}"]
        put(f"wave-{wave}.yml", "\n".join(lines) + "\n")
    put("README.md", _readme(plan))
    return written


def _readme(plan: Mapping[str, Any]) -> str:
    lines = [
        f"# Bundle of {plan['id']}",
        "",
        f"Fingerprint `{plan['fingerprint']}`. Everything here runs with plain `ansible-playbook` from this folder:",
        "",
        "    ansible-playbook wave-1.yml              # all moves of a wave, step by step",
        "    ansible-playbook moves/ID/NN-STEP.yml    # one step of one move",
        "    ansible-playbook moves/ID/NN-undo-STEP.yml",
        "",
        "`planner run` does the same with a journal, and compares source and destination between `sync` and `cutover`:",
        "by hand, look at the destination yourself before you start the cutover.",
        "",
        "| wave | move | placement | from | to |",
        "|---|---|---|---|---|",
    ]
    for move in plan["moves"]:
        lines.append(f"| {move['wave']} | `{move['id']}` | {move['placement']} | `{move['source']['host']}` | `{move['destination']['platform']}` |")
    lines += ["", "Undo goes backwards: the undo playbook of each step that was started, the last one first."]
    return "\n".join(lines) + "\n"
