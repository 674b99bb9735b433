"""What a system stands on, from facts: a good one whole, and each thing that has no way here named and never left out in silence."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import rebuild
from planner.stackmodel import carried

FACTS = {
    "site.docroot": "/srv/lib/opac", "site.names": ["opac.x.edu", "Catalogue.x.edu"], "site.ports": [80, 8080], "site.tls": False,
    "backend.kind": "tomcat", "backend.user": "tomcat", "backend.address": "127.0.0.1:8080", "backend.exposed": True,
    "backend.command": "/usr/bin/java -Djava.util.logging.config.file=/x -Xmx96m -XX:+UseSerialGC -Dshop.key=lib-Secret-1 -Dfile.encoding=UTF-8"
                       " -classpath /x org.apache.catalina.startup.Bootstrap start -Xignored",
    "content.owners": {"root": 2, "shop": 1}, "content.links_outside": [], "content.mounts": [],
    "database.used": True, "database.name": "catalogue", "database.user": "opac", "database.product": "PostgreSQL", "database.version": "13.4",
    "database.shared_with": [], "database.remote": "",
}  # fmt: skip
SERVER = "postgresql:5432:/var/lib/postgresql/13/main"
SEEN = [
    ("web_server", {"server": "tomcat", "version": "10.1.2"}),
    ("vhost", {"server": "nginx", "names": ["opac.x.edu"], "datasources": []}),
    ("vhost", {"server": "tomcat", "names": ["opac.x.edu", "catalogue.x.edu"], "contexts": [],
               "datasources": [{"file": "/etc/tomcat10/Catalina/opac.x.edu/ROOT.xml"}]}),
    ("package", {"name": "libpostgresql-jdbc-java", "state": "installed"}),
    ("account", {"name": "tomcat", "uid": 997, "gid": 997, "home": "/var/lib/tomcat"}),
    ("account", {"name": "shop", "uid": 1201, "gid": 1202, "home": "/srv/lib"}),
    ("cron", {"file": "/etc/cron.d/a", "user": "postgres", "schedule": "30 2 * * *", "command": "pg_dump -Fc catalogue > /x", "enabled": True}),
    ("cron", {"file": "/etc/cron.d/b", "user": "root", "schedule": "@daily", "command": "dump catalogue_old", "enabled": True}),
    ("cron", {"file": "/etc/cron.d/c", "user": "root", "schedule": "@daily", "command": "sh /srv/lib/opac/x", "enabled": False}),
    ("database", {"server": SERVER, "name": "catalogue", "owner": "library", "charset": "UTF8", "collation": "zh_CN.utf8", "ctype": "C.UTF-8",
                  "extensions": {"plpgsql": "1.0", "pg_trgm": "1.6"}, "large_objects": 0}),
    ("database_user", {"server": SERVER, "user": "opac", "superuser": False}),
    ("listener", {"address": "0.0.0.0", "port": 80}), ("listener", {"address": "*", "port": 8080}),
]  # fmt: skip


def made(changes=(), rows=(), *, without=(), release="debian-12", position=0):
    facts = {name: {"value": value} for name, value in {**FACTS, **dict(changes)}.items() if name not in without}
    seen = [*rows, *copy.deepcopy(SEEN)] if not callable(rows) else rows(copy.deepcopy(SEEN))
    return rebuild.rebuild(facts, rebuild.gather(seen), release, position)


def altered(kind, **fields):
    return lambda rows: [(k, {**data, **fields} if k == kind and data.get("server") != "nginx" else data) for k, data in rows]


def test_a_tomcat_with_its_database_is_rebuilt_whole():
    stack = made(position=2).stack
    assert stack.packages == (
        "default-jre-headless",
        "libpostgresql-jdbc-java",
        "locales",
        "nginx-light",
        "postgresql",
        "rsync",
        "tomcat10",
    )
    assert (stack.tomcat.host, stack.tomcat.aliases, stack.tomcat.port) == ("opac.x.edu", ("catalogue.x.edu",), 8082)
    assert stack.tomcat.java_options == ("-Xmx96m", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8")
    assert stack.tomcat.context == "/etc/tomcat10/Catalina/opac.x.edu/ROOT.xml"
    assert (stack.database.owner, stack.database.user, stack.database.collation) == ("library", "opac", "zh_CN.utf8")
    assert stack.database.locales == ("zh_CN.UTF-8 UTF-8",)
    assert [(user.name, user.uid, user.packaged) for user in stack.users] == [("shop", 1201, False), ("tomcat", 997, True)]
    assert [job.command for job in stack.jobs] == ["pg_dump -Fc catalogue > /x"]
    assert stack.ports == (80,)
    assert any("-Dshop.key of its Java is not carried over" in note for note in stack.notes)
    assert "lib-Secret-1" not in stack.model_dump_json()


def test_the_order_of_rows_changes_nothing_of_it():
    assert made(rows=lambda rows: rows[::-1]) == made()


@pytest.mark.parametrize(
    ("changes", "rows", "said"),
    [
        ({"backend.kind": "python"}, (), "no way yet to rebuild python"),
        ({"site.docroot": "/etc/app"}, (), "no directory of its own"),
        ({"site.docroot": "/srv"}, (), "no directory of its own"),
        ({"site.docroot": "/srv/a/../../etc"}, (), "no directory of its own"),
        ({"site.tls": True}, (), "HTTPS"),
        ({"content.links_outside": ["a -> /etc"]}, (), "leads outside"),
        ({"content.owners": {"ghost": 1}}, (), "files belong to ghost"),
        ({"database.product": "MariaDB"}, (), "only PostgreSQL"),
        ({"database.remote": "db.x.edu"}, (), "another host, db.x.edu"),
        ({"database.shared_with": ["y.edu"]}, (), "used by y.edu"),
        ({"database.user": ""}, (), "role with which"),
        ({"database.version": "17.2"}, (), "newer than the destination's 15"),
        ({"database.version": ""}, (), "(version unknown)"),
        ({"database.name": "gone"}, (), "gone was not seen"),
        ({}, altered("database_user", superuser=True), "superuser opac"),
        ({}, altered("database", extensions={"zhparser": "2"}), "no package is known for the extension zhparser"),
        ({}, altered("database", foreign_servers=["x"]), "foreign servers"),
        ({}, altered("database", collation="zh_CN"), "locale zh_CN"),
        ({}, altered("web_server", version="9.0.31"), "javax to jakarta"),
        ({}, altered("vhost", contexts=["/a"]), "other contexts"),
        ({}, altered("vhost", datasources=[{"file": "/etc/tomcat10/server.xml"}]), "stands in server.xml"),
        ({}, altered("vhost", names=["other.edu"]), "no host of its Tomcat"),
        ({}, altered("vhost", names=["opac.x.edu", 'a"><b']), "tomcat.aliases.0"),
        ({}, altered("database", owner='lib"; DROP'), "database.owner"),
        ({}, altered("cron", command="x /srv/lib/opac [redacted]", enabled=True), "a secret stands in it"),
    ],
)  # fmt: skip
def test_what_has_no_way_is_said(changes, rows, said):
    told = made(changes, rows)
    assert told.stack is None
    assert any(said in problem for problem in told.problems), told.problems


def test_all_problems_are_told_at_once():
    assert len(made({"site.tls": True, "database.version": "17", "content.owners": {"ghost": 1}}).problems) == 3


@pytest.mark.parametrize("name", ["site.docroot", "backend.kind", "database.name", "database.version", "database.user"])
def test_what_is_unknown_is_a_problem(name):
    assert made(without=[name]).problems


def test_a_newer_release_takes_a_newer_server():
    assert made({"database.version": "17.2"}, release="debian-13").stack is not None


@given(st.text(max_size=40))
def test_a_directory_that_is_carried_lies_below_a_place_for_systems(text):
    for path in (text, f"/srv/{text}"):
        if carried(path):
            assert not {"..", "."} & set(path.split("/"))
            assert not set(path) & set("\n\"'$`;\\{}[]*?")
