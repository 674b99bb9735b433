# A collector of the size that peers of ours run: facts of a host in sections, plain POSIX sh, nothing written.
LC_ALL=C; PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH; export LC_ALL PATH
has() { command -v "$1" >/dev/null 2>&1; }
show() { echo "== $1"; shift; for f; do if [ -r "$f" ]; then while IFS= read -r line; do echo "$line"; done < "$f"; fi; done; }
echo '== who'; id -u; uname -a
show name /proc/sys/kernel/hostname /etc/machine-id
show system /etc/os-release
show load /proc/uptime /proc/loadavg
show memory /proc/meminfo
echo '== processors'
while IFS= read -r line; do case $line in processor*|'model name'*|'cpu cores'*|siblings*) echo "$line";; esac; done < /proc/cpuinfo
for f in sys_vendor product_name bios_version; do show "dmi $f" /sys/class/dmi/id/$f; done
echo '== disks'; df -P -k -l 2>/dev/null
show mounts /proc/mounts
echo '== listeners'
if has ss; then ss -H -tln 2>/dev/null; elif has netstat; then netstat -tln 2>/dev/null; else show tcp /proc/net/tcp /proc/net/tcp6; fi
show routes /proc/net/route
echo '== processes'; if has ps; then ps -eo pid,ppid,user,comm 2>/dev/null | head -n 200; fi
echo '== end'
