"""The awk program that takes out of the files of one docroot what `inventory.applications` asks for.

In: the rules.  Out: `program()`.  It reads a line for each file, `DOCROOT/./PATH`; besides `|…`, which it hands on, `-DOCROOT/./PATH` for a
link that leads to a network filesystem, and `+PATH` for a file outside that is read only if one inside has asked for it.  Its environment:
`D`, the docroot; `M`, the network filesystems, `type path` a line.  It prints what `inventory.probes.applications.facts` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from inventory import applications, applicationtree


def _quoted(text: str) -> str:
    """Text as an awk string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def _set(name: str, keys: Iterable[str]) -> str:
    return f"split({_quoted(' '.join(sorted(keys)))}, T, {_quoted(' ')}); for (i in T) {name}[T[i]] = 1\n"


def _choice(name: str, patterns: Mapping[int, str], call: str) -> str:
    """An awk function of a number and a text: each pattern as a literal, which awk compiles once, found by halving."""

    def branch(ids: list[int]) -> str:
        if len(ids) == 1:
            literal = patterns[ids[0]].replace("/", "\\/").replace("\t", "\\t")
            return f"return {call.replace('PATTERN', '/' + literal + '/')}\n"
        half = len(ids) // 2
        return f"if (i < {ids[half]}) {{ {branch(ids[:half])} }} else {{ {branch(ids[half:])} }}\n"

    return f"function {name}(i, text) {{ {branch(sorted(patterns))} }}\n"


def _tables() -> tuple[str, str]:
    """The rules as awk assignments, and functions for the patterns of lines and of paths.

    F paths, B and X their numbers by base and by ending, P patterns asked for, K keys (sets in Y), H bytes to read, C comments count,
    D further files beside, A above a docroot of these names, E the pattern that a file named for a site must be asked for by.
    """
    rules = list(applications.rules().values())
    patterns = sorted({text for rule in rules for text in rule.patterns})
    out: list[str] = []
    bases: dict[tuple[str, str], list[int]] = {}
    sets: dict[str, int] = {}
    for at, rule in enumerate(rules, start=1):
        bases.setdefault(("X", rule.ending) if "*" in rule.base else ("B", rule.base), []).append(at)
        out.append(f"F[{at}] = {_quoted(rule.path)}\n")
        if rule.patterns:
            out.append(f"P[{at}] = {_quoted(' '.join(str(patterns.index(text) + 1) for text in sorted(rule.patterns)))}\n")
        if rule.keys:
            keys = " ".join(sorted(rule.keys))
            out += [] if keys in sets else [f"Y[{len(sets) + 1}] = {_quoted(keys)}\n"]
            out.append(f"K[{at}] = {sets.setdefault(keys, len(sets) + 1)}\n")
        if rule.patterns or rule.keys:
            out.append(f"H[{at}] = {rule.head}\n")
        if rule.comments:
            out.append(f"C[{at}] = 1\n")
        if rule.deep:
            out.append(f"D[{at}] = {_quoted(' '.join(sorted(rule.deep)))}\n")
        if rule.above:
            out.append(f"A[{at}] = {_quoted(' ' + ' '.join(sorted(rule.above)) + ' ')}\n")
        if rule.mentioned:
            out.append(f"E[{at}] = {patterns.index(rule.mentioned) + 1}\n")
    out += [f"{table}[{_quoted(base)}] = {_quoted(' '.join(map(str, ids)))}\n" for (table, base), ids in bases.items()]
    out += [f"G[{_quoted(end)}] = {_quoted(kind)}\n" for end, kind in applicationtree.KINDS.items()]
    out += [f"N[{_quoted(key.decode())}] = {_quoted(value)}\n" for key, value in applicationtree.PAIRS.items()]
    out.append(_set("S", (scheme.decode() for scheme in applicationtree.SCHEMES)))
    out.append(_set("L", applicationtree.LINEWISE))
    paths = {at: applications.expression(rule.path) for at, rule in enumerate(rules, start=1) if "*" in rule.path}
    functions = _choice("found", dict(enumerate(patterns, start=1)), "match(text, PATTERN)") + _choice("fits", paths, "text ~ PATTERN")
    return "".join(out), functions


_AWK = r"""
BEGIN {
  root = ENVIRON["D"]; Q = "\047"
  STRING["\""] = "^\"([^\"\\\\]|\\\\.)*\""; STRING[Q] = "^" Q "([^" Q "\\\\]|\\\\.)*" Q
  @TABLES@
  own = root; sub(/^.*\//, "", own); parent = substr(root, 1, length(root) - length(own) - 1)
  mounts = split(ENVIRON["M"], mount, "\n")
  for (i = 1; i <= mounts; i++) sub(/^[^ ]* /, "", mount[i])
  for (i in A) if (A[i] == " * " || index(A[i], " " own " ")) beside("../" F[i])
}
/^[|]/ { print; next }
/^-/ { remote[substr($0, length(root) + 5)] = 1; next }
/^[+]/ { rel = substr($0, 2); named_for(rel); next }
{
  if (++entries > @ENTRIES@) { cut["not all of it was walked through"] = 1; exit }
  rel = substr($0, length(root) + 4)
  base = rel; sub(/^.*\//, "", base)
  if (base ~ /[.]war$/) { print "|n " rel; archive(rel); next }
  count(rel, base)
  ids = matching(rel, base)
  if (ids == "") next
  if (++named > @NAMES@) { cut["too many files of interest"] = 1; next }
  print "|n " rel; seen[rel] = 1
  take(rel, ids)
  n = split(ids, id, " ")
  for (i = 1; i <= n; i++) if ((id[i] in D) && !index(F[id[i]], "*")) {
    top = substr(rel, 1, length(rel) - length(F[id[i]]))
    m = split(D[id[i]], deep, " ")
    for (j = 1; j <= m; j++) further[top deep[j]] = 1
  }
}
END {
  for (rel in further) if (!(rel in seen)) {
    if (++besides > @BESIDE@) { cut["too many applications"] = 1; break }
    beside(rel)
  }
  for (key in pages) { split(key, part, SUBSEP); print "|c " part[2] " " pages[key] " " part[1] }
  for (why in cut) print "|x " why
}
function matching(rel, base,  n, i, id, out, end, at) {
  end = base; if (!sub(/^.*[.]/, "", end)) end = ""
  n = split(B[base] " " X[end] " " (end == "" ? "" : X[""]), id, " "); out = ""
  for (i = 1; i <= n; i++) {
    at = length(rel) - length(F[id[i]])
    if (index(F[id[i]], "*") ? fits(id[i], rel) : (at == 0 || substr(rel, at, 1) == "/") && substr(rel, at + 1) == F[id[i]]) out = out " " id[i]
  }
  return out
}
function count(rel, base,  low, end, kind, stem, dir) {
  low = tolower(base); end = low; stem = ""; dir = rel
  if (!sub(/^.*[.]/, "", end)) end = ""; else stem = substr(low, 1, length(low) - length(end) - 1)
  if (!sub(/\/[^\/]*$/, "", dir)) dir = "."
  kind = (end in G) ? G[end] : "other"
  if (kind == "other" && (base ~ /^[.]/ || low == "robots.txt" || low == "favicon.ico")) return
  if (!(dir in folder)) {
    if (++folders > @FOLDERS@) { cut["too many folders with pages"] = 1; return }
    folder[dir] = 1
  }
  pages[dir, kind]++
  if (kind != "other" && (stem == "index" || stem == "default" || stem == "main" || stem == "home")) pages[dir, "index"] = 1
}
function quoted(file) { gsub(Q, Q "\\" Q Q, file); return Q file Q }
function named_for(rel,  base, ids, id, n, i) {
  base = rel; sub(/^.*\//, "", base)
  ids = matching(rel, base); n = split(ids, id, " ")
  for (i = 1; i <= n; i++) if ((id[i] in E) && (E[id[i]] in hit)) { print "|n " rel; take(rel, ids); return }
}
function distant(rel,  i, path) {
  for (i in remote) if (rel == i || index(rel, i "/") == 1) return 1
  path = (substr(rel, 1, 3) == "../" ? parent substr(rel, 3) : root "/" rel)
  for (i = 1; i <= mounts; i++) if (index(path "/", mount[i] "/") == 1) return 1
  return 0
}
function beside(rel,  base) {
  if ((rel in seen) || distant(rel)) return
  seen[rel] = 1
  # a pipe would never end
  if (system("test -f " quoted(root "/" rel))) return
  base = rel; sub(/^.*\//, "", base)
  print "|n " rel
  take(rel, matching(rel, base))
}
function take(rel, ids,  n, i, j, m, id, part, want, nw_, wanted, keyed, text, total, got, end, file, most) {
  n = split(ids, id, " "); nw_ = 0; keyed = 0; comments = 0; most = 0
  split("", KEY); split("", have)
  for (i = 1; i <= n; i++) {
    m = split(P[id[i]], part, " ")
    for (j = 1; j <= m; j++) if (!(part[j] in have)) { have[part[j]] = 1; want[++nw_] = part[j] }
    m = split(Y[K[id[i]]], part, " ")
    for (j = 1; j <= m; j++) { KEY[part[j]] = 1; keyed = 1 }
    if (id[i] in C) comments = 1
    if (H[id[i]] > most) most = H[id[i]]
  }
  if (!nw_ && !keyed) return
  if (++reads > @READS@) { cut["too many files to read"] = 1; return }
  file = (substr(rel, 1, 1) == "/" ? rel : root "/" rel); total = 0; hidden = 0
  end = rel; if (!sub(/^.*[.]/, "", end)) end = ""
  end = tolower(end); linewise = (end in L); basic = (end == "asp")
  while ((got = (getline text < file)) > 0) {
    total += length(text) + 1
    if (total > most) break
    sub(/\r$/, "", text)
    for (i = 1; i <= nw_; i++) if (found(want[i], text)) { hit[want[i]] = 1; print "|m " substr(text, RSTART, RLENGTH > @SHOWN@ ? @SHOWN@ : RLENGTH) }
    if (keyed) settings(substr(text, 1, @LINE@))
  }
  close(file)
  if (got < 0) print "|u"
}
function settings(s,  t, key, value, c) {
  t = s; sub(/^[ \t]+/, "", t)
  if (hidden) { if (index(t, "*/") || index(t, "-->")) hidden = 0; return }
  if (!comments) {
    if (t ~ /^(\/\/|#|[*]|;)/ || (basic && substr(t, 1, 1) == Q)) return
    if (substr(t, 1, 2) == "/*" || substr(t, 1, 4) == "<!--") { if (!index(t, "*/") && !index(t, "-->")) hidden = 1; return }
  }
  if (!linewise) { tokens(s); return }
  sub(/^export[ \t]+/, "", t)
  if (!match(t, /^[A-Za-z_][A-Za-z0-9_.-]*/)) return
  key = substr(t, 1, RLENGTH); value = substr(t, RLENGTH + 1)
  if (!sub(/^[ \t]*[=:][ \t]*/, "", value)) return
  sub(/[ \t]+$/, "", value)
  c = substr(value, 1, 1)
  if ((c == "\"" || c == Q) && index(substr(value, 2), c)) value = substr(value, 2, index(substr(value, 2), c) - 1)
  else { if (index(value, " #")) value = substr(value, 1, index(value, " #") - 1); sub(/[ \t]+$/, "", value) }
  if (value == "" || substr(value, 1, 1) == "&") value = "{"
  emit(key, value)
  if (!secret(key)) composite(value)
}
function secret(key) { return tolower(key) ~ /pass|pwd|secret|token|salt|_key/ }
function tokens(s,  key, separated, c, value) {
  key = ""; separated = 0
  while (s != "") {
    c = substr(s, 1, 1)
    if (c == "\"" || c == Q) {
      if (!match(s, STRING[c])) { key = ""; separated = 0; s = substr(s, 2); continue }
      value = substr(s, 2, RLENGTH - 2); s = substr(s, RLENGTH + 1)
      if (!(key != "" && secret(key))) composite(value)
      if (separated && key != "") { emit(key, value); key = "" } else key = value
      separated = 0
    } else if (match(s, /^[$@]?[A-Za-z_0-9][A-Za-z0-9_.]*/)) {
      value = substr(s, 1, RLENGTH); s = substr(s, RLENGTH + 1)
      if (separated && key != "") {
        if (value ~ /^(true|false|TRUE|FALSE|True|False|[0-9][0-9.]*)$/) { emit(key, value); key = "" } else { emit(key, "?"); key = value }
      } else key = value
      separated = 0
    } else if (c == "#" || substr(s, 1, 2) == "//") return
    else if (substr(s, 1, 2) == "=>") { separated = 1; s = substr(s, 3) }
    else if (c == "=" || c == ":" || c == ",") { separated = 1; s = substr(s, 2) }
    else if (c == "{" || c == "(" || c == "[") {
      if (separated && key != "") { emit(key, "{"); key = "" }
      separated = 0; s = substr(s, 2)
    } else { if (c == ";") { key = ""; separated = 0 } s = substr(s, 2) }
  }
}
function emit(key, value,  at, head) {
  key = tolower(key); sub(/^[$]/, "", key); sub(/^@/, "", key)
  if (!(key in KEY) && !(("@" key) in KEY)) return
  if (!(key in KEY)) key = "@" key
  at = index(value, "://")
  if (at) {
    head = substr(value, 1, at + 2); value = substr(value, at + 3)
    sub(/[?].*/, "", value); sub(/^.*@/, "", value)
    value = head value
  }
  print "|s " key " " substr(value, 1, 200)
}
function told(name, value) { if (name != "" && value != "") emit("dsn." name, value) }
function composite(value,  s, scheme, place, login, name, n, i, pair, at) {
  s = value; sub(/^jdbc:/, "", s); scheme = ""
  if (match(s, /^[a-z0-9_]+/)) {
    scheme = substr(s, 1, RLENGTH); s = substr(s, RLENGTH + 1); sub(/^[+][a-z0-9_]+/, "", s)
    if (substr(s, 1, 1) != ":" || !(scheme in S)) scheme = ""
  }
  if (scheme != "") {
    told("server", scheme)
    value = substr(s, 2); at = (substr(value, 1, 2) == "//")
    if (at) value = substr(value, 3)
    if (scheme == "sqlite") { sub(/[?#;].*/, "", value); told("name", value); return }
    if (at) {
      place = value; sub(/[?#;].*/, "", place)
      value = substr(value, length(place) + 1)
      login = ""
      if (match(place, /^.*@/)) { login = substr(place, 1, RLENGTH - 1); place = substr(place, RLENGTH + 1) }
      name = ""; at = index(place, "/")
      if (at) { name = substr(place, at + 1); place = substr(place, 1, at - 1) }
      sub(/:.*/, "", login)
      told("user", login); told("host", place); told("name", name)
    }
  } else if (tolower(value) !~ /(^|;)[ ]*(host|dbname|server|data source|initial catalog|database|databasename|uid|user id)[ ]*=/) return
  n = split(value, pair, /[;?&]/)
  for (i = 1; i <= n; i++) {
    at = index(pair[i], "=")
    if (!at) continue
    name = tolower(substr(pair[i], 1, at - 1)); s = substr(pair[i], at + 1)
    gsub(/^ +| +$/, "", name); gsub(/^ +| +$/, "", s)
    if (name in N) told(N[name], s)
  }
}
function archive(rel,  command, line, out, n) {
  command = "tail -c @TAIL@ " quoted(root "/" rel) " 2>/dev/null | tr -c " Q "A-Za-z0-9._/-" Q " " Q "\\n" Q
  split("", out); n = 0
  while ((command | getline line) > 0) {
    if (length(line) > 500) continue
    while (match(line, /(WEB-INF|META-INF)\/[A-Za-z0-9._\/-]*[.](xml|jar|MF|properties|yml)/)) {
      if (!(substr(line, RSTART, RLENGTH) in out) && ++n <= 2000) print "|w " substr(line, RSTART, RLENGTH)
      out[substr(line, RSTART, RLENGTH)] = 1
      line = substr(line, RSTART + RLENGTH)
    }
  }
  close(command)
}
"""


def program() -> str:
    """The whole program, to be quoted for sh."""
    tables, functions = _tables()
    text = _AWK
    for name in ("ENTRIES", "NAMES", "READS", "FOLDERS", "BESIDE", "SHOWN", "LINE", "TAIL"):
        text = text.replace(f"@{name}@", str(getattr(applicationtree, name)))
    return text.replace("@TABLES@", tables) + functions
