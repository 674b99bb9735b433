"""The bundle: hostile text stays text, same plan same bytes, a changed file is noticed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from inventory.errors import PlanError
from planner import bundle
from planner.plan import STEPS

HOSTILE = [
    "{{ lookup('pipe','touch /tmp/x') }}",
    "{% for x in [] %}",
    "a'b\"c; echo $(id) `id`",
    "line\nbreak: - x",
    "!unsafe yes",
    "[[ dns ]]",
    "0123",
    "漢字 🎓",
]
ACCESS = bundle.Access("ops", 22, ("/keys/id",), "/ws/runs/known_hosts", {"192.0.2.1": ["ssh-ed25519 AAAA"]})


def plan(*, placement="virtual-host", dns=True, text="plain"):
    cluster = placement == "site-cluster"
    destination = {
        "platform": "p", "nodes": ["n1", "n2"] if cluster else ["vh1"], "front": "front" if cluster else "", "address": "192.0.2.9",
        "account": "w-x", "docroot": "/srv/sites/w-x/htdocs", "php": "8.2", "receiver": "front" if cluster else "vh1",
        "receiver_address": "192.0.2.9", "database": None, "node_addresses": {"n1": "192.0.2.21", "n2": "192.0.2.22"},
    }  # fmt: skip
    move = {
        "id": "x-edu", "site": "x.edu", "names": ["x.edu"], "placement": placement, "profile": "static", "wave": 1, "steps": list(STEPS),
        "seeds": [], "destination": destination, "dns": {"zone": "edu", "records": []} if dns else None,
        "source": {"host": "old", "address": "192.0.2.1", "docroot": text, "web_server": "nginx", "vhosts": [[text, 1]], "database": None,
                   "config_file": ""},
    }  # fmt: skip
    return {"id": "plan-1", "fingerprint": "f" * 64, "moves": [move]}


@pytest.mark.parametrize("placement", ["virtual-host", "site-cluster"])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stands_only_in_tagged_json(placement, text):
    files = bundle.files(plan(placement=placement, text=text), ACCESS)
    carried = json.loads(files["moves/x-edu/vars.json"])["move"]["source"]
    assert carried["docroot"] == {"__ansible_unsafe": text}
    assert carried["vhosts"] == [[{"__ansible_unsafe": text}, 1]]
    if text not in {"0123", "[[ dns ]]"}:
        assert not [name for name, content in files.items() if text in content and not name.endswith("vars.json")]


@pytest.mark.parametrize("text", HOSTILE)
def test_ansible_reads_it_back_as_the_same_text_and_runs_none_of_it(text, tmp_path):
    (tmp_path / "vars.json").write_text(json.dumps({"move": bundle.unsafe({"docroot": text})}))
    (tmp_path / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n  vars_files: [vars.json]\n  tasks:\n"
        "    - ansible.builtin.copy: {content: '{{ move.docroot }}', dest: '" + str(tmp_path) + "/out', mode: '0600'}\n"
    )
    program = Path(sys.executable).parent / "ansible-playbook"
    subprocess.run([program, "-c", "local", "play.yml"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "out").read_text() == text


@pytest.mark.parametrize(
    ("placement", "dns"), [("virtual-host", True), ("virtual-host", False), ("site-cluster", True), ("site-cluster", False)]
)
def test_every_playbook_is_yaml_with_named_plays_and_known_roles(placement, dns):
    files = bundle.files(plan(placement=placement, dns=dns), ACCESS)
    roles = {path.name for path in (Path(__file__).parents[2] / "playbooks/roles").iterdir()}
    steps = {name.split("/")[-1] for name in files if name.endswith(".yml") and name.startswith("moves/")}
    for name, text in files.items():
        if name.endswith(".yml"):
            for play in yaml.safe_load(text):
                assert play["name"][0].isalpha(), name
                assert {role["role"] for role in play.get("roles", [])} <= roles
                assert dns or play.get("hosts") != "localhost"
    expected = {bundle.playbook_name(step) for step in STEPS if step != "verify"} | {
        bundle.playbook_name(f"undo-{step}") for step in ("lower-ttl", "provision", "freeze", "cutover")
    }
    assert steps == (expected if dns else {name for name in expected if "lower-ttl" not in name})


def test_same_plan_same_bytes_and_a_change_is_noticed(tmp_path):
    one = bundle.write(plan(), tmp_path / "a", ACCESS)
    assert one == bundle.write(plan(), tmp_path / "b", ACCESS) == bundle.check(tmp_path / "a")
    (tmp_path / "a/moves/x-edu/vars.json").write_text("{}")
    (tmp_path / "a/roles/new.yml").write_text("")
    with pytest.raises(PlanError, match=r"moves/x-edu/vars.json, roles/new.yml"):
        bundle.check(tmp_path / "a")
    with pytest.raises(PlanError, match="no bundle"):
        bundle.check(tmp_path / "none")
