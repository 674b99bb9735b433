"""The awk program that makes a summary of one access log on its host: counts leave the host, visitors' addresses never do.

In: the lines of the log's files on stdin, the newest file first, its format as the configuration says it (`FORMAT` in the environment:
nginx's `$x` or Apache's `%x`, '' when not known), `inventory/bots.yml`.  A line that begins with the byte 1 is no log's (the section takes
that byte out of logs): it is printed without it, and `@` in it begins a file.  Out: `SUMMARY` (after `fragments.MASK`), whose lines
`accesslog.parse` reads, for each file.  A visitor counts once for a day, a month and in all, in the newest file that has it, so that a
day which stands in two files can be added up.  A line that does not fit the format is tried as the common one, and as JSON by the usual
keys.
"""

from __future__ import annotations

from pathlib import Path

from inventory import yamlfile

BOTS = "|".join(str(pattern) for pattern in yamlfile.read(Path(__file__).parents[1] / "bots.yml").data["patterns"])

_FIELDS = r"""
function meaning(token,  inner) {
  if (token ~ /^[$]/) {
    gsub(/[${}]/, "", token)
    if (token in NGINX) return NGINX[token]
    return ""
  }
  inner = ""
  if (match(token, /[{][^}]*[}]/)) inner = tolower(substr(token, RSTART + 1, RLENGTH - 2))
  token = substr(token, length(token))
  if (token == "i") return inner in HEADERS ? HEADERS[inner] : ""
  if (token == "t") return inner == "" ? "time" : inner ~ /^(begin:|end:)?sec/ ? "epoch" : inner ~ /^%y-%m-%d[t ]%h:%m:%s/ ? "iso" : inner ~ /%d.%b.%y/ ? "time" : ""
  if (token == "a" && inner == "c") return ""
  return token in APACHE ? APACHE[token] : ""
}
function compile(f,  n, token) {
  n = 0; literal[0] = ""; parts = 0
  while (f != "") {
    if (match(f, /^[$][{]?[a-z_0-9]+[}]?/) || match(f, /^%[<>!0-9,]*([{][^}]*[}])?[A-Za-z]/)) {
      token = substr(f, 1, RLENGTH); f = substr(f, RLENGTH + 1)
      if (token == "%t") { literal[n] = literal[n] "["; f = "]" f }
      n++; name[n] = meaning(token); literal[n] = ""
      blanks[n] = token ~ /[}]t$/ ? gsub(/ /, " ", token) : 0
    } else if (substr(f, 1, 2) == "%%") { literal[n] = literal[n] "%"; f = substr(f, 3) }
    else if (substr(f, 1, 2) == "\\\"") { literal[n] = literal[n] "\""; f = substr(f, 3) }
    else if (substr(f, 1, 2) == "\\t") { literal[n] = literal[n] "\t"; f = substr(f, 3) }
    else { literal[n] = literal[n] substr(f, 1, 1); f = substr(f, 2) }
  }
  parts = n
}
function fits(s,  i, j, at, value) {
  if (substr(s, 1, length(literal[0])) != literal[0]) return 0
  s = substr(s, length(literal[0]) + 1)
  split("", got)
  for (i = 1; i <= parts; i++) {
    if (literal[i] == "" && i < parts) { if (name[i + 1] == "" ) name[i + 1] = name[i]; continue }
    if (literal[i] == "") { value = s; s = "" }
    else {
      at = index(s, literal[i])
      for (j = blanks[i]; j > 0 && at; j--) at += index(substr(s, at + 1), literal[i])
      if (!at) { if (i < parts) return 0; value = s; s = "" }
      else { value = substr(s, 1, at - 1); s = substr(s, at + length(literal[i])) }
    }
    if (name[i] != "" && !(name[i] in got)) got[name[i]] = value
  }
  return ("time" in got || "iso" in got || "epoch" in got) && ("request" in got || "path" in got) && got["status"] ~ /^[1-5][0-9][0-9]$/
}
function usual(s,  n, part, open, before, after, fields) {
  n = split(s, part, "\"")
  open = index(part[1], "[")
  split(part[3], after, " ")
  if (n < 3 || !open || after[1] !~ /^[1-5][0-9][0-9]$/) return 0
  split("", got)
  fields = split(substr(part[1], 1, open - 1), before, " ")
  got["time"] = substr(part[1], open + 1); sub(/\].*/, "", got["time"])
  got["request"] = part[2]; got["status"] = after[1]; got["bytes"] = after[2]
  if (fields >= 4 && before[1] ~ /:[0-9]+$/) { got["vhost"] = before[1]; got["client"] = before[2]; shape = "vhost_combined" }
  else { got["client"] = before[1]; shape = n >= 6 ? "combined" : "common" }
  if (n >= 6) { got["agent"] = part[n - 1]; got["referrer"] = part[n - 3] }
  return 1
}
function member(s, key,  at, v) {
  at = index(s, "\"" key "\":")
  if (!at) return ""
  v = substr(s, at + length(key) + 3, 4000); sub(/^ +/, "", v)
  if (substr(v, 1, 1) == "[") v = substr(v, 2)
  if (substr(v, 1, 1) != "\"") { sub(/[,} ].*/, "", v); return v }
  v = substr(v, 2); at = index(v, "\"")
  return at ? substr(v, 1, at - 1) : v
}
function first(s, keys,  n, k, i, v) {
  n = split(keys, k, " ")
  for (i = 1; i <= n; i++) if ((v = member(s, k[i])) != "") return v
  return ""
}
function object(s,  t) {
  if (s !~ /^[ ]*[{].*[}][ ]*$/) return 0
  split("", got)
  got["status"] = first(s, "status status_code response_status http_status code")
  got["path"] = first(s, "request_uri uri url path RequestPath request")
  if (got["status"] !~ /^[1-5][0-9][0-9]/ || got["path"] == "") return 0
  got["status"] = substr(got["status"], 1, 3)
  if (got["path"] ~ /^[A-Z]+ /) got["request"] = got["path"]
  got["method"] = first(s, "method request_method verb RequestMethod")
  got["client"] = first(s, "client_ip remote_ip remote_addr clientip client ClientHost")
  got["forwarded"] = first(s, "http_x_forwarded_for x_forwarded_for X-Forwarded-For xff")
  got["vhost"] = first(s, "host http_host server_name vhost domain RequestHost")
  got["agent"] = first(s, "http_user_agent user_agent User-Agent agent")
  got["referrer"] = first(s, "http_referer referer referrer Referer")
  got["bytes"] = first(s, "body_bytes_sent bytes_sent size bytes DownstreamContentSize")
  t = first(s, "time_iso8601 @timestamp timestamp time_local ts time msec StartUTC")
  if (t ~ /^[0-9]+([.][0-9]+)?(e[+]?[0-9]+)?$/) got["epoch"] = t; else if (t ~ /^[0-9][0-9][0-9][0-9]-/) got["iso"] = t; else got["time"] = t
  shape = "json"
  return t != ""
}
function two(n) { return n < 10 ? "0" n : "" n }
function civil(t,  z, era, doe, yoe, y, doy, mp, d, m, s) {
  s = t % 86400; z = int((t - s) / 86400) + 719468; era = int(z / 146097); doe = z - era * 146097
  yoe = int((doe - int(doe / 1460) + int(doe / 36524) - int(doe / 146096)) / 365); y = yoe + era * 400
  doy = doe - (365 * yoe + int(yoe / 4) - int(yoe / 100)); mp = int((5 * doy + 2) / 153); d = doy - int((153 * mp + 2) / 5) + 1
  m = mp < 10 ? mp + 3 : mp - 9
  return (m <= 2 ? y + 1 : y) "-" two(m) "-" two(d) "T" two(int(s / 3600)) ":" two(int(s % 3600 / 60)) ":" two(int(s % 60)) "Z"
}
function moment(  t, d, m) {
  if ("epoch" in got && got["epoch"] ~ /^[0-9]/) { t = int(got["epoch"] + 0); return civil(t > 100000000000 ? int(t / 1000) : t) }
  if ("iso" in got) { t = got["iso"]; sub(/ /, "T", t); return t ~ /^[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T/ ? substr(t, 1, 30) : "" }
  t = got["time"]; sub(/^\[/, "", t)
  d = substr(t, 1, 11)
  if (!(d in iso)) {
    if (d !~ /^[0-3][0-9]\/[A-Z][a-z][a-z]\/[0-9][0-9][0-9][0-9]$/) return ""
    m = index("JanFebMarAprMayJunJulAugSepOctNovDec", substr(d, 4, 3))
    if (!m) return ""
    iso[d] = substr(d, 8, 4) "-" two((m + 2) / 3) "-" substr(d, 1, 2)
  }
  return iso[d] "T" substr(t, 13, 8) substr(t, 22, 5)
}
"""

_BODY = r"""
BEGIN {
  robot = "@BOTS@"
  n = split("remote_addr client http_x_forwarded_for forwarded host vhost server_name vhost http_host vhost server_port port time_local time time_iso8601 iso msec epoch request request request_method method request_uri path uri path status status body_bytes_sent bytes bytes_sent bytes http_referer referrer http_user_agent agent", w, " ")
  for (i = 1; i < n; i += 2) NGINX[w[i]] = w[i + 1]
  n = split("h client a client v vhost V vhost p port r request m method U path s status b bytes B bytes O bytes", w, " ")
  for (i = 1; i < n; i += 2) APACHE[w[i]] = w[i + 1]
  n = split("x-forwarded-for forwarded host vhost referer referrer user-agent agent x-real-ip forwarded", w, " ")
  for (i = 1; i < n; i += 2) HEADERS[w[i]] = w[i + 1]
  compile(ENVIRON["FORMAT"])
}
function top(counts, word, most,  k, h, limit, left, max) {
  split("", h); max = 0
  for (k in counts) { h[counts[k]]++; if (counts[k] > max) max = counts[k] }
  left = most; limit = max
  while (limit > 0 && h[limit] + 0 <= left) { left -= h[limit]; limit-- }
  for (k in counts) if (counts[k] > limit || (counts[k] == limit && left-- > 0)) print "|" word " " counts[k] " " k
}
function begin_file() {
  lines = size = bad = requests = nvhosts = behind = bytes = bots = nmethods = ndays = nurls = lost = nmissing = nhosts = visitors = capped = 0
  begin = end = human = ""
  split("", shapes); split("", vhosts); split("", status); split("", methods); split("", days); split("", people); split("", dvisitors)
  split("", mvisitors); split("", vpeople); split("", vhuman); split("", vvisitors); split("", vbytes); split("", vlast); split("", vposts)
  split("", urls); split("", missing); split("", hosts)
}
function end_file(  k, day, month) {
  if (streamed && blank > 0) blank--
  lines += blank; bad += blank; size += blank; blank = 0
  tell()
  # older files have no newer days
  day = substr(begin, 1, 10); month = substr(begin, 1, 7)
  if (begin != "") {
    for (k in dseen) if (substr(k, 1, 10) > day) { delete dseen[k]; held-- }
    for (k in mseen) if (substr(k, 1, 7) > month) { delete mseen[k]; held-- }
  }
}
/^\001/ {
  if (open && substr($0, 2, 1) == "@") { end_file(); open = 0; fflush() }
  print substr($0, 2)
  streamed = 1
  if (substr($0, 2, 6) == "@ log ") { begin_file(); open = 1 }
  next
}
$0 == "" { blank++; next }
{
  lines += blank + 1; bad += blank; size += blank + length($0) + 1; blank = 0
  line = $0
  gsub(/\\"/, "", line)
  shape = "configured"
  if (!(parts && fits(line)) && !usual(line) && !object($0)) { bad++; next }
  now = moment()
  if (now == "") { bad++; next }
  requests++; shapes[shape]++
  vhost = tolower(got["vhost"])
  if (("port" in got) && got["port"] ~ /^[0-9]+$/ && vhost != "" && vhost !~ /:/) vhost = vhost ":" got["port"]
  client = got["client"]
  if (("forwarded" in got) && got["forwarded"] ~ /^[0-9a-fA-F:.]+/) { client = got["forwarded"]; sub(/[, ].*/, "", client); behind++ }
  if (vhost != "" && vhost != "-") { if (!(vhost in vhosts) && ++nvhosts > 500) { vhost = ""; nvhosts = 500 } else vhosts[vhost]++ } else vhost = ""
  volume = got["bytes"] ~ /^[0-9]+$/ ? got["bytes"] + 0 : 0
  bytes += volume
  if (begin == "" || now < begin) begin = now
  if (now > end) end = now
  code = got["status"]
  status[substr(code, 1, 1) "xx"]++
  if ("request" in got && split(got["request"], request, " ") >= 2) { method = request[1]; path = request[2] } else { method = got["method"]; path = got["path"] }
  if (method !~ /^[A-Z]+$/ || length(method) > 12) method = "other"
  if ((method in methods) || ++nmethods <= 20) methods[method]++
  day = substr(now, 1, 10); month = substr(now, 1, 7)
  if (day in days || ndays < 800) { if (!(day in days)) ndays++; days[day]++ }
  agent = ("agent" in got) ? tolower(got["agent"]) : "none said"
  if (!(agent in machine)) { if (++nagents > 20000) { split("", machine); nagents = 1 } machine[agent] = (agent == "-" || agent == "" || agent ~ robot) }
  if (machine[agent]) bots++
  else {
    if (now > human) human = now
    people[day]++
    if (vhost != "") { vpeople[vhost]++; if (now > vhuman[vhost]) vhuman[vhost] = now }
    if (!(client in seen)) { if (nseen < 100000) { seen[client] = 1; nseen++; visitors++ } else capped = 1 }
    if (held < 300000) {
      if (!((day, client) in dseen)) { dseen[day, client] = 1; held++; dvisitors[day]++ }
      if (!((month, client) in mseen)) { mseen[month, client] = 1; held++; mvisitors[month]++ }
      if (vhost != "" && !((vhost, client) in vseen)) { vseen[vhost, client] = 1; held++; vvisitors[vhost]++ }
    } else capped = 1
    host = got["referrer"]
    if (host ~ /^https?:\/\//) {
      sub(/^https?:\/\//, "", host); sub(/[\/?#:].*/, "", host); host = tolower(substr(host, 1, 200))
      if ((host in hosts) || ++nhosts <= 5000) hosts[host]++
    }
  }
  if (vhost != "") {
    vbytes[vhost] += volume
    if (now > vlast[vhost]) vlast[vhost] = now
    if (method == "POST") vposts[vhost]++
  }
  if (code == "200" || code == "301" || code == "302") {
    if (method == "GET" && path != "") {
      if (index(path, "?") && tolower(path) ~ /key|_pw|auth|sid|sig|pass|pwd|secret|token|credential|sess|ticket|nonce/) path = mask_query(substr(path, 1, 1000))
      path = substr(path, 1, 1000)
      key = code " " (vhost == "" ? "-" : vhost) " " path
      if (key in urls) urls[key]++
      else if (nurls < 30000) { nurls++; urls[key] = 1 }
      else lost++
    }
  } else if (code == "404") {
    path = substr(path, 1, 500); sub(/[?].*/, "", path)
    if ((path in missing) || ++nmissing <= 10000) missing[path]++
  }
}
END { if (open || !streamed) end_file() }
function tell(  k, format) {
  format = ""
  for (k in shapes) if (format == "" || shapes[k] > shapes[format]) format = k
  printf "|total %.0f %.0f %.0f %.0f %.0f %.0f %d %.0f\n", lines, requests, bytes, bots, visitors, bad, capped, lost
  printf "|size %.0f\n", size
  print "|format " format
  print "|first " begin
  print "|last " end
  print "|human " human
  print "|merged"
  if (behind) print "|forwarded " behind
  for (k in status) print "|status " k " " status[k]
  for (k in methods) print "|method " k " " methods[k]
  for (k in vhosts) print "|vhost " k " " vhosts[k]
  for (k in vhosts) printf "|use %s %.0f %.0f %.0f %.0f %.0f %s %s\n", k, vhosts[k], vpeople[k], vvisitors[k], vbytes[k], vposts[k], vlast[k], (k in vhuman) ? vhuman[k] : "-"
  for (k in days) print "|day " k " " days[k] " " people[k] + 0 " " dvisitors[k] + 0
  for (k in mvisitors) print "|month " k " " mvisitors[k]
  top(urls, "url", 200)
  top(missing, "missing", 20)
  top(hosts, "referrer", 30)
}
"""

SUMMARY = _FIELDS + _BODY.replace("@BOTS@", BOTS.replace("\\", "\\\\").replace('"', '\\"'))
"""Totals, then counts by status, method, virtual host, day and month, then the most wanted addresses, the missing ones, the referring hosts."""
