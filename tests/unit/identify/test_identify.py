"""Which sites a host has, what answers behind them, and which database they use: by observations as the probes make them."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import identify
from inventory.identify import Seen, backends, databases, vhosts
from inventory.identify.facts import Observed


def seen(*items):
    return [Seen(kind, data, (1, "s", number)) for number, (kind, data) in enumerate(items, start=1)]


def vhost(names, *, port=80, server="nginx", docroot="", **more):
    data = {"server": server, "names": names, "enabled": True, "docroot": docroot, "file": f"/etc/{server}/x", "line": 3}
    return "vhost", data | {"listen": [{"address": "", "port": str(port), "tls": False}]} | more


def content(docroot, files=9):
    return "content", {"docroot": docroot, "exists": True, "files": files, "bytes": 5}


def listener(port, process, pid, address="127.0.0.1"):
    return "listener", {"protocol": "tcp", "address": address, "port": port, "process": process, "pid": pid}


def process(pid, command, user="app"):
    return "process", {"pid": pid, "user": user, "command": command}


def application(path, what="WordPress", /, **database):
    return "application", {"path": path, "name": what, "version": "1", "database": database or None}


def found(*items, at=None):
    return {site.name: site for site in identify.sites("h", seen(*items), at)}


TOMCAT = "/usr/lib/jvm/bin/java -Dcatalina.base=/var/lib/tomcat10 org.apache.catalina.startup.Bootstrap start"


def test_a_proxy_is_followed_to_the_tomcat_host_behind_it():
    sites = found(
        vhost(["www.lib.edu"], proxy_to=["http://127.0.0.1:8080/"]),
        vhost(["localhost"], port=8080, server="tomcat", docroot="/var/lib/tomcat10/webapps", default=True),
        vhost(["www.lib.edu", "lib.edu"], port=8080, server="tomcat", docroot="/srv/lib/webapps"),
        content("/var/lib/tomcat10/webapps"),
        content("/srv/lib/webapps"),
        listener(8080, "java", 7, "0.0.0.0"),
        process(7, TOMCAT, "tomcat"),
        application("/srv/lib/webapps/ROOT", "JSP", name="libdb", user="lib", host="localhost", server="postgresql"),
    )
    site = sites["www.lib.edu"]
    assert site.kind == "system"
    assert site.value("site.docroot") == "/srv/lib/webapps"
    assert site.value("backend.kind") == "tomcat"
    assert (site.value("backend.user"), site.value("backend.exposed")) == ("tomcat", True)
    assert site.value("backend.chain") == ["127.0.0.1:8080 → java → tomcat /etc/tomcat/x:3"]
    assert (site.value("application.name"), site.value("database.name"), site.value("site.static")) == ("JSP", "libdb", False)
    assert "h:/var/lib/tomcat10/webapps" in sites  # nobody's front leads there, and it is open to all


def test_a_tomcat_without_a_name_behind_a_front_is_no_site_of_its_own():
    sites = found(
        vhost(["opac.edu"], proxy_to=["http://localhost:8080"]),
        vhost(["localhost"], port=8080, server="tomcat", docroot="/var/lib/tomcat10/webapps", default=True),
        content("/var/lib/tomcat10/webapps"),
        listener(8080, "java", 7),
        process(7, TOMCAT),
    )
    assert list(sites) == ["opac.edu"]
    assert sites["opac.edu"].names == ["opac.edu"]
    assert sites["opac.edu"].value("site.docroot") == "/var/lib/tomcat10/webapps"


def test_a_front_with_files_of_its_own_keeps_its_docroot():
    site = found(
        vhost(["app.edu"], docroot="/srv/static", proxy_to=["http://127.0.0.1:5000"]),
        content("/srv/static"),
        listener(5000, "gunicorn", 8),
        process(8, "/usr/bin/python3 /usr/bin/gunicorn app:app -b 127.0.0.1:5000", "wsgi"),
    )["app.edu"]
    assert (site.value("site.docroot"), site.value("backend.kind"), site.kind) == ("/srv/static", "python", "system")


def test_nginx_before_apache_is_one_site():
    sites = found(
        vhost(["www.a.edu"], proxy_to=["http://127.0.0.1:8080"]),
        vhost(["www.a.edu"], port=8080, server="apache", docroot="/srv/a", php=True),
        listener(8080, "apache2", 5),
        process(5, "/usr/sbin/apache2 -k start", "root"),
        content("/srv/a"),
    )
    assert list(sites) == ["www.a.edu"]
    assert (sites["www.a.edu"].value("site.docroot"), sites["www.a.edu"].value("site.php")) == ("/srv/a", True)
    assert sites["www.a.edu"].kind == "site"


def test_nothing_listens_where_the_proxy_leads():
    dead = vhost(["dead.edu"], proxy_to=["http://127.0.0.1:9999"])
    assert found(dead, listener(80, "nginx", 1))["dead.edu"].value("backend.missing") == ["127.0.0.1:9999"]
    # listeners that were not read say nothing
    assert "backend.missing" not in found(dead)["dead.edu"].facts
    assert "backend.missing" not in found(dead, ("unknown", {"what": "listeners", "why": "no ss"}))["dead.edu"].facts


def test_another_machine_and_a_loop_end_the_chain():
    away = found(vhost(["a.edu"], proxy_to=["http://10.0.0.9:80"]), listener(80, "nginx", 1))["a.edu"]
    assert away.value("backend.remote") == ["10.0.0.9:80"]
    own = found(vhost(["b.edu"], proxy_to=["http://192.0.2.1:80"]), listener(80, "nginx", 1), ("address", {"address": "192.0.2.1"}))[
        "b.edu"
    ]
    assert own.value("backend.kind") == "web server"
    assert "backend.remote" not in own.facts


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("http://127.0.0.1:8080/v1/", "127.0.0.1:8080"),
        ("http://app", "app:80"),
        ("https://[::1]:8443/", "[::1]:8443"),
        ("ajp://localhost", "localhost:8009"),
        ("http://unix:/run/app.sock:/v1/", "/run/app.sock"),
        ("unix:/run/php.sock|fcgi://localhost", "/run/php.sock"),
        ("uwsgi://unix:/run/django.sock", "/run/django.sock"),
        ("balancer://pool", "balancer://pool"),
        ("jk:worker1", "jk:worker1"),
        ("http://$backend", "http://$backend"),
        ("http://u:p@10.0.0.1:81/x", "10.0.0.1:81"),
        ("http://h:99999999999999999999/", "h:80"),
        ("", ""),
    ],
)
def test_where_a_target_leads(target, shown):
    assert str(backends.place(target)) == shown


@given(st.text())
def test_any_target_has_a_place(text):
    str(backends.place(text))
    backends.follow(text, [], Observed.of_all(seen(listener(80, "x", 1), vhost(["a.b"], proxy_to=[text]))))


WORDPRESS = {"name": "wp", "user": "wp", "host": "localhost", "server": "mysql"}
SERVER = ("database_server", {"product": "MariaDB", "version": "10.5.1", "server": "local"})


def test_three_proofs_of_a_database_and_their_disagreements():
    site = found(
        vhost(["w.edu"], docroot="/srv/w", php=True), content("/srv/w"), application("/srv/w", **WORDPRESS), SERVER,
        ("database", {"name": "wp", "server": "local", "bytes": 7, "tables": 3}),
        ("database_user", {"user": "wp", "host": "localhost", "schemas": ["wp"]}),
        ("database_client", {"database": "wp", "user": "wp", "host": "localhost"}),
    )["w.edu"]  # fmt: skip
    assert site.value("database.proofs") == ["configuration", "database list", "grant of its user", "connection"]
    assert site.value("database.disagreements") == []
    assert (site.value("database.bytes"), site.value("database.product")) == (7, "MariaDB")


def test_a_configuration_that_the_server_knows_nothing_of():
    site = found(
        vhost(["w.edu"], docroot="/srv/w", php=True), application("/srv/w", **WORDPRESS), SERVER,
        ("database_user", {"user": "wp", "host": "localhost", "schemas": ["other"]}),
    )["w.edu"]  # fmt: skip
    assert site.value("database.missing") is True
    assert site.value("database.disagreements") == ["the server does not list wp", "wp has no grant on wp"]


def test_a_database_elsewhere_is_not_looked_for_here():
    site = found(
        vhost(["w.edu"], docroot="/srv/w", php=True), application("/srv/w", **(WORDPRESS | {"host": "db.edu:3306"})), SERVER,
        ("database", {"name": "wp", "server": "local", "bytes": 7}),
    )["w.edu"]  # fmt: skip
    assert site.value("database.remote") == "db.edu:3306"
    assert "database.bytes" not in site.facts
    assert "database.product" not in site.facts


def test_two_products_with_a_schema_of_one_name():
    site = found(
        vhost(["w.edu"], docroot="/srv/w", php=True), application("/srv/w", **(WORDPRESS | {"server": "postgresql"})), SERVER,
        ("database_server", {"product": "PostgreSQL", "version": "15", "server": "pg"}),
        ("database", {"name": "wp", "server": "local", "bytes": 7}), ("database", {"name": "wp", "server": "pg", "bytes": 8}),
    )["w.edu"]  # fmt: skip
    assert (site.value("database.product"), site.value("database.bytes")) == ("PostgreSQL", 8)


def test_sites_that_share_a_database_know_of_each_other():
    sites = found(
        vhost(["a.edu"], docroot="/srv/a", php=True), vhost(["b.edu"], docroot="/srv/b", php=True),
        application("/srv/a", **WORDPRESS), application("/srv/b", **WORDPRESS), SERVER,
    )  # fmt: skip
    assert sites["a.edu"].value("database.shared_with") == ["b.edu"]
    assert sites["b.edu"].value("database.shared_with") == ["a.edu"]


def test_an_unresolved_configuration_falls_back_on_the_sites_own_account():
    site = found(
        vhost(["w.edu"], docroot="/srv/w", php=True, fastcgi_to=["unix:/run/w.sock"]), SERVER,
        ("php_pool", {"name": "w", "user": "wwwpool", "listen": "/run/w.sock", "version": "8.2"}),
        ("application", {"path": "/srv/w", "name": "Laravel", "unresolved": True, "database": None}),
        ("database", {"name": "wdb", "server": "local", "bytes": 4}),
        ("database_user", {"user": "wwwpool", "host": "localhost", "schemas": ["wdb"]}),
    )["w.edu"]  # fmt: skip
    assert site.value("database.unresolved") is True
    assert site.value("database.name") == "wdb"
    assert site.value("database.proofs") == ["grant of its user", "database list"]


def test_a_certificate_is_read_for_the_sites_own_names():
    secure = vhost(["a.edu", "www.a.edu", "b.edu"], port=443, docroot="/srv/a", tls={"certificate": "/etc/ssl/a.pem"})
    told = (
        "certificate",
        {"path": "/etc/ssl/a.pem", "names": ["*.a.edu", "a.edu"], "not_after": "2026-12-24T00:00:00+00:00", "self_signed": False},
    )
    site = found(secure, told, at=date(2026, 11, 24))["a.edu"]
    assert (site.value("tls.expires"), site.value("tls.days_left")) == ("2026-12-24", 30)
    assert site.value("tls.names_missing") == ["b.edu"]
    assert not vhosts.covers(["*.a.edu"], "x.y.a.edu")


def test_a_site_has_no_fact_that_nobody_read():
    site = found(vhost(["a.edu"], docroot="/srv/a"))["a.edu"]
    assert not [name for name in site.facts if name.startswith(("content.", "database.", "host.", "tls.", "backend.", "application."))] or (
        set(site.facts) & {"database.used"}
    )
    assert all(fact["value"] is not None for fact in site.facts.values())


KINDS = ["vhost", "content", "application", "database", "database_server", "database_user", "listener", "process", "php_pool", "access_log",
         "certificate", "os", "hardware", "machine", "unix_peer", "unknown", "htaccess", "access_url"]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "a.edu", "/srv/a", "127.0.0.1", "http://127.0.0.1:8", "x"]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.fixed_dictionaries(
                {},
                optional={
                    "names": st.lists(st.sampled_from(["a.edu", "b.edu", "_", "localhost"])), "enabled": st.just(True), "docroot": st.sampled_from(["/srv/a", "/srv/b", ""]),
                    "proxy_to": st.lists(st.sampled_from(["http://127.0.0.1:8", "http://127.0.0.1:9/", "unix:/x"]), max_size=2), "port": st.integers(0, 9),
                    "listen": st.lists(st.fixed_dictionaries({"port": st.sampled_from(["8", "9", "x"]), "address": st.just("")}), max_size=2),
                    "protocol": st.just("tcp"), "address": st.sampled_from(["127.0.0.1", "*"]), "pid": st.integers(0, 3), "path": st.sampled_from(["/srv/a", "/srv/a/x"]),
                    "name": st.sampled_from(["wp", "static"]), "user": st.sampled_from(["wp", None]), "schemas": st.just(["wp"]), "what": VALUES,
                    "database": st.none() | st.fixed_dictionaries({"name": st.sampled_from(["wp", "", None]), "host": VALUES, "user": VALUES, "server": VALUES}),
                    "server": st.sampled_from(["nginx", "tomcat", "local"]), "version": VALUES, "id": VALUES, "command": st.text(max_size=5), "files": st.integers(0, 9),
                },
            ),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_any_observations_give_sites_that_can_be_stored(items):
    sites = identify.sites("h", seen(*items), date(2026, 1, 1))
    assert [site.name for site in sites] == sorted({site.name for site in sites})
    json.dumps([site.facts for site in sites])
    for site in sites:
        for fact in site.facts.values():
            assert fact["value"] is not None
            assert all(isinstance(place, list) for place in fact["evidence"])


def test_what_makes_a_database_host_local():
    observed = Observed.of_all(seen(("machine", {"hostname": "db1", "fqdn": "db1.edu"}), ("address", {"address": "192.0.2.7"})))
    for host in (
        "",
        "localhost",
        "localhost:3306",
        "127.0.0.1",
        "/var/run/mysqld/mysqld.sock",
        ":/tmp/mysql.sock",
        "db1",
        "192.0.2.7:3306",
    ):
        assert databases.local(host, observed), host
    for host in ("db2", "192.0.2.8", "db.edu:3306"):
        assert not databases.local(host, observed), host
