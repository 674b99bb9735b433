"""Pieces of sh and awk: which files a web server's configuration is made of, found on the host by following its includes.

In: nothing.  Out: `FOLLOW`, functions that the web servers' sections share with those that look for docroots, logs and certificates.
Includes are only read, never run; variables are resolved roughly, globs by the shell; links are followed by hand, because an absolute
link inside a container or a chroot (`R`, such as `/proc/77/root`) means a place in there.  Private keys and what is no regular file are
never opened.  The exact reading is `inventory.webconfig`'s, on the planner's side.
"""

from __future__ import annotations

from inventory.probes.web.naming import NAMES

INCLUDES = r"""
BEGIN { FS = "\t"; most = 2000000; lines = 30000 }
function given(s,  n, i, out, name, at, end) {
  n = 0; out = ""
  while ((at = index(s, "${")) && ++n < 50) {
    end = index(substr(s, at), "}")
    if (!end) break
    name = substr(s, at + 2, end - 3)
    out = out substr(s, 1, at - 1) ((name in V) ? V[name] : "${" name "}")
    s = substr(s, at + end)
  }
  return out s
}
function word(s,  q, n) {
  sub(/^[ \t]+/, "", s)
  q = substr(s, 1, 1)
  if (q == "\"" || q == "\047") {
    s = substr(s, 2); n = index(s, q)
    return n ? substr(s, 1, n - 1) : ""
  }
  sub(stop, "", s)
  return s
}
function wanted(p, base) {
  if (p == "" || length(p) > 1000) return
  if (substr(p, 1, 1) != "/") p = base "/" p
  if (!(p in asked)) { asked[p] = 1; print "P\t" kind "\t" p > "/dev/stderr" }
}
function nginx(s,  arg) {
  sub(/^[ \t]*#.*/, "", s); sub(/[ \t;{}]#.*/, "", s)
  if (held) { s = "include " s; held = 0 }
  stop = "[ \t;{}].*"
  while (match(s, /(^|[ \t;{}])include([ \t]+|$)/)) {
    s = substr(s, RSTART + RLENGTH)
    if (s ~ /^[ \t]*$/) { held = 1; return }
    wanted(word(s), root)
  }
}
function apache(s,  l, arg) {
  if (carried != "") { s = carried s; carried = "" }
  if (s ~ /\\$/ && length(s) < 8000) { carried = substr(s, 1, length(s) - 1); return }
  if (s ~ /^[ \t]*(#|<\/|$)/) return
  l = tolower(s)
  stop = "[ \t].*"
  if (match(l, /^[ \t]*include(optional)?[ \t]+/)) wanted(given(word(substr(s, RLENGTH + 1))), root)
  else if (match(l, /^[ \t]*jkworkersfile[ \t]+/)) wanted(given(word(substr(s, RLENGTH + 1))), root)
  else if (match(l, /^[ \t]*serverroot[ \t]+/)) { arg = given(word(substr(s, RLENGTH + 1))); if (arg ~ /^\//) set_root(arg) }
  else if (match(l, /^[ \t]*define[ \t]+[^ \t]+[ \t]+/)) {
    arg = substr(s, 1, RLENGTH); sub(/^[ \t]*[^ \t]+[ \t]+/, "", arg); sub(/[ \t]+$/, "", arg)
    set(arg, given(word(substr(s, RLENGTH + 1))))
  }
}
function set_root(s) { sub(/\/+$/, "", s); root = s; print "R\t" s > "/dev/stderr" }
function set(name, value) {
  if (length(value) > 1000) return
  V[name] = value
  print "V\t" name "\t" value > "/dev/stderr"
}
function environment(s,  name, value, q) {
  if (!match(s, /^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*=/)) return
  name = substr(s, 1, RLENGTH - 1); sub(/^[ \t]*(export[ \t]+)?/, "", name)
  value = substr(s, RLENGTH + 1); q = substr(value, 1, 1)
  if (q == "\"" || q == "\047") { value = substr(value, 2); sub(q == "\"" ? "\".*" : "\047.*", "", value) } else sub(/[ \t;#].*/, "", value)
  gsub(/\$\{?SUFFIX\}?/, suffix, value)
  if (name ~ /^[A-Z0-9_]+$/ && !(name in V) && value !~ /[$`]/) set(name, value)
}
function joined(s,  out, name, c, i) {
  out = ""
  while (1) {
    sub(/^[ \t]+/, "", s)
    if (substr(s, 1, 1) == "\"") {
      for (i = 2; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "\"") break
        if (c == "\\") { i++; c = substr(s, i, 1) }
        out = out c
      }
      s = substr(s, i + 1)
    } else if (match(s, /^(var\.)?[A-Za-z_][A-Za-z0-9_]*/)) {
      name = substr(s, 1, RLENGTH); s = substr(s, RLENGTH + 1); sub(/^var\./, "", name)
      if (!(name in V)) return ""
      out = out V[name]
    } else return ""
    sub(/^[ \t]+/, "", s)
    if (substr(s, 1, 1) != "+") return out
    s = substr(s, 2)
  }
}
function lighttpd(s,  name, rest, out, n, part, i) {
  sub(/^[ \t]*#.*/, "", s)
  if (match(s, /^[ \t]*(var\.)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=[ \t]*["A-Za-z_]/)) {
    name = substr(s, 1, index(s, "=") - 1); gsub(/[ \t]|var\./, "", name)
    out = joined(substr(s, index(s, "=") + 1))
    if (out != "") set(name, out)
  } else if (s ~ /^[ \t]*include(_shell)?[ \t]/) {
    rest = s; sub(/^[ \t]*include(_shell)?[ \t]+/, "", rest)
    if (s ~ /include_shell/) {
      if (rest ~ /include-conf-enabled/) wanted("conf-enabled/*.conf", root)
      else if (match(rest, /^["\047][ \t]*cat[ \t]+/)) {
        rest = substr(rest, RLENGTH + 1); sub(/["\047].*/, "", rest)
        n = split(rest, part, "[ \t]+")
        for (i = 1; i <= n; i++) wanted(part[i], root)
      }
      return
    }
    wanted(joined(rest), root)
  }
}
function caddy(s, file,  p, base) {
  sub(/^[ \t]*#.*/, "", s)
  stop = "[ \t].*"
  if (match(s, /^[ \t]*import[ \t]+/)) {
    p = word(substr(s, RLENGTH + 1)); base = file; sub(/\/[^\/]*$/, "", base)
    wanted(p, base)
  }
}
$1 == "V" { V[$2] = $3; next }
$1 == "R" { root = $2; next }
$1 == "K" { kind = $2; next }
$1 == "F" && !($2 in read) {
  read[$2] = 1; file = $2; total = n = 0; held = 0; carried = ""
  if (show) print "@ file " file
  format_name = ""
  name = file; sub(/^.*\//, "", name)
  suffix = match(file, /apache2-[^\/]*\//) ? substr(file, RSTART + 7, RLENGTH - 8) : ""
  hide = 0
  while ((got = (getline line < (R file))) > 0) {
    total += length(line) + 1
    if (total > most || ++n > lines) { if (show) print "@ unknown " file " longer than " most " bytes or " lines " lines: the rest is not read"; break }
    if (index(line, "-----BEGIN") && line ~ /PRIVATE KEY/) hide = 1
    if (show) print "|" (hide ? "" : line)
    if (hide) { if (index(line, "-----END")) hide = 0; continue }
    sub(/\r$/, "", line)
    if (want != "") tell(line)
    if (name == "envvars" || kind == "environment") environment(line)
    else if (kind == "nginx") nginx(line)
    else if (kind == "apache") apache(line)
    else if (kind == "lighttpd") lighttpd(line)
    else if (kind == "caddy") caddy(line, file)
  }
  close(R file)
  if (got < 0 && show) print "@ unknown " file " unreadable"
}
"""
"""awk: reads the files it is told of (`F`), prints them if `show` is set, and on stderr what they include (`P`).  With `want` it tells what
they name, too (`naming`)."""

FOLLOW = (
    r"""
NL='
'
TAB=`printf '\t'`
have() { command -v "$1" >/dev/null 2>&1; }
mark() {
  case "$2" in
    *"$NL"*)
      printf '@ %s ' "$1"
      printf '%s\n' "$2" | awk '{ printf "%s%s", (NR > 1 ? "\\n" : ""), $0 } END { print "" }' ;;
    *) printf '@ %s %s\n' "$1" "$2" ;;
  esac
}
running() {
  masters=; all=' '
  for p in /proc/[0-9]*; do
    s=; IFS= read -r s 2>/dev/null < "$p/stat" || continue
    c=${s#*\(}; c=${c%\)*}
    case " $1 " in *" $c "*) all="$all${p#/proc/} " ;; esac
  done
  for p in $all; do
    s=; IFS= read -r s 2>/dev/null < "/proc/$p/stat" || continue
    s=${s##*\) }; s=${s#* }; s=${s%% *}
    case $all in *" $s "*) ;; *) masters="$masters $p" ;; esac
  done
}
rooted() {
  R=; runtime=; id=; box=; g=
  if test -e "/proc/$1/root/."; then
    if test "/proc/$1/root/" -ef /; then return 0; fi
    R=/proc/$1/root; runtime=chroot
    if test "`readlink "/proc/$1/ns/mnt" 2>/dev/null`" != "`readlink /proc/self/ns/mnt 2>/dev/null`"; then runtime=namespace; fi
  fi
  while IFS= read -r s; do
    case $s in *docker*|*libpod*|*kubepods*|*containerd*|*crio*|*lxc*|*machine.slice/*) g=$s; break ;; esac
  done 2>/dev/null < "/proc/$1/cgroup"
  case $g in
    *libpod*) runtime=podman ;; *kubepods*) runtime=kubernetes ;; *docker*) runtime=docker ;; *containerd*) runtime=containerd ;;
    *crio*) runtime=crio ;; *lxc*) runtime=lxc ;; *machine.slice/*) runtime=machine ;;
  esac
  if test -z "$R" && test -n "$g" && test ! -e "/proc/$1/root/."; then R=unreadable; fi
  if test -z "$R"; then runtime=; return 0; fi
  case $g in
    *lxc.payload.*) box=${g##*lxc.payload.}; box=${box%%/*} ;;
    *lxc/*) box=${g##*lxc/}; box=${box%%/*} ;;
    *machine.slice/machine-*) box=${g##*machine.slice/machine-}; box=${box%%.scope*} ;;
  esac
  if test -n "$g"; then id=`printf '%s\n' "$g" | sed -n 's/.*\([0-9a-f]\{64\}\).*/\1/p' | head -n 1`; fi
  if test -n "$id"; then
    if test -r "/var/lib/docker/containers/$id/config.v2.json"; then
      box=`grep -o '"Name":"/[^"]*"' "/var/lib/docker/containers/$id/config.v2.json" | head -n 1 | sed 's/.*"\/\(.*\)"/\1/'`
    elif test -r /var/lib/containers/storage/overlay-containers/containers.json; then
      box=`sed -n 's/.*"id":"'"$id"'","names":\["\([^"]*\)".*/\1/p' /var/lib/containers/storage/overlay-containers/containers.json | head -n 1`
    fi
  fi
  box=`printf %s "$box" | tr -cd 'A-Za-z0-9_.@:-'`
}
resolve() {
  rest=$1; real=; hops=0
  if test "${1%/*}" = "$last"; then real=$last_real; rest=${1##*/}; fi
  while test -n "$rest"; do
    part=${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    case $part in ''|.) continue ;; ..) real=${real%/*}; continue ;; esac
    if test -L "$R$real/$part"; then
      hops=$((hops + 1)); if test "$hops" -gt 40; then return 1; fi
      t=`readlink "$R$real/$part"`
      if test -n "$show"; then
        case $links in *"$NL$real/$part$NL"*) ;; *)
          case $rest in '') ;; *) links="$links$real/$part$NL" ;; esac
          mark link "$real/$part -> $t" >&4 ;;
        esac
      fi
      case $t in /*) real=; rest=$t/$rest ;; *) rest=$t/$rest ;; esac
    else real=$real/$part; fi
  done
  case $real in '') real=/ ;; esac
}
one() {
  case ${1##*/} in *.key|*.pem|*.crt|*.cer|*.p12|*.pfx|*.jks|*.der|*.so|*.gz|*.zip|*.rpm|*.deb|shadow|shadow-|gshadow|*htpasswd*|*.dpkg-*|*.swp) return 0 ;; esac
  resolve "$1" || return 0
  case $real in *"$NL"*) if test -n "$show"; then mark unknown "$real has a line break in its name" >&4; fi; return 0 ;;
    /proc/*|/dev/*|/sys/*|*/private/*) return 0 ;; esac
  if test -f "$R$real"; then
    if test -r "$R$real"; then printf '%s\n' "$real"; elif test -n "$show"; then mark unknown "$real unreadable" >&4; fi
  elif test -d "$R$real" && test "$2" = apache; then
    find "$R$real" -xdev -type f -print 2>/dev/null | awk 'NR <= 2000' | while IFS= read -r f; do one "${f#"$R"}"; done
  elif test -n "$show"; then unreachable "$real"; fi
}
unreachable() {
  d=$1
  while test -n "$d" && test ! -e "$R$d"; do d=${d%/*}; done
  if test -d "$R$d/" && test ! -x "$R$d/"; then mark unknown "$1 unreadable" >&4; fi
}
expand() {
  while IFS=$TAB read -r k p; do
    case $p in *'${'*) continue ;; esac
    case $p in
      *[*?[]*)
        head=${p%%[*?[]*}; head=${head%/*}; tail=${p#"$head"/}
        resolve "$head" || continue
        top=$real; if test "$top" = /; then top=; fi
        if test ! -d "$R$top/"; then unreachable "$head"; continue; fi
        if test ! -r "$R$top/" || test ! -x "$R$top/"; then if test -n "$show"; then mark unknown "$head unreadable" >&4; fi; continue; fi
        last=$top; last_real=$top
        IFS=; set +f; set -- "$R$top/"$tail; unset IFS
        for f do
          if test -e "$f" || test -L "$f"; then one "${f#"$R"}" "$k"; fi
        done ;;
      *) last=none; one "$p" "$k" ;;
    esac
  done
}
sizes() {
  set --
  while IFS= read -r f; do
    set -- "$@" "$R$f"
    if test $# -ge 200; then small "$@"; set --; fi
  done
  if test $# -gt 0; then small "$@"; fi
}
small() {
  large=`find "$@" -prune -size +4095 -print 2>/dev/null`
  for f do
    case "$NL$large$NL" in
      *"$NL$f$NL"*) if test -n "$show"; then mark unknown "${f#"$R"} larger than 2 MB" >&4; fi ;;
      *) printf '%s\n' "${f#"$R"}" ;;
    esac
  done
}
follow() {
  kind=$1; state=$3; todo=$2; round=0
  while test -n "$todo" && test "$round" -lt 20; do
    round=$((round + 1))
    todo=`printf '%s\n' "$todo" | while IFS= read -r p; do printf '%s\t%s\n' "$kind" "$p"; done | expand | sizes`
    todo=`printf '%s\n' "$seen" "-$NL$todo" | awk 'function once(s) { if (s in S) return 0; S[s] = 1; return 1 }
      /^-$/ && !on { on = 1; next } !on { S[$0] = 1; next } $0 != "" && once($0) && ++n <= 5000'`
    if test -z "$todo"; then break; fi
    seen=$seen$NL$todo
    told=`{ printf '%s\n' "K$TAB$kind" "$state" "$todo" | awk 'substr($0, 2, 1) == "\t" { print; next } $0 != "" { print "F\t" $0 }' |
      awk -v R="$R" -v show="$show" -v want="$want" -v prefix="$prefix" "$INCLUDES" 2>&3; } 3>&1 >&4`
    state=$state$NL`printf '%s\n' "$told" | awk '/^[VR]\t/'`
    todo=`printf '%s\n' "$told" | awk -F '\t' '$1 == "P" && !s[$3]++ { print $3 }'`
  done
}
beside() {
  for d do
    resolve "$d" || continue
    if test -d "$R$real/"; then find "$R$real/" -xdev \( -name private -o -name '*.key' -o -name '*.pem' -o -name '*.crt' -o -name modules -o -name mime.types \
      -o -name '.git' -o -name ssl -o -name certs -o -name cache -o -name logs \) -prune -o \( -type f -o -type l \) -print 2>/dev/null; fi
  done | awk 'NR <= 4000' | while IFS= read -r f; do last=none; one "${f#"$R"}" -; done | sizes
}
rest() {
  todo=`beside "$@"`
  todo=`printf '%s\n' "$seen" "-$NL$todo" | awk '/^-$/ && !on { on = 1; next } !on { S[$0] = 1; next } $0 != "" && !($0 in S) { S[$0] = 1; if (++n <= 4000) print }'`
  if test -z "$todo"; then return 0; fi
  seen=$seen$NL$todo
  printf '%s\n' "$todo" | awk '{ print "F\t" $0 }' | awk -v R="$R" -v show="$show" "$INCLUDES" 2>/dev/null >&4
}
strings() { tr -c '\040-\176' '\n' 2>/dev/null < "$1"; }
INCLUDES='"""
    + INCLUDES
    + NAMES
    + r"""'
links=$NL; last=none
"""
)
"""sh functions.  Descriptor 4 is the section's stdout.  `follow KIND FILES STATE` reads the files (one a line) and all that they include,
`rest DIRECTORY...` what else lies in a configuration directory, each file once (`seen`).  `running NAMES` sets `masters`, `rooted PID` sets `R`
('' for the host itself, `/proc/PID/root` for a container or a chroot, `unreadable`), `runtime`, `id` and `box` (a container's name)."""
