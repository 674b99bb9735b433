"""Visits to a real sshd: what comes back, and how each kind of end is called."""

import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from inventory import collector, discovery, ssh
from inventory.probes.base import Probe

QUICK = ssh.Deadlines(connect=3, exchange=4, auth=6, command=15)
ECHO = [Probe("echo", "echo hello; cat /proc/self/oom_score_adj", lambda section: [])]


def visit(peer, command="cat", stdin=b"hello", **options):
    return ssh.visit(peer, command, stdin, **({"deadlines": QUICK} | options))


def test_a_visit_brings_back_what_the_script_prints(start_sshd):
    server = start_sshd()
    seen = visit(server.peer(), collector.COMMAND, collector.script(ECHO, "n").encode())
    assert (seen.outcome, seen.detail, seen.login) == ("ok", "", "key")
    transcript = collector.read(seen.output, "n", ECHO)
    assert transcript.complete
    assert transcript.sections[0].text.startswith("hello\n")
    assert discovery.visit("h", server.peer(), ECHO, deadlines=QUICK).way == {"login": "key", "via": [], "legacy": False}


def test_megabytes_both_ways_and_on_both_streams(start_sshd):
    server = start_sshd()
    data = bytes(range(256)) * 20000
    seen = visit(server.peer(), "tee /dev/stderr", data)
    assert (seen.outcome, len(seen.output)) == ("ok", len(data))
    assert seen.output == data
    assert len(seen.said) <= 2000


def test_too_much_is_cut_and_said(start_sshd):
    seen = visit(start_sshd().peer(), "cat /dev/zero", b"", max_bytes=1_000_000)
    assert seen.outcome == "partial"
    assert "more than 1000000 bytes" in seen.detail
    assert len(seen.output) >= 1_000_000


def test_a_hanging_command_ends_at_its_deadline_with_what_it_said(start_sshd):
    begun = time.monotonic()
    seen = visit(start_sshd().peer(), "echo begun; sleep 60", b"", deadlines=ssh.Deadlines(3, 4, 6, 3))
    assert (seen.outcome, seen.output) == ("timeout", b"begun\n")
    assert time.monotonic() - begun < 12


def test_a_command_that_reads_nothing_is_no_error(start_sshd):
    seen = visit(start_sshd().peer(), "echo done", b"x" * 5_000_000)
    assert (seen.outcome, seen.output) == ("ok", b"done\n")


def test_a_killed_server_is_a_lost_connection(start_sshd):
    server = start_sshd()
    seen = visit(server.peer(), 'echo begun; sleep 0.3; kill -9 "$PPID"; sleep 5', b"")
    assert seen.outcome == "partial"
    assert seen.output == b"begun\n"


def test_host_keys(start_sshd):
    server, other = start_sshd(), start_sshd()
    assert visit(server.peer(keys={})).outcome == "host key unknown"
    changed = visit(server.peer(keys=other.keys))
    assert changed.outcome == "host key changed"
    assert "SHA256:" in changed.detail
    gone = visit(server.peer(keys={"ecdsa-sha2-nistp256": b"x"}))
    assert (gone.outcome, gone.detail) == ("host key changed", "it has no host key of the trusted kinds (ecdsa-sha2-nistp256)")


def test_all_offered_keys_are_seen(start_sshd):
    server = start_sshd(kinds=("ed25519", "ecdsa", "rsa"))
    found = ssh.offered_keys(server.peer(keys={}))
    assert {key.algorithm: key.blob for key in found} == server.keys
    with_rsa = server.peer(keys={name: blob for name, blob in server.keys.items() if name == "ssh-rsa"})
    assert visit(with_rsa).outcome == "ok"


def test_nobody_there(start_sshd, closed_port):
    closed = ssh.Peer("127.0.0.1", (start_sshd().login,), {"ssh-ed25519": b"x"}, closed_port)
    assert visit(closed).outcome == "refused"
    nowhere = visit(ssh.Peer("no-such-name.invalid", closed.logins, closed.keys))
    assert nowhere.outcome == "unreachable"
    assert "does not resolve" in nowhere.detail


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(b"", "timeout"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"), (b"\x00" * 70000, "protocol"), (b"SSH-1.5-old\r\n", "protocol")],
    ids=["nothing", "another protocol", "zeros", "version 1"],
)
def test_a_port_that_speaks_no_ssh(start_sshd, answer, outcome):
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve():
            stream, _ = door.accept()
            stream.sendall(answer)
            if answer:
                stream.close()
            else:
                time.sleep(4)
                stream.close()

        threading.Thread(target=serve, daemon=True).start()
        peer = ssh.Peer("127.0.0.1", (start_sshd().login,), {"ssh-ed25519": b"x"}, door.getsockname()[1])
        seen = visit(peer, deadlines=ssh.Deadlines(2, 1.5, 2, 5))
    assert seen.outcome == outcome, seen.detail
    assert seen.seconds < 4


def test_the_key_that_fits_is_found_though_the_server_hangs_up_on_others(start_sshd, tmp_path, make_key):
    server = start_sshd("MaxAuthTries 3")
    wrong = [str(make_key(tmp_path / f"wrong{number}")) for number in range(7)]
    login = ssh.Login(server.login.user, (*wrong, str(server.key)), agent=False)
    seen = visit(server.peer(logins=(login,)))
    assert (seen.outcome, seen.output) == ("ok", b"hello")
    refused = visit(server.peer(logins=(ssh.Login(login.user, tuple(wrong), agent=False, name="old keys"),)))
    assert refused.outcome == "auth"
    assert refused.detail.startswith("old keys: refused key wrong0")
    assert refused.detail.count("key wrong") == 7


def test_the_second_login_is_tried_and_named(start_sshd, tmp_path, make_key):
    server = start_sshd()
    first = ssh.Login("nobody-here", (str(make_key(tmp_path / "first")),), agent=False, name="first")
    seen = visit(server.peer(logins=(first, server.login)))
    assert (seen.outcome, seen.login) == ("ok", "key")
    result = discovery.visit("h", server.peer(logins=(first, server.login)), ECHO, deadlines=QUICK)
    assert result.detail.endswith("logged in as key")


@pytest.mark.parametrize("form", [(), ("-m", "PEM")], ids=["OpenSSH's format", "PEM"])
def test_key_files_with_a_passphrase(start_sshd, tmp_path, make_key, form):
    server = start_sshd()
    kind = "rsa" if form else "ed25519"
    key = make_key(tmp_path / "locked", kind, *form, passphrase="open sesame")
    with (server.folder / "authorized_keys").open("a") as file:
        file.write(key.with_suffix(".pub").read_text())
    for passphrase, outcome, said in (
        ("open sesame", "ok", ""),
        ("open barley", "auth", "its passphrase is wrong"),
        ("", "auth", "needs a passphrase"),
    ):
        seen = visit(server.peer(logins=(ssh.Login(server.login.user, (str(key),), agent=False, passphrase=passphrase),)))
        assert seen.outcome == outcome, seen.detail
        assert said in seen.detail
        assert "sesame" not in repr(seen)


def test_a_key_file_that_cannot_be_used_stops_no_other(start_sshd, tmp_path):
    server = start_sshd()
    (tmp_path / "junk").write_text("no key\n")
    login = ssh.Login(server.login.user, (str(tmp_path / "junk"), str(tmp_path / "gone"), str(server.key)), agent=False)
    assert visit(server.peer(logins=(login,))).outcome == "ok"
    alone = visit(server.peer(logins=(ssh.Login("x", (str(tmp_path / "gone"),), agent=False),)))
    assert alone.outcome == "auth"
    assert "No such file" in alone.detail


def test_the_agents_keys(start_sshd, tmp_path, monkeypatch):
    server = start_sshd()
    path = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        while not path.exists():
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        login = ssh.Login(server.login.user, name="agent")
        assert visit(server.peer(logins=(login,))).outcome == "auth"
        subprocess.run(["ssh-add", "-q", str(server.key)], check=True)
        assert visit(server.peer(logins=(login,))).outcome == "ok"
        assert visit(server.peer(logins=(ssh.Login(server.login.user, agent=False),))).outcome == "auth"
    finally:
        agent.terminate()
        agent.wait()


def test_a_forced_command_and_a_login_that_runs_nothing(start_sshd):
    for forced, outcome, said in (
        ("echo This account is currently not available.; exit 1", "not unix", "nologin"),
        ("echo welcome to the backup account", "not unix", "it said: welcome to the backup account"),
        ("echo WARNING: Your password has expired. >&2; exit 1", "auth", "password has expired"),
        ("true", "not unix", "nothing was said"),
        ("cat >/dev/null; yes no-frame | head -c 100000", "not unix", "no-frame"),
    ):
        server = start_sshd(f"ForceCommand {forced}")
        result = discovery.visit("h", server.peer(), ECHO, deadlines=QUICK)
        assert (result.outcome, said in result.detail) == (outcome, True), result.detail


@pytest.mark.parametrize(
    ("program", "meaning"), [("/usr/sbin/nologin", "nologin"), ("/bin/false", "nothing was said"), ("/usr/bin/git-shell", "git's")]
)
def test_what_real_shells_that_are_none_say(program, meaning):
    if program == "/usr/bin/git-shell" and not Path(program).exists():
        pytest.skip("no git here")
    done = subprocess.run([program, "-c", ssh.ROOT_SHELL], input=b"echo x\n", capture_output=True, check=False)
    outcome, detail = discovery.unshelled(ssh.Visit("ok", "", done.stdout, said=done.stderr.decode()))
    assert (outcome, meaning in detail) == ("not unix", True), detail


def test_nothing_is_left_open(start_sshd):
    server = start_sshd()
    visit(server.peer())
    before = threading.active_count()
    for _ in range(5):
        visit(server.peer())
        visit(server.peer(keys={}))
    time.sleep(0.5)
    assert threading.active_count() <= before
