"""The schema of platforms.yml: what shipped files say, sizes, and every mistake at once with its place."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

from inventory import yamlfile
from inventory.errors import ConfigurationError
from planner import platforms, platformsfile, workspace

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/platforms.md").read_text(encoding="utf-8")


def read(text):
    return platformsfile.of(yamlfile.parse(text, "p.yml"))


def problems(text):
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    return caught.value.problems


@pytest.mark.parametrize("text", [(ROOT / "lab/platforms.yml").read_text(), workspace.SKELETON["inventory/platforms.yml"], "", "{}"])
def test_what_was_written_before_stays_valid(text):
    made = read(text)
    assert made.headroom.cpu == 1.3
    assert made.default_flavour is not None
    assert (made.default_flavour.cpus, made.default_flavour.memory_bytes) == (platforms.STANDARD.cpus, platforms.STANDARD.memory_bytes)


def test_no_file_says_nothing(tmp_path):
    assert platformsfile.load(tmp_path / "none.yml") == platforms.Platforms()


def test_machines_are_told_once():
    made = platformsfile.load(ROOT / "lab/platforms.yml")
    assert [node.name for node in made.machines] == ["vh1", "front", "node1", "node2", "vps1"]


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (7, 7),
        ("7", 7),
        (2e11, 2 * 10**11),
        ("7 B", 7),
        ("50 GB", 50 * 10**9),
        ("4 GiB", 4 * 2**30),
        ("1.5TiB", 3 * 2**39),
        ("200 kB", 200_000),
        ("2 PB", 2 * 10**15),
    ],
)
def test_sizes(written, size):
    assert platforms.size(written) == size


@pytest.mark.parametrize(
    "written", [True, 1.5, float("inf"), float("nan"), "-50", "50 Gb", "50 G", "-1 GB", "1.5 B", "GB", "", None, [1], "٣ GB", "1e3 GB"]
)
def test_what_is_no_size(written):
    with pytest.raises(ValueError, match=r"size|bytes"):
        platforms.size(written)


def test_all_mistakes_at_once_with_their_places():
    text = """\
virtual_hosts:
  - {name: a, address: 192.0.2.1, disk_bytes: 5 Gb}
  - {name: b, address: 192.0.2.2, quota_bytes: 2 GB, quota_most_bytes: 1 GB}
vps_nodes: [{name: b, cpus: 8, memory_bytes: 1 GiB, disk_bytes: 1 TB}]
site_clusters: [{name: c, front: {name: a, address: 192.0.2.3}, nodes: [{name: n, address: 192.0.2.4}]}]
flavours: [{name: small, cpus: 1, memory_bytes: 1 GiB, disk_bytes: 20 GB}]
racks: [{name: r, units: 10, used_units: 11}]
pools:
  - {name: p, network: 198.51.100.0/24, gateway: 203.0.113.1, exclude: [203.0.113.0/28], reserved: {w: 198.51.101.1}}
  - {name: p, network: 198.51.100.128/25}
  - {name: q, network: 2001:db8::1/64}
colour: red
"""
    found = problems(text)
    places = {tuple(map(int, re.match(r"p\.yml:(\d+):(\d+): ", line).groups())) for line in found}
    wanted = [
        (2, "is no size"), (3, "less than quota_bytes"), (4, "'b' stands already"), (5, "'a' stands already"), (6, "default VPS 'standard'"),
        (7, "11 units are used of 10"), (9, "203.0.113.1 lies outside"), (9, "203.0.113.0/28 lies outside"), (9, "198.51.101.1 lies outside"),
        (10, "overlaps 198.51.100.0/24"), (10, "'p' stands already"), (11, "did you mean 2001:db8::/64"), (12, "Extra inputs"),
    ]  # fmt: skip
    for line, words in wanted:
        assert any(text.startswith(f"p.yml:{line}:") and words in text for text in found), (line, words, found)
    assert len(found) == len(wanted)
    assert all(column >= 1 for _, column in places)


def test_a_machine_may_stand_in_two_clusters_but_not_with_two_addresses():
    one = "{name: %s, front: {name: front, address: %s}, nodes: [{name: n, address: 192.0.2.4}]}"
    same = f"site_clusters: [{one % ('x', '192.0.2.3')}, {one % ('y', '192.0.2.3')}]"
    assert len(read(same).site_clusters) == 2
    assert "'front' stands already" in problems(same.replace("192.0.2.3", "192.0.2.9", 1))[0]


@pytest.mark.parametrize(
    ("reserved", "words"),
    [("{a: 198.51.100.1}", "gateway"), ("{a: 198.51.100.12}", "excluded"), ("{a: 198.51.100.0}", "no host's"), ("{a: x}", "no address"),
     ("{a: 198.51.100.7, b: 198.51.100.7}", "reserved for 'a' already")],
)  # fmt: skip
def test_reservations(reserved, words):
    pool = "pools: [{name: p, network: 198.51.100.0/24, gateway: 198.51.100.1, exclude: [198.51.100.10-198.51.100.20], reserved: %s}]"
    assert words in problems(pool % reserved)[0]
    assert read(pool % "{a: 198.51.100.7}").pools[0].reserved == {"a": "198.51.100.7"}


def test_what_a_pool_may_give_out():
    four, six = read(
        "pools: [{name: a, network: 198.51.100.0/29, gateway: 198.51.100.1, exclude: [198.51.100.2-198.51.100.3]},"
        " {name: b, network: '2001:db8::/64', exclude: ['2001:db8::1']}]"
    ).pools
    assert [str(address) for address in four.usable] == ["198.51.100.4", "198.51.100.5", "198.51.100.6"]
    assert len(four.usable) == 3
    assert six.usable.size == 2**64 - 2


def test_pools_of_both_kinds_do_not_overlap():
    assert len(read("pools: [{name: a, network: 0.0.0.0/1}, {name: b, network: '::/1'}]").pools) == 2


ARCHIVES = {
    "archive: {name: vh1, address: 192.0.2.1}\nvirtual_hosts: [{name: vh1, address: 192.0.2.1}]": "",
    "archive: {name: vh1, address: 192.0.2.2}\nvirtual_hosts: [{name: vh1, address: 192.0.2.1}]": "p.yml:1:17: archive.name: the name 'vh1' stands",
    "archive: {name: f, address: 192.0.2.5}\nsite_clusters: [{name: c, front: {name: f, address: 192.0.2.5}, nodes: [{name: n, address: 192.0.2.6}]}]": "",
    "archive: {name: c, address: 192.0.2.5}\nsite_clusters: [{name: c, front: {name: f, address: 192.0.2.5}, nodes: [{name: n, address: 192.0.2.6}]}]":
        "p.yml:1:17: archive.name: the name 'c' stands",
    "archive: {name: a, address: 192.0.2.5, folder: /srv/../etc}": "p.yml:1:48: archive.folder",
    "gone: {front: vh9}\nvirtual_hosts: [{name: vh1, address: 192.0.2.1}]": "p.yml:1:15: gone.front: 'vh9' is no site cluster",
    "gone: {front: vh1}\nvirtual_hosts: [{name: vh1, address: 192.0.2.1}]": "",
}  # fmt: skip


@pytest.mark.parametrize("text", ARCHIVES)
def test_an_archive_may_be_a_machine_that_is_there_already_and_a_front_must_be(text):
    if said := ARCHIVES[text]:
        (found,) = problems(text)
        assert found.startswith(said)
    else:
        made = read(text)
        assert made.archive is None or made.archive.address in {machine.address for machine in made.machines}


@pytest.mark.parametrize(
    "text",
    ["vps_nodes: [{name: a, cpus: 0, memory_bytes: 1, disk_bytes: 1}]", "headroom: {cpu: 0.9}", "headroom: {cpu: .nan}", "reserve: {share: 1}",
     "growth_months: yes", "tariffs: {hour: -1}", "tariffs: {hour: .inf}", "tariffs: {hour: yes}", "virtual_hosts: 7", "- 1", "~",
     "pools: [{name: a, network: here}]", "vps_default: 7", "vps_nodes: [7, {name: 8}, ~]", "flavours: ~", "racks: {name: a}"],
)  # fmt: skip
def test_what_is_refused_has_a_place(text):
    assert all(re.match(r"p\.yml:\d+:\d+: .+: .+", line) for line in problems(text))


def test_no_vps_on_offer_needs_no_default():
    assert read("flavours: []").default_flavour is None


def test_money_is_what_is_written():
    assert read("tariffs: {hour: 0.1, retire: {archive_per_gb: 1.25}}").tariffs.hour == Decimal("0.1")


def test_overcommit():
    node = read("vps_nodes: [{name: a, cpus: 16, memory_bytes: 100, disk_bytes: 1, cpu_overcommit: 4, memory_overcommit: 1.1}]").vps_nodes[
        0
    ]
    assert (node.virtual_cpus, node.virtual_memory_bytes) == (64, 110)


def _models(model, prefix=""):
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        for inner in _inside(field.annotation):
            yield from _models(inner, f"{prefix}{name}.")


def _inside(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _inside(part)


FIELDS = sorted(set(_models(platforms.Platforms)))


@pytest.mark.parametrize("field", FIELDS)
def test_every_key_is_named_on_the_page(field):
    section, _, key = field.rpartition(".")
    part = PAGE
    if section:
        heading = re.search(rf"^### `{re.escape(section.split('.')[0])}`.*?(?=^##|\Z)", PAGE, re.M | re.S)
        assert heading, section
        part = heading.group()
    assert re.search(rf"`(?:[a-z_]+\.)*{key}`", part), field


def test_the_example_on_the_page_is_valid():
    made = read(re.search(r"```yaml\n(.*?)```", PAGE, re.S).group(1))
    for name in platforms.Platforms.model_fields:
        assert name in made.model_fields_set, f"the example does not show {name}"


def test_a_workload_has_one_machine_and_a_machine_one_entry():
    one = "{name: %s, address: %s, workloads: [%s]}"
    good = read(f"vps_machines: [{one % ('m', '192.0.2.1', 'a.x.edu, b.x.edu')}, {one % ('n', '192.0.2.2', 'c.x.edu')}]")
    assert good.machine_for(["B.X.edu", "www.b.x.edu"]).name == "m"
    assert good.machine_for(["d.x.edu"]) is None
    twice = problems(f"vps_machines: [{one % ('m', '192.0.2.1', 'a.x.edu')}, {one % ('n', '192.0.2.1', 'A.x.edu')}]")
    assert any("is the address of vps_machines.0" in text for text in twice)
    assert any("'A.x.edu' has vps_machines.0 already" in text for text in twice)
    assert problems("vps_machines: [{name: m, address: 192.0.2.1, workloads: []}]")
    assert problems("vps_machines: [{name: m, address: 192.0.2.1, workloads: [a], release: centos-7}]")
