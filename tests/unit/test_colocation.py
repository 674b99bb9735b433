"""A machine before and after: what it says of itself, what is missing, its pages written down; and the sheet that people print."""

import http.server
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import colocation, dispatch, journal, movesteps, recording, runsheet
from tests.unit.test_bundle import HOSTILE, plan

SAID = """listens tcp 0.0.0.0:22
listens tcp 192.0.2.1:443
listens tcp 127.0.0.1:3306
listens tcp [::]:22
listens udp 0.0.0.0%eth0:68
listens udp *:48213
runs nginx.service
runs user@1000.service
runs planner-address.service
disk sda
mount / ext4
mount /data xfs
id 0123
address 127.0.0.1
address 192.0.2.1
end
"""


def state(text=SAID, address="192.0.2.1"):
    return colocation.parse(text, address)


def test_what_a_machine_says_of_itself():
    assert state() == {
        "address": ["127.0.0.1", "192.0.2.1"],
        "disk": ["sda"],
        "id": ["0123"],
        "listens": ["tcp 0.0.0.0:22", "tcp 127.0.0.1:3306", "tcp :::22", "tcp own:443", "udp 0.0.0.0:68"],
        "mount": ["/ ext4", "/data xfs"],
        "runs": ["nginx.service"],
    }


def test_after_the_renumbering_its_own_address_is_another_and_nothing_is_missing():
    after = state(SAID.replace("192.0.2.1", "198.51.100.9"), "198.51.100.9")
    assert colocation.missing(state(), after) == []


@pytest.mark.parametrize(
    ("line", "replaced", "said"),
    [
        ("listens tcp 192.0.2.1:443\n", "", ["nothing listens on tcp own:443"]),
        ("runs nginx.service\n", "", ["nginx.service does not run"]),
        ("disk sda\n", "disk sdb\n", ["the disk sda is not there"]),
        ("mount /data xfs\n", "", ["/data xfs is not mounted"]),
        ("end\n", "degraded array\nend\n", ["a disk array is degraded"]),
        ("id 0123", "id 9999", ["it has another machine id: this is another machine, or another system on it"]),
        ("disk sda\n", "disk sda\ndisk sdb\n", []),
    ],
)
def test_what_is_missing(line, replaced, said):
    assert colocation.missing(state(), state(SAID.replace(line, replaced))) == said


@given(st.text())
def test_any_answer_is_read_or_refused(text):
    with pytest.raises(ValueError, match="cut off"):
        colocation.parse(text.replace("end", "en"), "192.0.2.1")
    assert isinstance(colocation.parse(text + "\nend\n", "192.0.2.1"), dict)


@pytest.fixture
def site(monkeypatch):
    """A site of three pages, one with a clock; `pages` may be changed."""
    pages = {
        "/": "<title>Home</title><p>Welcome to the school</p><a href=/a>a</a><a href=/clock>c</a>",
        "/a": "<title>A</title><p>Something</p>",
    }
    count = [0]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            count[0] += 1
            shown = pages | {"/clock": f"<title>Clock</title><p>Opening hours are nine to five</p><p>Visit number {count[0]}</p>"}
            body = shown.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    plain = recording.SiteView
    monkeypatch.setattr(recording, "SiteView", lambda names, address, _port, tls: plain(names, address, server.server_port, tls))
    monkeypatch.setattr(recording, "SETTLE", 0.0)
    yield pages
    server.shutdown()


def test_pages_are_written_down_and_compared_later(site):
    record = json.loads(json.dumps(recording.recorded(["x.edu"], "127.0.0.1", ["/a"], tls=False)))
    assert [pair["first"]["url"] for pair in record] == ["http://x.edu/", "http://x.edu/a", "http://x.edu/clock"]
    same = recording.compared(["x.edu"], "127.0.0.1", record, tls=False)
    assert same.verdict == "equal", same.reason
    site["/a"] = "<title>A</title><p>Welcome to nginx</p>"
    changed = recording.compared(["x.edu"], "127.0.0.1", record, tls=False)
    assert (changed.verdict, [page.url for page in changed.pages if page.outcome == "different"]) == ("different", ["http://x.edu/a"])
    del site["/a"]
    assert recording.compared(["x.edu"], "127.0.0.1", record, tls=False).verdict == "different"


def test_a_site_that_does_not_answer_any_more_is_different(site):
    record = recording.recorded(["x.edu"], "127.0.0.1", [], tls=False)
    assert site
    gone = recording.compared(
        ["x.edu"], "127.0.0.2", [{**pair, "first": pair["first"] | {"url": "http://x.edu:1/"}} for pair in record], tls=False
    )
    assert gone.verdict == "different"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("transport", ["stays", "carried"])
def test_the_sheet_is_whole_in_both_languages_and_hostile_text_is_none_of_it(text, transport):
    move = plan(placement="colocation", text=text)["moves"][0]
    move["colocation"]["transport"] = transport
    sheet = runsheet.text(move)
    chinese, _, english = sheet.partition("\n---\n")
    assert chinese.count("- [ ] ") == english.count("- [ ] ") > 15
    assert ("Switching off and carrying" in english) == ("关机与搬运" in chinese) == (transport == "carried")
    assert "U31–U32" in english
    assert "192.0.2.9/27" in english
    assert ("30 minutes" in english, "30 分钟" in chinese) == (True, True)
    assert "`id`" not in sheet
    assert "{" not in "".join(sheet.split(runsheet._plain(text))) or "{" in text


def test_what_the_plan_does_not_know_is_a_line_to_be_filled_in():
    move = plan(placement="colocation")["moves"][0]
    move["colocation"] |= {"unit": 0, "port": 0, "vlan": None, "power_w": None, "feeds": [], "switch": "", "model": ""}
    for line in ("| machine | __________ |", "| switch, port | __________, __________ |", "| VLAN of the port | __________ |"):
        assert line in runsheet.text(move)


@pytest.mark.parametrize("step", ["renumber", "arrive", "verify", "backup"])
def test_a_failure_says_what_to_do(step):
    move = plan(placement="colocation")["moves"][0]
    assert "planner run" in colocation.afterwards(move, step)
    move["colocation"]["transport"] = "carried"
    assert "planner run" in colocation.afterwards(move, step)


def test_what_rides_waits_for_the_move_that_carries_its_machine():
    move = plan(placement="colocation")["moves"][0] | {"id": "y-edu", "group": "g", "steps": ["verify"]}
    document = {"moves": [move], "groups": [{"group": "g", "moves": ["x-edu", "y-edu"], "after": []}]}
    states = {name: journal.MoveState({"verify": "waiting"}) for name in ("x-edu", "y-edu")}
    assert dispatch.waits_for(document, move, states) == ["x-edu"]
    states["x-edu"].steps["verify"] = "done"
    assert dispatch.waits_for(document, move, states) == []
    assert not dispatch._preparing(move, states["y-edu"])


def test_a_machine_is_prepared_by_day_and_renumbered_in_its_night():
    when = {step.name: (step.when, step.go) for step in movesteps.TABLE["colocation"]}
    assert movesteps.prepared("colocation") == "record"
    assert when["renumber"] == when["depart"] == ("window", True)
    assert when["cutover"] == ("any time", False), "DNS follows the machine at once"
