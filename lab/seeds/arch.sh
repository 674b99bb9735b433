# Archives: one Apache that many units put their sites on over the years, each in another way: by name, by address, by wildcard, in homes,
# in a folder on another mount, in conf-enabled, with applications from packages and copies of them, with good and bad certificates.
say() { printf '%s\n' "$@"; }
page() { # TITLE BODY
  printf '<!DOCTYPE html><html><head><meta charset="utf-8"><title>%s</title></head><body><h1>%s</h1>%s</body></html>\n' "$1" "$1" "$2"
}
second=198.51.100.36 # see `also` in lab.toml

useradd -m -s /bin/bash zhang
useradd -m -s /bin/bash li
useradd -m -s /usr/sbin/nologin alumni

# ---- databases: a user for each site; law and alumni share one database ----
mysql <<'X'
CREATE DATABASE wiki CHARACTER SET utf8;
CREATE USER 'wiki'@'localhost' IDENTIFIED BY 'arch-Secret-10aa';
GRANT ALL ON wiki.* TO 'wiki'@'localhost';
CREATE DATABASE blogs CHARACTER SET utf8mb4;
CREATE USER 'blogs'@'localhost' IDENTIFIED BY 'arch-Secret-20bb';
GRANT ALL ON blogs.* TO 'blogs'@'localhost';
CREATE DATABASE shared CHARACTER SET latin1;
CREATE USER 'law'@'localhost' IDENTIFIED BY 'arch-Secret-30cc';
CREATE USER 'alumni'@'localhost' IDENTIFIED BY 'arch-Secret-40dd';
GRANT SELECT, INSERT ON shared.* TO 'law'@'localhost';
GRANT ALL ON shared.* TO 'alumni'@'localhost';
CREATE DATABASE bbs CHARACTER SET gbk;
CREATE USER 'bbs'@'localhost' IDENTIFIED BY 'arch-Secret-50ee';
GRANT ALL ON bbs.* TO 'bbs'@'localhost';
CREATE DATABASE left_over; -- whose site went years ago
USE shared;
CREATE TABLE law_case (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80));
CREATE TABLE alumnus (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80), year INT) ENGINE=MyISAM;
INSERT INTO law_case(name) SELECT CONCAT('case ', seq) FROM seq_1_to_50;
INSERT INTO alumnus(name, year) SELECT CONCAT('alumnus ', seq), 1950 + seq % 70 FROM seq_1_to_900;
USE bbs;
CREATE TABLE pre_forum_post (pid INT PRIMARY KEY AUTO_INCREMENT, message TEXT) ENGINE=MyISAM;
INSERT INTO pre_forum_post(message) SELECT CONCAT('post ', seq) FROM seq_1_to_300;
USE left_over;
CREATE TABLE visitor (id INT PRIMARY KEY, seen DATE);
X

# ---- www.archives: by its own address, in GBK, untouched since 2009 ----
root=/srv/archives
mkdir -p $root/1949 $root/photos
for n in $(seq 40); do
  printf '<html><head><meta http-equiv="Content-Type" content="text/html; charset=gb2312"><title>档案 %d</title></head><body>馆藏档案第 %d 号</body></html>\n' \
    "$n" "$n" | iconv -f utf-8 -t gbk > $root/1949/$n.htm
done
printf '<html><head><title>大学档案馆</title></head><body><a href="1949/1.htm">1949</a></body></html>\n' | iconv -f utf-8 -t gbk > $root/index.htm
say 'not a picture' > "$root/photos/校门 1950.jpg"
ln -s /home/zhang/scans $root/scans # leads out of the docroot
find $root -exec touch -h -d 2009-09-01 {} +
cat > /etc/apache2/sites-available/archives.conf <<X
<VirtualHost $second:80>
 ServerName www.archives.$DOMAIN
 ServerAlias archives.$DOMAIN
 DocumentRoot $root
 DirectoryIndex index.htm
 AddDefaultCharset off
 <Directory $root>
  Require all granted
 </Directory>
</VirtualHost>
X

# ---- wiki.archives: Debian's MediaWiki in its own place ----
php -d error_reporting=0 /usr/share/mediawiki/maintenance/install.php --dbname wiki --dbserver localhost --dbuser wiki --dbpass arch-Secret-10aa \
  --server "http://wiki.archives.$DOMAIN" --scriptpath "" --confpath /etc/mediawiki --pass arch-Secret-60ff-wiki --lang en "Archives wiki" Admin > /dev/null
chown www-data:www-data /etc/mediawiki/LocalSettings.php
chmod 640 /etc/mediawiki/LocalSettings.php
cat > /etc/apache2/sites-available/wiki.conf <<X
<VirtualHost *:80>
 ServerName wiki.archives.$DOMAIN
 DocumentRoot /var/lib/mediawiki
 <Directory /var/lib/mediawiki>
  Options FollowSymLinks
  AllowOverride All
  Require all granted
 </Directory>
</VirtualHost>
X

# ---- tools.archives: applications in folders of one docroot, of which the first page knows two ----
tools=/srv/www/tools
mkdir -p $tools
cp -rL /usr/share/dokuwiki $tools/doku 2>/dev/null || true # some links lead to what was left out
rm -rf $tools/doku/data $tools/doku/inc/preload.php # which leads to the package's own folders
mkdir -p $tools/doku/conf $tools/doku/data/{attic,cache,index,locks,media,media_attic,media_meta,meta,pages,tmp}
chown -R www-data: $tools/doku/data
cp -L /etc/dokuwiki/*.conf /etc/dokuwiki/dokuwiki.php $tools/doku/conf/
say '<?php' "\$conf['title'] = 'Reading notes';" "\$conf['superuser'] = '@admin';" > $tools/doku/conf/local.php
say '====== Start ======' > $tools/doku/data/pages/start.txt
bbs=$tools/bbs # what marks a Discuz!, written for this lab
mkdir -p $bbs/source/class $bbs/config $bbs/uc_server $bbs/template/default $bbs/data
say '<?php' "if(!defined('IN_DISCUZ')) { exit('Access Denied'); }" "define('DISCUZ_VERSION', 'X3.4');" "define('DISCUZ_RELEASE', '20191201');" \
  > $bbs/source/discuz_version.php
say '<?php' '// the core class of a Discuz!; the stand-in of this lab' > $bbs/source/class/class_core.php
say '<?php' "\$_config['db'][1]['dbhost'] = 'localhost';" "\$_config['db'][1]['dbuser'] = 'bbs';" "\$_config['db'][1]['dbpw'] = 'arch-Secret-50ee';" \
  "\$_config['db'][1]['dbcharset'] = 'gbk';" "\$_config['db'][1]['dbname'] = 'bbs';" "\$_config['db'][1]['tablepre'] = 'pre_';" > $bbs/config/config_global.php
say '<?php' "require './source/class/class_core.php'; echo 'forum';" > $bbs/forum.php
cp $bbs/forum.php $bbs/index.php
page 'Tools' '<a href="/doku/doku.php">notes</a> <a href="/bbs/">forum</a> <a href="/phpmyadmin/">database</a>' > $tools/index.html
cat > /etc/apache2/sites-available/tools.conf <<X
<VirtualHost *:80>
 ServerName tools.archives.$DOMAIN
 DocumentRoot $tools
 <Directory $tools>
  AllowOverride All
  Require all granted
 </Directory>
</VirtualHost>
X
rm -f /etc/apache2/conf-enabled/dokuwiki.conf /etc/apache2/conf-enabled/mediawiki.conf
ln -sf /etc/phpmyadmin/apache.conf /etc/apache2/conf-enabled/phpmyadmin.conf # reachable below every name of this server

# ---- people: pages in homes ----
mkdir -p /srv/people /home/zhang/public_html/papers /home/zhang/scans /home/li/public_html
page 'People' '<a href="/~zhang/">Zhang</a> <a href="/~li/">Li</a>' > /srv/people/index.html
page 'Zhang Wei 张伟' '<a href="papers/1.html">papers</a>' > /home/zhang/public_html/index.html
page 'Paper' 'abstract' > /home/zhang/public_html/papers/1.html
say '<?php' 'echo "<title>Li</title>", date("Y");' > /home/li/public_html/index.php
chown -R zhang: /home/zhang && chown -R li: /home/li
chmod 755 /home/zhang /home/li
cat > /etc/apache2/sites-available/people.conf <<X
<VirtualHost *:80>
 ServerName people.$DOMAIN
 DocumentRoot /srv/people
 UserDir public_html
 UserDir disabled root alumni
 <Directory /srv/people>
  Require all granted
 </Directory>
</VirtualHost>
X

# ---- clubs: one vhost for any name below clubs ----
mkdir -p /srv/clubs
for name in chess hiking; do page "Club $name 社团" 'welcome' > /srv/clubs/$name.html; done
page 'Student clubs 学生社团' '<a href="/chess.html">chess</a>' > /srv/clubs/index.html
cat > /etc/apache2/sites-available/clubs.conf <<X
<VirtualHost *:80>
 ServerName clubs.$DOMAIN
 ServerAlias *.clubs.$DOMAIN
 DocumentRoot /srv/clubs
 <Directory /srv/clubs>
  Require all granted
 </Directory>
</VirtualHost>
X

# ---- law: its vhost stands in conf-enabled; a program of its own, with the shared database, and a log of its own ----
mkdir -p /srv/www/law/lib
cat > /srv/www/law/lib/db.php <<'X'
<?php
$db_host = 'localhost';
$db_name = 'shared';
$db_user = 'law';
$db_pass = 'arch-Secret-30cc';
X
say '<?php' "require 'lib/db.php';" '$db = new mysqli($db_host, $db_user, $db_pass, $db_name);' \
  'echo "<title>School of Law 法学院</title>", $db->query("SELECT COUNT(*) FROM law_case")->fetch_row()[0];' > /srv/www/law/index.php
cat > /etc/apache2/conf-available/law.conf <<X
<VirtualHost *:80>
 ServerName law.$DOMAIN
 ServerAlias www.law.$DOMAIN
 DocumentRoot /srv/www/law
 CustomLog \${APACHE_LOG_DIR}/law.log "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\""
 <Directory /srv/www/law>
  Require all granted
 </Directory>
</VirtualHost>
X
traffic() { # FIRST-DAY LAST-DAY, in days ago
  perl -MPOSIX -e '
    my ($first, $last, $name) = @ARGV; srand 11;
    for my $day (reverse $last .. $first) {
      for my $i (0 .. 23) {
        printf "%s:80 203.0.113.%d - - [%s] \"GET /%s HTTP/1.1\" 200 512 \"-\" \"Mozilla/5.0\"\n", $name, 1 + int(rand 60),
          strftime("%d/%b/%Y:%H:%M:%S +0000", gmtime(time - $day * 86400 + $i * 1200)), rand() < .5 ? "" : "?case=" . int(rand 50);
      }
    }' "$1" "$2" "law.$DOMAIN"
}
traffic 10 1 > /var/log/apache2/law.log
traffic 20 11 > /var/log/apache2/law.log.1
traffic 30 21 | gzip > /var/log/apache2/law.log.2.gz

# ---- geo: its vhost in a file that ends in .vhost ----
mkdir -p /srv/www/geo /etc/apache2/vhosts.d
for n in $(seq 25); do page "Map $n" "sheet $n" > /srv/www/geo/map$n.html; done
page 'Geography 地理学院' '<a href="/map1.html">maps</a>' > /srv/www/geo/index.html
say '# the customers of the old panel' 'IncludeOptional vhosts.d/*.vhost' >> /etc/apache2/apache2.conf
cat > /etc/apache2/vhosts.d/100-geo.vhost <<X
Define geo_root /srv/www/geo
<VirtualHost *:80>
 ServerName geo.$DOMAIN
 DocumentRoot "\${geo_root}"
 <Directory "\${geo_root}">
  Require all granted
 </Directory>
</VirtualHost>
X
say "<VirtualHost *:80>" " ServerName quit.$DOMAIN" " DocumentRoot /srv/www/quit" "</VirtualHost>" > /etc/apache2/vhosts.d/101-quit.vhost.off

# ---- alumni: in a home, with .htaccess, and with a PHP file where visitors upload pictures ----
home=/home/alumni/public_html
mkdir -p $home/uploads/2015 $home/include
say '<?php' "define('DB_HOST', 'localhost');" "define('DB_NAME', 'shared');" "define('DB_USER', 'alumni');" "define('DB_PASS', 'arch-Secret-40dd');" > $home/include/config.php
say '<?php' "require 'include/config.php';" '$db = new mysqli(DB_HOST, DB_USER, DB_PASS, DB_NAME);' \
  'echo "<title>Alumni 校友会</title>", $db->query("SELECT COUNT(*) FROM alumnus")->fetch_row()[0];' > $home/index.php
say '<?php' '// harmless: the mark of an upload that should not be here' 'echo "marker";' > $home/uploads/2015/thumb.php
say 'GIF89a' > $home/uploads/2015/reunion.gif
say 'RewriteEngine On' 'RewriteRule ^year/([0-9]+)$ index.php?year=$1 [L]' 'php_value memory_limit 64M' 'Options -Indexes' > $home/.htaccess
say 'Require ip 198.51.100.0/24' > $home/include/.htaccess
chown -R alumni: /home/alumni
chmod 755 /home/alumni
chmod 777 $home/uploads
cat > /etc/apache2/sites-available/alumni.conf <<X
<VirtualHost *:80>
 ServerName alumni.$DOMAIN
 ServerAlias xiaoyou.$DOMAIN 校友.$DOMAIN
 DocumentRoot $home
 <Directory $home>
  AllowOverride All
  Require all granted
 </Directory>
</VirtualHost>
X

# ---- pay and thesis: two names and certificates on one port; pay by TLS only, thesis with one that ran out ----
certificate() { # NAME FROM UNTIL: YYYYMMDD, signed with its own key
  local ca=/root/ca
  mkdir -p $ca && : > $ca/index && echo 01 > $ca/serial
  say '[ca]' 'default_ca=own' '[own]' "dir=$ca" "database=$ca/index" "serial=$ca/serial" "new_certs_dir=$ca" 'default_md=sha256' 'policy=any' \
    '[any]' 'organizationName=optional' 'commonName=supplied' > $ca/conf
  say "subjectAltName=DNS:$1.$DOMAIN" > $ca/ext
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/O=Campus/CN=$1.$DOMAIN" -keyout /etc/ssl/private/$1.key -out $ca/csr 2>/dev/null
  openssl ca -batch -config $ca/conf -selfsign -keyfile /etc/ssl/private/$1.key -in $ca/csr -extfile $ca/ext -notext -startdate "$2000000Z" -enddate "$3000000Z" \
    -out /etc/ssl/certs/$1.crt 2>/dev/null
  rm -r $ca
}
certificate pay 20250101 20350101
certificate thesis 20180901 20190901
mkdir -p /srv/www/pay /srv/www/thesis
page 'Fees 缴费' 'closed' > /srv/www/pay/index.html
page 'Theses 学位论文' '<a href="/1.html">1</a>' > /srv/www/thesis/index.html
for n in $(seq 12); do page "Thesis $n" "$n" > /srv/www/thesis/$n.html; done
cat > /etc/apache2/sites-available/tls.conf <<X
<VirtualHost *:80>
 ServerName pay.$DOMAIN
 RewriteEngine On
 RewriteRule ^(.*)\$ https://pay.$DOMAIN\$1 [R=301,L]
</VirtualHost>
<VirtualHost *:443>
 ServerName pay.$DOMAIN
 DocumentRoot /srv/www/pay
 SSLEngine on
 SSLCertificateFile /etc/ssl/certs/pay.crt
 SSLCertificateKeyFile /etc/ssl/private/pay.key
</VirtualHost>
<VirtualHost *:80>
 ServerName thesis.$DOMAIN
 DocumentRoot /srv/www/thesis
</VirtualHost>
<VirtualHost *:443>
 ServerName thesis.$DOMAIN
 DocumentRoot /srv/www/thesis
 SSLEngine on
 SSLCertificateFile /etc/ssl/certs/thesis.crt
 SSLCertificateKeyFile /etc/ssl/private/thesis.key
</VirtualHost>
<Directory /srv/www>
 Require all granted
</Directory>
X

# ---- media: a docroot on another mount (two folders laid over each other, read-only: it is there again after a restart) ----
mkdir -p /var/lib/media-a/media/talks /var/lib/media-b /data
for n in $(seq 8); do page "Talk $n 讲座" "recording $n" > /var/lib/media-a/media/talks/$n.html; done
page 'Media 视频' '<a href="/talks/1.html">talks</a>' > /var/lib/media-a/media/index.html
head -c 3000000 /dev/zero > /var/lib/media-a/media/talks/1.mp4
echo 'overlay /data overlay ro,lowerdir=/var/lib/media-a:/var/lib/media-b 0 0' >> /etc/fstab
mount /data
cat > /etc/apache2/sites-available/media.conf <<X
<VirtualHost *:80>
 ServerName media.$DOMAIN
 DocumentRoot /data/media
 <Directory /data/media>
  Require all granted
 </Directory>
</VirtualHost>
X

# ---- blogs: Debian's WordPress for several sites, with three of them in one network ----
cat > /etc/wordpress/config-blogs.$DOMAIN.php <<X
<?php
define('DB_NAME', 'blogs');
define('DB_USER', 'blogs');
define('DB_PASSWORD', 'arch-Secret-20bb');
define('DB_HOST', 'localhost');
define('WP_CONTENT_DIR', '/srv/www/blogs-content');
define('WP_HTTP_BLOCK_EXTERNAL', true); define('AUTOMATIC_UPDATER_DISABLED', true); define('DISABLE_WP_CRON', true);
\$table_prefix = 'wp_';
X
chgrp www-data /etc/wordpress/config-blogs.$DOMAIN.php
chmod 640 /etc/wordpress/config-blogs.$DOMAIN.php
cp -rL /usr/share/wordpress/wp-content /srv/www/blogs-content 2>/dev/null || mkdir -p /srv/www/blogs-content/uploads
chown -R www-data: /srv/www/blogs-content
cat > /root/blogs.php <<'X'
<?php
if (getenv('LAB_INSTALLING')) define('WP_INSTALLING', true);
$_SERVER['HTTP_HOST'] = getenv('SITE'); $_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1'; $_SERVER['REQUEST_METHOD'] = 'GET'; $_SERVER['REQUEST_URI'] = '/';
function wp_mail() { return true; }
require '/usr/share/wordpress/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
if (getenv('LAB_INSTALLING')) {
  wp_install('Campus blogs', 'admin', 'web@blogs.test', true, '', 'arch-Secret-70ab');
  foreach ($wpdb->tables('ms_global') as $table => $prefixed) $wpdb->$table = $prefixed;
  install_network();
  populate_network(1, getenv('SITE'), 'web@blogs.test', 'Campus blogs', '/', false);
} else {
  foreach (['choir' => 'University choir 合唱团', 'robotics' => 'Robotics 机器人'] as $path => $title) wpmu_create_blog(getenv('SITE'), "/$path/", $title, 1);
}
X
SITE=blogs.$DOMAIN LAB_INSTALLING=1 php -d error_reporting=0 -d auto_prepend_file= /root/blogs.php
say "define('WP_ALLOW_MULTISITE', true); define('MULTISITE', true); define('SUBDOMAIN_INSTALL', false);" \
  "define('DOMAIN_CURRENT_SITE', 'blogs.$DOMAIN'); define('PATH_CURRENT_SITE', '/');" \
  "define('SITE_ID_CURRENT_SITE', 1); define('BLOG_ID_CURRENT_SITE', 1);" >> /etc/wordpress/config-blogs.$DOMAIN.php
SITE=blogs.$DOMAIN php -d error_reporting=0 -d auto_prepend_file= /root/blogs.php
rm /root/blogs.php
cat > /etc/apache2/sites-available/blogs.conf <<X
<VirtualHost *:80>
 ServerName blogs.$DOMAIN
 DocumentRoot /usr/share/wordpress
 Alias /wp-content /srv/www/blogs-content
 <Directory /usr/share/wordpress>
  Options FollowSymLinks
  AllowOverride All
  Require all granted
  RewriteEngine On
  RewriteBase /
  RewriteRule ^([_0-9a-z-]+/)?(wp-(content|admin|includes).*) \$2 [L]
  RewriteCond %{REQUEST_FILENAME} !-f
  RewriteCond %{REQUEST_FILENAME} !-d
  RewriteRule . index.php [L]
 </Directory>
 <Directory /srv/www/blogs-content>
  Require all granted
 </Directory>
</VirtualHost>
X
say "<VirtualHost *:80>" " ServerName museum.archives.$DOMAIN" " DocumentRoot /srv/www/museum" "</VirtualHost>" > /etc/apache2/sites-available/museum.conf

# Debian turns PHP off in homes; whoever puts a PHP site there turns it on again.
sed -i '/<IfModule mod_userdir.c>/,/<\/IfModule>/s/^/#/' /etc/apache2/mods-available/php*.conf
a2dissite -q 000-default
a2enmod -q rewrite userdir ssl headers
a2enconf -q law
a2ensite -q archives wiki tools people clubs alumni tls media blogs
apache2ctl -t 2>/dev/null
systemctl restart apache2

# ---- jobs of users and of the system ----
say 'MAILTO=zhang' '0 5 * * 1 $HOME/bin/fetch-scans' '@reboot /home/zhang/bin/hello' | crontab -u zhang -
say '#!/bin/sh' 'tar cf /var/backups/archives.tar /srv/archives' > /etc/cron.daily/archives
chmod 755 /etc/cron.daily/archives

# ---- every name answers with its own title ----
seen() { # SCHEME://NAME ADDRESS TEXT
  curl -skL --resolve "*:80:$2" --resolve "*:443:$2" "$1/" | grep -a "$3" > /dev/null || { echo "$1 does not say $3" >&2; exit 1; }
}
seen "http://www.archives.$DOMAIN" $second 1949
for line in "tools.archives Tools" "people People" "chess.clubs clubs" "law 50" "geo maps" "alumni 900" "pay Fees" "thesis Theses" "media talks" "blogs blogs" \
  "blogs/choir choir" "tools.archives/doku Reading" "tools.archives/bbs forum" "people/~li 20" "wiki.archives Archives"; do
  where=${line% *}
  path=${where#"${where%%/*}"}
  seen "http://${where%%/*}.$DOMAIN$path" "$IP" "${line#* }"
done

# Like many old hosts: no Python.
rm -f /usr/bin/python3*
