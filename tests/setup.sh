#!/bin/sh
# Make .venv with everything the product and its tests need; as root, install by apt what is missing: python3-venv, dig, PostgreSQL, MariaDB.
set -eu
cd "$(dirname "$0")/.."
if ! python3 -c 'import ensurepip' 2>/dev/null; then
  test "$(id -u)" = 0 || { echo "setup: python3-venv is not installed: ask an admin for apt-get install python3-venv" >&2; exit 2; }
  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi
test -x .venv/bin/python || python3 -m venv .venv
stamp=$(sha256sum pyproject.toml | cut -d' ' -f1)
if test "$(cat .venv/.stamp 2>/dev/null)" != "$stamp"; then .venv/bin/pip install -q -e '.[dev]'; echo "$stamp" > .venv/.stamp; fi
if test "$(id -u)" = 0; then
  missing=
  for need in dig:bind9-dnsutils nsupdate:bind9-dnsutils curl:curl ssh:openssh-client ps:procps busybox:busybox mariadbd:mariadb-server-core \
    mariadb:mariadb-client-core; do
    command -v "${need%:*}" >/dev/null || missing="$missing ${need#*:}"
  done
  # shellcheck disable=SC2086  (a list of packages)
  test -z "$missing" || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
fi
# real servers say what a configuration means (tests/unit/webconfig); their packages must not start them
if test "$(id -u)" = 0 && ! { command -v nginx && command -v apache2 && command -v mksh; } >/dev/null; then
  apt-get update -qq
  kept=; if test -e /usr/sbin/policy-rc.d; then kept=1; else printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light apache2 libapache2-mod-php8.2 mksh openssl >/dev/null
  test -n "$kept" || rm -f /usr/sbin/policy-rc.d
  for unit in nginx apache2; do systemctl disable -q "$unit" 2>/dev/null || true; done
fi
# the catalogue's tests start a PostgreSQL cluster of their own: the package must not start one, too
if test "$(id -u)" = 0 && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
  mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/campus-planner.conf
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
