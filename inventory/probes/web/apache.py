"""Apache: every running instance's configuration (`-f`, `-d`, `-D`, its environment), read on the planner's side.

In: the section that `collecting` makes.  Out: `web_server` for each main configuration, `vhost`, `web_problem`, `unknown`.
"""

from __future__ import annotations

from inventory.probes.base import Observation, Probe, Section
from inventory.probes.web.collecting import Instance, Place, described, gather, instances, running, script
from inventory.webconfig import apache

_ENVIRONMENTS = ("/etc/sysconfig/httpd", "/etc/sysconfig/apache2", "/etc/conf.d/apache2", "/etc/default/apache2")


def parse(section: Section) -> list[Observation]:
    """`web_server`, `vhost`, `web_problem`, `unknown`."""
    gathered = gather(section, ("/apache2.conf", "/conf/httpd.conf", "/httpd.conf"))
    found = list(gathered.found)
    for place, instance in instances(gathered):
        variables = _variables(place, instance)
        config = apache.read(place.files, instance.main, place.links, variables, root=instance.root)
        user = config.settings.get("user") or variables.get("APACHE_RUN_USER") or ("apache" if "httpd" in instance.main else "www-data")
        found.append(Observation("web_server", described("apache", instance, place, gathered.package, user), instance.line))
        found += place.observations("apache", config, **running(instance))
    return found


def _variables(place: Place, instance: Instance) -> dict[str, str]:
    """The environment's files, then what the process itself holds, then `-D`."""
    found: dict[str, str] = {}
    suffix = instance.root.partition("/apache2")[2] if instance.root.startswith("/etc/apache2-") else ""
    for name in (f"{instance.main.rpartition('/')[0]}/envvars", *_ENVIRONMENTS):
        found |= apache.environment(place.files.get(name, ""), suffix)
    for name in ("APACHE_ARGUMENTS", "OPTIONS", "APACHE2_OPTS"):
        found |= dict.fromkeys(apache.arguments(found.get(name, "")), "")
    found |= instance.variables
    defined = {word.removeprefix("-D") for word in instance.arguments if word.startswith("-D") and len(word) > 2}
    defined |= {after for word, after in zip(instance.arguments, instance.arguments[1:], strict=False) if word == "-D"}
    return found | dict.fromkeys(defined, "")


PROBE = Probe("apache", script("apache"), parse, seconds=30, max_bytes=16_000_000)
