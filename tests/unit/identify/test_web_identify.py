"""Facts that sites get from how web servers run: containers, what answers behind a proxy, a shared log told apart, what does not run."""

from __future__ import annotations

from typing import Any

import pytest

from inventory.identify import Seen, Site, sites


def seen(kind: str, **data: Any) -> Seen:
    return Seen(kind, data, (1, "x", 1))


def vhost(name: str, **more: Any) -> Seen:
    data = {
        "server": "nginx",
        "names": [name],
        "listen": [{"address": "", "port": "80", "tls": False, "default": False}],
        "docroot": "/srv/a",
        "file": "/f",
        "line": 1,
    }
    return seen("vhost", **{**data, "enabled": True, "php": False, "running": True, **more})


def one(*observations: Seen) -> Site:
    return sites("h", observations)[0]


def test_a_site_in_a_container_joins_what_the_host_sees() -> None:
    inside = {"pid": 7, "runtime": "docker", "id": "ab", "name": "web"}
    site = one(
        vhost("a.edu", container=inside, host_docroot="/proc/7/root/srv/a", access_log=[["/var/log/a.log", "x"]]),
        seen("content", docroot="/srv/a", exists=True, bytes=1), seen("content", docroot="/proc/7/root/srv/a", exists=True, bytes=77),
        seen("application", name="WordPress", path="/proc/7/root/srv/a", version="6"), seen("application", name="Joomla", path="/srv/a"),
        seen("access_log", file="/proc/7/root/var/log/a.log.1", named="/var/log/a.log", requests=5, days={"2026-11-01": 5}, last="2026-11-01T00:00:00Z"),
        seen("access_log", file="/var/log/a.log", named="/var/log/a.log", requests=99, days={"2026-11-01": 99}),
    )  # fmt: skip
    facts = {
        name: site.value(name)
        for name in ("site.container", "site.docroot", "content.bytes", "application.name", "use.requests", "use.last")
    }
    assert facts == {
        "site.container": "docker web", "site.docroot": "/srv/a", "content.bytes": 77, "application.name": "WordPress", "use.requests": 5,
        "use.last": "2026-11-01T00:00:00Z",
    }  # fmt: skip


def test_a_configuration_that_no_process_uses() -> None:
    assert one(vhost("a.edu", running=False)).value("site.running") is False
    assert one(vhost("a.edu", running=None)).value("site.running") is None


def test_what_answers_behind_a_proxy() -> None:
    ports = [seen("listener", protocol="tcp", address="127.0.0.1", port=port) for port in (8001, 3000)]
    gunicorn = seen("application_server", server="gunicorn", listens=["127.0.0.1:8001", "unix:/run/g.sock"], directory="/srv/app")
    node = seen("application_server", server="node", listens=["[::]:3000"], directory="/")
    assert one(vhost("a.edu", proxy_to=["http://localhost:8001/x"]), gunicorn, node, *ports).value("backend.kind") == "python"
    assert one(vhost("a.edu", proxy_to=["http://unix:/run/g.sock:/"]), gunicorn, node, *ports).value("backend.folder") == "/srv/app"
    assert one(vhost("a.edu", proxy_to=["http://127.0.0.1:3000"]), gunicorn, node, *ports).value("backend.kind") == "node"
    assert one(vhost("a.edu", proxy_to=["http://10.0.0.9:3000"]), gunicorn, node, *ports).value("backend.remote") == ["10.0.0.9:3000"]


def test_a_shared_log_that_tells_its_sites_apart() -> None:
    log = [["/var/log/all.log", "vhost_combined"]]
    use = {
        "file": "/var/log/all.log",
        "named": "/var/log/all.log",
        "visits": 3,
        "visitors": 2,
        "bytes": 1,
        "last_human": "2026-11-02T00:00:00Z",
    }
    found = sites("h", [
        vhost("a.edu", access_log=log), vhost("b.edu", access_log=log), vhost("c.edu", access_log=log),
        seen("access_log", file="/var/log/all.log", named="/var/log/all.log", requests=9, days={"2026-11-01": 4, "2026-11-02": 5}, last="2026-11-03T00:00:00Z"),
        seen("access_use", vhost="a.edu:443", requests=6, posts=2, last="2026-11-03T00:00:00Z", **use),
        seen("access_use", vhost="b.edu", requests=3, posts=0, last="2026-11-02T00:00:00Z", **use),
        seen("access_url", file="/var/log/all.log", named="/var/log/all.log", vhost="a.edu:443", path="/x", count=6, status=200),
    ])  # fmt: skip
    a, b, c = found
    assert (a.value("use.requests"), a.value("use.requests_per_day"), a.value("use.posts"), a.value("use.top_urls")) == (6, 3.0, 2, ["/x"])
    assert (b.value("use.requests"), b.value("use.last_human"), b.value("use.top_urls")) == (3, "2026-11-02T00:00:00Z", [])
    assert (c.value("use.requests"), c.value("use.last")) == (0, None)


def test_a_shared_log_that_does_not() -> None:
    log = [["/var/log/all.log", "combined"]]
    read = seen(
        "access_log", file="/var/log/all.log", named="/var/log/all.log", requests=9, days={"2026-11-01": 9}, last="2026-11-03T00:00:00Z"
    )
    a, _b = sites("h", [vhost("a.edu", access_log=log), vhost("b.edu", access_log=log), read])
    assert a.facts["use.requests"] == {"value": 9, "evidence": [[1, "x", 1]], "why": "the log is shared with other sites"}


def counted(file: str, visitors: int, month: int, **more: Any) -> Seen:
    data = {"requests": 9, "days": {"2026-11-01": 9}, "visitors": visitors, "merged": True, **more}
    return seen("access_log", file=file, named="/l", **{"months": {"2026-11": {"requests": 9, "visitors": month}}, **data})


@pytest.mark.parametrize(
    ("files", "visitors", "months"),
    [
        ([counted("/l", 5, 5), counted("/l.1", 2, 3)], 7, {"2026-11": 8}),
        ([counted("/l", 5, 5, merged=False)], 5, {"2026-11": 5}),  # one file: nothing is counted twice
        ([counted("/l", 5, 5, merged=False), counted("/l.1", 2, 3, merged=False)], None, None),  # a visit of before
        ([counted("/l", 5, 5), counted("/l.1", 0, 0, requests=0, merged=False, months={})], 5, {"2026-11": 5}),  # an empty file
        ([counted("/l", 5, 5, months={"2026-11": {"requests": 9, "visitors": None}})], 5, None),
    ],
)
def test_visitors_over_rotated_files(files: list[Seen], visitors: int | None, months: dict[str, int] | None) -> None:
    (site,) = sites("h", [vhost("a.edu", access_log=[["/l", "combined"]]), *files])
    assert (site.value("use.visitors"), site.value("use.visitors_by_month")) == (visitors, months)
    assert ("use.visitors" in site.facts) is (visitors is not None)


def test_visitors_of_a_site_with_two_logs() -> None:
    logs = [["/l", "combined"], ["/tls", "combined"]]
    (site,) = sites("h", [vhost("a.edu", access_log=logs), counted("/l", 5, 5), counted("/tls", 2, 2)])
    assert site.value("use.visitors") == 7
    assert "several of 2 logs counts in each" in site.facts["use.visitors"]["why"]
