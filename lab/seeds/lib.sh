# Library: nginx before four programs of different kinds.  Tomcat 10 with two hosts of its own and PostgreSQL, Flask with SQLite behind
# gunicorn, Node; Redis beside them.  One static site is in nobody's list, and one Tomcat host shows the distribution's own page.
base=/srv/lib
mkdir -p $base

page() { # TITLE BODY
  printf '<!DOCTYPE html><html><head><meta charset="utf-8"><title>%s</title></head><body><h1>%s</h1>%s</body></html>\n' "$1" "$1" "$2"
}

# ---- PostgreSQL: a catalogue of 3000 books and 6000 loans, owned by a role that nobody logs in as ----
as_postgres() { su -s /bin/sh postgres -c "psql -q -v ON_ERROR_STOP=1 $1"; }
as_postgres "" <<'X'
CREATE ROLE library NOLOGIN;
CREATE ROLE opac LOGIN PASSWORD 'lib-Secret-4c1d';
CREATE ROLE desk LOGIN PASSWORD 'lib-Secret-77aa';
CREATE DATABASE catalogue OWNER library ENCODING 'UTF8' TEMPLATE template0;
CREATE DATABASE catalogue_old OWNER library; -- the one before the last migration; nothing reads it
X
as_postgres catalogue <<'X'
CREATE EXTENSION pg_trgm;
CREATE EXTENSION unaccent;
SET ROLE library;
CREATE TABLE author (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE book (
  id serial PRIMARY KEY, author int NOT NULL REFERENCES author, title text NOT NULL, year int CHECK (year < 2100), added timestamptz DEFAULT now()
);
CREATE SCHEMA circulation;
CREATE TABLE circulation.loan (id bigserial PRIMARY KEY, book int NOT NULL REFERENCES book, reader text, due date);
INSERT INTO author(name) SELECT (ARRAY['司马迁', 'Žižek', 'Ørsted', '李时珍', 'Noether'])[i % 5 + 1] || ' ' || i FROM generate_series(1, 300) i;
INSERT INTO book(author, title, year)
  SELECT i % 300 + 1, (ARRAY['史记', 'Réunion', 'Treatise', '本草纲目'])[i % 4 + 1] || ', vol. ' || i, 1900 + i % 120 FROM generate_series(1, 3000) i;
INSERT INTO circulation.loan(book, reader, due) SELECT i % 3000 + 1, 'reader ' || i % 500, date '2026-01-01' + i % 300 FROM generate_series(1, 6000) i;
CREATE INDEX book_title ON book USING gin (title gin_trgm_ops);
CREATE VIEW newest AS SELECT b.id, b.title, a.name FROM book b JOIN author a ON a.id = b.author ORDER BY b.id DESC LIMIT 20;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.added := now(); RETURN NEW; END $$;
CREATE TRIGGER stamped BEFORE UPDATE ON book FOR EACH ROW EXECUTE FUNCTION stamp();
GRANT USAGE ON SCHEMA circulation TO opac, desk;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO opac;
GRANT SELECT, INSERT ON circulation.loan TO desk;
RESET ROLE;
ANALYZE;
X

# ---- Tomcat: www.lib by its folder in appBase, opac.lib by a context file outside of appBase ----
www=$base/webapps/ROOT
opac=$base/opac
mkdir -p $www/WEB-INF $opac/WEB-INF $base/empty
cat > $www/index.jsp <<'X'
<%@ page contentType="text/html; charset=UTF-8" %><!DOCTYPE html><html><head><meta charset="utf-8"><title>University Library 图书馆</title></head>
<body><h1>University Library 图书馆</h1><p>Open today until <%= 8 + 14 %>:00.</p></body></html>
X
for app in $www $opac; do
  cat > $app/WEB-INF/web.xml <<'X'
<?xml version="1.0" encoding="UTF-8"?>
<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="6.0"><display-name>NAME</display-name></web-app>
X
done
sed -i 's/NAME/Library home page/' $www/WEB-INF/web.xml
sed -i 's/NAME/Library catalogue/' $opac/WEB-INF/web.xml
cat > $opac/index.jsp <<'X'
<%@ page contentType="text/html; charset=UTF-8" import="java.sql.*,javax.naming.InitialContext,javax.sql.DataSource" %><!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Catalogue 馆藏目录</title></head><body><h1>Catalogue 馆藏目录</h1><ul><%
DataSource source = (DataSource) new InitialContext().lookup("java:comp/env/jdbc/catalogue");
try (Connection c = source.getConnection(); ResultSet r = c.createStatement().executeQuery("SELECT title, name FROM newest")) {
  while (r.next()) out.println("<li>" + r.getString(1) + " / " + r.getString(2) + "</li>");
}
%></ul></body></html>
X
mkdir -p /etc/tomcat10/Catalina/opac.lib.$DOMAIN
cat > /etc/tomcat10/Catalina/opac.lib.$DOMAIN/ROOT.xml <<X
<?xml version="1.0" encoding="UTF-8"?>
<Context docBase="$opac" reloadable="false">
  <Resource name="jdbc/catalogue" auth="Container" type="javax.sql.DataSource" driverClassName="org.postgresql.Driver"
            url="jdbc:postgresql://127.0.0.1:5432/catalogue" username="opac" password="lib-Secret-4c1d" maxTotal="5"/>
</Context>
X
chmod 640 /etc/tomcat10/Catalina/opac.lib.$DOMAIN/ROOT.xml
chgrp -R tomcat /etc/tomcat10/Catalina
ln -s ../../java/postgresql.jar /usr/share/tomcat10/lib/postgresql.jar
server=/etc/tomcat10/server.xml
sed -i '/<\/Engine>/,$d' $server
cat >> $server <<X
      <Host name="www.lib.$DOMAIN" appBase="$base/webapps" unpackWARs="true" autoDeploy="false">
        <Alias>lib.$DOMAIN</Alias>
      </Host>
      <!-- <Host name="test.lib.$DOMAIN" appBase="$base/test"/> -->
      <Host name="opac.lib.$DOMAIN" appBase="$base/empty" autoDeploy="false">
        <Alias>catalogue.lib.$DOMAIN</Alias>
        <Valve className="org.apache.catalina.valves.AccessLogValve" directory="logs" prefix="opac" suffix=".log" pattern="combined"/>
      </Host>
    </Engine>
  </Service>
</Server>
X
echo 'JAVA_OPTS="-Djava.awt.headless=true -Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"' > /etc/default/tomcat10
systemctl restart tomcat10

# ---- Flask behind gunicorn, with SQLite; sessions in Redis ----
rooms=$base/rooms
useradd --system --home-dir $rooms --shell /usr/sbin/nologin rooms
mkdir -p $rooms/instance
printf 'Flask==2.2.2\ngunicorn==20.1.0\n' > $rooms/requirements.txt
cat > $rooms/app.py <<'X'
"""Reading rooms and who booked them."""
import sqlite3
from flask import Flask

app = Flask(__name__)
app.config["SECRET_KEY"] = "lib-Secret-9e02"
DATABASE = "/srv/lib/rooms/instance/rooms.db"


@app.route("/")
def index():
    with sqlite3.connect(DATABASE) as book:
        rows = book.execute("SELECT name, seats FROM room ORDER BY name").fetchall()
    items = "".join(f"<li>{name}: {seats}</li>" for name, seats in rows)
    return f'<!DOCTYPE html><meta charset="utf-8"><title>Reading rooms 阅览室</title><ul>{items}</ul>'
X
python3 - <<'X'
import sqlite3
with sqlite3.connect("/srv/lib/rooms/instance/rooms.db") as book:
    book.execute("CREATE TABLE room (name TEXT PRIMARY KEY, seats INT)")
    book.execute("CREATE TABLE booking (id INTEGER PRIMARY KEY, room TEXT, at TEXT)")
    book.executemany("INSERT INTO room VALUES (?, ?)", [(f"Room {n}", n * 4) for n in range(1, 21)])
    book.executemany("INSERT INTO booking(room, at) VALUES (?, ?)", [(f"Room {n % 20 + 1}", f"2026-03-{n % 28 + 1:02}") for n in range(400)])
X
chown -R rooms:rooms $rooms
cat > /etc/systemd/system/rooms.service <<X
[Unit]
Description=Reading rooms
After=network.target
[Service]
User=rooms
WorkingDirectory=$rooms
ExecStart=/usr/bin/gunicorn --workers 1 --bind 127.0.0.1:8001 app:app
[Install]
WantedBy=multi-user.target
X

# ---- Node, without any package from npm ----
news=$base/news
useradd --system --home-dir $news --shell /usr/sbin/nologin news-site
mkdir -p $news/data
printf '{\n  "name": "library-news",\n  "version": "1.4.0",\n  "private": true,\n  "scripts": {"start": "node server.js"},\n  "engines": {"node": ">=18"}\n}\n' \
  > $news/package.json
cat > $news/server.js <<'X'
const fs = require('fs');
const http = require('http');
const news = JSON.parse(fs.readFileSync(__dirname + '/data/news.json', 'utf8'));
http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end('<!DOCTYPE html><title>Library news 新闻</title><ul>' + news.map(item => `<li>${item}</li>`).join('') + '</ul>');
}).listen(Number(process.env.PORT), '127.0.0.1');
X
echo '["New reading room", "开馆时间调整", "Inventory in July"]' > $news/data/news.json
printf 'PORT=3000\nAPI_TOKEN=lib-Secret-b3f8\n' > $news/.env
chown -R news-site: $news
chmod 600 $news/.env
cat > /etc/systemd/system/news.service <<X
[Unit]
Description=Library news
After=network.target
[Service]
User=news-site
WorkingDirectory=$news
EnvironmentFile=$news/.env
ExecStart=/usr/bin/node server.js
[Install]
WantedBy=multi-user.target
X
systemctl daemon-reload
systemctl enable -q --now rooms news

# ---- Redis ----
sed -i 's/^# requirepass .*/requirepass lib-Secret-e5d7/; s/^bind .*/bind 127.0.0.1/' /etc/redis/redis.conf
systemctl restart redis-server

# ---- a static site that nobody declared ----
mkdir -p $base/exhibits
for n in 1 2 3 4; do page "Exhibit $n 展览" "<p>No. $n</p>" > $base/exhibits/$n.html; done
page "Exhibits 展览" '<a href="/1.html">1</a>' > $base/exhibits/index.html

# ---- nginx before all of them; TLS for the home page only ----
mkdir -p /etc/ssl/lib
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 900 -subj "/O=Campus/CN=www.lib.$DOMAIN" \
  -addext "subjectAltName=DNS:www.lib.$DOMAIN,DNS:lib.$DOMAIN" -keyout /etc/ssl/lib/www.key -out /etc/ssl/lib/www.crt 2>/dev/null
chmod 600 /etc/ssl/lib/www.key
cat > /etc/nginx/conf.d/upstreams.conf <<'X'
upstream tomcat { server 127.0.0.1:8080; keepalive 4; }
proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
X
cat > /etc/nginx/sites-available/lib <<X
server { listen 80; server_name www.lib.$DOMAIN lib.$DOMAIN; return 301 https://www.lib.$DOMAIN\$request_uri; }
server {
  listen 443 ssl; server_name www.lib.$DOMAIN lib.$DOMAIN;
  ssl_certificate /etc/ssl/lib/www.crt; ssl_certificate_key /etc/ssl/lib/www.key;
  access_log /var/log/nginx/www.lib.log;
  location / { proxy_pass http://tomcat; }
}
server {
  listen 80; server_name opac.lib.$DOMAIN catalogue.lib.$DOMAIN; access_log /var/log/nginx/opac.log;
  location / { proxy_pass http://tomcat; }
}
server { listen 80; server_name rooms.lib.$DOMAIN; location / { proxy_pass http://127.0.0.1:8001; } }
server { listen 80; server_name news.lib.$DOMAIN; location / { set \$port 3000; proxy_pass http://127.0.0.1:\$port; } }
server { listen 80; server_name exhibits.lib.$DOMAIN; root $base/exhibits; }
X
rm -f /etc/nginx/sites-enabled/default
ln -s ../sites-available/lib /etc/nginx/sites-enabled/
nginx -t 2>/dev/null
systemctl reload nginx

# ---- a job of postgres' own, and one in /etc/cron.d ----
echo '30 2 * * * pg_dump -Fc catalogue > /var/lib/postgresql/catalogue.dump' | crontab -u postgres -
echo '5 4 * * 0 rooms sqlite3 /srv/lib/rooms/instance/rooms.db vacuum' > /etc/cron.d/rooms

# ---- all of it answers; Tomcat translates its pages meanwhile ----
seen() { # HOST-AND-SCHEME TEXT
  for _ in $(seq 150); do
    if curl -sk --resolve "*:80:127.0.0.1" --resolve "*:443:127.0.0.1" "$1/" 2>/dev/null | grep -q "$2"; then return; fi
    sleep 0.2
  done
  echo "$1 does not say $2" >&2
  return 1
}
seen "https://www.lib.$DOMAIN" 'until 22:00'
seen "http://opac.lib.$DOMAIN" '<li>'
seen "http://rooms.lib.$DOMAIN" 'Room 20: 80'
seen "http://news.lib.$DOMAIN" 'Inventory in July'

# Somebody switched PostgreSQL's housekeeping off, as one finds: what changes on its disk from now on, a visitor changed.
as_postgres "-c 'ALTER SYSTEM SET autovacuum = off'"
su -s /bin/sh postgres -c 'vacuumdb -q --all --freeze --analyze'
systemctl reload postgresql
for name in postgres template1 catalogue_old catalogue; do as_postgres "-d $name -c 'SELECT 1'" > /dev/null; done
as_postgres "-c CHECKPOINT"
