# Hosts that are reached or logged in to in another way than most.
sshd() { # LINE…: settings of sshd that win over the packaged ones, which stand below
  printf '%s\n' "$@" | cat - /etc/ssh/sshd_config > /etc/ssh/sshd_config.new
  mv /etc/ssh/sshd_config.new /etc/ssh/sshd_config
  systemctl restart ssh
}

case $HOST in
bastion)
  sshd 'MaxStartups 10:30:100' 'MaxSessions 10'
  ;;
inner) # answers the bastion alone: there is no way back to anybody else.  Its network stays when it is switched off.
  ip route replace 198.51.100.26/32 dev eth0 src "$IP"
  ip route delete 198.51.100.0/24 2>/dev/null || true
  ip route delete default 2>/dev/null || true
  ;;
csh)
  chsh -s /usr/bin/tcsh ops
  # what a neglected account has in its files: something that prints, and something that fails
  printf '%s\n' 'echo "welcome to $HOST"' 'set prompt = "%% "' > /home/ops/.cshrc
  chown ops:ops /home/ops/.cshrc
  ;;
fish)
  chsh -s /usr/bin/fish ops
  ;;
sudopw)
  echo 'ops:sudo-Secret-41c7' | chpasswd
  echo 'ops ALL=(ALL) ALL' > /etc/sudoers.d/ops
  echo 'only root reads this' > /root/note.txt
  chmod 600 /root/note.txt
  ;;
pwonly)
  echo 'ops:pwonly-Secret-83be' | chpasswd
  sshd 'PubkeyAuthentication no' 'PasswordAuthentication yes'
  ;;
old) # a server that proves itself and agrees on keys by SHA-1 alone, and knows no elliptic curves
  rm /etc/ssh/ssh_host_*
  ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_rsa_key
  sshd 'HostKey /etc/ssh/ssh_host_rsa_key' 'HostKeyAlgorithms ssh-rsa' 'PubkeyAcceptedKeyTypes ssh-rsa,rsa-sha2-256,rsa-sha2-512' \
    'KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1' 'Ciphers aes128-cbc,3des-cbc' 'MACs hmac-sha1'
  ;;
stuck) # like a network filesystem whose server is gone: whoever touches it waits
  mkdir -p /srv/archive
  cat > /usr/local/sbin/stuck <<'X'
#!/usr/bin/python3
"""Mount a FUSE filesystem on /srv/archive, and answer no request for it."""
import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if libc.mount(b"ops@files.example:/archive", b"/srv/archive", b"fuse.sshfs", 0, options):
    raise OSError(ctypes.get_errno(), "mount")
while True:
    signal.pause()
X
  chmod 755 /usr/local/sbin/stuck
  # The device: only who comes from outside may make it, so it is there until the host is switched off.
  if [ ! -e /dev/fuse ]; then mknod /dev/fuse c 10 229; fi
  chmod 666 /dev/fuse
  cat > /etc/systemd/system/stuck.service <<'X'
[Unit]
Description=A filesystem that never answers
ConditionPathExists=/dev/fuse
[Service]
ExecStart=/usr/local/sbin/stuck
[Install]
WantedBy=multi-user.target
X
  systemctl enable --now stuck.service
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    if grep -q fuse.sshfs /proc/mounts; then exit 0; fi
    sleep 0.2
  done
  echo "the filesystem was not mounted" >&2
  exit 1
  ;;
*)
  echo "ways.sh knows no way for $HOST" >&2
  exit 1
  ;;
esac
