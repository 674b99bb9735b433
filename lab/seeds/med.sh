# Medicine: WordPress on Apache, over HTTPS only, its chain in a file of its own.
site=www.med.$DOMAIN
root=/srv/www/med
mysql <<'X'
CREATE DATABASE wp_med CHARACTER SET utf8mb4;
CREATE USER 'wpmed'@'localhost' IDENTIFIED BY 'med-Secret-3c8d';
GRANT ALL ON wp_med.* TO 'wpmed'@'localhost';
X
mkdir -p $root
cp -rL /usr/share/wordpress/. $root/ 2>/dev/null || true # some links lead to packages that are not there
rm -f $root/wp-config.php
cat > $root/wp-config.php <<'X'
<?php
define('DB_NAME', 'wp_med');
define('DB_USER', 'wpmed');
define('DB_PASSWORD', 'med-Secret-3c8d');
define('DB_HOST', 'localhost'); define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', '');
define('WP_HTTP_BLOCK_EXTERNAL', true); define('AUTOMATIC_UPDATER_DISABLED', true); define('DISABLE_WP_CRON', true);
define('FORCE_SSL_ADMIN', true);
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
cat > /root/fill.php <<'X'
<?php
define('WP_INSTALLING', true);
$_SERVER['HTTP_HOST'] = getenv('SITE');
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['HTTPS'] = 'on';
function wp_mail() { return true; }
require 'wp-load.php';
require 'wp-admin/includes/upgrade.php';
$url = 'https://' . getenv('SITE');
define('WP_SITEURL', $url);
wp_install('School of Medicine', 'admin', 'web@med.test', true, '', 'admin-Secret-a07e');
update_option('siteurl', $url);
update_option('home', $url);
update_option('permalink_structure', '/%year%/%monthnum%/%postname%/');
for ($i = 1; $i <= 9; $i++) {
  wp_insert_post([
    'post_title' => "Ward round $i 查房",
    'post_name' => "round-$i",
    'post_content' => str_repeat("Notes $i. 医学院 ", 60),
    'post_status' => 'publish',
    'post_date' => gmdate('Y-m-d H:i:s', time() - 60 * (20 - $i)),
  ]);
}
X
cd $root
SITE=$site php -d error_reporting=0 -d auto_prepend_file= /root/fill.php
rm /root/fill.php
chown -R www-data:www-data $root

# ---- a root, what it issued, and what that issued ----
ca=/root/ca
mkdir -p $ca
chmod 700 $ca
key() { openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1" 2>/dev/null; }
issue() { # NAME OF THE ISSUER, EXTENSIONS, DAYS, OUT
  printf '%s\n' "$2" > $ca/ext
  openssl x509 -req -in $ca/csr -CA $ca/$1.crt -CAkey $ca/$1.key -set_serial "0x$(openssl rand -hex 16)" -days "$3" -sha256 -extfile $ca/ext -out "$4" 2>/dev/null
}
key $ca/root.key
openssl req -x509 -new -key $ca/root.key -subj "/O=Campus/CN=Hospital Root" -days 3650 -out $ca/root.crt
key $ca/issuing.key
openssl req -new -key $ca/issuing.key -subj "/O=Campus/CN=Hospital Issuing" -out $ca/csr
issue root 'basicConstraints=critical,CA:TRUE' 1800 /etc/ssl/certs/med-chain.pem
cp /etc/ssl/certs/med-chain.pem $ca/issuing.crt
key /etc/ssl/private/med.key
openssl req -new -key /etc/ssl/private/med.key -subj "/O=Campus/CN=$site" -out $ca/csr
issue issuing "subjectAltName=DNS:$site,DNS:med.$DOMAIN" 300 /etc/ssl/certs/med.crt
cp $ca/root.crt /etc/ssl/certs/med-root.crt
chmod 600 /etc/ssl/private/med.key
rm -r $ca

cat > /etc/apache2/sites-available/med.conf <<X
<VirtualHost *:80>
 ServerName $site
 ServerAlias med.$DOMAIN
 Redirect permanent / https://$site/
</VirtualHost>
<VirtualHost *:443>
 ServerName $site
 ServerAlias med.$DOMAIN
 DocumentRoot $root
 CustomLog \${APACHE_LOG_DIR}/med-access.log combined
 SSLEngine on
 SSLCertificateFile /etc/ssl/certs/med.crt
 SSLCertificateKeyFile /etc/ssl/private/med.key
 SSLCertificateChainFile /etc/ssl/certs/med-chain.pem
 Header always set Strict-Transport-Security "max-age=86400"
 <Directory $root>
  AllowOverride All
  Require all granted
 </Directory>
</VirtualHost>
X
a2dissite -q 000-default
a2enmod -q rewrite ssl headers
a2ensite -q med
systemctl restart apache2
curl -sf --cacert /etc/ssl/certs/med-root.crt --resolve "$site:443:127.0.0.1" "https://$site/" | grep -q 'School of Medicine'

# Like many old hosts: no Python.
rm -f /usr/bin/python3*
