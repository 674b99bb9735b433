"""The scripts that change a source, on a disk that fills up in the middle and after one of them was cut off; what a cutover leaves behind.

A limit on the size of files stands for the full disk: what goes beyond it is refused, as there, with nothing but an error.
"""

import base64
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from planner import bundle
from tests.sample_bundle import ACCESS, plan

ROLES = Path(__file__).parents[2] / "playbooks/roles"
BLOCK = 512


def script(role, name, tmp_path, **values):
    """A role's script as Ansible would render it, at home in a folder of the test."""
    places = [ROLES / role / "templates"]
    jinja = Environment(loader=FileSystemLoader(places), undefined=StrictUndefined, keep_trailing_newline=True)
    jinja.filters |= {
        "quote": lambda text: shlex.quote(str(text)),
        "b64encode": lambda text: base64.b64encode(text.encode()).decode(),
        "ternary": lambda value, yes, no: yes if value else no,
    }
    given = {**(yaml.safe_load((ROLES / role / "defaults/main.yml").read_text()) or {}), "ansible_check_mode": False, **values}

    def lookup(_kind, which, template_vars=None):
        text = jinja.get_template(which).render({**given, **(template_vars or {}), "lookup": lookup})
        for real, own in (
            ("/var/lib/planner-move", "state"),
            ("/etc/systemd", "systemd"),
            ("/etc/cron.d", "cron.d"),
            ("/var/run/", "run/"),
        ):
            text = text.replace(real, f"{tmp_path}/{own}")
        return text

    return lookup("template", name)


def run(text, tmp_path, programs, blocks=None):
    """What the script prints, and its status; `programs` take the place of the host's own."""
    own = tmp_path / "bin"
    own.mkdir(exist_ok=True)
    (tmp_path / "run").mkdir(exist_ok=True)
    for name, body in programs.items():
        (own / name).write_text(f"#!/bin/sh\n{body}\n")
        (own / name).chmod(0o755)
    limit = f"trap '' XFSZ; ulimit -f {blocks}; " if blocks else ""
    done = subprocess.run(
        ["dash", "-c", f'{limit}exec dash -c "$1"', "sh", text], env={**os.environ, "PATH": f"{own}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def keys(tmp_path):
    """An account with keys that fill whole blocks, and the scripts to let one more in and to shut it out."""
    home = tmp_path / "home/.ssh"
    home.mkdir(parents=True)
    (home / "authorized_keys").write_text(("ssh-ed25519 " + "A" * 115 + "\n") * 4)
    assert (home / "authorized_keys").stat().st_size == 2 * 256
    programs = {"getent": f"echo 'ops:x:1:1::{tmp_path}/home:/bin/sh'", "sshd": "exit 0", "sync": "exit 0"}
    values = {
        "source_key_move": "x-edu", "source_key_user": "ops", "source_key_address": "192.0.2.9", "source_key_docroot": "/d", "source_key_schema": "",
        "source_key_certificate": "", "source_key_certificate_key": "", "source_key_certificate_chain": "", "source_key_line": "ssh-ed25519 BBBB planner-move:x-edu",
    }  # fmt: skip
    return home / "authorized_keys", programs, values


def test_a_full_disk_leaves_an_accounts_keys_as_they_are(keys, tmp_path):
    path, programs, values = keys
    before = path.read_bytes()
    (tmp_path / "state/x-edu").mkdir(parents=True)
    # serve and read are there already: only the keys are to be written
    code, said = run(script("source_key", "allow.sh.j2", tmp_path, **values, source_key_state="present"), tmp_path, programs)
    assert code == 0, said
    path.write_bytes(before)
    code, said = run(
        script("source_key", "allow.sh.j2", tmp_path, **values, source_key_state="present"), tmp_path, programs, blocks=len(before) // BLOCK
    )
    assert code == 1
    assert "is the disk full?" in said
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["authorized_keys"]


def test_a_key_is_let_in_and_shut_out_again_without_a_trace(keys, tmp_path):
    path, programs, values = keys
    before = path.read_bytes()
    assert run(script("source_key", "allow.sh.j2", tmp_path, **values, source_key_state="present"), tmp_path, programs)[0] == 0
    assert path.read_text().splitlines()[-1].endswith("planner-move:x-edu")
    (path.parent / "authorized_keys.planner").write_text("of a start that was cut off")
    code, said = run(script("source_key", "allow.sh.j2", tmp_path, **values, source_key_state="absent"), tmp_path, programs)
    assert code == 0, said
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["authorized_keys"]
    (path.parent / "authorized_keys.planner").write_text("of another")
    assert run(script("source_key", "allow.sh.j2", tmp_path, **values, source_key_state="absent"), tmp_path, programs, blocks=1) == (0, "")
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["authorized_keys"]


def proxy(tmp_path, state):
    return script(
        "source_proxy", "proxy.sh.j2", tmp_path, source_proxy_state=state, source_proxy_move="x-edu", source_proxy_web_server="nginx",
        source_proxy_vhosts=[[str(tmp_path / "site"), 1]], source_proxy_address="192.0.2.9", source_proxy_tls=False, source_proxy_hsts=False,
    )  # fmt: skip


def test_a_full_disk_leaves_a_web_servers_configuration_as_it_is(tmp_path):
    opening = "server { listen 80;\n"
    whole = opening + "#" * (4 * BLOCK - len(opening) - 3) + "\n}\n"
    (tmp_path / "site").write_text(whole)
    programs = {"nginx": "exit 0", "systemctl": "exit 0", "sync": "exit 0"}
    for blocks in (2, 3, 4):  # the copy of what it was does not fit; the same; the copy fits, the changed text does not
        code, said = run(proxy(tmp_path, "present"), tmp_path, programs, blocks)
        assert code == 1, said
        assert "is the disk full?" in said
        assert "passed on" not in said
        assert (tmp_path / "site").read_text() == whole
        assert not (tmp_path / ".planner-new").exists()
        assert run(proxy(tmp_path, "absent"), tmp_path, programs, blocks)[0] == 0
        assert (tmp_path / "site").read_text() == whole
    assert "passed on" in run(proxy(tmp_path, "present"), tmp_path, programs)[1]
    assert "include" in (tmp_path / "site").read_text()
    code, said = run(proxy(tmp_path, "absent"), tmp_path, programs)
    assert code == 0, said
    assert (tmp_path / "site").read_text() == whole


def freeze(tmp_path, state, **values):
    return script(
        "source_freeze", "freeze.sh.j2", tmp_path, **{"source_freeze_state": state, "source_freeze_move": "x-edu", "source_freeze_docroot": f"{tmp_path}/none",
        "source_freeze_schema": "shop", **values},
    )  # fmt: skip


CLIENT = """asked=; for word; do asked=$word; done; test "$asked" = --batch && asked=$(cat); printf '%s\\n' "$asked" >> "$LOG"
case "$asked" in *"FROM mysql.user"*) echo 0;; *"LIMIT 1"*|*"SELECT 1"*) ;; *COUNT*SCHEMATA*) echo 1;; *COUNT*EVENTS*) echo 2;; *COUNT*mysql.db*) echo 2;;
*"CONCAT(QUOTE(User)"*) printf "'a'@'localhost'\\n'b'@'%%'\\n";; "SHOW GRANTS"*) echo "GRANT INSERT, SELECT ON \\`shop\\`.* TO ${asked#SHOW GRANTS FOR }";;
*"CONCAT('ALTER EVENT"*ENABLE\\;*) printf 'ALTER EVENT a ENABLE;\\nALTER EVENT b ENABLE;\\n';; *"HEX(EVENT_NAME)"*) printf 'AA\\nBB\\n';; *) echo 0;; esac"""


@pytest.mark.parametrize("broken", ["sort", "sed", "wc"])
def test_nothing_is_revoked_before_all_that_gives_it_back_is_written(tmp_path, broken):
    (tmp_path / "none").mkdir()
    (tmp_path / "systemd/system").mkdir(parents=True)
    log = tmp_path / "log"
    programs = {
        "mariadb": f"LOG={log}\n{CLIENT}", "sync": "exit 0", "systemctl": "exit 0", "systemd-run": "exit 0",
        "mount": "exit 1", "umount": "exit 0", "readlink": "exit 1",
    }  # fmt: skip
    text = freeze(tmp_path, "present").replace("freeze_files; freeze_database", "freeze_database")
    run(text, tmp_path, programs)
    assert "REVOKE" in log.read_text(), "so the script comes that far"
    log.unlink()
    subprocess.run(["rm", "-r", tmp_path / "state"], check=True)
    # what the disk took is less than was printed
    programs |= {broken: {"sort": "exit 2", "sed": "cat >/dev/null; exit 4", "wc": "cat >/dev/null; echo 1"}[broken]}
    code, said = run(text, tmp_path, programs)
    assert code == 1
    assert "is the disk full?" in said
    assert "REVOKE" not in log.read_text()
    assert not (tmp_path / "state/x-edu/freeze/database.sql").exists()


def test_a_proof_that_was_cut_off_leaves_no_scratch_schema(tmp_path):
    state = tmp_path / "state/x-edu/freeze"
    state.mkdir(parents=True)
    (state / "scratch").touch()
    (state / "accounts").write_text("'shop'@'localhost'\n")
    (state / "database.sql").write_text("GRANT ALL ON `shop`.* TO `shop`@`localhost`;\n")
    log = tmp_path / "log"
    programs = {
        "mariadb": f'for word; do last=$word; done; printf "%s\\n" "$last" >> {log}; test "$last" != --batch || cat >> {log}',
        "systemctl": "exit 0",
    }
    code, said = run(freeze(tmp_path, "absent"), tmp_path, programs)
    assert code == 0, said
    asked = log.read_text()
    assert "REVOKE EXECUTE ON PROCEDURE planner_proof_x_edu.probe FROM 'shop'@'localhost'" in asked
    assert (
        asked.index("DROP PROCEDURE IF EXISTS planner_proof_x_edu.probe")
        < asked.index("DROP DATABASE IF EXISTS planner_proof_x_edu")
        < asked.index("GRANT ALL")
    )
    assert not (tmp_path / "state").exists()


def test_a_host_that_is_restarted_releases_itself_and_a_release_takes_that_away(tmp_path):
    (tmp_path / "none").mkdir()
    text = freeze(tmp_path, "present", source_freeze_schema="").replace("clock_on; freeze_files; freeze_database", "clock_on")
    programs = {"sync": "exit 0", "systemctl": "exit 0", "systemd-run": "exit 0"}
    (tmp_path / "systemd/system").mkdir(parents=True)
    code, said = run(text.replace("/run/systemd/system", str(tmp_path)), tmp_path, programs)
    assert code == 0, said
    unit = tmp_path / "systemd/system/planner-release-x-edu-boot.service"
    assert f"ExecStart=/bin/sh {tmp_path}/state/x-edu/release" in unit.read_text()
    assert (tmp_path / "systemd/system/multi-user.target.wants" / unit.name).resolve() == unit
    code, said = run((tmp_path / "state/x-edu/release").read_text(), tmp_path, programs)
    assert code == 0, said
    assert not unit.exists()
    assert not (tmp_path / "state").exists()
    assert not list((tmp_path / "systemd/system/multi-user.target.wants").iterdir())


def kept(tmp_path, docroot):
    text = (ROLES / "destination_live/files/keep-written.sh").read_text()
    text = text.replace("/var/lib/moves", f"{tmp_path}/moves").replace("/var/backups", f"{tmp_path}/backups")
    done = subprocess.run(["sh", "-c", text, "keep-written", "x-edu", docroot, "", ""], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_what_was_written_while_a_destination_was_live_is_kept_before_it_is_copied_over(tmp_path):
    site = tmp_path / "site"
    (site / "uploads").mkdir(parents=True)
    (site / "old.html").write_text("as copied")
    (tmp_path / "moves/x-edu").mkdir(parents=True)
    assert kept(tmp_path, site) == (0, ""), "it never was live"
    (tmp_path / "moves/x-edu/was-live").touch()
    time.sleep(0.05)
    (site / "uploads/a b\n.txt").write_text("written")
    os.utime(site / "uploads/a b\n.txt", (1e9, 1e9))  # whatever it says of its own age
    code, said = kept(tmp_path, site)
    assert code == 0, said
    assert "planner: proved: what was written while it was live stands in" in said
    (archive,) = (tmp_path / "backups/moves").iterdir()
    assert archive.stat().st_mode & 0o777 == 0o600
    assert subprocess.run(["tar", "-tzf", archive], capture_output=True, text=True, check=True).stdout.splitlines() == [
        r"./uploads/a b\n.txt"
    ]
    assert not (tmp_path / "moves/x-edu/was-live").exists()
    assert kept(tmp_path, site) == (0, "")


@pytest.mark.parametrize("placement", ["virtual-host", "site-cluster", "vps"])
def test_a_cutover_asks_the_name_server_before_visitors_are_passed_on_and_a_copy_keeps_what_they_wrote(placement):
    files = bundle.files(plan(placement=placement), ACCESS)
    cutover = yaml.safe_load(files["moves/x-edu/70-cutover.yml"])
    order = [(role["role"], role["vars"].get("dns_records_mode", "")) for play in cutover for role in play["roles"]]
    assert order[0] == ("dns_records", "ready"), "before the source's clock is stopped"
    assert order.index(("source_proxy", "")) < order.index(("dns_records", "switch"))
    back = yaml.safe_load(files["moves/x-edu/70-undo-cutover.yml"])
    assert back[0]["tasks"][0]["register"] == "live"
    assert back[1]["roles"][0]["when"].endswith(".live.stat.exists | default(true)"), "a dead name server holds up no way back before DNS"
    sync = yaml.safe_load(files["moves/x-edu/50-sync.yml"])[0]["roles"]
    assert (sync[0]["role"], sync[0]["vars"]["destination_live_state"]) == ("destination_live", "kept")


def test_a_silent_machine_is_given_up():
    options = bundle.inventory(plan(), ACCESS)["all"]["vars"]["ansible_ssh_common_args"]
    assert "ServerAliveInterval=10" in options
    assert "ServerAliveCountMax=4" in options


def test_a_start_whose_planner_is_gone_ends_before_what_it_did_is_taken_back(tmp_path):
    """Killed while a freeze is at work: its release must not come in between."""
    lock = tmp_path / "run/planner-freeze-x-edu"
    lock.mkdir(parents=True)
    working = subprocess.Popen(["sh", "-c", ": planner-move; sleep 1.5; true"])
    (lock / "pid").write_text(str(working.pid))
    begun = time.monotonic()
    code, said = run(freeze(tmp_path, "absent"), tmp_path, {"systemctl": "exit 0"})
    assert (code, said) == (0, "")
    assert time.monotonic() - begun > 1
    assert working.poll() is not None or not lock.exists()
    working.wait()
    lock.mkdir()
    other = subprocess.Popen(["sleep", "20"])
    (lock / "pid").write_text(str(other.pid))  # a process with that number, and none of ours
    begun = time.monotonic()
    assert run(freeze(tmp_path, "absent"), tmp_path, {"systemctl": "exit 0"}) == (0, "")
    assert time.monotonic() - begun < 1
    assert not lock.exists()
    other.kill()
    other.wait()
