"""Sites over HTTPS on real hosts: their certificates go with them, their keys go nowhere else, and all of it is taken back.

Three sites: a wildcard certificate with its issuer's in one file and a self-signed one (nginx, to the site cluster), and a WordPress with its
chain in a file of its own (Apache, to a virtual host).  One story: the tests look at what it left, in order.
"""

import json
import re
import sqlite3
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.e2e
HOSTS = ("ns1", "bio", "med", "vh1", "front", "node1", "node2")
BIO, FLORA, MED = "www-bio-campus-test", "herbarium-bio-campus-test", "www-med-campus-test"
ADDRESS = {"bio": "198.51.100.19", "med": "198.51.100.20", "vh1": "198.51.100.101", "front": "198.51.100.110"}
KEYS = {"bio": ["/etc/nginx/tls/bio.key", "/etc/nginx/tls/herbarium.key"], "med": ["/etc/ssl/private/med.key"]}
STATE = "find /etc/nginx /etc/apache2 /etc/ssl /var/www /srv /home/ops/.ssh -type f -exec sha256sum {} + 2>/dev/null | sort"


def fetched(campus, name, address, scheme="https", path="/", *more):
    """Status line, headers in lower case and body, asked at an address; the certificate must be good for the roots, if any is given."""
    port = {"https": 443, "http": 80}[scheme]
    text = campus.ctl("curl", "-si", *more, "--resolve", f"{name}:{port}:{address}", f"{scheme}://{name}{path}").replace("\r\n", "\n")
    head, _, body = text.partition("\n\n")
    status, *headers = head.split("\n")
    return status, sorted(line.split(":", 1)[0].lower() + ":" + line.split(":", 1)[1] for line in headers if ":" in line), body


def presented(campus, name, address):
    """All certificates that an address presents for a name."""
    text = campus.ctl("sh", "-c", f"openssl s_client -connect {address}:443 -servername {name} -showcerts </dev/null 2>/dev/null")
    return re.findall(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", text)


def states(campus, space):
    return {row["move"]: row["state"] for row in json.loads(campus.planner(space, "status", "--json").stdout)}


@pytest.fixture(scope="module")
def space(campus, tmp_path_factory):
    folder = campus.workspace(tmp_path_factory.mktemp("workspace"), HOSTS[1:], ("units.yml", "https-servers.csv", "https-sites.csv"))
    for host in KEYS:
        campus.notes[host] = campus.lab("exec", host, "sh", "-c", STATE).stdout
    campus.notes["roots"] = folder / "roots.pem"
    roots = (
        campus.lab("exec", "bio", "cat", "/etc/nginx/tls/root.crt").stdout
        + campus.lab("exec", "med", "cat", "/etc/ssl/certs/med-root.crt").stdout
    )
    campus.notes["roots"].write_text(roots)
    return folder


@pytest.fixture(scope="module")
def planned(campus, space):
    campus.planner(space, "discover", "bio", "med")
    campus.planner(space, "assess")
    campus.planner(space, "plan")
    campus.planner(space, "generate")
    campus.planner(space, "plan", "approve", "--by", "the lab", "--despite", "this is a lab")
    return next((space / "plans").iterdir())


@pytest.fixture(scope="module")
def refused(campus, space, planned):
    """A run while the source holds a key that is another certificate's; it is put back afterwards."""
    ours = "cp -p bio.key kept && cp -p herbarium.key bio.key"
    campus.lab("exec", "bio", "sh", "-c", f"cd /etc/nginx/tls && {ours}")
    seen = campus.planner(space, "run", "--yes", "--any-time", "a lab has no nights", "--move", "www.bio.campus.test", code=8)
    campus.lab("exec", "bio", "sh", "-c", "cd /etc/nginx/tls && mv kept bio.key")
    return seen.stderr


@pytest.fixture(scope="module")
def moved(campus, space, refused):
    campus.notes["before"] = {
        name: presented(campus, name, ADDRESS[host])
        for name, host in (("www.bio.campus.test", "bio"), ("herbarium.bio.campus.test", "bio"), ("www.med.campus.test", "med"))
    }
    return campus.planner(space, "run", "--yes", "--any-time", "a lab has no nights")


def test_the_plan_says_what_is_carried(planned):
    moves = {move["id"]: move for move in yaml.safe_load((planned / "plan.yml").read_text())["moves"]}
    assert {name: move["carried_out"] for name, move in moves.items()} == dict.fromkeys((BIO, FLORA, MED), "planner")
    assert {name: (move["source"]["https_only"], move["source"]["hsts"]) for name, move in moves.items()} == {
        BIO: (True, "max-age=31536000; includeSubDomains"),
        FLORA: (False, ""),
        MED: (True, "max-age=86400"),
    }
    given = moves[MED]["source"]["certificate"]
    assert (given["path"], given["key_path"], given["chain"]) == (
        "/etc/ssl/certs/med.crt", "/etc/ssl/private/med.key", "/etc/ssl/certs/med-chain.pem"
    )  # fmt: skip
    assert moves[BIO]["source"]["certificate"]["names"] == ["bio.campus.test", "*.bio.campus.test"]
    assert "self-signed" in moves[FLORA]["note"]


def test_a_key_of_another_certificate_is_refused_before_anything_is_changed(campus, refused):
    assert "its private key belongs to another certificate" in refused
    assert campus.ctl("dig", "+noall", "+answer", "www.bio.campus.test").split()[1] == "3600"
    assert campus.lab("exec", "front", "ls", "/etc/ssl/sites", check=False).returncode != 0
    assert "planner-move" not in campus.lab("exec", "bio", "cat", "/home/ops/.ssh/authorized_keys").stdout


def test_they_are_moved_and_were_proved_equal(campus, space, moved):
    assert states(campus, space) == dict.fromkeys((BIO, FLORA, MED), "done"), moved.stderr
    book = sqlite3.connect(space / "catalogue.db")
    found = {move: (verdict, json.loads(data)) for move, verdict, data in book.execute("select move, verdict, data from comparison")}
    book.close()
    assert {move: verdict for move, (verdict, _) in found.items()} == dict.fromkeys((BIO, FLORA, MED), "equal")
    for _, data in found.values():
        assert data["tls"]["verdict"] == "equal"
        assert not data["tls"]["not_compared"]
        assert all(page["url"].startswith("https://") for page in data["pages"]["pages"])
    assert found[MED][1]["rows"]["compared"] > 10
    assert sum(page["outcome"] == "equal" for page in found[BIO][1]["pages"]["pages"]) > 80


@pytest.mark.parametrize(("name", "place"), [("www.bio", "front"), ("herbarium.bio", "front"), ("www.med", "vh1")])
def test_the_same_certificates_at_the_new_place(campus, moved, name, place):
    name = f"{name}.campus.test"
    assert campus.ctl("dig", "+short", name).split() == [ADDRESS[place]]
    assert presented(campus, name, ADDRESS[place]) == campus.notes["before"][name] != []


def test_visitors_get_pages_headers_and_redirects_as_before(campus, moved):
    roots = ("--cacert", str(campus.notes["roots"]))
    status, headers, body = fetched(campus, "www.bio.campus.test", ADDRESS["front"], "https", "/species/7.html", *roots)
    assert " 200" in status
    assert "物种" in body
    assert headers.count("strict-transport-security: max-age=31536000; includeSubDomains") == 1
    status, headers, _ = fetched(campus, "www.bio.campus.test", ADDRESS["front"], "http", "/species/7.html?a=b")
    assert " 301 " in status
    assert "location: https://www.bio.campus.test/species/7.html?a=b" in headers
    status, headers, _ = fetched(campus, "herbarium.bio.campus.test", ADDRESS["front"], "http")
    assert " 200 " in status
    assert not [line for line in headers if "strict" in line]
    status, headers, body = fetched(campus, "www.med.campus.test", ADDRESS["vh1"], "https", "/", *roots)
    assert "School of Medicine" in body
    assert headers.count("strict-transport-security: max-age=86400") == 1
    assert "http://www.med" not in body, "the application knows that it is asked over HTTPS"
    for address in (ADDRESS["vh1"], ADDRESS["front"]):
        assert fetched(campus, "nobody.campus.test", address, "https", "/", "-k")[0] == "", "no site's certificate for a foreign name"


def test_the_old_hosts_pass_https_on(campus, moved):
    roots = ("--cacert", str(campus.notes["roots"]))
    for name, host, place, log in (
        ("www.bio", "bio", "front", "journalctl -u haproxy --no-pager | tail -n 40"),
        ("www.med", "med", "vh1", "tail -n 40 /var/log/nginx/w-www-med-campus-test.log"),
    ):
        path = f"/?through-{host}"
        status, headers, _ = fetched(campus, f"{name}.campus.test", ADDRESS[host], "https", path, *roots)
        assert " 200" in status
        assert len([line for line in headers if line.startswith("strict-transport")]) == 1
        seen = campus.lab("exec", place, "sh", "-c", log).stdout
        assert f"through-{host}" in seen
        status, headers, _ = fetched(campus, f"{name}.campus.test", ADDRESS[host], "http")
        assert " 301 " in status
        assert f"location: https://{name}.campus.test/" in headers


def test_no_key_is_anywhere_but_where_it_is_needed(campus, space, moved):
    lines = []
    for host, paths in KEYS.items():
        for path in paths:
            text = campus.lab("exec", host, "cat", path).stdout
            lines.append(max((line for line in text.split("\n") if "-" not in line), key=len))
    assert min(len(line) for line in lines) > 40
    here = [path for root in (space, Path.home() / ".ansible") for path in root.rglob("*") if path.is_file()]
    assert len(here) > 100
    held = [(path, path.read_bytes()) for path in here]
    assert not [path for path, data in held for line in lines if line.encode() in data]
    assert not [path for path, data in held if re.search(rb"BEGIN [A-Z ]*PRIVATE KEY-----[\\n\s]+[A-Za-z0-9+/]{30}", data)]
    kept = "for f in $(find / -xdev -type f -size -200k -newer /etc/hostname -not -path '/proc/*' 2>/dev/null); do grep -lF -e '{0}' $f; done; true"
    for host, expected in (("front", 2), ("vh1", 1), ("node1", 0)):
        found = {path for line in lines for path in campus.lab("exec", host, "sh", "-c", kept.format(line)).stdout.split()}
        assert len(found) == expected, found
        assert all(re.fullmatch(r"/etc/ssl/sites/w-[a-z0-9-]+\.pem\.key", path) for path in found)
    for host in ("front", "vh1"):
        modes = campus.lab("exec", host, "sh", "-c", "stat -c '%a %U %n' /etc/ssl/sites /etc/ssl/sites/*.key").stdout
        assert {line.split()[0] for line in modes.splitlines()} == {"700", "600"}
        assert {line.split()[1] for line in modes.splitlines()} == {"root"}


def test_setting_up_again_changes_nothing(campus, space, moved):
    would = json.loads(campus.planner(space, "drift", "--json").stdout)
    assert {row["move"]: (row["would_change"], row["trouble"]) for row in would} == dict.fromkeys((BIO, FLORA, MED), ([], ""))


def test_taken_back_the_sources_are_as_before(campus, space, moved):
    for name in ("www.bio", "herbarium.bio", "www.med"):
        campus.planner(space, "rollback", f"{name}.campus.test", "--yes")
    assert set(states(campus, space).values()) == {"rolled back"}
    for host in KEYS:
        assert campus.lab("exec", host, "sh", "-c", STATE).stdout == campus.notes[host]
        assert campus.lab("exec", host, "ls", "/var/lib/planner-move", check=False).returncode != 0
    roots = ("--cacert", str(campus.notes["roots"]))
    for name, host in (("www.bio", "bio"), ("www.med", "med")):
        assert campus.ctl("dig", "+noall", "+answer", f"{name}.campus.test").split()[1:] == ["3600", "IN", "A", ADDRESS[host]]
        assert " 200" in fetched(campus, f"{name}.campus.test", ADDRESS[host], "https", "/", *roots)[0]
        assert presented(campus, f"{name}.campus.test", ADDRESS[host]) == campus.notes["before"][f"{name}.campus.test"]
    for host in ("front", "vh1"):
        assert campus.lab("exec", host, "ls", "-A", "/etc/ssl/sites").stdout == ""
    lists = campus.lab(
        "exec",
        "front",
        "sh",
        "-c",
        "cat /etc/haproxy/certificates.list /etc/haproxy/https.map /etc/haproxy/hsts.map /etc/haproxy/sites.map",
    )
    assert lists.stdout.strip() == ""
