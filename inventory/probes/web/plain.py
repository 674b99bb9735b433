"""lighttpd and Caddy: the configuration of each running process, read on the planner's side.

In: the sections that `collecting` makes.  Out: `web_server` for each main configuration, `vhost`, `web_problem`, `unknown`.
"""

from __future__ import annotations

from collections.abc import Callable

from inventory.probes.base import Observation, Probe, Section
from inventory.probes.web.collecting import described, gather, instances, running, script
from inventory.webconfig import caddy, lighttpd
from inventory.webconfig.model import WebConfig


def _parse(section: Section, server: str, main: str, read: Callable[..., WebConfig]) -> list[Observation]:
    gathered = gather(section, (main,))
    found = list(gathered.found)
    for place, instance in instances(gathered):
        data = described(server, instance, place, gathered.package, "")
        found.append(Observation("web_server", data, instance.line))
        if not instance.main.endswith(".json"):
            found += place.observations(server, read(place.files, instance.main, place.links), **running(instance))
    return found


def parse_lighttpd(section: Section) -> list[Observation]:
    """`web_server`, `vhost`, `web_problem`, `unknown`."""
    return _parse(section, "lighttpd", "/lighttpd.conf", lighttpd.read)


def parse_caddy(section: Section) -> list[Observation]:
    """`web_server`, `vhost`, `web_problem`, `unknown`."""
    return _parse(section, "caddy", "/Caddyfile", caddy.read)


LIGHTTPD = Probe("lighttpd", script("lighttpd"), parse_lighttpd, seconds=20)
CADDY = Probe("caddy", script("caddy"), parse_caddy, seconds=20)
