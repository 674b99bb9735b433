"""A site's certificate as it lies on its source: whether a move may carry it, said before anything is changed.

In: what a script printed there as root: certificate, chain, and of the private key its public half only.  Out: reasons to refuse, and
remarks.  Judging is pure; the key itself goes from the source to the destination and never comes here (playbooks/roles/site_certificate).

A certificate that browsers take today must also be one that they take at the destination until the trial run is over.  One that they
warn of already (self-signed, ended) is carried as it is: the move makes nothing worse, and the plan says so.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from inventory.identify.vhosts import covers

MOST_CHAIN = 10
SCRIPT = r"""
LC_ALL=C; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export LC_ALL PATH
certificate=$1; key=$2; chain=$3
for file in "$certificate" "$key" ${chain:+"$chain"}; do
  test -f "$file" && test -r "$file" || { printf '@ unreadable\n%s\n' "$file"; exit 0; }
done
pem() { awk '/^-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/ { on = 1 } on { print } /^-----END / { on = 0 }' < "$1"; echo; }
public() { openssl "$1" -in "$key" -passin pass: -pubout 2>/dev/null; }
printf '@ certificate\n'; pem "$certificate"
test -z "$chain" || { printf '@ chain\n'; pem "$chain"; }
printf '@ protected\n'
awk '/^-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/ { on = 1; n++ } on && /ENCRYPTED/ { p = 1 } /^-----END / { on = 0 }
  END { print n + 0, p + 0 }' < "$key"
command -v openssl >/dev/null || exit 0
printf '@ public\n'
public pkey || public rsa || public ec
printf '@ trusted\n'
for store in "-CApath /etc/ssl/certs" "-CAfile /etc/pki/tls/certs/ca-bundle.crt"; do
  openssl verify $store -untrusted "${chain:-$certificate}" "$certificate" 2>/dev/null | grep ': OK$' && break
done
exit 0
"""
"""Arguments: certificate, private key, chain or ''.  The private key is read by openssl there; what is printed is its public half."""

_PEM = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([^-]{0,100000})-----END (?:TRUSTED |X509 )?CERTIFICATE-----")


@dataclass(frozen=True)
class Judgement:
    """`refused`: why the move must not carry it; `remarks`: what is carried as it is, all in one sentence each."""

    refused: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def judge(printed: str, names: Sequence[str], now: datetime, until: date | None) -> Judgement:
    """What the script printed, for a site of these names, at `now`; `until` is the last day of the trial run where it is known."""
    parts = _parts(printed)
    if "unreadable" in parts:
        return Judgement((f"{parts['unreadable'].strip()} cannot be read by root at its source",))
    held = _loaded(parts.get("certificate", ""))
    if not held:
        return Judgement(("the file of its certificate holds none that can be read",))
    leaf, chain = held[0], [*held[1:], *_loaded(parts.get("chain", ""))]
    own = leaf.issuer == leaf.subject
    refused = [*_key(parts, leaf), *_weak(leaf, chain)]
    remarks = ["it is self-signed"] if own else []
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if begins > now:
        refused.append(f"it is valid from {begins:%Y-%m-%d} on only")
    if ends <= now:
        remarks.append(f"it ended on {ends:%Y-%m-%d}")
    elif until is not None and ends.date() < until:
        refused.append(f"it ends on {ends:%Y-%m-%d}, before the trial run does ({until.isoformat()}): renew it at the source first")
    missing = sorted(name for name in names if not covers(_names(leaf), name))
    followed = own or _followed(leaf, chain) or bool(parts.get("trusted", "").strip())
    if remarks:  # browsers warn of it already, whatever else is wrong
        remarks += [f"it does not hold {', '.join(missing)}"] if missing else []
        remarks += [] if followed else ["its chain is not complete"]
    else:
        refused += [f"it does not hold {', '.join(missing)}: have one issued that does, or take the name off the site"] if missing else []
        incomplete = "its chain is not complete: its issuer's certificate does not stand in its file, nor is the issuer a root there"
        refused += [] if followed else [incomplete]
    return Judgement(tuple(refused), tuple(remarks))


def _parts(printed: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for block in re.split(r"^@ ", printed, flags=re.M)[1:]:
        name, _, text = block.partition("\n")
        found[name.strip()] = text
    return found


def _loaded(text: str) -> list[x509.Certificate]:
    found = []
    for match in list(_PEM.finditer(text))[:MOST_CHAIN]:
        with warnings.catch_warnings():  # old certificates bend the rules
            warnings.simplefilter("ignore")
            try:
                pem = f"-----BEGIN CERTIFICATE-----{match.group(1)}-----END CERTIFICATE-----\n"
                found.append(x509.load_pem_x509_certificate(pem.encode("ascii", "replace")))
            except ValueError:
                break
    return found


def _key(parts: dict[str, str], leaf: x509.Certificate) -> list[str]:
    count, _, protected = parts.get("protected", "").strip().partition(" ")
    if count == "0":
        return ["the file of its private key holds none"]
    if count not in {"1", ""}:
        return [f"the file of its private key holds {count} of them"]
    if protected == "1":
        return ["its private key is protected by a passphrase: a web server would ask for it at each start"]
    if "public" not in parts:
        return []  # no openssl there: the destination proves it before it takes the certificate up
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        public = serialization.load_pem_public_key(parts["public"].encode("ascii", "replace"))
        same = public.public_bytes(*form) == leaf.public_key().public_bytes(*form)
    except (ValueError, TypeError, AttributeError):
        return ["its private key cannot be read by openssl there"]
    return [] if same else ["its private key belongs to another certificate"]


def _weak(leaf: x509.Certificate, chain: Sequence[x509.Certificate]) -> list[str]:
    """What OpenSSL 3 refuses to load on a Debian of today (its security level 2)."""
    found = []
    public = leaf.public_key()
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < 2048:
        found.append(f"its key has {public.key_size} bits, and web servers of today take 2048 or more")
    for one in (leaf, *chain):
        algorithm = one.signature_hash_algorithm
        if one.issuer != one.subject and isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
            found.append(f"it is signed with {algorithm.name.upper()}, which web servers of today do not take")
            break
    return found


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        return list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, ValueError):
        return []  # browsers no longer look at the common name (RFC 9525)


def _followed(leaf: x509.Certificate, chain: Sequence[x509.Certificate]) -> bool:
    """Whether the chain holds the certificate by whose key this one was signed."""
    for one in chain:
        try:
            leaf.verify_directly_issued_by(one)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False
