"""Faults put into copies of a real tree and of a real MariaDB schema: each is found by what the product runs there, and a clean copy is equal."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from planner import postgresqlrows, thresholds
from planner.contents import CHECKSUM_SCRIPT, ROWS_SCRIPT, compare_files, compare_rows, parse_checksums, parse_rows

ROOT = os.geteuid() == 0


def listing(folder: Path):
    done = subprocess.run(["sh", "-s", str(folder)], input=CHECKSUM_SCRIPT.encode(), capture_output=True, check=True)
    read = parse_checksums(done.stdout.decode("utf-8", "surrogateescape"))
    assert not read.malformed
    return read.entries


@pytest.fixture
def trees(tmp_path):
    """A docroot with two owners (as root), and its copy, which belongs to one account throughout."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for n in range(12):
        folder = ours / ("uploads" if n % 2 else "pages") / f"{n}"
        folder.mkdir(parents=True)
        (folder / "文章.html").write_text(f"<p>{n}")
        (folder / "报告.pdf").write_bytes(b"%PDF" + bytes([n]) * 5000)
    (ours / "cache").mkdir()
    (ours / "new\nline").mkdir()
    (ours / "latest").symlink_to("pages/0/文章.html")
    shutil.copytree(ours, theirs, symlinks=True)
    if ROOT:
        for path in sorted([ours, *ours.rglob("*")]):
            os.chown(path, 33 if "uploads" in path.parts else 1000, 33, follow_symlinks=False)
        for path in sorted([theirs, *theirs.rglob("*")]):
            os.chown(path, 2001, 2002, follow_symlinks=False)
    return ours, theirs


def test_a_clean_copy_under_another_account_is_equal(trees):
    ours, theirs = trees
    found = compare_files(listing(ours), listing(theirs))
    assert (found.verdict, found.differences, found.compared) == ("equal", (), 25)


def _byte(place: Path):
    data = bytearray((place / "pages/2/报告.pdf").read_bytes())
    data[100] ^= 1
    (place / "pages/2/报告.pdf").write_bytes(data)


TREE_FAULTS = {
    "one byte of a PDF": (_byte, "pages/2/报告.pdf", "content", "block", False),
    "a lost file": (lambda d: (d / "uploads/3/文章.html").unlink(), "uploads/3/文章.html", "missing", "block", False),
    "a file too many": (lambda d: (d / "uploads/3/x.php").write_text("x"), "uploads/3/x.php", "extra", "block", False),
    "a lost empty folder": (lambda d: (d / "cache").rmdir(), "cache", "missing", "block", False),
    "a lost folder with an odd name": (lambda d: (d / "new\nline").rmdir(), "new\nline", "missing", "block", False),
    "a link that leads elsewhere": (
        lambda d: ((d / "latest").unlink(), (d / "latest").symlink_to("/etc/passwd")), "latest", "link", "block", False,
    ),
    "a link that became a copy": (
        lambda d: ((d / "latest").unlink(), (d / "latest").write_text("<p>0")), "latest", "type", "block", False,
    ),
    "a mode": (lambda d: (d / "pages/4/报告.pdf").chmod(0o600), "pages/4/报告.pdf", "mode", "warn", False),
    "a wrong owner": (lambda d: os.chown(d / "uploads/5/报告.pdf", 0, 0), "uploads/5/报告.pdf", "owner", "block", True),
    "a folder with a wrong owner": (lambda d: os.chown(d / "uploads/7", 0, 2002), "uploads/7", "owner", "block", True),
    "a wrong group": (lambda d: os.chown(d / "uploads/9", 2001, 0), "uploads/9", "owner", "block", True),
}  # fmt: skip


@pytest.mark.parametrize("name", TREE_FAULTS)
def test_a_fault_of_a_tree_is_found_alone(trees, name):
    change, path, kind, severity, needs_root = TREE_FAULTS[name]
    if needs_root and not ROOT:
        pytest.skip("needs root: gives a file to somebody else")
    ours, theirs = trees
    change(theirs)
    found = compare_files(listing(ours), listing(theirs))
    assert [(d.name, d.kind, d.severity) for d in found.differences] == [(path, kind, severity)]
    assert found.verdict == ("different" if severity == "block" else "equal")


@pytest.mark.skipif(not ROOT, reason="needs root: a file of another that nobody else may read, read by nobody")
def test_what_cannot_be_read_is_never_equal(trees):
    ours, theirs = trees
    (theirs / "pages/0/报告.pdf").chmod(0o000)
    theirs.parent.chmod(0o755)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-s", str(theirs)]
    for parent in theirs.parents:
        if parent != Path("/") and parent.stat().st_uid == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
    done = subprocess.run(command, input=CHECKSUM_SCRIPT.encode(), capture_output=True, check=False)
    found = compare_files(listing(ours), parse_checksums(done.stdout.decode()).entries)
    assert [(d.name, d.kind) for d in found.not_compared] == [("pages/0/报告.pdf", "unreadable")]
    assert found.verdict == "insufficient"


SCHEMA = """
CREATE TABLE posts (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(100) NOT NULL, body TEXT, at DATETIME, score DOUBLE, KEY at (at))
  DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE old (id INT PRIMARY KEY, name VARCHAR(50)) DEFAULT CHARSET=gbk;
INSERT INTO posts (title, body, at, score) VALUES ('招生简章', '欢迎报考 😀', '2026-11-01 08:00:00', 0.1), ('通知', '放假安排', NULL, 2), ('x', '', '0000-00-00', -1);
INSERT INTO old VALUES (1, '历史'), (2, '地理');
CREATE VIEW recent AS SELECT title FROM posts;
CREATE TRIGGER t BEFORE INSERT ON posts FOR EACH ROW SET NEW.score = 0;
CREATE PROCEDURE p() SELECT 1;
"""
ROW_FAULTS = {
    "a lost row": ("DELETE FROM posts WHERE id = 2", [("posts", "rows")]),
    "a row that was replaced": ("UPDATE old SET id = 3 WHERE id = 2", [("old", "content")]),
    "a lost table": ("DROP TABLE old", [("collation of old", "missing"), ("definition of table old", "missing"), ("indexes of old", "missing"), ("old", "missing")]),
    "an emoji that became a question mark": ("UPDATE posts SET body = REPLACE(body, '😀', '?')", [("posts", "content")]),
    "text encoded twice": ("UPDATE posts SET title = CONVERT(BINARY CONVERT(title USING utf8mb4) USING latin1) WHERE id = 1", [("posts", "content")]),
    "characters of GBK lost": ("UPDATE old SET name = '??' WHERE id = 1", [("old", "content")]),
    "a wrong collation of a column": (
        "ALTER TABLE posts MODIFY title VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL", [("collation of posts", "collation")],
    ),
    "a table in another charset": (
        "ALTER TABLE old CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        [("collation of old", "collation"), ("definition of table old", "content"), ("old", "content")],
    ),
    "a shorter column": ("ALTER TABLE posts MODIFY title VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL", [("definition of table posts", "content"), ("definition of table recent", "content")]),
    "a lost index": ("ALTER TABLE posts DROP KEY at", [("indexes of posts", "content")]),
    "a lost view": ("DROP VIEW recent", [("definition of table recent", "missing"), ("definition of view recent", "missing")]),
    "a lost trigger": ("DROP TRIGGER t", [("definition of trigger t", "missing")]),
    "a lost procedure": ("DROP PROCEDURE p", [("definition of routine p", "missing")]),
    "a rounded figure": ("UPDATE posts SET score = 0.1000001 WHERE id = 1", [("posts", "content")]),
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A MariaDB of our own, and a home whose settings lead the client to it; tests/setup.sh installs it, as root."""
    if not shutil.which("mariadbd"):
        pytest.skip("there is no mariadbd: tests/setup.sh installs it when it runs as root")
    folder = tmp_path_factory.mktemp("db")
    user = ["--user=root"] if ROOT else []
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", *user, f"--datadir={folder}/data", "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True, capture_output=True,
    )  # fmt: skip
    socket = folder / "s"
    program = subprocess.Popen(
        ["mariadbd", "--no-defaults", *user, f"--datadir={folder}/data", f"--socket={socket}", "--skip-networking", "--sql-mode=",
         "--innodb-flush-log-at-trx-commit=0"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    (folder / ".my.cnf").write_text(f"[client]\nsocket={socket}\nuser=root\n")
    environment = {**os.environ, "HOME": str(folder)}

    def sql(text: str, schema: str = "mysql") -> str:
        command = ["mariadb", "--batch", "--default-character-set=utf8mb4", schema]
        return subprocess.run(command, input=text.encode(), capture_output=True, check=True, env=environment).stdout.decode()

    for _ in range(200):
        if subprocess.run(["mariadb", "-e", "SELECT 1"], capture_output=True, env=environment, check=False).returncode == 0:
            break
        time.sleep(0.05)
    yield sql, environment
    program.terminate()
    program.wait(20)


def rows(server, schema: str):
    done = subprocess.run(["sh", "-s", schema], input=ROWS_SCRIPT.encode(), capture_output=True, check=True, env=server[1])
    return parse_rows(done.stdout.decode())


@pytest.fixture
def schemas(server):
    for name in ("ours", "theirs"):
        server[0](f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} CHARACTER SET utf8mb4; USE {name}; {SCHEMA}")
    return server


def test_a_clean_copy_of_a_schema_is_equal(schemas):
    found = compare_rows(rows(schemas, "ours"), rows(schemas, "theirs"))
    assert (found.verdict, found.differences, found.not_compared) == ("equal", (), ())
    assert found.compared == 12


def test_each_fault_of_a_schema_is_found_alone(server):
    """One server and one source for all of them: what takes long is to start it."""
    sql = server[0]
    sql(f"DROP DATABASE IF EXISTS ours; CREATE DATABASE ours CHARACTER SET utf8mb4; USE ours; {SCHEMA}")
    ours = rows(server, "ours")
    for name, (change, expected) in ROW_FAULTS.items():
        sql(f"DROP DATABASE IF EXISTS theirs; CREATE DATABASE theirs CHARACTER SET utf8mb4; USE theirs; {SCHEMA}; {change}")
        found = compare_rows(ours, rows(server, "theirs"))
        assert sorted((d.name, d.kind) for d in found.differences) == sorted(expected), name
        assert found.verdict == "different", name


def test_a_collation_that_the_copy_replaces_differs_by_design_and_any_other_does_not():
    def side(collation: str):
        return {"posts": (1, "a"), "collation of posts": (1, f"title=utf8mb4_bin\nbody={collation}")}

    meant = compare_rows(side("utf8mb4_0900_ai_ci"), side("utf8mb4_unicode_520_ci"))
    assert (meant.verdict, [(d.kind, d.severity) for d in meant.differences]) == ("equal", [("collation", "design")])
    assert meant.differences[0].source == "body=utf8mb4_0900_ai_ci"
    wrong = compare_rows(side("utf8mb4_0900_ai_ci"), side("utf8mb4_general_ci"))
    assert (wrong.verdict, [(d.kind, d.severity) for d in wrong.differences]) == ("different", [("collation", "block")])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("id int(11) -", "id int -"),
        ("a varchar(9) utf8", "a varchar(9) utf8mb3"),
        ("j json -", "j longtext utf8mb4"),
        ("y year(4) -", "y year -"),
    ],
)
def test_two_servers_write_one_column_in_two_ways(ours, theirs):
    lines = ["\t".join(("listed", b"definition of table x".hex(), "1", text.encode().hex(), "0")) + "\nend" for text in (ours, theirs)]
    assert compare_rows(parse_rows(lines[0]), parse_rows(lines[1])).verdict == "equal"


def test_a_weight_of_the_workspace_counts(tmp_path, trees):
    ours, theirs = trees
    (theirs / "pages/4/报告.pdf").chmod(0o600)
    (tmp_path / "verification.yml").write_text("files: {mode: blocking}\n")
    assert compare_files(listing(ours), listing(theirs), (), thresholds.load(tmp_path)).verdict == "different"


PG_SCHEMA = """
CREATE TABLE posts (id int PRIMARY KEY, title text NOT NULL, price numeric(9,2), code text COLLATE "C");
INSERT INTO posts VALUES (1, '招生简章 😀', 1.50, 'a'), (2, '通知', NULL, 'b');
CREATE INDEX title_at ON posts (title); CREATE VIEW recent AS SELECT title FROM posts; CREATE SEQUENCE s; SELECT nextval('s');
"""
PG_FAULTS = {
    "a lost row": ("DELETE FROM posts WHERE id = 2", [("public.posts", "rows")]),
    "an emoji that became a question mark": ("UPDATE posts SET title = replace(title, '😀', '?')", [("public.posts", "content")]),
    "a wrong collation": ('ALTER TABLE posts ALTER code TYPE text COLLATE "POSIX"', [("definition of columns of public.posts", "content")]),
    "a lost index": ("DROP INDEX title_at", [("definition of index public.title_at", "missing")]),
    "a sequence that begins anew": ("SELECT setval('s', 1, false)", [("definition of sequence public.s", "content")]),
}


@pytest.mark.skipif(not ROOT, reason="needs root: the script becomes the server's own account")
def test_each_fault_of_a_postgresql_database_is_found_alone():
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("there is no PostgreSQL: tests/setup.sh installs it when it runs as root")
    folder = Path(
        subprocess.run(["su", "-s", "/bin/sh", "postgres", "-c", "mktemp -d"], capture_output=True, text=True, check=True).stdout.strip()
    )
    environment = {**os.environ, "PGHOST": str(folder), "PGPORT": "54399"}

    def as_postgres(command: str, text: str = "") -> str:
        done = subprocess.run(
            ["su", "-s", "/bin/sh", "postgres", "-c", f"cd / && {command}"],
            input=text,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def listed(name: str):
        done = subprocess.run(["sh", "-s", name], input=postgresqlrows.SCRIPT, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return parse_rows(done.stdout)

    try:
        as_postgres(f"{programs[-1]}/initdb -D {folder}/data -E UTF8 --no-sync --locale=C.UTF-8 >/dev/null")
        as_postgres(
            f"{programs[-1]}/pg_ctl -w -D {folder}/data -o '-k {folder} -p 54399 -c listen_addresses= -c fsync=off' -l {folder}/log start"
        )
        as_postgres("psql -q -d postgres", "CREATE DATABASE ours")
        as_postgres("psql -q -d ours", PG_SCHEMA)
        ours = listed("ours")
        for name, (change, expected) in {"a clean copy": ("SELECT 1", []), **PG_FAULTS}.items():
            as_postgres("psql -q -d postgres", "DROP DATABASE IF EXISTS theirs")
            as_postgres("psql -q -d postgres", "CREATE DATABASE theirs")
            as_postgres("psql -q -d theirs", PG_SCHEMA + ";" + change)
            found = compare_rows(ours, listed("theirs"))
            assert [(d.name, d.kind) for d in found.differences] == expected, name
            assert found.verdict == ("different" if expected else "equal"), name
    finally:
        subprocess.run(
            ["su", "-s", "/bin/sh", "postgres", "-c", f"{programs[-1]}/pg_ctl -m immediate -D {folder}/data stop"],
            capture_output=True,
            check=False,
        )
        shutil.rmtree(folder)
