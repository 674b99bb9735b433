"""The fault campaign: whole moves on the lab, struck by faults at seeded moments, and then looked at by other eyes than the product's.

`subject` is the lab, its workspace and the site that is moved; `faults` what can go wrong; `schedule` when; `client` a client that reads
and writes all the time; `checks` what has to hold at the end; `rounds` puts them together; `table` tells what happened.
"""
