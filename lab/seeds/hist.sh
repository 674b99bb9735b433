# a real WordPress (Debian's package) on Apache + mod_php + MariaDB, with posts, uploads, permalinks, a cron job and traffic
S=www.hist.$DOMAIN
mysql -e "CREATE DATABASE wp_hist CHARACTER SET utf8mb4; CREATE USER 'wp'@'localhost' IDENTIFIED BY 'hist-Secret-7f3a'; GRANT ALL ON wp_hist.* TO 'wp'@'localhost';"
mkdir -p /srv/www/hist; cp -rL /usr/share/wordpress/. /srv/www/hist/ 2>/dev/null || true
rm -f /srv/www/hist/wp-config.php
cat > /srv/www/hist/wp-config.php <<'X'
<?php
define('DB_NAME', 'wp_hist');
define('DB_USER', 'wp');
define('DB_PASSWORD', 'hist-Secret-7f3a');
define('DB_HOST', 'localhost'); define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', '');
define('WP_HTTP_BLOCK_EXTERNAL', true); define('AUTOMATIC_UPDATER_DISABLED', true); define('DISABLE_WP_CRON', true);
$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
X
cat > /etc/apache2/sites-available/hist.conf <<X
<VirtualHost *:80>
 ServerName $S
 ServerAlias hist.$DOMAIN
 DocumentRoot /srv/www/hist
 CustomLog \${APACHE_LOG_DIR}/hist-access.log combined
 <Directory /srv/www/hist>
  AllowOverride All
  Require all granted
 </Directory>
</VirtualHost>
X
cd /srv/www/hist
SITE=$S php -d error_reporting=0 -r 'define("WP_INSTALLING",true); $_SERVER["HTTP_HOST"]=getenv("SITE"); $_SERVER["SERVER_PROTOCOL"]="HTTP/1.1"; $_SERVER["REQUEST_METHOD"]="GET"; function wp_mail(){return true;}
 require "wp-load.php"; require "wp-admin/includes/upgrade.php"; $u="http://".getenv("SITE");
 wp_install("Department of History","admin","web@hist.test",true,"","admin-Secret-91bc"); update_option("siteurl",$u); update_option("home",$u);
 update_option("permalink_structure","/%year%/%monthnum%/%postname%/"); update_option("widget_text",[2=>["title"=>"Links","text"=>"<a href=\"$u/about/\">关于我们</a> 🎓"]]);
 $files=["plan.txt","年度 报告.txt","map of Žižkov.txt"]; $urls=[];
 foreach($files as $f){ $b=wp_upload_bits("plan.txt",null,str_repeat($f,5000)); $n=dirname($b["file"])."/".$f; if($n!=$b["file"]) rename($b["file"],$n); $urls[]=dirname($b["url"])."/".rawurlencode($f); }
 $t=["Lecture %d — Žižka & 漢字","第%d讲：明清史料选读","Réunion %d 🎓📚"];
 for($i=1;$i<=33;$i++) wp_insert_post(["post_title"=>sprintf($t[$i%3],$i),"post_name"=>"lecture-$i","post_content"=>str_repeat("Notes of lecture $i. 历史学院 ",100)."<a href=\"".$urls[$i%3]."\">file</a>","post_status"=>"publish"]);'
printf '%s\n' '# BEGIN WordPress' '<IfModule mod_rewrite.c>' 'RewriteEngine On' 'RewriteBase /' 'RewriteRule ^index\.php$ - [L]' 'RewriteCond %{REQUEST_FILENAME} !-f' 'RewriteCond %{REQUEST_FILENAME} !-d' 'RewriteRule . /index.php [L]' '</IfModule>' '# END WordPress' > .htaccess
chown -R www-data:www-data /srv/www/hist
echo '17 3 * * * root /usr/local/bin/hist-backup' > /etc/cron.d/hist-backup
a2dissite -q 000-default; a2enmod -q rewrite; a2ensite -q hist; systemctl reload apache2
traffic() { awk -v days="$1" -v per="$2" -v now="$(date +%s)" 'BEGIN { srand(7); split("Mozilla/5.0 (X11; Linux x86_64)|Mozilla/5.0 (Windows NT 10.0; Win64; x64)|Googlebot/2.1 (+http://www.google.com/bot.html)", ua, "|")
  for (d = days; d > 0; d--) for (i = 0; i < per; i++) { t = now - d * 86400 + int(i * 86400 / per); n = 1 + int(rand() * 33); r = rand()
    p = r < .3 ? "/" : r < .9 ? "/2026/11/lecture-" n "/" : "/missing-" n
    printf "203.0.113.%d - - [%s] \"GET %s HTTP/1.1\" %d %d \"-\" \"%s\"\n", 1 + int(rand() * 200), strftime("%d/%b/%Y:%H:%M:%S +0000", t, 1), p, r < .9 ? 200 : 404, 2000 + int(rand() * 9000), ua[1 + int(rand() * 3)] } }' 2>/dev/null \
  || perl -MPOSIX -e 'srand 7; my($days,$per)=@ARGV; my @ua=("Mozilla/5.0 (X11; Linux x86_64)","Mozilla/5.0 (Windows NT 10.0; Win64; x64)","Googlebot/2.1 (+http://www.google.com/bot.html)"); my $now=time;
    for my $d (reverse 1..$days) { for my $i (0..$per-1) { my $t=$now-$d*86400+int($i*86400/$per); my $n=1+int(rand 33); my $r=rand; my $p=$r<.3?"/":$r<.9?"/2026/11/lecture-$n/":"/missing-$n";
    printf "203.0.113.%d - - [%s] \"GET %s HTTP/1.1\" %d %d \"-\" \"%s\"\n", 1+int(rand 200), strftime("%d/%b/%Y:%H:%M:%S +0000",gmtime $t), $p, $r<.9?200:404, 2000+int(rand 9000), $ua[int(rand 3)] } }' "$1" "$2"; }
traffic 30 60 > /var/log/apache2/hist-access.log
traffic 30 40 | gzip > /var/log/apache2/hist-access.log.2.gz
# like many old hosts: no Python
rm -f /usr/bin/python3*
