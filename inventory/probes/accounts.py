"""Who has an account on a host, who may become root there, whose keys open it, and how its sshd lets people in.

In: /etc/passwd and /etc/group without their password fields, sudoers without comments, authorized_keys, sshd's configuration, the
last logins.  Out: `account`, `group`, `sudo_rule`, `authorized_key`, `ssh_server`.  /etc/shadow is never read: whether an account is
locked or expired stays unknown.  Directories (LDAP, NIS) are not asked, since asking one can hang or list a whole university.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import MASK, SHOW, number
from inventory.probes.sudoers import SUDOERS, sudo_rules

SCRIPT = (
    SHOW
    + "MASK='"
    + MASK
    + r"""'
if test -r /etc/passwd; then
  echo '@ passwd'; awk -F: 'NF >= 7 && NR <= 5000 { split($5, g, ","); print "|" $1 "\t" $3 "\t" $4 "\t" $6 "\t" $7 "\t" g[1] }' /etc/passwd
else mark unknown 'accounts /etc/passwd unreadable'; fi
if test -r /etc/group; then echo '@ group'; awk -F: 'NF >= 4 && NR <= 5000 { print "|" $1 "\t" $3 "\t" $4 }' /etc/group; fi
if test -r /etc/login.defs; then awk '$1 == "UID_MIN" { print "@ uid-min " $2; exit }' /etc/login.defs; fi
s=`awk '$1 == "passwd:" { for (i = 2; i <= NF; i++) if ($i !~ /^(files|compat|systemd|db|altfiles|sss|\[.*)$/) print $i; exit }' /etc/nsswitch.conf 2>/dev/null`
if test -z "$s" && test -d /etc/sssd && grep -q '^[^#]*id_provider' /etc/sssd/sssd.conf 2>/dev/null; then s=sssd; fi
if test -n "$s"; then mark unknown "directory_accounts /etc/nsswitch.conf names $s, which was not asked"; fi
if have lastlog; then echo '@ lastlog'; limit 5 lastlog 2>/dev/null | awk 'NR <= 5000 { print "|" $0 }'
elif ! have last || ! last -F -w -n 1 >/dev/null 2>&1; then mark unknown 'last_logins neither lastlog nor a last that tells whole dates'; fi
if have last && last -F -w -n 1 >/dev/null 2>&1; then
  echo '@ last'; limit 5 last -F -w -n 2000 2>/dev/null | awk 'NF > 5 && $1 != "reboot" && $1 != "runlevel" && $1 != "wtmp" && !seen[$1]++ { print "|" $0 }'
fi
"""
    + SUDOERS
    + r"""
remote=' '
while read -r dev mnt type rest; do
  case $type in nfs*|cifs|smb*|afs|ceph|gluster*|lustre|gpfs|beegfs|fuse.*|autofs|9p|ncp*|davfs*) remote="$remote$mnt " ;; esac
done < /proc/mounts
distant() { for m in $remote; do case $1/ in "$m"/*) return 0 ;; esac; done; return 1; }
keys() {
  if test ! -f "$2"; then return 0; fi
  if test ! -r "$2"; then mark unknown "$2 unreadable"; return 0; fi
  mark "keys $1" "$2"
  awk "$MASK"'
    NR > 2000 || n >= 300 { exit }
    /^[ \t]*(#|$)/ { next }
    match($0, /(^|[ \t])(ssh-[a-z0-9-]+|ecdsa-sha2-[a-z0-9-]+|sk-[a-z0-9@.-]+)[ \t]+AAAA/) {
      options = substr($0, 1, RSTART - 1); rest = substr($0, RSTART); sub(/^[ \t]+/, "", rest)
      m = split(rest, w, /[ \t]+/); blob = w[2]; sub(/=+$/, "", blob)
      at = index(rest, w[2]) + length(w[2]); comment = substr(rest, at); gsub(/[\t\r]/, " ", comment); gsub(/\t/, " ", options); n++
      print "|" NR "\t" mask(substr(options, 1, 1000)) "\t" w[1] "\t" substr(blob, 1, 6000) "\t" mask(substr(comment, 1, 200)); next }
    /^[ \t]*[0-9]+ [0-9]+ [0-9]+/ { n++; print "|" NR "\t\trsa1\t\t" mask(substr($4, 1, 200)); next }' < "$2"
}
main=/etc/ssh/sshd_config
sshd() { mark sshd "$1"; awk "$MASK"'{ sub(/\r$/, ""); sub(/^[ \t]+/, ""); k = $0; sub(/[ \t=].*/, "", k); v = substr($0, length(k) + 1); sub(/^[ \t]*=?[ \t]*/, "", v); l = tolower(k) }
  l ~ /^(port|listenaddress|permitrootlogin|passwordauthentication|pubkeyauthentication|challengeresponseauthentication|kbdinteractiveauthentication|usepam|permitemptypasswords|allowusers|allowgroups|denyusers|denygroups|authorizedkeysfile|authorizedkeyscommand|protocol|gatewayports|allowtcpforwarding|x11forwarding|chrootdirectory|forcecommand|subsystem|match|include|trustedusercakeys|maxstartups)$/ && n++ < 400 {
    print "|" NR "\t" k "\t" mask(substr(v, 1, 500)) }' < "$1"; }
pattern=
if test -e $main; then
  if test -r $main; then
    sshd $main
    for g in `awk 'tolower($1) == "include" { for (i = 2; i <= NF; i++) print $i }' $main`; do
      case $g in /*) ;; *) g=/etc/ssh/$g ;; esac
      for f in $g; do if test -f "$f" && test -r "$f"; then sshd "$f"; fi; done
    done
    pattern=`awk 'tolower($1) == "authorizedkeysfile" { for (i = 2; i <= NF; i++) print $i; exit }' $main`
  else mark unknown "ssh_server $main unreadable"; fi
fi
t=`printf '\t'`
awk -F: 'NF >= 7 && $6 ~ /^\/./ && !seen[$6]++ && n++ < 3000 { print $1 "\t" $6 }' /etc/passwd 2>/dev/null | while IFS= read -r line; do
  u=${line%%"$t"*}; h=${line#*"$t"}
  if distant "$h"; then mark unknown "authorized_keys of $u: $h is on a network file system"; continue; fi
  if test ! -d "$h"; then continue; fi
  if test ! -x "$h" || { test -d "$h/.ssh" && test ! -x "$h/.ssh"; }; then mark unknown "authorized_keys of $u: $h/.ssh unreadable"; continue; fi
  keys "$u" "$h/.ssh/authorized_keys"; keys "$u" "$h/.ssh/authorized_keys2"
  for p in $pattern; do
    case $p in
      */%u) f=${p%"%u"}$u ;;
      */%u/authorized_keys) f=${p%"%u/authorized_keys"}$u/authorized_keys ;;
      /*%*|.ssh/authorized_keys|.ssh/authorized_keys2|%h/.ssh/authorized_keys|none) continue ;;
      %h/*) f=$h/${p#"%h/"} ;;
      /*) f=$p ;;
      *) f=$h/$p ;;
    esac
    keys "$u" "$f"
  done
done
"""
)

_MONTHS = {name: index for index, name in enumerate(("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec").split(), start=1)}  # noqa: SIM905
_WHEN = re.compile(r"\b([A-Z][a-z]{2})\s{1,2}(\d{1,2}) (\d\d:\d\d:\d\d) (?:([+-]\d{4}) )?(\d{4})\b")
_NO_LOGIN = ("nologin", "false", "sync", "shutdown", "halt")


def parse(section: Section) -> list[Observation]:
    """`account` {name, uid, gid, home, shell, full_name, sort, last_login}: `sort` is root, system or human; `last_login` is ISO 8601
    (with the host's offset where it says so), `never`, or None when nothing tells.  Fingerprints are as `ssh-keygen -l` prints them."""
    found: list[Observation] = []
    passwd: Block | None = None
    logins: dict[str, str] = {}
    smallest = 1000
    sudo: list[Block] = []
    sshd: list[Block] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "passwd":
            passwd = passwd or block
        elif block.tag == "group":
            found.extend(_groups(block))
        elif block.tag == "uid-min":
            smallest = number(block.value) or smallest
        elif block.tag in {"lastlog", "last"}:
            for name, when in _logins(block):
                if logins.get(name, "never") == "never" or when > logins[name]:
                    logins[name] = when if when != "never" else logins.get(name, "never")
        elif block.tag == "sudoers":
            sudo.append(block)
        elif block.tag == "keys":
            found.extend(_keys(block))
        elif block.tag == "sshd":
            sshd.append(block)
    if passwd is not None:
        found.extend(_accounts(passwd, smallest, logins))
    return found + sudo_rules(sudo) + _ssh_server(sshd)


def _accounts(block: Block, smallest: int, logins: dict[str, str]) -> Iterator[Observation]:
    """Human: a number from UID_MIN on and a shell that lets in; old Red Hat systems began at 500 and say so in login.defs."""
    for offset, line in enumerate(block.lines, start=block.line + 1):
        cells = line.split("\t")
        if len(cells) < 5 or not cells[0]:
            continue
        uid = number(cells[1])
        shell = cells[4]
        opens = shell.rpartition("/")[2] not in _NO_LOGIN
        human = uid is not None and smallest <= uid < 65534 and opens
        sort = "root" if uid == 0 else "human" if human else "system"
        data: dict[str, Any] = {"name": cells[0], "uid": uid, "gid": number(cells[2]), "home": cells[3], "shell": shell}
        data |= {"full_name": cells[5] if len(cells) > 5 else "", "sort": sort, "last_login": logins.get(cells[0])}
        yield Observation("account", data, offset)


def _groups(block: Block) -> Iterator[Observation]:
    for offset, line in enumerate(block.lines, start=block.line + 1):
        cells = line.split("\t")
        if len(cells) >= 3 and cells[0]:
            members = [name for name in cells[2].split(",") if name]
            yield Observation("group", {"name": cells[0], "gid": number(cells[1]), "members": members}, offset)


def _logins(block: Block) -> Iterator[tuple[str, str]]:
    for line in block.lines:
        name = line.split(" ", 1)[0]
        match = _WHEN.search(line[:400])
        if match is not None and match.group(1) in _MONTHS:
            month, day, time, zone, year = match.groups()
            yield name, f"{year}-{_MONTHS[month]:02d}-{int(day):02d}T{time}{zone or ''}"
        elif "**Never logged in**" in line:
            yield name, "never"


def _keys(block: Block) -> Iterator[Observation]:
    user, _, path = block.value.partition(" ")
    for offset, line in enumerate(block.lines, start=block.line + 1):
        cells = line.split("\t")
        if len(cells) < 5 or (place := number(cells[0])) is None:
            continue
        fingerprint, bits = _fingerprint(cells[3])
        data = {"user": user, "type": cells[2], "bits": bits, "fingerprint": fingerprint, "comment": cells[4].strip()}
        yield Observation("authorized_key", data | {"options": cells[1].strip(), "file": path, "line": place}, offset)


def _fingerprint(blob: str) -> tuple[str | None, int | None]:
    """SHA256 fingerprint of a key without its padding, and the modulus' bits of an RSA key (RFC 4253, 6.6); None where it is damaged."""
    try:
        raw = base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None, None
    if not raw:
        return None, None
    digest = "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
    fields: list[bytes] = []
    place = 0
    while place + 4 <= len(raw) and len(fields) < 3:
        size = int.from_bytes(raw[place : place + 4], "big")
        fields.append(raw[place + 4 : place + 4 + size])
        place += 4 + size
    bits = int.from_bytes(fields[2], "big").bit_length() if len(fields) == 3 and fields[0] == b"ssh-rsa" else None
    return digest, bits


_SETTINGS = {
    "permitrootlogin": "permit_root_login", "passwordauthentication": "password_authentication",
    "pubkeyauthentication": "pubkey_authentication", "kbdinteractiveauthentication": "keyboard_interactive",
    "challengeresponseauthentication": "keyboard_interactive", "usepam": "use_pam", "permitemptypasswords": "permit_empty_passwords",
    "protocol": "protocol", "allowusers": "allow_users", "allowgroups": "allow_groups", "denyusers": "deny_users",
    "denygroups": "deny_groups", "authorizedkeysfile": "authorized_keys_file",
}  # fmt: skip
_LISTS = {"allow_users", "allow_groups", "deny_users", "deny_groups"}


def _ssh_server(files: list[Block]) -> list[Observation]:
    """sshd takes the first value of a word; `Include` stands for its files.  None: not stated, sshd's own default of that release holds."""
    if not files:
        return []
    data: dict[str, Any] = {"ports": [], "listen": [], **dict.fromkeys(dict.fromkeys(_SETTINGS.values())), "match": []}
    by_name = {block.value: block for block in reversed(files)}
    inside = False
    for key, value in _sshd_lines(files[0], by_name, 0):
        if key == "match":
            inside = value.lower() != "all"
            data["match"].append({"when": value, "settings": {}})
        elif inside:
            data["match"][-1]["settings"].setdefault(_SETTINGS.get(key, key), value)
        elif key == "port" and (port := number(value)) is not None:
            data["ports"].append(port)
        elif key == "listenaddress":
            data["listen"].append(value)
        elif (name := _SETTINGS.get(key)) is not None:
            if name in _LISTS:
                data[name] = (data[name] or []) + value.split()
            elif data[name] is None:
                data[name] = value
    data["ports"] = data["ports"] or [22]
    return [Observation("ssh_server", data, files[0].line)]


def _sshd_lines(block: Block, files: dict[str, Block], depth: int) -> Iterator[tuple[str, str]]:
    for line in block.lines:
        cells = line.split("\t", 2)
        if len(cells) < 3:
            continue
        key, value = cells[1].lower(), cells[2].strip()
        if key == "include" and depth < 3:
            for pattern in value.split()[:20]:
                path = pattern if pattern.startswith("/") else f"/etc/ssh/{pattern}"
                for name in sorted(fnmatch.filter(files, path)):
                    yield from _sshd_lines(files[name], files, depth + 1)
        elif key != "include":
            yield key, value.strip('"')


PROBE = Probe("accounts", SCRIPT, parse, seconds=25, max_bytes=3_000_000)
