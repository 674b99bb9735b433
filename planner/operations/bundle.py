"""Setting up care as a bundle: sites in care → playbooks, inventory and vars that plain `ansible-playbook` runs, in `plans/operations/`.

In: the sites in care, the platforms, the logins.  Out: files; the same for the same input.  One playbook, which can be repeated at will:
the machine that keeps backups makes keys, the sites' machines let them in, then its timer runs; Prometheus' machine gets its targets.
Sites that are in care no longer are shut out by the same run.  A machine that cannot be reached stops only what is done there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from planner import bundle
from planner.operations import care, targets
from planner.operations.care import PLAIN, Cared
from planner.platforms import Platforms

PLAYBOOK = "setup.yml"


def backed_up(cared: Sequence[Cared]) -> list[Cared]:
    """Those whose content the planner knows, and whose ids may become part of a path."""
    return [one for one in cared if one.held and PLAIN.fullmatch(one.id)]


def machines(cared: Sequence[Cared], former: Mapping[str, str]) -> dict[str, str]:
    """Name → address of the machines with sites in care, and of those that had some (`former`): there, sites may have to be shut out."""
    return {**former, **{one.machine: one.machine_address for one in backed_up(cared)}}


def files(cared: Sequence[Cared], platforms: Platforms, access: bundle.Access, former: Mapping[str, str]) -> dict[str, str]:
    """The bundle's files but for the roles: path → text.  Pure but for reading the template."""
    store, prometheus, sites = platforms.backup, platforms.monitoring, backed_up(cared)
    where = machines(cared, former) if store is not None else {}
    groups: dict[str, dict[str, str]] = {"care": where, "backup": {}, "monitoring": {}}
    data: dict[str, Any] = {"sites": [], "machines": {name: [] for name in where}}
    if store is not None:
        groups["backup"][store.name] = store.address
        data["store"] = store.model_dump(exclude={"late_hours"})
        for one in sites:
            keys = list(access.keys.get(one.machine_address, ()))
            data["sites"].append(
                {"id": one.id, "engine": one.engine, "address": one.machine_address, "port": access.port, "host_keys": keys}
            )
            data["machines"][one.machine].append(
                {"id": one.id, "docroot": one.move["destination"]["docroot"], "engine": one.engine, "schema": one.schema,
                 "settings": care.settings(one)}
            )  # fmt: skip
    if prometheus is not None:
        groups["monitoring"][prometheus.name] = prometheus.address
        data["targets"] = {"folder": prometheus.folder, "files": targets.files(cared, prometheus.node_port)}
    text = bundle.environment().get_template("operations/setup.yml.j2")
    return {
        "ansible.cfg": bundle.configuration(access),
        "inventory/hosts.json": bundle.dump(bundle.grouped(groups, access)),
        "vars.json": bundle.dump({"operations": bundle.unsafe(data)}),
        PLAYBOOK: text.render(
            store=store.name if store is not None else "", where=sorted(where),
            prometheus=prometheus.name if prometheus is not None else "",
        ),
        "README.md": _README,
    }  # fmt: skip


_README = f"""\
# Care of what was moved

    ansible-playbook --check {PLAYBOOK}    # what would change
    ansible-playbook {PLAYBOOK}

`planner operations setup` writes this folder anew and does the same.
"""


def write(cared: Sequence[Cared], platforms: Platforms, access: bundle.Access, folder: Path, former: Mapping[str, str]) -> str:
    """Write the bundle anew; returns its digest."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return bundle.put(files(cared, platforms, access, former), folder)
