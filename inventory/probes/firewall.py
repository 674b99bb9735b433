"""What a host's packet filter lets in: nftables, iptables (both kinds), ufw, firewalld, TCP wrappers; best effort, raw lines as evidence.

In: rule sets as the tools list them, and configuration files.  Out: `firewall` for each tool (is it in force, policies, number of
rules) and `firewall_rule` for each verdict on incoming packets.  Asking can change a host: `iptables -L` loads kernel modules, and so
does nft where nf_tables is absent.  So a tool is asked only when the kernel has its tables already; where it has none, the answer is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import SHOW, assignments

SCRIPT = (
    SHOW
    + r"""
most() { awk -v most=5000 -v what="$1" 'NR <= most { print "|" substr($0, 1, 1000) }
  END { if (NR > most) print "@ unknown " what " only " most " of " NR " lines" }'; }
# a kernel without /proc/modules loads none
present() {
  test ! -e /proc/modules || test -d /sys/module/$1 || grep -q "^$1 " /proc/modules ||
  grep -q "/$1\.ko" /lib/modules/`uname -r`/modules.builtin 2>/dev/null
}
if test "`id -u`" != 0; then mark unknown 'firewall not root'
else
  asked=
  if have nft; then
    if present nf_tables; then
      r=`limit 8 nft -s -t list ruleset 2>/dev/null || limit 8 nft list ruleset 2>/dev/null || echo failed`
      case $r in
        *failed) mark unknown 'nftables nft list ruleset failed' ;;
        *) asked=1; echo '@ nft'; printf '%s\n' "$r" | awk 'NF' | most nftables ;;
      esac
    else echo '@ nft'; asked=1; fi
  fi
  for v in '' 6; do
    tables=/proc/net/ip${v}_tables_names
    legacy=
    if test -s $tables || grep -q . $tables 2>/dev/null; then legacy=1; fi
    s=
    if test -n "$legacy"; then
      for c in ip${v}tables-legacy-save ip${v}tables-save; do if have $c; then s=$c; break; fi; done
      if test -z "$s"; then mark unknown "ip${v}tables tables are loaded, and no ip${v}tables-save"; fi
    elif test -z "$asked" && have ip${v}tables-save && present nf_tables; then
      case `ip${v}tables -V 2>/dev/null` in *nf_tables*) s=ip${v}tables-save ;; esac
    fi
    if test -n "$s"; then
      r=`limit 8 $s 2>/dev/null || echo failed`
      case $r in
        *failed) mark unknown "ip${v}tables $s failed" ;;
        *) echo "@ ip${v}tables"; printf '%s\n' "$r" | grep -v '^#' | most ip${v}tables ;;
      esac
    elif have ip${v}tables; then echo "@ ip${v}tables"; fi
  done
  if test -z "$asked" && ! have iptables && ! grep -q . /proc/net/ip_tables_names 2>/dev/null; then
    if test -d /sys/module/nf_tables; then mark unknown 'nftables nf_tables is loaded, and no nft'; else echo '@ none'; fi
  fi
fi
for f in /etc/ufw/ufw.conf /etc/default/ufw; do
  if test -e $f; then
    if test -r $f; then mark ufw $f; awk '/^[A-Z_]+=/ { print "|" $0 }' < $f; else mark unknown "ufw $f unreadable"; fi
  fi
done
for f in /etc/ufw/user.rules /etc/ufw/user6.rules /lib/ufw/user.rules /lib/ufw/user6.rules /var/lib/ufw/user.rules /var/lib/ufw/user6.rules; do
  if test -e $f; then
    if test -r $f; then mark ufw-rules $f; awk '/^### tuple ###/ && n++ < 1000 { sub(/ comment=.*/, ""); print "|" $0 }' < $f
    else mark unknown "ufw $f unreadable"; fi
  fi
done
if test -d /etc/firewalld || test -d /usr/lib/firewalld/zones; then
  if test -r /etc/firewalld; then
    if test -r /etc/firewalld/firewalld.conf; then mark firewalld /etc/firewalld/firewalld.conf; awk '/^[A-Za-z]+=/ { print "|" $0 }' < /etc/firewalld/firewalld.conf; fi
    z=`sed -n 's/^DefaultZone=\([A-Za-z0-9_-]*\).*/\1/p' /etc/firewalld/firewalld.conf 2>/dev/null`
    for f in /etc/firewalld/zones/*.xml; do if test -f "$f" && test -r "$f"; then mark zone "$f"; awk 'NR <= 400 { print "|" substr($0, 1, 500) }' < "$f"; fi; done
    f=/usr/lib/firewalld/zones/${z:-public}.xml
    if test -r $f && test ! -e /etc/firewalld/zones/${z:-public}.xml; then mark zone $f; awk 'NR <= 400 { print "|" substr($0, 1, 500) }' < $f; fi
    if test -e /run/firewalld.pid || test -d /run/firewalld; then echo '@ firewalld-runs'; fi
  else mark unknown 'firewalld /etc/firewalld unreadable'; fi
fi
for f in /etc/hosts.allow /etc/hosts.deny; do
  if test -r $f; then mark wrappers $f; awk '!/^[ \t]*(#|$)/ && n++ < 200 { print "|" substr($0, 1, 500) }' < $f; fi
done
"""
)

_MOST = 500
Rule = dict[str, Any]


def parse(section: Section) -> list[Observation]:
    """`firewall` {tool, active, policies, rules}; `firewall_rule` {tool, family, chain, action, protocol, ports, source, interface, raw}.

    `active` is True when the kernel holds a rule or a policy that refuses, or the tool's own configuration says so; None is unknown.
    `tool` none: the kernel has no tables, and there is no program that could make any.
    """
    found: list[Observation] = []
    once: dict[str, list[Block]] = {}
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        else:
            once.setdefault(block.tag, []).append(block)
    for block in once.get("nft", [])[:1]:
        found += _nft(block)
    for tag in ("iptables", "ip6tables"):
        for block in once.get(tag, [])[:1]:
            found += _iptables(block)
    for block in once.get("none", [])[:1]:
        found.append(_firewall("none", False, {}, 0, block.line))
    found += _ufw(once) + _firewalld(once) + _wrappers(once.get("wrappers", []))
    return found


def _firewall(tool: str, active: bool | None, policies: dict[str, str], rules: int, line: int) -> Observation:
    return Observation("firewall", {"tool": tool, "active": active, "policies": policies, "rules": rules}, line)


def _rule(tool: str, family: str, chain: str, action: str, raw: str, **more: str | None) -> Rule:
    rule: Rule = {"tool": tool, "family": family, "chain": chain, "action": action}
    rule |= dict.fromkeys(("protocol", "ports", "source", "interface"))
    return rule | more | {"raw": raw[:500]}


def _reachable(jumps: dict[str, set[str]], starts: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(jumps.get(name, ()))
    return seen


# -- iptables-save ---------------------------------------------------------------------------------------------------------------


def _iptables(block: Block) -> list[Observation]:
    """`*filter`, `:INPUT DROP [0:0]`, `-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT`; only what INPUT leads to is a verdict on visitors."""
    tool, family = block.tag, "ip6" if block.tag == "ip6tables" else "ip"
    table, policies, count = "", {}, 0
    jumps: dict[str, set[str]] = {}
    rules: list[tuple[list[str], int, str]] = []
    for offset, line in enumerate(block.lines, start=block.line + 1):
        words = line.split()
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":") and len(words) > 1:
            if words[1] != "-":
                policies[f"{table} {words[0][1:]}"] = words[1]
        elif len(words) > 2 and words[0] == "-A":
            count += 1
            if table == "filter":
                jumps.setdefault(words[1], set()).update(v for k, v in pairwise(words) if k in {"-j", "-g"})
                rules.append((words, offset, line))
    own = _reachable(jumps, ["INPUT"])
    active = count > 0 or any(value != "ACCEPT" for value in policies.values())
    found = [_firewall(tool, active, policies, count, block.line)]
    for words, offset, line in rules:
        if words[1] in own and (rule := _iptables_rule(tool, family, words, line)) is not None and len(found) <= _MOST:
            found.append(Observation("firewall_rule", rule, offset))
    return found


def _iptables_rule(tool: str, family: str, words: list[str], line: str) -> Rule | None:
    values: dict[str, str] = {}
    for index, word in enumerate(words[:-1]):
        if word.startswith("-"):
            values.setdefault(word, ("!" if words[index - 1] == "!" else "") + words[index + 1])
    action = values.get("-j", "").lower()
    states = set((values.get("--state") or values.get("--ctstate") or "NEW").split(","))
    if action not in {"accept", "drop", "reject"} or "NEW" not in states or values.get("-i") == "lo":
        return None
    ports = values.get("--dport") or values.get("--dports")
    return _rule(
        tool, family, words[1], action, line, protocol=values.get("-p"), ports=ports, source=values.get("-s"), interface=values.get("-i")
    )


# -- nft list ruleset ------------------------------------------------------------------------------------------------------------

_COUNTER = re.compile(r"\bcounter packets \d{1,20} bytes \d{1,20} ?")
_NFT_PORTS = re.compile(r"\b(tcp|udp|sctp|th) dport (!= )?(\{[^}]{0,400}\}|\S{1,80})")
_NFT_SOURCE = re.compile(r"\bip6? saddr (!= )?(\{[^}]{0,400}\}|\S{1,80})")
_NFT_INTERFACE = re.compile(r"\biif(?:name)? (!= )?(\{[^}]{0,400}\}|\S{1,80})")
_NFT_STATE = re.compile(r"\bct state (?:\{([^}]{0,100})\}|(\S{1,80}))")
_NFT_VERDICT = re.compile(r"\b(accept|drop|reject)\b(?![^{]*\})")
_NFT_JUMP = re.compile(r"\b(?:jump|goto) (\S{1,128})")


def _nft(block: Block) -> list[Observation]:
    family = table = chain = ""
    policies: dict[str, str] = {}
    jumps: dict[str, set[str]] = {}
    starts: list[str] = []
    rules: list[tuple[str, str, str, int]] = []
    for text, offset in _nft_lines(block):
        words = text.split()
        if not words:
            continue
        if words[0] == "table" and len(words) > 2:
            family, table, chain = words[1], words[2], ""
        elif words[0] == "chain" and len(words) > 1 and text.endswith("{"):
            chain = words[1]
        elif words[0] in {"set", "map", "flowtable", "ct", "counter", "quota", "limit", "}"} and (text.endswith("{") or words[0] == "}"):
            chain = ""
        elif chain and words[0] == "type" and "hook" in words:
            if (policy := re.search(r"policy (\w{1,20})", text)) is not None:
                policies[f"{family} {table} {chain}"] = policy.group(1)
            if words[words.index("hook") + 1 :][:1] == ["input"] and "filter" in words[1:2]:
                starts.append(f"{family} {table} {chain}")
        elif chain:
            place = f"{family} {table} {chain}"
            rules.append((place, family, text, offset))
            jumps.setdefault(place, set()).update(f"{family} {table} {name}" for name in _NFT_JUMP.findall(text))
    own = _reachable(jumps, starts)
    active = bool(rules) or any(value != "accept" for value in policies.values())
    found = [_firewall("nftables", active, policies, len(rules), block.line)]
    for place, kind, text, offset in rules:
        rule = _nft_rule(place, kind, text) if place in own else None
        if rule is not None and len(found) <= _MOST:
            found.append(Observation("firewall_rule", rule, offset))
    return found


def _nft_lines(block: Block) -> Iterator[tuple[str, int]]:
    """Lines without counters; a rule whose set runs over several lines is one."""
    pending: list[str] = []
    start = depth = 0
    for offset, line in enumerate(block.lines, start=block.line + 1):
        text = _COUNTER.sub("", line.strip())
        opens = text.endswith("{") and text.split(" ", 1)[0] in {
            "table",
            "chain",
            "set",
            "map",
            "flowtable",
            "ct",
            "counter",
            "quota",
            "limit",
        }
        if not pending and (opens or text == "}"):
            yield text, offset
            continue
        if not pending:
            start, depth = offset, 0
        pending.append(text)
        depth += text.count("{") - text.count("}")
        if depth <= 0 or len(pending) > 200:
            yield " ".join(pending), start
            pending = []


def _nft_rule(place: str, family: str, text: str) -> Rule | None:
    verdict = _NFT_VERDICT.search(text)
    if verdict is None:
        return None
    if (state := _NFT_STATE.search(text)) is not None and "new" not in (state.group(1) or state.group(2)):
        return None
    interface = _NFT_INTERFACE.search(text)
    if interface is not None and interface.group(2).strip('"') == "lo" and not interface.group(1):
        return None
    ports, source = _NFT_PORTS.search(text), _NFT_SOURCE.search(text)
    protocol = (
        ports.group(1) if ports else next((name for name in ("icmpv6", "icmp", "tcp", "udp") if re.search(rf"\b{name}\b", text)), None)
    )
    return _rule(
        "nftables", {"ip": "ip", "ip6": "ip6"}.get(family, "ip6" if "ip6 saddr" in text else "ip" if "ip saddr" in text else family),
        place, verdict.group(1), text, protocol=protocol, ports=_matched(ports, 3), source=_matched(source, 2), interface=_matched(interface, 2),
    )  # fmt: skip


def _matched(match: re.Match[str] | None, group: int) -> str | None:
    """A value or an anonymous set as text: `22`, `22,80`, `!10.0.0.0/8`, `@admins`."""
    if match is None:
        return None
    values = [word.strip().strip('"') for word in match.group(group).strip("{}").split(",")]
    return ("!" if match.group(group - 1) else "") + ",".join(value for value in values if value)


# -- what configures them --------------------------------------------------------------------------------------------------------


def _ufw(once: dict[str, list[Block]]) -> list[Observation]:
    settings: dict[str, str] = {}
    for block in once.get("ufw", []):
        settings |= assignments(block.lines)
    configured = once.get("ufw", []) + once.get("ufw-rules", [])
    if not configured:
        return []
    found: list[Observation] = []
    for block in once.get("ufw-rules", []):
        for offset, line in enumerate(block.lines, start=block.line + 1):
            words = line.removeprefix("### tuple ###").split()
            if len(words) < 6 or words[0].partition("_")[0] not in {"allow", "deny", "reject", "limit"} or "out" in words[6:7]:
                continue
            action = {"allow": "accept", "limit": "accept", "deny": "drop", "reject": "reject"}[words[0].partition("_")[0]]
            anywhere = {"0.0.0.0/0", "::/0", "any"}
            more = {
                "protocol": None if words[1] == "any" else words[1],
                "ports": None if words[2] == "any" else words[2],
                "source": None if words[5] in anywhere else words[5],
                "interface": words[6].partition("_")[2] or None if len(words) > 6 else None,
            }
            family = "ip6" if "user6" in block.value else "ip"
            found.append(Observation("firewall_rule", _rule("ufw", family, "user", action, line, **more), offset))
    policies = {key[8:-7].lower(): value for key, value in settings.items() if key.startswith("DEFAULT_") and key.endswith("_POLICY")}
    enabled = settings.get("ENABLED", "").lower()
    active = {"yes": True, "no": False}.get(enabled)
    return [_firewall("ufw", active, policies, len(found), configured[0].line), *found[:_MOST]]


def _firewalld(once: dict[str, list[Block]]) -> list[Observation]:
    zones = once.get("zone", [])
    settings = once.get("firewalld", [])
    if not zones and not settings:
        return []
    default = assignments(settings[0].lines).get("DefaultZone", "") if settings else ""
    found: list[Observation] = []
    policies = {"default zone": default} if default else {}
    for block in zones:
        zone = block.value.rpartition("/")[2].removesuffix(".xml")
        sources = [match.group(1) for line in block.lines if (match := re.search(r'^  <source [^>]{0,200}?address="([^"]{1,80})"', line))]
        rich: dict[str, str | None] | None = None
        for offset, line in enumerate(block.lines, start=block.line + 1):
            text = line.strip()
            values: dict[str, str] = dict(re.findall(r'\b(name|port|protocol|address|target)="([^"]{1,80})"', text[:500]))
            tag = re.match(r"</?(\w{1,20})", text)
            word = tag.group(1) if tag else ""
            if word == "zone" and "target" in values:
                policies[f"zone {zone}"] = values["target"]
            elif word == "rule":
                if rich is not None and text.startswith("</") and rich.get("action"):
                    action = str(rich.pop("action"))
                    found.append(
                        Observation("firewall_rule", _rule("firewalld", "inet", zone, action, _rich(action, rich), **rich), offset)
                    )
                rich = (
                    None
                    if text.startswith("</") or text.endswith("/>")
                    else {"action": None, "source": None, "ports": None, "protocol": None}
                )
            elif rich is not None:
                if word == "source":
                    rich["source"] = values.get("address")
                elif word in {"service", "port"}:
                    rich |= {"ports": values.get("port") or values.get("name"), "protocol": values.get("protocol")}
                elif word in {"accept", "reject", "drop"}:
                    rich["action"] = word
            elif word in {"service", "port"} and not text.startswith("</"):
                more = {
                    "protocol": values.get("protocol"),
                    "ports": values.get("port") or values.get("name"),
                    "source": ",".join(sources) or None,
                }
                found.append(Observation("firewall_rule", _rule("firewalld", "inet", zone, "accept", text, **more), offset))
    active = True if once.get("firewalld-runs") else None
    return [_firewall("firewalld", active, policies, len(found), (settings or zones)[0].line), *found[:_MOST]]


def _rich(action: str, rule: dict[str, str | None]) -> str:
    """A rich rule stands on several lines: in one, as `firewall-cmd` would print it, more or less."""
    return " ".join([f"{name}={value}" for name, value in sorted(rule.items()) if value] + [action])


def _wrappers(files: list[Block]) -> list[Observation]:
    found: list[Observation] = []
    for block in files:
        action = "accept" if block.value.endswith("allow") else "drop"
        for offset, line in enumerate(block.lines, start=block.line + 1):
            daemons, colon, rest = line.partition(":")
            if colon:
                rule = _rule("tcpwrappers", "inet", daemons.strip(), action, line, source=rest.partition(" :")[0].strip() or None)
                found.append(Observation("firewall_rule", rule, offset))
    if not found:
        return []
    return [_firewall("tcpwrappers", None, {}, len(found), files[0].line), *found[:_MOST]]


PROBE = Probe("firewall", SCRIPT, parse, seconds=30, max_bytes=2_000_000)
