# a static site, a small PHP/MySQL application of the unit's own, and a site that nobody declared
V=$(ls /etc/php | tail -n 1); D=/var/www/phys; mkdir -p $D/img $D/notes $D/files
page() { printf '<!DOCTYPE html><html><head><meta charset="%s"><title>%s</title><link rel="stylesheet" href="/style.css"></head><body><h1>%s</h1>%s</body></html>\n' "$1" "$2" "$2" "$3"; }
echo 'body { font-family: serif }' > $D/style.css
printf '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>' > $D/img/logo.svg
L=""; i=0; while [ $i -lt 520 ]; do i=$((i+1)); page utf-8 "Experiment $i" "<p>实验 $i</p><a href=\"/notes/$((i%520+1)).html\">next</a> <img src=\"/img/logo.svg\" alt=\"\">" > $D/notes/$i.html; [ $((i%20)) = 1 ] && L="$L<li><a href=\"/notes/$i.html\">$i</a></li>"; done
for n in 1 2 3; do page gb2312 "物理学院 通知 $n" "<p>老的页面，使用国标编码。</p>" | iconv -f utf-8 -t gb2312 > $D/notice$n.html; L="$L<li><a href=\"/notice$n.html\">notice $n</a></li>"; done
echo '%PDF-1.4 tiny' > "$D/files/招生 简章.pdf"; ln -s notes $D/experiments
page utf-8 "Department of Physics 物理学院" "<ul>$L<li><a href=\"/files/%E6%8B%9B%E7%94%9F%20%E7%AE%80%E7%AB%A0.pdf\">PDF</a></li></ul>" > $D/index.html
E=/var/www/events; mkdir -p $E/inc $E/uploads; useradd --system --no-create-home physweb
mysql --default-character-set=utf8mb4 <<'X'
CREATE DATABASE physevents CHARACTER SET utf8mb4; SET GLOBAL event_scheduler=ON;
CREATE USER 'physevents'@'localhost' IDENTIFIED BY 'phys-Secret-55de'; GRANT ALL ON physevents.* TO 'physevents'@'localhost';
CREATE USER 'physadmin'@'localhost' IDENTIFIED BY 'phys-Secret-55de'; GRANT ALL ON physevents.* TO 'physadmin'@'localhost';
USE physevents;
CREATE TABLE event (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(200), at DATETIME) CHARACTER SET utf8mb4;
CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(100)) ENGINE=MyISAM CHARACTER SET latin1;
CREATE DEFINER='physadmin'@'localhost' TRIGGER noted AFTER INSERT ON event FOR EACH ROW INSERT INTO log(what) VALUES ('new event');
CREATE DEFINER='physadmin'@'localhost' VIEW coming AS SELECT * FROM event WHERE at > '2020-01-01';
CREATE DEFINER='physadmin'@'localhost' PROCEDURE tidy() DELETE FROM log WHERE id < 0;
CREATE DEFINER='physadmin'@'localhost' EVENT nightly ON SCHEDULE EVERY 1 DAY DO CALL tidy();
INSERT INTO event(title, at) VALUES ('Colloquium 🔭', '2026-12-01 15:00'), ('量子力学讲座', '2026-12-08 15:00'), ('Ž seminar', '2027-01-10 10:00');
X
cat > $E/config.php <<'X'
<?php
$db_host = 'localhost';
$db_name = 'physevents';
$db_user = 'physevents';
$db_password = 'phys-Secret-55de';
X
cat > $E/index.php <<'X'
<?php require 'config.php'; $db = new mysqli($db_host, $db_user, $db_password, $db_name); $db->set_charset('utf8mb4');
if ($_SERVER['REQUEST_METHOD'] === 'POST') { $q = $db->prepare('INSERT INTO event(title, at) VALUES (?, NOW())'); $q->bind_param('s', $_POST['title']); $q->execute(); }
echo '<!DOCTYPE html><meta charset="utf-8"><title>Physics events</title><ul>'; foreach ($db->query('SELECT title FROM coming ORDER BY id') as $r) echo '<li>' . htmlspecialchars($r['title']) . '</li>';
echo '</ul><form method="post"><input name="title"><button>add</button></form>';
X
chown -R physweb:www-data $E; chmod 775 $E/uploads
sed "s/^\[www\]/[events]/; s/^user = .*/user = physweb/; s#^listen = .*#listen = /run/php/events.sock#" /etc/php/$V/fpm/pool.d/www.conf > /etc/php/$V/fpm/pool.d/events.conf
C=/var/www/conf2009; mkdir -p $C; for n in index program travel; do page utf-8 "Conference 2009" "<a href=\"/program.html\">program</a> <a href=\"/travel.html\">travel</a>" > $C/$n.html; done; find $C -exec touch -d 2009-06-01 {} +
cat > /etc/nginx/sites-available/phys <<X
server { listen 80; server_name www.phys.$DOMAIN phys.$DOMAIN; root /var/www/phys; index index.html; access_log /var/log/nginx/phys.log; }
server {
  listen 80; server_name events.phys.$DOMAIN; root /var/www/events; index index.php; access_log /var/log/nginx/events.log;
  location ~ \.php\$ { include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/events.sock; }
}
server { listen 80; server_name old.phys.$DOMAIN; return 301 http://www.phys.$DOMAIN\$request_uri; }
X
echo "server { listen 80; server_name conf2009.phys.$DOMAIN; root /var/www/conf2009; }" > /etc/nginx/sites-available/conf2009
echo "server { listen 80; server_name never.phys.$DOMAIN; root /var/www/never; }" > /etc/nginx/sites-available/disabled
rm -f /etc/nginx/sites-enabled/default; ln -s ../sites-available/phys ../sites-available/conf2009 /etc/nginx/sites-enabled/
systemctl restart php$V-fpm; systemctl reload nginx
perl -MPOSIX -e 'srand 9; my $now=time; for my $d (reverse 1..30) { for my $i (1..50) { printf "203.0.113.%d - - [%s] \"GET %s HTTP/1.1\" 200 900 \"-\" \"Mozilla/5.0\"\n", 1+int(rand 200), strftime("%d/%b/%Y:%H:%M:%S +0000",gmtime($now-$d*86400+$i*1000)), rand()<.4?"/":"/notes/".(1+int(rand 520)).".html" } }' > /var/log/nginx/phys.log
# like many old hosts: no Python
rm -f /usr/bin/python3*
