"""Facts → sites: what the vhosts of one host serve, with application, database and use, each value with its evidence.  Pure.

In: a host and its observations.  Out: `Site`s whose `facts` map a fact's name to {"value", "evidence", "why"}.  A fact that could
not be read is absent (unknown); it is never an empty value.  Evidence is [snapshot id, section, line].
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from inventory.identify import backends, content, databases, hazards, machine, use, vhosts
from inventory.identify.facts import Observed, Seen, Site

__all__ = ["Observed", "Seen", "Site", "sites"]


def sites(host: str, observations: Sequence[Seen] | Observed, at: date | None = None) -> list[Site]:
    """All sites of one host on the day `at` of its visit: enabled vhosts that serve something of their own, same first names merged.

    A vhost that only answers behind another one's proxy is part of that one's site.
    """
    observed = observations if isinstance(observations, Observed) else Observed.of_all(observations)
    serving = [seen for seen in observed.of("vhost") if seen.data.get("enabled") and not seen.data.get("redirect_to")]
    chains = {id(seen): _chains(seen, observed) for seen in serving if seen.data.get("proxy_to")}
    behind = {id(inner) for found in chains.values() for chain in found for inner in chain.vhosts}
    found: dict[str, tuple[Site, list[Seen]]] = {}
    for seen in serving:
        name = vhosts.site_name(host, seen, observed)
        if name and not (id(seen) in behind and name.startswith(f"{host}:")):
            found.setdefault(name, (Site(name, host, []), []))[1].append(seen)
    for site, own in found.values():
        followed = [chain for seen in own for chain in chains.get(id(seen), [])]
        inner = [seen for chain in followed for seen in chain.vhosts if seen not in own]
        _describe(site, own, inner, followed, observed, at)
    result = [found[name][0] for name in sorted(found)]
    databases.shared(result)
    return result


def _chains(vhost: Seen, observed: Observed) -> list[backends.Chain]:
    names = [str(name) for name in vhost.data.get("names") or []]
    return [backends.follow(str(target), names, observed) for target in dict.fromkeys(vhost.data.get("proxy_to") or [])]


def _leads_inside(own: Sequence[Seen], observed: Observed) -> bool:
    """Whether the docroot is the backend's: the front has none, or one that holds nothing."""
    for vhost in own:
        content_seen = observed.where("content", "docroot", vhost.data.get("host_docroot") or vhost.data.get("docroot"))
        if vhost.data.get("docroot") and (content_seen is None or (content_seen.data.get("files") or 0) > 0):
            return False
    return True


def _describe(
    site: Site, own: Sequence[Seen], inner: Sequence[Seen], chains: Sequence[backends.Chain], observed: Observed, at: date | None
) -> None:
    vhosts.describe(site, own, inner if _leads_inside(own, observed) else (), observed, at)
    backends.describe(site, chains)
    backends.settle(site, chains, observed)
    machine.describe(site, [*own, *inner], observed, at)
    content.describe(site, observed)
    applications = content.applications(site, observed)
    content.describe_application(site, observed, applications, proxied=any(not chain.plain for chain in chains))
    databases.describe(site, [*own, *inner], applications, observed, at)
    use.describe(site, [*own, *inner], observed)
    hazards.describe(site, observed)
