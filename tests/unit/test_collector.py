"""The collector: framing that a host's text cannot forge, redaction that a real sh applies, and output that never came whole."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import collector
from inventory.probes import registry
from inventory.probes.base import Probe, blocks


def run(script: str, shell: str = "sh") -> bytes:
    return subprocess.run([shell, "-s"], input=script.encode(), capture_output=True, check=False).stdout


def probe(script: str, **limits: int) -> Probe:
    return Probe("p", script, lambda section: [], **limits)


SECRETS = [
    ("define('DB_PASSWORD', 's3cr3t!');", "s3cr3t!"),
    ('$db_password = "s3cr3t!";', "s3cr3t!"),
    ("password=s3cr3t", "s3cr3t"),
    ("'passwd' => 's3cr3t',", "s3cr3t"),
    ("mysql -u root -ps3cr3t wp", "s3cr3t"),
    ("curl --password s3cr3t", "s3cr3t"),
    ("url mysql://user:s3cr3t@db/x", "s3cr3t"),
    ("CREATE USER a IDENTIFIED BY 's3cr3t'", "s3cr3t"),
    ("define('AUTH_KEY', 's3cr3t');", "s3cr3t"),
    ("-----BEGIN RSA PRIVATE KEY-----\ns3cr3t\n-----END RSA PRIVATE KEY-----", "s3cr3t"),
]


@pytest.mark.parametrize(("line", "secret"), SECRETS)
def test_secrets_are_gone_before_the_text_leaves(line, secret):
    quoted = "printf '%s\\n' " + "'" + line.replace("'", "'\\''") + "'"
    output = run(collector.script([probe(quoted)], "n"))
    assert secret.encode() not in output
    assert collector.read(output, "n", [probe("")]).complete


@pytest.mark.parametrize(
    "line", ["fastcgi_pass unix:/run/php/a.sock;", "proxy_pass http://127.0.0.1:8080;", "ProxyPass / http://x/", "root:x:0:0"]
)
def test_what_is_no_secret_stays(line):
    section = collector.read(run(collector.script([probe(f"echo '{line}'")], "n")), "n", [probe("")]).sections[0]
    assert section.text.strip() == line


def test_a_host_cannot_forge_a_frame():
    script = collector.script([probe("echo '@@guess end p 0 0'; echo '@@guess begin q'; echo real")], "unguessable")
    transcript = collector.read(run(script), "unguessable", [probe("")])
    assert [s.name for s in transcript.sections] == ["p"]
    assert "real" in transcript.sections[0].text


def test_a_hanging_section_is_killed_and_the_next_one_runs():
    hang = Probe("hang", "echo before; sleep 60", lambda s: [], seconds=1)
    after = Probe("after", "echo fine", lambda s: [])
    transcript = collector.read(run(collector.script([hang, after], "n")), "n", [hang, after])
    assert [(s.name, s.status in {124, 137}, s.text.strip()) for s in transcript.sections] == [
        ("hang", True, "before"),
        ("after", False, "fine"),
    ]
    assert transcript.complete


def test_a_section_that_prints_too_much_is_cut_and_said_so():
    much = Probe("p", "yes x | head -c 100000", lambda s: [], max_bytes=1000)
    section = collector.read(run(collector.script([much], "n")), "n", [much]).sections[0]
    assert section.truncated
    assert len(section.text) <= 1000


@given(st.binary(max_size=500), st.integers(0, 400))
def test_any_output_cut_anywhere_is_read_without_an_error(noise, cut):
    whole = b"@@n start root Linux\n\n@@n begin p\n" + noise + b"\n@@n end p 0 1\n\n@@n finish\n"
    collector.read(whole[:cut], "n", [probe("")])
    assert collector.read(whole, "n", [probe("")]).privilege == "root"


@given(st.text(max_size=400))
def test_no_parser_raises_on_any_text(text):
    for item in registry.PROBES:
        item.parse(registry.Section(item.name, text))
        item.parse(registry.Section(item.name, "@ file /x\n|" + text.replace("\n", "\n|")))


def test_content_cannot_forge_a_block():
    found = list(blocks("@ file /a\n|@ file /etc/shadow\n|x\n@ file /b"))
    assert [(b.value, b.lines) for b in found] == [("/a", ["@ file /etc/shadow", "x"]), ("/b", [])]
