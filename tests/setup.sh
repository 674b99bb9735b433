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
  # programs that tests run by themselves, as servers of their own: their packages must not start services, now or at the next boot
  missing=
  for need in dig:bind9-dnsutils nsupdate:bind9-dnsutils curl:curl ssh:openssh-client sshd:openssh-server ps:procps busybox:busybox openssl:openssl \
    tcsh:tcsh fish:fish mksh:mksh gawk:gawk sudo:sudo mariadbd:mariadb-server-core mariadb:mariadb-client-core nginx:nginx-light \
    apache2:apache2 rsync:rsync; do
    command -v "${need%:*}" >/dev/null || missing="$missing ${need#*:}"
  done
  ls /usr/lib/apache2/modules/libphp*.so >/dev/null 2>&1 || missing="$missing libapache2-mod-php8.2"
  if test -n "$missing"; then
    policy=/usr/sbin/policy-rc.d; test -e $policy && policy=
    test -z "$policy" || { printf '#!/bin/sh\nexit 101\n' > $policy; chmod 755 $policy; }
    apt-get update -qq
    # shellcheck disable=SC2086  (a list of packages)
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null || { rm -f "$policy"; exit 1; }
    rm -f "$policy"
    for unit in ssh.service ssh.socket nginx apache2; do systemctl disable --quiet $unit 2>/dev/null || true; done
  fi
fi
# the catalogue's tests start a PostgreSQL cluster of their own: the package must not start one, too
if test "$(id -u)" = 0 && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
  mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/campus-planner.conf
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
