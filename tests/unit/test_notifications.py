"""Webhooks and letters to real servers on the loopback: what is sent, to whom, and that a dead server holds nothing up."""

import json
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from planner import notifications
from planner.notifications import Event, Mail, Messenger, Notify

FAILED = Event("failed", "plan-1", "run-1", "www-hist", "sync: 磁盘已满", "2026-12-01T22:00:00+08:00")
DONE = Event("done", "plan-1", "run-1", "www-hist", "", "2026-12-01T22:00:00+08:00")


@pytest.fixture
def hook():
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()


@pytest.fixture
def post():
    letters = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 here\r\n")
            lines = []
            while line := self.rfile.readline():
                word = line.strip().upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    while (line := self.rfile.readline()) != b".\r\n":
                        lines.append(line)
                    letters.append(b"".join(lines).decode())
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], letters
    server.shutdown()


def send(settings, *events):
    noted = []
    with Messenger(settings, noted.append).working() as messenger:
        for event in events:
            messenger.tell(event)
    return noted


def test_a_webhook_gets_what_it_wants(hook):
    url, got = hook
    settings = Notify.model_validate({"webhooks": [{"url": url}, {"url": url, "on": ["done"]}]})
    assert send(settings, FAILED, DONE) == []
    assert [(one["kind"], one["move"], one["text"]) for one in got] == [("failed", "www-hist", "sync: 磁盘已满"), ("done", "www-hist", "")]


def test_a_letter_says_which_move_and_why(post):
    port, letters = post
    settings = Notify(mails=(Mail.model_validate({"server": "127.0.0.1", "port": port, "from": "a@x.edu", "to": ["b@x.edu", "c@x.edu"]}),))
    assert send(settings, FAILED, DONE) == []
    (one,) = letters
    assert "Subject: planner: www-hist failed" in one
    assert "To: b@x.edu, c@x.edu" in one


def test_what_a_host_said_is_no_header():
    mail = Mail.model_validate({"server": "x", "from": "a@x.edu", "to": ["b@x.edu"]})
    made = notifications.letter(mail, Event("failed", "p", "r", "m\nBcc: evil@x.com", "x\nBcc: evil@x.com", ""))
    assert made["Bcc"] is None
    assert str(made["Subject"]) == "planner: m Bcc: evil@x.com failed"


def test_a_server_that_fails_is_noted_and_the_others_are_told(hook):
    url, got = hook
    dead = "http://127.0.0.1:9"
    settings = Notify.model_validate({"webhooks": [{"url": f"{dead}/?token=secret"}, {"url": f"{url}/broken"}, {"url": url}]})
    noted = send(settings, FAILED)
    assert len(got) == 2
    assert [line.partition(" could")[0] for line in noted] == [f"{dead}/", f"{url}/broken"]
    assert "secret" not in str(noted)


def test_a_server_that_never_answers_holds_nothing_up(monkeypatch):
    monkeypatch.setattr(notifications, "SECONDS", 0.3)
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as silent:  # takes connections, answers none
        settings = Notify.model_validate({"webhooks": [{"url": f"http://127.0.0.1:{silent.server_address[1]}"}]})
        begun = time.monotonic()
        assert send(settings, *[FAILED] * 10)
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhooks": [{"url": "file:///etc/passwd"}]}, {"webhooks": [{"url": "http://user:secret@x/"}]}, {"webhooks": [{"url": "x"}]},
        {"mails": [{"server": "x", "from": "a@x.edu", "to": []}]}, {"mails": [{"server": "x", "from": "a@x\nBcc: y", "to": ["b@x.edu"]}]},
        {"webhooks": [{"url": "http://x/", "on": ["everything"]}]},
    ],
)  # fmt: skip
def test_what_is_no_place(wrong):
    with pytest.raises(ValidationError):
        Notify.model_validate(wrong)
