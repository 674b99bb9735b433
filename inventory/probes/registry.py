"""The probes of a visit, in the order in which their sections run: cheap ones first, walks through docroots last."""

from __future__ import annotations

from collections.abc import Collection

from inventory import garbage
from inventory.probes import (
    accesslog,
    accounts,
    applications,
    certificates,
    codesearch,
    containers,
    content,
    cron,
    datastores,
    firewall,
    mail,
    mariadb,
    network,
    packages,
    packagetrees,
    php,
    postgresql,
    redis,
    security,
    services,
    sqlite,
    storage,
    system,
    usage,
    usagehistory,
    web,
)
from inventory.probes.base import Observation, Probe, Section

PROBES: tuple[Probe, ...] = (
    system.PROBE,
    network.PROBE,
    services.PROBE,
    usage.PROBE,
    storage.PROBE,
    security.PROBE,
    accounts.PROBE,
    containers.PROBE,
    *web.PROBES,
    php.PROBE,
    cron.PROBE,
    certificates.PROBE,
    mail.PROBE,
    firewall.PROBE,
    packages.PROBE,
    usagehistory.PROBE,
    mariadb.PROBE,
    postgresql.PROBE,
    redis.PROBE,
    datastores.PROBE,
    applications.PROBE,
    accesslog.PROBE,
    packagetrees.PROBE,
    sqlite.PROBE,
    content.PROBE,
    codesearch.PROBE,
)


def parse(sections: tuple[Section, ...], kept: Collection[str] = ()) -> list[tuple[str, Observation]]:
    """Every section through its probe's parser: (section's name, observation); a section's own end is an observation too.

    Those whose observations are `kept` from an earlier visit are passed over.
    """
    with garbage.put_off():
        return _parse(tuple(section for section in sections if section.name not in kept))


def _parse(sections: tuple[Section, ...]) -> list[tuple[str, Observation]]:
    by_name = {probe.name: probe for probe in PROBES}
    found: list[tuple[str, Observation]] = []
    for section in sections:
        probe = by_name.get(section.name)
        if probe is None:
            continue
        found += [(section.name, item) for item in probe.parse(section)]
        why = _incomplete(section)
        if why:
            found.append((section.name, Observation("unknown", {"what": section.name, "why": why}, 1)))
    return found


def _incomplete(section: Section) -> str:
    if section.status is None:
        return "the section never ended"
    if section.status in {124, 137}:
        return f"stopped after {section.seconds:g} s"
    return "its output was cut" if section.truncated else ""
