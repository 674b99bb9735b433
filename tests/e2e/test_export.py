"""A WordPress with a department's own PHP pages becomes plain files on the site cluster: refused while it fails under the freeze, then crawled,
published, visited by its old URLs with a node lost, and taken back.  One story: the tests look at what it left, in order.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
HOSTS = ("ns1", "hist", "front", "node1", "node2")
MOVE, SITE = "www-hist-campus-test", "http://www.hist.campus.test"
RUN = ("run", "--yes", "--any-time", "a lab has no nights", "--move", MOVE)
ACCOUNT = "w-www-hist-campus-test"
OWN = """<?php $title = ['', '建系', '迁校', '复办'][(int)($_GET['id'] ?? 0)] ?? '';
if ($title === '') { http_response_code(404); exit('none'); }
$counted = @file_put_contents(__DIR__ . '/counter.txt', '1');
if (!$counted && is_file(__DIR__ . '/strict.txt')) exit('<b>Warning</b>: it may not write');
echo "<!DOCTYPE html><meta charset=utf-8><title>大事记 $title</title><h1>$title</h1>";
foreach ([1, 2, 3] as $id) echo "<a href=\\"/show.php?id=$id\\">$id</a> ";
echo '<a href="/校史/年表.html">年表</a><form action="/find.php"><input name="q"></form>';
"""
OLD = {
    "/": "Department of History", "/show.php?id=3": "复办", "/show.php?id=1": "建系", "/%E6%A0%A1%E5%8F%B2/%E5%B9%B4%E8%A1%A8.html": "一九二三",
}  # fmt: skip


def source(campus):
    """All that the old host has of the site: files with sums, owners and modes; tables with sums; who may write."""
    look = (
        "cd /srv/www/hist && find . -type f ! -name counter.txt -printf '%p %U %G %m\\n' -exec sha256sum {} + | sort;"
        "mariadb -N wp_hist -e 'checksum table wp_posts, wp_users'; mariadb -N -e 'show grants for wp@localhost' | sed 's/BY PASSWORD.*//'"
    )
    return campus.lab("exec", "hist", "sh", "-c", look).stdout


def journal(campus, space):
    import sqlite3

    book = sqlite3.connect(space / "catalogue.db")
    try:
        rows = book.execute("select step, event, detail from journal where move=? order by id", (MOVE,)).fetchall()
    finally:
        book.close()
    return {step: json.loads(detail) for step, event, detail in rows if event == "done"}


@pytest.fixture(scope="module")
def planned(campus, space):
    write = """cd /srv/www/hist && mkdir -p 校史 && cat > show.php && chown www-data . &&
        echo '<!DOCTYPE html><meta charset=utf-8><title>年表</title>一九二三' > 校史/年表.html &&
        now=$(date -u '+%d/%b/%Y:%H:%M:%S +0000') && for n in $(seq 60); do
        echo "203.0.113.9 - - [$now] \\"GET /show.php?id=3 HTTP/1.1\\" 200 900 \\"-\\" \\"Mozilla/5.0\\""; done >> /var/log/apache2/hist-access.log"""
    campus.lab("exec", "hist", "sh", "-c", write, input=OWN)
    platforms = space / "inventory/platforms.yml"
    platforms.write_text(platforms.read_text().replace("profiles: [static]", "profiles: [static, static-export]"))
    campus.planner(space, "discover", "hist")
    unsaid = json.loads(campus.planner(space, "plan", "--json").stdout)
    campus.notes["unsaid"] = next(move for move in unsaid["moves"] if move["id"] == MOVE)
    for question, answer in (("publishing_only", "yes"), ("interactive", "no")):
        campus.planner(space, "questions", "answer", "www.hist.campus.test", question, answer, "--by", "Li Na")
    plan = json.loads(campus.planner(space, "plan", "--json").stdout)
    campus.planner(space, "generate")
    campus.planner(space, "plan", "approve", "--by", "the lab", "--despite", "this is a lab")
    return next(move for move in plan["moves"] if move["id"] == MOVE)


@pytest.fixture(scope="module")
def before(campus, planned):
    pages = {path: campus.asked(SITE + path) for path in OLD}
    assert {path: (page[0], OLD[path] in page[2]) for path, page in pages.items()} == dict.fromkeys(OLD, (200, True))
    return {"source": source(campus), "pages": pages}


@pytest.fixture(scope="module")
def refused(campus, space, before):
    """A run while the department's program fails when it may not write; what a visitor gets right afterwards."""
    campus.lab("exec", "hist", "touch", "/srv/www/hist/strict.txt")
    said = campus.planner(space, *RUN, code=8).stderr
    seen = campus.asked(SITE + "/show.php?id=3"), campus.ctl("dig", "+short", "www.hist.campus.test").split()
    campus.lab("exec", "hist", "rm", "/srv/www/hist/strict.txt")
    return said, *seen


@pytest.fixture(scope="module")
def moved(campus, space, refused):
    return campus.planner(space, *RUN)


def test_the_plan_says_what_stops_and_waits_for_the_units_word(campus, planned):
    assert (planned["placement"], planned["profile"], planned["carried_out"]) == ("site-cluster", "static-export", "planner")
    assert "search, log-in, comments and other forms stop" in planned["note"]
    unsaid = campus.notes["unsaid"]
    assert unsaid["placement"] != "site-cluster" or "nobody has said that it only publishes" in unsaid["note"]


def test_a_program_that_fails_when_it_may_not_write_is_not_published(refused):
    said, page, names = refused
    assert "sync: the export is refused" in said
    assert "while it may not write, the site fails for" in said
    assert "复办" in page[2], "released, and as it was"
    assert names == ["198.51.100.11"]


def test_the_journal_keeps_what_was_exported_and_what_stops(campus, space, moved):
    told = journal(campus, space)
    for step in ("preseed", "sync"):
        assert "hits 100.00%, sitemap 100.00%, links " in told[step]["exported"]
        kinds = {(one["kind"], one["target"]) for one in told[step]["stops_working"]}
        assert {("search", "/find.php"), ("comment", "/wp-comments-post.php")} <= kinds
    assert told["sync"]["since_preseed"]["gone"]["count"] == 0
    assert "pages are equal" in told["verify"]["compared"]
    assert "files are equal on each of" in told["verify"]["compared"]
    assert "exported" not in told["freeze"]


def test_old_urls_answer_from_the_cluster(campus, before, moved):
    assert campus.ctl("dig", "+short", "www.hist.campus.test", "hist.campus.test").split() == ["198.51.100.110"] * 2
    for path, (_, _, page) in before["pages"].items():
        now = campus.asked(SITE + path)
        assert (now[0], OLD[path] in now[2]) == (200, True)
        if path.startswith("/show") or "E6" in path:
            assert now[2] == page, "byte for byte"
    post = next(part.partition('"')[0] for part in before["pages"]["/"][2].split('href="') if "/lecture-" in part[:60])
    assert campus.asked(post)[0] == 200
    assert campus.asked(SITE + "/show.php?id=99")[0] == 404, "no other article answers for it"
    assert campus.asked(SITE + "/?s=history")[2] == campus.asked(SITE + "/")[2], "a search shows the home page"
    assert campus.asked("http://hist.campus.test/show.php?id=1")[0] in (200, 301)
    assert campus.asked(SITE + "/wp-login.php")[0] == 404
    old = campus.asked("http://198.51.100.11/show.php?id=3", "-H", "Host: www.hist.campus.test")
    assert (old[0], "复办" in old[2]) == (200, True), "whoever still comes to the old address is passed on"
    log = f"grep -c show.php /var/log/nginx/{ACCOUNT}.log"
    assert sum(int(campus.lab("exec", node, "sh", "-c", log, check=False).stdout or 0) for node in ("node1", "node2")) >= 4


def test_scripts_that_a_unit_uploads_are_not_shown_and_its_pages_are(campus, moved):
    folder = f"/srv/cluster/origin/{ACCOUNT}/htdocs"
    write = f"cd {folder} && echo '<?php secret' > evil.php && echo fresh > fresh.html && chown {ACCOUNT}: evil.php fresh.html"
    campus.lab("exec", "front", "sh", "-c", f"{write} && cluster-publish {ACCOUNT}")
    assert campus.asked(SITE + "/fresh.html")[2].strip() == "fresh"
    assert campus.asked(SITE + "/evil.php")[0] == 404
    campus.lab("exec", "front", "sh", "-c", f"rm {folder}/evil.php {folder}/fresh.html && cluster-publish {ACCOUNT}")


def test_a_node_is_lost_and_visitors_do_not_see_it(campus, moved):
    poll = f"for i in $(seq 60); do curl -s -o /dev/null -m 5 -w '%{{http_code}}\\n' '{SITE}/show.php?id=2'; sleep 0.03; done"
    command = [sys.executable, campus.root / "lab/lab", "ctl", "--", "sh", "-c", poll]
    asking = subprocess.Popen(command, env=campus.environment, stdout=subprocess.PIPE, text=True)
    campus.lab("kill", "node1")
    assert asking.communicate(timeout=120)[0].split() == ["200"] * 60
    campus.lab("start", "node1")
    at_node = campus.asked("http://198.51.100.111/show.php?id=3", "-H", "Host: www.hist.campus.test")
    assert (at_node[0], "复办" in at_node[2]) == (200, True)


def test_a_second_run_changes_nothing_and_a_live_site_is_not_published_again(campus, space, moved):
    assert "nothing to do" in campus.planner(space, *RUN).stdout
    (would,) = json.loads(campus.planner(space, "drift", "--json").stdout)
    assert (would["move"], would["would_change"], would["trouble"]) == (MOVE, [], "")
    folder = next((space / "plans").glob("*/bundle/moves")).parent
    playbook = [sys.executable, campus.root / "lab/lab", "ctl", "--", Path(sys.executable).parent / "ansible-playbook"]
    again = subprocess.run(
        [*playbook, f"moves/{MOVE}/50-sync.yml"], cwd=folder, env=campus.environment, capture_output=True, text=True, check=False
    )
    assert again.returncode != 0
    assert "serves visitors since its cutover" in again.stdout


def test_maps_that_are_not_ours_are_not_taken_up_and_the_others_stay(campus, moved):
    brought = f"/var/lib/cluster-export/{ACCOUNT}/server.conf"
    for bad in ("location /x { alias /etc/; }", "if ($host = x) { return 301 http://evil/; }"):
        spoil = f"cp {brought} /root/good && echo '{bad}' >> {brought}; cluster-export {ACCOUNT}; echo \"exit $?\"; cp /root/good {brought}"
        said = campus.lab("exec", "node2", "sh", "-c", spoil).stdout
        assert "is no line of a map" in said
        assert "exit 1" in said
    assert campus.lab("exec", "node2", "cluster-export", ACCOUNT).stdout == ""
    campus.lab("exec", "node2", "nginx", "-t")
    assert campus.asked("http://198.51.100.112/show.php?id=3", "-H", "Host: www.hist.campus.test")[0] == 200


def test_a_rollback_brings_the_program_back(campus, space, before, moved):
    said = campus.planner(space, "rollback", MOVE, "--yes")
    assert "nothing was written at the destination since the cutover" in said.stderr
    assert campus.ctl("dig", "+short", "www.hist.campus.test").split() == ["198.51.100.11"]
    for path, page in before["pages"].items():
        now = campus.asked(SITE + path)
        assert (now[0], now[2]) == (page[0], page[2])
    assert campus.asked(SITE + "/wp-login.php")[0] == 200
    assert source(campus) == before["source"]
    assert campus.asked("http://198.51.100.110/", "-H", "Host: www.hist.campus.test")[0] == 404
    for node in ("node1", "node2"):
        left = f"ls -d /etc/nginx/exports/{ACCOUNT} /srv/cluster/sites/{ACCOUNT} /var/lib/cluster-export/{ACCOUNT} /etc/nginx/sites-*/{ACCOUNT}.conf"
        assert campus.lab("exec", node, "sh", "-c", left, check=False).stdout == ""
    assert campus.lab("exec", "hist", "sh", "-c", "ls /var/lib/planner-move; grep -rl planner /etc/apache2", check=False).stdout == ""
    assert "planner-move" not in campus.lab("exec", "hist", "cat", "/home/ops/.ssh/authorized_keys").stdout
    assert not [path for path in space.rglob("*") if path.is_file() for secret in campus.secrets if secret in path.read_bytes()]
