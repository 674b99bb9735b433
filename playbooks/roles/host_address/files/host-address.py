#!/usr/bin/python3
"""Work out which bytes of a host's network files change with its address.  usage: host-address < JSON (on the control node; pure)

In: {"from": {address, prefix, gateway}, "to": {the same}, "read": what read.sh printed on the host}.  Out: {"kind", "files": [{path, sha256
of now and of then, edits [[from byte, to byte, text]], lines}], "also": other places, "problems"}; with problems there are no files.  Only
values that say the old address, its mask, gateway, network or broadcast address are replaced, and everything else keeps its bytes.  What
was rewritten is read again and must say the new address.  Kinds: Debian's ifupdown, systemd-networkd, netplan, NetworkManager's keyfiles,
Red Hat's ifcfg files.
"""

import base64
import binascii
import hashlib
import ipaddress
import json
import re
import sys

import yaml

KINDS = (
    ("ifupdown", re.compile(r"/etc/network/interfaces(?:\.d/[^/]+)?")),
    ("systemd-networkd", re.compile(r"/etc/systemd/network/[^/]+\.network(?:\.d/[^/]+\.conf)?")),
    ("netplan", re.compile(r"/etc/netplan/[^/]+\.ya?ml")),
    ("NetworkManager", re.compile(r"/etc/NetworkManager/system-connections/[^/]+")),
    ("ifcfg", re.compile(r"/etc/sysconfig/(?:network|network-scripts/ifcfg-[^/]+)")),
)
HOSTS = "/etc/hosts"
CLOUD_INIT = b"generated from information provided by the datasource"
ASSIGNED = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z][\w.-]*)[ \t]*=[ \t]*(?P<quote>["']?)(?P<value>[^\n\r"']*?)(?P=quote)[ \t]*\r?$"""
)
SECTION = re.compile(r"^[ \t]*\[([^\]\n]+)\][ \t]*\r?$")
WORDS = re.compile(r"[ \t]*(?P<key>[A-Za-z][\w-]*)[ \t]+(?P<value>[^\s#]+)")


class Net:
    """An address with its prefix and gateway, and what follows from them."""

    def __init__(self, given):
        self.address = str(ipaddress.IPv4Address(given["address"]))
        self.interface = ipaddress.IPv4Interface(f"{self.address}/{int(given['prefix'])}")
        self.prefix = self.interface.network.prefixlen
        self.gateway = str(ipaddress.IPv4Address(given["gateway"]))
        self.netmask = str(self.interface.netmask)
        self.network = str(self.interface.network.network_address)
        self.broadcast = str(self.interface.network.broadcast_address)


class File:
    """A file and the edits that it gets; text is latin-1, so that a character is a byte."""

    def __init__(self, path, content):
        self.path, self.content, self.text = path, content, content.decode("latin-1")
        self.kind = next((kind for kind, form in KINDS if form.fullmatch(path)), "")
        self.edits = []

    def lines(self):
        """(number, offset, line without its newline)."""
        offset = 0
        for number, line in enumerate(self.text.split("\n"), start=1):
            yield number, offset, line
            offset += len(line) + 1

    def edit(self, start, end, text):
        if self.text[start:end] != text:
            self.edits.append((start, end, text))

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def rewritten(self):
        text = self.text
        for start, end, new in sorted(self.edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text.encode("latin-1")


class Work:
    """One host's files on their way from one address to another."""

    def __init__(self, old, new):
        self.old, self.new, self.problems, self.found = old, new, [], 0

    def problem(self, file, line, text):
        self.problems.append(f"{file.path}:{line}: {text}")

    def address(self, value, prefix_elsewhere=False):
        """The value that takes its place, None for another address.  `prefix_elsewhere`: a mask of its own stands near."""
        bare, slash, rest = value.partition("/")
        if bare != self.old.address:
            return None
        self.found += 1
        if not slash:
            return self.new.address if prefix_elsewhere else f"{self.new.address}/{self.new.prefix}"
        return f"{self.new.address}/{self.new.netmask if '.' in rest else self.new.prefix}"

    def known(self, value):
        """What a gateway, network or broadcast address becomes; the value itself when it is none of ours."""
        old, new = self.old, self.new
        return {old.gateway: new.gateway, old.network: new.network, old.broadcast: new.broadcast}.get(value, value)

    def mask(self, value):
        return self.new.netmask if "." in value else str(self.new.prefix)


def stanzas(file):
    """ifupdown's `iface` stanzas: (method, family, [(number, offset, line)])."""
    here = None
    for number, offset, line in file.lines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "iface":
            here = (words[3] if len(words) > 3 else "", words[2] if len(words) > 2 else "", [])
            yield here
        elif words[0] in {"auto", "mapping", "source", "source-directory", "no-auto-down", "no-scripts"} or words[0].startswith("allow-"):
            here = None
        elif here is not None:
            here[2].append((number, offset, line))


def ifupdown(file, work):
    for method, family, lines in list(stanzas(file)):
        options = []
        for number, offset, line in lines:
            match = WORDS.match(line)
            if match:
                options.append((match["key"], match["value"], offset + match.start("value"), number))
        mine = [option for option in options if option[0] == "address" and option[1].partition("/")[0] == work.old.address]
        if family == "inet6" and any(key == "address" for key, *_ in options):
            work.problem(file, options[0][3], "an IPv6 address is set, and only IPv4 is renumbered")
        if not mine:
            continue
        if method != "static":
            work.problem(file, mine[0][3], f"the address stands in a stanza of the method {method or '(none)'}")
        masked = any(key == "netmask" for key, *_ in options)
        for key, value, start, _ in options:
            text = value
            if key == "address":
                text = work.address(value, masked) or value
            elif key == "netmask":
                text = work.mask(value)
            elif key in {"gateway", "broadcast", "network"}:
                text = work.known(value)
            file.edit(start, start + len(value), text)


def assigned(file):
    """KEY=VALUE lines with the section they stand in: (section, key, value, offset of the value, number)."""
    section = ""
    for number, offset, line in file.lines():
        if line.lstrip()[:1] in {"#", ";"}:
            continue
        head = SECTION.match(line)
        if head:
            section = head[1].strip().lower()
            continue
        match = ASSIGNED.match(line)
        if match:
            yield section, match["key"], match["value"].rstrip(), offset + match.start("value"), number


def networkd(file, work):
    for section, key, value, start, number in assigned(file):
        text = value
        if section in {"network", "address"} and key == "Address":
            if ":" in value:
                work.problem(file, number, "an IPv6 address is set, and only IPv4 is renumbered")
            text = work.address(value) or value
        elif (section, key) in {("network", "Gateway"), ("route", "Gateway"), ("address", "Broadcast")}:
            text = work.known(value)
        elif section == "network" and key == "DHCP" and value.lower() in {"yes", "true", "ipv4", "both"}:
            work.problem(file, number, "DHCP is on beside the address")
        file.edit(start, start + len(value), text)


def keyfile(file, work):
    """`address1=192.0.2.7/24,192.0.2.1` or `gateway=` in [ipv4]."""
    for section, key, value, start, number in assigned(file):
        if section == "ipv6" and re.fullmatch(r"address(es)?\d*", key):
            work.problem(file, number, "an IPv6 address is set, and only IPv4 is renumbered")
        if section != "ipv4":
            continue
        if key == "method" and value not in {"manual", "disabled"}:
            work.problem(file, number, f"the method is {value}")
        if re.fullmatch(r"address(es)?\d*", key):
            first, comma, gateway = value.partition(",")
            text = work.address(first.strip())
            if text is not None:
                file.edit(start, start + len(value), text + comma + (work.known(gateway.strip()) if comma else ""))
        elif key == "gateway":
            file.edit(start, start + len(value), work.known(value))


def ifcfg(file, work):
    rows = [(key, value, start, number) for _, key, value, start, number in assigned(file)]
    masked = any(re.fullmatch(r"(NETMASK|PREFIX)\d*", key) for key, *_ in rows)
    mine = {key[6:] for key, value, *_ in rows if re.fullmatch(r"IPADDR\d*", key) and value.partition("/")[0] == work.old.address}
    for key, value, start, number in rows:
        text, number_of = value, re.sub(r"^[A-Z]+", "", key)
        if re.fullmatch(r"IPADDR\d*", key):
            # without a mask these files mean the class's: one that takes its place names the prefix
            text = work.address(value, masked) or value
        elif re.fullmatch(r"(NETMASK|PREFIX)\d*", key) and number_of in mine:
            text = work.mask(value)
        elif re.fullmatch(r"(GATEWAY|NETWORK|BROADCAST)\d*", key):
            text = work.known(value)
        elif key == "BOOTPROTO" and value.lower() in {"dhcp", "bootp"} and mine:
            work.problem(file, number, "DHCP is on beside the address")
        elif key.startswith("IPV6ADDR") and value:
            work.problem(file, number, "an IPv6 address is set, and only IPv4 is renumbered")
        file.edit(start, start + len(value), text)


def scalars(node, path=()):
    """Scalars of a YAML document with the keys above them."""
    if isinstance(node, yaml.ScalarNode):
        yield path, node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from scalars(item, (*path, "-"))
    elif isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if path[-2:] == ("addresses", "-"):  # `- 192.0.2.7/24: {label: …}`
                yield (*path, "-"), key
            yield from scalars(item, (*path, name))


def netplan(file, work):
    text = file.content.decode("utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    bytes_to = [0]
    for letter in text:
        bytes_to.append(bytes_to[-1] + len(letter.encode()))
    for path, node in scalars(root) if root is not None else ():
        value, number = node.value, node.start_mark.line + 1
        above = [name for name in path if name != "-"]
        wanted = None
        if above[-1:] == ["addresses"] and "nameservers" not in above:
            if ":" in value:
                work.problem(file, number, "an IPv6 address is set, and only IPv4 is renumbered")
            wanted = work.address(value)
        elif above[-1:] in (["gateway4"], ["via"]):
            wanted = work.known(value)
        elif above[-1:] == ["dhcp4"] and value.lower() in {"true", "yes", "on", "y"}:
            work.problem(file, number, "DHCP is on beside the address")
        if wanted is None or wanted == value:
            continue
        at = text.find(value, node.start_mark.index, node.end_mark.index)
        if at < 0:
            work.problem(file, number, "the value is written in a way that cannot be replaced")
            continue
        start = bytes_to[at]
        file.edit(start, start + len(value.encode()), wanted)


def hosts(file, work):
    for _, offset, line in file.lines():
        match = re.match(r"[ \t]*([0-9.]+)(?=[ \t])", line)
        if match and match[1] == work.old.address:
            file.edit(offset + match.start(1), offset + match.end(1), work.new.address)


READERS = {"ifupdown": ifupdown, "systemd-networkd": networkd, "netplan": netplan, "NetworkManager": keyfile, "ifcfg": ifcfg}


def named(text, address):
    """Numbers of the lines that say an address outside of a comment."""
    form = re.compile(r"(?<![\d.])" + re.escape(address) + r"(?![\d.]*\d)")
    return [number for number, line in enumerate(text.split("\n"), start=1) if form.search(re.split(r"(?:^|\s)[#;]", line)[0])]


def rewrite(old, new, contents, cloud_init_off=True):
    """(kind, files with edits, problems).  `contents`: path → bytes."""
    work = Work(old, new)
    files = [File(path, content) for path, content in sorted(contents.items())]
    said = {}
    for file in files:
        before = work.found
        try:
            if file.path == HOSTS:
                hosts(file, work)
                continue
            if not file.kind:
                continue
            READERS[file.kind](file, work)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            work.problems.append(f"{file.path}: it cannot be read: {' '.join(str(error).split())[:200] or type(error).__name__}")
            continue
        if work.found > before:
            said.setdefault(file.kind, []).append(file)
        if file.kind == "netplan" and CLOUD_INIT in file.content and not cloud_init_off:
            work.problems.append(f"{file.path}: cloud-init writes this file anew when it likes; switch its network part off first")
    if not work.found and not work.problems:
        kinds = ", ".join(kind for kind, _ in KINDS)
        work.problems.append(f"{old.address} stands in no file of {kinds}: it comes by DHCP, or from a program that is not known here")
    if work.found > 1:
        places = ", ".join(file.path for listed in said.values() for file in listed)
        work.problems.append(f"{old.address} is set {work.found} times ({places}): which one counts is a person's to say")
    kind = next(iter(said), "")
    for file in files:
        if file.kind and file.path != HOSTS:
            text = file.rewritten().decode("latin-1")
            left = {number for address in {old.address, old.gateway} - {new.address, new.gateway} for number in named(text, address)}
            for number in sorted(left):
                work.problem(file, number, "it names the old address or gateway in a way that is not known here")
    if not work.problems:
        again = Work(new, new)
        for file in files:
            if file.kind and file.path != HOSTS:
                READERS[file.kind](File(file.path, file.rewritten()), again)
        if again.found != 1:
            work.problems.append("what was rewritten does not read as the new address")
    return kind, [file for file in files if file.edits], work.problems


# ---------------------------------------------------------------- what read.sh printed


def printed(text):
    """(path → bytes, other places, problems, whether cloud-init leaves the network alone)."""
    contents, also, problems, cloud, ended = {}, [], [], True, False
    for line in text.replace("\r", "").split("\n"):
        word, _, rest = line.partition(" ")
        if word == "file":
            name, _, content = rest.partition(" ")
            try:
                path = base64.b64decode(name, validate=True).decode("utf-8", "surrogateescape")
                contents[path] = base64.b64decode(content, validate=True)
            except (ValueError, binascii.Error):
                problems.append("the list of files came damaged")
        elif word == "also":
            also.append(rest)
        elif word == "problem":
            problems.append(rest)
        elif word == "cloud-init-writes":
            cloud = False
        elif word == "end":
            ended = True
    if not ended:
        problems.append("the list of files is cut off")
    return contents, also, problems, cloud


def worked_out(job):
    old, new = Net(job["from"]), Net(job["to"])
    contents, also, problems, cloud = printed(str(job["read"]))
    kind, files, more = rewrite(old, new, contents, cloud) if not problems else ("", [], [])
    problems += more
    listed = [
        {
            "path": file.path,
            "now": hashlib.sha256(file.content).hexdigest(),
            "then": hashlib.sha256(file.rewritten()).hexdigest(),
            "edits": [list(edit) for edit in sorted(file.edits, reverse=True)],
            "lines": sorted({file.line_of(start) for start, _, _ in file.edits}),
        }
        for file in files
    ]
    also = [place for place in also if place.rpartition(":")[0] not in contents]
    return {"kind": kind, "files": [] if problems else listed, "also": also, "problems": problems}


if __name__ == "__main__":
    print(json.dumps(worked_out(json.load(sys.stdin)), sort_keys=True))
