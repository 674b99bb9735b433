"""Docroots: what lies in them, how big, how old, whose, and what a move or an intruder would trip over; one `find` pass each.

`find` prints a record for each entry, awk adds them up on the host, and only sums and bounded lists leave it.  Names with newlines
are safe: records end with NUL, and what is a newline (tab) inside a name travels as \\001 (\\002).  Where `find` has no -printf
(BusyBox), `stat -c` gives the same records for all names without a newline; where there is neither, the content is unknown.

Out (the shape of `content` and `infection_sign` stands in `contentfacts`): `content` per docroot, `htaccess` per `.htaccess` or
`.user.ini` {"path", "lines"}, `infection_sign` per suspicious file, `unknown` for what was not looked at.
"""

from __future__ import annotations

from inventory.probes import contentfacts
from inventory.probes.base import Observation, Probe, Section, blocks, unknown
from inventory.probes.docroots import DOCROOTS
from inventory.probes.fragments import MASK, SHOW

WALK = r"""
function triple(mode) { return substr("000" mode, length(mode) + 1) }
function writes(digit) { return digit ~ /[2367]/ }
function writer(owner, group, mode,  d) {
  d = triple(mode)
  if (index(W, "|" owner "|") && writes(substr(d, 1, 1))) return owner
  if (index(WG, "|" group "|") && writes(substr(d, 2, 1))) return "group " group
  return writes(substr(d, 3, 1)) ? "everyone" : ""
}
function keep(list, text) { if (++many[list] <= @LIST@) kept[list] = kept[list] "|" list "\t" text "\n" }
function newest(m, text,  i) {
  for (i = 5; i > 1 && m > new_at[i - 1]; i--) { new_at[i] = new_at[i - 1]; new_path[i] = new_path[i - 1] }
  new_at[i] = m; new_path[i] = text
}
function largest(size, text,  i) {
  for (i = 10; i > 1 && size > big_size[i - 1]; i--) { big_size[i] = big_size[i - 1]; big_path[i] = big_path[i - 1] }
  big_size[i] = size; big_path[i] = text
}
function valid(s) {
  gsub(/[\302-\337][\200-\277]|[\340-\357][\200-\277][\200-\277]|[\360-\364][\200-\277][\200-\277][\200-\277]/, "", s)
  return s !~ /[\200-\377]/
}
BEGIN {
  FS = "\t"; skip = length(ENVIRON["D"]) + 2
  for (i = 1; i <= 10; i++) { big_size[i] = -1; core_at[i] = -1; if (i < 6) new_at[i] = -1 }
  can = valid("\303\244\344\275\240") && !valid("\344")
  split("php phtml php3 php4 php5 php7 pht phar inc", T, " "); for (i in T) PHP[T[i]] = 1
  split("bak old orig save swp sql dump rar 7z zip tgz tar gz bz2 xz tmp copy", T, " "); for (i in T) BACK[T[i]] = 1
  split(".git .svn .hg .bzr CVS", T, " "); for (i in T) VCS[T[i]] = 1
}
$1 == "END" { ended = 1; status = $2; next }
$1 == "UNREAD" { keep("unread", substr($2, skip)); next }
$1 == "PRUNED" { if ($2 > 0) pruned = $2; next }
{
  t = $1; p = $10; m = int($3); entries++
  for (i = 11; i <= NF; i++) p = p "\002" $i
  p = substr(p, skip)
  if (t == "l") { getline to; gsub(/\t/, "\002", to) }
  n = split(p, part, "/"); base = part[n]; dir = n > 1 ? substr(p, 1, length(p) - length(base) - 1) : "."
  if (base ~ /[^ -~]/) {
    if (index(base, "\001")) keep("newline", p)
    if (can && !valid(base)) keep("bytes", p)
  }
  if (length(base) > 143) keep("long", p)
  if (entries <= 300000) { low = tolower(p); if (low in seen) keep("case", p); else seen[low] }
  mode[t " " $6]++
  by = t == "l" ? "" : writer($4, $5, $6)
  if (t == "d") {
    dirs++
    if (p == "") p = "."
    if (by != "") {
      if (p != "." && (dir in area)) area[p] = area[dir]; else { area[p] = p; who[p] = by }
      area_dirs[area[p]]++
      if (by == "everyone" && length($6) < 4) keep("world", p "/")
    }
    if (base in VCS) keep("vcs", p)
    if (tolower(base) ~ /^(simplesaml(php)?|php-?cas|cas-?client|php-saml|onelogin|oauth2?-?(client|server)?)$/) keep("sso", p "/")
    next
  }
  if (t == "l") { if (++links <= 5000) link[links] = "|link\t?\t" p "\t" to; next }
  if (t != "f") { special++; keep("special", p); next }
  files++; size = $2; bytes += size
  if ($7 > 1) {
    hard++
    if ($9 in inode) { again++; again_bytes += size } else allocated += $8 * 512
    inode[$9]++; names[$9] = $7
  } else allocated += $8 * 512
  if (size > 65536 && $8 * 1024 < size) sparse++
  own[$4]++; own_bytes[$4] += size; group[$5]++
  day[int(m / 86400)]++; day_bytes[int(m / 86400)] += size
  if (m > new_at[5]) newest(m, p)
  if (oldest == "" || m < oldest) oldest = m
  if (size > big_size[10]) largest(size, p)
  if (length($6) > 3 && substr($6, 1, length($6) - 3) ~ /[24567]/) keep("setid", p)
  e = ""
  if (base ~ /\./) { k = split(tolower(base), word, "."); e = word[k] }
  php = (e in PHP)
  if (e != "" && length(e) < 9 && e !~ / /) { if ((e in ext) || ++kinds <= 300) { ext[e]++; ext_bytes[e] += size } }
  if (by != "") {
    if (by == "everyone") keep("world", p)
    if (!(dir in area)) { loose++; if (php) loose_php++; keep("loose", p) }
  }
  # whoever may write a folder may put another file in the place of one that is read-only
  if (dir in area) { a = area[dir]; area_files[a]++; area_bytes[a] += size; if (php) area_php[a]++ }
  if (php) {
    if (p ~ /(^|\/)([Uu]ploads?|[Uu]pfiles?|[Uu]ploadfiles?|[Aa]ttachments?|[Aa]vatars?|[Ii]mages?|[Ff]iles)\// && e != "inc" && base !~ /^index\./) keep("upload", p)
    if (base ~ /^\./) keep("hidden", p)
    if (k > 2 && word[k - 1] ~ /^(jpe?g|png|gif|ico|bmp|txt|pdf|docx?|xlsx?|zip|rar)$/) keep("double", p)
    if (p ~ /(^|\/)wp-(includes|admin)\//) {
      core++; if (index(W, "|" $4 "|")) { core_web++; keep("coreweb", p) }
      if (base == "version.php") keep("version", m "\t" p)
      for (i = 10; i > 1 && m > core_at[i - 1]; i--) { core_at[i] = core_at[i - 1]; core_path[i] = core_path[i - 1] }
      if (m > core_at[i]) { core_at[i] = m; core_path[i] = p }
    }
  } else if (k > 2 && e ~ /^(jpe?g|png|gif|ico|bmp|txt|pdf|docx?)$/ && word[k - 1] ~ /^(php[3-7]?|phtml|phar)$/) keep("double", p)
  else if ((e in BACK) || base ~ /~$/) {
    if (e != "gz" && e != "bz2" && e != "xz" || base ~ /\.(tar|sql)\.[a-z0-9]+$/) { back_bytes += size; keep("backup", sprintf("%.0f", size) "\t" p) }
  }
  if (base == ".htaccess" || base == ".user.ini") keep(base == ".htaccess" ? "htaccess" : "userini", p)
  else if (base ~ /^\.?htpasswd/) keep("htpasswd", p)
  else if (tolower(base) ~ /^(cas\.php|phpcas.*\.php|authsources\.php|saml20-idp-remote\.php|shibboleth2\.xml|saml.*\.(php|xml)|cas-?client.*\.(php|jar)|oauth.*\.php)$/) keep("sso", p)
}
END {
  if (!ended) status = "none"
  for (x in names) if (inode[x] < names[x]) outside++
  printf "|sum\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\n", files, bytes, allocated, dirs, links, special, hard, again, again_bytes, outside, sparse
  print "|status\t" status "\t" (can ? "yes" : "no") "\t" pruned + 0 "\t" entries + 0
  if (files) print "|oldest\t" oldest
  for (i = 1; i <= 5; i++) if (new_at[i] >= 0) print "|newest\t" new_at[i] "\t" new_path[i]
  for (i = 1; i <= 10; i++) if (big_size[i] >= 0) printf "|largest\t%.0f\t%s\n", big_size[i], big_path[i]
  for (x in own) printf "|owner\t%.0f\t%.0f\t%s\n", own[x], own_bytes[x], x
  for (x in group) printf "|group\t%.0f\t%s\n", group[x], x
  for (x in mode) printf "|mode\t%.0f\t%s\n", mode[x], x
  for (x in day) printf "|day\t%s\t%.0f\t%.0f\n", x, day[x], day_bytes[x]
  for (x in ext) printf "|ext\t%.0f\t%.0f\t%s\n", ext[x], ext_bytes[x], x
  for (x in who) if (++shown <= @LIST@) printf "|area\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%s\n", who[x], area_dirs[x], area_files[x], area_bytes[x], area_php[x], x
  printf "|writable\t%.0f\t%.0f\t%.0f\n", shown, loose, loose_php
  printf "|backups\t%.0f\n|core\t%.0f\t%.0f\n", back_bytes, core, core_web
  for (i = 1; i <= 10; i++) if (core_at[i] >= 0) print "|corefile\t" core_at[i] "\t" core_path[i]
  for (x in many) print "|many\t" many[x] "\t" x
  for (i = 1; i <= links && i <= 5000; i++) print link[i]
  for (x in kept) printf "%s", kept[x]
}
""".replace("@LIST@", "50")
"""One docroot: records on stdin (type, bytes, mtime, owner, group, mode, links, 512-byte blocks, inode, path; after a link's record a
line with what it says), sums on stdout.  `W` and `WG` are the web servers' users and groups, each between bars."""

SCRIPT = (
    SHOW
    + DOCROOTS
    + "MASK='"
    + MASK
    + "'\nWALK='"
    + WALK
    + r"""'
T=`printf '\t'`
started=`date +%s`; echo "@ now $started"
way=
if find / -maxdepth 0 -printf '' 2>/dev/null; then way=printf
elif stat -c '%f %s %Y %U %u %G %g %a %h %b %i %n' / >/dev/null 2>&1; then way=stat
else echo '@ unknown content neither find -printf nor stat -c is here'; exit 0; fi
readable=; if test "$PRIV" != root && find / -maxdepth 0 -readable >/dev/null 2>&1; then readable=1; fi
users=`{ awk '/^Name:/ { n = $2 } /^Uid:/ && $3 != 0 && n ~ /^(apache2?|httpd|nginx|tengine|php-fpm.*|php-cgi.*|php[0-9.]*-fpm.*|lighttpd|caddy|litespeed|lshttpd|openlitespeed)$/ { print $3 }' /proc/[0-9]*/status 2>/dev/null
  cat /etc/php/*/fpm/pool.d/*.conf /etc/php5/fpm/pool.d/*.conf /etc/php-fpm.d/*.conf /etc/opt/remi/php*/php-fpm.d/*.conf /www/server/php/*/etc/php-fpm.conf 2>/dev/null |
    sed -n 's/^[[:space:]]*user[[:space:]]*=[[:space:]]*\([A-Za-z0-9._-]*\).*/\1/p'; } | sort -u | head -n 100`
W='|'; WG='|'
for u in $users; do
  case $u in *[!0-9]*) n=$u ;; *) n=`id -un "$u" 2>/dev/null || awk -F : -v u="$u" '$3 == u { print $1; exit }' /etc/passwd` ;; esac
  case $n in ''|root) continue ;; esac
  W="$W$n|"; for g in `id -Gn "$n" 2>/dev/null`; do WG="$WG$g|"; done
done
echo "@ webusers $W"
# with stat, a folder whose name holds a newline is left out with all below it, and counted
records() {
  if test "$way" = printf; then
    f='%y\t%s\t%T@\t%u\t%g\t%m\t%n\t%b\t%i\t%p\0'
    if test -z "$readable"; then local_find "$left" "$1" '(' -type l -printf "$f%l\0" -o -printf "$f" ')'
    else local_find "$left" "$1" -type d '(' ! -readable -o ! -executable ')' -printf 'UNREAD\t%p\0' -prune -o '(' -type l -printf "$f%l\0" -o -printf "$f" ')'; fi
    printf 'END\t%s\0' "$?"
  else
    { s=`{ { local_find "$left" "$1" -name "*$NL*" -prune -o -print0; echo $? >&6; } | limit "$left" xargs -0 stat -c "%f$T%s$T%Y$T%U$T%G$T%a$T%h$T%b$T%i$T%u$T%g$T%n" 2>/dev/null >&7; } 6>&1`
      printf 'END\t%s\n' "$s"; } 7>&1 | awk '
      BEGIN { FS = OFS = "\t" }
      $1 == "END" { print; next }
      {
        h = substr($1, 1, length($1) - 3); at = index("81246ac", h); t = at ? substr("fpcdbls", at, 1) : "?"
        p = $12; for (i = 13; i <= NF; i++) p = p "\t" $i
        print t, $2, $3, $4 == "UNKNOWN" ? $10 : $4, $5 == "UNKNOWN" ? $11 : $5, $6, $7, $8, $9, p
        if (t == "l") print ""
      }'
    printf 'PRUNED\t%s\n' `local_find "$left" "$1" -name "*$NL*" -prune -print0 | tr -cd '\000' | wc -c`
  fi
}
same() { if test "$way" = printf; then tr '\n\000' '\001\n'; else cat; fi; }
linked() { # DOCROOT, "path<tab>what the link says": ends it with ok, gone, network or unknown
  from=${2%%"$T"*}; to=${2#*"$T"}
  if test -z "$to"; then case "$from" in *[[:cntrl:]]*) ;; *) to=`readlink "$1/$from"` ;; esac; fi
  state=unknown
  case "$from$to" in
    *[[:cntrl:]]*) ;;
    *)
      case "$to" in /*) at=$to ;; *) at=$1/$from; at=${at%/*}/$to ;; esac
      if on_network "$at"; then state=network; elif test -e "$1/$from"; then state=ok; else state=gone; fi ;;
  esac
  printf '|link\t%s\t%s\t%s\n' "$state" "$from" "$to"
}
# what find cannot say; each walks once more, so only where the tool is and the tree is not huge
attributes() {
  if test -n "$mounts"; then printf '|notread\tacl, xattrs and immutable files: other filesystems are mounted below\n'; return; fi
  if test "$2" -gt 300000; then printf '|notread\tacl, xattrs and immutable files: too many files\n'; return; fi
  if have getfacl; then
    { limit 10 getfacl -R -P -s -p -- "$1" 2>/dev/null; echo "S $?"; } |
      awk '/^# file: / { if (n++ < 20) print "|acl\t" substr($0, 9) } /^S / { s = $2 } END { print "|total\tacl\t" s "\t" n + 0 }'
  elif ls --version 2>/dev/null | grep GNU >/dev/null; then
    { limit 10 ls -lnAR -- "$1" 2>/dev/null; echo "S $?"; } | awk '$1 ~ /^[-d][-rwxsStT]+[+]$/ { n++ } /^S / { s = $2 } END { print "|total\tacl\t" s "\t" n + 0 }'
  else printf '|notread\tacl: there is no getfacl\n'; fi
  if have getfattr; then
    { limit 10 getfattr -h -R -P -m - --absolute-names -- "$1" 2>/dev/null; echo "S $?"; } |
      awk '/^# file: / { f = substr($0, 9); next } /^S / { s = $2; next } /^[a-z]+[.]/ && !/selinux|posix_acl/ { if (n++ < 20) print "|xattr\t" $0 "\t" f } END { print "|total\txattr\t" s "\t" n + 0 }'
  else printf '|notread\txattrs: there is no getfattr\n'; fi
  if have lsattr; then
    { limit 10 lsattr -Ra -- "$1" 2>/dev/null; echo "S $?"; } |
      awk '/^S / { s = $2; next } $1 ~ /^[-a-zA-Z]+$/ && $1 ~ /[ia]/ && $2 ~ /^\// && !/\/\.\.?$/ { if (n++ < 20) { p = $0; sub(/^[^ ]+ +/, "", p); print "|immutable\t" p } } END { print "|total\timmutable\t" s "\t" n + 0 }'
  else printf '|notread\timmutable files: there is no lsattr\n'; fi
}
settings() { # TAG FILE: its lines, the values of what sounds secret taken out
  mark "$1" "$2"
  head -c 65536 < "$2" 2>/dev/null | awk "$MASK"'
    NR > 500 { exit }
    /^[ \t]*[#;]/ || /^[ \t\r]*$/ { next }
    {
      line = $0; sub(/^[ \t]+/, "", line); n = split(line, w, /[ \t=]+/)
      for (i = 1; i < n && i <= 4; i++) {
        name = w[i]; gsub(/["\047]/, "", name)
        if (name ~ /^[A-Za-z0-9_.-]+$/ && name !~ /^(session[.]|[.])/ && (sensitive(name) || tolower(name) == "authorization")) {
          line = substr(line, 1, index(line, w[i]) + length(w[i]) - 1) " [redacted]"; break
        }
      }
      print "|" mask(line)
    }'
}
content() {
  mark docroot "$1"
  # inside a container, its own name is all that there is: the path has none on this side
  if cd "$1" 2>/dev/null; then real=`pwd -P 2>/dev/null`; cd /; else printf '|status\tunreadable\n'; return; fi
  test -n "$real" || real=$1
  test "$real" = "$1" || printf '|real\t%s\n' "$real"
  mounts=`R="$real/" awk '{ p = $2; gsub(/\\\\040/, " ", p); if (index(p "/", ENVIRON["R"]) == 1 && p "/" != ENVIRON["R"]) print "|mount\t" $3 "\t" p }' /proc/mounts 2>/dev/null | head -n 50`
  test -z "$mounts" || printf '%s\n' "$mounts"
  records "$1" | same | D=$1 awk -v W="$W" -v WG="$WG" "$WALK" | {
    files=; entries=0
    while IFS= read -r line; do
      case "$line" in
        "|link$T"*) linked "$1" "${line#"|link$T?$T"}" ;;
        "|htaccess$T"*|"|userini$T"*) printf '%s\n' "$line"; files=$files$NL${line#"|"} ;;
        "|status$T"*) printf '%s\n' "$line"; entries=${line##*"$T"} ;;
        *) printf '%s\n' "$line" ;;
      esac
    done
    attributes "$real" "$entries"
    printf '%s\n' "$files" | while IFS=$T read -r tag path; do
      case "$path" in ''|*[[:cntrl:]]*) ;; *) settings "$tag" "$1/$path" ;; esac
    done
  }
}
docroots_remote | while IFS= read -r d; do printf '@ left lies on a network filesystem (%s): not walked\n|%s\n' "${d%% *}" "${d#* }"; done
docroots | while IFS= read -r d; do
  left=$((100 + started - `date +%s`)); test "$left" -le 60 || left=60
  if test "$left" -lt 1; then printf '@ left not looked at: the time for this section was used up\n|%s\n' "$d"; else content "$d"; fi
done
"""
)


def parse(section: Section) -> list[Observation]:
    """`content` per docroot, `htaccess` and `user_ini` per file, `infection_sign`, `unknown`."""
    found: list[Observation] = []
    now, users = 0, []
    for block in blocks(section.text):
        if block.tag == "now":
            now = contentfacts.whole(block.value) or 0
        elif block.tag == "webusers":
            users = list(dict.fromkeys(name for name in block.value.split("|") if name))
        elif block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "left":
            found += [Observation("unknown", {"what": f"content:{path}", "why": block.value}, block.line) for path in block.lines]
        elif block.tag in {"htaccess", "userini"}:
            found += contentfacts.settings(block)
        elif block.tag == "docroot":
            found += contentfacts.docroot(block, now, users)
    return found


PROBE = Probe("content", SCRIPT, parse, seconds=120, max_bytes=8_000_000)
