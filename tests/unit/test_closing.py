"""A closed site's names are asked for as a visitor would, and the checklist tells in two languages what people have to cancel."""

import http.server
import threading

import pytest

from planner import closing

RETIREMENT = {
    "folder": "/srv/archive/a",
    "redirect": "",
    "keep_path": False,
    "contact": "",
    "keep_until": "2029-12-01",
    "wipe_from": "2027-03-01",
}
MOVE = {
    "id": "a", "site": "a.edu", "unit": "hist", "names": ["a.edu", "www.a.edu"], "retirement": RETIREMENT,
    "source": {"host": "old", "address": "127.0.0.1"}, "destination": {"receiver": "store", "address": "127.0.0.1"},
}  # fmt: skip


@pytest.fixture
def front(monkeypatch):
    """What answers on 127.0.0.1: `answers` is name → (status, headers, page)."""
    answers = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, page = answers.get(self.headers["Host"], (404, {}, ""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    real = closing.http.client.HTTPConnection
    monkeypatch.setattr(closing.http.client, "HTTPConnection", lambda address, _port, **more: real(address, server.server_port, **more))
    yield answers
    server.shutdown()


GOOD = (410, {}, f"<meta {closing.MARK}>")
CASES = {
    "both names answer 410 with the page": (GOOD, GOOD, {}, 0),
    "another's 410 is not ours": (GOOD, (410, {}, "Gone"), {}, 2),
    "the site still answers": (GOOD, (200, {}, f"<meta {closing.MARK}>"), {}, 2),
    "redirected": ((301, {"Location": "http://new.edu/"}, ""),) * 2 + ({"redirect": "http://new.edu/"}, 0),
    "redirected with its path": ((301, {"Location": "http://new.edu/planner/check"}, ""),) * 2
    + ({"redirect": "http://new.edu", "keep_path": True}, 0),
    "redirected elsewhere": ((301, {"Location": "http://bad.edu/"}, ""),) * 2 + ({"redirect": "http://new.edu/"}, 4),
}


@pytest.mark.parametrize("case", CASES)
def test_each_name_is_asked_for_at_the_front_and_at_the_old_address(front, case):
    first, second, how, problems = CASES[case]
    front |= {"a.edu": first, "www.a.edu": second}
    assert len(closing.asked({**MOVE, "retirement": {**RETIREMENT, **how}})) == problems


def test_nobody_there_is_a_problem():
    move = {**MOVE, "names": ["a.edu"], "source": {"host": "x", "address": "127.0.0.254"}, "destination": {"address": "127.0.0.254"}}
    assert all("nothing" in problem for problem in closing.asked(move))
    assert len(closing.asked(move)) == 2


def test_the_checklist_says_in_two_languages_what_is_kept_and_what_people_have_to_cancel():
    text = closing.checklist(MOVE)
    for said in (
        "ICP 备案",
        "ICP filing",
        "公安",
        "police",
        "端口映射",
        "Port mappings",
        "证书",
        "Certificates",
        "`store:/srv/archive/a`",
        "2029-12-01",
    ):
        assert said in text
    assert text.count("2027-03-01") == 4
    assert text.count("- [ ]") == 2 * len(closing._ITEMS)
    assert "待定" in closing.checklist({**MOVE, "retirement": {**RETIREMENT, "wipe_from": None}})


def test_the_mark_stands_in_the_page_of_the_role():
    from planner.shipped import folder

    assert closing.MARK in (folder("playbooks") / "roles/front_gone/templates/page.html.j2").read_text(encoding="utf-8")
