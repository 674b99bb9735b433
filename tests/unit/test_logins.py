"""planner.yml's rules on logging in: what is refused with its place, which rule wins, where secrets come from and where they never go."""

import subprocess
import sys
from pathlib import Path

import pytest

from inventory import discovery, model, ssh
from inventory.errors import ConfigurationError, InputError
from planner import logins, vault, workspace

SECRETS = {"hist": "history-Passw0rd", "sudo": "Sud0-pass", "gate": "gate-Passw0rd"}
BIN = Path(sys.executable).parent


@pytest.fixture
def open_space(tmp_path):
    """A function that makes a workspace of this planner.yml and opens it."""

    def of(text):
        workspace.create(tmp_path)
        (tmp_path / "planner.yml").write_text(text)
        return workspace.find(tmp_path)

    return of


@pytest.fixture
def sealed(tmp_path):
    """A vault file as `ansible-vault encrypt` leaves it, and its password file."""
    (tmp_path / "pw").write_text("of the vault\n")
    (tmp_path / "secrets.yml").write_text("".join(f"{name}: '{value}'\n" for name, value in SECRETS.items()))
    subprocess.run(
        [BIN / "ansible-vault", "encrypt", "--vault-password-file", tmp_path / "pw", tmp_path / "secrets.yml"],
        check=True,
        capture_output=True,
    )
    return tmp_path


LONG = """\
ssh:
  user: ops
  key_files: [ops.key]
  agent: false
  port: 22
  logins:
    history: {user: web, password: {vault: hist}}
    unit: {user: unit, key_files: [~/unit.key], sudo_password: {vault: sudo}}
    gate: {user: jump, password: {vault: gate}}
  bastions:
    outer: {address: 198.51.100.26, logins: [gate]}
    inner: {address: 10.0.0.1, port: 2222}
  ways:
    - {units: [phys], logins: [unit], via: [outer]}
    - {ranges: [10.0.0.0/8], via: [outer, inner]}
    - {ranges: [10.1.0.0/16], port: 2022}
    - {hosts: ["hist*"], logins: [history, default], legacy: true}
    - {hosts: [hist-new], legacy: false}
    - {hosts: [10.1.2.3], via: []}
vault: {file: secrets.yml, password_file: pw}
"""


def ways(space, **hosts):
    known = {address: logins.Known(*rest) for address, *rest in hosts.values()}
    return logins.Ways(space.configuration.ssh, space.root, space.secrets, {}, known)


def test_the_short_form_is_the_login_default(open_space, tmp_path):
    peer = ways(open_space("ssh: {user: admin, key_files: [k], agent: false, port: 2022}\n")).peer("192.0.2.1")
    assert peer.logins == (ssh.Login("admin", (str(tmp_path / "k"),), False, name="default"),)
    assert (peer.port, peer.jumps, peer.legacy, peer.plain) == (2022, (), False, True)
    assert ways(open_space("{}\n")).peer("192.0.2.1").logins == (ssh.Login("ops", name="default"),)


@pytest.mark.parametrize(
    ("host", "names", "port", "via", "legacy"),
    [
        (("192.0.2.1",), ["default"], 22, [], False),
        (("192.0.2.2", "h", "phys"), ["unit"], 22, ["outer"], False),
        (("10.2.0.1", "h", "phys"), ["unit"], 22, ["outer", "inner"], False),
        (("10.1.0.1", "h"), ["default"], 2022, ["outer", "inner"], False),
        (("10.1.2.3", "h", "phys"), ["unit"], 2022, [], False),
        (("10.1.0.9", "hist", "phys"), ["history", "default"], 2022, ["outer", "inner"], True),
        (("192.0.2.9", "hist-new"), ["history", "default"], 22, [], False),
    ],
    ids=[
        "no rule",
        "its unit",
        "a range before its unit",
        "the narrower range",
        "its address before all",
        "each setting by itself",
        "its name before a pattern",
    ],
)
def test_the_most_specific_rule_wins(open_space, sealed, host, names, port, via, legacy):
    space = open_space(LONG)
    peer = ways(space, it=host).peer(host[0])
    assert ([str(login) for login in peer.logins], peer.port, [str(hop) for hop in peer.jumps], peer.legacy) == (names, port, via, legacy)
    if "history" in names:
        assert peer.logins[0].password == SECRETS["hist"]
    if via[1:]:
        assert (peer.jumps[1].port, peer.jumps[0].logins[0].password) == (2222, SECRETS["gate"])


def test_no_secret_is_read_before_it_is_needed(open_space):
    space = open_space(LONG)  # there is no vault file
    assert ways(space).peer("192.0.2.1").logins[0].user == "ops"
    assert ways(space, it=("192.0.2.2", "hist")).decide("192.0.2.2").logins == ("history", "default")
    with pytest.raises(InputError, match="No such file"):
        ways(space, it=("192.0.2.2", "hist")).peer("192.0.2.2")


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        (
            "password: {vault: hist}",
            "password: hunter2-secret",
            "planner.yml:7:36",
            "a secret never stands here: write {vault: NAME}, or prompt",
        ),
        (
            "password: {vault: hist}",
            "password: 4711471147",
            "planner.yml:7:36",
            "a secret never stands here: write {vault: NAME}, or prompt",
        ),
        (
            "password: {vault: hist}",
            "password: {volt: hist}",
            "planner.yml:7:36",
            "a secret never stands here: write {vault: NAME}, or prompt",
        ),
        ("logins: [gate]}", "logins: [gat]}", "planner.yml:11:46", "there is no login 'gat'; there are default, history, unit, gate"),
        ("via: [outer]}", "via: [other]}", "planner.yml:14:45", "there is no bastion 'other'; there are outer, inner"),
        ("logins: [unit]", "logins: [nobody]", "planner.yml:14:32", "there is no login 'nobody'"),
        ("10.1.0.0/16", "10.1.0.0/99", "planner.yml:16:17", "is not an address, a network or a range"),
        ("    - {hosts: [hist-new], legacy: false}", "    - {legacy: false}", "planner.yml:18:7", "for whom? name hosts, ranges or units"),
        ("port: 2022", "port: 70000", "planner.yml:16:37", "less than or equal to 65535"),
        ("    gate: {user", "    default: {user", "planner.yml:2:9", "user is short for the login default"),
        ("legacy: true", "legacy: 'yes please'", "planner.yml:17:", "valid boolean"),
        ("  bastions:", "  bastion:", "planner.yml:11:5", "Extra inputs are not permitted"),
    ],
)
def test_mistakes_are_named_with_their_place(open_space, old, new, place, said):
    assert old in LONG
    with pytest.raises(ConfigurationError) as caught:
        open_space(LONG.replace(old, new, 1))
    text = str(caught.value)
    assert any(place in line and said in line for line in text.splitlines()), text
    assert "hunter2" not in text
    assert "4711471147" not in text


def test_secrets_of_the_vault(sealed):
    secrets = vault.Secrets(sealed / "secrets.yml", sealed / "pw")
    assert secrets.named("hist") == SECRETS["hist"]
    assert secrets.names() == sorted(SECRETS)
    with pytest.raises(InputError, match="there is no secret 'none'"):
        secrets.named("none")
    assert not [value for value in SECRETS.values() if value in repr(secrets) + repr(vars(secrets).keys())]


def test_the_vaults_password_is_asked_for_once(sealed):
    asked = []

    def question(text):
        asked.append(text)
        return "of the vault"

    secrets = vault.Secrets(sealed / "secrets.yml", None, question)
    assert [secrets.named(name) for name in ("hist", "sudo", "hist")] == [SECRETS["hist"], SECRETS["sudo"], SECRETS["hist"]]
    assert asked == [f"Password of the vault {sealed / 'secrets.yml'}"]


def test_where_nobody_is_there_to_ask(sealed, monkeypatch):
    monkeypatch.setattr("sys.stdin", (sealed / "pw").open())
    with pytest.raises(InputError, match="nobody is there to ask"):
        vault.Secrets(sealed / "secrets.yml", None).named("hist")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("pw", "another\n", "the password does not open it"),
        ("pw", "#!/bin/sh\necho of the vault\n", "is a program"),
        ("secrets.yml", "hist: plain-Passw0rd\n", "is not encrypted"),
        ("secrets.yml", "$ANSIBLE_VAULT;1.1;AES256\nnonsense\n", "the password does not open it"),
    ],
)
def test_a_vault_that_does_not_open(sealed, file, text, said):
    (sealed / file).write_text(text)
    with pytest.raises(InputError) as caught:
        vault.Secrets(sealed / "secrets.yml", sealed / "pw").named("hist")
    assert said in str(caught.value)
    assert "plain-Passw0rd" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hist: 4711\n", "the secret 'hist' is not text"),
        ("hist: ''\n", "is empty"),
        ('hist: "two\\nlines"\n', "line break"),
        ("- hist\n", "must hold lines NAME"),
        ("hist: 'open-Passw0rd\n", "not good YAML, at 2:1"),
        ("hist: a-Passw0rd\nhist: b-Passw0rd\n", "not good YAML, at 2:1"),
    ],
)
def test_what_a_vault_holds_is_checked_and_never_shown(sealed, text, said):
    (sealed / "secrets.yml").write_text(text)
    subprocess.run(
        [BIN / "ansible-vault", "encrypt", "--vault-password-file", sealed / "pw", sealed / "secrets.yml"], check=True, capture_output=True
    )
    with pytest.raises(InputError) as caught:
        vault.Secrets(sealed / "secrets.yml", sealed / "pw").named("hist")
    assert said in str(caught.value)
    assert "Passw0rd" not in str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)


CLIENT = """\
Host hist
  HostName 198.51.100.11
  User deploy
  IdentityFile /keys/hist
  IdentitiesOnly yes
Host far
  ProxyJump gate,second
  Port 2022
Host gate
  HostName 198.51.100.26
  User jump
Host second
  HostName 10.0.0.1
Host walled
  ProxyCommand nc %h %p
"""


def test_ssh_config_fills_what_no_rule_says(open_space, tmp_path):
    (tmp_path / "ssh_config").write_text(CLIENT)
    text = "ssh: {user: ops, agent: false, key_files: [k], ssh_config: [ssh_config], ways: [{hosts: [walled2, second], via: []}]}\n"
    found = ways(
        open_space(text), hist=("198.51.100.11", "hist"), far=("10.0.0.9", "far"), walled=("10.0.0.8", "walled"), other=("10.0.0.7", "x")
    )
    hist = found.peer("198.51.100.11")
    assert [(login.name, login.user, login.key_files, login.agent) for login in hist.logins] == [
        ("ssh_config", "deploy", ("/keys/hist",), False), ("default", "ops", (str(tmp_path / "k"),), False),
    ]  # fmt: skip
    far = found.peer("10.0.0.9")
    assert ([(str(hop), hop.address) for hop in far.jumps], far.port) == ([("gate", "198.51.100.26"), ("second", "10.0.0.1")], 2022)
    assert [(login.name, login.user) for login in far.jumps[0].logins] == [("ssh_config", "jump"), ("default", "ops")]
    assert "never run" in found.peer("10.0.0.8").refusal
    assert ssh.visit(found.peer("10.0.0.8"), "x", b"").outcome == "unreachable"
    assert found.peer("10.0.0.7").logins[0].name == "default"


def test_ssh_config_is_off_unless_named(open_space, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/config").write_text("Host *\n  User evil\n  Port 1\n")
    monkeypatch.setenv("HOME", str(home))
    assert ways(open_space("{}\n")).peer("192.0.2.1").port == 22
    assert ways(open_space("ssh: {ssh_config: [~/.ssh/config]}\n")).peer("192.0.2.1").port == 1


def test_a_jump_that_leads_to_itself_ends(open_space, tmp_path):
    (tmp_path / "ssh_config").write_text("Host *\n  ProxyJump gate\n")
    with pytest.raises(InputError, match="ProxyJump"):
        ways(open_space("ssh: {ssh_config: [ssh_config]}\n")).peer("192.0.2.1")


def test_the_login_that_worked_is_kept_and_tried_first(open_space):
    space = open_space("ssh: {logins: {a: {user: a, agent: true}, b: {user: b, agent: true}}, ways: [{hosts: [h], logins: [a, b]}]}\n")
    book = space.open_catalogue()
    with book.session() as session:
        session.add(model.Host(name="h", address="192.0.2.1"))
    way = {"login": "b", "via": [], "legacy": False}
    discovery.store(book, discovery.Result("h", "192.0.2.1", "ok", "", 1.0, way=way))
    with book.session() as session:
        peer = space.ways(session).peer("192.0.2.1")
    assert ([str(login) for login in peer.in_order], [str(login) for login in peer.logins]) == (["b", "a"], ["a", "b"])
    discovery.store(book, discovery.Result("h", "192.0.2.1", "auth", "", 1.0))
    with book.session() as session:
        assert space.ways(session).hosts["192.0.2.1"].last == "b"
