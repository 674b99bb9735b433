# nothing of its own; packages come from the lab's repository
apt-get -qq update
