"""A fragment of sh that several probes share: the docroots of a host, found there by a rough reading of its configuration.

It prints NUL-free lines; a docroot with a newline in its name is found by its parent instead.  The exact reading of vhosts is
`webconfig`'s; this only says where to look, so that one visit is enough.
"""

DOCROOTS = r"""
docroots() { {
  find /etc/nginx /usr/local/nginx/conf -xdev -type f -size -512k 2>/dev/null | while IFS= read -r f; do
    awk '{ if (match($0, /^[ \t]*(server[ \t]*\{)?.*[ \t{;]root[ \t]+/) || match($0, /^[ \t]*root[ \t]+/)) {
        s=$0; sub(/^(.*[ \t{;])?root[ \t]+/, "", s); q=substr(s,1,1);
        if (q=="\"" || q=="\047") { out=""; for (i=2;i<=length(s);i++) { c=substr(s,i,1); if (c=="\\") { i++; out=out substr(s,i,1) } else if (c==q) break; else out=out c } print out }
        else { sub(/[;}].*/, "", s); sub(/[ \t]+$/, "", s); gsub(/\\/, "", s); print s } } }' "$f"; done
  find /etc/apache2 /etc/httpd /usr/local/apache2/conf -xdev -type f -size -512k 2>/dev/null | while IFS= read -r f; do
    sed -n 's/^[[:space:]]*[Dd][Oo][Cc][Uu][Mm][Ee][Nn][Tt][Rr][Oo][Oo][Tt][[:space:]]*"\{0,1\}\([^"]*\)"\{0,1\}[[:space:]]*$/\1/p' "$f"; done
  for d in /var/www/* /srv/www/* /home/wwwroot/* /data/www/*; do test -d "$d" && printf '%s\n' "$d"; done
} | sed 's:/*$::' | grep '^/..*' | sort -u | while IFS= read -r d; do test -d "$d" && printf '%s\n' "$d"; done; }
"""
