"""What a copy would trip over: from observations to facts, and what is not known to be nothing."""

import pytest

from inventory import identify
from inventory.identify import Seen
from inventory.identify.hazards import _in_mariadb

ROOT = "/srv/www/a"


def site(*items, **more):
    vhost = {"server": "nginx", "names": ["a.example.edu"], "enabled": True, "docroot": ROOT, "file": "/etc/nginx/a", "line": 1}
    vhost |= {"listen": [{"address": "", "port": "80", "tls": False}], "php": True}
    seen = [("vhost", vhost | more), *items]
    found = identify.sites("h1", [Seen(kind, data, (1, "s", number)) for number, (kind, data) in enumerate(seen, start=1)])
    return found[0]


def content(**more):
    return "content", {"docroot": ROOT, "exists": True, "files": 9, "bytes": 5, "complete": True} | more


def code(complete=True, **more):
    return "code", {"docroot": ROOT, "complete": complete} | more


def places(*tokens):
    return {
        "files": 1,
        "matches": len(tokens),
        "places": [{"path": "c.php", "line": n, "token": token} for n, token in enumerate(tokens, start=1)],
    }


def sign(severity, path="x.php", docroot=ROOT):
    return "infection_sign", {"docroot": docroot, "path": path, "sign": "runs decoded text", "severity": severity, "text": "line 3"}


def test_places_in_code_are_short_texts():
    found = site(content(), code(own_addresses=places("192.0.2.7"), mail=places(), sso=places("phpcas::client")))
    assert found.value("code.own_addresses") == ["c.php:1 192.0.2.7"]
    assert found.value("code.mail") == [] and found.value("code.sso") == ["c.php:1 phpcas::client"]
    assert found.value("code.docroot_paths") is None  # the search did not say


@pytest.mark.parametrize(
    ("items", "high", "medium"),
    [
        ([content(), code()], [], []),
        ([content(), code(), sign("high")], ["x.php: runs decoded text"], []),
        ([content(), code(), sign("medium"), sign("low")], [], ["x.php: runs decoded text"]),
        ([content(), code(), sign("high", docroot="/srv/www/other")], [], []),
        ([content(), code(), sign("high", path=f"{ROOT}/.htaccess", docroot="")], [f"{ROOT}/.htaccess: runs decoded text"], []),
        ([content(), code(), sign("high", path="/srv/www/abc/.htaccess", docroot="")], [], []),
        ([content(), code(complete=False)], None, None),
        ([content(complete=False), code()], None, None),
        ([content(), code(complete=False), sign("high")], ["x.php: runs decoded text"], None),
        ([content()], None, None),
    ],
)
def test_signs_of_infection(items, high, medium):
    found = site(*items)
    assert (found.value("infection.high"), found.value("infection.medium")) == (high, medium)


def test_files_of_odd_kinds():
    found = site(content(
        mounts=[{"type": "nfs4", "path": f"{ROOT}/video"}], acl={"count": 3, "paths": ["a"]}, odd_names={"not_utf8": ["b"], "newline": ["a"]},
        backups=[{"path": "www.zip", "bytes": 3}], version_control=[".git"], hard_links_outside=2,
    ))  # fmt: skip
    assert found.value("content.mounts") == [f"{ROOT}/video"] and found.value("content.acl") == 3
    assert found.value("content.odd_file_names") == ["a", "b"] and found.value("content.backups") == ["www.zip"]
    assert found.value("content.hard_links_outside") == 2 and found.value("content.immutable") is None


def job(command, user="root", file="/etc/crontab", enabled=True):
    return "cron", {"file": file, "user": user, "schedule": "5 3 * * *", "command": command, "enabled": enabled}


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([job(f"php {ROOT}/cron.php")], [f"5 3 * * * php {ROOT}/cron.php"]),
        ([job("curl -s http://a.example.edu/cron.php")], ["5 3 * * * curl -s http://a.example.edu/cron.php"]),
        ([job("logrotate /etc/logrotate.conf")], []),
        ([job(f"php {ROOT}/cron.php", enabled=False)], []),
        ([job("/usr/bin/backup", user="www-data", file="/var/spool/cron/www-data")], []),
        ([], None),
    ],
)
def test_jobs_of_a_site(jobs, expected):
    assert site(content(), *jobs).value("site.cron") == expected


def test_texts_and_dates_of_its_database():
    application = "application", {"path": ROOT, "name": "WordPress", "database": {"name": "wp", "host": "localhost", "server": "mysql"}}
    server = "database_server", {"server": "mysql:x", "product": "MySQL", "version": "8.0.36", "sql_mode": "", "time_zone": "SYSTEM"}
    place = [{"table": "t", "column": "c", "rows": 3}]
    schema = "database", {
        "server": "mysql:x", "name": "wp", "tables": 3, "myisam_bytes": 120_000_001, "definers_missing": ["old@%"], "zero_date_defaults": 2,
        "foreign_keys_to": ["staff"], "table_collations": {"utf8mb4_0900_ai_ci": 2}, "column_collations": {"gbk_chinese_ci": 1},
        "samples": {"double_encoded": place, "utf8_in_latin1": [], "zero_dates": place},
    }  # fmt: skip
    found = site(content(), application, server, schema)
    assert found.value("database.lock_seconds") == 3
    assert found.value("database.collations_foreign") == ["utf8mb4_0900_ai_ci"]
    assert found.value("database.double_encoded") == ["t.c"] and found.value("database.utf8_in_latin1") == []
    assert found.value("database.zero_dates") == ["t.c"] and found.value("database.foreign_keys_to") == ["staff"]
    assert found.value("database.sql_mode") == "" and found.value("database.time_zone") == "SYSTEM"


def test_selinux():
    mode = "selinux", {"mode": "enforcing", "fcontexts": ["/srv/www(/.*)? x"], "booleans": [], "ports": ["8080"]}
    found = site(content(), mode)
    assert found.value("host.selinux") == "enforcing" and found.value("host.selinux_local") == ["/srv/www(/.*)? x", "8080"]
    assert site(content()).value("host.selinux_local") is None


@pytest.mark.parametrize(
    ("collation", "there"),
    [("utf8mb4_general_ci", True), ("utf8mb4_0900_ai_ci", False), ("gbk_chinese_ci", True), ("gb18030_chinese_ci", False), ("utf8mb4_ja_0900_as_cs", False), ("binary", True), ("uca1400_ai_ci", True)],
)  # fmt: skip
def test_collations_that_mariadb_has(collation, there):
    assert _in_mariadb(collation) is there
