"""TLS certificates on a host: those that its web servers name, in containers too, and those that ACME clients keep, with their chains.

In: certificate files; of each only what stands between BEGIN and END CERTIFICATE is printed, so that a key in the same file stays where it
is.  Private keys are never opened: whether one belongs to its certificate is unknown here.  Out: `certificate`, `acme` (who renews it, how),
`keystore` (seen only).  The certificates are read centrally: openssl is missing, or too old, on too many hosts.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.web.locating import LOCATE

MOST_CHAIN = 6
SCRIPT = (
    LOCATE
    + r"""
pem() { awk '/-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/ { if (++c > 6) exit; on = 1 } on { print "|" $0; if (++n > 1200) exit } /-----END/ { on = 0 }' < "$1"; }
certificate() {
  if test ! -e "$R$1"; then mark unknown "$1 missing${4:+, named in $4}"; return 0; fi
  last=none; resolve "$1" || real=$1
  if test ! -f "$R$real" || test ! -r "$R$real"; then mark unknown "$R$1 unreadable"; return 0; fi
  mark certificate "$R$1"
  if test "$real" != "$1"; then mark real "$R$real"; fi
  if test -n "$2"; then
    mark key "$R$2"
    if test -e "$R$2"; then echo '|there'; elif test -x "$R${2%/*}/"; then echo '|missing'; else echo '|unknown'; fi
  fi
  mark pem "$R$1"; pem "$R$real"
  if test -n "$3" && test -r "$R$3"; then mark chain "$R$3"; pem "$R$3"; fi
}
show=
named certificates | awk -F '\t' '
  function flush() { if (c != "") print (r == "" ? "-" : r) "\t" c "\t" (k == "" ? "-" : k) "\t" (h == "" ? "-" : h) "\t" f; c = k = h = "" }
  $1 == "C" { if (k != "" && c == "") { c = $3; r = $2; f = $NF; next } flush(); c = $3; r = $2; f = $NF; next }
  $1 == "K" && $NF == f && k == "" { k = $3; next }
  $1 == "H" && $NF == f && $4 ~ /chain/ { h = $3 }
  END { flush() }' | awk -F '\t' '!seen[$1, $2]++ && ++n <= 2000' | while IFS=$TAB read -r R c k h f; do
  case $R in -) R= ;; esac; case $k in -) k= ;; esac; case $h in -) h= ;; esac
  case $c in
    *'$'*) mark unknown "$c variable in $f" ;;
    data:*|engine:*|pkcs11:*) mark unknown "$c is no file, named in $f" ;;
    *) certificate "$c" "$k" "$h" "$f" ;;
  esac
done
R=
if test -d /etc/letsencrypt; then
  if test -x /etc/letsencrypt/live && test -r /etc/letsencrypt/live; then
    for f in /etc/letsencrypt/live/*/fullchain.pem; do
      if test -e "$f"; then certificate "$f" "${f%/*}/privkey.pem"; fi
    done
  elif test -d /etc/letsencrypt/live; then mark unknown '/etc/letsencrypt/live unreadable'; fi
fi
for f in /var/lib/caddy/.local/share/caddy/certificates/*/*/*.crt; do if test -e "$f"; then certificate "$f" "${f%.crt}.key"; fi; done
told() {
  if test ! -r "$2"; then if test -e "$2"; then mark unknown "$2 unreadable"; fi; return 0; fi
  mark acme "$1 $2"
  awk -v keys="$3" 'BEGIN { n = split(keys, k, " "); for (i = 1; i <= n; i++) K[k[i]] = 1 }
    /^\[\[webroot_map\]\]/ { on = 1; next } /^\[/ { on = 0 } on && index($0, "=") { name = $0; sub(/[ \t]*=.*/, "", name); print "|domain " substr(name, 1, 253); next }
    { s = $0; at = index(s, "="); if (!at) next; name = substr(s, 1, at - 1); gsub(/[ \t]/, "", name)
      if (name in K) { v = substr(s, at + 1); gsub(/^[ \t\047"]+|[ \t\047"\r]+$/, "", v); print "|" name " " substr(v, 1, 1000) } }' < "$2"
}
for f in /etc/letsencrypt/renewal/*.conf; do told certbot "$f" 'authenticator installer webroot_path server cert fullchain renew_before_expiry pref_challs key_type'; done
for d in /root/.acme.sh /home/*/.acme.sh /etc/acme.sh /usr/local/acme.sh; do
  if test -d "$d" && test -x "$d"; then
    for f in "$d"/*/*.conf; do
      case ${f##*/} in account.conf|*.csr.conf|ca.conf) ;; *) told acme.sh "$f" 'Le_Domain Le_Alt Le_Webroot Le_NextRenewTimeStr Le_NextRenewTime Le_API Le_Keylength Le_RealFullChainPath Le_RealCertPath' ;; esac
    done
  elif test -d "$d"; then mark unknown "$d unreadable"; fi
done
for d in /etc/dehydrated /var/lib/dehydrated /usr/local/etc/dehydrated; do
  if test -e "$d/config"; then told dehydrated "$d/config" 'CHALLENGETYPE CA WELLKNOWN RENEW_DAYS KEY_ALGO'; fi
  if test -r "$d/domains.txt"; then mark domains "$d/domains.txt"; awk '!/^[ \t]*(#|$)/ && ++n <= 500 { print "|" substr($0, 1, 2000) }' < "$d/domains.txt"; fi
done
find /etc/ssl /etc/pki /etc/nginx /etc/apache2 /etc/httpd /opt/tomcat*/conf /etc/tomcat* /usr/local/tomcat*/conf /opt/*/tomcat*/conf /usr/share/tomcat*/conf /root -xdev -maxdepth 3 -type f \
  \( -name '*.jks' -o -name '*.p12' -o -name '*.pfx' -o -name '*.keystore' -o -name .keystore \) ! -path '*/java/*' -print 2>/dev/null |
  awk 'NR <= 200' | while IFS= read -r f; do mark keystore "$f"; done
"""
)


def parse(section: Section) -> list[Observation]:
    """One `certificate` per path.  `names` are the subject alternative names (else the common name); dates ISO 8601.

    `chain` is `self-signed`, `complete` (each one's issuer follows), `leaf only` or `broken`; `chain_names` are the subjects after the first.
    `chain_path` is the chain's own file, '' where there is none.  `weak` are reasons to replace it.  `key_matches` is always None: keys are not read.
    """
    found: list[Observation] = []
    seen: set[str] = set()
    for one in _grouped(section.text):
        block = one[0]
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "certificate" and block.value not in seen:
            seen.add(block.value)
            found.append(_certificate(one))
        elif block.tag == "acme":
            found.append(_acme(block))
        elif block.tag == "domains":
            names = [line.split() for line in block.lines]
            found += [_renewal(block, "dehydrated", words, line=at) for at, words in enumerate(names, start=1) if words]
        elif block.tag == "keystore":
            found.append(Observation("keystore", {"path": block.value}, block.line))
    return found


def _grouped(text: str) -> Iterator[list[Block]]:
    """Each certificate's block with those that tell more of it."""
    group: list[Block] = []
    for block in blocks(text):
        if block.tag in {"real", "key", "pem", "chain"} and group and group[0].tag == "certificate":
            group.append(block)
            continue
        if group:
            yield group
        group = [block]
    if group:
        yield group


_ENDS = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([^-]{0,100000})-----END (?:TRUSTED |X509 )?CERTIFICATE-----")


def _loaded(lines: list[str]) -> list[x509.Certificate]:
    text = "\n".join(line.strip() for line in lines if not line.startswith("key "))
    found = []
    for match in list(_ENDS.finditer(text))[:MOST_CHAIN]:
        pem = f"-----BEGIN CERTIFICATE-----{match.group(1)}-----END CERTIFICATE-----\n"
        with warnings.catch_warnings():  # old certificates bend the rules (serial numbers, lengths); that is no news here
            warnings.simplefilter("ignore")
            found.append(x509.load_pem_x509_certificate(pem.encode("ascii")))
    return found


def _certificate(group: list[Block]) -> Observation:
    block = group[0]
    more = {item.tag: item for item in group[1:]}
    # visits before there were `@ key` blocks have the key's path in the first line
    key = more["key"].value if "key" in more else next((line[4:] for line in block.lines[:1] if line.startswith("key ")), None)
    state = "".join(more["key"].lines[:1]) if "key" in more else ""
    lines = more["pem"].lines if "pem" in more else block.lines
    try:
        held = _loaded(lines)
        if not held:
            why = "not a certificate: no END line" if any("BEGIN" in line for line in lines) else "no certificate in the file"
            return Observation("unknown", {"what": block.value, "why": why}, block.line)
        data = described(held[0], block.value, key)
        data |= _linked(held + (_loaded(more["chain"].lines) if "chain" in more else []))
    except Exception as error:
        return Observation("unknown", {"what": block.value, "why": f"not a certificate: {type(error).__name__}"}, block.line)
    data |= {
        "key_there": {"there": True, "missing": False}.get(state),
        "key_matches": None,
        "real_path": more["real"].value if "real" in more else "",
        "chain_path": more["chain"].value if "chain" in more else "",
    }
    return Observation("certificate", data, block.line)


def described(certificate: x509.Certificate, path: str = "", key: str | None = None) -> dict[str, Any]:
    """A certificate as data, wherever it was read."""
    common = [str(item.value) for item in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    names: list[str] = []
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*alternative.get_values_for_type(x509.DNSName)]
        names += [str(address) for address in alternative.get_values_for_type(x509.IPAddress)]
    except (x509.ExtensionNotFound, ValueError):
        names = []
    kind, bits = _key(certificate)
    return {
        "path": path,
        "subject": certificate.subject.rfc4514_string(),
        "names": list(dict.fromkeys(names or common)),
        "issuer": certificate.issuer.rfc4514_string(),
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "self_signed": certificate.issuer == certificate.subject,
        "key_path": key,
        "fingerprint_sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "key_type": kind,
        "key_bits": bits,
        "weak": _weak(certificate, kind, bits),
    }


def _key(certificate: x509.Certificate) -> tuple[str, int | None]:
    try:
        public = certificate.public_key()
    except Exception:  # a curve or an algorithm that the library does not know
        return "unknown", None
    if isinstance(public, rsa.RSAPublicKey):
        return "RSA", public.key_size
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"EC {public.curve.name}", public.key_size
    if isinstance(public, dsa.DSAPublicKey):
        return "DSA", public.key_size
    return type(public).__name__.removesuffix("PublicKey").lstrip("_"), None


def _weak(certificate: x509.Certificate, kind: str, bits: int | None) -> list[str]:
    """Reasons to replace it: keys that browsers refuse (CA/Browser Forum: RSA from 2048 bits on), hashes broken, names only in the subject."""
    found = []
    if kind in {"RSA", "DSA"} and bits is not None and bits < 2048:
        found.append(f"{kind} key of {bits} bits")
    try:
        algorithm = certificate.signature_hash_algorithm
        if algorithm is not None and algorithm.name in {"md5", "sha1"}:
            found.append(f"signed with {algorithm.name.upper()}")
    except Exception:
        found.append("signed in a way that is not known here")
    try:
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        found.append("no subject alternative names")
    except Exception:
        found.append("extensions that do not parse")
    return found


def _linked(held: list[x509.Certificate]) -> dict[str, Any]:
    """Whether each certificate is followed by its issuer.  A root at the end is not needed, and no fault."""
    leaf, rest = held[0], held[1:]
    state = "leaf only"
    if leaf.issuer == leaf.subject:
        state = "self-signed"
    elif rest:
        state, current = "complete", leaf
        by_subject = {one.subject: one for one in rest}
        if current.issuer not in by_subject:
            state = "broken"
    return {
        "chain": state,
        "chain_complete": state in {"complete", "self-signed"},
        "chain_names": [one.subject.rfc4514_string() for one in rest],
    }


def _acme(block: Block) -> Observation:
    client, _, path = block.value.partition(" ")
    values: dict[str, str] = {}
    names: list[str] = []
    for line in block.lines:
        key, _, value = line.partition(" ")
        if key == "domain":
            names.append(value)
        else:
            values[key] = value
    if client == "acme.sh":
        names = [name for name in [values.get("Le_Domain", ""), *values.get("Le_Alt", "").split(",")] if name not in {"", "no"}]
    elif client == "certbot" and not names:
        names = [path.rpartition("/")[2].removesuffix(".conf")]
    method = values.get("authenticator") or values.get("Le_Webroot") or values.get("CHALLENGETYPE") or ""
    data: dict[str, Any] = {
        "client": client,
        "file": path,
        "names": list(dict.fromkeys(names)),
        "method": method if not method.startswith("/") else "webroot",
        "webroot": next((text.rstrip(",") for text in (values.get("webroot_path", ""), method) if text.startswith("/")), ""),
        "server": values.get("server") or values.get("Le_API") or values.get("CA") or "",
        "next": values.get("Le_NextRenewTimeStr") or "",
        "certificate": values.get("fullchain") or values.get("Le_RealFullChainPath") or values.get("cert") or "",
    }
    return Observation("acme", data, block.line)


def _renewal(block: Block, client: str, names: list[str], line: int) -> Observation:
    names = names[: names.index(">")] if ">" in names else names
    data = {"client": client, "file": block.value, "names": names, "method": "", "webroot": "", "server": "", "next": "", "certificate": ""}
    return Observation("acme", data, block.line + line)


PROBE = Probe("certificates", SCRIPT, parse, seconds=25, max_bytes=8_000_000)
