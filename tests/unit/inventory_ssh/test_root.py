"""Root: the command that all visits run, in every login shell, and the dialogue with a sudo that wants a password."""

import contextlib
import os
import shutil
import subprocess
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import collector, discovery, ssh
from inventory.probes.base import Probe
from inventory.ssh.elevation import REASONS, Dialogue

QUICK = ssh.Deadlines(connect=3, exchange=4, auth=6, command=10)
SHELLS = [["sh"], ["dash"], ["bash"], ["busybox", "ash"], ["mksh"], ["tcsh"], ["fish"]]
SECRET = "sudo secret"
SCRIPT = b'echo "uid `id -u` sudo $PLANNER_SUDO"\n'

SUDO = """\
#!/bin/sh
# a sudo: CASE says which; `id` beside it says who we are
echo "$*" >> "$LOG"
case $CASE in
free) while test "$1" != sh; do shift; done; FAKE_UID=0; export FAKE_UID; exec "$@" ;;
old) case "$*" in -k*) echo "usage: sudo -h | -K" >&2; exit 1 ;; *) while test "$1" != sh; do shift; done; FAKE_UID=0; export FAKE_UID; exec "$@" ;; esac ;;
tty) echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1 ;;
refused) echo "Sorry, user ops is not allowed to execute '/bin/sh -s' as root on this." >&2; exit 1 ;;
asks)
  case "$*" in *-n*) echo "sudo: a password is required" >&2; exit 1 ;; esac
  for n in 1 2 3; do
    while test "$1" != -p; do shift; done
    printf %s "$2" >&2
    IFS= read -r given || { echo "sudo: no password was provided" >&2; exit 1; }
    if test "$given" = "$RIGHT"; then while test "$1" != sh; do shift; done; FAKE_UID=0; export FAKE_UID; exec "$@"; fi
    echo "Sorry, try again." >&2
  done; exit 1 ;;
hangs) case "$*" in *-n*) exit 1 ;; esac; sleep 60 ;;
esac
"""


@pytest.fixture
def machine(tmp_path):
    """The environment of a machine on which we are not root, and whose sudo behaves as CASE says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = {"sudo": SUDO, "id": '#!/bin/sh\necho "${FAKE_UID:-1000}"\n'}
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)

    def environment(case, *without):
        for name in without:
            (folder / name).unlink()
        return {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "CASE": case,
            "RIGHT": SECRET,
            "LOG": str(tmp_path / "log"),
            "HOME": str(tmp_path),
        }

    environment.log = tmp_path / "log"
    environment.folder = folder
    return environment


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("free", "uid 0 sudo"),
        ("old", "uid 0 sudo"),
        ("asks", "uid 1000 sudo password"),
        ("tty", "uid 1000 sudo tty"),
        ("refused", "uid 1000 sudo refused"),
    ],
)
def test_root_where_it_can_be_had_and_why_not_elsewhere(machine, shell, case, said):
    assert shutil.which(shell[0]), f"{shell[0]} is missing: tests/setup.sh installs it"
    done = subprocess.run([*shell, "-c", ssh.ROOT_SHELL], input=SCRIPT, env=machine(case), capture_output=True, check=False)
    assert done.stdout.decode().strip() == said, done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_without_sudo_and_without_nice(machine, shell, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("sh", "cat", "echo"):
        (bare / name).symlink_to(shutil.which(name))
    shutil.copy(machine.folder / "id", bare / "id")
    environment = {**machine("none", "sudo"), "PATH": str(bare)}
    done = subprocess.run(
        [shutil.which(shell[0]), *shell[1:], "-c", ssh.ROOT_SHELL], input=SCRIPT, env=environment, capture_output=True, check=False
    )
    assert done.stdout.decode().strip() == "uid 1000 sudo none", done.stderr


def test_the_reason_is_in_the_transcript_and_nothing_else_can_put_one_there(machine):
    probes = [Probe("p", "echo x", lambda section: [])]
    script = collector.script(probes, "n").encode()
    done = subprocess.run(["sh", "-c", ssh.ROOT_SHELL], input=script, env=machine("tty"), capture_output=True, check=False)
    transcript = collector.read(done.stdout, "n", probes)
    assert (transcript.privilege, transcript.sudo) == ("user", "tty")
    assert "requiretty" in discovery.ended(transcript, probes)[1]
    forged = subprocess.run(["sh", "-s"], input=script, env={**machine("x"), "PLANNER_SUDO": "x\ny"}, capture_output=True, check=False)
    assert collector.read(forged.stdout, "n", probes).sudo == ""


def play(serve, odd, machine, case, password=SECRET, login_password="let me in", shell=("sh",)):
    """A visit to a server on which each command runs in the machine's environment."""

    def script(channel, command):
        process = subprocess.Popen(
            [*shell, "-c", command], env=machine(case), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

        def pump(source, send):
            with contextlib.suppress(OSError):
                while data := os.read(source.fileno(), 65536):
                    send(data)

        readers = [
            threading.Thread(target=pump, args=(process.stdout, channel.sendall)),
            threading.Thread(target=pump, args=(process.stderr, channel.sendall_stderr)),
        ]
        for reader in readers:
            reader.start()

        def feed():
            with contextlib.suppress(OSError):
                while data := channel.recv(65536):
                    process.stdin.write(data)
                    process.stdin.flush()
                process.stdin.close()

        threading.Thread(target=feed, daemon=True).start()
        for reader in readers:
            reader.join(10)
        process.kill()
        process.wait()

    server = odd(password=login_password, script=script)
    login = ssh.Login("ops", agent=False, password=login_password, sudo_password=password, name="s")
    return server, ssh.visit(serve(server, login), ssh.ROOT_SHELL, SCRIPT, deadlines=QUICK)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_sudo_with_the_right_password(serve, odd, machine, shell):
    server, seen = play(serve, odd, machine, "asks", shell=shell)
    assert (seen.outcome, seen.output) == ("ok", b"uid 0 sudo \n"), seen
    assert all(SECRET not in command for command in server.commands)
    assert SECRET not in machine.log.read_text()
    assert len(server.commands) == 1


@pytest.mark.parametrize(
    ("case", "outcome", "detail", "said"),
    [
        ("asks", "sudo", REASONS["password"], b"uid 1000 sudo password\n"),
        ("tty", "sudo", REASONS["tty"], b"uid 1000 sudo tty\n"),
        ("refused", "sudo", REASONS["refused"], b"uid 1000 sudo refused\n"),
        ("old", "ok", "", b"uid 0 sudo \n"),
        ("free", "ok", "", b"uid 0 sudo \n"),
    ],
)
def test_sudo_that_says_no_still_lets_the_account_read(serve, odd, machine, case, outcome, detail, said):
    server, seen = play(serve, odd, machine, case, password="wrong password")
    assert (seen.outcome, seen.detail, seen.output) == (outcome, detail, said)
    assert "wrong password" not in machine.log.read_text() + repr(seen) + "".join(server.commands)


def test_a_wrong_password_is_given_once(serve, odd, machine):
    heard = []
    real = Dialogue.hear

    def spy(self, data):
        heard.append(real(self, data))
        return heard[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dialogue, "hear", spy)
        play(serve, odd, machine, "asks", password="wrong password")
    assert [answer for answer in heard if answer] == [b"wrong password\n"]


def test_a_sudo_that_never_answers_does_not_hold_the_visit(serve, odd, machine, monkeypatch):
    from inventory.ssh import threaded

    monkeypatch.setattr(threaded, "SECONDS", 1.0)
    _, seen = play(serve, odd, machine, "hangs")
    assert (seen.outcome, seen.detail.startswith("sudo did not answer")) == ("sudo", True)
    assert seen.output == b"uid 1000 sudo refused\n"
    assert seen.seconds < 8


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_whatever_a_host_says_the_password_is_sent_once_and_only_after_the_prompt(pieces):
    talk = Dialogue("ab12", SECRET)
    sent = [talk.hear(piece) for piece in pieces]
    assert not any(sent)
    if not talk.root:
        assert talk.ended() in REASONS


@given(st.text(max_size=30), st.integers(0, 20))
def test_the_prompt_may_come_in_pieces(before, cut):
    talk = Dialogue("ab12", SECRET)
    text = before.encode() + b"@@ab12-password"
    answers = [talk.hear(text[:cut]), talk.hear(text[cut:]), talk.hear(b" "), talk.hear(b"\n")]
    assert [answer for answer in answers if answer] == [SECRET.encode() + b"\n"]
    assert talk.hear(b"\n@@ab12-root\n") == b""
    assert talk.root
    assert SECRET not in talk.command


def test_commands_hold_nothing_that_a_login_shell_would_read():
    for command in (ssh.ROOT_SHELL, Dialogue("0af3", SECRET).command):
        inside = command.removeprefix("sh -c '").removesuffix("'")
        assert command == f"sh -c '{inside}'"
        assert not set(inside) & set("'\\!\n"), command
