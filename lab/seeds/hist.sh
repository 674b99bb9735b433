# History: a real WordPress (Debian's package) on Apache, mod_php and MariaDB, with posts, uploads, permalinks, a cron job and traffic.
site=www.hist.$DOMAIN
root=/srv/www/hist

# ---- database ----
mysql <<'X'
CREATE DATABASE wp_hist CHARACTER SET utf8mb4;
CREATE USER 'wp'@'localhost' IDENTIFIED BY 'hist-Secret-7f3a';
GRANT ALL ON wp_hist.* TO 'wp'@'localhost';
X

# ---- files: a copy, as from a download; Debian's own links would lead out of the docroot ----
mkdir -p $root
cp -rL /usr/share/wordpress/. $root/ 2>/dev/null || true # some links lead to packages that are not there
rm -f $root/wp-config.php
cat > $root/wp-config.php <<'X'
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
cat > $root/.htaccess <<'X'
# BEGIN WordPress
<IfModule mod_rewrite.c>
RewriteEngine On
RewriteBase /
RewriteRule ^index\.php$ - [L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule . /index.php [L]
</IfModule>
# END WordPress
X

# ---- content, by WordPress' own functions: 33 posts, uploads with spaces and Chinese names, the site's URL in serialized options ----
cat > /root/fill.php <<'X'
<?php
define('WP_INSTALLING', true);
$_SERVER['HTTP_HOST'] = getenv('SITE');
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REQUEST_METHOD'] = 'GET';
function wp_mail() { return true; }
require 'wp-load.php';
require 'wp-admin/includes/upgrade.php';

$url = 'http://' . getenv('SITE');
define('WP_SITEURL', $url); // or WordPress guesses from how this script was called
wp_install('Department of History', 'admin', 'web@hist.test', true, '', 'admin-Secret-91bc');
update_option('siteurl', $url);
update_option('home', $url);
update_option('permalink_structure', '/%year%/%monthnum%/%postname%/');
// A serialized array: replacing the URL in it as text, by one of another length, breaks it.
update_option('widget_text', [2 => ['title' => 'Links', 'text' => "<a href=\"$url/about/\">关于我们</a> 🎓"]]);

$urls = [];
foreach (['plan.txt', '年度 报告.txt', 'map of Žižkov.txt'] as $name) {
  $upload = wp_upload_bits('plan.txt', null, str_repeat($name, 5000)); // WordPress would clean the name: renamed afterwards, as by FTP
  $path = dirname($upload['file']) . '/' . $name;
  if ($path != $upload['file']) rename($upload['file'], $path);
  $urls[] = dirname($upload['url']) . '/' . rawurlencode($name);
}
$titles = ['Lecture %d — Žižka & 漢字', '第%d讲：明清史料选读', 'Réunion %d 🎓📚'];
for ($i = 1; $i <= 33; $i++) {
  wp_insert_post([
    'post_title' => sprintf($titles[$i % 3], $i),
    'post_name' => "lecture-$i",
    'post_content' => str_repeat("Notes of lecture $i. 历史学院 ", 100) . '<a href="' . $urls[$i % 3] . '">file</a>',
    'post_status' => 'publish',
    'post_date' => gmdate('Y-m-d H:i:s', time() - 60 * (40 - $i)), // one a minute: of posts of one second, the order on a page is chance
  ]);
}
X
cd $root
SITE=$site php -d error_reporting=0 -d auto_prepend_file= /root/fill.php
rm /root/fill.php
chown -R www-data:www-data $root

# ---- web server ----
cat > /etc/apache2/sites-available/hist.conf <<X
<VirtualHost *:80>
 ServerName $site
 ServerAlias hist.$DOMAIN
 DocumentRoot $root
 CustomLog \${APACHE_LOG_DIR}/hist-access.log combined
 <Directory $root>
  AllowOverride All
  Require all granted
 </Directory>
</VirtualHost>
X
a2dissite -q 000-default
a2enmod -q rewrite
a2ensite -q hist
systemctl reload apache2

# ---- a cron job, whose program somebody removed ----
echo '17 3 * * * root /usr/local/bin/hist-backup' > /etc/cron.d/hist-backup

# ---- traffic: 30 days, a current log and a rotated one; the same requests each time ----
traffic() { # REQUESTS-PER-DAY
  perl -MPOSIX -e '
    srand 7;
    my $per = shift;
    my @agents = ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
                  "Googlebot/2.1 (+http://www.google.com/bot.html)");
    my $now = time;
    my $month = strftime("%Y/%m", gmtime $now); # as in the posts just made
    for my $day (reverse 1 .. 30) {
      for my $i (0 .. $per - 1) {
        my $at = $now - $day * 86400 + int($i * 86400 / $per);
        my $n = 1 + int(rand 33);
        my $dice = rand;
        my $path = $dice < .3 ? "/" : $dice < .9 ? "/$month/lecture-$n/" : "/missing-$n";
        printf "203.0.113.%d - - [%s] \"GET %s HTTP/1.1\" %d %d \"-\" \"%s\"\n", 1 + int(rand 200),
          strftime("%d/%b/%Y:%H:%M:%S +0000", gmtime $at), $path, $dice < .9 ? 200 : 404, 2000 + int(rand 9000), $agents[int(rand 3)];
      }
    }' "$1"
}
traffic 60 > /var/log/apache2/hist-access.log
traffic 40 | gzip > /var/log/apache2/hist-access.log.2.gz

# Like many old hosts: no Python.
rm -f /usr/bin/python3*
