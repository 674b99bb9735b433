"""Who is in care, what the register and the letter say of it, what Prometheus watches, what is set up: over moves of every kind and state."""

import importlib.util
import json
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import select

from inventory import model
from inventory.errors import NotFound
from inventory.register import storing
from inventory.register.sheet import Row, Sheet
from planner import bundle as bundles
from planner.operations import bundle, care, letter, registering, targets
from planner.platforms import Platforms

_spec = importlib.util.spec_from_file_location("operations_conftest", Path(__file__).with_name("conftest.py"))
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)
AT, back, journal, move, plan, tls = made.AT, made.back, made.journal, made.move, made.plan, made.tls
PLATFORMS = Platforms.model_validate(
    {"backup": {"name": "bak", "address": "192.0.2.50"}, "monitoring": {"name": "mon", "address": "192.0.2.51"}}
)
DAY = timedelta(days=1)


def cared(book):
    with book.session() as session:
        return care.in_care(session)


def ids(book):
    return [(one.id, one.plan) for one in cared(book)]


def test_only_what_is_done_is_in_care(book):
    one, two, three = move("a"), move("b"), move("c")
    plan(book, "p", one, two, three)
    journal(book, "p", one, "done")
    journal(book, "p", two, "lower-ttl started", "lower-ttl done")
    assert ids(book) == [("a", "p")]
    back(book, "p", one, AT + DAY)
    assert ids(book) == []
    journal(book, "p", one, "done", at=AT + 2 * DAY)
    assert ids(book) == [("a", "p")]


def test_a_plan_made_since_leaves_out_what_is_done_or_has_it_again(book):
    one = move("a")
    plan(book, "p", one)
    journal(book, "p", one, "done")
    plan(book, "q", move("b"), at=AT + DAY)
    assert ids(book) == [("a", "p")]
    plan(book, "r", one, move("b"), at=AT + 2 * DAY)
    journal(book, "r", move("b"), "lower-ttl started", at=AT + 2 * DAY)
    assert [name for name, _ in ids(book)] == ["a"], "once"


def test_a_site_that_moved_on_is_where_its_last_move_took_it_until_that_is_taken_back(book):
    one, other = move("a"), move("a", destination={"platform": "vh2", "receiver": "vh2"})
    plan(book, "p", one)
    journal(book, "p", one, "done")
    plan(book, "q", other, at=AT + DAY)
    journal(book, "q", other, "done", at=AT + DAY)
    assert [(item.plan, item.machine) for item in cared(book)] == [("q", "vh2")]
    back(book, "q", other, AT + 2 * DAY)
    assert [(item.plan, item.machine) for item in cared(book)] == [("p", "vh1")]


def test_moves_of_people_count_and_have_no_backup_of_ours(book):
    one = move("rack", "colocation", carried_out="by hand")
    plan(book, "p", one)
    with book.session() as session:
        session.add(
            model.Journal(plan_id="p", move="rack", step="by-hand", event="done", at=AT, run="", detail={"by": "Wang", "on": "2026-11-01"})
        )
    (found,) = cared(book)
    assert (found.by, found.by_hand, found.held, found.machine, found.address) == ("Wang", True, False, "old", "192.0.2.40")
    assert bundle.backed_up([found]) == []


def test_names_are_found_and_strangers_refused(book):
    one = move("a")
    plan(book, "p", one)
    journal(book, "p", one, "done")
    found = cared(book)
    assert care.pick(found, []) == care.pick(found, ["www.a.edu"]) == care.pick(found, ["a"]) == found
    with pytest.raises(NotFound, match=r"not in care: x, y"):
        care.pick(found, ["a", "x", "y"])


# ---------------------------------------------------------------- all kinds


@pytest.fixture
def everything(book):
    moves = [
        move("a", source=tls("a.edu")), move("b"), move("c", "site-cluster"), move("v", "vps", unit='x"{{ y }}'),
        move("z", "retire", destination={"docroot": ""}), move("rack", "colocation"),
    ]  # fmt: skip
    plan(book, "p", *moves)
    for one in moves:
        journal(book, "p", one, "done")
    return cared(book)


def test_targets_are_the_same_for_the_same_and_no_closed_site_is_watched(everything, tmp_path):
    texts = targets.files(everything, 9100)
    assert texts == targets.files(list(reversed(everything)), 9100)
    node, http, https = (json.loads(texts[name]) for name in (targets.NODE, targets.HTTP, targets.HTTPS))
    assert [group["targets"] for group in https] == [["https://a.edu/"]]
    assert {group["labels"]["site"] for group in http} == {"a.edu", "b.edu", "c.edu", "v.edu", "rack.edu"}
    by_machine = {group["labels"]["machine"]: group["labels"] for group in node}
    assert set(by_machine) == {"vh1", "front", "n1", "n2", "vps1", "old"}
    assert by_machine["vh1"] == {"machine": "vh1", "placement": "virtual-host"}, "a shared machine has no site's labels"
    assert by_machine["vps1"] == {"machine": "vps1", "placement": "vps", "site": "v.edu", "unit": 'x"{{ y }}'}
    for group in (*node, *http, *https):  # what file_sd takes: nothing but these two, all of text
        assert set(group) == {"targets", "labels"}
        assert all(isinstance(text, str) for text in (*group["targets"], *group["labels"], *group["labels"].values()))
    assert len(targets.write(texts, tmp_path / "t")) == 3
    assert targets.write(texts, tmp_path / "t") == []
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == sorted(texts)
    assert targets.watched(texts)["a.edu"] == {targets.HTTP, targets.HTTPS}
    assert targets.watched({"x.json": "[{}]", "y.json": "<html>", "z.json": "{}"}) == {}
    _checked_by_promtool(tmp_path)


def _checked_by_promtool(folder):
    """By Prometheus' own tool where it is installed; the form was compared above."""
    promtool = shutil.which("promtool")
    if promtool is None:
        return
    documentation = (Path(__file__).parents[3] / "docs/operations.md").read_text()
    text = documentation.partition("    scrape_configs:")[2].partition("\n\n")[0]
    configuration = "scrape_configs:" + text.replace("\n    ", "\n").replace("/etc/prometheus/targets", str(folder / "t"))
    (folder / "prometheus.yml").write_text(configuration)
    checked = subprocess.run([promtool, "check", "config", folder / "prometheus.yml"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


ACCESS = bundles.Access("ops", 22, ("/keys/id",), "/ws/runs/known_hosts", {"192.0.2.9": ["ssh-ed25519 AAAA"]})


def test_the_bundle_of_care(everything, tmp_path):
    files = bundle.files(everything, PLATFORMS, ACCESS, {})
    assert files == bundle.files(everything, PLATFORMS, ACCESS, {})
    data = json.loads(files["vars.json"])["operations"]
    plain = {site["id"]["__ansible_unsafe"]: site for site in data["sites"]}
    assert set(plain) == {"a", "b", "c", "v"}, "no closed one, none that people moved"
    assert [plain[name]["engine"]["__ansible_unsafe"] for name in ("a", "c", "v")] == ["mysql", "", "postgresql"]
    assert {name: len(sites) for name, sites in data["machines"].items()} == {"vh1": 2, "front": 1, "vps1": 1}
    hosts = json.loads(files["inventory/hosts.json"])["all"]["children"]
    assert {name: set(group["hosts"]) for name, group in hosts.items()} == {
        "care": {"vh1", "front", "vps1"}, "backup": {"bak"}, "monitoring": {"mon"},
    }  # fmt: skip
    roles = {path.name for path in (Path(__file__).parents[3] / "playbooks/roles").iterdir()}
    plays = yaml.safe_load(files["setup.yml"])
    assert [play["hosts"] for play in plays] == ["bak", ["front", "vh1", "vps1"], "bak", "mon"]
    assert {role["role"] for play in plays for role in play["roles"]} <= roles
    assert "{{ y }}" not in files["setup.yml"]
    assert bundle.write(everything, PLATFORMS, ACCESS, tmp_path / "operations/bundle", {}) == bundles.check(tmp_path / "operations/bundle")


def test_a_machine_that_had_sites_is_told_that_it_has_none(everything):
    left = [one for one in everything if one.machine != "vh1"]
    files = bundle.files(left, PLATFORMS, ACCESS, {"vh1": "192.0.2.9"})
    assert json.loads(files["vars.json"])["operations"]["machines"]["vh1"] == []
    assert "vh1" in json.loads(files["inventory/hosts.json"])["all"]["children"]["care"]["hosts"]


def test_without_a_machine_for_backups_nothing_of_them_is_set_up(everything):
    files = bundle.files(everything, Platforms(monitoring=PLATFORMS.monitoring), ACCESS, {})
    assert [play["hosts"] for play in yaml.safe_load(files["setup.yml"])] == ["mon"]


def test_settings_and_logs_are_the_accounts_own(everything):
    for one in everything:
        if one.held:
            assert care.settings(one)
            for globs in care.logs(one).values():
                assert all(one.account in path for path in globs)
    by = {one.id: one for one in everything}
    assert set(care.logs(by["c"])) == {"192.0.2.21", "192.0.2.22"}, "the nodes answer for it"
    assert care.logs(by["rack"]) == care.logs(by["z"]) == {}


# ---------------------------------------------------------------- the register


def declared(book, key):
    with book.session() as session:
        row = session.scalar(select(model.Declared).where(model.Declared.key == key))
        return None if row is None else (row.unit_code, dict(row.data))


def settle(book, at=AT):
    found = cared(book)
    with book.session() as session:
        return registering.settle(session, found, at)


def declare(book, at, **data):
    with book.session() as session:
        storing.store(session, Sheet("sheet.csv", [Row("site", "www.a.edu", "phys", data, "sheet.csv:2")]), at, by="Wang")


def test_the_register_follows_a_move_and_goes_back_with_it(book):
    declare(book, AT, domain="www.a.edu", server=["old"], admin="赵敏")
    before = declared(book, "www.a.edu")
    one = move("a", source=tls("a.edu"))
    plan(book, "p", one)
    journal(book, "p", one, "done")
    assert settle(book) == ["move a of p: www.a.edu is hosted as virtual-host on vh1, 192.0.2.9"]
    assert declared(book, "www.a.edu") == (
        "phys", {"domain": "www.a.edu", "server": ["vh1", "192.0.2.9"], "admin": "赵敏", "placement": "virtual-host", "https": True},
    )  # fmt: skip
    assert settle(book) == []
    back(book, "p", one, AT + DAY)
    assert settle(book) == ["move a of p: the register says again what it said before"]
    assert declared(book, "www.a.edu") == before
    journal(book, "p", one, "done", at=AT + 2 * DAY)
    assert len(settle(book)) == 1, "the same move once more"


def test_a_site_that_was_declared_nowhere_gets_an_entry(book):
    one = move("a")
    plan(book, "p", one)
    journal(book, "p", one, "done")
    settle(book)
    unit, data = declared(book, "a.edu")
    assert (unit, data["domain"], data["aliases"], data["placement"]) == ("phys", "a.edu", ["www.a.edu"], "virtual-host")
    back(book, "p", one, AT + DAY)
    settle(book)
    assert declared(book, "a.edu") is None


def test_a_later_word_stays(book):
    declare(book, AT, domain="www.a.edu", server=["old"])
    one = move("a")
    plan(book, "p", one)
    journal(book, "p", one, "done")
    settle(book)
    declare(book, AT + DAY, domain="www.a.edu", server=["elsewhere"])
    back(book, "p", one, AT + 2 * DAY)
    (said,) = settle(book)
    assert "what was declared since stays" in said
    assert declared(book, "www.a.edu")[1]["server"] == ["elsewhere"]


def test_what_an_admin_took_back_is_not_written_again(book):
    from inventory.register.undoing import undo

    one = move("a")
    plan(book, "p", one)
    journal(book, "p", one, "done")
    settle(book)
    with book.session() as session:
        undo(session, None, AT, "Wang")
    assert settle(book) == []
    assert declared(book, "a.edu") is None


def test_a_closed_site_keeps_its_old_server(book):
    declare(book, AT, domain="www.a.edu", server=["old"])
    one = move("a", "retire")
    plan(book, "p", one)
    journal(book, "p", one, "done")
    settle(book)
    assert declared(book, "www.a.edu")[1] == {"domain": "www.a.edu", "server": ["old"], "placement": "retire"}


# ---------------------------------------------------------------- the letter


@pytest.mark.parametrize(("language", "said"), [("zh_CN", ["物理学院", "虚拟主机", "陈杰", "每 7 天", "第2级", "谁主管"]),
                                                 ("en", ["Physics", "virtual host", "accountable", "every 7 days", "level 2"])])  # fmt: skip
def test_the_letter_says_who_answers_for_what(book, language, said):
    declare(book, AT, domain="www.a.edu", mlps="2", icp="京ICP备1号", admin="`x`")
    one = move("a")
    plan(book, "p", one)
    journal(book, "p", one, "done")
    (found,) = cared(book)
    with book.session() as session:
        data = letter.make(session, found, PLATFORMS, date(2026, 12, 1))
    text = letter.markdown(data, language)
    for word in (*said, "京ICP备1号", "2026-12-01", "a\\|b \\# x", "\\`x\\`"):
        assert word in text, word
    assert data.to_json() == json.loads(json.dumps(data.to_json()))
    assert data.register["police"] == ""
    assert "________" in text
    with book.session() as session:
        plain = letter.markdown(letter.make(session, found, Platforms(), date(2026, 12, 1)), language)
    assert said[3] not in plain, "no backup is promised that is not made"


def test_every_placement_has_duties_in_both_languages(everything, book):
    for one in everything:
        with book.session() as session:
            data = letter.make(session, one, PLATFORMS, date(2026, 12, 1))
        for texts in (data.center, data.own):
            assert len(texts["en"]) == len(texts["zh_CN"]) > 0


def test_a_workspace_may_have_its_own_words(everything, book, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/responsibility.en.md.j2").write_text("{{ site }} of {{ unit.code }}")
    with book.session() as session:
        data = letter.make(session, everything[0], PLATFORMS, date(2026, 12, 1))
    assert letter.markdown(data, "en", tmp_path) == f"{data.site} of {data.unit['code']}"
