"""What exists: the register, the hosts and what runs on them.  Never imports `planner`."""
