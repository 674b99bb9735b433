"""A site that moves as a static export: crawled twice, refused when the freeze spoils it, compared where it was published; and who may."""

import asyncio
import importlib.util
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from dynamic_site import NAME, DynamicSite, page, serving

from inventory.errors import MissingProgram, RunError
from planner import bundle, contents, equality, movesteps, publishing, verification
from planner.export.records import Record
from planner.export.serving import Static
from planner.pinned import SiteView
from planner.planning import writing
from planner.planning.subjects import Subject, by_hand
from planner.platforms import Platforms
from planner.sizing import UNKNOWN

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOME = f"http://{NAME}"


def move(**more):
    destination = {
        "front": "front", "address": "192.0.2.9", "receiver_address": "192.0.2.9", "account": "w-x", "docroot": "/srv/cluster/origin/w-x/htdocs",
        "node_addresses": {"n1": "192.0.2.21", "n2": "192.0.2.22"},
    }  # fmt: skip
    source = {"address": "127.0.0.1", "certificate": None, "database": None, "config_file": "", "docroot": "/d"}
    return {"id": "x", "placement": "site-cluster", "profile": "static-export", "names": [NAME], "seeds": ["/show.php?id=3&cat=1"], "source": source,
            "destination": destination, **more}  # fmt: skip


@pytest.fixture
def site(monkeypatch):
    """A dynamic site that is asked at its port instead of 80."""
    there = DynamicSite()
    with serving(there) as (port,):
        monkeypatch.setattr(
            publishing, "SiteView", lambda names, address, _port, tls, pins=None: SiteView(names, address, port, tls, pins or {})
        )
        yield there


def crawl(folder, step, **more):
    return publishing.crawled(move(**more), step, folder, NOW, lambda _: None, lambda: False)


def test_what_visitors_saw_is_kept_and_the_frozen_site_is_published(site, tmp_path):
    first = crawl(tmp_path, "preseed")
    assert "hits 100.00%, sitemap 100.00%, links 100.00%" in first["exported"]
    assert "will stop working: 2 call, 1 comment, 1 login, 1 search" in first["exported"]
    assert {one["target"] for one in first["stops_working"]} >= {"/search.php", "/login.php"}
    site.edits["/about"] = page("关于", "<p>edited before the freeze</p>")
    site.gone.add("/about/staff.html")
    second = crawl(tmp_path, "sync")
    assert {name: part["count"] for name, part in second["since_preseed"].items()} == {"new": 0, "other": 1, "gone": 1}
    assert second["since_preseed"]["gone"]["first"] == [f"{HOME}/about/staff.html"]
    assert "since the pre-seed 0 new, 1 other, 1 gone" in second["exported"]
    assert b"edited before" in b"".join(path.read_bytes() for path in (tmp_path / "x/current/htdocs").rglob("about*") if path.is_file())
    json.dumps([first, second])  # a journal's line


def test_a_site_that_fails_when_it_may_not_write_is_refused_again_and_again(site, tmp_path):
    crawl(tmp_path, "preseed")
    tree = (tmp_path / "x/current").resolve()
    site.edits["/about"] = page("关于", "<b>Warning</b>: file_put_contents(c.txt): failed to open stream: Read-only file system<p>院史</p>")
    for _ in range(2):  # the second time it is held against the same crawl, not against the first refused one
        with pytest.raises(RunError, match=r"while it may not write, the site fails for 1 URLs .*/about: PHP message"):
            crawl(tmp_path, "sync")
        assert (tmp_path / "x/current").resolve() == tree, "nothing was written"
    site.edits.clear()
    assert crawl(tmp_path, "sync")["since_preseed"]["other"]["count"] == 0


def test_a_crawl_under_the_freeze_takes_nothing_from_one_that_was_cut_off(site, tmp_path):
    crawl(tmp_path, "preseed")
    calls = []

    def stopped():
        calls.append(1)
        return len(calls) > 30

    with pytest.raises(RunError, match="stopped"):
        publishing.crawled(move(), "sync", tmp_path, NOW, lambda _: None, stopped)
    site.asked.clear()
    crawl(tmp_path, "sync")
    assert {"/about", "/list.php?page=1", "/"} <= set(site.asked)


def test_names_and_coverage_refuse(site, tmp_path, monkeypatch):
    site.broken.add("/only-in-map.html")
    with pytest.raises(RunError, match=r"URLs of the sitemap: 66.67% answered, at least 100.00%") as refused:
        crawl(tmp_path, "preseed")
    assert f"{HOME}/only-in-map.html: the source answers 500" in str(refused.value)
    assert not (tmp_path / "x/current").exists()
    with pytest.raises(RunError, match="no crawl from before the freeze"):
        crawl(tmp_path, "sync")
    monkeypatch.setattr(publishing.shutil, "which", lambda _: None)
    with pytest.raises(MissingProgram, match="rsync"):
        crawl(tmp_path, "preseed")


def test_a_name_that_shows_another_site_refuses():
    found = SimpleNamespace(site=SimpleNamespace(name=NAME, aliases={"hist.campus.test"}))
    assert publishing.lacking_names([NAME, "hist.campus.test"], found) == []
    assert "lib.campus.test shows another site" in publishing.lacking_names([NAME, "lib.campus.test"], found)[0]


def record(target, outcome="exported", status=200, **more):
    return Record(f"{HOME}{target}", outcome, status, **more)


@pytest.mark.parametrize(
    ("was", "after", "why"),
    [
        (record("/a"), record("/a"), ""),
        (record("/a"), record("/a", "error", 500, reason="the source answers 500"), "the source answers 500"),
        (record("/a"), record("/a", "failed", 0, reason="no answer within 60 s"), "no answer"),
        (record("/a"), record("/a", "error", 404), ""),  # taken away by an editor
        (record("/a"), record("/a", "moved", 301, location="/b"), ""),
        (record("/a"), record("/a", "soft_error", reason="its words say that there is nothing"), ""),
        (record("/a"), record("/a", "soft_error", reason="it shows an error: SQLSTATE["), "SQLSTATE"),
        (record("/a"), record("/a", errors="PHP message"), "PHP message"),
        (record("/a", errors="PHP message"), record("/a", errors="PHP message"), ""),  # visitors have seen it all the time
        (record("/a", errors="PHP message"), record("/a", errors="PHP message, database error"), "database error"),
        (record("/a"), record("/a", blank=True), "it shows nothing any more"),
        (record("/a", blank=True), record("/a", blank=True), ""),
        (record("/a", "error", 500), record("/a", "error", 500, reason="the source answers 500"), ""),
    ],
)
def test_what_is_worse(was, after, why):
    said = publishing.worse({was.url: was}, {after.url: after})
    assert bool(said) == bool(why)
    assert why in " ".join(said)


def test_many_that_are_gone_are_no_editors_doing():
    before = {one.url: one for one in (record(f"/{n}") for n in range(40))}
    now = dict(before)
    for n in range(4):
        now[f"{HOME}/{n}"] = record(f"/{n}", "error", 404)
    assert publishing.worse(before, now) == []
    del now[f"{HOME}/4"]
    assert "5 of 40 URLs are gone" in publishing.worse(before, now)[0]


class Machines:
    """Where an export was published, as its checksums tell."""

    def __init__(self, folder):
        self.tree = folder / "x/current"
        manifest = json.loads((self.tree / "manifest.json").read_bytes())
        self.files = {
            publishing.unquote(name)[1:]: contents.Entry("f", told["sha256"], told["size"]) for name, told in manifest["files"].items()
        }
        self.maps = {f"{name}.conf": contents.Entry("f", manifest["data"][f"nginx-{name}.conf"], 7) for name in ("http", "server")}
        self.changed = {}

    def checksums(self, _hosts, address, folder):
        found = self.maps if folder == "/etc/nginx/exports/w-x" else self.files
        return {**found, **self.changed.get((address, folder), {})}


@pytest.fixture
def published(site, tmp_path, monkeypatch):
    crawl(tmp_path, "preseed")
    machines = Machines(tmp_path)
    monkeypatch.setattr(equality, "checksums", machines.checksums)
    served = Static(machines.tree)
    with serving(SimpleNamespace(answer=served.answer)) as (port,):
        views = publishing.SiteView
        monkeypatch.setattr(
            publishing, "SiteView",
            lambda names, address, p, tls, pins=None: SiteView(names, "127.0.0.1", port, tls) if address == "192.0.2.9" else views(names, address, p, tls, pins),
        )  # fmt: skip
        yield machines, tmp_path


LIMITS = verification.Limits(pages=500, seconds=60, settle_seconds=0.01)


def test_every_url_and_every_machine_is_compared_and_what_stops_is_by_design(published):
    _, folder = published
    found = publishing.compare(move(), None, folder, limits=LIMITS)
    assert found.verdict == "equal", found.reason
    assert found.rows is None
    assert "on each of 3 machines" in found.files["reason"]
    listed = json.loads((folder / "x/current/urls.json").read_bytes())["answered"]
    by_url = {one["url"]: one for one in found.pages["pages"]}
    assert set(listed) <= by_url.keys()
    login = by_url[f"{HOME}/login.php"]
    assert (login["outcome"], login["by_design"]) == ("not_compared", True)
    assert login["reason"] == "stops working, as is meant: login (POST)"


@pytest.mark.parametrize(
    ("place", "change", "name", "kind"),
    [
        (("192.0.2.22", "/srv/cluster/sites/w-x/htdocs"), {"style.css": contents.Entry("f", "0" * 64, 1)}, "n2: style.css", "size"),
        (("192.0.2.9", "/srv/cluster/origin/w-x/htdocs"), {"new.html": contents.Entry("f", "0" * 64, 1)}, "new.html", "extra"),
        (
            ("192.0.2.21", "/etc/nginx/exports/w-x"),
            {"http.conf": contents.Entry("f", "0" * 64, 7)},
            "n1: /etc/nginx/exports/w-x/http.conf",
            "content",
        ),
    ],
)
def test_what_differs_on_one_machine_is_told(published, place, change, name, kind):
    machines, folder = published
    machines.changed[place] = change
    found = publishing.compare(move(), None, folder, pages=False)
    assert (found.verdict, found.pages) == ("different", None)
    assert [(one["name"], one["kind"]) for one in found.files["differences"]] == [(name, kind)]


def test_a_source_that_was_edited_since_differs(published, site):
    _, folder = published
    site.edits["/about"] = page("关于", "<p>somebody wrote meanwhile</p>")
    found = publishing.compare(move(), None, folder, limits=LIMITS)
    assert found.verdict == "different"
    assert [one["url"] for one in found.pages["pages"] if one["outcome"] == "different"] == [f"{HOME}/about"]


def test_without_a_tree_nothing_is_equal_and_other_moves_are_compared_as_ever(tmp_path, monkeypatch):
    with pytest.raises(RunError, match="holds no export"):
        publishing.compare(move(), None, tmp_path)
    monkeypatch.setattr(equality, "compare", lambda move, hosts, *, pages, **_: (move["profile"], pages))
    assert publishing.compare(move(profile="static"), None, tmp_path, pages=False) == ("static", False)


def test_names_that_only_lead_to_the_first_one_go_on_doing_so(tmp_path):
    tree = tmp_path / "htdocs"
    tree.mkdir()
    data = {
        "exact": {},
        "pages": {},
        "significant": {},
        "types": {},
        "headers": {},
        "moved": {},
        "names": {"hist.campus.test": [301, HOME]},
    }
    (tmp_path / "redirects.json").write_text(json.dumps(data))
    request = SimpleNamespace(method="GET", host="HIST.campus.test:80", raw_path="/show.php?id=1")
    answer = asyncio.run(Static(tmp_path).answer(request))
    assert (answer.status, answer.headers["Location"]) == (301, f"{HOME}/show.php?id=1")


# ---- the table and the playbooks ----


def test_preseed_and_sync_are_crawls_and_have_playbooks_of_their_own():
    works = {name: movesteps.work(move(), name) for name in movesteps.steps("site-cluster")}
    assert {name for name, work in works.items() if work == "export"} == {"preseed", "sync"}
    assert movesteps.work(move(profile="static"), "sync") == "playbook"
    found = bundle.templates("site-cluster", "static-export")
    assert {name for name, template in found.items() if template.startswith("static-export/")} == {"preseed", "sync"}
    assert found.keys() == bundle.templates("site-cluster").keys()
    assert bundle.templates("virtual-host", "static-export") == bundle.templates("virtual-host")


# ---- who is carried out ----

PHP = {
    "site.docroot": "/var/www/a", "site.web_server": "apache", "site.static": False, "site.php": True, "fit.cluster_profile": "static-export",
    "answer.publishing_only": True, "database.used": True, "database.name": "wp", "database.product": "MariaDB",
    "application.config_file": "/var/www/a/wp-config.php",
}  # fmt: skip


def subject(**facts):
    known = {name: {"value": value} for name, value in {**PHP, **facts}.items() if value is not None}
    return Subject(
        "a.x.edu", "hist", "site", "old", "192.0.2.1", ["a.x.edu"], known, SimpleNamespace(recommendation="site-cluster"), UNKNOWN, {}
    )


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, ""),
        ({"database.used": False, "database.name": None}, ""),
        ({"application.config_file": "/etc/wp.php"}, ""),  # nothing is carried, and its data is in the database
        ({"answer.publishing_only": None, "declared.type": "information"}, "nobody has said that it only publishes"),
        ({"answer.publishing_only": False}, "nobody has said that it only publishes"),
        ({"site.php": None}, "something else than PHP"),
        ({"site.proxy_to": "http://127.0.0.1:3000"}, "something else than PHP"),
        ({"database.used": None}, "whether it uses a database is unknown"),
        ({"database.name": None}, "the name of its database is unknown"),
        ({"database.remote": "db1"}, "its database is on another host"),
        ({"database.product": "PostgreSQL"}, "freezes its kind of database"),
        ({"database.used": False, "application.config_file": "/etc/dokuwiki/local.php"}, "outside of its docroot, perhaps its data"),
        ({"database.shared_with": ["b.x.edu"]}, "shares its database with b.x.edu"),
        ({"fit.cluster_profile": "wordpress"}, "no playbook for this profile"),
        ({"site.docroot": None}, "its docroot is unknown"),
    ],
)
def test_who_is_carried_out_as_an_export(facts, why):
    said = by_hand(subject(**facts), Platforms())
    assert why in said
    assert bool(said) == bool(why)


def test_the_plan_tells_what_stops():
    (said,) = writing._ends(subject(), "static-export")
    assert "search, log-in, comments and other forms stop" in said
    assert "stay on old" in said
    assert writing._ends(subject(), "static") == []


def bundled(*, tls):
    spec = importlib.util.spec_from_file_location("sample_bundle", Path(__file__).parents[2] / "sample_bundle.py")
    sample = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sample)
    files = bundle.files(sample.plan(placement="site-cluster", profile="static-export", tls=tls), sample.ACCESS)
    return {name.rpartition("/")[2]: yaml.safe_load(text) for name, text in files.items() if "/x-edu/" in name and name.endswith(".yml")}


@pytest.mark.parametrize("tls", [False, True])
def test_the_source_lets_nobody_in_but_for_a_certificate(tls):
    plays = bundled(tls=tls)
    roles = [role for play in plays["20-provision.yml"] for role in play["roles"]]
    keys = [role["vars"] for role in roles if role["role"] == "source_key"]
    assert [(key["source_key_docroot"], "source_key_schema" in key) for key in keys] == ([("/nonexistent", False)] if tls else [])
    (node,) = [role["vars"] for role in roles if role["role"] == "cluster_site" and role["vars"]["cluster_site_part"] == "node"]
    assert node["cluster_site_export"] is True
    for name in ("30-preseed.yml", "50-sync.yml"):
        used = [role["role"] for play in plays[name] for role in play["roles"]]
        assert used == [*(["site_certificate"] if tls and "sync" in name else []), "cluster_export", "cluster_export"]


def test_an_export_that_changes_nodes_has_them_to_itself():
    assert movesteps.changes(move(), "sync") == ("destination",)
    assert movesteps.changes(move(profile="static"), "sync") == ()
