"""Certificates that move with their sites: what is refused, what is carried as it is, what two addresses present, and the tool that brings them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from inventory.identify import Seen, sites
from planner import certificates, handshakes
from planner.planmodel import Source
from planner.planning import subjects, writing
from planner.platforms import Platforms

NOW = datetime.now(UTC).replace(microsecond=0)
ROOT_KEY, MIDDLE_KEY, KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
SHELLS = [shell for shell in ("dash", "bash", "mksh", "busybox ash") if shutil.which(shell.split()[0])]


def issued(subject: str, issuer: str, key: Any, signer: Any, names: tuple[str, ...] = (), *, days: tuple[int, int] = (-1, 90)) -> str:
    name, by = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (subject, issuer))
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(by).public_key(key.public_key()).serial_number(x509.random_serial_number())
    )
    made = made.not_valid_before(NOW + timedelta(days=days[0])).not_valid_after(NOW + timedelta(days=days[1]))
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(text) for text in names]), False)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def pem(key: Any, secret: bytes = b"", form: Any = serialization.PrivateFormat.PKCS8) -> str:
    how = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    return str(key.private_bytes(serialization.Encoding.PEM, form, how).decode())


NAMES = ("a.edu", "*.a.edu")
ROOT = issued("root", "root", ROOT_KEY, ROOT_KEY)
MIDDLE = issued("middle", "root", MIDDLE_KEY, ROOT_KEY)
LEAF = issued("a.edu", "middle", KEY, MIDDLE_KEY, NAMES)
OWN = issued("a.edu", "a.edu", KEY, KEY, NAMES)
ENDED = issued("a.edu", "middle", KEY, MIDDLE_KEY, NAMES, days=(-90, -1))
WEAK = rsa.generate_private_key(65537, 1024)

# case: certificate, key, chain, the site's names → words of the refusals, words of the remarks
CASES: dict[str, tuple[str, str, str, tuple[str, ...], list[str], list[str]]] = {
    "issued, chain in its file": (LEAF + MIDDLE, pem(KEY), "", ("a.edu", "www.a.edu"), [], []),
    "issued, chain in a file of its own": (LEAF, pem(KEY), MIDDLE, ("a.edu",), [], []),
    "key in the certificate's file": (pem(KEY) + LEAF + MIDDLE, "", "", ("a.edu",), [], []),
    "key of the old kind": (LEAF + MIDDLE, pem(KEY, form=serialization.PrivateFormat.TraditionalOpenSSL), "", ("a.edu",), [], []),
    "root at the end": (LEAF + MIDDLE + ROOT, pem(KEY), "", ("a.edu",), [], []),
    "self-signed": (OWN, pem(KEY), "", ("a.edu",), [], ["self-signed"]),
    "self-signed for another name": (OWN, pem(KEY), "", ("b.edu",), [], ["self-signed", "does not hold b.edu"]),
    "ended": (ENDED + MIDDLE, pem(KEY), "", ("a.edu",), [], ["it ended on"]),
    "ended, and incomplete": (ENDED, pem(KEY), "", ("a.edu",), [], ["it ended on", "chain is not complete"]),
    "another key": (LEAF + MIDDLE, pem(OTHER), "", ("a.edu",), ["belongs to another certificate"], []),
    "a protected key": (LEAF + MIDDLE, pem(KEY, b"secret"), "", ("a.edu",), ["protected by a passphrase"], []),
    "no key": (LEAF + MIDDLE, "nothing\n", "", ("a.edu",), ["holds none"], []),
    "two keys": (LEAF + MIDDLE, pem(KEY) + pem(OTHER), "", ("a.edu",), ["holds 2"], []),
    "no chain": (LEAF, pem(KEY), "", ("a.edu",), ["chain is not complete"], []),
    "another's chain": (LEAF + ROOT, pem(KEY), "", ("a.edu",), ["chain is not complete"], []),
    "a name that it does not hold": (LEAF + MIDDLE, pem(KEY), "", ("a.edu", "x.y.a.edu"), ["does not hold x.y.a.edu"], []),
    "all at once": (LEAF, pem(OTHER), "", ("b.edu",), ["another certificate", "does not hold b.edu", "chain is not complete"], []),
    "no certificate": ("", pem(KEY), "", ("a.edu",), ["holds none that can be read"], []),
    "not yet valid": (
        issued("a.edu", "middle", KEY, MIDDLE_KEY, NAMES, days=(2, 90)) + MIDDLE,
        pem(KEY),
        "",
        ("a.edu",),
        ["valid from"],
        [],
    ),
    "a short key": (issued("a.edu", "middle", WEAK, MIDDLE_KEY, NAMES) + MIDDLE, pem(WEAK), "", ("a.edu",), ["1024 bits"], []),
}


def printed(folder: Path, certificate: str, key: str, chain: str, shell: str = SHELLS[0]) -> str:
    (folder / "c.pem").write_text(certificate)
    (folder / "k.pem").write_text(key)
    (folder / "h.pem").write_text(chain)
    words = [str(folder / "c.pem"), str(folder / ("k.pem" if key else "c.pem")), str(folder / "h.pem") if chain else ""]
    done = subprocess.run([*shell.split(), "-c", certificates.SCRIPT, "sh", *words], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.mark.parametrize("case", CASES)
def test_what_is_refused_and_what_is_carried_as_it_is(case: str, tmp_path: Path) -> None:
    certificate, key, chain, names, refused, remarks = CASES[case]
    judged = certificates.judge(printed(tmp_path, certificate, key, chain), names, NOW, None)
    assert len(judged.refused) == len(refused), judged
    assert len(judged.remarks) == len(remarks), judged
    for word, text in zip(refused + remarks, judged.refused + judged.remarks, strict=True):
        assert word in text


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_no_line_of_the_key_is_printed(shell: str, form: Any, tmp_path: Path) -> None:
    key = pem(KEY, form=form)
    text = printed(tmp_path, key + LEAF + MIDDLE + key, key, MIDDLE, shell)
    assert "PUBLIC KEY" in text
    assert key.splitlines()[1] not in text, "the line with the secret: what follows holds the public half, too"
    assert "PRIVATE" not in text


def test_it_must_last_until_the_trial_run_is_over(tmp_path: Path) -> None:
    text = printed(tmp_path, LEAF + MIDDLE, pem(KEY), "")
    ends = (NOW + timedelta(days=90)).date()
    assert not certificates.judge(text, ("a.edu",), NOW, ends).refused
    assert "renew it at the source first" in certificates.judge(text, ("a.edu",), NOW, ends + timedelta(days=1)).refused[0]
    assert not certificates.judge(printed(tmp_path, ENDED + MIDDLE, pem(KEY), ""), ("a.edu",), NOW, date(2999, 1, 1)).refused


def test_a_file_that_root_cannot_read_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", certificates.SCRIPT, "sh", "/nowhere/c.pem", "/nowhere/k.pem", ""], capture_output=True, text=True, check=True
    )
    assert certificates.judge(done.stdout, ("a.edu",), NOW, None).refused == ("/nowhere/c.pem cannot be read by root at its source",)


@given(st.text(max_size=300))
def test_any_print_is_judged(text: str) -> None:
    assert certificates.judge(text, ("a.edu",), NOW, None).refused


# what two addresses present


class _Redirecting(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(301)
        self.send_header("Location", "https://a.edu/")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(folder: Path, name: str, text: str, key: str) -> Iterator[int]:
    path = folder / name
    path.write_text(text + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = HTTPServer(("127.0.0.1", 0), _Redirecting)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("there", "verdict", "kinds"),
    [
        (LEAF + MIDDLE, "equal", []),
        (LEAF + MIDDLE + ROOT, "equal", []),
        (LEAF, "different", ["certificate chain"]),
        (issued("a.edu", "middle", KEY, MIDDLE_KEY, NAMES) + MIDDLE, "different", ["certificate"]),
    ],
    ids=["the same", "with its root", "without its chain", "another of the same names"],
)
def test_certificates_of_two_addresses(there: str, verdict: str, kinds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "_plain", lambda *_: (0, ""))
    with serving(tmp_path, "a", LEAF + MIDDLE, pem(KEY)) as one, serving(tmp_path, "b", there, pem(KEY)) as other:
        found = handshakes.compare(["a.edu", "www.a.edu"], "127.0.0.1", "127.0.0.1", ports=(one, other))
    assert found.verdict == verdict, found
    assert [item.kind for item in found.differences] == kinds * 2
    fingerprint = x509.load_pem_x509_certificate(LEAF.encode()).fingerprint(hashes.SHA256()).hex()
    assert found.pins == {"a.edu": fingerprint, "www.a.edu": fingerprint}


def test_a_side_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "_plain", lambda *_: (0, ""))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with serving(tmp_path, "a", OWN, pem(KEY)) as one:
            assert handshakes.compare(["a.edu"], "127.0.0.1", "127.0.0.1", ports=(one, port)).verdict == "different"
            assert handshakes.compare(["a.edu"], "127.0.0.1", "127.0.0.1", ports=(port, one)).verdict == "insufficient"


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ((301, "https://a.edu/"), (301, "https://a.edu/"), True),
        ((302, "https://www.a.edu/"), (301, "https://a.edu/"), True),
        ((200, ""), (200, ""), True),
        ((200, ""), (301, "https://a.edu/"), False),
        ((301, "https://a.edu/"), (200, ""), False),
        ((0, ""), (301, "https://a.edu/"), True),
        ((404, ""), (301, "https://a.edu/"), True),
        ((301, "http://a.edu/new"), (301, "https://a.edu/"), False),
    ],
)
def test_plain_http_is_sent_on_at_both_or_at_neither(ours: tuple[int, str], theirs: tuple[int, str], same: bool) -> None:
    assert (handshakes._redirects("a.edu", ours, theirs) == []) is same


# the tool that brings them

_spec = importlib.util.spec_from_file_location(
    "site_certificate", Path(__file__).parents[2] / "playbooks/roles/site_certificate/files/site-certificate.py"
)
assert _spec is not None
assert _spec.loader is not None
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)
SENT = (LEAF + MIDDLE + pem(KEY)).encode() + b"planner: certificate sent\n"


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tool, run with what the source would send; files go into a folder of the test's."""
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    monkeypatch.setattr(tool, "state", lambda path: (0, 0, path.stat().st_mode & 0o7777))  # as root would have made it

    def run(sent: bytes, *words: str) -> None:
        monkeypatch.setattr(tool, "fetch", lambda _: sent)
        monkeypatch.setattr(sys, "argv", ["site-certificate", *words, "x-edu", "w-x"])
        kept = os.umask(0o022)
        try:
            tool.main()
        finally:
            os.umask(kept)

    return run


def test_it_brings_both_and_a_second_time_nothing(brought: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    brought(SENT, "--check")
    assert "planner: changed" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    brought(SENT)
    said = capsys.readouterr().out
    assert "planner: changed" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w-x.pem", "w-x.pem.key"]
    assert (tmp_path / "w-x.pem").read_text() == LEAF + MIDDLE
    assert (tmp_path / "w-x.pem.key").read_text() == pem(KEY)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("w-x.pem", "w-x.pem.key")] == [0o644, 0o600]
    brought(SENT)
    brought(SENT, "--check")
    assert capsys.readouterr().out == ""
    assert not [line for line in pem(KEY).splitlines() if line in said]


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (SENT[:-30], "did not send all"),
        ((LEAF + pem(OTHER)).encode() + tool.END, "do not belong together"),
        ((LEAF + pem(KEY, b"x")).encode() + tool.END, "protected by a passphrase"),
        (LEAF.encode() + tool.END, "sent 0 private keys"),
        (pem(KEY).encode() + tool.END, "sent no certificate"),
        ((issued("a.edu", "middle", WEAK, MIDDLE_KEY, NAMES) + pem(WEAK)).encode() + tool.END, "cannot be used"),
    ],
    ids=["cut off", "another key", "protected", "no key", "no certificate", "too short"],
)
def test_what_does_not_fit_takes_no_place(sent: bytes, why: str, brought: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    brought(SENT)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SystemExit):
        brought(sent)
    said = capsys.readouterr().out
    assert said.splitlines()[1].startswith("planner: failed: ")
    assert why in said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# facts and plan


def vhost(port: int, tls: bool, **more: Any) -> Seen:
    data = {
        "server": "nginx", "names": ["a.edu"], "listen": [{"address": "", "port": str(port), "tls": tls, "default": False}], "docroot": "/srv/a",
        "file": "/f", "line": port, "enabled": True, "php": False, "running": True, "tls": {"certificate": "/c", "key": "/k"} if tls else None,
    }  # fmt: skip
    return Seen("vhost", {**data, **more}, (1, "x", port))


def held(**more: Any) -> Seen:
    data = {
        "path": "/c",
        "names": ["a.edu"],
        "key_path": "/k",
        "key_there": True,
        "chain": "complete",
        "not_after": "2099-01-01T00:00:00+00:00",
    }
    return Seen("certificate", {**data, **more}, (1, "c", 1))


@pytest.mark.parametrize(
    ("seen", "only"),
    [
        ([vhost(443, True)], True),
        ([vhost(443, True), vhost(80, False, redirect_to="https://a.edu$request_uri")], True),
        ([vhost(443, True), vhost(80, False)], False),
        ([vhost(443, True, listen=[{"port": "80", "tls": False}, {"port": "443", "tls": True}])], False),
        ([vhost(443, True, forces_tls=True, listen=[{"port": "80", "tls": False}, {"port": "443", "tls": True}])], True),
    ],
    ids=["443 alone", "80 redirects", "80 serves", "one block serves both", "one block sends 80 on"],
)
def test_whether_plain_http_is_served(seen: list[Seen], only: bool) -> None:
    site = sites("h", [*seen, held(chain_path="/h")])[0]
    assert site.value("site.https_only") is only
    assert (site.value("tls.key_there"), site.value("tls.chain_path"), site.value("site.tls_names")) == (True, "/h", ["a.edu"])


def subject(*seen: Seen) -> Any:
    found = sites("h", list(seen))[0]
    plain = {name: {"value": fact["value"]} for name, fact in found.facts.items()}
    verdict = type("V", (), {"recommendation": "virtual-host"})()
    return subjects.Subject("a.edu", "u", "site", "h", "192.0.2.1", ["a.edu"], plain, verdict, None, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ([held()], ""),
        ([held(key_path=None, key_there=None)], ""),
        ([held(key_there=False)], "its private key /k is not there"),
        ([held(key_there=None)], "its private key /k could not be seen: that takes root on its host"),
        ([], "its certificate /c could not be read"),
    ],
    ids=["both there", "key in its file", "key gone", "not root", "certificate unread"],
)
def test_who_cannot_be_carried_stays_by_hand(certificate: list[Seen], why: str) -> None:
    said = subjects.by_hand(subject(vhost(443, True), *certificate), Platforms())
    assert why in said
    assert bool(said) is bool(why)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("max-age=63072000; includeSubDomains; preload", "max-age=63072000; includeSubDomains; preload"),
        ('max-age="300"', 'max-age="300"'),
        ("max-age=1'; }\nreturn 200", ""),
        ("", ""),
    ],
)
def test_a_header_that_is_none_never_reaches_a_configuration(sent: str, kept: str) -> None:
    source = writing._https(subject(vhost(443, True, hsts=sent), held()))
    assert source["hsts"] == kept
    Source.model_validate({"host": "h", "address": "192.0.2.1", "tls": True, **source})
    assert source["certificate"]["key_path"] == "/k"


@pytest.mark.parametrize(("server", "stays"), [("nginx", False), ("apache", False), ("lighttpd", True), ("caddy", True)])
def test_a_web_server_that_cannot_pass_visitors_on_stays_by_hand(server: str, stays: bool) -> None:
    assert bool(subjects.by_hand(subject(vhost(80, False, server=server)), Platforms())) is stays
