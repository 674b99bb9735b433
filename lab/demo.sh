#!/bin/sh
# The main job for real, on the lab: register → trust → discover → sites → verdicts → plan → verification.
# Installs what it needs (apt: python3-venv, lab tools; pip: into .venv), builds the lab's images, leaves lab and workspace for you.
set -eu
cd "$(dirname "$0")/.."
ROOT=$(pwd)
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
if test "$(id -u)" != 0; then
  echo "demo: the lab's hosts are namespaces and mounts, which need root.  Without root this part works:" >&2
  echo "  python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest      (the unit tests)" >&2
  exit 2
fi
say "set-up"; sh tests/setup.sh
say "the lab: a name server, three departments' machines"; python3 lab/lab up
WORK=${1:-$ROOT/demo-workspace}; rm -rf "$WORK"
P="python3 lab/lab ctl -- $ROOT/.venv/bin/planner"
.venv/bin/planner init "$WORK"
printf 'ssh: {user: ops, key_files: [%s], agent: false}\nscope: {allow: [198.51.100.0/24]}\n' "$(python3 lab/lab key)" > "$WORK/planner.yml"
cp lab/platforms.yml "$WORK/inventory/"
cd "$WORK"; P="python3 $ROOT/lab/lab ctl -- $ROOT/.venv/bin/planner"
say "planner register import: what the units declare"; $P register import "$ROOT"/lab/register/units.yml "$ROOT"/lab/register/servers.csv "$ROOT"/lab/register/sites.csv
say "planner hosts trust: their host keys"; $P hosts trust --known-hosts "$(python3 "$ROOT/lab/lab" known-hosts)"
say "planner discover: one SSH visit each, nothing is changed there"; $P discover
say "planner sites: declared, hidden, missing"; $P sites
say "planner assess: a verdict for each"; $P assess
say "planner explain: why"; $P explain www.hist.campus.test
say "planner show --evidence: from a value to the raw line"; $P show events.phys.campus.test --evidence | sed -n '1,12p'
say "planner plan: destinations and waves"; $P plan
say "planner verify: the static site against its own address (equal), then against another host (different, exit code 9)"
$P verify www.phys.campus.test --at 198.51.100.12 --pages 200
$P verify www.phys.campus.test --at 198.51.100.11 --pages 5 || echo "exit code $?"
say "done"
echo "The workspace is $WORK; go on with:  cd $WORK && $ROOT/lab/lab ctl -- $ROOT/.venv/bin/planner --help"
echo "The lab runs until:                  $ROOT/lab/lab down     (images stay in /var/lib/campus-lab)"
