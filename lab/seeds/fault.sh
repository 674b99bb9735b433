# hosts on which a visit must fail in its own way, and hold up nobody else
case $HOST in
locked) : > /home/ops/.ssh/authorized_keys;;
hang)   printf 'Match User ops\n ForceCommand sleep 100000\n' >> /etc/ssh/sshd_config; systemctl restart ssh;;
flood)  printf 'Match User ops\n ForceCommand yes flood\n' >> /etc/ssh/sshd_config; systemctl restart ssh;;
nosudo) rm -f /etc/sudoers.d/ops; gpasswd -d ops sudo >/dev/null;;
esac
