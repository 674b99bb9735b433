"""nginx and what was made from it (OpenResty, Tengine, Angie): every running master's configuration, read on the planner's side.

In: the section that `collecting` makes.  Out: `web_server` for each main configuration, `vhost`, `web_problem`, `unknown`.
"""

from __future__ import annotations

from inventory.probes.base import Observation, Probe, Section
from inventory.probes.web.collecting import Instance, Place, described, gather, instances, running, script
from inventory.webconfig import nginx
from inventory.webconfig.model import WebConfig


def parse(section: Section) -> list[Observation]:
    """`web_server`, `vhost`, `web_problem`, `unknown`."""
    gathered = gather(section, ("/nginx.conf",))
    found = list(gathered.found)
    for place, instance in instances(gathered):
        config = nginx.read(place.files, instance.main, place.links, prefix=instance.prefix or None)
        data = described("nginx", instance, place, gathered.package, _user(place, instance))
        found.append(Observation("web_server", data, instance.line))
        found += place.observations("nginx", config, **running(instance))
    return found


def _user(place: Place, instance: Instance) -> str:
    """Who the workers run as; nginx's own default is what it was built with, `nobody` unless a distribution says otherwise."""
    for item in nginx.parse(place.files.get(instance.main, ""), instance.main, WebConfig()):
        if item.name == "user" and item.args:
            return item.args[0]
    return "www-data" if instance.main == "/etc/nginx/nginx.conf" and instance.prefix in {"", "/usr/share/nginx"} else "nobody"


PROBE = Probe("nginx", script("nginx"), parse, seconds=30, max_bytes=16_000_000)
