"""How a host sends and takes mail: which MTA, by which relay, for which names, who gets root's mail, and what waits in its queue.

In: configuration files by lists of allowed words, the alias tables, counts of files in spool folders.  Out: `mail_server`, `mail_alias`,
`mail_queue`.  No mail program is run: `mailq` and `postqueue` ask a daemon, and `exim -bp` writes its log.  Which site sends mail
itself cannot be known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import MASK, SHOW, number
from inventory.probes.network import hex_ip

SCRIPT = (
    SHOW
    + "MASK='"
    + MASK
    + r"""'
# words FILE PATTERN: the assignments whose name is allowed, continued lines joined; what stands before an @ in a relay is a credential
words() {
  test -e "$2" || return 0
  if test ! -f "$2" || test ! -r "$2"; then mark unknown "mail $2 unreadable"; return 0; fi
  mark "$1" "$2"
  PATTERN=$3 awk "$MASK"'
    function out(s,  k, at, head) {
      k = s; sub(/^[ \t]+/, "", k); sub(/[ \t=:].*$/, "", k)
      if (k == "" || k ~ /^[#;]/ || tolower(k) !~ ENVIRON["PATTERN"]) return
      at = index(s, k) + length(k); match(substr(s, at), /^[ \t]*[=:]?[ \t]*["\047]?/)
      head = substr(s, 1, at - 1 + RLENGTH); s = substr(s, at + RLENGTH)
      if (tolower(k) ~ /relay|smart|hub|host|route/) gsub(/[^ \t,;]*@/, "[redacted]@", s)
      if (n++ < 300) print "|" first "\t" mask(head substr(s, 1, 1500))
    }
    { sub(/\r$/, "") }
    /^[ \t]/ && held != "" && !/^[ \t]*#/ { held = held " " $0; next }
    { if (held != "") out(held); held = $0; first = NR }
    END { if (held != "") out(held) }' < "$2"
}
spool() {
  mta=$1; pattern=$2; shift 2
  for d in "$@"; do
    test -d "$d" || continue
    if test ! -r "$d" || test ! -x "$d"; then mark unknown "mail_queue $d unreadable"; return 0; fi
  done
  for d in "$@"; do if test -d "$d"; then
    n=`find "$@" -xdev -type f -name "$pattern" 2>/dev/null | awk 'NR <= 200000 { n++ } END { print n + 0 }'`
    o=`find "$@" -xdev -type f -name "$pattern" -mtime +7 2>/dev/null | awk 'NR <= 200000 { n++ } END { print n + 0 }'`
    mark queue "$mta $n $o"; return 0
  fi; done
}
r=`cat /proc/[0-9]*/stat 2>/dev/null | awk -F '[()]' '$2 ~ /^(master|exim4?|sendmail(-mta|-msp)?|smtpd|nullmailer-send|qmail-send)$/ && !s[$2]++ { printf "%s ", $2 }'`
mark running "$r"
s=
for f in /usr/sbin/sendmail /usr/lib/sendmail; do
  if test -e $f || test -L $f; then
    s=`readlink -f $f 2>/dev/null || readlink $f 2>/dev/null`
    case ${s:-$f} in
      */sendmail) o=`grep -lxF -e $f -e "${s:-$f}" /var/lib/dpkg/info/*.list 2>/dev/null | head -n 1`; o=${o##*/}; mark sendmail "${s:-$f} ${o%.list}" ;;
      *) mark sendmail "$s" ;;
    esac
    break
  fi
done
if test -z "$s"; then echo '@ no-sendmail'; fi
for f in /proc/net/tcp /proc/net/tcp6; do
  if test -r $f; then echo '@ listens'; awk '$4 == "0A" && $2 ~ /:(0019|01D1|024B)$/ { print "|" $2 }' $f; fi
done
if test -r /etc/mailname; then mark mailname "`head -n 1 /etc/mailname | cut -c 1-200`"; fi
words postfix /etc/postfix/main.cf '^(relayhost|mydestination|myorigin|myhostname|mydomain|mynetworks|inet_interfaces|smtp_sasl_auth_enable|smtp_tls_security_level|virtual_alias_domains|virtual_mailbox_domains|relay_domains|alias_maps|alias_database|mailbox_size_limit|message_size_limit|smtpd_tls_cert_file)$'
words exim /etc/exim4/update-exim4.conf.conf '^dc_(eximconfig_configtype|other_hostnames|local_interfaces|readhost|relay_domains|relay_nets|smarthost|minimaldns)$'
for f in /etc/exim/exim.conf /etc/exim4/exim4.conf; do words exim $f '^(domainlist|hostlist|primary_hostname|qualify_domain|route_list|local_interfaces|tls_certificate)$'; done
if test -r /etc/mail/sendmail.cf; then
  mark sendmail-cf /etc/mail/sendmail.cf
  awk "$MASK"'/^D[SjHM]/ || /^Cw/ || /^O DaemonPortOptions/ { s = substr($0, 1, 500); if (s ~ /^DS.*@/) sub(/^DS.*@/, "DS[redacted]@", s); print "|" NR "\t" mask(s) }' < /etc/mail/sendmail.cf
  if test -r /etc/mail/local-host-names; then mark sendmail-names /etc/mail/local-host-names; awk '!/^[ \t]*(#|$)/ && n++ < 300 { print "|" NR "\t" substr($0, 1, 255) }' < /etc/mail/local-host-names; fi
elif test -e /etc/mail/sendmail.cf; then mark unknown 'mail /etc/mail/sendmail.cf unreadable'; fi
words msmtp /etc/msmtprc '^(account|host|port|from|tls|auth|aliases|domain)$'
words ssmtp /etc/ssmtp/ssmtp.conf '^(root|mailhub|rewritedomain|hostname|fromlineoverride|usetls|usestarttls)$'
words dma /etc/dma/dma.conf '^(smarthost|port|mailname|masquerade|securetransfer|starttls)$'
if test -r /etc/nullmailer/remotes; then
  mark nullmailer /etc/nullmailer/remotes
  awk '!/^[ \t]*(#|$)/ && n++ < 20 { p = ""; for (i = 3; i <= NF; i++) if ($i ~ /^--port=[0-9]+$/) p = " " $i; if ($i ~ /^--(user|pass)/) a = 1; h = $1; sub(/^.*@/, "[redacted]@", h); print "|" NR "\t" h " " ($2 ~ /^(smtp|qmqp)$/ ? $2 : "") p }' < /etc/nullmailer/remotes
elif test -e /etc/nullmailer/remotes; then mark unknown 'mail /etc/nullmailer/remotes unreadable'; fi
if test -d /var/qmail/control; then
  for f in me smtproutes rcpthosts locals; do
    if test -r /var/qmail/control/$f; then mark qmail $f; awk 'n++ < 200 { print "|" NR "\t" substr($1, 1, 255) }' < /var/qmail/control/$f; fi
  done
fi
seen=' '
for f in /etc/aliases /etc/mail/aliases /etc/postfix/aliases `sed -n 's/^alias_maps[[:space:]]*=//p' /etc/postfix/main.cf 2>/dev/null | tr ', ' '\n\n' | sed -n 's/^[a-z]*:\(\/[A-Za-z0-9._/-]*\)$/\1/p'`; do
  case $seen in *" $f "*) continue ;; esac
  seen="$seen$f "
  if test -f $f && test -r $f; then
    mark aliases $f
    awk "$MASK"'/^[ \t]*(#|$)/ || /^[ \t]/ { next } n++ < 500 { print "|" NR "\t" mask(substr($0, 1, 500)) }' < $f
  fi
done
if test -r /root/.forward; then mark forward /root/.forward; awk "$MASK"'!/^[ \t]*(#|$)/ && n++ < 20 { print "|" NR "\t" mask(substr($0, 1, 500)) }' < /root/.forward; fi
spool postfix '*' /var/spool/postfix/incoming /var/spool/postfix/active /var/spool/postfix/deferred /var/spool/postfix/maildrop /var/spool/postfix/hold
spool exim '*-H' /var/spool/exim4/input /var/spool/exim/input
spool sendmail '[qd]f*' /var/spool/mqueue /var/spool/clientmqueue
spool nullmailer '*' /var/spool/nullmailer/queue
spool qmail '*' /var/qmail/queue/mess
"""
)

_RUNS = {"postfix": {"master"}, "exim": {"exim", "exim4"}, "sendmail": {"sendmail", "sendmail-mta", "sendmail-msp"}}
_RUNS |= {"nullmailer": {"nullmailer-send"}, "qmail": {"qmail-send"}}
_LINKS = ("postfix", "exim", "sendmail", "msmtp", "ssmtp", "nullmailer", "dma", "qmail", "opensmtpd", "busybox")


def parse(section: Section) -> list[Observation]:
    """`mail_server` {mta, running, sendmail, relay, destinations, origin, interfaces, listens, authenticated, file}.

    `running` is None for programs that only send when called; `sendmail` says whether /usr/sbin/sendmail is this one (None: not told);
    `listens` holds address:port of 25, 465, 587.  A host without any has one with `mta` none.
    """
    found: list[Observation] = []
    configured: dict[str, list[Block]] = {}
    context: dict[str, Any] = {"running": None, "program": None, "listens": None, "mailname": "", "missing": None}
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "running":
            context["running"] = set(block.value.split())
        elif block.tag == "sendmail":
            context["program"] = block
        elif block.tag == "no-sendmail":
            context["missing"] = block
        elif block.tag == "mailname":
            context["mailname"] = block.value.strip()
        elif block.tag == "listens":
            context["listens"] = (context["listens"] or []) + [text for line in block.lines if (text := _listens(line))]
        elif block.tag in {"aliases", "forward"}:
            found.extend(_aliases(block))
        elif block.tag == "queue":
            mta, _, counts = block.value.partition(" ")
            total, _, old = counts.partition(" ")
            found.append(Observation("mail_queue", {"mta": mta, "messages": number(total), "older_than_week": number(old)}, block.line))
        elif block.tag in _READERS:
            configured.setdefault(block.tag.partition("-")[0], []).append(block)
    for mta, files in configured.items():
        found.append(_server(mta, files, context))
    program = context["program"]
    if not configured and program is not None:
        found.append(_server(_owner(program.value) or "other", [program], context))
    elif not configured and context["missing"] is not None:
        found.append(_server("none", [context["missing"]], context))
    return found


def _listens(text: str) -> str:
    if not re.fullmatch(r"(?:[0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4}", text):
        return ""
    address, _, port = text.partition(":")
    host = hex_ip(address)
    return f"[{host}]:{int(port, 16)}" if ":" in host else f"{host}:{int(port, 16)}"


def _owner(text: str) -> str:
    """`PATH [PACKAGE]` → whose program it is; '' for a bare …/sendmail, which every MTA brings."""
    path, _, package = text.partition(" ")
    name = package or ("" if path.endswith("/sendmail") else path)
    return next((word for word in _LINKS if word in name.lower()), "")


def _aliases(block: Block) -> Iterator[Observation]:
    for offset, line in enumerate(block.lines, start=block.line + 1):
        place, _, text = line.partition("\t")
        name, colon, target = text.partition(":") if block.tag == "aliases" else ("root", ":", text)
        if colon and (at := number(place)) is not None and target.strip():
            data = {"name": name.strip().strip('"'), "target": target.strip(), "file": block.value, "line": at}
            yield Observation("mail_alias", data, offset)


def _server(mta: str, files: list[Block], context: dict[str, Any]) -> Observation:
    data: dict[str, Any] = {"mta": mta, "running": None, "sendmail": None, "relay": None, "destinations": [], "origin": None}
    data |= {"interfaces": None, "listens": context["listens"], "authenticated": None, "file": files[0].value or None}
    program = context["program"]
    if program is not None and _owner(program.value):
        data["sendmail"] = _owner(program.value) == mta
    if mta in _RUNS and context["running"] is not None:
        data["running"] = bool(_RUNS[mta] & context["running"])
    for block in files:
        if (reader := _READERS.get(block.tag)) is not None:
            reader(data, [line.partition("\t")[2] for line in block.lines], block)
    if data["origin"] in {"/etc/mailname", None} and context["mailname"]:
        data["origin"] = context["mailname"]
    return Observation("mail_server", data, files[0].line)


def _pairs(lines: list[str], separator: str = "=") -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, equal, value = line.strip().partition(separator)
        if equal:
            found[name.strip().lower()] = value.strip().strip("'\"")
    return found


def _postfix(data: dict[str, Any], lines: list[str], _block: Block) -> None:
    values = _pairs(lines)
    variables = {name: values.get(name, "") for name in ("myhostname", "mydomain", "myorigin")}
    names = re.split(r"[,\s]+", values.get("mydestination", ""))
    data["destinations"] = [
        variables.get(name.lstrip("$").strip("{}"), name) or name if name.startswith("$") else name for name in names if name
    ]
    data["destinations"] += [
        name for key in ("virtual_alias_domains", "virtual_mailbox_domains") for name in values.get(key, "").replace(",", " ").split()
    ]
    data["relay"] = values.get("relayhost") or None
    origin = values.get("myorigin", "")
    data["origin"] = (variables.get(origin.lstrip("$").strip("{}"), "") if origin.startswith("$") else origin) or None
    data["interfaces"] = values.get("inet_interfaces")
    data["authenticated"] = values.get("smtp_sasl_auth_enable", "no").lower() == "yes"


def _exim(data: dict[str, Any], lines: list[str], block: Block) -> None:
    if block.value.endswith("update-exim4.conf.conf"):
        values = _pairs(lines)
        data["relay"] = values.get("dc_smarthost") or None
        data["destinations"] = [name.strip() for name in re.split(r"[:;]", values.get("dc_other_hostnames", "")) if name.strip()]
        data["interfaces"] = values.get("dc_local_interfaces")
        return
    for line in lines:
        words = line.split()
        if words[:2] == ["domainlist", "local_domains"]:
            data["destinations"] += [name for name in re.split(r"[:;\s]+", line.partition("=")[2]) if name]
        elif words[:1] == ["route_list"]:
            data["relay"] = data["relay"] or line.partition("=")[2].strip()
        elif words[:1] in (["qualify_domain"], ["primary_hostname"]):
            data["origin"] = line.partition("=")[2].strip() or data["origin"]


def _sendmail(data: dict[str, Any], lines: list[str], _block: Block) -> None:
    for line in lines:
        if line.startswith("DS"):
            data["relay"] = line[2:].strip() or None
        elif line.startswith("Dj") and len(line) > 2:
            data["origin"] = line[2:].strip()
        elif line.startswith("Cw"):
            data["destinations"] += line[2:].split()
        elif line.startswith("O DaemonPortOptions") and "Addr=" in line:
            data["interfaces"] = line.partition("Addr=")[2].partition(",")[0].strip()


def _sendmail_names(data: dict[str, Any], lines: list[str], _block: Block) -> None:
    data["destinations"] += [line.strip() for line in lines if line.strip()]


def _sender(*keys: str) -> Any:
    def read(data: dict[str, Any], lines: list[str], _block: Block) -> None:
        values: dict[str, str] = {}
        for line in lines:
            name, _, value = re.sub(r"[=\s]+", " ", line.strip(), count=1).partition(" ")
            values.setdefault(name.lower(), value.strip())
        host = next((values[key] for key in keys if values.get(key)), None)
        data["relay"] = f"{host}:{values['port']}" if host and values.get("port") else host
        data["origin"] = next((values[key] for key in ("rewritedomain", "mailname", "domain", "hostname") if values.get(key)), None)
        if "auth" in values:
            data["authenticated"] = values["auth"].lower() not in {"off", "no"}

    return read


def _nullmailer(data: dict[str, Any], lines: list[str], _block: Block) -> None:
    data["relay"] = (
        ", ".join(line.split()[0] + line.partition("--port=")[2].join((":", "")) * ("--port=" in line) for line in lines if line.split())
        or None
    )


def _qmail(data: dict[str, Any], lines: list[str], block: Block) -> None:
    if block.value == "smtproutes":
        data["relay"] = ", ".join(lines) or None
    elif block.value == "me":
        data["origin"] = lines[0] if lines else None
    elif block.value == "locals":
        data["destinations"] += lines


_READERS = {
    "postfix": _postfix, "exim": _exim, "sendmail-cf": _sendmail, "sendmail-names": _sendmail_names, "msmtp": _sender("host"),
    "ssmtp": _sender("mailhub"), "dma": _sender("smarthost"), "nullmailer": _nullmailer, "qmail": _qmail,
}  # fmt: skip

PROBE = Probe("mail", SCRIPT, parse, seconds=20, max_bytes=1_000_000)
