#!/usr/bin/python3
"""Bring a site's certificate, chain and private key from its source, over the key of its move.

    site-certificate [--check] MOVE ACCOUNT

What the source sends is held in memory, taken apart, and written beside its place, for root alone; only when key and certificate prove to
belong together it takes its place.  Prints `planner: changed` when it did (with --check: when it would), and no part of the key ever.
"""

import os
import re
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path("/etc/ssl/sites")
MOVES = "/var/lib/moves"
END = b"planner: certificate sent"
CERTIFICATE = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----")
KEY = re.compile(rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----\r?\n(.*?)-----END \1-----", re.S)


def fail(why):
    """End with the reason, on the line that the planner shows."""
    print(f"planner: failed: {why}")
    sys.exit(1)


def apart(text):
    """What the source sent → (certificate and chain, private key) as PEM.  A certificate that stands twice is kept once."""
    if not text.rstrip().endswith(END):
        fail("the source did not send all of its certificate")
    found = list(dict.fromkeys(one.replace(b"\r", b"") for one in CERTIFICATE.findall(text)))
    keys = list(KEY.finditer(text))
    if not found:
        fail("the source sent no certificate")
    if len(keys) != 1:
        fail(f"the source sent {len(keys)} private keys, and one is needed")
    if b"ENCRYPTED" in keys[0].group(1) or b"ENCRYPTED" in keys[0].group(2)[:200]:
        fail("the private key is protected by a passphrase; a web server would ask for it at each start")
    return b"\n".join(found) + b"\n", keys[0].group(0).replace(b"\r", b"") + b"\n"


def fetch(move):
    """What the source sends.  Its own words on stderr, if it refuses, hold no part of the key."""
    run = subprocess.run(
        ["ssh", "-F", f"{MOVES}/{move}/ssh_config", "planner-source", "certificate"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    if run.returncode:
        fail(f"the source does not send its certificate: {run.stderr.decode(errors='replace').strip()[-300:]}")
    return run.stdout


def read(path):
    """A file's bytes, None when it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def state(path):
    """Owner, group and mode of a file."""
    seen = path.stat()
    return seen.st_uid, seen.st_gid, seen.st_mode & 0o7777


def prove(certificate, key):
    """Both load as a web server loads them: they belong together, and this machine's OpenSSL takes them."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        told = "they do not belong together" if reason == "KEY_VALUES_MISMATCH" else reason.lower().replace("_", " ")
        fail(f"certificate and private key of the source cannot be used: {told}")


def main():
    """Fetch, compare, prove, put in place."""
    words = sys.argv[1:]
    check = words[:1] == ["--check"]
    move, account = words[1:] if check else words
    if not re.fullmatch(r"[a-z0-9-]{1,64}", move) or not re.fullmatch(r"w-[a-z0-9-]{1,29}", account):
        fail("these are no move and no account")
    pem, key = (FOLDER / f"{account}.pem{end}" for end in ("", ".key"))
    new = apart(fetch(move))
    if (read(pem), read(key)) == new and state(pem) == (0, 0, 0o644) and state(key) == (0, 0, 0o600):
        return
    if check:
        print("planner: changed: the certificate would be brought")
        return
    os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix=".", dir=FOLDER) as folder:
        drafts = Path(folder, "pem"), Path(folder, "key")
        for draft, text in zip(drafts, new, strict=True):
            with draft.open("xb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        prove(*drafts)
        drafts[0].chmod(0o644)
        drafts[1].replace(key)
        drafts[0].replace(pem)
    print("planner: changed: certificate and key stand here")


if __name__ == "__main__":
    main()
