# Biology: two static sites over HTTPS with nginx; one with a certificate that an authority of the campus issued, one with its own.
page() { # TITLE BODY
  printf '<!DOCTYPE html><html><head><meta charset="utf-8"><title>%s</title></head><body><h1>%s</h1>%s</body></html>\n' "$1" "$1" "$2"
}
root=/var/www/bio
flora=/var/www/herbarium
mkdir -p $root/species $flora
list=""
for n in $(seq 40); do
  page "Species $n 物种" "<p>记录 $n</p><a href=\"/species/$((n % 40 + 1)).html\">next</a>" > $root/species/$n.html
  list="$list<li><a href=\"/species/$n.html\">$n</a></li>"
done
page "School of Biology 生物学院" "<ul>$list</ul>" > $root/index.html
page "Herbarium 标本馆" "<a href=\"/sheets.html\">sheets</a>" > $flora/index.html
page "Sheets 标本" "none is scanned" > $flora/sheets.html

# ---- a root, what it issued, and what that issued: only the root's certificate stays, for those who want to check ----
tls=/etc/nginx/tls
ca=/root/ca
mkdir -p $tls $ca
chmod 700 $ca
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$1" 2>/dev/null; }
request() { openssl req -new -key "$1" -subj "$2" -out $ca/csr; }
issue() { # NAME OF THE ISSUER, EXTENSIONS, DAYS, OUT
  printf '%s\n' "$2" > $ca/ext
  openssl x509 -req -in $ca/csr -CA $ca/$1.crt -CAkey $ca/$1.key -set_serial "0x$(openssl rand -hex 16)" -days "$3" -sha256 -extfile $ca/ext -out "$4" 2>/dev/null
}
key $ca/root.key
openssl req -x509 -new -key $ca/root.key -subj "/O=Campus/CN=Campus Root" -days 3650 -out $ca/root.crt
key $ca/issuing.key
request $ca/issuing.key "/O=Campus/CN=Campus Issuing"
issue root 'basicConstraints=critical,CA:TRUE,pathlen:0' 1800 $ca/issuing.crt
key $tls/bio.key
request $tls/bio.key "/O=Campus/CN=bio.$DOMAIN"
issue issuing "subjectAltName=DNS:bio.$DOMAIN,DNS:*.bio.$DOMAIN" 300 $ca/bio.crt
cat $ca/bio.crt $ca/issuing.crt > $tls/bio.pem
cp $ca/root.crt $tls/root.crt
openssl req -x509 -newkey rsa:2048 -nodes -days 900 -subj "/CN=localhost" -keyout $tls/herbarium.key -out $tls/herbarium.crt 2>/dev/null
chmod 600 $tls/*.key
rm -r $ca

# ---- www.bio by HTTPS only, and browsers are told to remember that; herbarium by both ----
cat > /etc/nginx/sites-available/bio <<X
server { listen 80; server_name www.bio.$DOMAIN bio.$DOMAIN; return 301 https://\$host\$request_uri; }
server {
  listen 443 ssl http2; server_name www.bio.$DOMAIN bio.$DOMAIN; root $root; index index.html; access_log /var/log/nginx/bio.log;
  ssl_certificate $tls/bio.pem; ssl_certificate_key $tls/bio.key;
  add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;
}
server {
  listen 80; listen 443 ssl; server_name herbarium.bio.$DOMAIN; root $flora; index index.html;
  ssl_certificate $tls/herbarium.crt; ssl_certificate_key $tls/herbarium.key;
}
X
rm -f /etc/nginx/sites-enabled/default
ln -s ../sites-available/bio /etc/nginx/sites-enabled/
systemctl reload nginx
curl -sf --retry 5 --retry-connrefused --retry-delay 1 --cacert $tls/root.crt --resolve "www.bio.$DOMAIN:443:127.0.0.1" "https://www.bio.$DOMAIN/species/7.html" > /dev/null
curl -skf --retry 5 --retry-connrefused --retry-delay 1 --resolve "herbarium.bio.$DOMAIN:443:127.0.0.1" "https://herbarium.bio.$DOMAIN/sheets.html" > /dev/null

# Like many old hosts: no Python.
rm -f /usr/bin/python3*
