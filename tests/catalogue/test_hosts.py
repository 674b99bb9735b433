"""`planner hosts` on both engines: what is listed of a way in, corrected, and forgotten with all that hangs on it."""

import json

import pytest
import typer
from sqlalchemy import func, select
from typer.testing import CliRunner

from inventory import catalogue, discovery, model, packing, ssh, storing
from inventory.errors import InputError, NotFound
from inventory.probes.base import Observation, Section
from planner import workspace
from planner.cli import hosts

KEY = ssh.OfferedKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519 blob")


@pytest.fixture
def call(url, tmp_path, monkeypatch):
    """The commands in a workspace with two visited hosts: words → output, or the error that they raise."""
    folder = tmp_path / "w"
    workspace.create(folder)
    (folder / "planner.yml").write_text(
        f"catalogue: '{url}'\nscope: {{allow: [192.0.2.0/24]}}\n"
        "ssh: {bastions: {gate: {address: 192.0.2.99}}, ways: [{hosts: [one], via: [gate], legacy: true}]}\n"
    )
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "250")
    app = typer.Typer()
    hosts.add(app)

    def run(*words, code=0):
        result = CliRunner().invoke(app, ["hosts", *words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if "--json" in words else result.output

    run.book = workspace.find().open_catalogue()
    run.folder = folder
    run("add", "one=192.0.2.1", "two=192.0.2.2")
    for number, name in enumerate(("one", "two"), start=1):
        way = {"login": "default", "via": ["gate"] if name == "one" else [], "legacy": name == "one"}
        with run.book.session() as session:
            host = catalogue.host_by_name(session, name)
            host.way = way
            sections, seen = (Section("system", "x"),), [("system", Observation("os", {"id": "debian"}, 1))]
            packed = packing.pack(b"x", seen, sections, "root")
            storing.write(session, [storing.Visit(name, "ok", "", catalogue.now(), 1.0, "root", sections, packed)])
            session.add(
                model.Workload(name=f"www{number}", host_id=host.id, status="undeclared", names=[], facts={}, identified_at=catalogue.now())
            )
    with (folder / "known").open("w") as file:
        file.writelines(f"{name} {KEY.algorithm} {KEY.base64}\n" for name in ("192.0.2.1,[192.0.2.99]:2222", "192.0.2.2"))
    yield run
    run.book.close()


def counts(book):
    with book.session() as session:
        tables = (model.Host, model.Snapshot, model.Observations, model.HostKey)
        return [session.scalar(select(func.count()).select_from(table)) for table in tables]


def test_keys_of_bastions_come_first_and_with_their_port_in_brackets(call):
    said = call("trust", "--known-hosts", "known")
    assert [line.split()[0] for line in said.splitlines()] == ["gate", "one", "two"]
    assert counts(call.book)[3] == 3
    assert "trusted already" in call("trust", "one", "--known-hosts", "known")


def test_the_way_in_is_listed(call):
    rows = {row["host"]: row for row in call("list", "--json")}
    assert (rows["one"]["way"]["via"], rows["one"]["legacy"], rows["two"]["legacy"]) == (["gate"], True, False)
    shown = call("list")
    assert "via gate; SHA-1 era" in shown
    way = call("way", "one", "--json")
    assert (way["via"], way["legacy"], way["rules"]) == (["gate"], True, [f"{call.folder / 'planner.yml'}:3:55"])
    assert way["logins"] == ["default: user ops, the agent's keys"]
    assert "rules     -" in call("way", "two")


def test_a_host_is_forgotten_with_all_that_hangs_on_it_and_no_other(call):
    call("trust", "--known-hosts", "known")
    assert counts(call.book) == [2, 2, 2, 3]
    call("remove", "one", "--yes")
    assert counts(call.book) == [1, 1, 1, 2]
    with call.book.session() as session:
        assert [host.name for host in session.scalars(select(model.Host))] == ["two"]
        assert "www1" not in set(session.scalars(select(model.Workload.name)))
    with pytest.raises(NotFound):
        call("remove", "one", "--yes")


def test_nobody_is_forgotten_by_mistake(call):
    call("remove", "one", code=1)
    assert counts(call.book)[0] == 2


def test_a_host_is_corrected(call):
    call("set", "one", "--name", "first", "--address", "192.0.2.7")
    with call.book.session() as session:
        host = catalogue.host_by_name(session, "first")
        assert (host.address, host.way["login"]) == ("192.0.2.7", "default")
        session.add(model.Unit(code="phys"))
    call("set", "first", "--unit", "phys")
    assert {row["host"]: row["unit"] for row in call("list", "--json")} == {"first": "phys", "two": None}
    call("set", "first", "--unit", "none")
    assert {row["unit"] for row in call("list", "--json")} == {None}
    for words, error in (
        (("--name", "two"), InputError), (("--address", "192.0.2.2"), InputError), (("--address", "198.51.100.1"), InputError),
        (("--unit", "nobody"), NotFound),
    ):  # fmt: skip
        with pytest.raises(error):
            call("set", "first", *words)


def test_names_of_an_ssh_config_can_be_added(call):
    text = (call.folder / "planner.yml").read_text()
    (call.folder / "client").write_text("Host web\n  HostName 192.0.2.44\nHost out\n  HostName 198.51.100.1\n")
    (call.folder / "planner.yml").write_text(text.replace("ssh: {", "ssh: {ssh_config: [client], "))
    call("add", "web")
    assert {row["host"]: row["address"] for row in call("list", "--json")}["web"] == "192.0.2.44"
    with pytest.raises(InputError, match="outside the scope"):
        call("add", "out")


def test_where_nothing_was_visited_nothing_is_said_of_the_way(call):
    call("add", "new=192.0.2.5")
    discovery.store(call.book, discovery.Result("new", "192.0.2.5", "auth", "refused", 1.0))
    assert {row["host"]: row["way"] for row in call("list", "--json")}["new"] == {}
