"""The two programs that a system's move brings to its machine: the context's editor and the database's filler."""

import importlib.util
import xml.etree.ElementTree as tree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROLES = Path(__file__).parents[2] / "playbooks/roles"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


config = load(ROLES / "tomcat/files/system-config.py")
database = load(ROLES / "postgresql_database/files/system-database.py")
CONTEXT = """<?xml version="1.0" encoding="UTF-8"?>
<!-- 馆藏 <Resource url="jdbc:postgresql://127.0.0.1:5432/catalogue" password="x"/> -->
<Context docBase="/srv/lib/opac" reloadable="false">
  <Parameter name="title" value="a > b"/>
  <Resource name="jdbc/c" note='5 > 4' driverClassName="org.postgresql.Driver"
            url="jdbc:postgresql://localhost:5433/catalogue?ssl=false" username="opac" password='old&amp;secret' maxTotal="5"/>
</Context>
""".encode()


def test_only_the_values_that_name_the_database_change():
    text, count = config.rewritten(CONTEXT, "catalogue", "opac", "n&w\"<'>")
    assert count == 2
    resource = tree.fromstring(text).find("Resource")
    assert resource.get("url") == "jdbc:postgresql://127.0.0.1:5432/catalogue?ssl=false"
    assert resource.get("password") == "n&w\"<'>"
    assert (resource.get("note"), resource.get("maxTotal")) == ("5 > 4", "5")
    assert text.split(b"<Resource name")[0] == CONTEXT.split(b"<Resource name")[0], "comment and all before it stay"
    assert config.rewritten(text, "catalogue", "opac", "n&w\"<'>") == (text, 0), "a second time changes nothing"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("localhost:5433", "db.x.edu", "server 'db.x.edu'"),
        ("/catalogue?", "/other?", "database 'other'"),
        ('username="opac" ', "", "no attributes"),
        ('username="opac"', 'username="root"', "logs in as 'root'"),
        ("</Context>", "", "no XML"),
        ("jdbc:postgresql", "jdbc:mysql", "no data source"),
        ("<Context ", '<!DOCTYPE a [<!ENTITY e "x">]><Context ', "entities"),
    ],
)
def test_what_is_in_doubt_is_left_to_people(old, new, said):
    head, _, rest = CONTEXT.decode().partition("-->")
    with pytest.raises(ValueError, match=said):
        config.rewritten((head + "-->" + rest.replace(old, new)).encode(), "catalogue", "opac", "p")


def test_a_context_without_a_database_stays_as_it_is():
    text = b'<Context docBase="/srv/x"/>'
    assert config.rewritten(text, "", "", "") == (text, 0)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_any_password_comes_out_as_it_went_in(password):
    text, _ = config.rewritten(CONTEXT, "catalogue", "opac", password)
    assert tree.fromstring(text).find("Resource").get("password") == password


@given(st.text(max_size=20))
def test_names_and_texts_of_sql_cannot_leave_their_quotes(text):
    for quoted, mark in ((database.name_(text), '"'), (database.text_(text), "'")):
        assert quoted[0] == quoted[-1] == mark
        assert quoted[1:-1].replace(mark * 2, "") == quoted[1:-1].replace(mark * 2, "").replace(mark, "")
