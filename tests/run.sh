#!/bin/sh
# All tests: style, types and layers, then unit and (as root) end-to-end tests on the lab.  The pytest summary stands last.
set -eu
cd "$(dirname "$0")/.."
sh tests/setup.sh
sh tests/check.sh
if test "$(id -u)" = 0; then
  LAB_NAME=build python3 lab/lab build
  # two at a time, a file in one piece: a lab waits for its machines more than it works
  exec .venv/bin/pytest -n 2 --dist loadfile -m "e2e or not e2e"
fi
echo "tests: no root, so only the unit tests; the end-to-end tests build a lab of namespaces and need it" >&2
exec .venv/bin/pytest -n 2 --dist loadfile
