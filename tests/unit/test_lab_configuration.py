"""lab.toml is checked before anything is started, and lab/truth.yml says what the seeds do.  Needs no root and starts nothing."""

import csv
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

LAB = Path(__file__).parents[2] / "lab"
GOOD = """
[lab]
name = "campus"
bridge = "198.51.100.1/24"
domain = "campus.test"
dns = "198.51.100.53"
[host.one]
image = "lamp"
ip = "198.51.100.11"
seed = "one.sh"
mem = "2G"
disk = "512M"
repo = "extra"
[host.two]
image = "base-bookworm"
ip = "198.51.100.12"
also = ["198.51.100.13", "198.51.100.14"]
autostart = false
[image.lamp]
parent = "base-bullseye"
packages = "apache2  php"
[image.lampwiki]
parent = "lamp"
packages = "mediawiki"
[repo.extra]
parent = "base-bookworm"
sets = ["nginx rsync", "haproxy"]
"""


@pytest.fixture(scope="module")
def lab():
    """The lab's package: not installed, it stands beside its command."""
    sys.path.insert(0, str(LAB))
    try:
        yield importlib.import_module("campuslab.configuration")
    finally:
        sys.path.remove(str(LAB))


@pytest.fixture
def read(lab, tmp_path):
    def of(text):
        (tmp_path / "seeds").mkdir()
        (tmp_path / "seeds/one.sh").write_text("true\n")
        (tmp_path / "lab.toml").write_text(text)
        return lab.read(tmp_path / "lab.toml")

    return of


def test_good_file(read):
    configuration = read(GOOD)
    assert list(configuration.hosts) == ["one", "two"]
    one, two = configuration.hosts.values()
    assert (one.ip, one.image, one.mem, one.disk, one.repo, one.autostart) == ("198.51.100.11", "lamp", "2G", "512M", "extra", True)
    assert (two.disk, two.autostart, two.seed, list(two.also)) == ("4G", False, "", ["198.51.100.13", "198.51.100.14"])
    assert configuration.images["lamp"].packages == ("apache2", "php")
    assert configuration.repositories["extra"].sets == ("nginx rsync", "haproxy")
    assert (configuration.base("lamp"), configuration.base("base-bookworm")) == ("base-bullseye", "base-bookworm")
    assert configuration.chain("lampwiki") == ["lampwiki", "lamp", "base-bullseye"]
    assert str(configuration.bridge) == "198.51.100.1/24"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('mem = "2G"', 'memory = "2G"', "lab.toml:11: unknown key memory in [host.one]; did you mean mem?"),
        ("autostart = false", "autosart = false", "lab.toml:18: unknown key autosart in [host.two]; did you mean autostart?"),
        ("[image.lamp]", "[images.lamp]", "unknown table [images]; did you mean image?"),
        ('domain = "campus.test"\n', "", "lab.toml:2: [lab] has no domain"),
        ('ip = "198.51.100.12"', "", "lab.toml:14: [host.two] has no ip"),
        ("autostart = false", 'autostart = "no"', "lab.toml:18: autostart in [host.two] must be a bool"),
        ('sets = ["nginx rsync", "haproxy"]', "sets = [1]", "sets in [repo.extra] must hold strings only"),
        ('image = "lamp"', 'image = "lamb"', "lab.toml:8: image lamb of one is neither base-SUITE nor declared as [image.lamb]"),
        ('ip = "198.51.100.12"', 'ip = "198.51.100.11"', "lab.toml:16: ip 198.51.100.11 of two is given to 2 hosts"),
        ('ip = "198.51.100.12"', 'ip = "198.51.100.1"', "must lie in 198.51.100.0/24 and differ from the bridge's"),
        ('ip = "198.51.100.12"', 'ip = "10.0.0.1"', "must lie in 198.51.100.0/24"),
        ('ip = "198.51.100.12"', 'ip = "198.51.100"', "is not an IPv4 address"),
        ('"198.51.100.14"]', '"198.51.100.11"]', "also 198.51.100.11 of two is given to 2 hosts"),
        ('"198.51.100.14"]', '"198.51.100"]', "lab.toml:17: also '198.51.100' of two is not an IPv4 address"),
        ('"198.51.100.14"]', "14]", "also in [host.two] must hold strings only"),
        ('repo = "extra"', 'repo = "other"', "repo other of one is not declared as [repo.other]"),
        ('seed = "one.sh"', 'seed = "gone.sh"', "seed gone.sh of one is not in"),
        ('mem = "2G"', 'mem = "2 GB"', "mem '2 GB' of one: write it as 2G"),
        ('parent = "base-bullseye"', 'parent = "bullseye"', "lab.toml:20: parent 'bullseye' of lamp must be base-SUITE"),
        ('parent = "base-bullseye"', 'parent = "lampwiki"', "lab.toml:20: the parents of lamp lead back to it"),
        ('[repo.extra]\nparent = "base-bookworm"', '[repo.extra]\nparent = "lamp"', "parent 'lamp' of extra must be base-SUITE"),
        ("[host.two]", "[host.a-name-too-long]", "at most 13 small letters"),
        ("[host.two]", "[host.two", "not TOML: "),
        ('name = "campus"', 'name = "../etc"', "letters, digits, dot, dash and underscore only"),
    ],
)
def test_mistakes_are_named_with_their_line(read, lab, old, new, said):
    assert old in GOOD
    with pytest.raises(lab.WrongUse) as caught:
        read(GOOD.replace(old, new))
    assert said in str(caught.value)
    assert caught.value.code == 2


def test_all_mistakes_are_named_at_once(read, lab):
    with pytest.raises(lab.WrongUse) as caught:
        read(GOOD.replace('"2G"', '"2"').replace('image = "lamp"', 'image = "lamb"'))
    assert len(str(caught.value).splitlines()) == 2


def test_no_file(lab, tmp_path):
    with pytest.raises(lab.WrongUse, match="No such file"):
        lab.read(tmp_path / "lab.toml")


def command(*words):
    return subprocess.run([sys.executable, LAB / "lab", *words], capture_output=True, text=True, check=False)


def test_help_needs_neither_root_nor_lab(lab):
    shown = command("--help")
    assert shown.returncode == 0
    for word in importlib.import_module("campuslab.commands").COMMANDS:
        assert f"\n    {word}" in shown.stdout
        assert command(word, "--help").stdout.startswith(f"usage: lab {word} ")
    assert command("frobnicate").returncode == 2


def test_an_image_on_an_image_is_built_after_it(lab, read, monkeypatch):
    images = importlib.import_module("campuslab.images")
    layout = importlib.import_module("campuslab.layout")
    configuration = read(GOOD.replace('image = "base-bookworm"', 'image = "lampwiki"'))
    bases, chains = images.jobs(layout.Lab(configuration, "x", LAB), list(configuration.hosts.values()))
    assert bases == [("base", "bookworm"), ("base", "bullseye")]
    assert chains[0] == [("layer", "lamp", "base-bullseye", "apache2", "php"), ("layer", "lampwiki", "lamp:base-bullseye", "mediawiki")]


@pytest.fixture(scope="module")
def truth():
    return yaml.safe_load((LAB / "truth.yml").read_text())


@pytest.fixture(scope="module")
def declared(lab):
    return lab.read(LAB / "lab.toml")


def test_the_labs_own_file_is_good_and_truth_names_its_hosts(declared, truth):
    by_role = {}
    for name, host in declared.hosts.items():
        by_role.setdefault(host.role, {})[name] = host.ip
    assert {name: host["address"] for name, host in truth["hosts"].items()} == by_role["source"]
    assert {name: host["also"] for name, host in truth["hosts"].items() if "also" in host} == {
        name: host.also for name, host in declared.hosts.items() if host.also
    }
    assert {name: fault["address"] for name, fault in truth["faults"].items()} == by_role["fault"]
    assert truth["bare"] == list(by_role["destination"])
    assert {truth["name_server"]["host"]: truth["name_server"]["address"]} == by_role["dns"]
    assert not [name for name in truth["faults"] if declared.hosts[name].autostart]


def written(text, domain):
    """A seed's text with the shell's simple variables in place, as bash would put them."""
    text = text.replace("$DOMAIN", domain).replace('\\"', '"').replace("\\.", ".")
    for name, value in re.findall(r"^(\w+)=([^\s\"']+)(?= #|$)", text, re.M):
        text = re.sub(rf"\$(?:{name}\b|{{{name}}})", lambda _, value=value: value, text)
    return text


# Comes with Debian's packages: the seeds do not write it.
PACKAGED = {
    "default-ssl",
    "default-ssl.conf",
    "000-default.conf",
    "/usr/share/wordpress",
    "/var/lib/mediawiki",
    "/usr/share/phpmyadmin",
    "localhost",
}


def test_truth_is_what_the_seeds_write(declared, truth):
    for name, host in truth["hosts"].items():
        source = (LAB / "seeds" / declared.hosts[name].seed).read_text()
        seed = written(source, truth["domain"])
        sites = [*host["sites"], *host["not_sites"]]
        words = [value for site in sites for value in (site.get("names") or [site["name"]]) if ":" not in value or " " in value]
        words += [site["docroot"] for site in sites if site.get("docroot")] + host["never_shown"]
        words += [entry["command"] for entry in host["cron"]]
        words += [Path(entry["file"]).name for entry in host["cron"]]
        words += [Path(log).name for site in sites for log in site.get("access_logs", [])]
        words += [site["database"]["name"] for site in host["sites"] if site["database"]]
        words += [Path(site["configured_in"]).name.removeprefix("container-").removesuffix(".service") for site in sites]
        words += [entry["name"] for entry in host.get("databases", [])] + [entry["name"] for entry in host.get("containers", [])]
        words += [Path(entry["path"]).stem for entry in host.get("certificates", [])] + host.get("packages", {}).get("names", [])
        assert not [word for word in words if word not in seed and word not in PACKAGED], name
        assert source.count("-Secret-") == sum(source.count(secret) for secret in host["never_shown"]), (
            "a secret that truth.yml does not name"
        )
        assert ("rm -f /usr/bin/python3*" in seed) is not host["python"]


def test_truth_knows_the_ways_in(declared, truth):
    seed = (LAB / "seeds/ways.sh").read_text()
    assert {name for name, host in declared.hosts.items() if host.seed == "ways.sh"} == {*truth["ways"], "bastion"}
    words = [word for way in truth["ways"].values() for value in way.values() for word in (value if isinstance(value, list) else [value])]
    assert not [word for word in words if word not in seed]
    assert seed.count("-Secret-") == sum("password" in way for way in truth["ways"].values())


def test_truth_joins(truth):
    """What one part of truth says of another: a database's site has it, a certificate's site serves it, a container's site names it."""
    for name, host in truth["hosts"].items():
        sites = {site["names"][0]: site for site in host["sites"]}
        for database in host.get("databases", []):
            users = [site for site in database.get("sites", [database.get("site")]) if site]
            assert users == [site for site, data in sites.items() if (data["database"] or {}).get("name") == database["name"]], name
        certificates = {entry["path"] for entry in host.get("certificates", [])}
        assert {site["certificate"] for site in sites.values() if site.get("tls")} <= certificates
        containers = {entry["name"] for entry in host.get("containers", []) if entry["running"]}
        assert {site["container"] for site in sites.values() if "container" in site} == containers
        assert all(("application" in site) is not ("applications" in site) for site in sites.values())


def test_truth_knows_what_is_declared(truth):
    units = yaml.safe_load((LAB / "register/units.yml").read_text())
    names = {site["domain"] for site in units["sites"]}
    for sheet in ("sites.csv", "more-sites.csv", "https-sites.csv"):
        with (LAB / "register" / sheet).open(encoding="utf-8") as file:
            names |= {row["域名"] for row in csv.DictReader(file)}
    sites = [site for host in truth["hosts"].values() for site in host["sites"]]
    assert {site["names"][0] for site in sites if site["declared"]} | {entry["name"] for entry in truth["missing"]} == names
    assert not names & {site["names"][0] for site in sites if not site["declared"]}
    zone = (LAB / "seeds/dns.sh").read_text()
    for site in sites:
        assert site["dns"] == (f"\n{site['names'][0].removesuffix('.' + truth['domain'])} A " in zone)


def test_servers_are_declared_as_truth_says(truth):
    declared = {}
    for sheet in ("servers.csv", "more-servers.csv", "https-servers.csv"):
        with (LAB / "register" / sheet).open(encoding="utf-8") as file:
            declared |= {row["name"]: row for row in csv.DictReader(file)}
    assert {name: row["address"] for name, row in declared.items()} == {name: host["address"] for name, host in truth["hosts"].items()}
    for name, host in truth["hosts"].items():
        said = host.get("declared_system", f"{host['system']['id'].title()} {host['system']['version']}")
        assert declared[name]["os"].replace("CentOS", "Centos") == said.replace("CentOS", "Centos")
