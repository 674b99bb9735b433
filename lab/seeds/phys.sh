# Physics: a static site, a PHP and MySQL application of the department's own, a site that nobody declared, a redirect, a disabled site.
php=$(ls /etc/php | tail -n 1)

page() { # CHARSET TITLE BODY
  printf '<!DOCTYPE html><html><head><meta charset="%s"><title>%s</title><link rel="stylesheet" href="/style.css"></head>' "$1" "$2"
  printf '<body><h1>%s</h1>%s</body></html>\n' "$2" "$3"
}

# ---- www.phys: static pages, some of them in an old encoding, a link among the folders, a file with a Chinese name ----
root=/var/www/phys
mkdir -p $root/img $root/notes $root/files
echo 'body { font-family: serif }' > $root/style.css
printf '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>' > $root/img/logo.svg
list=""
for i in $(seq 520); do
  page utf-8 "Experiment $i" "<p>实验 $i</p><a href=\"/notes/$((i % 520 + 1)).html\">next</a> <img src=\"/img/logo.svg\" alt=\"\">" \
    > $root/notes/$i.html
  if [ $((i % 20)) = 1 ]; then list="$list<li><a href=\"/notes/$i.html\">$i</a></li>"; fi
done
for n in 1 2 3; do
  page gb2312 "物理学院 通知 $n" "<p>老的页面，使用国标编码。</p>" | iconv -f utf-8 -t gb2312 > $root/notice$n.html
  list="$list<li><a href=\"/notice$n.html\">notice $n</a></li>"
done
echo '%PDF-1.4 tiny' > "$root/files/招生 简章.pdf"
list="$list<li><a href=\"/files/%E6%8B%9B%E7%94%9F%20%E7%AE%80%E7%AB%A0.pdf\">PDF</a></li>"
ln -s notes $root/experiments
page utf-8 "Department of Physics 物理学院" "<ul>$list</ul>" > $root/index.html

# ---- events.phys: an application of its own, with a pool, a user and a database of its own ----
app=/var/www/events
useradd --system --no-create-home physweb
mkdir -p $app/inc $app/uploads
# physadmin is a definer beside the application's user: moving one without the other breaks trigger, view, routine and event.
mysql --default-character-set=utf8mb4 <<'X'
CREATE DATABASE physevents CHARACTER SET utf8mb4;
SET GLOBAL event_scheduler=ON;
CREATE USER 'physevents'@'localhost' IDENTIFIED BY 'phys-Secret-55de';
GRANT ALL ON physevents.* TO 'physevents'@'localhost';
CREATE USER 'physadmin'@'localhost' IDENTIFIED BY 'phys-Secret-55de';
GRANT ALL ON physevents.* TO 'physadmin'@'localhost';
USE physevents;
CREATE TABLE event (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(200), at DATETIME) CHARACTER SET utf8mb4;
CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(100)) ENGINE=MyISAM CHARACTER SET latin1;
CREATE DEFINER='physadmin'@'localhost' TRIGGER noted AFTER INSERT ON event FOR EACH ROW INSERT INTO log(what) VALUES ('new event');
CREATE DEFINER='physadmin'@'localhost' VIEW coming AS SELECT * FROM event WHERE at > '2020-01-01';
CREATE DEFINER='physadmin'@'localhost' PROCEDURE tidy() DELETE FROM log WHERE id < 0;
CREATE DEFINER='physadmin'@'localhost' EVENT nightly ON SCHEDULE EVERY 1 DAY DO CALL tidy();
INSERT INTO event(title, at) VALUES
  ('Colloquium 🔭', '2026-12-01 15:00'),
  ('量子力学讲座', '2026-12-08 15:00'),
  ('Ž seminar', '2027-01-10 10:00');
X
cat > $app/config.php <<'X'
<?php
$db_host = 'localhost';
$db_name = 'physevents';
$db_user = 'physevents';
$db_password = 'phys-Secret-55de';
X
cat > $app/index.php <<'X'
<?php require 'config.php'; $db = new mysqli($db_host, $db_user, $db_password, $db_name); $db->set_charset('utf8mb4');
if ($_SERVER['REQUEST_METHOD'] === 'POST') { $q = $db->prepare('INSERT INTO event(title, at) VALUES (?, NOW())'); $q->bind_param('s', $_POST['title']); $q->execute(); }
echo '<!DOCTYPE html><meta charset="utf-8"><title>Physics events</title><ul>'; foreach ($db->query('SELECT title FROM coming ORDER BY id') as $r) echo '<li>' . htmlspecialchars($r['title']) . '</li>';
echo '</ul><form method="post"><input name="title"><button>add</button></form>';
X
chown -R physweb:www-data $app
chmod 775 $app/uploads
sed 's/^\[www\]/[events]/; s/^user = .*/user = physweb/; s#^listen = .*#listen = /run/php/events.sock#' \
  /etc/php/$php/fpm/pool.d/www.conf > /etc/php/$php/fpm/pool.d/events.conf

# ---- conf2009.phys: enabled and reachable, but in nobody's list, and untouched since 2009 ----
old=/var/www/conf2009
mkdir -p $old
for name in index program travel; do
  page utf-8 "Conference 2009" "<a href=\"/program.html\">program</a> <a href=\"/travel.html\">travel</a>" > $old/$name.html
done
find $old -exec touch -d 2009-06-01 {} +

# ---- web server: three sites, one redirect; never.phys is declared but not enabled ----
cat > /etc/nginx/sites-available/phys <<X
server { listen 80; server_name www.phys.$DOMAIN phys.$DOMAIN; root $root; index index.html; access_log /var/log/nginx/phys.log; }
server {
  listen 80; server_name events.phys.$DOMAIN; root $app; index index.php; access_log /var/log/nginx/events.log;
  location ~ \.php\$ { include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/events.sock; }
}
server { listen 80; server_name old.phys.$DOMAIN; return 301 http://www.phys.$DOMAIN\$request_uri; }
X
echo "server { listen 80; server_name conf2009.phys.$DOMAIN; root $old; }" > /etc/nginx/sites-available/conf2009
echo "server { listen 80; server_name never.phys.$DOMAIN; root /var/www/never; }" > /etc/nginx/sites-available/disabled
rm -f /etc/nginx/sites-enabled/default
ln -s ../sites-available/phys ../sites-available/conf2009 /etc/nginx/sites-enabled/
systemctl restart "php$php-fpm"
systemctl reload nginx

# ---- traffic of www.phys: 30 days with 50 requests, the same each time ----
perl -MPOSIX -e '
  srand 9;
  my $now = time;
  for my $day (reverse 1 .. 30) {
    for my $i (1 .. 50) {
      printf "203.0.113.%d - - [%s] \"GET %s HTTP/1.1\" 200 900 \"-\" \"Mozilla/5.0\"\n", 1 + int(rand 200),
        strftime("%d/%b/%Y:%H:%M:%S +0000", gmtime($now - $day * 86400 + $i * 1000)),
        rand() < .4 ? "/" : "/notes/" . (1 + int(rand 520)) . ".html";
    }
  }' > /var/log/nginx/phys.log

# Like many old hosts: no Python.
rm -f /usr/bin/python3*
