#!/bin/sh
# Make .venv with everything the product and its tests need; as root, install by apt what is missing: python3-venv, dig, PostgreSQL.
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
  for need in dig:bind9-dnsutils nsupdate:bind9-dnsutils curl:curl ssh:openssh-client ps:procps busybox:busybox; do
    command -v "${need%:*}" >/dev/null || missing="$missing ${need#*:}"
  done
  # shellcheck disable=SC2086  (a list of packages)
  test -z "$missing" || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
  # the visits' tests start SSH servers of their own: the package must not start one, too
  if ! test -x /usr/sbin/sshd; then
    mkdir -p /etc/systemd/system; test -e /etc/systemd/system/ssh.service || ln -s /dev/null /etc/systemd/system/ssh.service
    apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssh-server >/dev/null
  fi
fi
# the catalogue's tests start a PostgreSQL cluster of their own: the package must not start one, too
if test "$(id -u)" = 0 && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
  mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/campus-planner.conf
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
