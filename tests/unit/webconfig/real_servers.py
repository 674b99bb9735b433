"""What the real nginx and Apache say of a configuration tree: an independent truth for our readers.

The tree is laid over this machine's own root in a private mount namespace (overlayfs, upper layer in memory), and `nginx -T` or
`apache2 -S` runs in there: nothing is started, nothing outside is written.  What a tree names and does not hold (certificates, log
directories, backends' names, modules by a made-up path) is put there first; a tree that the server still refuses has no truth.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

RUN = r"""
set -e
mount -t tmpfs none "$1"; mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mkdir kept; cp etc/nginx/*_params etc/nginx/mime.types etc/nginx/fastcgi.conf kept/
rm -rf etc/nginx etc/apache2 etc/httpd
cp -a "$2/." .
if test -d etc/nginx; then cp -n kept/* etc/nginx/; fi
: > truth.conf
load() { for x; do if test -e "usr/lib/apache2/modules/mod_$x.so"; then echo "LoadModule ${x}_module /usr/lib/apache2/modules/mod_$x.so"; fi; done >> truth.conf; }
if ! grep -rqi '^[[:space:]]*LoadModule' etc/apache2 etc/httpd 2>/dev/null; then
  # as a reader has it that was given no module's line: what a condition asks for is there
  load mpm_prefork ssl socache_shmcb rewrite proxy proxy_http proxy_fcgi proxy_ajp alias headers expires mime dir macro authz_core authz_host \
    authn_core authn_file access_compat setenvif env deflate filter autoindex negotiation status vhost_alias suexec actions cgi include userdir dav dav_fs
fi
for f in /proc/sys/net/ipv4/ip_nonlocal_bind /proc/sys/net/ipv6/ip_nonlocal_bind; do echo 1 > $f || true; done 2>/dev/null
mkdir -p var/log/nginx var/log/apache2 var/log/httpd var/www/html run etc/httpd/logs usr/share/nginx; if test -d etc/apache2; then mkdir -p etc/apache2/logs; fi
if test -d etc/httpd && ! test -e etc/httpd/modules; then ln -s /usr/lib/apache2/modules etc/httpd/modules; fi
find etc/apache2 etc/httpd -type f 2>/dev/null | while IFS= read -r f; do
  sed -i 's|^\([[:space:]]*LoadModule[[:space:]]\{1,\}\([a-z0-9_]*\)_module[[:space:]]\{1,\}\).*|\1/usr/lib/apache2/modules/mod_\2.so|; s|mod_php[0-9.]*.so|libphp8.2.so|; s|php[57]_module|php_module|' "$f"
done
n=0
while test $n -lt 25; do
  n=$((n + 1))
  if chroot . sh -c "$3" > "$1/out" 2>&1; then cat "$1/out"; exit 0; fi
  e=`grep -E "emerg|Invalid command|does not exist or is empty|Cannot load|No MPM|not found in upstream" "$1/out" | head -n 1`
  p=`printf '%s\n' "$e" | sed -n "s/.*cannot load certificate \(key \)\{0,1\}\"\([^\"]*\)\".*/\2/p; s/.*SSLCertificate[A-Za-z]*: file '\([^']*\)' does not exist.*/\1/p; s/.*PEM_read_bio_DHparams(\"\([^\"]*\)\").*/\1/p"`
  if test -n "$p"; then mkdir -p ".${p%/*}"; cat "$4" > ".$p"; continue; fi
  p=`sed -n "s/^DocumentRoot '\([^']*\)' is not a directory.*/\1/p" "$1/out"`
  if test -n "$p"; then mkdir -p ".$p"; continue; fi
  p=`printf '%s\n' "$e" | sed -n 's/.*host not found in upstream "\([^":]*\).*/\1/p'`
  if test -n "$p"; then echo "127.0.0.9 $p" >> etc/hosts; continue; fi
  p=`printf '%s\n' "$e" | sed -n 's/.*open() "\([^"]*[.]log\)" failed (2.*/\1/p'`
  if test -n "$p"; then mkdir -p ".${p%/*}"; continue; fi
  p=`printf '%s\n' "$e" | sed -n 's/.*Cannot load \/usr\/lib\/apache2\/modules\/mod_\([a-z0-9_]*\).so.*/\1/p'`
  if test -n "$p"; then grep -rl "mod_$p.so" etc/apache2 etc/httpd 2>/dev/null | while IFS= read -r f; do sed -i "/mod_$p.so/d" "$f"; done; continue; fi
  p=`printf '%s\n' "$e" | sed -n "s/.*Invalid command '\([<A-Za-z]*\)'.*/\1/p"`
  p=`sed -n 's/.*getpwnam("\([^"]*\)") failed.*/\1/p; s/.*bad user name \([a-z0-9_-]*\).*/\1/p; s/.*getgrnam("\([^"]*\)") failed.*/\1/p; s/.*bad group name \([a-z0-9_-]*\).*/\1/p' "$1/out" | head -n 1`
  if test -n "$p"; then echo "$p:x:4242:4242::/:/bin/false" >> etc/passwd; echo "$p:x:4242:" >> etc/group; continue; fi
  m=
  case $e in *'No MPM loaded'*) m=mpm_prefork ;; esac
  case $p in
    SSL*) m=ssl ;; Proxy*|BalancerMember) m=proxy ;; Rewrite*) m=rewrite ;; Header|RequestHeader) m=headers ;; Alias*|Redirect*|ScriptAlias*) m=alias ;;
    CustomLog|LogFormat) echo ;; Expires*) m=expires ;; Require|Order|Allow|Deny) case $p in Require) m=authz_core ;; *) m=access_compat ;; esac ;;
    AuthType|AuthName) m=authn_core ;; AuthUserFile) m=authn_file ;; DirectoryIndex) m=dir ;; Options) echo ;; AddType|AddHandler|TypesConfig) m=mime ;;
    VirtualDocumentRoot|VirtualScriptAlias) m=vhost_alias ;; SuexecUserGroup) m=suexec ;; FcgidWrapper|Fcgid*) m=fcgid ;; SetEnvIf|SetEnvIfNoCase|BrowserMatch) m=setenvif ;;
    Use|'<Macro') m=macro ;; UserDir) m=userdir ;; SetEnv|PassEnv) m=env ;; AddOutputFilterByType) m=filter ;; DAV) m=dav ;; Protocols) echo ;; CacheRoot) m=cache_disk ;;
  esac
  if test -n "$m" && test -e "usr/lib/apache2/modules/mod_$m.so"; then
    if grep -q "mod_$m.so" truth.conf; then echo "refused: $e"; exit 3; fi
    load "$m"; continue
  fi
  echo "refused: $e"; cat "$1/out"; exit 3
done
exit 3
"""


def possible() -> str:
    """Why there is no truth here, '' if there is."""
    if os.geteuid() != 0:
        return "needs root for a private mount namespace"
    missing = [name for name in ("unshare", "nginx", "apache2") if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


@lru_cache(1)
def certificate(directory: Path) -> Path:
    """A self-signed certificate with its key, in one file."""
    path = directory / "both.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=truth.example.edu", "-keyout"]
    subprocess.run([*argv, str(path), "-out", str(directory / "c.pem")], check=True, capture_output=True)
    path.write_text(path.read_text() + (directory / "c.pem").read_text())
    return path


def ask(folder: Path, command: str, scratch: Path) -> tuple[bool, str]:
    """(accepted, what the server printed)."""
    place = scratch / "place"
    place.mkdir(exist_ok=True)
    argv = ["unshare", "-m", "-n", "sh", "-c", RUN, "sh", str(place), str(folder), command, str(certificate(scratch))]
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
    return done.returncode == 0, (done.stdout + done.stderr).decode("utf-8", "replace")


Vhost = tuple[str, str, int, tuple[str, ...]]


def nginx_dump(text: str) -> tuple[set[str], list[tuple[str, ...]]]:
    """(files that nginx read, the names of each server block of its http block), from `nginx -T`; by tokens alone, without our reader."""
    files: set[str] = set()
    bodies: dict[str, str] = {}
    for part in re.split(r"^# configuration file ", text, flags=re.M)[1:]:
        name, _, body = part.partition(":\n")
        files.add(name)
        bodies[name] = body
    servers = []
    for body in bodies.values():
        stack: list[str] = []
        words: list[str] = []
        names: list[str] | None = None
        depth = 0
        for match in re.finditer(
            r'#[^\n]*|"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[{};]|(?:\\.|\$\{\w+\}|[^\s{};"\'\\#])(?:\\.|\$\{\w+\}|[^\s{};\\])*',
            body,
            re.S,
        ):
            token = match.group()
            if token.startswith("#"):
                continue
            if token == "{":
                stack.append(words[0].strip("\"'") if words else "")
                if stack[-1] == "server" and "stream" not in stack and "upstream" not in stack:
                    names, depth = [], len(stack)
                words = []
            elif token == "}":
                if names is not None and len(stack) == depth:
                    servers.append(tuple(names))
                    names = None
                stack = stack[:-1]
                words = []
            elif token == ";":
                if names is not None and len(stack) == depth and words and words[0].strip("\"'") == "server_name":
                    names += [re.sub(r"^([\"'])(.*)\1$", r"\2", word, flags=re.S).replace('\\"', '"') for word in words[1:]]
                words = []
            else:
                words.append(token)
    return files, servers


def _used(line: str) -> str:
    """Where a macro is used, instead of the line of its definition."""
    return re.sub(r"\(/?macro '.*' \(defined on line \d+ of \"[^\"]*\"\) used on line (\d+) of \"([^\"]*)\":\d+\)", r"(\2:\1)", line)


def apache_vhosts(text: str) -> set[Vhost]:
    """(port, name, line, aliases) with `file:line` split, from `apache2 -S`: {(file, port, line, names)}.

    Of a port with one virtual host only, Apache prints no aliases.
    """
    found: dict[tuple[str, int, str], list[str]] = {}
    port = ""
    current: list[str] | None = None
    for line in text.split("\n"):
        line = _used(line)
        head = re.match(r"(\S+):(\d+|\*)\s+(?:is a NameVirtualHost|(\S+) \((.+):(\d+)\))$", line)
        one = re.match(r"\s+port (\d+|\*) namevhost (\S+) \((.+):(\d+)\)$", line)
        alias = re.match(r"\s+(?:wild )?alias (\S+)$", line)
        if head:
            port = head.group(2)
            if head.group(3):
                current = found.setdefault((head.group(4), int(head.group(5)), port), [head.group(3)])
        elif one:
            current = found.setdefault((one.group(3), int(one.group(4)), one.group(1)), [one.group(2)])
        elif alias and current is not None and alias.group(1) not in current:
            current.append(alias.group(1))
    return {(file, port, line, tuple(names)) for (file, line, port), names in found.items()}


def apache_docroots(text: str) -> dict[tuple[str, int], str]:
    """{(file, line of the virtual host): DocumentRoot}, from `apache2 -t -D DUMP_CONFIG` (mod_info), for those that have their own."""
    found: dict[tuple[str, int], str] = {}
    file, line, used, within = "", 0, 0, None
    for text_line in text.split("\n"):
        if match := re.match(r"\s*# In file: (.*)$", text_line):
            place = re.fullmatch(r"\(?(.*):(\d+)\)?", _used(f"({match.group(1)}:0)"))
            file, used = (place.group(1), int(place.group(2))) if place else ("", 0)
        elif match := re.match(r"\s*#\s+(\d+):?$", text_line):
            line = used or int(match.group(1))
        elif re.match(r"\s*<VirtualHost ", text_line):
            within = (file, line)
        elif re.match(r"\s*</VirtualHost>", text_line):
            within = None
        elif within and (match := re.match(r"\s*DocumentRoot\s+(.*)$", text_line, re.I)):
            found[within] = re.sub(r"^([\"'])(.*)\1$", r"\2", match.group(1).strip()).replace('\\"', '"')
    return found
