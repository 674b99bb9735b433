#!/bin/sh
# The main job for real, on the lab: from the units' sheets to four moved sites, proved equal, one of them taken back.
# Installs what it needs (apt: python3-venv, dig, lab tools; pip: into .venv), builds the lab's images, leaves lab and workspace for you.
# usage: sh lab/demo.sh [WORKSPACE]
set -eu
cd "$(dirname "$0")/.."
ROOT=$(pwd)
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
if test "$(id -u)" != 0; then
  echo "demo: the lab's hosts are namespaces and mounts, which need root.  Without root this part works:" >&2
  echo "  python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest      (the unit tests)" >&2
  exit 2
fi
LAB="python3 $ROOT/lab/lab"
WORK=${1:-$ROOT/demo-workspace}
planner() { (cd "$WORK" && $LAB ctl -- "$ROOT/.venv/bin/planner" "$@"); }
ask() { $LAB ctl -- "$@"; }

say "set-up: packages, then a lab of eight Debian hosts"
sh tests/setup.sh
$LAB up ns1 hist phys odd vh1 front node1 node2
rm -rf "$WORK"; .venv/bin/planner init "$WORK"
printf 'ssh: {user: ops, key_files: [%s], agent: false}\nscope: {allow: [198.51.100.0/24]}\n' "$($LAB key)" > "$WORK/planner.yml"
sed "s#key_file: tsig.key#key_file: $($LAB tsig)#" lab/platforms.yml > "$WORK/inventory/platforms.yml"
cp lab/calendar.yml "$WORK/calendar.yml"

say "planner register import: what the units declare"
planner register import "$ROOT/lab/register/units.yml" "$ROOT/lab/register/servers.csv" "$ROOT/lab/register/sites.csv"
say "planner hosts trust: the machines' host keys"
planner hosts trust hist phys odd vh1 front node1 node2 --known-hosts "$($LAB known-hosts)"
say "planner discover: one SSH visit each, nothing is changed there"
planner discover
say "planner sites: declared, hidden, missing"
planner sites
say "planner assess, explain: a verdict for each, and why"
planner assess
planner explain www.hist.campus.test --placement virtual-host
say "planner questions: what only people know, the most decisive first"
planner questions phys
say "planner plan, why, generate: dates, groups and destinations, then Ansible playbooks"
planner plan
planner plan why www.hist.campus.test
planner generate
say "planner plan approve: only what somebody has approved is run"
planner plan approve --by "the head of operations" --despite "this is a lab"

say "planner run: four moves, while visitors and an editor are at work; the fifth waits for its unit's signature"
$LAB ctl -- "$ROOT/.venv/bin/python" "$ROOT/lab/visitors.py" "$WORK/runs/visitors.log" &
planner run --yes --any-time "the demo runs by day"
sleep 1; touch "$WORK/runs/visitors.log.stop"; wait
python3 lab/visitors.py --summary "$WORK/runs/visitors.log"

say "as a visitor sees it, through the center's name server"
for name in www.hist www.phys events.phys odd; do
  printf '%-24s %-16s %s\n' "$name.campus.test" "$(ask dig +short "$name.campus.test")" \
    "$(ask curl -s "http://$name.campus.test/" | tr '\n' ' ' | sed 's/.*<title>\(.*\)<\/title>.*/\1/')"
done
ask curl -s http://www.hist.campus.test/ | grep -o 'href="http://www.hist.campus.test/[0-9]*/[0-9]*/lecture-[0-9]*/"' | head -n 1
say "one node of the cluster loses its power; visitors do not see it"
$LAB kill node1
for n in 1 2 3 4 5 6; do ask curl -s -o /dev/null -w '%{http_code} ' "http://www.phys.campus.test/notes/$n.html"; done; echo
$LAB start node1

say "a second run, and what setting up the destinations again would change: nothing"
planner run --yes --any-time "the demo runs by day"
planner drift
say "planner rollback: one move taken back, with what was written since"
planner rollback events.phys.campus.test --yes
printf 'events.phys.campus.test  %s\n' "$(ask dig +short events.phys.campus.test)"
say "and proved: the old address is the only one, and it takes entries again"
ask curl -s -d 'title=after the rollback' http://events.phys.campus.test/ | grep -o 'after the rollback'
planner status
say "planner plan done, plan, diff: what people carried out is said, and a plan made anew leaves out what is done"
planner plan done conf2009.phys.campus.test --by "Zhao Min" --note "signed by the unit, archived and switched off"
planner plan
planner plan diff
planner report

say "done"
echo "the report:     $WORK/reports/report.html"
echo "go on with:     cd $WORK && $ROOT/lab/lab ctl -- $ROOT/.venv/bin/planner --help"
echo "end the lab by: $ROOT/lab/lab down     (images stay in /var/lib/campus-lab)"
