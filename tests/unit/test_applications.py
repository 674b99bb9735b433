"""Every tree in tests/cases/applications/NAME/tree is read as NAME/expected.json says: here, and by the probe in every shell and awk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import applications, applicationtree, recognition
from inventory.errors import ConfigurationError
from inventory.identify import Observed, Seen, Site, content, databases
from inventory.probes import applications as probe
from inventory.probes.base import Section, blocks

CASES = Path(__file__).parents[1] / "cases" / "applications"
CAPTURES = Path(__file__).parents[1] / "cases" / "probes" / "applications"
NAMES = sorted(path.name for path in CASES.iterdir())
SECRET = "never-Shown"


def recognised(folder: Path) -> list[dict]:
    return [one.data for one in recognition.recognise(applicationtree.read(folder).facts)]


@pytest.mark.parametrize("name", NAMES)
def test_case(name):
    assert recognised(CASES / name / "tree") == json.loads((CASES / name / "expected.json").read_text())


def test_no_case_shows_a_password():
    assert not [name for name in NAMES if SECRET in (CASES / name / "expected.json").read_text()]
    assert len([path for path in CASES.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]) > 40


def test_every_signature_has_a_case():
    seen = {entry["name"] for name in NAMES for entry in json.loads((CASES / name / "expected.json").read_text())}
    assert {item.name for item in applications.data().applications} <= seen


# -- the same on a host ----------------------------------------------------------------------------------------------------------------


def shells():
    """Shell and awk, each pair as (name, argv, awk)."""
    awks = [awk for awk in map(shutil.which, ("mawk", "gawk", "original-awk")) if awk]
    plain = [(f"{Path(sh).name}-{Path(awk).name}", [sh], awk) for sh in map(shutil.which, ("dash", "bash")) if sh for awk in awks]
    busybox = shutil.which("busybox")
    return plain + ([("busybox", [busybox, "sh"], busybox)] if busybox else [])


SHELLS = shells()


def run(script: str, shell, folder: Path) -> subprocess.CompletedProcess:
    """A script under one shell, with only that shell's tools where it is busybox."""
    name, argv, awk = shell
    folder.mkdir(exist_ok=True)
    programs = {"awk": awk}
    if name == "busybox":
        programs |= dict.fromkeys(("find", "sed", "grep", "sort", "head", "tail", "tr", "printf", "test", "sh", "readlink"), awk)
    for tool, path in programs.items():
        (folder / tool).symlink_to(path)
    path = str(folder) if name == "busybox" else f"{folder}:/usr/bin:/bin"
    return subprocess.run(
        [*argv, "-s"], input=script.encode(), capture_output=True, timeout=100, check=False, env={"PATH": path, "LC_ALL": "C"}
    )


def script_for(folders: list[Path]) -> str:
    """The probe's script with these docroots instead of the host's."""
    from shlex import quote

    head, _, tail = probe.PROBE.script.rpartition("{ all; }")
    return head + "docroots() { printf '%s\\n' " + " ".join(quote(str(folder)) for folder in folders) + "; }\n{ all; }" + tail


def by_probe(folders: list[Path], shell, tools: Path) -> tuple[str, dict[str, list[dict]]]:
    result = run(script_for(folders), shell, tools)
    assert (result.returncode, result.stderr) == (0, b"")
    text = result.stdout.decode("utf-8", "surrogateescape")
    found = {block.value: [one.data for one in recognition.recognise(probe.facts(block)[0])] for block in blocks(text)}
    return text, found


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_the_probe_recognises_the_same(shell, tmp_path):
    folders = [CASES / name / "tree" for name in NAMES]
    text, found = by_probe(folders, shell, tmp_path / "bin")
    assert SECRET not in text
    for name, folder in zip(NAMES, folders, strict=True):
        assert found[str(folder)] == json.loads((CASES / name / "expected.json").read_text()), name


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_above_a_docroot(shell, tmp_path):
    """A docroot `public` is its framework's; a WordPress may keep its configuration one folder higher."""
    shutil.copytree(CASES / "laravel" / "tree", tmp_path / "apply")
    shutil.copytree(CASES / "wordpress_config_above" / "tree", tmp_path / "site")
    text, _ = by_probe([tmp_path / "apply" / "public", tmp_path / "site" / "htdocs"], shell, tmp_path / "bin")
    laravel, wordpress = (item.data for item in probe.PROBE.parse(Section("applications", text)))
    assert (laravel["name"], laravel["version"], laravel["path"]) == ("Laravel", "8.83.27", f"{tmp_path}/apply/public")
    assert (laravel["root"], laravel["config_file"]) == (f"{tmp_path}/apply", f"{tmp_path}/apply/.env")
    assert laravel["database"]["name"] == "apply"
    assert (wordpress["config_file"], wordpress["database"]["name"]) == (f"{tmp_path}/site/wp-config.php", "wp_above")


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_configuration_behind_a_link(shell, tmp_path):
    """On a host it is read; here only if the link stays inside the folder."""
    tree = tmp_path / "x"
    shutil.copytree(CASES / "wordpress" / "tree", tree)
    (tree / "wp-config.php").rename(tmp_path / "shared.php")
    (tree / "wp-config.php").symlink_to("../shared.php")
    _, found = by_probe([tree], shell, tmp_path / "bin")
    assert found[str(tree)][0]["database"]["name"] == "wp_site"
    assert recognised(tree)[0]["database"] is None
    inside = next(one for one in recognised(tmp_path) if one["name"] == "WordPress")
    assert (inside["path"], inside["database"]["name"]) == ("x", "wp_site")


def debian_mediawiki(host: Path) -> Path:
    """A docroot that is made of links, as Debian's package lays it out: → the docroot."""
    docroot, share, etc = (host / part for part in ("var/lib/mediawiki", "usr/share/mediawiki", "etc/mediawiki"))
    shutil.copytree(CASES / "mediawiki" / "tree", share)
    docroot.mkdir(parents=True)
    etc.mkdir(parents=True)
    (share / "LocalSettings.php").rename(etc / "LocalSettings.php")
    (docroot / "LocalSettings.php").symlink_to(etc / "LocalSettings.php")
    (share / "LocalSettings.php").symlink_to(docroot / "LocalSettings.php")
    shutil.move(share / "extensions", docroot / "extensions")
    (share / "extensions").symlink_to(docroot / "extensions")
    for name in ("api.php", "index.php", "load.php", "includes", "skins", "vendor"):
        (docroot / name).symlink_to(share / name)
    return docroot


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_docroot_made_of_links(shell, tmp_path):
    host = tmp_path / "host"
    docroot = debian_mediawiki(host)
    text, found = by_probe([docroot], shell, tmp_path / "bin")
    here = [one.data for one in recognition.recognise(applicationtree.read(docroot, within=host).facts)]
    assert found[str(docroot)] == here == json.loads((CASES / "mediawiki" / "expected.json").read_text())
    (item,) = probe.PROBE.parse(Section("applications", text))
    assert (item.data["path"], item.data["config_file"]) == (str(docroot), f"{host}/etc/mediawiki/LocalSettings.php")
    assert SECRET not in text
    # a copy of the docroot alone does not lead into this machine's own files
    assert [one["name"] for one in recognised(docroot)] == ["static"] or not recognised(docroot)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_links_that_lead_round_or_too_deep(shell, tmp_path):
    """An application behind a link two levels down is seen under the link's name, once; the third level's, loops, and the way up are not."""
    host = tmp_path / "host"
    docroot = host / "srv"
    shutil.copytree(CASES / "wordpress" / "tree", host / "elsewhere" / "press")
    (docroot / "sites" / "old").mkdir(parents=True)
    (docroot / "index.html").write_text("<html>")
    (docroot / "sites" / "blog").symlink_to("../../elsewhere/press")
    (docroot / "sites" / "old" / "blog").symlink_to("../../../elsewhere/press")
    (docroot / "again").symlink_to("sites")
    (docroot / "up").symlink_to("..")
    (docroot / "round").symlink_to("round")
    (docroot / "nowhere").symlink_to("/does/not/exist")
    (host / "elsewhere" / "press" / "back").symlink_to(docroot)
    os.mkfifo(host / "pipe")
    (docroot / "config.php").symlink_to("../pipe")
    text, found = by_probe([docroot], shell, tmp_path / "bin")
    here = [one.data for one in recognition.recognise(applicationtree.read(docroot, within=host).facts)]
    assert found[str(docroot)] == here
    assert [(one["name"], one["path"]) for one in here] == [("static", "."), ("WordPress", "sites/blog")]
    config = [item.data["config_file"] for item in probe.PROBE.parse(Section("applications", text)) if item.data["name"] == "WordPress"]
    assert config == [f"{host}/elsewhere/press/wp-config.php"]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_nothing_on_a_network_filesystem_is_asked_for(shell, tmp_path):
    """Neither what a link leads to, by however many links, nor a mount below: what is there would be seen as an application."""
    host = tmp_path / "host"
    docroot, away = host / "srv", host / "nfs"
    shutil.copytree(CASES / "wordpress" / "tree", docroot)
    for place in (away / "wiki", docroot / "mounted"):
        shutil.copytree(CASES / "mediawiki" / "tree", place)
    (host / "step").symlink_to("nfs")
    (docroot / "wiki").symlink_to("../step/wiki")
    (docroot / "wp-config.php").rename(away / "wp-config.php")
    (docroot / "wp-config.php").symlink_to(away / "wp-config.php")
    script = script_for([docroot])
    head, _, tail = script.rpartition("{ all; }")
    result = run(f"{head}NETFS='nfs4 {away}\ncifs {docroot}/mounted'\n{{ all; }}{tail}", shell, tmp_path / "bin")
    assert (result.returncode, result.stderr) == (0, b"")
    items = probe.PROBE.parse(Section("applications", result.stdout.decode()))
    assert [(item.data["name"], item.data["path"], item.data["database"]) for item in items] == [("WordPress", str(docroot), None)]


DEBIAN = """<?php
$debian_file = '/etc/wordpress/config-'.strtolower($debian_server).'.php';
if (!defined('DB_NAME')) define('DB_NAME', 'wordpress');
if (!defined('DB_USER'))
    define('DB_USER', 'wordpress');
if (!defined('DB_HOST'))
    define('DB_HOST', 'localhost');
"""


@pytest.fixture
def debian_wordpress(tmp_path):
    """(docroot, the folder that stands for /etc/wordpress)."""
    docroot, etc = tmp_path / "host" / "press", tmp_path / "host" / "etc" / "wordpress"
    shutil.copytree(CASES / "wordpress" / "tree", docroot)
    (docroot / "wp-config.php").write_text(DEBIAN)
    etc.mkdir(parents=True)
    for name, database in (("blogs.campus.test", "blogs"), ("default", "rest")):
        (etc / f"config-{name}.php").write_text(
            f"<?php\ndefine('DB_NAME', '{database}');\ndefine('DB_USER', '{database}');\ndefine('DB_PASSWORD', '{SECRET}');\n"
        )
    (etc / "config-campus.test.php").write_text(f"<?php\ndefine('DB_NAME', 'campus');\ndefine('DB_PASSWORD', '{SECRET}');\n")
    return docroot, etc


def by_site(data: dict, *names: str) -> tuple:
    site = Site(names[0], "h", list(names))
    site.learn("site.docroot", data["path"])
    observed = Observed.of_all([Seen("application", data, (1, "applications", 1))])
    found = content.applications(site, observed)
    content.describe_application(site, observed, found, proxied=False)
    databases.describe(site, [], found, observed, None)
    return tuple(site.value(fact) for fact in ("database.name", "database.user", "application.config_file"))


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_configuration_for_each_site_name(shell, debian_wordpress, tmp_path):
    docroot, etc = debian_wordpress
    own = tmp_path / "own"  # which asks for nothing outside
    shutil.copytree(CASES / "wordpress" / "tree", own)
    inside = Path(f"/proc/{os.getpid()}/root{docroot}")  # as a container's docroot is told
    script = script_for([docroot, own, inside]).replace('"$1"//etc/wordpress/', f'"$1"{tmp_path}/host//etc/wordpress/')
    result = run(script, shell, tmp_path / "bin")
    assert (result.returncode, result.stderr) == (0, b"")
    text = result.stdout.decode()
    assert SECRET not in text
    press, other, contained = (item.data for item in probe.PROBE.parse(Section("applications", text)))
    assert "configured_by_name" not in other
    told = contained["configured_by_name"]["blogs.campus.test"]
    assert (told["config_file"], told["database"]["name"]) == (f"/proc/{os.getpid()}/root{etc}/config-blogs.campus.test.php", "blogs")
    assert set(press["configured_by_name"]) == {"blogs.campus.test", "campus.test", "default"}
    assert by_site(press, "Blogs.campus.test:8080") == ("blogs", "blogs", f"{etc}/config-blogs.campus.test.php")
    # the name without its first label; what the file leaves out is the default of the one that includes it
    assert by_site(press, "law.campus.test") == ("campus", "wordpress", f"{etc}/config-campus.test.php")
    assert by_site(press, "elsewhere.edu") == ("rest", "rest", f"{etc}/config-default.php")
    assert by_site(press, "elsewhere.edu", "blogs.campus.test")[0] == "blogs"
    del press["configured_by_name"]["default"]
    assert by_site(press, "elsewhere.edu")[0] is None


def test_a_configuration_for_a_site_name_that_may_not_be_read():
    told = {"config_file": "/etc/wordpress/config-a.edu.php", "database": None, "unreadable": ["/etc/wordpress/config-a.edu.php"]}
    data = {
        "name": "WordPress",
        "path": "/x",
        "config_file": "/x/wp-config.php",
        "database": {"name": "wordpress"},
        "configured_by_name": {"a.edu": told},
    }
    assert by_site(data, "a.edu") == (None, None, "/etc/wordpress/config-a.edu.php")


def test_a_configuration_for_each_site_name_in_a_local_folder(debian_wordpress, monkeypatch):
    docroot, etc = debian_wordpress
    path = f"{etc}/config-*.php"
    monkeypatch.setattr(applications, "named", lambda: [path])
    monkeypatch.setitem(applications.rules(), path, applications.rules()["/etc/wordpress/config-*.php"])
    (one,) = recognition.recognise(applicationtree.read(docroot).facts)
    assert "configured_by_name" not in one.data
    assert "/etc/wordpress" not in str(applicationtree.read(docroot).facts.names)
    facts = applicationtree.read(docroot, within=etc.parents[1]).facts
    assert sorted(name for name in facts.names if name.startswith("/")) == sorted(map(str, etc.iterdir()))


def hostile(folder: Path) -> None:
    """Names and bytes that nobody wants."""
    shutil.copytree(CASES / "wordpress" / "tree", folder)
    for name in (b"a\nwp-includes", b"\xff\xfe(", b"[x", b"$(id)", b"it's", b"*", b" ", b"|n x", b"-rf"):
        inner = os.fsencode(folder) + b"/" + name
        Path(os.fsdecode(inner + b"/wp-content/plugins/" + name)).mkdir(parents=True)
        for path in (b"/artisan", b"/wp-config.php", b"/x.war", b"/package.json", b"/wp-content/plugins/" + name + b"/x.php"):
            Path(os.fsdecode(inner + path)).write_bytes(b"Plugin Name: x\n" + bytes(range(1, 256)) * 40 + b"'" * 3000 + b"\n\\" * 50)
    (folder / "long").mkdir()
    (folder / "long" / ("x" * 250 + ".php")).write_bytes(b"<?php")
    (folder / "outside").symlink_to("/etc")
    (folder / "wp-content" / "plugins" / "evil").symlink_to("/root")
    (folder / "loop").symlink_to(".")
    (folder / "wp-content" / "plugins" / "hole.php").write_bytes(b"")
    os.truncate(folder / "wp-content" / "plugins" / "hole.php", 1 << 30)
    os.mkfifo(folder / "config.php")
    (folder / "wp-config.php").unlink()
    os.mkfifo(folder / "wp-config.php")


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_hostile_names(shell, tmp_path):
    tree = tmp_path / "it's $(x)\t\udcff"
    hostile(tree)
    here = recognised(tree)
    assert here[0]["name"] == "WordPress"
    assert {plugin["name"] for plugin in here[0]["plugins"]} == {"akismet", "bundles-things", "hello.php"}
    folder = tmp_path / "bin"
    result = run("", shell, folder)
    head, _, tail = probe.PROBE.script.rpartition("{ all; }")
    environment = {"PATH": str(folder) if shell[0] == "busybox" else f"{folder}:/usr/bin:/bin", "LC_ALL": "C", "TREE": os.fsencode(tree)}
    script = head + "docroots() { printf '%s\\n' \"$TREE\"; }\n{ all; }" + tail
    result = subprocess.run([*shell[1], "-s"], input=script.encode(), capture_output=True, timeout=100, check=False, env=environment)
    assert (result.returncode, result.stderr) == (0, b"")
    items = probe.PROBE.parse(Section("applications", result.stdout.decode("utf-8", "surrogateescape")))
    names = [(item.data["name"], item.data["path"]) for item in items if item.kind == "application"]
    assert names[0] == ("WordPress", str(tree))
    assert len(names) == len(here)


def test_the_command_bears_hostile_names(tmp_path):
    tree = tmp_path / "x"
    hostile(tree)
    for options in (["--json"], []):
        result = subprocess.run([sys.executable, "-c", PROGRAM, str(tree), *options], capture_output=True, check=False)
        assert result.returncode == 0, result.stderr
    assert json.loads(subprocess.run([sys.executable, "-c", PROGRAM, str(tree), "--json"], capture_output=True, check=True).stdout)


PROGRAM = "import typer; from planner.cli import applications as a; app = typer.Typer(); a.add(app); app()"


def test_unreadable_is_said(tmp_path, monkeypatch):
    shutil.copytree(CASES / "wordpress" / "tree", tmp_path / "x")
    real = os.open

    def refuse(path, *rest, **options):
        if str(path).endswith("wp-config.php'") or os.fsdecode(path).endswith("wp-config.php"):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    reading = applicationtree.read(tmp_path / "x")
    assert reading.unread == [("wp-config.php", "Permission denied")]
    data = recognition.recognise(reading.facts)[0].data
    assert (data["config_file"], data["database"], data["unreadable"]) == ("wp-config.php", None, ["wp-config.php"])


@pytest.mark.skipif(os.geteuid() != 0, reason="drops to nobody")
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_the_probe_says_what_it_may_not_read(shell, tmp_path):
    tree = Path("/tmp") / f"applications-{os.getpid()}"
    shutil.copytree(CASES / "wordpress" / "tree", tree)
    try:
        (tree / "wp-config.php").chmod(0o600)
        (tree / "wp-content" / "themes").chmod(0o700)
        result = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", *shell[1], "-s"],
            input=script_for([tree]).encode(),
            capture_output=True,
            check=False,
        )
    finally:
        shutil.rmtree(tree)
    items = probe.PROBE.parse(Section("applications", result.stdout.decode()))
    assert {item.data["what"] for item in items if item.kind == "unknown"} == {f"{tree}/wp-config.php", f"{tree}/wp-content/themes"}
    assert items[-1].data["unreadable"] == ["wp-config.php"]


# -- limits and noise ------------------------------------------------------------------------------------------------------------------


def test_bounded(tmp_path, monkeypatch):
    shutil.copytree(CASES / "wordpress" / "tree", tmp_path / "x")
    monkeypatch.setattr(applicationtree, "ENTRIES", 5)
    assert applicationtree.read(tmp_path / "x").unread == [(".", "not all of it was walked through")]
    assert applicationtree.read(tmp_path / "x", seconds=0).unread
    monkeypatch.setattr(applicationtree, "ENTRIES", 1000)
    monkeypatch.setattr(applicationtree, "READS", 2)
    assert applicationtree.read(tmp_path / "x").unread == [(".", "too many files to read")]


@pytest.mark.parametrize("wrong", [r"\d+", "a+?", "(?:a)", "a{2}", r"\.", "["])
def test_patterns_stay_within_what_awk_reads(wrong):
    with pytest.raises((ValueError, Exception)):
        applications.pattern(wrong)


def test_a_wrong_signature_is_named_by_its_place(tmp_path):
    from inventory import yamlfile

    text = "prune: []\ngeneric: {}\ngenerators: []\napplications:\n  - {name: X, language: PHP, root: [a], version: [[a, '\\d']]}\n"
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"a\.yml:5:"):
        yamlfile.read(tmp_path / "a.yml").validate(applications.Data)


CONFIGS = sorted(path for path in CASES.rglob("*") if path.is_file() and path.stat().st_size)


@given(st.binary(max_size=3000), st.sampled_from(["x.php", ".env", "x.yml", "conn.asp"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_arbitrary_bytes_are_read(content, name, comments):
    asked = applicationtree.wanted(applications.rules().values())
    reader = applicationtree.Settings(name, applicationtree._Wanted(asked.patterns, asked.keys, comments, asked.head))
    for line in content.split(b"\n"):
        reader.line(line)
    json.dumps(reader.found)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_no_password_in_any_spoiled_configuration(data):
    """Lines cut, doubled and joined: what is printed never holds the value of a password."""
    lines = data.draw(st.sampled_from(CONFIGS)).read_bytes().split(b"\n")
    asked = applicationtree.wanted(applications.rules().values())
    reader = applicationtree.Settings("x.php", asked)
    for line in data.draw(st.lists(st.sampled_from(lines), max_size=20)):
        reader.line(line)
        reader.line(line + line)
    assert SECRET not in json.dumps(reader.found)


CAPTURED = [path.read_bytes().decode("utf-8", "surrogateescape") for path in sorted(CAPTURES.glob("*.txt"))]


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.txt")), ids=lambda path: path.stem)
def test_capture(path):
    found = probe.PROBE.parse(Section("applications", path.read_bytes().decode("utf-8", "surrogateescape")))
    expected = json.loads(path.with_suffix(".json").read_text())
    assert [{"kind": item.kind, "line": item.line, "data": item.data} for item in found] == expected


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_arbitrary_text_never_raises(data):
    lines = data.draw(st.sampled_from(CAPTURED)).split("\n")
    text = data.draw(st.text(max_size=300))
    spoiled = [line[: data.draw(st.integers(0, len(line)))] + data.draw(st.sampled_from(["", "\x00", "(", "[", "*", "../", "\udcff", " "]))
               for line in data.draw(st.lists(st.sampled_from(lines), max_size=60))]  # fmt: skip
    for one in (text, "@ docroot /x\n" + "\n".join(spoiled), "@ docroot /x\n|n " + text + "\n|c php 3 " + text):
        number = one.count("\n") + 1
        for item in probe.PROBE.parse(Section("applications", one)):
            assert 1 <= item.line <= number
            json.dumps(item.data)


def test_linear_time():
    started = time.perf_counter()
    asked = applicationtree.wanted(applications.rules().values())
    for piece in (
        b"<meta ",
        b"'",
        b'"',
        b"\\'",
        b"a=",
        b"host=;",
        b"mysql://",
        b"@",
        b" ",
        b"WEB-INF/",
        b"* @package ",
        b"<version>",
        b"a,b=>",
    ):
        line = piece * (65_536 // len(piece))
        for pattern in asked.patterns:
            pattern.search(line)
        reader = applicationtree.Settings("x.php", asked)
        for _ in range(30):
            reader.line(line[:2000])
    for piece in (
        "|n wp-includes/version.php\n",
        "|n a/artisan\n|m artisan\n",
        "|c index 1 a/b/c\n|c php 1 a/b/c\n",
        "|n x.war\n|w WEB-INF/a.xml\n",
    ):
        probe.PROBE.parse(Section("applications", "@ docroot /x\n" + piece * 20_000))
    unique = "".join(f"|n d{n}/wp-includes/version.php\n|c index 1 e{n}\n|c php 2 e{n}\n|n e{n}/config.php\n" for n in range(5_000))
    probe.PROBE.parse(Section("applications", "@ docroot /x\n" + unique))
    assert time.perf_counter() - started < 20


# -- what identification makes of it ---------------------------------------------------------------------------------------------------


def test_a_generated_site_is_static_to_identification(tmp_path):
    one = recognition.recognise(applicationtree.read(CASES / "static_hugo" / "tree").facts)[0]
    data = probe.described(one, "/srv/www/x", {})
    assert (data["name"], data["generator"], data["path"]) == ("static", "Hugo 0.92.0", "/srv/www/x")
    site = Site("x", "h", ["x"])
    site.learn("site.docroot", "/srv/www/x")
    site.learn("site.php", False)
    observed = Observed.of_all([Seen("application", data, (1, "applications", 1))])
    content.describe_application(site, observed, content.applications(site, observed), proxied=False)
    assert site.value("site.static") is True
