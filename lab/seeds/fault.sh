# Hosts on which a visit must fail in its own way, and hold up nobody else.
forced() { # COMMAND: whatever ops wants to run, this runs
  printf 'Match User ops\n ForceCommand %s\n' "$1" >> /etc/ssh/sshd_config
  systemctl restart ssh
}

case $HOST in
locked) # our key is not authorised
  : > /home/ops/.ssh/authorized_keys
  ;;
hang) # the login never answers
  forced 'sleep 100000'
  ;;
flood) # the login never stops printing
  forced 'yes flood'
  ;;
mute) # the connection is taken, but no banner ever comes
  cat > /usr/local/sbin/mute <<'X'
#!/usr/bin/python3
"""Take connections on port 22 and say nothing, as a server that is stuck does."""
import socket

held = []  # kept, or they would be closed
with socket.create_server(("", 22), backlog=128) as server:
    while True:
        held.append(server.accept())
X
  chmod 755 /usr/local/sbin/mute
  # In place of sshd, so that it comes back after a restart of the host, too.
  mkdir -p /etc/systemd/system/ssh.service.d
  printf '%s\n' '[Service]' Type=simple ExecStart= ExecStart=/usr/local/sbin/mute > /etc/systemd/system/ssh.service.d/mute.conf
  systemctl daemon-reload
  systemctl restart ssh
  ;;
nosudo) # an account without sudo
  rm -f /etc/sudoers.d/ops
  gpasswd -d ops sudo > /dev/null
  ;;
*)
  echo "fault.sh knows no fault for $HOST" >&2
  exit 1
  ;;
esac
