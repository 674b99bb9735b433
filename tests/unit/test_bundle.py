"""The bundle: hostile text stays text, same plan same bytes, a changed file is noticed."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from inventory.errors import PlanError
from planner import bundle, movesteps

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
_spec = importlib.util.spec_from_file_location("sample_bundle", Path(__file__).parents[1] / "sample_bundle.py")
sample = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sample)
ACCESS, plan = sample.ACCESS, sample.plan


@pytest.mark.parametrize("placement", ["virtual-host", "site-cluster", "retire", "vps", "colocation"])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stands_only_in_tagged_json(placement, text):
    files = bundle.files(plan(placement=placement, text=text), ACCESS)
    carried = json.loads(files["moves/x-edu/vars.json"])["move"]["source"]
    assert carried["docroot"] == {"__ansible_unsafe": text}
    assert carried["vhosts"] == [[{"__ansible_unsafe": text}, 1]]
    if text not in {"0123", "[[ dns ]]"}:
        assert not [name for name, content in files.items() if text in content and not name.endswith(("vars.json", "RUNSHEET.md"))]


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
    ("placement", "dns"),
    [(placement, dns) for placement in ("virtual-host", "site-cluster", "retire", "vps", "colocation") for dns in (True, False)],
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
    table = movesteps.TABLE[placement]
    expected = {bundle.playbook_name(placement, step.name) for step in table if step.work == "playbook"} | {
        bundle.playbook_name(placement, f"undo-{step.name}") for step in table if step.undo
    }
    zone = {step.name for step in table if step.dns}
    assert steps == (expected if dns else {name for name in expected if name.partition("-")[2].removeprefix("undo-")[:-4] not in zone})


def test_same_plan_same_bytes_and_a_change_is_noticed(tmp_path):
    one = bundle.write(plan(), tmp_path / "a", ACCESS)
    assert one == bundle.write(plan(), tmp_path / "b", ACCESS) == bundle.check(tmp_path / "a")
    (tmp_path / "a/moves/x-edu/vars.json").write_text("{}")
    (tmp_path / "a/roles/new.yml").write_text("")
    with pytest.raises(PlanError, match=r"moves/x-edu/vars.json, roles/new.yml"):
        bundle.check(tmp_path / "a")
    with pytest.raises(PlanError, match="no bundle"):
        bundle.check(tmp_path / "none")


def test_a_machine_is_spoken_to_at_whichever_address_it_has_and_known_by_the_key_of_the_old_one():
    document = plan(placement="colocation")
    host = bundle.inventory(document, ACCESS)["all"]["children"]["sources"]["hosts"]["old"]
    assert host["ansible_host"] == "{{ host_address_at | default('192.0.2.1') }}"
    assert "StrictHostKeyChecking=yes " in host["ansible_ssh_common_args"]
    assert host["ansible_ssh_common_args"].endswith(" -o HostKeyAlias=192.0.2.1")
    elsewhere = bundle.Access("ops", 2222, (), "/ws/known_hosts", {})
    assert "HostKeyAlias=[192.0.2.1]:2222" in json.dumps(bundle.inventory(document, elsewhere))


def test_a_move_has_the_playbooks_of_its_own_steps_only():
    document = plan(placement="colocation")
    move = document["moves"][0]
    move["steps"] = ["prepare", "depart", "arrive", "verify"]
    names = {name.rpartition("/")[2] for name in bundle.files(document, ACCESS) if name.startswith("moves/")}
    assert {name for name in names if name.endswith(".yml")} == {
        "15-prepare.yml", "15-undo-prepare.yml", "30-depart.yml", "30-undo-depart.yml", "35-arrive.yml", "35-undo-arrive.yml"
    }  # fmt: skip
    assert "RUNSHEET.md" in names
    move["colocation"]["leader"] = "another"
    assert not any(name.endswith("RUNSHEET.md") for name in bundle.files(document, ACCESS)), "one sheet for one machine"
