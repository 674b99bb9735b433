"""What machines say of sites in care, and what it amounts to: every trouble is told, none hides another, unknown is never good."""

import importlib.util
import json
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from inventory.errors import HostError
from planner import handshakes
from planner.operations import judging, reading, targets
from planner.operations.care import Cared
from planner.platforms import Platforms

_spec = importlib.util.spec_from_file_location("operations_conftest", Path(__file__).with_name("conftest.py"))
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)
move, tls = made.move, made.tls
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
PLATFORMS = Platforms.model_validate(
    {"backup": {"name": "bak", "address": "192.0.2.50"}, "monitoring": {"name": "mon", "address": "192.0.2.51"}}
)
SITE = Cared("p", move("a", source=tls("a.edu")), NOW - timedelta(days=20))
BACKUP = {"bytes": 10, "new_bytes": 5, "files": 3, "tables": 2, "rows": 6, "odd": ""}


def stamp(**ago):
    return (NOW - timedelta(**ago)).strftime(judging.STAMP)


def good():
    test = {"at": stamp(days=2), "ok": True, "error": "", "stamp": stamp(days=2), "files": 3, "tables": 2, "rows": 6}
    status = {
        "backups": {stamp(hours=6): BACKUP, stamp(hours=30): BACKUP},
        "last": {"ok": True, "error": "", "at": stamp(hours=6)},
        "test": test,
    }
    name = {
        "fingerprint": "f",
        "not_after": (NOW + timedelta(days=60)).isoformat(),
        "covers": True,
        "why": "",
        "since": NOW.isoformat(),
        "former": "",
    }
    return {
        "backup": {"at": "x", "trouble": "", "status": status}, "rotation": {"at": "x", "trouble": "", "missing": [], "errors": [], "timer": True},
        "certificates": {"at": "x", "trouble": "", "names": {"a.edu": name}}, "monitoring": {"at": "x", "trouble": "", "files": ["node.json"]},
    }  # fmt: skip


def changed(path, value):
    """`good()` with one thing other than it is."""
    found = good()
    *way, last = path
    part = found
    for key in way:
        part = part[key]
    part[last] = value
    return found


STATUS = ("backup", "status")
CASES = {
    "all is well": (good(), None),
    "nothing was ever read": ({}, "nothing was ever read of it"),
    "no backup": (changed((*STATUS, "backups"), {}), "there is no backup of it"),
    "not set up": (changed(STATUS, {}), "not set up yet"),
    "late": (changed((*STATUS, "backups"), {stamp(hours=31): BACKUP}), "its last backup is 31 hours old"),
    "just in time": (changed((*STATUS, "backups"), {stamp(hours=29): BACKUP}), None),
    "of tomorrow": (changed((*STATUS, "backups"), {stamp(hours=-5): BACKUP}), "lies in the future"),
    "failed last night": (changed((*STATUS, "last"), {"ok": False, "error": "no route"}), "the last backup failed: no route"),
    "odd": (changed((*STATUS, "backups"), {stamp(hours=1): {**BACKUP, "odd": "3 files, and up to 12 before"}}), "odd: 3 files"),
    "never restored": (changed((*STATUS, "test"), None), "was ever restored on trial"),
    "restore failed": (changed((*STATUS, "test", "ok"), False), "could not be restored on trial"),
    "restored long ago": (changed((*STATUS, "test", "at"), stamp(days=10)), "last restore on trial is 10 days old"),
    "restored within grace": (changed((*STATUS, "test", "at"), stamp(days=8)), None),
    "the tool is broken": (changed(STATUS, {"error": "is its disk mounted?"}), "cannot tell: is its disk mounted?"),
    "the machine for backups is off": (changed(("backup", "trouble"), "unreachable: x"), "is not known: unreachable: x"),
    "no certificate": (changed(("certificates", "names"), {}), "no certificate is presented for a.edu"),
    "certificate ends": (changed(("certificates", "names", "a.edu", "not_after"), (NOW + timedelta(days=20)).isoformat()), "in 20 days"),
    "certificate ended": (changed(("certificates", "names", "a.edu", "not_after"), (NOW - timedelta(days=1)).isoformat()), "ended on 2026-11-23"),
    "another's certificate": (changed(("certificates", "names", "a.edu", "covers"), False), "does not hold a.edu"),
    "logs grow": (changed(("rotation", "missing"), ["192.0.2.9: /var/log/x"]), "nothing rotates 192.0.2.9: /var/log/x"),
    "rotation complains": (changed(("rotation", "errors"), ["bad"]), "logrotate complains: bad"),
    "rotation is off": (changed(("rotation", "timer"), False), "its timer is off"),
    "the web server is off": (changed(("rotation", "trouble"), "timeout: x"), "whether its logs are rotated is not known"),
    "not watched": (changed(("monitoring", "files"), []), "not among the targets"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_a_reading_amounts_to(case):
    read, said = CASES[case]
    row = judging.row(SITE, read, PLATFORMS, NOW)
    assert [said in text for text in row.warnings] == ([True] if said else [])
    assert row.overdue == bool(said)
    assert json.loads(json.dumps(row.to_json(), default=str))["overdue"] == bool(said)


def test_nothing_read_is_unknown_not_good():
    row = judging.row(SITE, {}, PLATFORMS, NOW)
    assert (row.backup["state"], row.restore["state"], row.certificate["state"], row.rotation, row.monitoring) == ("unknown",) * 5


@given(
    st.lists(st.sampled_from(sorted(name for name, (read_, said) in CASES.items() if read_ and said)), min_size=1, max_size=4, unique=True)
)
def test_no_trouble_hides_another_of_another_part(names):
    read, wanted = good(), {}
    for name in names:
        for part in read:
            if CASES[name][0][part] != good()[part] and part not in wanted:
                read[part], wanted[part] = CASES[name][0][part], CASES[name][1]
    told = judging.row(SITE, read, PLATFORMS, NOW).warnings
    assert all(any(said in text for text in told) for said in wanted.values())


def test_without_machines_it_is_said_and_nothing_is_pretended():
    row = judging.row(SITE, good(), Platforms(), NOW)
    assert (row.backup["state"], row.monitoring) == ("none", "none")
    assert "names no machine for backups" in row.warnings[0]


def test_backups_beside_the_site_are_no_backups():
    beside = Platforms.model_validate(
        {"backup": {"name": "vh1", "address": "192.0.2.9"}, "monitoring": {"name": "mon", "address": "192.0.2.51"}}
    )
    assert judging.row(SITE, good(), beside, NOW).warnings == ("its backups lie on the machine that serves it",)


@pytest.mark.parametrize(("placement", "state"), [("colocation", "its unit's"), ("vps", "by hand")])
def test_what_is_not_ours_to_back_up_is_said_and_not_overdue(placement, state):
    other = Cared("p", move("r", placement, carried_out="by hand"), NOW)
    found = {**good(), "certificates": {"at": "x", "trouble": "", "names": {}}}
    row = judging.row(other, found, PLATFORMS, NOW)
    assert (row.backup["state"], row.warnings) == (state, ())


def test_closed_sites_need_nobody():
    closed = Cared("p", move("z", "retire"), NOW)
    row = judging.row(closed, {}, PLATFORMS, NOW)
    assert (row.warnings, row.backup["state"], row.monitoring) == ((), "archive", "-")


def test_the_heaviest_comes_first():
    rows = [judging.row(SITE, CASES[name][0], PLATFORMS, NOW) for name in ("all is well", "logs grow", "certificate ended")]
    assert [row.warnings[:1] for row in judging.order(rows)] == [rows[2].warnings, rows[1].warnings, ()]


# ---------------------------------------------------------------- reading


class Hosts:
    """Machines by address: what their script prints, or the error of the visit."""

    def __init__(self, **said):
        self.said = {f"192.0.2.{name[1:]}": text for name, text in said.items()}

    def run(self, address, script, *arguments, seconds=0):
        text = self.said.get(address)
        if text is None:
            raise HostError("unreachable", f"{address}: no route")
        return (0, text) if isinstance(text, str) else text


STATUS_TEXT = json.dumps({"folder": "/x", "free_bytes": 1, "sites": {"a": good()["backup"]["status"]}})
ROTATED = "timer yes\nlog /var/log/nginx/w-a.log\nlog /var/log/x.log\nthere /var/log/nginx/w-a.log\nthere /var/log/vhost/w-a.log\n"
FILES = "".join(f"@ {name}\n{text}\n" for name, text in targets.files([SITE], 9100).items())


@pytest.fixture
def silent(monkeypatch):
    monkeypatch.setattr(reading, "_silent", lambda _address: "refused")


def read(hosts, before=None, at=NOW):
    return reading.read([SITE], PLATFORMS, hosts, at, before or {})["a"]


def test_a_reading_of_machines_that_answer(silent):
    found = read(Hosts(_50=STATUS_TEXT, _9=ROTATED, _51=FILES))
    assert found["backup"]["status"] == good()["backup"]["status"]
    assert found["rotation"]["missing"] == ["192.0.2.9: /var/log/vhost/w-a.log"]
    assert found["monitoring"]["files"] == ["blackbox-http.json", "blackbox-https.json"]
    assert found["certificates"]["names"] == {"a.edu": {"why": "refused", "fingerprint": "", "seen": ""}}
    assert {part["trouble"] for part in found.values()} == {""}


def test_what_was_read_before_is_kept_of_a_machine_that_does_not_answer(silent):
    before = {"a": read(Hosts(_50=STATUS_TEXT, _9=ROTATED, _51=FILES))}
    later = read(Hosts(_9=ROTATED), before, NOW + timedelta(days=1))
    assert later["backup"] == {**before["a"]["backup"], "trouble": "unreachable: 192.0.2.50: no route"}
    assert later["rotation"]["at"] == "2026-11-25T08:00:00+00:00"
    warnings = judging.row(SITE, later, PLATFORMS, NOW + timedelta(days=1)).warnings
    assert any("is not known" in text for text in warnings)
    assert any("30 hours" in text or "late" in text for text in warnings) or later["backup"]["status"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sites": 3}', "null", (4, ""), (1, "x")])
def test_an_answer_that_is_none_is_unknown(silent, text):
    found = read(Hosts(_50=text, _9=ROTATED, _51="garbage"))
    if text == (4, ""):  # never set up
        assert found["backup"]["status"] == {}
    else:
        assert "status" not in found["backup"]
        assert found["backup"]["trouble"]
    assert found["monitoring"]["files"] == []


def certificate(*names, days=30):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = datetime.now(UTC)
    made_ = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=days))
    made_ = made_.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False).sign(
        key, hashes.SHA256()
    )
    form = serialization.Encoding.PEM
    return made_.public_bytes(form) + key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def test_certificates_are_asked_for_and_a_renewal_is_told(monkeypatch, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "one.pem").write_bytes(certificate("a.edu", days=30))
    (tmp_path / "two.pem").write_bytes(certificate("*.edu", days=90))
    context.load_cert_chain(tmp_path / "one.pem")
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(reading, "PORT", server.server_port)
    local = Cared("p", move("a", source=tls("a.edu"), destination={"address": "127.0.0.1"}), NOW)

    def asked(before, at):
        return reading.read([local], PLATFORMS, Hosts(), at, before)["a"]

    first = asked({}, NOW)
    assert list(first["certificates"]["names"]) == ["a.edu"], "the other name was never served over HTTPS, and this one does not hold it"
    again = asked({"a": first}, NOW + timedelta(days=1))
    assert again["certificates"]["names"] == first["certificates"]["names"]
    context.load_cert_chain(tmp_path / "two.pem")
    renewed = asked({"a": again}, NOW + timedelta(days=2))["certificates"]["names"]["a.edu"]
    assert (renewed["since"], renewed["former"]) == ("2026-11-26T08:00:00+00:00", first["certificates"]["names"]["a.edu"]["not_after"])
    told = judging.row(local, {"certificates": {"at": "x", "names": {"a.edu": renewed}}}, PLATFORMS, datetime.now(UTC)).certificate
    assert (told["renewed"], told["days"]) == ("2026-11-26", 89)
    server.shutdown()
    server.server_close()
    gone = asked({"a": asked({"a": again}, NOW)}, NOW + timedelta(days=3))["certificates"]["names"]["a.edu"]
    assert (gone["fingerprint"], bool(gone["why"]), bool(gone["not_after"])) == ("", True, True)
    shown = {("127.0.0.1", "a.edu"): handshakes.Presented(chain=(b"x",))}
    monkeypatch.setattr(reading, "_told", lambda *_: {"fingerprint": gone["seen"], "covers": True, "not_after": gone["not_after"]})
    back = reading._certificates(local, shown, "later", {"names": {"a.edu": gone}})["names"]["a.edu"]
    assert (back["since"], back["former"]) == (gone["since"], gone["former"]), "the same certificate after a pause is no renewal"


def test_a_certificate_that_cannot_be_read_is_said():
    assert reading._told("a.edu", handshakes.Presented(chain=(b"junk",)))["why"]


def test_readings_are_kept_and_forgotten_with_their_site(tmp_path):
    from inventory.catalogue import open_catalogue

    book = open_catalogue(f"sqlite:///{tmp_path}/c.db")
    with book.session() as session:
        reading.keep(session, {"a": good(), "b": {}})
    with book.session() as session:
        assert reading.kept(session) == {"a": good(), "b": {}}
        reading.keep(session, {"a": {}})
    with book.session() as session:
        assert reading.kept(session) == {"a": {}}
    book.close()
