"""A system moves to a virtual machine that the center made: the library's catalogue, a Tomcat with PostgreSQL.  From discovery to the cutover,
and back; a second run of the roles changes nothing.  One story: the tests look at what it left, in order.
"""

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
HOSTS = ("ns1", "lib", "vps1")
MOVE = "opac-lib-campus-test"
ROWS = "SELECT (SELECT count(*) FROM book), (SELECT count(*) FROM author), (SELECT count(*) FROM circulation.loan)"


def sql(campus, host, text, database="catalogue", role=""):
    words = f"SET ROLE {role}; {text}" if role else text
    command = ["exec", host, "su", "-s", "/bin/sh", "postgres", "-c", f'cd / && psql -XAtq -d {database} -c "{words}" 2>&1']
    return campus.lab(*command, check=False).stdout.strip()


def source_state(campus):
    """What a move could leave on its source."""
    look = (
        "ls -A /var/lib/planner-move 2>/dev/null; cat /home/ops/.ssh/authorized_keys; cat /etc/nginx/sites-available/lib; grep srv/lib /proc/mounts;"
        " find /etc/tomcat10/Catalina /srv/lib/opac -printf '%p %y %U %G %m %s\\n' | sort; cat /srv/lib/opac/index.jsp; crontab -u postgres -l; systemctl list-timers --all | grep -c planner"
    )
    settings = sql(
        campus,
        "lib",
        "SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting UNION ALL SELECT 0, 0, rolconfig FROM pg_roles",
        "postgres",
    )
    return campus.lab("exec", "lib", "sh", "-c", look, check=False).stdout, settings


@pytest.fixture(scope="module")
def space(campus, tmp_path_factory):
    sheets = ("units.yml", "servers.csv", "sites.csv", "more-servers.csv", "more-sites.csv")
    return campus.workspace(tmp_path_factory.mktemp("workspace"), HOSTS[1:], sheets)


@pytest.fixture(scope="module")
def before(campus, space):
    return source_state(campus)


@pytest.fixture(scope="module")
def planned(campus, space, before):
    campus.planner(space, "discover", "lib")
    campus.planner(space, "assess")
    document = json.loads(campus.planner(space, "plan", "--json").stdout)
    campus.planner(space, "generate")
    campus.planner(space, "plan", "settle", MOVE, "database-disagreements", "--by", "the lab", "--why", "its rights stand on tables")
    campus.planner(space, "plan", "approve", "--by", "the lab", "--despite", "this is a lab")
    return {move["id"]: move for move in document["moves"]}


@pytest.fixture(scope="module")
def moved(campus, space, planned):
    return campus.planner(space, "run", "--yes", "--any-time", "a lab has no nights", "--move", MOVE)


def test_the_plan_says_what_the_system_stands_on_and_leaves_nothing_out_in_silence(campus, planned):
    move = planned[MOVE]
    assert (move["placement"], move["carried_out"], move["destination"]["receiver"]) == ("vps", "planner", "vps1")
    stack = move["stack"]
    assert {"tomcat10", "postgresql", "libpostgresql-jdbc-java"} <= set(stack["packages"])
    assert stack["tomcat"]["context"] == "/etc/tomcat10/Catalina/opac.lib.campus.test/ROOT.xml"
    assert stack["database"]["extensions"] == ["pg_trgm", "plpgsql", "unaccent"]
    assert [job["user"] for job in stack["jobs"]] == ["postgres"]
    assert "port 8080 was open" in move["note"]
    for name in ("rooms-lib-campus-test", "news-lib-campus-test", "www-lib-campus-test"):
        assert planned[name]["carried_out"] == "by hand"
        assert "by hand: " in planned[name]["note"]
    assert "no virtual machine has been made for it" in planned["news-lib-campus-test"]["note"]


def test_it_is_carried_out_and_was_proved_equal_before_dns_moved(campus, space, moved):
    state = {row["move"]: row for row in json.loads(campus.planner(space, "status", "--json").stdout)}[MOVE]
    assert state["state"] == "done", moved.stderr
    book = sqlite3.connect(space / "catalogue.db")
    ((verdict, data),) = book.execute("select verdict, data from comparison where move=?", (MOVE,)).fetchall()
    book.close()
    assert verdict == "equal"
    rows, files, pages = (json.loads(data)[part] for part in ("rows", "files", "pages"))
    assert rows["compared"] >= 30, "tables, and all that stands beside them"
    assert files["compared"] == 2
    assert sum(page["outcome"] == "equal" for page in pages["pages"]) >= 1
    assert campus.ctl("dig", "+short", "opac.lib.campus.test").split() == ["198.51.100.120"]
    assert "史记" in campus.ctl("curl", "-s", "http://opac.lib.campus.test/")


def test_rows_grants_and_jobs_are_at_the_destination(campus, moved):
    assert sql(campus, "vps1", ROWS) == sql(campus, "lib", ROWS) == "3000|300|6000"
    assert (
        "INSERT 0 1" in sql(campus, "vps1", "INSERT INTO circulation.loan(book, reader) VALUES (1, 'x')", role="desk")
        or sql(campus, "vps1", "SELECT count(*) FROM circulation.loan") == "6000"
    )
    assert "permission denied" in sql(campus, "vps1", "DELETE FROM book", role="opac")
    assert sql(campus, "vps1", "SELECT count(rolpassword) FROM pg_authid WHERE rolname = 'desk'") == "0", "no password came along"
    jobs = campus.lab("exec", "vps1", "cat", "/etc/cron.d/w-opac-lib-campus-test").stdout
    assert "\n30 2 * * * postgres pg_dump" in jobs, "it rests until the cutover and runs from then on"


def test_who_still_comes_to_the_old_address_gets_the_new_machine_and_the_old_database_takes_no_writes(campus, moved):
    campus.lab("exec", "vps1", "sh", "-c", "echo '<p>only here</p>' > /srv/lib/opac/new.html")
    old = campus.ctl("curl", "-s", "--resolve", "opac.lib.campus.test:80:198.51.100.13", "http://opac.lib.campus.test/new.html")
    campus.lab("exec", "vps1", "rm", "/srv/lib/opac/new.html")
    assert "only here" in old
    assert "read-only transaction" in sql(campus, "lib", "INSERT INTO author(name) VALUES ('x')")
    for name in ("rooms", "news", "exhibits"):
        assert campus.ctl("curl", "-s", f"http://{name}.lib.campus.test/"), "its neighbours on the old host answer as before"


def test_the_machine_is_hardened_and_nothing_but_its_ports_is_open(campus, moved):
    assert campus.ctl("curl", "-s", "--max-time", "5", "http://198.51.100.120:8080/") == ""
    rules = campus.lab("exec", "vps1", "nft", "list", "ruleset").stdout
    assert "policy drop" in rules
    assert "tcp dport 80 accept" in rules
    assert "permitrootlogin without-password" in campus.lab("exec", "vps1", "sshd", "-T").stdout.lower()
    assert "vps-firewall-trial" not in campus.lab("exec", "vps1", "systemctl", "list-timers", "--all").stdout, "the trial is over"


def test_no_secret_of_the_source_is_in_plan_bundle_or_records(campus, space, moved):
    password = json.loads(campus.lab("exec", "vps1", "cat", "/var/lib/systems/w-opac-lib-campus-test.json").stdout)["password"].encode()
    texts = [path.read_bytes() for path in space.rglob("*") if path.is_file()]
    assert texts
    for secret in (*campus.secrets, password):
        assert not any(secret in text for text in texts)
    context = campus.lab("exec", "vps1", "sh", "-c", "cat /srv/systems/*/tomcat/conf/Catalina/*/ROOT.xml").stdout
    assert password.decode() in context
    assert "lib-Secret" not in context


def test_a_second_run_changes_nothing(campus, space, moved):
    said = json.loads(campus.planner(space, "drift", "--json").stdout)
    assert said and not any(row["would_change"] or row["trouble"] for row in said), said


def test_its_database_is_backed_up_and_restored_on_trial(campus, space, moved):
    platforms = space / "inventory/platforms.yml"
    platforms.write_text(platforms.read_text() + "backup: {name: vps1, address: 198.51.100.120, free_bytes: 10 MB}\n")
    campus.planner(space, "operations", "setup", "--yes")
    campus.lab("exec", "vps1", "systemctl", "start", "site-backup.service")
    (row,) = json.loads(campus.planner(space, "operations", "--json").stdout)
    assert row["warnings"] == ["its backups lie on the machine that serves it"], "it is the lab's only one of its kind"
    assert (row["backup"]["state"], row["restore"]["state"], row["rotation"]) == ("ok", "ok", "ok")
    counted = sql(campus, "vps1", ROWS.replace(", (", " + ("))
    assert str(row["restore"]["rows"]) == str(row["backup"]["rows"])
    assert row["restore"]["rows"] >= int(counted) > 0
    assert sql(campus, "vps1", "SELECT count(*) FROM pg_database WHERE datname LIKE 'planner%'", "postgres") == "0"
    settings = campus.lab("exec", "vps1", "sh", "-c", f"tar tzf /srv/backup/{MOVE}/*/settings.tar.gz").stdout
    assert "tomcat/conf/" in settings
    assert "etc/systemd/system/w-opac-lib-campus-test.service" in settings


def test_it_is_taken_back_and_the_source_is_as_before(campus, space, before, moved):
    campus.planner(space, "rollback", MOVE, "--yes")
    assert campus.ctl("dig", "+short", "opac.lib.campus.test").split() == ["198.51.100.13"]
    assert source_state(campus) == before
    assert sql(campus, "lib", "INSERT INTO author(name) VALUES ('after the rollback') RETURNING 'written'") == "written"
    assert "史记" in campus.ctl("curl", "-s", "http://opac.lib.campus.test/")
    left = campus.lab(
        "exec",
        "vps1",
        "sh",
        "-c",
        "ls /etc/nginx/sites-enabled /etc/cron.d /srv/systems /var/lib/systems /etc/nftables.d /var/backups/systems",
    ).stdout
    assert left.count("w-opac-lib-campus-test") == 2, f"only the archives are left: {left}"
    assert sql(campus, "vps1", "SELECT count(*) FROM pg_database WHERE datname = 'catalogue'", "postgres") == "0"
    assert sql(campus, "vps1", "SELECT count(*) FROM pg_roles WHERE rolname IN ('opac', 'desk', 'library')", "postgres") == "0"


def test_a_source_whose_planner_is_gone_releases_its_database_itself(campus, space, moved):
    folder = next((space / "plans").glob("plan-*")) / "bundle"
    program = str(Path(sys.executable).parent / "ansible-playbook")
    freeze = [
        sys.executable,
        campus.root / "lab/lab",
        "ctl",
        "--",
        program,
        f"moves/{MOVE}/40-freeze.yml",
        "-e",
        '{"source_freeze_release_after": 6}',
    ]
    subprocess.run(freeze, cwd=folder, env=campus.environment, capture_output=True, check=True)
    until = time.time() + 60
    while "written" not in sql(campus, "lib", "INSERT INTO author(name) VALUES ('after the clock') RETURNING 'written'"):
        assert time.time() < until, "the database stayed frozen"
        time.sleep(0.5)
    assert campus.lab("exec", "lib", "ls", "/var/lib/planner-move", check=False).stdout == ""
