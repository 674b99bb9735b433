# A bare machine has nothing of its own; its packages come from the lab's repository.
apt-get -qq update
