# Arts: the layout of CentOS 7, with Debian's binaries.  Files, names, users and processes stand where that distribution has them, and a
# package database of rpm knows them; the programs are Debian 11's, because no registry that we may use has the real ones.
say() { printf '%s\n' "$@"; }

# ---- stop Debian's own, and set aside what would give it away ----
systemctl disable -q --now apache2 mariadb
httpd_version=$(/usr/sbin/apache2 -v | sed -n 's/.*Apache\/\([0-9.]*\).*/\1/p')
php_version=$(php -r 'echo PHP_VERSION;')
mariadb_version=$(/usr/sbin/mariadbd --version | sed -n 's/.* Ver \([0-9.]*\).*/\1/p')

# ---- httpd ----
groupadd -g 48 apache
useradd -u 48 -g apache -d /usr/share/httpd -s /sbin/nologin -M apache
mkdir -p /etc/httpd/conf /etc/httpd/conf.d /etc/httpd/conf.modules.d /usr/lib64/httpd /var/log/httpd /var/www/html /etc/sysconfig /usr/share/httpd
cp /usr/sbin/apache2 /usr/sbin/httpd
cp -r /usr/lib/apache2/modules /usr/lib64/httpd/modules
ln -s /usr/lib64/httpd/modules /etc/httpd/modules
ln -s /var/log/httpd /etc/httpd/logs
mkdir -p /run/httpd
ln -s /run/httpd /etc/httpd/run
cp /etc/apache2/magic /etc/httpd/conf/magic
chmod 700 /var/log/httpd
modules() { for name; do say "LoadModule ${name}_module modules/mod_$name.so"; done; }
modules access_compat alias auth_basic authn_core authn_file authz_core authz_host authz_user autoindex deflate dir env expires filter headers \
  mime negotiation reqtimeout rewrite setenvif socache_shmcb status > /etc/httpd/conf.modules.d/00-base.conf
say 'LoadModule mpm_prefork_module modules/mod_mpm_prefork.so' > /etc/httpd/conf.modules.d/00-mpm.conf
modules ssl > /etc/httpd/conf.modules.d/00-ssl.conf
say 'LoadModule php7_module modules/libphp7.4.so' > /etc/httpd/conf.modules.d/10-php.conf
cat > /etc/httpd/conf/httpd.conf <<'X'
ServerRoot "/etc/httpd"
Listen 80
Include conf.modules.d/*.conf
User apache
Group apache
PidFile run/httpd.pid
ServerAdmin root@localhost
ServerName arts.campus.test
<Directory />
    AllowOverride none
    Require all denied
</Directory>
DocumentRoot "/var/www/html"
<Directory "/var/www">
    AllowOverride None
    Require all granted
</Directory>
<IfModule dir_module>
    DirectoryIndex index.html
</IfModule>
<Files ".ht*">
    Require all denied
</Files>
ErrorLog "logs/error_log"
LogLevel warn
LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined
CustomLog "logs/access_log" combined
TypesConfig /etc/mime.types
AddDefaultCharset UTF-8
EnableSendfile on
IncludeOptional conf.d/*.conf
X
cat > /etc/httpd/conf.d/php.conf <<'X'
<FilesMatch \.php$>
    SetHandler application/x-httpd-php
</FilesMatch>
DirectoryIndex index.php
X
say '# This configuration file enables the default "Welcome" page' '<LocationMatch "^/+$">' '    Options -Indexes' '</LocationMatch>' \
  > /etc/httpd/conf.d/welcome.conf
say 'This directory holds configuration files.' > /etc/httpd/conf.d/README
say 'PHP_INI_SCAN_DIR=/etc/php.d' 'LANG=C' > /etc/sysconfig/httpd
mkdir -p /usr/lib/systemd/system
cat > /usr/lib/systemd/system/httpd.service <<'X'
[Unit]
Description=The Apache HTTP Server
After=network.target
[Service]
EnvironmentFile=/etc/sysconfig/httpd
RuntimeDirectory=httpd
# The binary has Debian's folder compiled in: here it is told where CentOS's would look by itself.
ExecStart=/usr/sbin/httpd -d /etc/httpd -f conf/httpd.conf -DFOREGROUND
ExecReload=/bin/kill -USR1 $MAINPID
KillSignal=SIGWINCH
[Install]
WantedBy=multi-user.target
X

# ---- PHP as a module ----
mkdir -p /etc/php.d
cp "$(ls /etc/php/*/apache2/php.ini)" /etc/php.ini
sed -i 's#^\(mysqli\|pdo_mysql\)\.default_socket *=.*#\1.default_socket = /var/lib/mysql/mysql.sock#' /etc/php.ini
for ini in /etc/php/*/apache2/conf.d/*.ini; do cp -L "$ini" "/etc/php.d/$(basename "$ini")"; done
say 'PHPIniDir /etc' >> /etc/httpd/conf.d/php.conf

# ---- MariaDB ----
cat > /etc/my.cnf <<'X'
[mysqld]
datadir=/var/lib/mysql
socket=/var/lib/mysql/mysql.sock
bind-address=127.0.0.1
user=mysql
innodb_log_file_size=8M
innodb_buffer_pool_size=32M
performance_schema=OFF
[client]
socket=/var/lib/mysql/mysql.sock
!includedir /etc/my.cnf.d
X
mkdir -p /etc/my.cnf.d
mkdir -p /usr/libexec
cp /usr/sbin/mariadbd /usr/libexec/mysqld
cat > /root/mariadb.service <<'X'
[Unit]
Description=MariaDB database server
[Service]
Type=notify
User=mysql
ExecStart=/usr/libexec/mysqld --basedir=/usr
[Install]
WantedBy=multi-user.target
X
rm -rf /etc/mysql /etc/systemd/system/mysql*.service /etc/systemd/system/mariadb.service /lib/systemd/system/{mariadb,mysql}*
mv /root/mariadb.service /usr/lib/systemd/system/mariadb.service
systemctl daemon-reload
systemctl enable -q --now mariadb
mysql <<'X'
CREATE DATABASE dedecmsv57 CHARACTER SET gbk;
CREATE USER 'dede'@'localhost' IDENTIFIED BY 'arts-Secret-2b6e';
GRANT ALL ON dedecmsv57.* TO 'dede'@'localhost';
CREATE DATABASE exhibition CHARACTER SET utf8;
CREATE USER 'exhibition'@'localhost' IDENTIFIED BY 'arts-Secret-c07f';
GRANT ALL ON exhibition.* TO 'exhibition'@'localhost';
USE dedecmsv57;
CREATE TABLE dede_archives (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(100), click INT) ENGINE=MyISAM;
INSERT INTO dede_archives(title, click) SELECT CONCAT('article ', seq), seq FROM exhibition.seq_1_to_400;
USE exhibition;
CREATE TABLE work (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(100)) ENGINE=InnoDB;
INSERT INTO work(title) SELECT CONCAT('work ', seq) FROM seq_1_to_120;
X

# ---- www.arts: what marks a DedeCMS, written for this lab, with pages in GBK ----
www=/var/www/html/arts
mkdir -p $www/include $www/data/admin $www/dede $www/templets/default $www/uploads/allimg $www/a
say '<?php' "// database class of a DedeCMS; the lab's stand-in" 'class DedeSql {}' > $www/include/dedesql.class.php
say '<?php' "\$cfg_version = 'V57_UTF8_SP2';" > $www/include/common.inc.php
say 20180109 > $www/data/admin/ver.txt
cat > $www/data/common.inc.php <<'X'
<?php
$cfg_dbhost = 'localhost';
$cfg_dbname = 'dedecmsv57';
$cfg_dbuser = 'dede';
$cfg_dbpwd = 'arts-Secret-2b6e';
$cfg_dbprefix = 'dede_';
$cfg_db_language = 'gbk';
X
say '{dede:include filename="head.htm"/}' > $www/templets/default/index.htm
cat > $www/index.php <<'X'
<?php header('Content-Type: text/html; charset=gbk'); require 'data/common.inc.php';
$db = new mysqli($cfg_dbhost, $cfg_dbuser, $cfg_dbpwd, $cfg_dbname);
echo '<html><head><title>', iconv('utf-8', 'gbk', '艺术学院'), '</title></head><body>', $db->query('SELECT COUNT(*) FROM dede_archives')->fetch_row()[0], '</body></html>';
X
for n in $(seq 60); do
  printf '<html><head><meta http-equiv="Content-Type" content="text/html; charset=gbk"><title>新闻 %d</title></head><body>艺术学院新闻</body></html>\n' "$n" \
    | iconv -f utf-8 -t gbk > $www/a/$n.html
done
find $www/a -name '*.html' -exec touch -d 2012-10-01 {} +
chown -R apache:apache $www/data $www/uploads
cat > /etc/httpd/conf.d/vhosts.conf <<X
<VirtualHost *:80>
    ServerName www.arts.$DOMAIN
    ServerAlias arts.$DOMAIN
    DocumentRoot "$www"
    CustomLog logs/arts-access_log combined
</VirtualHost>

<VirtualHost *:80>
    ServerName old.arts.$DOMAIN
    RedirectPermanent / http://www.arts.$DOMAIN/
</VirtualHost>
X

# ---- gallery.arts: static, and its certificate ran out; ssl.conf as the package has it ----
gallery=/var/www/gallery
mkdir -p $gallery/2014 /etc/pki/tls/certs /etc/pki/tls/private
for n in $(seq 30); do say "<html><title>Gallery $n</title><img src=\"$n.jpg\"></html>" > $gallery/2014/$n.html; done
say '<!DOCTYPE html><meta charset="utf-8"><title>Gallery 画廊</title><a href="/2014/1.html">2014</a>' > $gallery/index.html
cd /root
openssl req -newkey rsa:2048 -nodes -subj "/O=School of Arts/CN=gallery.arts.$DOMAIN" -keyout /etc/pki/tls/private/gallery.key -out g.csr 2>/dev/null
say "subjectAltName=DNS:gallery.arts.$DOMAIN" > g.ext
mkdir -p ca && : > ca/index && echo 01 > ca/serial
say '[ca]' 'default_ca=own' '[own]' 'dir=/root/ca' 'database=/root/ca/index' 'serial=/root/ca/serial' 'new_certs_dir=/root/ca' 'default_md=sha256' \
  'policy=any' '[any]' 'organizationName=optional' 'commonName=supplied' > ca/conf
openssl ca -batch -config ca/conf -selfsign -keyfile /etc/pki/tls/private/gallery.key -in g.csr -extfile g.ext -notext \
  -startdate 20190301000000Z -enddate 20210301000000Z -out /etc/pki/tls/certs/gallery.crt 2>/dev/null
rm -rf g.csr g.ext ca
chmod 600 /etc/pki/tls/private/gallery.key
cat > /etc/httpd/conf.d/ssl.conf <<X
Listen 443 https
SSLPassPhraseDialog builtin
SSLSessionCache shmcb:/run/httpd/sslcache(512000)
<VirtualHost _default_:443>
    ServerName gallery.arts.$DOMAIN
    DocumentRoot "$gallery"
    ErrorLog logs/ssl_error_log
    TransferLog logs/ssl_access_log
    SSLEngine on
    SSLCertificateFile /etc/pki/tls/certs/gallery.crt
    SSLCertificateKeyFile /etc/pki/tls/private/gallery.key
</VirtualHost>
X

# ---- exhibition.arts: an application of the school's own that no sheet names; a disabled file beside it ----
show=/var/www/exhibition
mkdir -p $show/inc
say '<?php' "define('DB_HOST', '127.0.0.1');" "define('DB_NAME', 'exhibition');" "define('DB_USER', 'exhibition');" "define('DB_PASSWORD', 'arts-Secret-c07f');" \
  > $show/inc/config.php
cat > $show/index.php <<'X'
<?php require 'inc/config.php'; $db = new mysqli(DB_HOST, DB_USER, DB_PASSWORD, DB_NAME);
echo '<!DOCTYPE html><meta charset="utf-8"><title>Exhibition 毕业展</title>', $db->query('SELECT COUNT(*) FROM work')->fetch_row()[0];
X
cat > /etc/httpd/conf.d/exhibition.conf <<X
Define show $show
<VirtualHost *:80>
    ServerName exhibition.arts.$DOMAIN
    DocumentRoot "\${show}"
    <Directory "\${show}">
        AllowOverride All
    </Directory>
</VirtualHost>
X
say "<VirtualHost *:80>" "    ServerName shop.arts.$DOMAIN" "    DocumentRoot /var/www/shop" "</VirtualHost>" > /etc/httpd/conf.d/shop.conf.disabled

# ---- logs with the names that CentOS's logrotate gives ----
log() { # FROM-DAYS-AGO DAYS
  perl -MPOSIX -e '
    my ($from, $days) = @ARGV; srand 5;
    for my $day (reverse $from - $days + 1 .. $from) {
      for my $i (0 .. 29) {
        printf "203.0.113.%d - - [%s] \"GET /a/%d.html HTTP/1.1\" 200 420 \"-\" \"Mozilla/5.0\"\n", 1 + int(rand 90),
          strftime("%d/%b/%Y:%H:%M:%S +0000", gmtime(time - $day * 86400 + $i * 900)), 1 + int(rand 60);
      }
    }' "$1" "$2"
}
log 7 7 > /var/log/httpd/arts-access_log
log 14 7 > "/var/log/httpd/arts-access_log-$(date -d '7 days ago' +%Y%m%d)"
log 21 7 | gzip > "/var/log/httpd/arts-access_log-$(date -d '14 days ago' +%Y%m%d).gz"
say '/var/log/httpd/*log {' '    missingok' '    notifempty' '    sharedscripts' '}' > /etc/logrotate.d/httpd
say 'SHELL=/bin/bash' '' '10 3 * * * root /usr/local/sbin/backup-arts' > /etc/cron.d/arts
say '#!/bin/sh' 'tar czf /var/backups/arts.tgz /var/www/html/arts' > /usr/local/sbin/backup-arts
chmod 755 /usr/local/sbin/backup-arts

# ---- who it says it is ----
rm -f /etc/os-release /etc/debian_version /usr/bin/lsb_release
cat > /usr/lib/os-release <<'X'
NAME="CentOS Linux"
VERSION="7 (Core)"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="7"
PRETTY_NAME="CentOS Linux 7 (Core)"
ANSI_COLOR="0;31"
CPE_NAME="cpe:/o:centos:centos:7"
HOME_URL="https://www.centos.org/"
BUG_REPORT_URL="https://bugs.centos.org/"

CENTOS_MANTISBT_PROJECT="CentOS-7"
CENTOS_MANTISBT_PROJECT_VERSION="7"
REDHAT_SUPPORT_PRODUCT="centos"
REDHAT_SUPPORT_PRODUCT_VERSION="7"

X
ln -s ../usr/lib/os-release /etc/os-release
say 'CentOS Linux release 7.9.2009 (Core)' > /etc/centos-release
ln -s centos-release /etc/redhat-release
ln -s centos-release /etc/system-release
mkdir -p /etc/selinux
say 'SELINUX=disabled' 'SELINUXTYPE=targeted' > /etc/selinux/config

# ---- an rpm database of a few packages made here: real versions of the programs, files as they stand; then Debian's goes ----
mkdir -p /etc/rpm /var/lib/rpm
say '%_dbpath /var/lib/rpm' '%_topdir /root/rpmbuild' > /etc/rpm/macros
package() { # NAME VERSION FILE…; a file with its kind before it, as in a spec
  say "%package -n $1" "Version: $2" "Summary: $1 of the lab" 'AutoReqProv: no' "%description -n $1" "The lab's stand-in: see lab/README.md." "%files -n $1" "${@:3}"
}
{
  say 'Name: lab' 'Version: 1' 'Release: 1.el7.lab' 'Summary: packages of the lab' 'License: none' '%description' none
  package centos-release 7 /usr/lib/os-release /etc/centos-release
  package httpd "$httpd_version" /usr/sbin/httpd '%config(noreplace) /etc/httpd/conf/httpd.conf' '%config(noreplace) /etc/httpd/conf.d/welcome.conf' \
    /etc/httpd/conf.modules.d/00-base.conf /usr/lib/systemd/system/httpd.service
  package mod_ssl "$httpd_version" /etc/httpd/conf.modules.d/00-ssl.conf
  package php "$php_version" /etc/httpd/conf.modules.d/10-php.conf '%config(noreplace) /etc/httpd/conf.d/php.conf'
  package php-mysqlnd "$php_version"
  package mariadb-server "$mariadb_version" /usr/libexec/mysqld '%config(noreplace) /etc/my.cnf'
  package openssh-server 7.4p1
} > /root/lab.spec
{
  say '%install' 'mkdir -p %{buildroot}'
  sed -n 's#^\(%config(noreplace) \)*\(/[a-z].*\)#cp -a --parents \2 %{buildroot}#p' /root/lab.spec
} > /root/install
cat /root/install >> /root/lab.spec
rpmbuild -bb --quiet --define '__os_install_post %{nil}' --define '_build_id_links none' --define '_binary_payload w1.gzdio' --define 'debug_package %{nil}' /root/lab.spec
rpm -i --force-debian --justdb --nodeps --replacefiles --ignoreos /root/rpmbuild/RPMS/*/*.rpm
rm -rf /root/rpmbuild /root/lab.spec /root/install /usr/bin/rpmbuild
rm -rf /var/lib/dpkg /usr/bin/dpkg* /usr/bin/apt* /etc/apt /var/lib/apt /var/cache/apt /etc/dpkg /etc/apache2 /etc/php /etc/debian* /etc/default/apache2 \
  /usr/sbin/apache2* /usr/sbin/a2* /etc/logrotate.d/apache2 /etc/logrotate.d/dpkg /etc/logrotate.d/apt /etc/cron.daily/dpkg /etc/cron.daily/apt* \
  /var/www/html/index.html /lib/systemd/system/apache2*
systemctl daemon-reload
systemctl enable -q --now httpd
for _ in $(seq 50); do if curl -s -o /dev/null http://127.0.0.1/; then break; else sleep 0.1; fi; done
for name in www exhibition; do curl -sf -H "Host: $name.arts.$DOMAIN" http://127.0.0.1/ > /dev/null; done
curl -skf --resolve "gallery.arts.$DOMAIN:443:127.0.0.1" "https://gallery.arts.$DOMAIN/" > /dev/null

# Like many old hosts: no Python.
rm -f /usr/bin/python3*
