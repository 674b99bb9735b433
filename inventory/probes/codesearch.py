"""What the files in docroots say that a move or an intruder would trip over: own addresses and paths, mail, single sign-on, shells.

One `grep -o` over the code and configuration files of each docroot (below 1 MiB each, bounded in time).  Only the matched token leaves
the host, with file and line, never the line itself: a password that stands beside an address stays there.

Out, per docroot: `code` {docroot, complete, own_addresses, docroot_paths, own_urls, own_names, private_addresses, public_addresses,
localhost, mail, sso}, each {files, matches, places [{path, line, token}] (the first 20)} or absent when nothing was found and the search
did not reach its end; private and public addresses and `localhost` count in configuration files only (by their names).
`infection_sign` {docroot, path, sign, severity, text} as in `contentfacts`: reasons to look, not verdicts.  Files whose names hold a
newline or a colon, and what lies below such folders, are not searched: `names_skipped` counts them.
"""

from __future__ import annotations

import shlex
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.docroots import DOCROOTS
from inventory.probes.fragments import SHOW, number

_NAMES = (
    "php", "inc", "phtml", "conf", "ini", "cnf", "xml", "json", "yml", "yaml", "js", "py", "rb", "pl", "cgi", "jsp", "asp", "aspx", "java",
    "properties", "env", "toml", "php3", "php4", "php5", "php7", "htaccess", "config",
)  # fmt: skip
_INPUT = r"\$_(get|post|request|cookie|server|files)"
_DECODE = r"(base64_decode|gzinflate|gzuncompress|gzdecode|str_rot13|strrev|urldecode|rawurldecode|hex2bin|convert_uudecode|pack)"
SIGNS: dict[str, tuple[str, str, str]] = {
    "request": ("runs what a visitor sends", "high", rf"(eval|assert|system|exec|shell_exec|passthru|popen|proc_open|create_function)[ ]*\([ ]*@?(stripslashes[ ]*\([ ]*)?{_INPUT}"),
    "decoded": ("runs decoded text", "high", rf"(eval|assert)[ ]*\([ ]*@?{_DECODE}[ ]*\("),
    "nested": ("text decoded twice", "medium", r"(gzinflate|gzuncompress|str_rot13)[ ]*\([ ]*(base64_decode|str_rot13|gzinflate)[ ]*\("),
    "shell": ("name of a known web shell", "high", r"(filesman|c99shell|r57shell|wsosetcookie|b374k|weevely|phpspy|antichat|webshell|china[ ]chopper|eval-stdin|anonymousfox|mini[ ]?shell)"),
    "replace": ("preg_replace with /e", "medium", r"""preg_replace[ ]*\([ ]*["']/[^"']{0,200}/[a-z]{0,5}e[a-z]{0,5}["']"""),
    "chain": ("text built of numbers", "low", r"(chr[ ]*\([ ]*[0-9a-fx]+[ ]*\)[ ]*\.[ ]*){8}"),
    "hex": ("text built of numbers", "low", r"(\\x[0-9a-f]{2}){30}"),
    "long": ("very long encoded text", "low", r"[a-z0-9+/]{2000,}={0,2}"),
}  # fmt: skip
"""Tag → sign, severity, pattern (folded to lower case).  Old and commercial code has some of these for honest reasons."""
MAIL = r"(^|[^a-z0-9_>:.$-])(mb_send_|wp_)?mail\(|phpmailer|swift_?mailer|net_smtp|nodemailer|smtplib|javamailsender|javax\.mail|mail::(to|send)"
SSO = (
    r"phpcas::[a-z]+|casclient|serviceticket|/cas/(login|servicevalidate)|simplesaml|onelogin[_\\]{1,2}saml2|samlresponse"
    r"|oauth2?/(callback|authorize|token)|openid-configuration"
)
PATTERN = "|".join([r"([0-9]{1,3}\.){3}[0-9]{1,3}", "localhost", MAIL, SSO, *(pattern for _, _, pattern in SIGNS.values())])

CLASSIFY = r"""
function place(what, file, at, token) {
  found[what]++
  if (!((what, file) in had)) { had[what, file]; files[what]++ }
  if (found[what] <= 20) kept[what] = kept[what] "|" what "\t" at "\t" file "\t" substr(token, 1, 120) "\n"
}
function address(t,  part, i) {
  if (split(t, part, ".") != 4) return ""
  for (i = 1; i <= 4; i++) if (part[i] > 255 || part[i] ~ /^0./) return ""
  if (part[1] == 0 || part[1] == 127 || part[1] >= 224) return ""
  if (index(OWN, " " t " ")) return "own_addresses"
  if (part[1] == 10 || part[1] == 192 && part[2] == 168 || part[1] == 172 && part[2] >= 16 && part[2] <= 31) return "private_addresses"
  return part[4] == 0 ? "" : "public_addresses"
}
BEGIN { ROOT = ENVIRON["D"]; OWN = ENVIRON["OWN"]; LOW = tolower(ROOT); size = length(ROOT) + 2 }
/^END / { ended = 1; for (i = 2; i <= NF; i++) if ($i == 124 || $i == 137 || $i == 143) cut = 1; next }
match($0, /:[0-9]+:/) {
  file = substr($0, size, RSTART - size); at = substr($0, RSTART + 1, RLENGTH - 2); token = tolower(substr($0, RSTART + RLENGTH))
  name = tolower(file); sub(/^.*\//, "", name); end = name; sub(/^.*\./, "", end)
  # configuration, as its name says
  conf = end ~ /^(conf|ini|cnf|properties|env|yml|yaml|toml|config|htaccess)$/ || name ~ /(conf|setting|database|^db|^env|parameters|local|context|web\.xml|jdbc|application)/ && end !~ /^js$/ || name ~ /^\.env/
  php = end ~ /^(php[0-9]?|phtml|inc)$/
  if (token ~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/) {
    what = address(token)
    if (what == "own_addresses" || conf && what != "" && !(what == "public_addresses" && end ~ /^(json|xml)$/)) place(what, file, at, token)
  }
  else if (token == "localhost") { if (conf) place("localhost", file, at, token) }
  else if (LOW != "" && index(token, LOW) == 1) place("docroot_paths", file, at, ROOT)
  else if (token ~ /^https?:\/\//) place("own_urls", file, at, token)
  @SIGNS@
  else if (token ~ /@SSO@/) place("sso", file, at, token)
  else if (token ~ /@MAIL@/) { sub(/^[^a-z]+/, "", token); sub(/[(]$/, "", token); if (end ~ /^(php[0-9]?|phtml|inc|py|rb|pl|cgi|jsp|java|js)$/) place("mail", file, at, token) }
  else if (index(NAMES, " " token " ")) place("own_names", file, at, token)
}
END {
  print "|status\t" (ended && !cut ? "whole" : "cut")
  for (what in found) print "|sum\t" what "\t" files[what] + 0 "\t" found[what]
  for (what in kept) printf "%s", kept[what]
}
"""


def _classify() -> str:
    """The program with the patterns as awk literals; awks of old have no {n}, so a sign is told by a simpler expression."""
    simple = {
        "request": r"\$_(get|post|request|cookie|server|files)$", "decoded": r"^(eval|assert)",
        "nested": r"^(gzinflate|gzuncompress|str_rot13)", "replace": "^preg_replace", "chain": r"^chr", "hex": r"^\\x[0-9a-f][0-9a-f]\\x",
        "shell": SIGNS["shell"][2],
    }  # fmt: skip
    branches = [f'else if (php && token ~ /{pattern}/) place("{tag}", file, at, "")' for tag, pattern in simple.items()]
    branches.append('else if (length(token) >= 2000) { if (php) place("long", file, at, length(token) " characters") }')
    program = CLASSIFY.replace("@SIGNS@", "\n  ".join(branches))
    sso = SSO.replace("/", r"\/").replace(r"[_\\]{1,2}", r"[_\\]+")
    return program.replace("@SSO@", sso).replace("@MAIL@", MAIL.replace("/", r"\/"))


SCRIPT = (
    SHOW
    + DOCROOTS
    + f"PATTERN={shlex.quote(PATTERN)}\nNAMED={shlex.quote(' '.join(_NAMES))}\nCLASSIFY={shlex.quote(_classify())}\n"
    + r"""
started=`date +%s`
OWN=" `{ ip -o -4 addr 2>/dev/null || ifconfig -a 2>/dev/null; } | sed -n 's/.*inet \(addr:\)\{0,1\}\([0-9.]*\).*/\2/p' | grep -v '^127\.' | sort -u | head -n 50 | tr '\n' ' '`"
NAMES=" `{ limit 2 hostname -f; hostname; cat /etc/nginx/*.conf /etc/nginx/*/* /etc/apache2/sites-enabled/* /etc/httpd/conf/*.conf /etc/httpd/conf.d/*.conf \
  /usr/local/nginx/conf/*.conf /usr/local/nginx/conf/vhost/*.conf /www/server/panel/vhost/*/*.conf | sed -n 's/^[[:space:]]*[Ss][Ee][Rr][Vv][Ee][Rr]\(_[Nn][Aa][Mm][Ee]\|[Nn][Aa][Mm][Ee]\|[Aa][Ll][Ii][Aa][Ss]\)[[:space:]]\{1,\}\([^;#]*\).*/\2/p'; } 2>/dev/null |
  tr ' \t' '\n\n' | tr 'A-Z' 'a-z' | grep '^[a-z0-9-]\{1,\}\(\.[a-z0-9-]\{1,\}\)\{1,\}$' | grep -v '^localhost' | sort -u | head -n 40 | tr '\n' ' '`"
export OWN
literal() { printf '%s\n' "$1" | sed 's/[][\\.*^$+?(){}|]/\\&/g'; }
any=; for n in $NAMES; do any="$any|(https?://)?`literal "$n"`"; done
text=; if echo x | grep -a x >/dev/null 2>&1; then text=-a; fi
set -f; set --
for n in $NAMED; do set -- "$@" -o -name "*.$n"; done
set -- "$@" -o -name '.env*'; shift; set +f
search() { # DOCROOT, then what find asks of names
  d=$1; shift
  what=$PATTERN$any; if test ${#d} -gt 5; then what="$what|`literal "$d"`"; fi
  { s=`{ { local_find "$left" "$d" -name "*[$NL:]*" -prune -o -type f -size -1025k '(' "$@" ')' -print0; echo $? >&6; } |
      { limit "$left" xargs -0 grep -H -n -o -i $text -E -e "$what" /dev/null >&7; echo $? >&6; } } 6>&1`
    echo "END "$s; } 7>&1 2>/dev/null | D=$d NAMES=$NAMES awk "$CLASSIFY" NAMES="$NAMES"
}
pictures() {
  { s=`{ { local_find "$left" "$1" -name "*$NL*" -prune -o -type f -size -400k '(' -name '*.jpg' -o -name '*.jpeg' -o -name '*.png' -o -name '*.gif' -o -name '*.ico' ')' -print0; echo $? >&6; } |
      { limit "$left" xargs -0 grep -l -F '<?php' /dev/null >&7; echo $? >&6; } } 6>&1`
    echo "END "$s; } 7>&1 2>/dev/null | D=$1 awk '
    BEGIN { size = length(ENVIRON["D"]) + 2 }
    /^END / { ended = 1; for (i = 2; i <= NF; i++) if ($i == 124 || $i == 137) cut = 1; next }
    ++n <= 50 { print "|picture\t" substr($0, size) }
    END { print "|pictures\t" (ended && !cut ? "whole" : "cut") "\t" n + 0 }'
}
docroots_remote | while IFS= read -r d; do printf '@ left lies on a network filesystem (%s): not searched\n|%s\n' "${d%% *}" "${d#* }"; done
docroots | while IFS= read -r d; do
  left=$((60 + started - `date +%s`)); test "$left" -le 20 || left=20
  if test "$left" -lt 1; then printf '@ left not searched: the time for this section was used up\n|%s\n' "$d"; continue; fi
  mark docroot "$d"
  case $d in *:*) printf '|status\tcolon\n'; continue ;; esac
  search "$d" "$@"
  printf '|skipped\t%s\n' `local_find "$left" "$d" -name "*[$NL:]*" -prune -print0 2>/dev/null | tr -cd '\000' | wc -c`
  test "$left" -le 6 || left=6
  pictures "$d"
done
"""
)
SUBJECTS = (
    "own_addresses", "docroot_paths", "own_urls", "own_names", "private_addresses", "public_addresses", "localhost", "mail", "sso",
)  # fmt: skip


def parse(section: Section) -> list[Observation]:
    """`code` and `infection_sign` per docroot, `unknown` for what was not searched."""
    found: list[Observation] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "left":
            found += [Observation("unknown", {"what": f"code:{path}", "why": block.value}, block.line) for path in block.lines]
        elif block.tag == "docroot":
            found += _docroot(block)
    return found


def _docroot(block: Block) -> list[Observation]:
    root = block.value
    data: dict[str, Any] = {"docroot": root, "complete": False}
    why, signs = "the search was stopped before its end", []
    sums: dict[str, dict[str, Any]] = {}
    for offset, line in enumerate(block.lines, start=1):
        tag, *cells = line.split("\t")
        at = block.line + offset
        if tag == "status" and cells:
            data["complete"] = cells[0] == "whole"
            if cells[0] == "colon":
                why = "its path holds a colon"
        elif tag == "sum" and len(cells) == 3 and (files := number(cells[1])) is not None and (many := number(cells[2])) is not None:
            sums[cells[0]] = {"files": files, "matches": many, "places": []}
        elif tag in SUBJECTS and tag in sums and len(cells) >= 3 and (row := number(cells[0])) is not None:
            sums[tag]["places"].append({"path": cells[1], "line": row, "token": "\t".join(cells[2:])})
        elif tag in SIGNS and len(cells) >= 2 and number(cells[0]) is not None:
            sign, severity, _ = SIGNS[tag]
            text = f"line {cells[0]}" + (f": {cells[2]}" if len(cells) > 2 and cells[2] else "")
            signs.append(_sign(root, cells[1], sign, severity, text, at))
        elif tag == "picture" and cells:
            signs.append(_sign(root, "\t".join(cells), "php in a picture", "high", "a picture that holds PHP", at))
        elif tag == "skipped" and cells:
            data["names_skipped"] = number(cells[0])
        elif tag == "pictures" and cells:
            data["pictures_searched"] = cells[0] == "whole"
    if data["complete"]:
        data |= {name: sums.get(name, {"files": 0, "matches": 0, "places": []}) for name in SUBJECTS}
    else:
        data |= {name: sums[name] for name in SUBJECTS if name in sums}
    for name in SUBJECTS:
        if name in data:
            data[name]["places"].sort(key=lambda place: (place["path"], place["line"]))
    found = [Observation("code", data, block.line), *signs]
    if not data["complete"]:
        found.insert(1, Observation("unknown", {"what": f"code:{root}", "why": why}, block.line))
    return found


def _sign(root: str, path: str, sign: str, severity: str, text: str, line: int) -> Observation:
    return Observation("infection_sign", {"docroot": root, "path": path, "sign": sign, "severity": severity, "text": text}, line)


PROBE = Probe("codesearch", SCRIPT, parse, seconds=75, max_bytes=4_000_000)
