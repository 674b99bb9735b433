"""Web servers as they really run: the configuration that each running master uses, in containers too, and what answers besides them."""

from inventory.probes.web import apache, appservers, nginx, plain, tomcat

PROBES = (nginx.PROBE, apache.PROBE, tomcat.PROBE, plain.LIGHTTPD, plain.CADDY, appservers.PROBE)
