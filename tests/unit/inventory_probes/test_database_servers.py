"""The database sections against real servers, private ones in a process space of their own, so that no other server is seen or asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory.probes import datastores, mariadb, postgresql, redis
from inventory.probes.base import Observation, Probe, Section

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECRET = "Secret1"
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root: other users and a process space")


class Space:
    """A process space with its own /proc; what is started in it dies with it."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", "echo up; read x"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        assert self.holder.stdout is not None
        self.holder.stdout.readline()
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        self.enter = ["nsenter", "--target", children[0], "--pid", "--mount"]

    def run(self, script: str, *before: str, **environment: str) -> str:
        known = {"LC_ALL": "C", "PATH": PATH, "PRIV": "root", **environment}
        done = subprocess.run(
            [*self.enter, *before, "sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, timeout=100, env=known, check=False
        )
        text = done.stdout.decode("utf-8", "surrogateescape")
        assert done.returncode == 0, (text, done.stderr)
        return text

    def read(self, probe: Probe, *before: str, **environment: str) -> list[Observation]:
        text = self.run(probe.script, *before, **environment)
        assert SECRET not in text
        return probe.parse(Section(probe.name, text))


@pytest.fixture
def space() -> Iterator[Space]:
    made = Space()
    yield made
    made.holder.kill()
    made.holder.wait()


def only(found: list[Observation], kind: str, **where: object) -> dict[str, object]:
    chosen = [item.data for item in found if item.kind == kind and all(item.data.get(k) == v for k, v in where.items())]
    assert len(chosen) == 1, (kind, where, found)
    return chosen[0]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, for sockets, that other users may enter."""
    path = Path("/tmp") / f"servers-{os.getpid()}"
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path)


MARIADB = """
set -e; cd /; chown nobody {d}; install -d -o nobody {d}/data
mariadb-install-db --no-defaults --user=nobody --datadir={d}/data --auth-root-authentication-method=socket --skip-test-db >/dev/null 2>&1
setsid mariadbd --no-defaults --user=nobody --datadir={d}/data --socket={d}/mysqld.sock --skip-networking --pid-file={d}/pid \
  --log-error={d}/log --innodb-buffer-pool-size=8M >/dev/null 2>&1 &
n=0; while ! mariadb --no-defaults --socket={d}/mysqld.sock -e 'SELECT 1' >/dev/null 2>&1; do n=$((n + 1)); test $n -lt 60 || exit 1; sleep 0.5; done
printf '%s' "$SQL" | mariadb --no-defaults --socket={d}/mysqld.sock --default-character-set=utf8mb4
"""
SQL = r"""
CREATE DATABASE odd CHARACTER SET utf8mb4; CREATE DATABASE `we``ird	"na'me;--
x` CHARACTER SET latin1;
USE odd;
CREATE TABLE news (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB; INSERT INTO news VALUES (1,'历史学院'),(2,'Café – «déjà» publié'),(3,'x');
CREATE TABLE twice (t TEXT); INSERT INTO twice SELECT CONVERT(CONVERT(CAST(t AS BINARY) USING latin1) USING utf8mb4) FROM news;
CREATE TABLE `we``ird	"na'me;--
x`.`ta``b	le'` (`co``l'` VARCHAR(20), KEY (`co``l'`)) ENGINE=MyISAM;
INSERT INTO `we``ird	"na'me;--
x`.`ta``b	le'` VALUES (0xE789A9E79086),('ascii'),(0xB5);
SET sql_mode=''; CREATE TABLE dates (d DATE NOT NULL DEFAULT '0000-00-00'); INSERT INTO dates VALUES ('0000-00-00'),('2020-01-01');
CREATE USER app@'10.0.0.%' IDENTIFIED BY 'Secret1'; GRANT SELECT, INSERT ON `odd`.* TO app@'10.0.0.%';
CREATE USER daemon@localhost IDENTIFIED BY 'Secret1'; GRANT SELECT ON odd.* TO daemon@localhost;
CREATE USER gone@localhost; CREATE DEFINER=gone@localhost PROCEDURE p() SELECT 1; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1;
DROP USER gone@localhost;
"""


def test_mariadb(space: Space, folder: Path) -> None:
    """As root over the socket; and as a user whose client file holds a password: less is seen, and what is not seen is not zero."""
    space.run(MARIADB.format(d=folder), SQL=SQL)
    found = space.read(mariadb.PROBE)
    assert [item.data for item in found if item.kind == "unknown"] == []
    server = only(found, "database_server")
    assert (server["product"], server["socket"], server["complete"]) == ("MariaDB", f"{folder}/mysqld.sock", True)
    odd = only(found, "database", name="odd")
    assert odd["definers_missing"] == ["gone@localhost"]
    assert (odd["tables"], odd["routines"], odd["events"], odd["events_enabled"], odd["zero_date_defaults"]) == (3, 1, 1, 0, 1)
    samples = odd["samples"]
    assert isinstance(samples, dict)
    assert samples["double_encoded"] == [{"table": "twice", "column": "t", "rows": 2, "not_ascii": 2}]
    assert samples["zero_dates"] == [{"table": "dates", "column": "d", "rows": 1}]
    weird = only(found, "database", name="we`ird\t\"na'me;--\nx")
    assert weird["myisam_bytes"] == weird["bytes"] != 0
    assert weird["samples"]["utf8_in_latin1"] == [{"table": "ta`b\tle'", "column": "co`l'", "rows": 1, "not_ascii": 2}]  # type: ignore[index]
    app = only(found, "database_user", user="app")
    assert (app["host"], app["privileges"]) == ("10.0.0.%", {"odd": ["INSERT", "SELECT"]})

    home = folder / "home"
    home.mkdir()
    (home / ".my.cnf").write_text(f"[client]\nuser=daemon\npassword={SECRET}\n")
    (home / ".my.cnf").chmod(0o600)
    shutil.chown(home / ".my.cnf", "daemon")
    daemon = ("setpriv", "--reuid", "daemon", "--regid", "daemon", "--clear-groups")
    found = space.read(mariadb.PROBE, *daemon, HOME=str(home), PRIV="user")
    assert only(found, "database_server")["complete"] is False
    odd = only(found, "database", name="odd")
    assert (odd["tables"], "routines" in odd, "events" in odd, "definers" in odd) == (3, False, False, False)
    assert {item.data["what"] for item in found if item.kind == "unknown"} >= {"databases", "databases:clients"}


def test_mariadb_that_refuses(space: Space, folder: Path) -> None:
    space.run(MARIADB.format(d=folder), SQL="SELECT 1")
    nobody = ("setpriv", "--reuid", "bin", "--regid", "bin", "--clear-groups")
    found = space.read(mariadb.PROBE, *nobody, HOME="/nonexistent", PRIV="user")
    assert [item.kind for item in found] == ["unknown"]
    assert "refuses this account" in found[0].data["why"]


POSTGRESQL = """
set -e; cd /; b=`ls -d /usr/lib/postgresql/*/bin | tail -n 1`; install -d -o postgres {d}/data
as='setpriv --reuid postgres --regid postgres --clear-groups'
$as $b/initdb -D {d}/data -E UTF8 --locale=C -A peer >/dev/null 2>&1
echo 'host odd app 10.0.0.0/8 ldap ldapserver=l.x.test ldapbinddn=cn=a ldapbindpasswd=Secret1 ldapbasedn=dc=x' >> {d}/data/pg_hba.conf
chown postgres {d}; setsid $as $b/postgres -D {d}/data -p 54399 -k {d} -c listen_addresses= >{d}/log 2>&1 &
n=0; while ! $as psql -X -h {d} -p 54399 -d postgres -c 'SELECT 1' >/dev/null 2>&1; do n=$((n + 1)); test $n -lt 60 || exit 1; sleep 0.5; done
printf '%s' "$SQL" | $as psql -X -q -h {d} -p 54399 -d postgres -v ON_ERROR_STOP=1 >/dev/null
"""
TABLES = r"""
CREATE ROLE app LOGIN PASSWORD 'Secret1'; CREATE DATABASE odd OWNER app; CREATE DATABASE "we""ird	\n'ame
x" ENCODING 'SQL_ASCII' TEMPLATE template0; CREATE DATABASE closed ALLOW_CONNECTIONS false;
\connect odd
CREATE SCHEMA s AUTHORIZATION app; CREATE TABLE s.t (id serial PRIMARY KEY, x text); INSERT INTO s.t (x) SELECT 'x' FROM generate_series(1, 1000);
ANALYZE s.t; CREATE UNLOGGED TABLE u (a int); CREATE VIEW v AS SELECT 1;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TRIGGER tr BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE s.t DISABLE TRIGGER tr; SELECT lo_from_bytea(0, 'abc');
"""


def test_postgresql(space: Space, folder: Path, tmp_path: Path) -> None:
    """As the cluster's own account; with setpriv, and with su where that is missing, as on old systems."""
    space.run(POSTGRESQL.format(d=folder), SQL=TABLES)
    found = [item for item in space.read(postgresql.PROBE) if item.data.get("running") is not False]
    server = only(found, "database_server")
    assert (server["port"], server["datadir"], server["complete"]) == ("54399", f"{folder}/data", True)
    assert any("ldap" in rule for rule in server["rules"])  # type: ignore[attr-defined]
    odd = only(found, "database", name="odd")
    assert (odd["owner"], odd["tables"], odd["views"], odd["rows_estimate"], odd["unlogged_tables"]) == ("app", 2, 1, 1000, 1)
    assert (odd["functions"], odd["triggers_disabled"], odd["large_objects"]) == ({"plpgsql": 1, "sql": 1}, 1, 1)
    assert odd["schemas"]["s"] == "app"  # type: ignore[index]
    assert only(found, "database", name="we\"ird\t\\n'ame\nx")["charset"] == "SQL_ASCII"
    assert [item.data["what"] for item in found if item.kind == "unknown"] == ["databases:postgresql:closed"]
    assert only(found, "database_user", user="app")["schemas"] == ["odd"]
    (tmp_path / "setpriv").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "setpriv").chmod(0o755)
    again = [item for item in space.read(postgresql.PROBE, PATH=f"{tmp_path}:{PATH}") if item.data.get("running") is not False]
    assert [item.kind for item in again] == [item.kind for item in found]


@pytest.mark.skipif(not shutil.which("redis-server"), reason="Debian's package starts a server, so tests/setup.sh leaves it out")
@pytest.mark.parametrize("client", [True, False])
def test_redis(space: Space, folder: Path, client: bool) -> None:
    """With redis-cli, and by bash's own sockets; one server wants a password and gives nothing."""
    script = "cd {d}; " + "".join(
        f"redis-server --port {port} --bind 127.0.0.1 --daemonize yes --dir {{d}} --dbfilename {port}.rdb {more} >/dev/null; "
        for port, more in ((46391, ""), (46392, f"--requirepass {SECRET}"))
    )
    space.run(
        script.format(d=folder) + f"sleep 1; redis-cli -p 46391 -n 3 set dir {SECRET} >/dev/null; "
        "n=0; until redis-cli -p 46392 ping >/dev/null; do n=$((n + 1)); test $n -lt 50; sleep 0.2; done; sleep 0.5"
    )
    probe = redis.PROBE
    if not client:
        probe = Probe("redis", redis.SCRIPT.replace("have redis-cli || have valkey-cli", "false"), redis.parse)
    found = space.read(probe)
    server = only(found, "database_server", port="46391")
    assert (server["protected"], server["settings"]["dir"]) == (False, str(folder))  # type: ignore[index]
    assert only(found, "database", name="3")["keys"] == 1
    assert only(found, "database_server", port="46392")["protected"] is True
    assert [item.data["why"] for item in found if item.kind == "unknown"] == ["it wants a password"]


def test_mongodb_by_its_process(space: Space, folder: Path) -> None:
    """A stand-in with the name and the arguments of mongod (of the old storage engine); a password among them stays on the host."""
    (folder / "db").mkdir()
    for name in ("old.ns", "local.ns"):
        (folder / "db" / name).write_text("x")
    # the kernel's name of a process is its file's; bash takes any arguments after a command
    shutil.copy(shutil.which("bash") or "", folder / "mongod")
    space.run(f"setsid {folder}/mongod -c 'sleep 60; :' --dbpath {folder}/db --keyFilePassword {SECRET} >/dev/null 2>&1 & sleep 0.5")
    found = space.read(datastores.PROBE)
    server = only(found, "database_server")
    assert (server["product"], server["complete"], server["datadir"]) == ("MongoDB", False, f"{folder}/db")
    assert "seen by its process only" in only(found, "unknown")["why"]  # type: ignore[operator]
    assert sorted(item.data["name"] for item in found if item.kind == "database") == ["local", "old"]
