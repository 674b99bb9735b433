# Mathematics: lighttpd and Caddy, static sites only.  The login user's programs, and root's under sudo, are busybox's, as on Alpine.
say() { printf '%s\n' "$@"; }
page() { # TITLE BODY
  printf '<!DOCTYPE html><html><head><meta charset="utf-8"><title>%s</title></head><body><h1>%s</h1>%s</body></html>\n' "$1" "$1" "$2"
}

# ---- lighttpd on 80: two names, the second by a pattern ----
mkdir -p /srv/math/www /srv/math/seminar/2024 /srv/math/notes/img
page 'Mathematics 数学学院' '<a href="/people.html">people</a>' > /srv/math/www/index.html
page 'People' 'names' > /srv/math/www/people.html
page 'Seminar 讨论班' '<a href="/2024/1.html">2024</a>' > /srv/math/seminar/index.html
for n in $(seq 15); do page "Talk $n" "abstract $n" > /srv/math/seminar/2024/$n.html; done
cat > /etc/lighttpd/lighttpd.conf <<X
server.modules = ( "mod_access", "mod_accesslog", "mod_redirect" )
server.document-root = "/srv/math/www"
server.errorlog      = "/var/log/lighttpd/error.log"
server.pid-file      = "/run/lighttpd.pid"
server.username      = "www-data"
server.groupname     = "www-data"
server.port          = 80
index-file.names     = ( "index.html" )
accesslog.filename   = "/var/log/lighttpd/access.log"
mimetype.assign      = ( ".html" => "text/html; charset=utf-8", ".svg" => "image/svg+xml" )
var.base = "/srv/math"
\$HTTP["host"] == "www.math.$DOMAIN" {
  server.document-root = var.base + "/www"
}
\$HTTP["host"] =~ "^seminar\.math\.campus\.test\$" {
  server.document-root = var.base + "/seminar"
}
\$HTTP["host"] == "maths.$DOMAIN" {
  url.redirect = ( "^/(.*)" => "http://www.math.$DOMAIN/\$1" )
}
include "conf-enabled/*.conf"
X
rm -f /etc/lighttpd/conf-enabled/*
systemctl restart lighttpd

# ---- Caddy on 8080: lecture notes; it looks for no certificates ----
page 'Lecture notes 讲义' '<img src="/img/torus.svg" alt="">' > /srv/math/notes/index.html
say '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>' > /srv/math/notes/img/torus.svg
cat > /etc/caddy/Caddyfile <<X
{
	auto_https off
	admin off
}

http://notes.math.$DOMAIN:8080 {
	root * /srv/math/notes
	file_server
	log {
		output file /var/log/caddy/notes.log
	}
}

http://scripts.math.$DOMAIN:8080 {
	redir http://notes.math.$DOMAIN:8080{uri} permanent
}
X
systemctl restart caddy

# ---- busybox for whoever logs in ----
mkdir -p /opt/busybox/bin
/bin/busybox --install -s /opt/busybox/bin
ln -sf busybox /bin/ash
say /bin/ash >> /etc/shells
usermod -s /bin/ash ops
say 'PATH="/opt/busybox/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"' > /etc/environment
say 'Defaults secure_path="/opt/busybox/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"' > /etc/sudoers.d/path
chmod 440 /etc/sudoers.d/path

echo '15 1 * * * www-data /usr/local/bin/publish-notes' > /etc/cron.d/notes

for line in 'www.math 80 Mathematics' 'seminar.math 80 Seminar' 'notes.math 8080 Lecture'; do
  read -r name port text <<< "$line"
  for _ in $(seq 50); do
    if curl -s -H "Host: $name.$DOMAIN" "http://$IP:$port/" | grep "$text" > /dev/null; then continue 2; fi
    sleep 0.1
  done
  echo "$name does not say $text" >&2
  exit 1
done

# Like many small hosts: no Python.
rm -f /usr/bin/python3*
