"""Files of the OpenSSH client: what is taken from them, what is left out with a note, and that nothing in them is executed."""

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import ssh
from inventory.errors import InputError
from inventory.ssh.clientconfig import Hop

TEXT = """\
Port 2022
Include more.conf
Host web-*  !web-9
  User deploy
  IdentityFile ~/keys/web
  IdentityFile "/keys/with space"
  IdentitiesOnly yes
  ProxyJump gate,root@198.51.100.9:2222
Host gate
  HostName 198.51.100.26
Match host db.example.edu
  User dba
Match host victim exec "touch {witness}"
  User evil
Host corporate
  ProxyCommand nc %h %p
Host plain
  ProxyCommand none
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
"""


@pytest.fixture
def read(tmp_path):
    def of(text, **more):
        for name, content in more.items():
            (tmp_path / name.replace("_", ".")).write_text(content)
        path = tmp_path / "config"
        path.write_text(text)
        return ssh.ClientConfiguration([path])

    return of


def test_what_is_taken(read, tmp_path):
    witness = tmp_path / "witness"
    files = read(TEXT.replace("{witness}", str(witness)), more_conf="Host inner\n  HostName 198.51.100.27\n  User inside\n")
    web = files.of("web-1")
    assert (web.user, web.port, web.agent) == ("deploy", 2022, False)
    assert web.key_files == (str(Path("~/keys/web").expanduser()), "/keys/with space")
    assert web.jumps == (Hop("gate"), Hop("198.51.100.9", "root", 2222))
    assert files.of("web-9").user == ""
    assert files.of("gate").address == "198.51.100.26"
    assert files.of("db.example.edu").user == "dba"
    assert (files.of("inner").address, files.of("inner").user) == ("198.51.100.27", "inside")
    assert "never run" in files.of("corporate").refusal
    assert files.of("plain").refusal == ""
    assert files.of("victim").user == ""
    assert not witness.exists()
    notes = "\n".join(files.notes)
    for said in ("config:13: Match exec is never run", "UserKnownHostsFile is not followed", "StrictHostKeyChecking is not followed"):
        assert said in notes


@pytest.mark.parametrize("name", ["web-1", "web-9", "gate", "db.example.edu", "inner", "plain", "elsewhere"])
def test_the_client_itself_says_the_same(read, tmp_path, name):
    """`ssh -G` is the authority on its own files."""
    assert shutil.which("ssh")
    text = TEXT.replace("Include more.conf", f"Include {tmp_path}/more.conf").replace('exec "touch {witness}"', "user nobody-at-all")
    files = read(text, more_conf="Host inner\n  HostName 198.51.100.27\n  User inside\n")
    answer = subprocess.run(["ssh", "-G", "-F", tmp_path / "config", name], capture_output=True, text=True, check=True).stdout
    said = dict(line.split(" ", 1) for line in answer.splitlines() if " " in line)
    own = files.of(name)
    assert (own.address or name, own.port) == (said["hostname"], int(said["port"]))
    assert own.user in {"", said["user"]}
    written = ",".join(f"{hop.user}@{hop.host}:{hop.port}" if hop.user else hop.host for hop in own.jumps)
    assert written == said.get("proxyjump", "").replace("[", "").replace("]", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [("Host a\n  !!!\n", "config:2:1: not a line of an ssh_config"), ("Port http\n", "http")],
)
def test_what_cannot_be_read_is_named(read, text, said):
    with pytest.raises(InputError) as caught:
        read(text).of("a")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "criterion", ["localnetwork 10.0.0.0/8", "tagged x", "banana", "!exec true", "host a exec true", 'host "a', "canonical"]
)
def test_a_match_that_cannot_be_judged_never_holds(read, criterion):
    files = read(f"Match {criterion}\n  User x\nHost b\n  User y\n")
    assert (files.of("a").user, files.of("b").user) == ("", "y")
    assert "its block is left out" in files.notes[0]


def test_a_file_that_includes_itself_ends(read):
    with pytest.raises(InputError, match="nested deeper"):
        read("Include config\n")


def test_an_include_inside_a_block_is_noted(read):
    files = read("Host a\n  Include more.conf\n", more_conf="User x\n")
    assert files.of("a").user == ""
    assert "Include inside of a Host" in files.notes[0]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="none: No such file"):
        ssh.ClientConfiguration([tmp_path / "none"])


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_text(text, encoding="utf-8", errors="replace")
    with contextlib.suppress(InputError):
        ssh.ClientConfiguration([path]).of("host")
