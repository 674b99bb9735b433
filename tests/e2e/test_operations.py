"""A site is cared for after its move: backups fetched every night by another machine, restored on trial, a damaged one noticed and mended,
targets of the monitoring, the register, the letter; and all of it over after a rollback.  One story: the tests look at what it left, in order.
"""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e
HOSTS = ("ns1", "phys", "vh1", "node1")
SITE, MOVE = "events.phys.campus.test", "events-phys-campus-test"
ACCOUNT = "w-events-phys-campus-test"
BACKUPS = f"/srv/backup/{MOVE}"
WEB = "nginx-light php-fpm php-mysql php-xml php-mbstring php-gd php-curl php-intl php-zip mariadb-server rsync acl quota"


def sh(campus, host, script, check=True):
    return campus.lab("exec", host, "sh", "-c", script, check=check)


def listed(campus, space, *words, code=0):
    (row,) = json.loads(campus.planner(space, "operations", "--json", *words, code=code).stdout)
    return row


def stamps(campus):
    return sh(campus, "node1", f"ls {BACKUPS}").stdout.split()


@pytest.fixture(scope="module")
def moved(campus, space):
    """Packages come by themselves while the plan is made: that saves a minute."""
    install = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "
    command = [sys.executable, campus.root / "lab/lab", "exec"]
    ahead = [
        subprocess.Popen([*command, host, "sh", "-c", install + names], env=campus.environment, stdout=subprocess.DEVNULL)
        for host, names in (("vh1", WEB), ("node1", "mariadb-server rsync"))
    ]
    campus.planner(space, "discover", "phys")
    campus.planner(space, "assess")
    campus.planner(space, "plan")
    campus.planner(space, "generate")
    campus.planner(space, "plan", "approve", "--by", "the lab", "--despite", "this is a lab")
    assert [one.wait() for one in ahead] == [0, 0]
    campus.planner(space, "run", "--yes", "--any-time", "a lab has no nights", "--move", MOVE)
    platforms = space / "inventory/platforms.yml"
    machine = "{name: node1, address: 198.51.100.111"
    platforms.write_text(platforms.read_text() + f"backup: {machine}, free_bytes: 10 MB}}\nmonitoring: {machine}}}\n")
    return space


def test_without_a_set_up_it_is_said_that_there_is_no_backup(campus, moved):
    row = listed(campus, moved, "--check", code=12)
    assert (row["site"], row["placement"], row["machine"], row["backup"]["state"]) == (SITE, "virtual-host", "vh1", "none")
    assert any("not set up yet" in text for text in row["warnings"])
    assert row["rotation"] == "ok"
    campus.planner(moved, "plan", "show")  # platforms.yml has new keys, and the plan is the same


@pytest.fixture(scope="module")
def cared(campus, moved):
    would = campus.planner(moved, "operations", "setup", "--check").stdout
    assert "would change: node1: Sites, and how their machines are reached" in would
    assert "would change: vh1: Keys" in would
    assert sh(campus, "node1", "ls /srv/backup", check=False).returncode != 0
    campus.planner(moved, "operations", "setup", "--yes")
    assert "0 changes for 1 sites" in campus.planner(moved, "operations", "setup", "--yes").stdout
    assert sh(campus, "node1", "systemctl is-active site-backup.timer").stdout == "active\n"
    sh(campus, "node1", "systemctl start site-backup.service")  # what the timer does at night
    return moved


def test_the_night_brings_a_backup_and_a_restore_on_trial(campus, cared):
    rows = sh(campus, "vh1", f"mariadb -N -e 'select count(*) from {ACCOUNT.replace('-', '_')}.event'").stdout.strip()
    row = listed(campus, cared, "--check")
    assert (row["backup"]["state"], row["restore"]["state"], row["monitoring"], row["warnings"]) == ("ok", "ok", "ok", [])
    assert row["backup"]["tables"] == row["restore"]["tables"] == 2
    (stamp,) = stamps(campus)
    manifest = json.loads(sh(campus, "node1", f"cat {BACKUPS}/{stamp}/manifest.json").stdout)
    assert str(manifest["database"]["tables"]["event"]) == rows != "0"
    listing = "cd {} && find . -type f -printf '%P %U %G %m %T@ ' -exec sha256sum {{}} \\; | sort"
    live = sh(campus, "vh1", listing.format(f"/srv/sites/{ACCOUNT}/htdocs")).stdout
    assert live == sh(campus, "node1", listing.format(f"{BACKUPS}/{stamp}/files")).stdout != ""
    assert (
        sh(campus, "node1", "mariadb -N -e \"show databases like 'planner%'; select user from mysql.user where user like 'site%'\"").stdout
        == ""
    )


def test_what_is_unchanged_takes_no_room_again(campus, cared):
    told = json.loads(campus.planner(cared, "operations", "backup", SITE, "--json").stdout)
    assert told["linked"] == stamps(campus)[0]
    assert set(sh(campus, "node1", f"stat -c %h {BACKUPS}/*/files/*.php").stdout.split()) == {"2"}


def test_nobody_else_reads_them_and_a_taken_over_web_server_cannot_reach_them(campus, cared):
    assert sh(campus, "node1", "stat -c '%a %U' /srv/backup /var/lib/site-backup").stdout.split() == ["700", "root"] * 2
    assert "Permission denied" in sh(campus, "node1", "su nobody -s /bin/sh -c 'ls /srv/backup' 2>&1", check=False).stdout
    assert sh(campus, "vh1", "grep -rl 'PRIVATE KEY' /var/lib/site-backup-source", check=False).stdout == ""
    key = f"ssh -F /var/lib/site-backup/{MOVE}/ssh_config backup-source"
    for request in (
        "id",
        "rm -rf /",
        "rsync --server -logDtpre.iLsfxCIvu . ./",
        "rsync --server --sender -logDtpre.iLsfxCIvu . /etc/",
        "dump; id",
    ):
        refused = sh(campus, "node1", f"{key} '{request}' 2>&1", check=False)
        assert (refused.returncode, refused.stdout.strip()) == (1, "backup-source: this key may not do that"), request
    assert sh(campus, "vh1", "find / -xdev -newer /usr/local/sbin/backup-source -user site-backup 2>/dev/null", check=False).stdout == ""
    line = sh(campus, "vh1", "cat /var/lib/site-backup-source/.ssh/authorized_keys").stdout
    assert 'restrict,from="198.51.100.111",command=' in line


def test_a_damaged_backup_is_noticed_and_the_next_one_is_whole_again(campus, cared):
    newest = stamps(campus)[-1]
    file = f"{BACKUPS}/{newest}/files/index.php"
    sh(campus, "node1", f"d=$(stat -c %y {file}); printf '#' | dd of={file} bs=1 seek=5 conv=notrunc 2>/dev/null; touch -d \"$d\" {file}")
    said = campus.planner(cared, "operations", "restore-test", SITE, code=8).stderr
    assert f"'index.php' of {newest} is not what was kept: its content differs" in said
    row = listed(campus, cared, "--check", code=12)
    assert row["restore"]["state"] == "failed"
    assert "could not be restored on trial" in row["warnings"][0]
    sh(campus, "node1", "systemctl start site-backup.service")
    row = listed(campus, cared, "--check")
    assert (row["restore"]["state"], row["restore"]["of"], row["warnings"]) == ("ok", stamps(campus)[-1], [])
    assert sh(campus, "node1", f"stat -c %h {BACKUPS}/{stamps(campus)[-1]}/files/index.php").stdout.strip() == "1"


def test_a_restore_goes_to_a_new_place_and_never_over_one_that_is_there(campus, cared):
    told = json.loads(campus.planner(cared, "operations", "restore", SITE, "--to", "/srv/looked-at", "--json").stdout)
    assert (told["database"], told["folder"]) == ("database.sql.gz", "/srv/looked-at")
    same = f"diff -r /srv/looked-at/files {BACKUPS}/{told['stamp']}/files && zcat /srv/looked-at/database.sql.gz | tail -1; stat -c %a /srv/looked-at"
    assert "-- Dump completed" in sh(campus, "node1", same).stdout
    for folder in ("/srv/looked-at", f"{BACKUPS}/x", "relative"):
        campus.planner(cared, "operations", "restore", SITE, "--to", folder, code=8)


def test_logs_are_rotated_cleanly(campus, cared):
    done = sh(
        campus, "vh1", "logrotate -f /etc/logrotate.conf 2>&1; echo $?; ls /var/log/nginx /var/log/vhost; systemctl is-active nginx"
    ).stdout
    assert done.splitlines()[0] == "0"
    assert f"{ACCOUNT}.log.1" in done
    assert done.endswith("active\n")
    sh(campus, "vh1", "mv /etc/logrotate.d/nginx /root/")
    row = listed(campus, cared)
    assert row["rotation"] == "lacking"
    assert f"nothing rotates 198.51.100.101: /var/log/nginx/{ACCOUNT}.log" in row["warnings"]
    sh(campus, "vh1", "mv /root/nginx /etc/logrotate.d/")


def test_a_machine_that_does_not_answer_hides_nothing_of_the_others(campus, cared):
    campus.lab("cut", "vh1")
    try:
        row = listed(campus, cared, "--check", code=12)
        kept = sh(campus, "node1", "site-backup backup " + MOVE, check=False)
    finally:
        campus.lab("heal", "vh1")
    assert row["backup"]["state"] == "ok"
    assert any("whether its logs are rotated is not known" in text for text in row["warnings"])
    assert "timed out" in json.loads(kept.stdout)["error"] or "No route" in json.loads(kept.stdout)["error"]
    assert not sh(campus, "node1", f"ls -A {BACKUPS} | grep '^[.]'", check=False).stdout, "a backup that failed leaves nothing"
    assert any("the last backup failed" in text for text in listed(campus, cared)["warnings"])


def test_register_and_letter_say_where_it_is(campus, cared, tmp_path):
    history = campus.planner(cared, "register", "history", SITE, "--json").stdout
    changes = {(row["field"], json.dumps(row["new"])) for row in json.loads(history) if row["by"] == "planner"}
    assert {("placement", '"virtual-host"'), ("server", '["vh1", "198.51.100.101"]')} <= changes
    letter = campus.planner(cared, "operations", "letter", SITE, "--language", "zh_CN").stdout
    for said in ("安全责任书", "物理学院", "虚拟主机", "每晚备份"):
        assert said in letter
    campus.planner(cared, "operations", "targets", "--out", tmp_path)
    assert json.loads((tmp_path / "node.json").read_text())[0]["targets"] == ["198.51.100.101:9100"]
    assert (tmp_path / "blackbox-http.json").read_text() == sh(campus, "node1", "cat /etc/prometheus/targets/blackbox-http.json").stdout


def test_after_a_rollback_it_is_shut_out_and_its_backups_stay(campus, cared):
    before = stamps(campus)
    assert f"move {MOVE}" in (said := campus.planner(cared, "rollback", MOVE, "--yes").stderr)
    assert "the register says again what it said before" in said
    assert json.loads(campus.planner(cared, "operations", "--json").stdout) == []
    campus.planner(cared, "operations", "setup", "--yes")
    assert "restrict" not in sh(campus, "vh1", "cat /var/lib/site-backup-source/.ssh/authorized_keys").stdout
    assert sh(campus, "vh1", "cat /etc/site-backup-source.json").stdout == "{}\n"
    assert sh(campus, "node1", f"ls /var/lib/site-backup/{MOVE}/id_ed25519 2>/dev/null", check=False).stdout == ""
    assert stamps(campus) == before
    assert not [path for path in cared.rglob("*") if path.is_file() for secret in campus.secrets if secret in path.read_bytes()]
