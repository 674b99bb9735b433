"""The tool that keeps backups, against the program that sends them: real rsync, a stand-in for ssh and for the database's programs."""

import datetime
import gzip
import importlib.util
import json
import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROLES = Path(__file__).parents[3] / "playbooks/roles"


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = loaded(ROLES / "backup_store/files/site-backup.py")
sender = loaded(ROLES / "backup_source/files/backup-source.py")

DUMP = b"""/*M!999999\\- enable the sandbox mode */
CREATE TABLE `t` (
INSERT INTO `t` VALUES
(1,'a);(b','it\\'s \\\\'),
(2,NULL,''),
(3,'INSERT INTO `u` VALUES (1)','x');
CREATE TABLE `empty` (
CREATE TABLE `o``dd (` (
INSERT INTO `o``dd (` (`a`, `b(`) VALUES (1,0x28),(2,'(');
/*!50001 CREATE VIEW `v` AS SELECT 1 */;
DELIMITER ;;
CREATE PROCEDURE `p`()
INSERT INTO `t` VALUES (9),(9) ;;
DELIMITER ;
-- Dump completed on 2026-11-24
"""


def counted(data):
    rows = tool.Rows()
    for line in data.splitlines(keepends=True):
        rows.take(line)
    return rows.counted()


def test_rows_of_a_dump_are_counted_whatever_stands_in_them():
    assert counted(DUMP) == {"t": 3, "empty": 0, "o`dd (": 2}


def test_a_dump_that_was_cut_off_is_none():
    with pytest.raises(tool.Failed, match="not whole"):
        counted(DUMP[:-40])


@given(st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=3), min_size=1, max_size=8), st.booleans())
def test_rows_are_counted_for_any_text(rows, one_line):
    """Texts as mysqldump writes them: quotes, backslashes and ends of lines escaped."""

    def quoted(text):
        for plain, written in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0"), ("\x1a", "\\Z")):
            text = text.replace(plain, written)
        return f"'{text}'"

    values = ("," if one_line else ",\n").join("(" + ",".join(map(quoted, row)) + ")" for row in rows)
    text = f"CREATE TABLE `t` (\nINSERT INTO `t` VALUES{' ' if one_line else chr(10)}{values};\n-- Dump completed\n"
    found = tool.Rows()
    for line in text.encode("utf-8", "surrogatepass").split(b"\n"):  # not splitlines: only \n ends a line of a dump
        found.take(line + b"\n")
    assert found.counted() == {"t": len(rows)}


def test_definitions_are_turned_and_rows_are_not():
    line = b"CREATE DEFINER=`root`@`%` PROCEDURE `p`()\n"
    assert tool.rewritten(line, b"s") == b"CREATE DEFINER=`site-restore`@`localhost` PROCEDURE `p`()\n"
    for row in (b"INSERT INTO `t` VALUES ('DEFINER=`a`@`b` utf8mb4_0900_ai_ci');\n", b"('CREATE DEFINER=`a`@`b`'),\n"):
        assert tool.rewritten(row, b"s") == row
    assert tool.rewritten(b"ALTER DATABASE `x` CHARACTER SET utf8mb4 ;\n", b"s").startswith(b"ALTER DATABASE `s` ")


# ---------------------------------------------------------------- what is sent

REFUSED = [
    "", "id", "dump; id", "dump settings", "rsync", "rsync --server -logDtpre.iLsfxCIvu . ./", "rsync --server --sender -logDtpre.iLsfxCIvu . /etc/",
    "rsync --server --sender -slogDtpre.iLsfxCIvu . ./", "rsync --server --sender --files-from=/etc/shadow . ./",
    "rsync --server --sender --remove-source-files -r . ./", "rsync --server --sender -r --log-file=/x . ./", "rsync --server --sender -r x . ./",
    "rsync --server --sender -re.iLsf;id . ./", "rsync --server --sender -r . ./ ./", "rsync --server --sender --delete -r . ./",
    "rsync --server --sender -r\n-r . ./",
]  # fmt: skip


@pytest.mark.parametrize("request_", REFUSED)
def test_nothing_but_sending_is_obeyed(request_, monkeypatch, tmp_path):
    monkeypatch.setattr(sender, "SITES", tmp_path / "sites.json")
    monkeypatch.setattr(sender.os, "execv", lambda *_: pytest.fail("it was obeyed"))
    (tmp_path / "sites.json").write_text(json.dumps({"s": {"docroot": str(tmp_path), "engine": "", "schema": "", "settings": []}}))
    monkeypatch.setattr(sys, "argv", ["backup-source", "s", request_])
    with pytest.raises(SystemExit) as ended:
        sender.main()
    assert ended.value.code != 0


@pytest.mark.parametrize("name", ["../s", "t", "", "S"])
def test_only_sites_in_care_are_sent(name, monkeypatch, tmp_path):
    monkeypatch.setattr(sender, "SITES", tmp_path / "sites.json")
    (tmp_path / "sites.json").write_text('{"s": {}}')
    monkeypatch.setattr(sys, "argv", ["backup-source", name, "dump"])
    with pytest.raises(SystemExit, match="no such site"):
        sender.main()


def test_what_rsync_asks_for_is_what_is_allowed():
    options = ["-logDtprze.iLsfxCIvu", "--timeout=600", "--numeric-ids"]
    assert sender.rsync_options(" ".join(["rsync --server --sender", *options, ". ./"])) == options


# ---------------------------------------------------------------- backups


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site with hostile names; `ssh` and `mariadb-dump` on PATH are stand-ins, rsync and tar are real."""
    docroot, programs = tmp_path / "docroot", tmp_path / "bin"
    (docroot / "sub").mkdir(parents=True)
    (docroot / "index.php").write_text("<?php 1;")
    (docroot / "sub/a\nb $(touch x) {{ 1 }}").write_text("odd")
    (docroot / os.fsdecode("gbk-\xd6\xd0.txt".encode("latin-1"))).write_bytes(b"\xd6\xd0")
    (docroot / "link").symlink_to("/etc/passwd")
    (docroot / "index.php").chmod(0o640)
    for path in (*docroot.rglob("*"), docroot):  # rsync takes folders' dates of one second for the same
        os.utime(path, ns=(1, 1_200_000_000_123_456_789), follow_symlinks=False)
    (tmp_path / "dump").write_bytes(DUMP)
    sites = tmp_path / "sites.json"
    own = {"docroot": str(docroot), "engine": "mysql", "schema": "s", "settings": [f"{tmp_path}/conf*"]}
    sites.write_text(json.dumps({"s": own}))
    (tmp_path / "conf1").write_text("x")
    run = f"""#!{sys.executable}
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("x", {str(ROLES / "backup_source/files/backup-source.py")!r})
x = importlib.util.module_from_spec(spec); spec.loader.exec_module(x)
x.SITES = pathlib.Path({str(sites)!r})
words = sys.argv[1:]; words = words[words.index("backup-source") + 1:]
sys.argv = ["backup-source", "s", " ".join(words)]
x.main()
"""
    programs.mkdir()
    for name, text in {
        "ssh": run, "mariadb": "#!/bin/sh\necho 0\n", "mariadb-dump": f"#!/bin/sh\ntest ! -e {tmp_path}/fail || exit 2\ncat {tmp_path}/dump\n",
    }.items():  # fmt: skip
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(tool, "STATE", tmp_path / "state")
    monkeypatch.setattr(tool, "restore_mysql", lambda _site, path: (counted(gzip.decompress(path.read_bytes())), set()))
    monkeypatch.setattr(tool.os, "sync", lambda: None)
    moments = iter(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=at) for at in range(10_000))
    monkeypatch.setattr(tool, "now", lambda: next(moments))
    for folder in ("state", "store"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "store/.site-backup").touch()
    store = {
        "folder": str(tmp_path / "store"),
        "days": 3,
        "weeks": 0,
        "months": 0,
        "test_days": 7,
        "free_bytes": 0,
        "sites": {"s": {"engine": "mysql"}},
    }
    return tool.Site("s", store), docroot


def test_a_backup_is_what_the_site_is_and_is_proved(site):
    site, docroot = site
    told = tool.tried(site, "backup")
    assert (told["ok"], told["tables"], told["rows"], told["odd"], told["linked"]) == (True, 3, 5, "", "")
    (stamp,) = site.there()
    assert tool.listed(site.folder / stamp / "files") == tool.listed(docroot)
    assert stat.S_IMODE(site.folder.stat().st_mode) == stat.S_IMODE((site.folder / stamp).stat().st_mode) == 0o700
    proved = tool.tried(site, "test")
    assert (proved["ok"], proved["files"], proved["rows"]) == (True, 3, 5)
    assert [path.name for path in site.folder.iterdir()] == [stamp], "nothing of the trial stays"


def test_unchanged_files_are_links_and_changed_ones_leave_the_backup_before_alone(site):
    site, docroot = site
    tool.tried(site, "backup")
    (docroot / "index.php").write_text("<?php 2;")
    (docroot / "link").unlink()
    tool.tried(site, "backup")
    first, second = site.there()
    assert (site.folder / first / "files/index.php").read_text() == "<?php 1;"
    assert (site.folder / second / "files/index.php").read_text() == "<?php 2;"
    odd = [site.folder / stamp / "files/sub/a\nb $(touch x) {{ 1 }}" for stamp in (first, second)]
    assert odd[0].samefile(odd[1])
    known = site.known()
    assert known["backups"][second]["linked"] == first
    assert site.manifest(second, known)["files"] == tool.listed(site.folder / second / "files")[0]
    assert tool.tried(site, "test")["ok"]


DAMAGE = {
    "a file's content": lambda place: _flip(place / "files/index.php"),
    "a file that is gone": lambda place: (place / "files/index.php").unlink(),
    "a file too much": lambda place: (place / "files/shell.php").write_text("x"),
    "a mode": lambda place: (place / "files/index.php").chmod(0o644),
    "where a link leads": lambda place: ((place / "files/link").unlink(), (place / "files/link").symlink_to("/etc/shadow")),
    "the dump": lambda place: _flip(place / "database.sql.gz"),
    "the settings": lambda place: (place / "settings.tar.gz").write_bytes(b""),
    "the manifest": lambda place: _flip(place / "manifest.json"),
    "a manifest that is gone": lambda place: (place / "manifest.json").unlink(),
}


def _flip(path):
    """One bit, with the date as it was: what a failing disk does."""
    known, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(known.st_mode)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_noticed_and_does_not_live_on(site, what):
    site, _ = site
    tool.tried(site, "backup")
    (damaged,) = site.there()
    DAMAGE[what](site.folder / damaged)
    told = tool.tried(site, "test")
    assert not told["ok"]
    assert damaged in told["error"]
    assert tool.due(site)
    tool.tried(site, "backup")
    newest = site.there()[-1]
    assert newest > damaged
    assert site.known()["backups"][newest]["linked"] == "", "a file of a doubtful backup is not linked to"
    assert tool.tried(site, "test")["ok"]
    assert not tool.due(site)


def test_a_failure_leaves_nothing_and_is_noted(site, tmp_path):
    site, docroot = site
    tool.tried(site, "backup")
    (tmp_path / "fail").touch()
    told = tool.tried(site, "backup")
    assert not told["ok"]
    assert site.known()["last"]["error"] == told["error"] != ""
    (tmp_path / "fail").unlink()
    (tmp_path / "dump").write_bytes(DUMP[:-40])
    assert "not whole" in tool.tried(site, "backup")["error"]
    (tmp_path / "dump").write_bytes(DUMP)
    docroot.rename(docroot.with_name("gone"))
    assert not tool.tried(site, "backup")["ok"]
    assert len(list(site.folder.iterdir())) == 1
    assert tool.tried(site, "test")["ok"], "the one from before is there"


def test_a_killed_backup_is_cleared_away_by_the_next(site):
    site, _ = site
    (site.folder / ".20260101T000000Z.new/files").mkdir(parents=True)
    tool.tried(site, "backup")
    assert [path.name for path in site.folder.iterdir()] == site.there()


def test_a_full_disk_is_said_before_anything_is_begun(site):
    site, _ = site
    tool.tried(site, "backup")
    site.store["free_bytes"] = 10**18
    assert "make room" in tool.tried(site, "backup")["error"]
    assert "no room to restore" in tool.tried(site, "test")["error"]
    assert len(site.there()) == 1
    assert tool.sound(site, site.known()) == site.there(), "no room is no damage"


def test_a_disk_that_is_not_mounted_is_not_taken_for_an_empty_one(site, tmp_path):
    (tmp_path / "store/.site-backup").unlink()
    with pytest.raises(tool.Failed, match="is its disk mounted"):
        tool.Site("s", site[0].store)


def test_a_site_that_lost_most_of_its_files_is_pointed_at_and_the_backup_before_stays(site):
    site, docroot = site
    for number in range(9):
        (docroot / f"page{number}").write_text("x")
    tool.tried(site, "backup")
    full = site.there()[0]
    for path in docroot.glob("page*"):
        path.unlink()
    for _ in range(3):
        assert tool.tried(site, "backup")["odd"] == "3 files, and up to 12 before"
        assert full in site.there()
    assert len(site.there()) == 4
    for _ in range(3):
        tool.tried(site, "backup")
    assert full not in site.there(), "after as many days as are kept, nobody holds on to it"


def test_aside(site, tmp_path):
    site, docroot = site
    tool.tried(site, "backup")
    told = tool.aside(site, "newest", str(tmp_path / "out"))
    assert tool.listed(tmp_path / "out/files") == tool.listed(docroot)
    assert gzip.decompress((tmp_path / "out/database.sql.gz").read_bytes()) == DUMP
    assert told["stamp"] == site.there()[0]
    for folder in (str(tmp_path / "out"), "relative", str(site.folder / "x"), str(tmp_path / "none/x")):
        with pytest.raises(tool.Failed):
            tool.aside(site, "newest", folder)
    with pytest.raises(tool.Failed, match="no backup 20200101T000000Z"):
        tool.aside(site, "20200101T000000Z", str(tmp_path / "other"))


def test_one_site_never_stops_the_others(site, tmp_path, capsys):
    site, _ = site
    site.store["sites"]["broken"] = {"engine": ""}
    (tmp_path / "state/broken").mkdir()
    (tmp_path / "state/broken/status.json").write_text("{")
    assert tool.nightly(site.store, ["broken", "s"]) == 1
    out = capsys.readouterr().out
    assert "s: backup: ok" in out
    assert "s: test: ok" in out
    told = tool.status(site.store, ["broken", "s"])["sites"]
    assert told["broken"]["error"]
    assert list(told["s"]["backups"]) == site.there()


def test_keys_are_made_once_and_go_with_their_site(site, tmp_path):
    site, _ = site
    site.store["sites"] = {"s": {"address": "192.0.2.9", "port": 22, "host_keys": ["ssh-ed25519 AAAA"]}}
    assert len(tool.prepare(site.store)) == 3
    key = (tmp_path / "state/s/id_ed25519").read_text()
    assert stat.S_IMODE((tmp_path / "state/s/id_ed25519").stat().st_mode) == 0o600
    assert tool.prepare(site.store) == []
    assert (tmp_path / "state/s/id_ed25519").read_text() == key
    assert tool.public(site.store)["s"].endswith(" planner-backup:s")
    assert (tmp_path / "state/s/known_hosts").read_text() == "backup-source ssh-ed25519 AAAA\n"
    site.store["sites"] = {}
    assert len(tool.prepare(site.store)) == 2
    assert not list((tmp_path / "state/s").glob("id_*"))


# ---------------------------------------------------------------- what is kept

stamps = st.sets(st.integers(0, 3000), min_size=1, max_size=60).map(
    lambda hours: [(datetime.datetime(2025, 12, 1) + datetime.timedelta(hours=at * 6)).strftime("%Y%m%dT%H%M%SZ") for at in hours]
)


@given(stamps, st.integers(1, 10), st.integers(0, 6), st.integers(0, 6), st.data())
def test_what_is_kept(given_, days, weeks, months, data):
    guarded = data.draw(st.lists(st.sampled_from(given_), max_size=2))
    stay = tool.kept(given_, days, weeks, months, guarded)
    assert stay <= set(given_)
    assert {max(given_), *guarded} <= stay
    by_day = {}
    for stamp in sorted(given_):
        by_day[stamp[:8]] = stamp
    assert set(sorted(by_day.values())[-days:]) <= stay, "the last of each of the newest days"
    assert len(stay) <= days + weeks + months + 1 + len(guarded)
    assert tool.kept(sorted(stay), days, weeks, months, guarded) == stay, "what stays once, stays"


def test_months_reach_further_back_than_days():
    every = [(datetime.datetime(2026, 1, 1) + datetime.timedelta(days=at)).strftime("%Y%m%dT020000Z") for at in range(365)]
    stay = sorted(tool.kept(every, 7, 4, 6))
    assert stay[-7:] == every[-7:]
    assert stay[0] == "20260731T020000Z"
    assert 7 + 3 + 4 <= len(stay) <= 7 + 4 + 6
