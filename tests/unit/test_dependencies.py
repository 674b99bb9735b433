"""Edges between hosts: by connections in either direction, by proxies and databases that configurations name."""

from hypothesis import given
from hypothesis import strategies as st

from inventory.dependencies import Edge, Graph, Machine, dot, graph


def machine(name, address, *connections):
    return Machine(name, frozenset({address}), [dict(zip(("direction", "local", "peer", "process"), c, strict=True)) for c in connections])


def edges(machines, sites=()):
    return [(e.source, e.target, e.port, e.service, e.proof, e.inside) for e in graph(machines, sites).edges]


def test_one_connection_seen_from_both_ends_is_one_edge():
    web = machine("web", "10.0.0.1", ("out", "10.0.0.1", "10.0.0.2:3306", "php-fpm"))
    data = machine("db", "10.0.0.2", ("in", "10.0.0.2:3306", "10.0.0.1", "mariadbd"))
    assert edges([web, data]) == [("web", "db", 3306, "mysql", "connection", True)]


def test_visitors_admins_and_the_host_itself_are_no_dependencies():
    seen = graph([machine("web", "10.0.0.1", ("in", "10.0.0.1:443", "203.0.113.9", "nginx"), ("in", "10.0.0.1:22", "10.9.9.9", "sshd"),
                          ("in", "10.0.0.1:8009", "127.0.0.1", "java"), ("out", "10.0.0.1", "10.0.0.1:80", "curl"))], [])  # fmt: skip
    assert seen == Graph((), {"web": 1})


def test_a_known_host_at_a_web_port_is_a_dependency():
    front = machine("front", "10.0.0.5")
    assert edges([front, machine("web", "10.0.0.1", ("in", "10.0.0.1:80", "10.0.0.5", "nginx"))]) == [
        ("front", "web", 80, "", "connection", True)
    ]


def test_what_configurations_name_counts_without_a_connection():
    web = machine("web", "10.0.0.1")
    sites = [("a.edu", "web", {"backend.remote": ["10.0.0.7:8080"]}),
             ("b.edu", "web", {"database.remote": "db.edu:3307"}), ("c.edu", "web", {"database.remote": "db.edu:3307"}),
             ("d.edu", "web", {"database.remote": "pg.edu", "database.product": "PostgreSQL"})]  # fmt: skip
    assert edges([web], sites) == [
        ("web", "10.0.0.7", 8080, "", "proxy", False),
        ("web", "db.edu", 3307, "", "database", False),
        ("web", "pg.edu", 5432, "postgresql", "database", False),
    ]
    assert [e.sites for e in graph([web], sites).edges] == [["a.edu"], ["b.edu", "c.edu"], ["d.edu"]]


def test_a_name_cannot_break_out_of_the_drawing():
    text = dot(Graph((Edge('a"] x', "b\\\n", 1, "", "", "proxy", False),), {}))
    assert text.count("\n") == 4
    assert '"a\\"] x" -> "b\\\\?"' in text


@given(st.lists(st.dictionaries(st.sampled_from(["direction", "local", "peer", "process"]), st.text(max_size=20) | st.none())))
def test_any_connection_is_borne(connections):
    graph([Machine("h", frozenset({"10.0.0.1"}), connections)], [("s", "h", {"backend.remote": ["x"], "database.remote": "y:"})])
