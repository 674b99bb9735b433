# Hostile text wherever nginx lets it stand: a server name, a docroot, file names, a title.
# Whoever treats it as a template or as shell creates /tmp/x.
docroot="/var/www/{{ lookup('pipe','touch /tmp/x') }} \"q\"; echo"
mkdir -p "$docroot"
printf '<!DOCTYPE html><meta charset="utf-8"><title><script>alert(1)</script></title><p>odd</p>\n' > "$docroot/index.html"
printf x > "$docroot/a
b \$(touch x) {{ 1+1 }}.txt"

cat > /etc/nginx/sites-available/odd <<'X'
server { listen 80; server_name odd.campus.test "{{ lookup('pipe','touch /tmp/x') }}"; root "/var/www/{{ lookup('pipe','touch /tmp/x') }} \"q\"; echo"; }
X
rm -f /etc/nginx/sites-enabled/default
ln -s ../sites-available/odd /etc/nginx/sites-enabled/
nginx -t
systemctl reload nginx

# Like many old hosts: no Python.
rm -f /usr/bin/python3*
