# The network center's name server: authoritative for $DOMAIN, changed dynamically with a TSIG key, no recursion.
install -d -o bind -g bind /var/lib/bind
if [ ! -f /etc/bind/lab-key.conf ]; then
  tsig-keygen -a hmac-sha256 lab-key > /etc/bind/lab-key.conf
fi
chown root:bind /etc/bind/lab-key.conf
chmod 640 /etc/bind/lab-key.conf

cat > /etc/bind/named.conf.options <<X
options {
  directory "/var/cache/bind";
  recursion no;
  dnssec-validation no;
  listen-on { any; };
  listen-on-v6 { none; };
  allow-transfer { key lab-key; };
};
X
cat > /etc/bind/named.conf.local <<X
include "/etc/bind/lab-key.conf";
zone "$DOMAIN" {
  type primary;
  file "/var/lib/bind/db.$DOMAIN";
  update-policy { grant lab-key zonesub ANY; };
};
X
: > /etc/bind/named.conf.default-zones

# What the departments' sites are called today.  old.phys and never.phys have no address any more; media and alumni.cs never had one.
cat > "/var/lib/bind/db.$DOMAIN" <<X
\$TTL 3600
@ IN SOA ns1.$DOMAIN. hostmaster.$DOMAIN. ( 2026010101 3600 600 86400 60 )
  IN NS ns1.$DOMAIN.
ns1 A $IP
hist A 198.51.100.11
www.hist A 198.51.100.11
phys A 198.51.100.12
www.phys A 198.51.100.12
odd A 198.51.100.14
events.phys A 198.51.100.12
conf2009.phys A 198.51.100.12
lib A 198.51.100.13
www.lib A 198.51.100.13
opac.lib A 198.51.100.13
catalogue.lib A 198.51.100.13
rooms.lib A 198.51.100.13
news.lib A 198.51.100.13
exhibits.lib A 198.51.100.13
arts A 198.51.100.15
www.arts A 198.51.100.15
gallery.arts A 198.51.100.15
exhibition.arts A 198.51.100.15
archives A 198.51.100.36
www.archives A 198.51.100.36
wiki.archives A 198.51.100.16
tools.archives A 198.51.100.16
people A 198.51.100.16
clubs A 198.51.100.16
*.clubs A 198.51.100.16
law A 198.51.100.16
geo A 198.51.100.16
alumni A 198.51.100.16
pay A 198.51.100.16
thesis A 198.51.100.16
blogs A 198.51.100.16
cs A 198.51.100.17
www.cs A 198.51.100.17
labs.cs A 198.51.100.17
judge.cs A 198.51.100.17
www.math A 198.51.100.18
seminar.math A 198.51.100.18
notes.math A 198.51.100.18
bio A 198.51.100.19
www.bio A 198.51.100.19
herbarium.bio A 198.51.100.19
med A 198.51.100.20
www.med A 198.51.100.20
X
chown bind:bind "/var/lib/bind/db.$DOMAIN"
systemctl restart named
