# Computer Science: podman's containers behind nginx, one of them published by itself, one with its files inside its image, one that stopped;
# and a plain site beside them.  The image is made here from this machine's own nginx: there is no registry to pull from.
say() { printf '%s\n' "$@"; }
page() { # TITLE BODY
  printf '<!DOCTYPE html><html><head><meta charset="utf-8"><title>%s</title></head><body><h1>%s</h1>%s</body></html>\n' "$1" "$1" "$2"
}

# A service of podman's would answer for some seconds after a start, for nobody.
systemctl disable -q --now podman.service podman.socket podman-auto-update.timer podman-restart.service 2>/dev/null

# ---- an image of 10 MB: nginx, a shell and their libraries ----
rootfs=/root/rootfs
mkdir -p $rootfs/{etc,run,tmp,root,var/log/nginx,var/lib/nginx,usr/share/nginx/html}
for program in /usr/sbin/nginx /bin/sh; do
  for file in $program $(ldd $program | grep -o '/[^ ]*'); do
    mkdir -p "$rootfs$(dirname "$file")"
    cp -L "$file" "$rootfs$file"
  done
done
cp -r /etc/nginx $rootfs/etc/
rm -rf $rootfs/etc/nginx/modules-enabled/* $rootfs/etc/nginx/sites-*/*
cp -L /etc/os-release $rootfs/etc/
say root:x:0:0:root:/root:/bin/sh www-data:x:33:33::/var/www:/bin/sh > $rootfs/etc/passwd
say root:x:0: www-data:x:33: > $rootfs/etc/group
sed -i 's/^\(daemon\|pid\) .*//' $rootfs/etc/nginx/nginx.conf
sed -i '1i daemon off; pid /run/nginx.pid;' $rootfs/etc/nginx/nginx.conf
say 'server { listen 80 default_server; server_name _; root /usr/share/nginx/html; access_log /var/log/nginx/site.log; }' > $rootfs/etc/nginx/conf.d/site.conf
page 'Empty' 'nothing here' > $rootfs/usr/share/nginx/html/index.html
tar c -C $rootfs . | podman import -q -c 'CMD ["/usr/sbin/nginx"]' -c 'EXPOSE 80' - localhost/web:1.22 > /dev/null
# the same with a site inside, as somebody built it and never published how
page 'Teaching labs 实验教学' '<a href="/lab1.html">1</a>' > $rootfs/usr/share/nginx/html/index.html
for n in 1 2 3 4 5 6; do page "Lab $n" "sheet $n" > $rootfs/usr/share/nginx/html/lab$n.html; done
say 'server { listen 80; server_name labs.cs.campus.test; root /usr/share/nginx/html; }' > $rootfs/etc/nginx/conf.d/site.conf
tar c -C $rootfs . | podman import -q -c 'CMD ["/usr/sbin/nginx"]' - localhost/labs:2023 > /dev/null
rm -r $rootfs

# ---- the sites' files on the host ----
for name in www judge alumni; do mkdir -p /srv/cs/$name; done
page 'Computer Science 计算机学院' '<a href="/staff.html">staff</a>' > /srv/cs/www/index.html
page 'Staff' 'names' > /srv/cs/www/staff.html
page 'Online judge' 'problems' > /srv/cs/judge/index.html
for n in $(seq 30); do page "Problem $n" "sum of $n numbers" > /srv/cs/judge/p$n.html; done
page 'Alumni of CS' 'list' > /srv/cs/alumni/index.html

# ---- containers, each a service.  A lab host may not make devices, keyrings or limits: containers get a user namespace, so that crun takes
# the devices that are there, and neither keyrings nor cgroups of their own ----
say '[containers]' 'keyring = false' > /etc/containers/containers.conf
container() { # NAME PORT IMAGE OPTION…
  local name=$1 port=$2 image=$3
  shift 3
  cat > /etc/systemd/system/container-$name.service <<X
[Unit]
Description=Podman container-$name.service
Wants=network-online.target
RequiresMountsFor=/run/containers/storage
[Service]
ExecStartPre=-/usr/bin/podman rm -f --ignore $name
ExecStart=/usr/bin/podman run --rm --name $name --cgroups=disabled --uidmap 0:0:65536 --network slirp4netns:port_handler=slirp4netns -p $port:80 $* $image
ExecStop=/usr/bin/podman stop -t 2 $name
KillMode=mixed
[Install]
WantedBy=multi-user.target
X
}
container web 127.0.0.1:8081 localhost/web:1.22 -v /srv/cs/www:/usr/share/nginx/html:ro
container labs 127.0.0.1:8082 localhost/labs:2023 -e LABS_DB_PASSWORD=pods-Secret-8d21
container judge 8083 localhost/web:1.22 -v /srv/cs/judge:/usr/share/nginx/html:ro --label unit=cs
systemctl daemon-reload
systemctl enable -q --now container-web container-labs container-judge
podman create -q --name survey --network none -e SURVEY_TOKEN=pods-Secret-31f0 localhost/web:1.22 > /dev/null # made once, and never run again

# ---- nginx of the host ----
cat > /etc/nginx/sites-available/cs <<X
server { listen 80; server_name www.cs.$DOMAIN cs.$DOMAIN; location / { proxy_pass http://127.0.0.1:8081; proxy_set_header Host \$host; } }
server { listen 80; server_name labs.cs.$DOMAIN; location / { proxy_pass http://localhost:8082/; } }
server { listen 80; server_name alumni.cs.$DOMAIN; root /srv/cs/alumni; }
server { listen 80; server_name grades.cs.$DOMAIN; location / { proxy_pass http://127.0.0.1:8089; } } # nothing answers there any more
X
rm -f /etc/nginx/sites-enabled/default
ln -s ../sites-available/cs /etc/nginx/sites-enabled/
nginx -t 2>/dev/null
systemctl reload nginx

for line in 'www.cs 80 Computer' 'labs.cs 80 Teaching' 'judge.cs 8083 Online' 'alumni.cs 80 Alumni'; do
  read -r name port text <<< "$line"
  for _ in $(seq 50); do
    if curl -s -H "Host: $name.$DOMAIN" "http://$IP:$port/" | grep "$text" > /dev/null; then continue 2; fi
    sleep 0.1
  done
  echo "$name does not say $text" >&2
  exit 1
done
