"""Which TLS certificates the web servers name, until when they are valid, and for which names.

In: certificate files named by nginx and Apache configuration, and /etc/letsencrypt/live; of each only the first block
between BEGIN and END CERTIFICATE is printed, so that a key in the same file stays where it is.  Out: `certificate`.
The certificates are read centrally: openssl is missing, or too old, on too many hosts.
"""

from __future__ import annotations

import warnings
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import SHOW, WEB_CONFIGURATION

SCRIPT = (
    SHOW
    + WEB_CONFIGURATION
    + r"""
exec 3>&1
certificate() {
  if test ! -e "$1"; then mark unknown "$1 missing"
  elif test ! -f "$1" || test ! -r "$1"; then mark unknown "$1 unreadable"
  else
    mark certificate "$1"
    if test -n "$2"; then printf '|key %s\n' "$2" | tr '\r' ' '; fi
    awk '/-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/ { on = 1 }
      on { print "|" $0; if (++n > 200 || /-----END/) exit }' < "$1"
  fi
}
conf_files '^[[:space:]]*(ssl_certificate|SSLCertificateFile)[[:space:]]' | while IFS= read -r f; do
  awk '
    function value(s) {
      sub(/^[ \t]*[A-Za-z_]+[ \t]+/, "", s); sub(/[ \t\r;]+(#.*)?$/, "", s)
      if (s ~ /^".*"$/ || s ~ /^\047.*\047$/) s = substr(s, 2, length(s) - 2)
      return s
    }
    { l = tolower($1) }
    l == "ssl_certificate" || l == "sslcertificatefile" { if (c != "") print c "\t"; c = value($0) }
    l == "ssl_certificate_key" || l == "sslcertificatekeyfile" { if (c != "") print c "\t" value($0); c = "" }
    END { if (c != "") print c "\t" }' < "$f" | awk -v file="$f" '{ print $0 "\t" file }'
done | awk -F '\t' '!seen[$1]++ && NR <= 2000' | while IFS= read -r line; do
  t=`printf '\t'`
  c=${line%%"$t"*}; line=${line#*"$t"}; k=${line%%"$t"*}; f=${line#*"$t"}
  case $c in
    *'$'*) mark unknown "$c variable in $f" ;;
    /*) certificate "$c" "$k" ;;
    *)
      d=${f%/*}; done=
      while test -n "$d"; do
        if test -e "$d/$c"; then certificate "$d/$c" "$k"; done=1; break; fi
        d=${d%/*}
      done
      if test -z "$done"; then mark unknown "$c missing, named in $f"; fi ;;
  esac
done
if test -d /etc/letsencrypt; then
  if test -x /etc/letsencrypt/live; then
    for f in /etc/letsencrypt/live/*/fullchain.pem; do
      if test -e "$f"; then certificate "$f" "${f%/*}/privkey.pem"; fi
    done
  else mark unknown '/etc/letsencrypt/live unreadable'; fi
fi
"""
)


def parse(section: Section) -> list[Observation]:
    """One `certificate` per path.  `names` are the subject alternative names (else the common name); dates ISO 8601."""
    found: list[Observation] = []
    seen: set[str] = set()
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "certificate" and block.value not in seen:
            seen.add(block.value)
            found.append(_certificate(block))
    return found


def _certificate(block: Block) -> Observation:
    key = next((line[4:] for line in block.lines[:1] if line.startswith("key ")), None)
    pem = "\n".join(line.strip() for line in block.lines if not line.startswith("key "))
    pem = pem.replace("BEGIN TRUSTED ", "BEGIN ").replace("BEGIN X509 ", "BEGIN ")
    pem = pem.replace("END TRUSTED ", "END ").replace("END X509 ", "END ")
    try:
        with warnings.catch_warnings():  # old certificates bend the rules (serial numbers, lengths); that is no news here
            warnings.simplefilter("ignore")
            certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
            data = described(certificate, block.value, key)
    except Exception as error:
        why = f"not a certificate: {type(error).__name__}" if pem else "no certificate in the file"
        return Observation("unknown", {"what": block.value, "why": why}, block.line)
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
    }


PROBE = Probe("certificates", SCRIPT, parse, seconds=25, max_bytes=4_000_000)
