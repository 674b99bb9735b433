"""A small plan with every placement that is carried out, and its bundle: `sample_bundle.py FOLDER` writes it for ansible-lint."""

import sys
from pathlib import Path

from planner import bundle
from planner.movesteps import steps

ACCESS = bundle.Access("ops", 22, ("/keys/id",), "/ws/runs/known_hosts", {"192.0.2.1": ["ssh-ed25519 AAAA"]})


STACK = {
    "release": "debian-12", "packages": ["nginx-light", "postgresql", "rsync", "tomcat10"], "ports": [80], "notes": [], "folders": ["/srv/x/app"],
    "users": [{"name": "shop", "uid": 998, "gid": 998, "home": "/srv/x", "packaged": False}],
    "tomcat": {"series": "10", "port": 8080, "host": "x.edu", "aliases": [], "docroot": "/srv/x/app", "context": "/etc/tomcat10/Catalina/x.edu/ROOT.xml",
               "java_options": ["-Xmx96m"], "drivers": []},
    "database": {"major": "15", "name": "shop", "owner": "shop", "user": "shop", "encoding": "UTF8", "collation": "C.UTF-8", "ctype": "C.UTF-8", "locales": [],
                 "extensions": []},
    "jobs": [{"user": "shop", "schedule": "@daily", "command": "/srv/x/app/daily", "file": "/etc/cron.d/x"}],
}  # fmt: skip


def colocation(text="plain", transport="stays"):
    return {
        "leader": "x-edu", "rides": ["y-edu"], "transport": transport, "rack": "r1", "unit": 31, "height": 2, "power_w": 350.0, "feeds": ["A", text],
        "switch": text, "port": 7, "vlan": 160, "interface": "eno1", "mac": "02:00:00:00:00:01", "model": text, "asset_no": "A-1",
        "old": {"address": "192.0.2.1", "prefix": 24, "gateway": "192.0.2.254"}, "new": {"address": "192.0.2.9", "prefix": 27, "gateway": "192.0.2.30"},
        "confirm_seconds": 1800, "boot_seconds": 900, "contact": text, "folder": "/srv/archive", "written": [text],
        "contents": [{"id": "x-edu", "names": ["x.edu"], "docroot": "/srv/x", "schema": "", "tls": False, "hosts": [], "seeds": []},
                     {"id": "y-edu", "names": ["y.edu"], "docroot": "/srv/y", "schema": "y", "tls": True, "hosts": ["y.edu"], "seeds": [text]}],
    }  # fmt: skip


def plan(*, placement="virtual-host", dns=True, text="plain", tls=False, profile="static"):
    cluster = placement not in {"virtual-host", "vps"}
    destination = {
        "platform": "p", "nodes": ["n1", "n2"] if cluster else ["vh1"], "front": "front" if cluster else "", "address": "192.0.2.9",
        "account": "w-x", "docroot": "/srv/sites/w-x/htdocs", "php": "8.2", "receiver": "front" if cluster else "vh1",
        "receiver_address": "192.0.2.9", "database": None, "certificate": "/etc/ssl/sites/w-x.pem" if tls else "", "node_addresses": {"n1": "192.0.2.21", "n2": "192.0.2.22"},
    }  # fmt: skip
    move = {
        "id": "x-edu", "site": "x.edu", "names": ["x.edu"], "placement": placement, "profile": profile, "wave": 1, "carried_out": "planner", "steps": list(steps(placement)),
        "seeds": [], "unit": "u", "destination": destination,
        "retirement": {"folder": "/srv/archive/x-edu", "redirect": "", "keep_path": False, "contact": text, "keep_until": "2029-12-01", "wipe_from": None}
        if placement == "retire" else None, "dns": {"zone": "edu", "records": []} if dns else None,
        "source": {"host": "old", "address": "192.0.2.1", "docroot": text, "web_server": "nginx", "vhosts": [[text, 1]], "database": None,
                   "config_file": "", "https_only": tls, "hsts": "max-age=300" if tls else "",
                   "certificate": {"path": text, "key_path": text, "chain": "", "names": [], "hosts": []} if tls else None},
    }  # fmt: skip
    if placement == "vps":
        move["stack"] = STACK
    if placement == "colocation":
        move |= {"colocation": colocation(text), "schedule": {"cutover": "2026-12-01"}}
    return {"id": "plan-1", "fingerprint": "f" * 64, "moves": [move]}


if __name__ == "__main__":
    document = plan()
    cluster = plan(placement="site-cluster")["moves"][0]
    document["moves"].append({**cluster, "id": "y-edu", "site": "y.edu"})
    document["moves"].append({**plan(placement="vps")["moves"][0], "id": "s-edu", "site": "s.edu"})
    document["moves"].append({**plan(placement="retire")["moves"][0], "id": "z-edu", "site": "z.edu"})
    for name, transport in (("m-edu", "stays"), ("k-edu", "carried")):
        carried = plan(placement="colocation")["moves"][0]
        document["moves"].append({**carried, "id": name, "site": name, "colocation": {**colocation(transport=transport), "leader": name}})
    for name, placement in (("v-tls-edu", "virtual-host"), ("c-tls-edu", "site-cluster")):
        document["moves"].append({**plan(placement=placement, tls=True)["moves"][0], "id": name, "site": name})
    for name, tls in (("e-edu", False), ("e-tls-edu", True)):
        document["moves"].append({**plan(placement="site-cluster", profile="static-export", tls=tls)["moves"][0], "id": name, "site": name})
    bundle.write(document, Path(sys.argv[1]), ACCESS)
