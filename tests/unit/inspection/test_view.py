"""A site asked over HTTP: real servers on the loopback for the I/O, plain views for what follows from them."""

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from inventory.inspection import liveness, view
from inventory.inspection.model import Answer, Asked, View

AT = datetime(2026, 11, 24, tzinfo=UTC)


def certificate(folder, name, days):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(7)
        .not_valid_before(now - timedelta(days=400)).not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False).sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "c.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return context


PAGE = '<title>历史 History</title><meta name="generator" content="WordPress 5.7">'


async def _front(request):
    if request.headers["Host"].startswith("gone"):
        return web.Response(status=500, text="<b>Warning</b>: mysqli_connect()", content_type="text/html")
    return web.Response(text=PAGE, content_type="text/html", headers={"Server": "Apache/2.4.1 (Unix)", "X-Powered-By": "PHP/5.3"})


async def _looked(monkeypatch, folder, names, *, tls_days=None):
    """Run a site on the loopback and look at it there: ports are the servers' own, and the loopback may be asked."""
    app = web.Application()
    app.router.add_get("/", _front)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    if tls_days is not None:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate(folder, "www.x.edu", tls_days)).start()
    ports = [address[1] for address in runner.addresses]
    plain, secure = ports[0], ports[1] if tls_days is not None else 1
    original = view._Pinned.resolve

    async def resolve(self, host, port=0, family=0):
        found = await original(self, host, port)
        return [{**entry, "port": plain if port == 80 else secure} for entry in found]

    monkeypatch.setattr(view._Pinned, "resolve", resolve)
    monkeypatch.setattr(view, "may_ask", lambda address: True)

    async def known(name, seconds):
        return (["127.0.0.1"], "") if "nowhere" not in name else ([], "")

    monkeypatch.setattr(view, "_resolve", known)
    try:
        return {seen.name: seen async for seen in view.look([Asked(name) for name in names], view.Limits(request_seconds=5))}
    finally:
        await runner.cleanup()


def test_a_site_is_seen_as_a_visitor_sees_it(monkeypatch, tmp_path):
    seen = asyncio.run(_looked(monkeypatch, tmp_path, ["www.x.edu", "gone.x.edu", "nowhere.edu"]))
    told = {name: fact["value"] for name, fact in liveness.facts(seen["www.x.edu"], AT).items()}
    assert told["http.title"] == "历史 History"
    assert (told["http.generator"], told["http.server_kind"], told["http.powered_by"]) == ("WordPress 5.7", "apache", "PHP/5.3")
    assert (told["http.answers"], told["http.https"], told["http.status"]) == (True, False, 200)
    gone = liveness.facts(seen["gone.x.edu"], AT)
    assert gone["http.answers"]["value"] is False
    assert "status 500" in gone["http.answers"]["why"]
    assert gone["http.errors"]["value"] == ["PHP message", "database error"]
    nowhere = liveness.facts(seen["nowhere.edu"], AT)
    assert nowhere["http.answers"]["value"] is False
    assert nowhere["http.dns"]["value"] == []


def test_an_untrusted_certificate_is_said_and_the_page_read_all_the_same(monkeypatch, tmp_path):
    seen = asyncio.run(_looked(monkeypatch, tmp_path, ["www.x.edu"], tls_days=-30))
    told = {name: fact["value"] for name, fact in liveness.facts(seen["www.x.edu"], AT).items()}
    assert told["http.https"] is False
    assert "certificate" in told["http.certificate_problem"]
    assert told["http.certificate_names"] == ["www.x.edu"]
    assert told["http.certificate_expires"] < f"{datetime.now(UTC):%Y-%m-%d}"
    assert told["http.answers"] is True


def test_a_view_survives_the_catalogue(monkeypatch, tmp_path):
    seen = asyncio.run(_looked(monkeypatch, tmp_path, ["www.x.edu"], tls_days=30))["www.x.edu"]
    again = View.from_json(json.loads(json.dumps(seen.to_json())))
    assert liveness.facts(again, AT) == liveness.facts(seen, AT)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "255.255.255.255", "x"])
def test_some_addresses_are_never_asked(address):
    assert not view.may_ask(address)


def test_private_and_public_addresses_may_be_asked():
    assert all(map(view.may_ask, ["10.1.2.3", "192.168.1.1", "198.51.100.7", "2001:db8::1"]))


def answer(scheme="http", outcome="answered", **more):
    return Answer(f"{scheme}://a.edu/", "192.0.2.1", outcome, **{"status": 200 if outcome == "answered" else 0, **more})


def told(**parts):
    base = {"name": "a.edu", "addresses": ("192.0.2.1",), "problem": "", "answers": (), "at_host": (), "host_address": ""}
    return {name: fact["value"] for name, fact in liveness.facts(View(**{**base, **parts}), AT).items()}


def test_dns_that_could_not_be_asked_is_unknown_not_empty():
    assert set(told(addresses=(), problem="no answer from DNS in 8 s")) == {"http.checked"}


def test_dns_leads_elsewhere_and_the_host_still_answers():
    seen = told(host_address="192.0.2.9", answers=(answer(), answer("https", "refused")), at_host=(answer(), answer("https", "refused")))
    assert (seen["http.dns_here"], seen["http.answers_at_host"], seen["http.https"]) == (False, True, False)


def test_a_timeout_of_https_is_unknown_a_refusal_is_not():
    assert "http.https" not in told(answers=(answer(), answer("https", "timeout")))
    assert told(answers=(answer(), answer("https", "refused")))["http.https"] is False


def test_redirects_to_another_host_and_to_https():
    seen = told(answers=(answer(status=301, location="https://a.edu/"), answer("https", status=302, location="https://new.edu/")))
    assert (seen["http.https_redirect"], seen["http.redirects_to"]) == (True, ["new.edu"])


def test_seeing_nothing_at_all_is_our_own_blindness():
    down = View("a.edu", ("192.0.2.1",), "", (answer(outcome="unreachable"), answer("https", "timeout")), (), "")
    assert liveness.blind([down] * 3)
    assert not liveness.blind([down] * 2)
    assert not liveness.blind([down, down, View("b.edu", ("192.0.2.1",), "", (answer(outcome="refused"),), (), "")])
    assert not liveness.blind([View("x.edu", (), "", (), (), "")] * 5)  # names that do not exist were resolved: DNS works
