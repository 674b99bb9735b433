"""What a node takes up of an export's maps: all that our writer makes, whatever the names are, and nothing else."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from test_export_parts import HOSTILE, crawled, moved, page

from planner.export import mapping, servers

SCRIPT = Path(__file__).parents[3] / "playbooks/roles/cluster_export/files/usr/local/sbin/cluster-export"
_loader = SourceFileLoader("cluster_export", str(SCRIPT))
tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("cluster_export", _loader))
_loader.exec_module(tool)


def texts(*records, leading=()):
    found = crawled(*records)
    found.leading = dict(leading)
    made = mapping.build(found)
    prefix = servers.prefix("www.hist.campus.test")
    return {"http.conf": servers.nginx_http(made, prefix), "server.conf": servers.nginx_server(made, prefix)}


def sample():
    disposition = {"content-disposition": 'attachment; filename="报$告\\";x.pdf"'}
    records = [
        page(target.replace("{", "%7B") if "?" not in target else target, str(number), headers=disposition if number % 3 else {})
        for number, target in enumerate(HOSTILE)
    ]
    return texts(*records, moved("m", 'http://other.test/";return%20200;$x'), leading={"hist.campus.test": 301})


def test_all_that_our_writer_makes_is_taken():
    made = sample()
    assert tool.problem(made) == ""
    assert b'if ($host = "hist.campus.test") { return 301 "http://' in made["server.conf"]
    assert tool.prefix_of(made["http.conf"]) == servers.prefix("www.hist.campus.test").encode()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), min_size=1, max_size=6))
def test_whatever_the_names_are(names):
    made = texts(*(page(f"x.php?n={name}".replace("#", ""), str(n)) for n, name in enumerate(names)))
    said = tool.problem(made)
    assert said == "" or "is no line of a map" in said
    if all(name.isprintable() for name in names):
        assert said == ""


@pytest.mark.parametrize(
    ("name", "line", "why"),
    [
        ("server.conf", b"location /x { alias /etc/; }", "is no line"),
        ("server.conf", b"include /etc/shadow;", "is no line"),
        ("server.conf", b'if ($host = "x") { return 301 "http://evil/"; }', "is no line"),
        ("server.conf", b"proxy_pass http://evil;", "is no line"),
        ("server.conf", b'    "text/html" html;', "wrong place"),
        ("http.conf", b'map $uri $other { default "x"; }', "is no line"),
        ("http.conf", b"map $uri $export_00000000_page {", "is no line"),
        ("http.conf", b'    "/a" "$request_filename";', "is no line"),
        ("http.conf", b'    "include" "/etc/passwd";', "is no line"),
        ("http.conf", b'    "/a" "x"; "/b" "y";', "is no line"),
        ("http.conf", b"}", "wrong place"),
        ("http.conf", b"perl_set $x 'sub { }';", "is no line"),
    ],
)
def test_nothing_else_is_taken(name, line, why):
    made = sample()
    assert why in tool.problem({**made, name: made[name] + line + b"\n"})


def test_what_is_cut_short_is_not_taken():
    made = sample()
    for name, text in made.items():
        assert tool.problem({**made, name: text[:-1]})
        assert tool.problem({**made, name: text[: text.rindex(b"}")]})
    assert tool.problem({**made, "http.conf": b""})


class Node:
    """A node's folders, and an nginx that says what it is told to."""

    def __init__(self, folder, monkeypatch):
        self.said, self.alone, self.reloads = "", "", 0
        self.active, self.brought = folder / "exports", folder / "brought"
        monkeypatch.setattr(tool, "ACTIVE", self.active)
        monkeypatch.setattr(tool, "BROUGHT", self.brought)
        monkeypatch.setattr(tool, "tested", lambda *options: self.alone if options else self.said)
        monkeypatch.setattr(tool.subprocess, "run", self.run)

    def run(self, command, **_):
        assert command == ["systemctl", "reload", "nginx"]
        self.reloads += 1

    def bring(self, made, account="w-x"):
        (self.brought / account).mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (self.brought / account / name).write_bytes(text)

    def there(self, account="w-x"):
        return {path.name: path.read_bytes() for path in sorted((self.active / account).iterdir())}


def test_maps_are_taken_up_once_and_again_after_a_kill(tmp_path, monkeypatch, capsys):
    node, made = Node(tmp_path, monkeypatch), sample()
    node.bring(made)
    tool.main("w-x")
    assert (node.there(), node.reloads) == (made, 1)
    assert "planner: changed" in capsys.readouterr().out
    tool.main("w-x")
    assert (node.reloads, capsys.readouterr().out) == (1, "")
    (node.brought / "w-x/applied").unlink()  # killed before nginx was told
    tool.main("w-x")
    assert node.reloads == 2


def test_what_nginx_refuses_is_taken_back(tmp_path, monkeypatch, capsys):
    node, made = Node(tmp_path, monkeypatch), sample()
    (node.active / "w-x").mkdir(parents=True)
    (node.active / "w-x/http.conf").write_bytes(b"")
    node.bring(made)
    node.said = "could not build map_hash"
    with pytest.raises(SystemExit):
        tool.main("w-x")
    assert node.there() == {"http.conf": b""}
    node.said, node.alone = "", "unknown directive"
    with pytest.raises(SystemExit):
        tool.main("w-x")
    assert (node.there(), node.reloads) == ({"http.conf": b""}, 0)
    assert "they were taken back: could not build map_hash" in capsys.readouterr().out


def test_two_sites_do_not_share_their_variables(tmp_path, monkeypatch, capsys):
    node, made = Node(tmp_path, monkeypatch), sample()
    for account in ("w-x", "w-y"):
        node.bring(made, account)
    tool.main("w-x")
    with pytest.raises(SystemExit):
        tool.main("w-y")
    assert "w-x has maps of the same name already" in capsys.readouterr().out


@pytest.mark.parametrize("account", ["", "x", "w-../../etc", "w-X", "w-" + "a" * 40, "w-x\n"])
def test_only_accounts(account):
    with pytest.raises(SystemExit):
        tool.main(account)
