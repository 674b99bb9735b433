"""Roles say what they take: `meta/argument_specs.yml` and `defaults/main.yml` agree, and every name begins with the role's."""

import re
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[2] / "playbooks" / "roles"
TASKS = ("tasks", "handlers")
OTHERS = {"include_role", "import_role"}


class _Loader(yaml.SafeLoader):
    """YAML with Ansible's tags (`!unsafe`, `!vault`) read as plain values."""


def _plain(loader, _suffix, node):
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!", _plain)


def read(path):
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)


def yaml_files(folder):
    return sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])


def problems(role):
    """All that is wrong with a role's inputs and names."""
    return [*_specification(role), *_meta(role), *_names(role)]


def _specification(role):
    path = role / "meta" / "argument_specs.yml"
    if not path.is_file():
        yield "meta/argument_specs.yml is missing"
        return
    points = (read(path) or {}).get("argument_specs") or {}
    if "main" not in points and (role / "tasks" / "main.yml").exists():
        yield "argument_specs has no entry point main"
    offered = {}
    for point, specification in points.items():
        if not list((role / "tasks").glob(f"{point}.y*ml")):
            yield f"the entry point {point} has no tasks/{point}.yml"
        if not specification.get("short_description"):
            yield f"{point}: short_description is missing"
        for name, option in (specification.get("options") or {}).items():
            yield from _option(f"{point}: {name}", option)
            if not name.startswith(f"{role.name}_"):
                yield f"{point}: the option {name} does not begin with {role.name}_"
            if "default" in option:
                if name in offered and _differ(offered[name], option["default"]):
                    yield f"{name} has two different defaults in argument_specs"
                offered[name] = option["default"]
    path = role / "defaults" / "main.yml"
    defaults = (read(path) if path.exists() else None) or {}
    for name in sorted(offered.keys() | defaults.keys()):
        if name not in defaults:
            yield f"{name} has a default in argument_specs and none in defaults/main.yml"
        elif name not in offered:
            yield f"{name} has a default in defaults/main.yml and none in argument_specs"
        elif _differ(offered[name], defaults[name]):
            yield f"{name} is {offered[name]!r} in argument_specs and {defaults[name]!r} in defaults/main.yml"


def _differ(one, other):
    return one != other or type(one) is not type(other)  # 1, True and 1.0 are three things to Ansible


def _option(where, option):
    for key in ("type", "description"):
        if not option.get(key):
            yield f"{where}: {key} is missing"
    if option.get("required") and "default" in option:
        yield f"{where}: required, and yet it has a default"
    if option.get("type") == "list" and not option.get("elements"):
        yield f"{where}: a list needs elements"


def _meta(role):
    path = role / "meta" / "main.yml"
    if not path.is_file():
        yield "meta/main.yml is missing"
    elif not ((read(path) or {}).get("galaxy_info") or {}).get("description"):
        yield "meta/main.yml: galaxy_info.description is missing"


def _names(role):
    for folder in ("defaults", "vars"):
        for path in yaml_files(role / folder):
            for name in read(path) or {}:
                if not _own(role.name, name):
                    yield f"{folder}/{path.name}: {name} does not begin with {role.name}_"
    for folder in TASKS:
        for path in sorted((role / folder).rglob("*.y*ml")):
            for name in sorted(_set(read(path) or [], role.name)):
                yield f"{folder}/{path.name}: the variable {name} does not begin with {role.name}_"


def _own(prefix, name):
    return re.match(rf"_{{0,2}}{re.escape(prefix)}_", name) is not None


def _set(tasks, role):
    """Variables that tasks set under a name that is not their role's: register, set_fact, vars, loop_var."""
    for task in tasks:
        called = next(
            (task[key]["name"] for key in task for word in OTHERS if key.rpartition(".")[2] == word and "name" in task[key]), role
        )
        names = [task["register"]] if "register" in task else []
        names += list(task.get("vars") or {}) if called == role else []
        for key, value in task.items():
            if key.rpartition(".")[2] == "set_fact" and isinstance(value, dict):
                names += [name for name in value if name != "cacheable"]
        control = task.get("loop_control") or {}
        names += [control[key] for key in ("loop_var", "index_var") if key in control]
        yield from (name for name in names if not _own(role, name))
        if called != role:
            called = called.rpartition("/")[2].rpartition(".")[2]
            yield from (name for name in task.get("vars") or {} if not _own(called, name) and not _own(role, name))
        for part in ("block", "rescue", "always"):
            yield from _set(task.get(part) or [], role)


def roles():
    return sorted(path for path in ROLES.iterdir() if path.is_dir()) if ROLES.is_dir() else []


def test_a_folder_of_roles_holds_roles():
    assert roles() or not ROLES.exists()


@pytest.mark.parametrize("role", roles(), ids=lambda role: role.name)
def test_role(role):
    assert problems(role) == []


# the checker itself

GOOD = {
    "meta/main.yml": "galaxy_info: {description: A web server}",
    "meta/argument_specs.yml": """
argument_specs:
  main:
    short_description: A web server
    options:
      web_port: {type: int, default: 80, description: Where it listens}
      web_names: {type: list, elements: str, required: true, description: Its names}
""",
    "defaults/main.yml": "web_port: 80",
    "vars/main.yml": "web_packages: [nginx]\n__web_inner: !unsafe '{{ x }}'",
    "tasks/main.yml": """
- name: Look
  ansible.builtin.command: {argv: [id]}
  register: web_id
- name: Group
  block:
    - name: Keep
      ansible.builtin.set_fact: {web_kept: 1, cacheable: true}
- name: Other
  ansible.builtin.include_role: {name: dns}
  vars: {dns_zone: x}
""",
}


def _role(folder, **changes):
    role = folder / "web"
    for name, text in {**GOOD, **changes}.items():
        if text is not None:
            (role / name).parent.mkdir(parents=True, exist_ok=True)
            (role / name).write_text(text)
    return role


def test_checker_takes_a_good_role(tmp_path):
    assert problems(_role(tmp_path)) == []


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("meta/main.yml", None, "meta/main.yml is missing"),
        ("meta/argument_specs.yml", None, "argument_specs.yml is missing"),
        ("defaults/main.yml", "web_port: 81", "web_port is 80 in argument_specs and 81"),
        ("defaults/main.yml", "web_port: '80'", "web_port is 80 in argument_specs and '80'"),
        ("defaults/main.yml", None, "none in defaults"),
        ("defaults/main.yml", "web_port: 80\nweb_more: 1", "web_more has a default in defaults/main.yml and none"),
        ("vars/main.yml", "packages: []", "packages does not begin"),
        ("vars/main.yml", "website: []", "website does not begin"),
        ("tasks/main.yml", "[{command: id, register: result}]", "result does not begin"),
        ("tasks/main.yml", "[{block: [{set_fact: {x: 1}}]}]", "x does not begin"),
        ("tasks/main.yml", "[{command: id, loop_control: {loop_var: item2}}]", "item2 does not begin"),
        ("tasks/main.yml", "[{include_role: {name: dns}, vars: {zone: 1}}]", "zone does not begin"),
        (
            "meta/argument_specs.yml",
            "argument_specs: {main: {short_description: x, options: {port: {type: int, description: x}}}}",
            "port does not begin",
        ),
        (
            "meta/argument_specs.yml",
            "argument_specs: {main: {short_description: x, options: {web_port: {default: 80}}}}",
            "type is missing",
        ),
        ("meta/argument_specs.yml", "argument_specs: {undo: {short_description: x}}", "no tasks/undo.yml"),
    ],
)
def test_checker_finds(tmp_path, file, text, said):
    assert any(said in problem for problem in problems(_role(tmp_path, **{file: text})))


def test_what_installs_packages_first_ends_an_installation_that_was_cut_off():
    installing = {
        role.name for role in ROLES.iterdir() for path in yaml_files(role / "tasks") if "ansible.builtin.apt:" in path.read_text()
    }
    assert len(installing) > 6
    for name in installing:
        assert "packages_whole" in read(ROLES / name / "meta/main.yml")["dependencies"], name
