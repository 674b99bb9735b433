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
from sqlalchemy import inspect, select, text

from inventory import model
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
