"""Certificates: chains, weak keys, what ACME clients say, and that no private key is ever printed."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.probes import certificates
from inventory.probes.base import Observation, Section

SHELLS = [shell for shell in (["dash"], ["bash"], ["mksh"], ["busybox", "ash"]) if shutil.which(shell[0])]
ROOT_KEY, MIDDLE_KEY, LEAF_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))


def issued(subject: str, issuer: str, key: Any, signer: Any, names: tuple[str, ...] = ()) -> str:
    now = datetime.now(UTC)
    name, by = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (subject, issuer))
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(by).public_key(key.public_key()).serial_number(x509.random_serial_number())
    )
    made = made.not_valid_before(now).not_valid_after(now + timedelta(days=30))
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(text) for text in names]), False)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


ROOT = issued("root", "root", ROOT_KEY, ROOT_KEY)
MIDDLE = issued("middle", "root", MIDDLE_KEY, ROOT_KEY)
LEAF = issued("a.edu", "middle", LEAF_KEY, MIDDLE_KEY, ("a.edu", "*.a.edu"))
SECRET = LEAF_KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def section(folder: Path, shell: list[str], configuration: str) -> tuple[list[Observation], str]:
    (folder / "nginx.conf").write_text(configuration)
    naming = f"servers() {{ server - nginx '{folder}/nginx.conf' /pre 'R\t{folder}'; }}\nnamed certificates"
    script = (
        certificates.SCRIPT.replace("\nnamed certificates", "\n" + naming)
        .replace("/etc/", f"{folder}/etc/")
        .replace("/root/", f"{folder}/root/")
    )
    done = subprocess.run([*shell, "-c", script], capture_output=True, timeout=60, check=True)
    return certificates.parse(Section("certificates", done.stdout.decode("utf-8", "surrogateescape"))), done.stdout.decode(
        "utf-8", "replace"
    )


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_chains_keys_and_clients(tmp_path: Path, shell: list[str]) -> None:
    (tmp_path / "full.pem").write_text(SECRET + LEAF + MIDDLE + SECRET)
    (tmp_path / "leaf only.pem").write_text(LEAF)
    (tmp_path / "mixed.pem").write_text(LEAF + ROOT)
    (tmp_path / "self.pem").write_text(ROOT)
    (tmp_path / "site.key").write_text(SECRET)
    live = tmp_path / "etc/letsencrypt/live/b.edu"
    archive = tmp_path / "etc/letsencrypt/archive/b.edu"
    live.mkdir(parents=True)
    archive.mkdir(parents=True)
    (archive / "fullchain1.pem").write_text(LEAF + MIDDLE + ROOT)
    (live / "fullchain.pem").symlink_to("../../archive/b.edu/fullchain1.pem")
    (tmp_path / "etc/letsencrypt/renewal").mkdir()
    (tmp_path / "etc/letsencrypt/renewal/b.edu.conf").write_text(
        "version = 2.1\ncert = /etc/letsencrypt/live/b.edu/cert.pem\n[renewalparams]\naccount = SECRETACCOUNT\nauthenticator = webroot\n"
        "webroot_path = /srv/b,\nserver = https://acme.example/directory\n[[webroot_map]]\nb.edu = /srv/b\nwww.b.edu = /srv/b\n"
    )
    home = tmp_path / "root/.acme.sh/c.edu_ecc"
    home.mkdir(parents=True)
    (home / "c.edu.conf").write_text(
        "Le_Domain='c.edu'\nLe_Alt='www.c.edu,m.c.edu'\nLe_Webroot='dns_ali'\nLe_API='https://acme.example/'\nLe_NextRenewTimeStr='2026-12-01T00:00:00Z'\nSAVED_Ali_Secret='SECRETACCOUNT'\n"
    )
    (tmp_path / "etc/dehydrated").mkdir()
    (tmp_path / "etc/dehydrated/domains.txt").write_text("# c\nd.edu www.d.edu > alias\n")
    (tmp_path / "etc/ssl").mkdir()
    (tmp_path / "etc/ssl/store.p12").write_bytes(b"\0x")
    found, text = section(
        tmp_path, shell,
        "http { server { ssl_certificate full.pem; ssl_certificate_key site.key; }\nserver { ssl_certificate 'leaf only.pem';\nssl_certificate_key gone.key; }\n"
        "server { ssl_certificate mixed.pem; } server { ssl_certificate self.pem; } server { ssl_certificate gone.pem; } server { ssl_certificate $ssl_server_name.pem; } }",
    )  # fmt: skip
    held = {item.data["path"].removeprefix(f"{tmp_path}/"): item.data for item in found if item.kind == "certificate"}
    assert {name: (data["chain"], data["chain_complete"]) for name, data in held.items()} == {
        "full.pem": ("complete", True), "leaf only.pem": ("leaf only", False), "mixed.pem": ("broken", False), "self.pem": ("self-signed", True),
        "etc/letsencrypt/live/b.edu/fullchain.pem": ("complete", True),
    }  # fmt: skip
    assert (held["full.pem"]["key_there"], held["leaf only.pem"]["key_there"], held["mixed.pem"]["key_path"]) == (True, False, None)
    assert held["full.pem"]["names"] == ["a.edu", "*.a.edu"]
    assert held["etc/letsencrypt/live/b.edu/fullchain.pem"]["real_path"].endswith("archive/b.edu/fullchain1.pem")
    clients = {item.data["client"]: item.data for item in found if item.kind == "acme"}
    assert (clients["certbot"]["names"], clients["certbot"]["method"], clients["certbot"]["webroot"]) == (
        ["b.edu", "www.b.edu"],
        "webroot",
        "/srv/b",
    )
    assert (clients["acme.sh"]["names"], clients["acme.sh"]["method"], clients["acme.sh"]["next"]) == (
        ["c.edu", "www.c.edu", "m.c.edu"],
        "dns_ali",
        "2026-12-01T00:00:00Z",
    )
    assert clients["dehydrated"]["names"] == ["d.edu", "www.d.edu"]
    assert [item.data["path"].rpartition("/")[2] for item in found if item.kind == "keystore"] == ["store.p12"]
    assert {item.data["why"].partition(",")[0] for item in found if item.kind == "unknown"} >= {"missing"}
    assert "PRIVATE" not in text
    assert "SECRETACCOUNT" not in text
    assert SECRET.split("\n")[1] not in text


def test_weak_ones_are_named() -> None:
    key = rsa.generate_private_key(65537, 1024)
    pem = issued("w.edu", "w.edu", key, key)
    text = "@ certificate /w.pem\n@ pem /w.pem\n" + "".join(f"|{line}\n" for line in pem.split("\n"))
    (found,) = certificates.parse(Section("certificates", text))
    assert found.data["weak"] == ["RSA key of 1024 bits", "no subject alternative names"]
    assert (found.data["key_type"], found.data["key_bits"], found.data["key_matches"]) == ("RSA", 1024, None)


PIECES = [
    "@ certificate /a",
    "@ pem /a",
    "@ key /k",
    "|there",
    "@ chain /c",
    "@ acme certbot /x.conf",
    "|server x",
    "@ domains /d",
    "|a b > c",
    "@ keystore /k",
    *("|" + line for line in LEAF.split("\n")),
]


@given(lines=st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=30)), max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_output_is_read_without_an_error(lines: list[str]) -> None:
    for item in certificates.parse(Section("certificates", "\n".join(lines))):
        json.dumps(item.data)
