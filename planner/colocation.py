"""A machine before and after it came into our room: what it is like is written down, and held against what it is like at its new address.

In: the move that leads a machine, ways in, the catalogue.  Out: details for the journal, a comparison; or RunError with all that is wrong.
Before: who listens, which services run, which disks and mounts there are, what each site answers.  After: the same, over the new address,
from a machine that shows the host key that was trusted at the old one; and nobody answers at the old address.  Then catalogue and trust
follow.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model, ssh
from inventory.errors import HostError, PlannerError, RunError
from planner import journal, recording
from planner.comparison import PageResult, SiteComparison, summarise
from planner.equality import Equality, Hosts

SETTLE_SECONDS = 180.0
"""So long services of a machine that just started have to come up."""
BETWEEN = 4.0

SCRIPT = r"""
LC_ALL=C; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export LC_ALL PATH
say() { awk -v what="$1" '{ print what, $0 }'; }
if command -v ss >/dev/null; then
  ss -lntu 2>/dev/null | awk '$1 ~ /^(tcp|udp)/ { print $1, $5 }' | sort -u | say listens
elif command -v netstat >/dev/null; then
  netstat -lntu 2>/dev/null | awk '$1 ~ /^(tcp|udp)/ { print substr($1, 1, 3), $4 }' | sort -u | say listens
else echo 'unknown listens'; fi
if test -d /run/systemd/system; then
  first() { awk '{ print $1 }'; }
  on=`systemctl list-unit-files --type=service --state=enabled,enabled-runtime,generated --no-legend --full 2>/dev/null | first`
  for unit in `systemctl list-units --type=service --state=running --no-legend --plain --full 2>/dev/null | first`; do
    case "
$on
" in *"
$unit
"*) echo "runs $unit";; esac
  done
else echo 'unknown runs'; fi
for disk in /sys/block/*; do
  case ${disk##*/} in loop*|ram*|zram*|sr*|fd*|nbd*) ;; *) test -e "$disk" && echo "disk ${disk##*/}";; esac
done
awk '$1 ~ /^\// || $3 ~ /^(nfs|nfs4|cifs|zfs)$/ { print "mount", $2, $3 }' /proc/mounts | sort -u
awk '/blocks.*\[.*_.*\]/ { print "degraded", "array" }' /proc/mdstat 2>/dev/null
echo "id `cat /etc/machine-id 2>/dev/null`"
ip -4 -o addr show 2>/dev/null | awk '{ split($4, a, "/"); print "address", a[1] }'
echo end
"""
"""What must be there again, one thing a line; reads only."""
_IGNORED = ("planner-", "user@", "systemd-hostnamed", "systemd-timedated", "systemd-localed", "packagekit", "fwupd", "apt-daily", "udisks2")
_EPHEMERAL = 32768
State = dict[str, list[str]]


def work(
    kind: str, book: catalogue.Catalogue, hosts: Hosts, plan: Mapping[str, Any], move: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """`record` or `recheck` of one move; `folder` takes the record.  Raises RunError, HostError."""
    if kind == "record":
        return record(hosts, move, folder)
    if move["colocation"]["leader"] != move["id"]:
        return _rides(book, plan, move)
    return recheck(book, hosts, plan, move)


def parse(text: str, address: str) -> State:
    """What `SCRIPT` printed, by word; its own address is written `own`.  Raises ValueError when it is cut off."""
    lines = text.splitlines()
    if "end" not in lines:
        raise ValueError("what the machine said of itself is cut off")
    found: State = {}
    for line in lines[: lines.index("end")]:
        word, _, rest = line.partition(" ")
        if word == "listens":
            protocol, _, local = rest.partition(" ")
            port = local.rpartition(":")[2]
            if not port.isdigit() or int(port) >= _EPHEMERAL:
                continue
            where = local.rpartition(":")[0].partition("%")[0].strip("[]")
            rest = f"{protocol} {'own' if where == address else where or '*'}:{port}"
        elif word == "runs" and rest.startswith(_IGNORED):
            continue
        if rest not in found.setdefault(word, []):
            found[word].append(rest)
    return {word: sorted(listed) for word, listed in sorted(found.items())}


def missing(before: Mapping[str, Sequence[str]], now: Mapping[str, Sequence[str]]) -> list[str]:
    """What is not as it was: sentences."""
    words = {
        "listens": "nothing listens on {}",
        "runs": "{} does not run",
        "disk": "the disk {} is not there",
        "mount": "{} is not mounted",
    }
    found = [text.format(one) for word, text in words.items() for one in before.get(word, ()) if one not in now.get(word, ())]
    if before.get("id") != now.get("id"):
        found.insert(0, "it has another machine id: this is another machine, or another system on it")
    if now.get("degraded") and not before.get("degraded"):
        found.append("a disk array is degraded")
    return found


def record(hosts: Hosts, move: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write down what must be as before.  Raises RunError when a site does not answer already: nothing could be proved afterwards."""
    how, address = move["colocation"], move["source"]["address"]
    state = _state(hosts, address, address)
    pages = {}
    for part in how["contents"]:
        names = part["hosts"] if part["tls"] and part["hosts"] else part["names"]
        pages[part["id"]] = recording.recorded(names, address, part["seeds"], tls=part["tls"])
    dumb = [part["names"][0] for part in how["contents"] if not any(200 <= pair["first"]["status"] < 300 for pair in pages[part["id"]])]
    if dumb:
        raise RunError(f"no page with content at {address} now, so that nothing could be proved afterwards: {', '.join(dumb)}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "before.json"
    path.write_text(json.dumps({"state": state, "pages": pages}, ensure_ascii=False, sort_keys=True), encoding="utf-8")
    count = sum(map(len, pages.values()))
    kinds = {"listens": "listeners", "runs": "services", "disk": "disks", "mount": "mounts"}
    told = ", ".join([f"{count} pages", *(f"{len(state.get(word, []))} {kind}" for word, kind in kinds.items())])
    return {"recorded": told, "file": str(path)}


def recheck(book: catalogue.Catalogue, hosts: Hosts, plan: Mapping[str, Any], move: Mapping[str, Any]) -> dict[str, Any]:
    """Hold the machine at its new address against the record.  Raises RunError with what differs."""
    how, old, new = move["colocation"], move["source"]["address"], move["colocation"]["new"]["address"]
    wrong, seen = held(at(hosts, old), move, _kept(book, move["id"]), new)
    if greeted(old, how["contents"]):
        wrong.append(f"somebody still answers at {old}")
    with book.session() as session:
        session.add(_comparison(str(plan["id"]), move, seen, wrong))
    if wrong:
        raise RunError(f"the machine is not as it was: {'; '.join(wrong[:12])}")
    remarks = follow(book, move, old, new)
    return {"compared": f"{seen.reason}; listeners, services, disks and mounts are as before" + "".join(f"; {one}" for one in remarks)}


def held(hosts: Hosts, move: Mapping[str, Any], kept: Mapping[str, Any], address: str) -> tuple[list[str], SiteComparison]:
    """What differs from the record at an address, as sentences, with the pages.  A machine that just started is given time."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        state = _state(hosts, address, address)
        wrong = missing(kept["state"], state)
        if not wrong or time.monotonic() > until or "another machine" in wrong[0]:
            break
        time.sleep(BETWEEN)
    wrong += [f"it still has {one['address']}" for one in (move["colocation"]["old"], move["colocation"]["new"])
              if one["address"] != address and one["address"] in state.get("address", ())]  # fmt: skip
    seen = _pages(move["colocation"]["contents"], address, kept["pages"])
    if seen.verdict != "equal":
        bad = [page for page in seen.pages if page.outcome == "different"][:3]
        wrong += [f"{page.url}: {', '.join(d.kind for d in page.differences)}" for page in bad] or [seen.reason]
    return wrong, seen


def _comparison(plan: str, move: Mapping[str, Any], seen: SiteComparison, wrong: Sequence[str]) -> model.Comparison:
    data = Equality(seen.to_json(), None, None).to_json()
    verdict = "different" if wrong else seen.verdict
    return model.Comparison(plan_id=plan, move=move["id"], at=catalogue.now(), verdict=verdict, data=data)


def _rides(book: catalogue.Catalogue, plan: Mapping[str, Any], move: Mapping[str, Any]) -> dict[str, Any]:
    leader = str(move["colocation"]["leader"])
    with book.session() as session:
        state = journal.read(session, plan)[leader].name
    if state != "done":
        raise RunError(f"it rides on the machine that {leader} carries, which is {state}")
    return {"compared": f"with {leader}: its pages are among those"}


def _pages(contents: Sequence[Mapping[str, Any]], address: str, kept: Mapping[str, Sequence[Mapping[str, Any]]]) -> SiteComparison:
    results: list[PageResult] = []
    homes = []
    for part in contents:
        names = part["hosts"] if part["tls"] and part["hosts"] else part["names"]
        one = recording.compared(names, address, kept.get(part["id"], ()), tls=part["tls"])
        results += one.pages
        homes.append(f"{'https' if part['tls'] else 'http'}://{names[0]}/")
    return summarise(results, required=homes)


def at(hosts: Hosts, old: str) -> Hosts:
    """Ways in to the machine at any address, with login and keys of the old one: who cannot show that key is not it."""

    def peer(address: str) -> ssh.Peer:
        return replace(hosts.peer(old), address=address)

    return Hosts(peer)


def _state(hosts: Hosts, address: str, own: str) -> State:
    code, text = hosts.run(address, SCRIPT)
    try:
        return parse(text, own)
    except ValueError as error:
        raise HostError("partial", f"{address}: {error} ({code})", hint=ssh.OUTCOMES["partial"]) from error


def greeted(address: str, contents: Sequence[Mapping[str, Any]]) -> bool:
    """Whether anybody takes connections at an address, on SSH's port or the sites'."""
    for port in sorted({22, *(443 if part["tls"] else 80 for part in contents)}):
        try:
            with socket.create_connection((address, port), timeout=2):
                return True
        except OSError:
            continue
    return False


def _kept(book: catalogue.Catalogue, move: str) -> dict[str, Any]:
    query = select(model.Journal).where(model.Journal.move == move, model.Journal.step == "record", model.Journal.event == "done")
    with book.session() as session:
        row = session.scalars(query.order_by(model.Journal.id.desc())).first()
        path = Path(str(row.detail.get("file", ""))) if row is not None else None
    try:
        if path is None:
            raise FileNotFoundError("nothing was recorded")
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"what the machine was like before cannot be read: {error}", hint="planner rollback, then planner run") from error
    return data


# ---------------------------------------------------------------- catalogue and trust follow


def follow(book: catalogue.Catalogue, move: Mapping[str, Any], from_: str, to: str) -> list[str]:
    """The catalogue's host has another address, and its keys, the same, are trusted there.  What could not be done is told."""
    with book.session() as session:
        host = session.scalars(select(model.Host).where(model.Host.name == move["source"]["host"])).first()
        taken = session.scalars(select(model.Host).where(model.Host.address == to)).first()
        if taken is not None and (host is None or taken.id != host.id):
            return [f"the catalogue has another host, {taken.name}, at {to}: visits go on to {from_}"]
        if host is not None:
            host.address = to
        _trust(session, from_, to)
    return []


def _trust(session: Session, from_: str, to: str) -> None:
    there = {(row.port, row.algorithm) for row in session.scalars(select(model.HostKey).where(model.HostKey.address == to))}
    for row in session.scalars(select(model.HostKey).where(model.HostKey.address == from_)).all():
        if (row.port, row.algorithm) not in there:
            session.add(
                model.HostKey(
                    address=to, port=row.port, algorithm=row.algorithm, key=row.key, fingerprint=row.fingerprint,
                    trusted_at=catalogue.now(), trusted_by=f"moved from {from_}"[:64],
                )
            )  # fmt: skip


def taken_back(
    book: catalogue.Catalogue, hosts: Hosts, writer: journal.Writer, move: Mapping[str, Any], say: Callable[[str, str, str], None]
) -> None:
    """A machine is back at its old address: the catalogue follows, what rode on it is back, too, and what is not as it was is told.

    A rollback is never held up by what was found there: it is all that can be done.
    """
    how = move["colocation"]
    if how["leader"] != move["id"]:
        return
    follow(book, move, how["new"]["address"], how["old"]["address"])
    for rider in how["rides"]:
        for step in ("verify", journal.ROLLBACK):
            writer.write(rider, step, "undone")
    try:
        wrong, seen = held(at(hosts, how["old"]["address"]), move, _kept(book, move["id"]), how["old"]["address"])
    except (PlannerError, OSError) as error:
        say(move["id"], journal.ROLLBACK, f"what it is like now could not be compared: {error}")
        return
    with book.session() as session:
        session.add(_comparison(str(writer.plan["id"]), move, seen, wrong))
    told = f"not as it was: {'; '.join(wrong[:12])}" if wrong else f"as it was: {seen.reason}; listeners, services, disks and mounts, too"
    say(move["id"], journal.ROLLBACK, f"done: {told}")


def after_cutover(move: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing answers at the old address any more: what was changed in DNS is all there is to tell."""
    return {"records": len(move["dns"]["records"]) if move["dns"] else 0}


def afterwards(move: Mapping[str, Any], step: str) -> str:
    """What is to be done when a step failed."""
    new, carried = move["colocation"]["new"]["address"], move["colocation"]["transport"] == "carried"
    if step == "arrive":
        seconds = move["colocation"]["confirm_seconds"]
        limit = f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"
        return (
            f"carry it as RUNSHEET.md says and switch it on; planner run within {limit} of that, else it takes its old address "
            f"back by itself.  planner rollback {move['id']} when it is not to come"
        )
    if step in {"renumber", "verify", "cutover"} and not carried:
        return "the machine has its old address again; put the cause right, then planner run"
    if step in {"verify", "cutover"}:
        return f"the machine is at {new}; put the cause right, then planner run, or planner rollback {move['id']}"
    return "nothing was changed on its network; put the cause right, then planner run goes on with this step"
