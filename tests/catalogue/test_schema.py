"""Opening: migrations on an empty and on a full database, several planners at once, and databases that cannot be used."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect, select, text

from inventory import catalogue, model
from inventory.catalogue import MIGRATIONS, open_catalogue
from inventory.errors import CatalogueError

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)


def test_migrations_from_nothing_and_again(url):
    for _ in range(2):
        book = open_catalogue(url)
        assert set(inspect(book.engine).get_table_names()) == {*model.Base.metadata.tables, "alembic_version"}
        with book.session() as session:
            session.merge(model.Unit(code="hist", name_zh="历史学院", name_en="History"))
        book.close()
    with open_catalogue(url).session() as session:
        assert [unit.name_zh for unit in session.scalars(select(model.Unit))] == ["历史学院"]


def test_model_equals_migrations(book):
    with book.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, model.Base.metadata) == []


def test_migrations_have_one_end():
    script = ScriptDirectory(str(MIGRATIONS))
    assert len(script.get_heads()) == 1


def test_every_migration_can_be_taken_back(book):
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with book.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
        command.upgrade(config, "head")


def test_two_planners_on_one_empty_database(url):
    with ThreadPoolExecutor(6) as pool:
        books = list(pool.map(lambda _: open_catalogue(url), range(6)))
    for book in books:
        with book.session() as session:
            assert list(session.scalars(select(model.Host))) == []
        book.close()


def test_a_killed_migration_leaves_nothing_half_done(url):
    # the process dies after the first tables, before the transaction ends
    program = (
        "import os, sys; from alembic.operations import Operations; from inventory.catalogue import open_catalogue\n"
        "made = []; real = Operations.create_table\n"
        "def create(self, *a, **k):\n"
        "    made.append(a); len(made) > 5 and os._exit(9); return real(self, *a, **k)\n"
        "import alembic.op; alembic.op.create_table = lambda *a, **k: create(alembic.op._proxy, *a, **k)\n"
        "open_catalogue(sys.argv[1])\n"
    )
    died = subprocess.run([sys.executable, "-c", program, url], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert died.returncode == 9, died.stderr
    book = open_catalogue(url)
    assert set(model.Base.metadata.tables) <= set(inspect(book.engine).get_table_names())
    book.close()


def test_a_newer_catalogue_is_refused(url):
    book = open_catalogue(url)
    with book.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    book.close()
    with pytest.raises(CatalogueError, match="9999"):
        open_catalogue(url)


def test_foreign_keys_hold_from_the_first_session_on(url):
    book = open_catalogue(url)
    with pytest.raises(CatalogueError, match=r"(?i)foreign key"), book.session() as session:
        session.add(model.Host(name="h", address="192.0.2.1", unit_code="nobody"))
    book.close()


def test_an_error_undoes_the_whole_session(book):
    def both():
        with book.session() as session:
            session.add(model.Host(name="h", address="192.0.2.1"))
            session.flush()
            session.add(model.Host(name="h", address="192.0.2.2"))

    with pytest.raises(CatalogueError) as caught:
        both()
    assert caught.value.exit_code == 4
    with book.session() as session:
        assert list(session.scalars(select(model.Host))) == []


SECRET = "Secret7f3a"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://u:{SECRET}@127.0.0.1:1/db",
        f"postgresql+psycopg://127.0.0.1:1/db?user=u&password={SECRET}",
        f"postgresql://u:{SECRET}@127.0.0.1:99999/db",
        f"postgresql://u:x@{SECRET}:word@host/db",  # an @ and a colon inside the password
        f"postgresql://u:x@{SECRET}@host/db",
        f"postgresql://u:{SECRET}@bad..host/db",
        f"postgresql://u:{SECRET}@127.0.0.1/db?unknown=option",
        f"postgres://u:{SECRET}@host/db",
        f"postgresql+psycopg2://u:{SECRET}@host/db",
        f"mysql+pymysql://u:{SECRET}@host/db",
        "sqlite:////nonexistent/folder/catalogue.db",
        "sqlite:////etc/passwd",
        "no URL",
        "",
    ],
)
def test_a_database_that_cannot_be_opened(url):
    before = Path("/etc/passwd").read_bytes()
    with pytest.raises(CatalogueError) as caught:
        open_catalogue(url)
    assert caught.value.exit_code == 4
    assert caught.value.hint
    assert SECRET not in str(caught.value)
    assert Path("/etc/passwd").read_bytes() == before


@pytest.mark.postgresql
def test_a_refused_password_stays_out_of_messages(server):
    url = server.url().replace(server.password, SECRET)
    with pytest.raises(CatalogueError, match="password authentication failed") as caught:
        open_catalogue(url)
    assert SECRET not in str(caught.value)


@pytest.mark.postgresql
def test_messages_of_an_open_catalogue_hold_no_password(server):
    url = server.url()
    book = open_catalogue(url + f"?password={server.password}")
    with pytest.raises(CatalogueError) as caught, book.session() as session:
        session.execute(text("SELECT * FROM nothing"))
    assert server.password not in str(caught.value)
    book.close()


@pytest.mark.postgresql
def test_a_database_that_cannot_hold_chinese_is_refused(server):
    url = server.url("ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    with pytest.raises(CatalogueError, match="LATIN1") as caught:
        open_catalogue(url)
    assert "UTF8" in caught.value.hint


@pytest.mark.postgresql
def test_a_restarted_server_is_noticed(server):
    book = open_catalogue(server.url())
    with book.session() as session:
        session.add(model.Unit(code="hist"))
    with server.connect("postgres") as admin:  # what a restart does to connections
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'catalogue%'")
    with book.session() as session:
        assert session.get(model.Unit, "hist") is not None
    book.close()


def at_revision(url, revision):
    """An engine on an empty database brought up to an older schema, and Alembic's configuration for it."""
    engine = catalogue._engine(catalogue._parse(url))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return engine, config


OLD_FACTS = {
    "site.docroot": {"value": "/srv/史", "evidence": [[7, "web", 3]], "why": ""},
    "content.bytes": {"value": 5_000_000_000, "evidence": [[7, "content", 1]], "why": ""},
    "application.name": {"value": "WordPress", "evidence": [], "why": ""},
    "site.declared": {"value": True, "evidence": [], "why": "declared in s.csv:2"},
    "declared.name": {"value": "院网", "evidence": [["declared", "s.csv:2", 0]], "why": "declared in s.csv:2"},
}
OLD_OBSERVATIONS = [  # in the order in which they were read
    ("os", "system", 1, {"id": "debian", "name": "Ünïcode ␀ 史"}), ("vhost", "nginx", 4, {"names": ["a.x.edu"]}), ("vhost", "nginx", 9, {"server": "nginx"}),
    ("unknown", "nginx", 1, {"what": "x", "why": "y"}), ("vhost", "apache", 2, {"names": []}), ("listener", "network", 5, {"port": 80}),
]  # fmt: skip


def test_a_catalogue_of_the_first_schema_keeps_its_data(url):
    """0003: observations, sites and what refers to them; there and back."""
    engine, config = at_revision(url, "0002")
    old = MetaData()
    with engine.begin() as connection:
        old.reflect(connection)
        table = old.tables
        connection.execute(table["unit"].insert(), {"code": "hist", "name_en": "", "name_zh": "", "details": {}})
        host = {"unit_code": "hist", "outcome": "ok", "outcome_detail": "d", "visited_at": AT}
        connection.execute(
            table["host"].insert(),
            [{"id": 1, "name": "h1", "address": "192.0.2.1", **host}, {"id": 2, "name": "h2", "address": "192.0.2.2", **host}],
        )
        snapshot = {"taken_at": AT, "privilege": "root", "seconds": 1.5, "transcript": b"z", "sections": [{"name": "web"}]}
        connection.execute(table["snapshot"].insert(), [{"id": 6, "host_id": 1, **snapshot}, {"id": 7, "host_id": 1, **snapshot}])
        rows = [{"snapshot_id": 7, "host_id": 1, "kind": k, "section": s, "line": n, "data": d} for k, s, n, d in OLD_OBSERVATIONS]
        connection.execute(table["observation"].insert(), rows)
        site = {"kind": "site", "unit_code": "hist", "owner_reason": "r", "status": "both", "identified_at": AT}
        connection.execute(table["workload"].insert(), [
            {"id": 11, "name": "a.x.edu", "host_id": 1, "names": ["a.x.edu", "b.x.edu"], "facts": OLD_FACTS, **site},
            {"id": 12, "name": "a.x.edu@h2", "host_id": 2, "names": ["a.x.edu"], "facts": {}, **site},
            {"id": 13, "name": "missing.x.edu", "host_id": None, "names": ["missing.x.edu"], "facts": {}, **site},
        ])  # fmt: skip
        verdict = {"recommendation": "r", "strength": "s", "data": {}, "rules_hash": "", "facts_hash": "", "assessed_at": AT}
        connection.execute(table["verdict"].insert(), {"id": 1, "workload_id": 11, **verdict})
    engine.dispose()
    book = open_catalogue(url)
    with book.session() as session:
        found = catalogue.observations(session, 1)
        assert [(o.kind, o.section, o.line, o.data) for o in found] == OLD_OBSERVATIONS
        assert {(o.snapshot_id, o.host_id) for o in found} == {(7, 1)}
        assert [(row.id, row.readings, row.seen_at, row.taken_at) for row in session.scalars(select(model.Snapshot).order_by(model.Snapshot.id))] == [
            (6, 1, None, AT), (7, 1, None, AT),
        ]  # fmt: skip
        item = catalogue.workload_by_name(session, "b.x.edu")
        assert (item.id, item.facts, item.host.name, item.status) == (11, OLD_FACTS, "h1", "both")
        assert set(item.declared) == {"site.declared", "declared.name"}
        assert (item.site.name, item.site.bytes, item.site.application, item.site.docroot) == (
            "a.x.edu",
            5_000_000_000,
            "WordPress",
            "/srv/史",
        )
        assert session.scalar(select(model.Verdict.workload_id)) == 11
        assert [(w.name, w.site and w.site.name) for w in session.scalars(select(model.Workload).order_by(model.Workload.name))] == [
            ("a.x.edu", "a.x.edu"), ("a.x.edu@h2", "a.x.edu"), ("missing.x.edu", None),
        ]  # fmt: skip
        assert session.get_one(model.Host, 1).snapshot_id == 7
        session.add(model.Site(host_id=1, name="new", known=model.SiteFacts(facts={})))  # numbers go on after those given
    book.close()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        command.downgrade(config, "0002")
        rows = connection.execute(text("SELECT kind, section, line, snapshot_id FROM observation ORDER BY id")).all()
        assert sorted(tuple(row) for row in rows) == sorted((k, s, n, 7) for k, s, n, _ in OLD_OBSERVATIONS)
        old.clear()
        old.reflect(connection)
        assert connection.execute(select(old.tables["workload"].c.facts).order_by(old.tables["workload"].c.id)).scalars().all() == [
            OLD_FACTS,
            {},
            {},
        ]
        assert connection.scalar(text("SELECT count(*) FROM verdict")) == 1
    engine.dispose()
