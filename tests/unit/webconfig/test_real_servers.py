"""Our readers against the real nginx and Apache, on every tree of the corpus that these accept."""

from __future__ import annotations

import importlib.util
import platform
import re
from pathlib import Path

import pytest

from inventory.webconfig import layout
from inventory.webconfig.tree import Tree
from planner.cli import vhosts

_spec = importlib.util.spec_from_file_location("real_servers", Path(__file__).with_name("real_servers.py"))
assert _spec and _spec.loader
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
apache_docroots, apache_vhosts, nginx_dump = _module.apache_docroots, _module.apache_vhosts, _module.nginx_dump
ask, possible = _module.ask, _module.possible

CORPORA = Path(__file__).parents[2] / "corpora"
pytestmark = pytest.mark.skipif(bool(possible()), reason=possible())
NGINX = sorted(path.parents[2] for path in (CORPORA / "nginx").glob("*/etc/nginx/nginx.conf"))
APACHE = sorted(path.parents[2] for path in (CORPORA / "apache").glob("*/etc/apache2/apache2.conf"))
APACHE += sorted(path.parents[3] for path in (CORPORA / "apache").glob("*/etc/httpd/conf/httpd.conf"))
ACCEPTED: dict[str, list[str]] = {"nginx": [], "apache": []}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("truth")


def read(folder: Path, server: str) -> tuple[layout.Reading, Tree]:
    files, links, _unread = vhosts.collect(folder)
    return next(one for one in layout.read_all(files, links, server) if one.server == server), Tree(files, links)


@pytest.mark.parametrize("folder", NGINX, ids=lambda folder: folder.name)
def test_nginx(folder: Path, scratch: Path) -> None:
    accepted, text = ask(folder, "nginx -T", scratch)
    if not accepted:
        pytest.skip(f"nginx refuses it: {text[:200]}")
    ACCEPTED["nginx"].append(folder.name)
    files, servers = nginx_dump(text)
    reading, tree = read(folder, "nginx")
    assert {tree.real(name) for name in files if tree.text(name) is not None} == {tree.real(name) for name in reading.config.reached}
    ours = [tuple(vhost.names) for vhost in reading.config.vhosts if vhost.enabled]
    assert sorted(ours) == sorted(tuple(dict.fromkeys(names)) for names in servers)


def lines_of(tree: Tree, file: str) -> list[str]:
    return [*(tree.text(file) or "").split("\n"), ""]


def first_line(tree: Tree, file: str, line: int) -> int:
    """Apache tells the last line of a directive that goes over several; we tell its first."""
    lines = lines_of(tree, file)
    while 1 < line <= len(lines) and lines[line - 2].endswith("\\"):
        line -= 1
    return line


@pytest.mark.parametrize("folder", APACHE, ids=lambda folder: folder.name)
def test_apache(folder: Path, scratch: Path) -> None:
    debian = (folder / "etc/apache2/apache2.conf").exists()
    command = 'if test -e /etc/apache2/envvars; then . /etc/apache2/envvars; fi; apache2 -C "Include /truth.conf" -d /etc/apache2 -f apache2.conf -S'
    if not debian:
        command = 'apache2 -C "Include /truth.conf" -d /etc/httpd -f conf/httpd.conf -S'
    accepted, text = ask(folder, command, scratch)
    if not accepted:
        pytest.skip(f"Apache refuses it: {text[:200]}")
    ACCEPTED["apache"].append(folder.name)
    reading, tree = read(folder, "apache")
    said = {(tree.real(file), port, first_line(tree, file, line)): set(names) for file, port, line, names in apache_vhosts(text)}
    ours: dict[tuple[str, str, int], set[str]] = {}
    unnamed = set()
    for vhost in reading.config.vhosts:
        if vhost.enabled and re.match(r"\s*(<virtualhost|use\s)", lines_of(tree, vhost.file)[vhost.line - 1], re.I):
            for entry in vhost.listen:
                key = (vhost.file, str(entry["port"]), vhost.line)
                ours[key] = set(vhost.names)
                if not vhost.names:
                    unnamed.add(key)
    # `*` is every port that the server listens on
    every = {(file, line) for file, port, line in said if port == "*"}
    said = {key: names for key, names in said.items() if key[1] != "*"}
    assert {key for key in ours if (key[0], key[2]) not in every} == set(said)
    assert every <= {(file, line) for file, _port, line in ours}
    for key, names in said.items():
        if key not in unnamed:
            names -= {"127.0.0.1", platform.node()} - ours[key]  # what Apache calls a virtual host without a ServerName
            assert names == ours[key] or (len(names) == 1 and names < ours[key] and f"port {key[1]} namevhost" not in text)


@pytest.mark.parametrize("folder", APACHE, ids=lambda folder: folder.name)
def test_apache_document_roots(folder: Path, scratch: Path) -> None:
    root = "/etc/apache2 -f apache2.conf" if (folder / "etc/apache2/apache2.conf").exists() else "/etc/httpd -f conf/httpd.conf"
    dump = f'apache2 -C "Include /truth.conf" -d {root} -t -D DUMP_CONFIG'
    info = "LoadModule info_module /usr/lib/apache2/modules/mod_info.so"
    accepted, text = ask(
        folder, f"if test -e /etc/apache2/envvars; then . /etc/apache2/envvars; fi; echo {info} >> /truth.conf; {dump}", scratch
    )
    if not accepted:
        pytest.skip(f"Apache refuses it: {text[:200]}")
    reading, tree = read(folder, "apache")
    ours = {(vhost.file, vhost.line): vhost.docroot for vhost in reading.config.vhosts if vhost.enabled}
    for (file, line), docroot in apache_docroots(text).items():
        expected = docroot if docroot.startswith("/") else f"/etc/{root.split()[0].split('/')[2]}/{docroot}"
        if "${" not in docroot and "\ufffd" not in docroot:
            assert ours[tree.real(file), first_line(tree, file, line)] == expected.rstrip("/"), (file, line)


def test_most_of_the_corpus_has_a_truth() -> None:
    """A comparison that never happens would prove nothing."""
    assert len(ACCEPTED["nginx"]) >= 8
    assert len(ACCEPTED["apache"]) >= 8
