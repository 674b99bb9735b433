"""Containers: which engines a host has, and each container's image, state, published ports, mounts, networks, and names of variables.

In: the engines' own files (docker, podman as root and of users, containerd, LXC, LXD, systemd-nspawn, OpenVZ); where docker's are not
readable, `docker inspect`, which only asks the daemon.  podman's client is never run, since it writes its state.  Out: `container_engine`,
`container`.  Members are let out by a list: values of variables, arguments and labels other than compose's stay on the host.
"""

from __future__ import annotations

from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.containerfacts import Facts, machine, of_docker, of_oci
from inventory.probes.fragments import SHOW, number
from inventory.probes.jsonpaths import JSON_PATHS, members

RUNNING = r"""
containers() {
  grep -E 'docker|libpod|lxc|machine|crio|cri-containerd|nerdctl|kubepods' /proc/[0-9]*/cgroup 2>/dev/null | OWN=`cat /proc/self/cgroup 2>/dev/null` awk '
    {
      split($0, part, ":"); pid = part[1]; sub(/^.*\/proc\//, "", pid); sub(/\/cgroup$/, "", pid)
      line = $0; sub(/^[^:]*:[^:]*:[^:]*:/, "", line)
      if (line ~ /conmon|lxc.monitor|\/(supervisor|init\.scope)$/ || (line != "/" && index(ENVIRON["OWN"] "\n", ":" line "\n"))) next
      n = split(line, step, "/")
      for (i = 1; i <= n; i++) {
        s = step[i]; sub(/\.scope$/, "", s)
        if (s ~ /^lxc\.payload\./) { s = substr(s, 13) }
        else if (i > 1 && step[i - 1] ~ /^lxc(\.payload)?$/) { }
        else if (s ~ /^systemd-nspawn@.*\.service$/) { s = substr(s, 16); sub(/\.service$/, "", s) }
        else if (s ~ /^machine-/) { s = substr(s, 9) }
        else { sub(/^(docker|libpod|crio|cri-containerd|nerdctl)-/, "", s); if (length(s) != 64 || s ~ /[^0-9a-f]/ || index(ENVIRON["OWN"], s)) continue }
        if (!(s in first) || pid + 0 < first[s] + 0) first[s] = pid
      }
    }
    END { for (s in first) print first[s], "/proc/" first[s] "/root", s }' | sort -n
}
"""
"""`containers` prints `PID ROOT NAME` for each container with a process: ROOT is `/proc/PID/root`, its merged root with its mounts, and
NAME its id of 64 hex digits (docker, podman, containerd) or its name (LXC, nspawn).  Only root may walk a ROOT.  A path below it whose
link is absolute leads to the host's own tree: read the link, and put ROOT in front again.  Where all of this is itself a container, its
own processes are not listed."""

_KEEP = r"""
function keep(p, v) {
  sub(/^inspect\t[0-9]+\t/, "inspect\t", p)
  if (p ~ /^((config|inspect)\tConfig\tEnv|oci\tprocess\tenv)\t[0-9]+$/) { sub(/=.*/, "", v); return v ~ /^[A-Za-z_][A-Za-z0-9_.-]*$/ ? v : "" }
  if (p ~ /^(config|inspect)\t(ID|Id|Name|Path|Created|Driver)$/) return v
  if (p ~ /^(config|inspect)\tState\t(Running|Paused|Restarting|Dead|Pid|ExitCode|StartedAt|FinishedAt|Status)$/) return v
  if (p ~ /^(config|inspect)\tConfig\t(Image|Hostname|User)$/) return v
  if (p ~ /^(config|inspect)\tConfig\t(ExposedPorts\t|Labels\t(com\.docker|io\.podman)\.compose\.(project|service|project\.working_dir|project\.config_files)$)/) return v
  if (p ~ /^(config|inspect)\tNetworkSettings\t(Ports\t|Networks\t[^\t]*\t(IPAddress|GlobalIPv6Address)$)/) return v
  if (p ~ /^(config\tMountPoints|inspect\tMounts)\t[^\t]*\t(Source|Destination|RW|Type|Name)$/) return v
  if (p ~ /^config\tVolumes\t[^\t]*$/) return v
  if (p ~ /^(host|inspect\tHostConfig)\t(NetworkMode|Privileged|Memory|NanoCpus|RestartPolicy\tName|PortBindings\t.*)$/) return v
  if (p ~ /^storage\t[0-9]+\t(id|image|metadata|created|names\t0)$/) return v
  if (p ~ /^oci\t(hostname|mounts\t[0-9]+\t(destination|source|type))$/) return v
  if (p ~ /^oci\tmounts\t[0-9]+\toptions\t[0-9]+$/) return v == "ro" ? v : ""
  if (p ~ /^oci\tannotations\t(io\.container\.manager|nerdctl\/(name|ports|networks)|io\.kubernetes\.cri\.(container-name|sandbox-name|sandbox-namespace|image-name|container-type))$/) return v
  return ""
}
"""

SCRIPT = (
    SHOW
    + RUNNING
    + "JSON='"
    + JSON_PATHS
    + _KEEP
    + r"""'
members() { PREFIX=$1 awk "$JSON" < "$2"; }
engine() { mark engine "$1 $2"; }
echo '@ running'; containers | awk 'NR <= 1000 { print "|" $0 }'
docker_files() {
  root=$1
  test -d "$root/containers" || return 1
  test -r "$root/containers" && test -x "$root/containers" || return 1
  engine docker "$root"; n=0
  for d in "$root"/containers/*; do
    c=$d/config.v2.json
    if test ! -f "$c"; then c=$d/config.json; fi
    test -f "$c" || continue
    n=$((n + 1)); if test $n -gt 300; then mark unknown "containers only 300 of $root"; break; fi
    mark docker "$d"
    members config "$c"
    if test -f "$d/hostconfig.json"; then members host "$d/hostconfig.json"; fi
    p=`awk '{ if (match($0, /"Pid": *[0-9]+/)) { s = substr($0, RSTART, RLENGTH); sub(/.*: */, "", s); print s; exit } }' "$c"`
    if test -n "$p" && test "$p" != 0 && test -d /proc/$p; then echo '|alive'; fi
  done
}
data=/var/lib/docker
for f in /etc/docker/daemon.json /var/snap/docker/current/config/daemon.json; do
  if test -r $f; then r=`sed -n 's/.*"\(data-root\|graph\)"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\2/p' $f | head -n 1`; if test -n "$r"; then data=$r; fi; fi
done
done=
for r in "$data" /var/snap/docker/common/var-lib-docker; do if docker_files "$r"; then done=1; fi; done
if test -z "$done" && { test -d "$data" || test -S /var/run/docker.sock; }; then
  c=`command -v docker | grep /`
  if test -S /var/run/docker.sock && test -w /var/run/docker.sock && test -n "$c"; then
    engine docker "$data"
    ids=`DOCKER_CONFIG=/nonexistent limit 5 "$c" -H unix:///var/run/docker.sock ps -aq --no-trunc 2>/dev/null || echo failed`
    case $ids in *failed*) mark unknown 'containers docker ps failed' ;; *)
      n=`printf '%s\n' "$ids" | grep -c .`
      if test "$n" -gt 100; then mark unknown "containers only 100 of $n"; fi
      ids=`printf '%s\n' "$ids" | awk '/^[0-9a-f]+$/ && NR <= 100'`
      mark docker-inspect "$data"
      if test -n "$ids"; then DOCKER_CONFIG=/nonexistent limit 10 "$c" -H unix:///var/run/docker.sock inspect $ids 2>/dev/null | PREFIX=inspect awk "$JSON"; fi
    esac
  else mark unknown "containers docker's $data unreadable"; fi
fi
# podman_files USER STORAGE RUNROOT
podman_files() {
  for c in "$2"/*-containers/containers.json; do
    test -e "$c" || continue
    if test ! -r "$c"; then mark unknown "containers podman's $c unreadable"; continue; fi
    engine "podman $1" "$2"
    mark storage "$1 $c"; members storage "$c"
    for d in "${c%/containers.json}"/*/userdata; do
      test -d "$d" || continue
      i=${d%/userdata}; i=${i##*/}
      mark oci "podman $1 $i"
      if test -r "$d/config.json"; then members oci "$d/config.json"; fi
      for f in "$3"/*-containers/$i/userdata/pidfile; do
        if test -r "$f"; then p=`head -n 1 "$f"`; if test -d "/proc/$p"; then printf '|pid\t%s\n' "$p"; fi; fi
      done
    done
    for b in "$2/libpod/bolt_state.db" "$2/db.sql"; do
      if test -r "$b"; then mark ports "$1 $b"; grep -a -o -E '"id":"[0-9a-f]{64}"|"(newPortMappings|portMappings)":\[[^]]*\]' "$b" 2>/dev/null | awk 'NR <= 2000 { print "|" substr($0, 1, 4000) }'; fi
    done
  done
}
if test -d /var/lib/containers && test ! -x /var/lib/containers; then mark unknown 'containers /var/lib/containers unreadable'
elif test -e /var/lib/containers/storage; then
  if test -x /var/lib/containers/storage; then podman_files root /var/lib/containers/storage /run/containers/storage
  else mark unknown 'containers /var/lib/containers/storage unreadable'; fi
fi
awk '$3 ~ /^(nfs|cifs|smb|afs|ceph|gluster|lustre|gpfs|fuse\.|autofs|9p)/ { m[++n] = $2 "/" } FILENAME == "/etc/passwd" { split($0, f, ":")
    for (i = 1; i <= n; i++) if (index(f[6] "/", m[i]) == 1) next
    if (f[3] >= 500 && f[6] ~ /^\/./ && k++ < 2000) print f[3] " " f[1] " " f[6] }' /proc/mounts /etc/passwd 2>/dev/null |
while read -r i u h; do if test -d "$h/.local/share/containers/storage"; then podman_files "$u" "$h/.local/share/containers/storage" "/run/user/$i/containers"; fi; done
for t in /run/containerd/io.containerd.runtime.v2.task /run/containerd/io.containerd.runtime.v1.linux; do
  test -d $t || continue
  if test ! -r $t; then mark unknown "containers containerd's $t unreadable"; continue; fi
  for d in $t/*/*; do
    case $d in $t/moby/*|*'*'*) continue ;; esac
    test -d "$d" || continue
    i=${d#$t/}; mark oci "containerd ${i%%/*} ${d##*/}"
    if test -r "$d/config.json"; then members oci "$d/config.json"; fi
    if test -r "$d/init.pid"; then p=`head -n 1 "$d/init.pid"`; if test -d "/proc/$p"; then printf '|pid\t%s\n' "$p"; fi; fi
  done
done
if test -S /run/containerd/containerd.sock; then engine containerd /var/lib/containerd; fi
if test -d /var/lib/lxc; then
  if test -x /var/lib/lxc && test -r /var/lib/lxc; then
    for f in /var/lib/lxc/*/config; do
      test -r "$f" || continue
      n=${f%/config}; mark lxc "${n##*/}"
      awk '/^[ \t]*lxc\.(rootfs|rootfs\.path|network\.(ipv4|link|type)|net\.[0-9]+\.(ipv4\.address|link|type)|mount\.entry|start\.auto|utsname|uts\.name|arch)[ \t]*=/ && k++ < 100 { sub(/^[ \t]+/, ""); print "|" substr($0, 1, 500) }' "$f"
    done
  else mark unknown 'containers /var/lib/lxc unreadable'; fi
fi
for b in lxd incus; do
  for d in /var/lib/$b /var/snap/$b/common/$b; do
    if test -d $d; then
      if test -x $d/containers 2>/dev/null; then engine $b $d; for c in $d/containers/*; do if test -e "$c" || test -L "$c"; then mark $b "${c##*/}"; fi; done
      elif test "`id -u`" != 0; then mark unknown "containers $d unreadable"; fi
    fi
  done
done
for d in /var/lib/machines/*; do if test -d "$d"; then mark nspawn "${d##*/}"; fi; done
for f in /run/systemd/machines/*; do
  case $f in *unit:*) continue ;; esac
  if test -f "$f" && test -r "$f"; then mark machine "${f##*/}"; awk -F= '/^(NAME|CLASS|SERVICE|LEADER|ROOT)=/ { print "|" substr($0, 1, 300) }' "$f"; fi
done
if test -d /etc/vz/conf; then
  for f in /etc/vz/conf/[0-9]*.conf; do
    if test -r "$f"; then n=${f##*/}; mark openvz "${n%.conf}"; awk -F= '/^(HOSTNAME|IP_ADDRESS|OSTEMPLATE|VE_PRIVATE|ONBOOT|NAME)=/ { print "|" substr($0, 1, 300) }' "$f"; fi
  done
  if test -r /proc/vz/veinfo; then echo '@ veinfo'; awk '{ print "|" $1 }' /proc/vz/veinfo; fi
fi
"""
)


def parse(section: Section) -> list[Observation]:
    """`container` {engine, owner, id, name, image, state, pid, root, ports, mounts, networks, env, project, service, restart, …}.

    `state` is running, paused, restarting, created, exited, stopped, or None; `memory_limit` is bytes, None for none; `root` is where a running one's tree can be read on the
    host; `ports` are {container: `80/tcp`, host: `0.0.0.0:8081`}; `mounts` {source, destination, type, writable}; `env` names only.
    """
    found: list[Observation] = []
    facts = Facts()
    order: list[Block] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "engine":
            *name, root = block.value.split(" ", 2 if block.value.startswith("podman ") else 1)
            data = {"engine": name[0] if name else root, "owner": name[1] if len(name) > 1 else "root", "root": root}
            found.append(Observation("container_engine", data, block.line))
        elif block.tag == "running":
            for line in block.lines:
                pid, _, rest = line.partition(" ")
                if (value := number(pid)) is not None:
                    facts.processes[rest.partition(" ")[2]] = value
        elif block.tag == "veinfo":
            facts.openvz |= {line.strip() for line in block.lines}
        elif block.tag == "machine":
            facts.machines[block.value] = dict(line.split("=", 1) for line in block.lines if "=" in line)
        elif block.tag == "ports":
            facts.learn_ports(block.lines)
        elif block.tag == "storage":
            facts.learn_storage(block.value.partition(" ")[0], members(block.lines))
        else:
            order.append(block)
    seen: set[tuple[Any, ...]] = set()
    for block in order:
        for data, place in _read(block, facts):
            key = (data["engine"], data["owner"], data["id"] or data["name"])
            if key not in seen:
                seen.add(key)
                found.append(Observation("container", data, place))
    return found


def _read(block: Block, facts: Facts) -> list[tuple[dict[str, Any], int]]:
    if block.tag == "docker":
        return [(of_docker(list(members(block.lines)), facts), block.line)]
    if block.tag == "docker-inspect":
        groups: dict[str, list[tuple[list[str], str, int]]] = {}
        for path, value, offset in members(block.lines):
            if len(path) > 2 and path[0] == "inspect":
                groups.setdefault(path[1], []).append((["inspect", *path[2:]], value, offset))
        return [(of_docker(group, facts), block.line + 1 + group[0][2]) for group in groups.values()]
    if block.tag == "oci":
        words = block.value.split(" ")
        data = of_oci(words, list(members(block.lines)), facts) if len(words) == 3 else None
        return [(data, block.line)] if data is not None else []
    if block.tag in {"lxc", "lxd", "incus", "nspawn", "openvz"}:
        return [(machine(block.tag, block.value, block.lines, facts), block.line)]
    return []


PROBE = Probe("containers", SCRIPT, parse, seconds=30, max_bytes=4_000_000)
