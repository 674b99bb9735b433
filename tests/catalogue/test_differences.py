"""Declared against found in both engines; owners confirmed and remembered; and all of it as a user runs it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import select

from inventory import catalogue, differences, discovery, model, reconcile, register, scope
from inventory.catalogue import open_catalogue
from inventory.probes.base import Observation, Section
from inventory.register import storing

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
CAMPUS = scope.campus(["192.0.2.0/24"], ["x.edu"])
SHEET = """\
units: [{code: hist, name: {zh: 历史学院}, ranges: [192.0.2.0/28]}, {code: phys, name: 物理学院, domains: [phys.x.edu]}]
servers:
  - {unit: hist, name: h1, address: 192.0.2.1, os: CentOS 7.9, cpus: 4, memory_bytes: 17179869184, machine: physical, database: MySQL5.7, ports: "80, 22"}
  - {unit: phys, name: p1, address: 192.0.2.2, os: Debian}
  - {unit: phys, name: p2, address: 192.0.2.3, os: Debian}
sites:
  - {unit: hist, domain: www.hist.x.edu, aliases: [old.hist.x.edu], server: h1, application: WordPress 5.2, database: MySQL5.7, https: yes, size_bytes: 5000000, off_network: 否}
  - {unit: hist, domain: gone.hist.x.edu, server: h1}
  - {unit: phys, domain: www.phys.x.edu, server: p1}
  - {unit: phys, domain: lost.phys.x.edu}
"""


def visit(book, host, address, outcome, *observations):
    sections = (Section("web", ""), Section("system", ""))
    transcript = discovery.collector.Transcript(sections, "root", "Linux", True) if observations else None
    found = tuple(("web", item) for item in observations)
    result = discovery.Result(host, address, outcome, "", 1.0, b"@@0 start root Linux\n", transcript, found)
    discovery.store(book, result, lambda: AT)


def vhost(*names, **data):
    docroot = f"/srv/{names[0]}"
    return Observation(
        "vhost",
        {"server": "nginx", "names": list(names), "enabled": True, "docroot": docroot, "php": True, "listen": [{"port": "80"}], **data},
        4,
    )


H1 = (
    vhost("www.hist.x.edu", "hist.x.edu"),
    vhost("secret.y.org", server_admin="root@phys.x.edu"),
    Observation(
        "content",
        {"docroot": "/srv/www.hist.x.edu", "exists": True, "files": 9, "bytes": 5_500_000, "age_days": 400, "owners": {"hist": 9}},
        2,
    ),
    Observation(
        "application", {"name": "wordpress", "version": "6.4", "path": "/srv/www.hist.x.edu", "database": {"name": "wp", "user": "wp"}}, 3
    ),
    Observation("database_server", {"product": "MySQL", "version": "5.7.44"}, 5),
    Observation("os", {"id": "centos", "version": "7"}, 6),
    Observation("hardware", {"cpus": 8, "memory_bytes": 16_600_000_000, "virtualization": "kvm"}, 7),
    Observation("listener", {"protocol": "tcp", "address": "0.0.0.0", "port": 80}, 8),
    Observation("listener", {"protocol": "tcp", "address": "127.0.0.1", "port": 3306}, 9),
    Observation("listener", {"protocol": "tcp", "address": "::", "port": 8080}, 10),
)


def fill(book, folder):
    path = folder / "register.yml"
    path.write_text(SHEET, encoding="utf-8")
    with book.session() as session:
        storing.store(session, register.read(path), AT, by="wang")
    visit(book, "h1", "192.0.2.1", "ok", *H1)
    visit(book, "p1", "192.0.2.2", "timeout")
    with book.session() as session:
        reconcile.update(session, AT)
    return path


@pytest.fixture
def pairs(book, tmp_path):
    path = fill(book, tmp_path)
    with book.session() as session:
        report = differences.compare(session, CAMPUS)
    return path, {pair.key: pair for pair in report.pairs}


def test_what_is_there_hidden_missing_and_unknown(pairs):
    _, found = pairs
    assert {key: pair.status for key, pair in found.items()} == {
        "www.hist.x.edu": "both", "secret.y.org": "hidden", "gone.hist.x.edu": "missing", "www.phys.x.edu": "unknown",
        "lost.phys.x.edu": "unknown", "192.0.2.1": "both", "192.0.2.2": "unknown", "192.0.2.3": "unknown",
    }  # fmt: skip
    assert found["gone.hist.x.edu"].note == "not on h1, which was read"
    assert found["www.phys.x.edu"].note == "p1: timeout on 2026-11-01, so nothing is known of its sites"
    assert found["lost.phys.x.edu"].note == "its sheet names no server, and 2 of 3 hosts could not be read: p1, p2"


def test_values_that_differ_and_values_that_mean_the_same(pairs):
    path, found = pairs
    site = {value.field: value for value in found["www.hist.x.edu"].values}
    assert {name: value.differs for name, value in site.items() if value.differs is not None} == {
        "aliases": True, "server": False, "application": True, "database": False, "https": True, "size_bytes": False, "off_network": False,
    }  # fmt: skip
    assert site["aliases"].note == "not found: old.hist.x.edu; not declared: hist.x.edu"
    version = site["application"]
    assert (version.declared, version.found) == ("WordPress 5.2", "wordpress 6.4")
    assert (version.declared_at, version.declared_place) == (AT, f"{path}:7:94")
    assert (version.found_at, version.found_place) == (AT, "h1, web:3")
    assert (site["https_expires"].declared, site["https_expires"].differs) == (None, None)
    server = {value.field: value for value in found["192.0.2.1"].values}
    assert {name: value.differs for name, value in server.items() if value.differs is not None} == {
        "os": False, "cpus": True, "memory_bytes": False, "machine": True, "database": False, "ports": True,
    }  # fmt: skip
    assert server["ports"].note == "nothing listens on: 22/tcp; open, not declared: 8080/tcp"


def test_a_host_that_could_not_be_read_differs_in_nothing(pairs):
    _, found = pairs
    value = next(value for value in found["192.0.2.2"].values if value.field == "os")
    assert (value.declared, value.found, value.differs, value.note) == ("Debian", None, None, "p1: timeout on 2026-11-01")


def test_a_web_configuration_that_could_not_be_read_makes_nothing_missing(book, tmp_path):
    fill(book, tmp_path)
    visit(book, "h1", "192.0.2.1", "partial", *H1, Observation("unknown", {"what": "/etc/nginx/sites-enabled", "why": "permission"}, 1))
    with book.session() as session:
        reconcile.update(session, AT)
        found = {pair.key: pair for pair in differences.compare(session, CAMPUS).pairs}
    assert (found["gone.hist.x.edu"].status, found["gone.hist.x.edu"].note) == ("unknown", "h1: /etc/nginx/sites-enabled could not be read")


def test_off_network_and_off_domain(pairs):
    _, found = pairs
    outside = {key: next(v.found for v in pair.values if v.field == "off_network") for key, pair in found.items() if pair.kind == "site"}
    assert outside == {
        "www.hist.x.edu": "inside", "secret.y.org": "outside-domain", "gone.hist.x.edu": "inside", "www.phys.x.edu": "inside", "lost.phys.x.edu": None,
    }  # fmt: skip


def test_only_one_units(book, tmp_path):
    fill(book, tmp_path)
    with book.session() as session:
        report = differences.compare(session, CAMPUS, unit="phys")
    assert {pair.key for pair in report.pairs} == {"www.phys.x.edu", "lost.phys.x.edu", "192.0.2.2", "192.0.2.3", "secret.y.org"} - {
        "secret.y.org"
    }


# ---------------------------------------------------------------- as a user runs it


def planner(folder, *words, code=0):
    result = subprocess.run(
        [sys.executable, "-m", "planner", *map(str, words)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == code, f"{words}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture
def space(tmp_path, url):
    """A workspace on either engine, with the register taken and two hosts visited."""
    folder = tmp_path / "w"
    planner(tmp_path, "init", folder)
    settings = (folder / "planner.yml").read_text().replace("catalogue: catalogue.db ", f"catalogue: {url} ")
    settings = settings.replace("networks: []", "networks: [192.0.2.0/24]").replace("domains: []", "domains: [x.edu]")
    (folder / "planner.yml").write_text(settings.replace("language: en ", "language: zh_CN "))
    book = open_catalogue(url)
    fill(book, folder)
    book.close()
    return folder


def test_differences_and_candidates(space):
    rows = json.loads(planner(space, "differences", "--json").stdout)
    assert {(row["key"], row["status"]) for row in rows} >= {("secret.y.org", "hidden"), ("gone.hist.x.edu", "missing")}
    text = planner(space, "differences", "--unit", "hist").stdout
    assert "not found: old.hist.x.edu" in text
    assert "phys.x.edu" not in text
    planner(space, "differences", "--xlsx", "d.xlsx")
    page = openpyxl.load_workbook(space / "d.xlsx").worksheets[0]
    assert page.max_row > 5
    assert "there is no unit 'no'" in planner(space, "differences", "--unit", "no", code=2).stderr
    zombies = json.loads(planner(space, "candidates", "--json").stdout)
    assert [(row["site"], row["rule"], row["candidate"], row["message"]) for row in zombies] == [
        ("secret.y.org", "unmaintained-with-holes", "yes", "未整改漏洞：?；软件已停止安全更新：是；距上次更新天数：?；有管理员：否。"),
        ("www.hist.x.edu", "not-updated", "yes", "最近一次更新在 400 天前。"),
        ("www.hist.x.edu", "unmaintained-with-holes", "yes", "未整改漏洞：?；软件已停止安全更新：是；距上次更新天数：400；有管理员：否。"),
    ]
    assert zombies[1]["facts"]["content.age_days"]["value"] == 400
    assert "undecided for 5 sites" in planner(space, "candidates").stderr
    assert {row["candidate"] for row in json.loads(planner(space, "candidates", "--all", "--json").stdout)} == {"yes", "unknown", "no"}


def test_owners_confirmed_remembered_and_forgotten(space, url):
    rows = {row["site"]: row for row in json.loads(planner(space, "owners", "--json").stdout)}
    # its host is history's, a mail address says physics: somebody has to look
    assert (rows["secret.y.org"]["unit"], rows["secret.y.org"]["sure"]) == (None, False)
    assert rows["secret.y.org"]["reason"] == "nothing speaks clearly for one unit: hist 50 %, phys 38 %"
    assert [(reason["unit"], reason["kind"]) for reason in rows["secret.y.org"]["reasons"]] == [
        ("hist", "declared-server"),
        ("hist", "range"),
        ("phys", "server-admin"),
    ]
    assert rows["www.hist.x.edu"]["sure"]
    assert [row["site"] for row in json.loads(planner(space, "owners", "--unsure", "--json").stdout)] == ["secret.y.org"]
    assert "there is no unit 'bio'" in planner(space, "owner", "confirm", "secret.y.org", "bio", code=2).stderr
    planner(space, "owner", "confirm", "secret.y.org", "phys", "--by", "Wang", "--why", "the lab's own")
    book = open_catalogue(url)
    visit(book, "h1", "192.0.2.1", "ok", *H1[:1])  # it leaves its host …
    visit(book, "p2", "192.0.2.3", "ok", vhost("new.y.org", "secret.y.org"))  # … and comes back elsewhere, under another first name
    with book.session() as session:
        reconcile.update(session, AT)
        item = session.scalar(select(model.Workload).where(model.Workload.name == "new.y.org"))
        assert (item.unit_code, item.owner_reason.partition(" on ")[0]) == ("phys", "confirmed by Wang")
        assert item.facts["owner.unit"]["why"].endswith(": the lab's own")
    book.close()
    assert "confirmed by Wang" in planner(space, "owners").stdout
    assert "Wang's word" in planner(space, "owner", "forget", "new.y.org").stdout
    assert "nobody has confirmed" in planner(space, "owner", "forget", "new.y.org", code=5).stderr
    planner(space, "owner", "confirm", "no.such.site", "phys", code=5)


def test_export_with_found_values_template_and_round_trip(space):
    planner(space, "register", "export", "all.xlsx", "--with-found")
    book = openpyxl.load_workbook(space / "all.xlsx")
    page = book["网站"]
    titles = {cell.value: cell.column for cell in page[1]}
    by_name = {page.cell(row, titles["域名"]).value: row for row in range(2, page.max_row + 1)}
    assert page.cell(by_name["www.hist.x.edu"], titles["建站系统 （实测）"]).value == "wordpress 6.4"
    assert page.cell(by_name["secret.y.org"], titles["双非 （实测）"]).value == "校外域名"
    for name in ("all.xlsx", "plain.xlsx", "all.yml"):
        if name != "all.xlsx":
            planner(space, "register", "export", name)
        again = json.loads(planner(space, "register", "import", name, "--preview", "--json").stdout)
        new = {(cell["action"], cell["key"]) for cell in again["changes"]}
        assert (new, again["rejected"]) == ({("added", "secret.y.org")} if name == "all.xlsx" else set(), [])
    planner(space, "register", "export", "hist.csv", "--unit", "hist", "--kind", "site")
    assert "one kind of row" in planner(space, "register", "export", "hist.csv", code=2).stderr
    planner(space, "register", "template", "t.xlsx")
    assert openpyxl.load_workbook(space / "t.xlsx").sheetnames[0] == "填写说明"


def test_import_preview_undo_and_history(space):
    (space / "two.csv").write_text("域名,网站名称,月访问量,神秘列\nwww.hist.x.edu,新院网,many,1\nnew.x.edu,新,3,\n", encoding="utf-8")
    shown = planner(space, "register", "import", "two.csv", "--preview", code=2)
    assert "preview: nothing was written" in shown.stderr
    assert "rejected two.csv:2, column C (月访问量): 'many' is not a number" in shown.stderr.replace("two.csv:2:", "two.csv:2,")
    assert "the heading '神秘列' is not known" in shown.stderr
    assert [made["import"] for made in json.loads(planner(space, "register", "history", "--json").stdout)] == [1]
    said = json.loads(planner(space, "register", "import", "two.csv", "--by", "Li", "--json", code=2).stdout)
    assert (said["files"][0]["added"], said["files"][0]["changed"], said["rejected"][0]["column"]) == (1, 1, "C")
    told = json.loads(planner(space, "register", "history", "www.hist.x.edu", "--json").stdout)
    assert (told[-1]["field"], told[-1]["old"], told[-1]["new"], told[-1]["by"]) == ("name", None, "新院网", "Li")
    assert "import 2 of two.csv is taken back" in planner(space, "register", "undo").stdout
    assert "new.x.edu" not in planner(space, "sites").stdout
    planner(space, "register", "undo", "2", code=2)
    planner(space, "register", "history", "nobody", code=5)
    assert catalogue.now().tzinfo is not None
