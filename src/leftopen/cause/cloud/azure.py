"""Azure network security groups

Sources: learn.microsoft.com, "Network security groups" (priorities, default rules, service
tags) and "Virtual network service tags". Shapes: `az network nsg show`, `az network nsg list`,
`az network nic list-effective-nsg`, ARM templates and exports, Resource Graph rows.
"""

from __future__ import annotations

import re
import shlex
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from leftopen.cause.api import CloudRule, Edit, Judgement, Remedy, SourceFile, factor
from leftopen.cause.files import gap
from leftopen.cause.jsontext import Node, items, member, string, strings
from leftopen.cause.jsontext import parse as parse_json
from leftopen.cause.networks import EVERYONE, NOBODY, PRIVATE, PUBLIC, AddressSet, parse, strangers
from leftopen.model.cause import Origin, Truth, any_of
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe

Ports = tuple[tuple[int, int], ...]
ALL_PORTS: Ports = ((0, 65_535),)
MAX_DEPTH = 12  # levels of a snapshot above a group
MAX_RULES = 5_000  # of one group; Azure allows 1,000
MAX_LISTED = 2_048  # ports of one cause that are listed one by one
MAX_MACHINES = 64  # destinations of one group that are told apart
_TYPE = "microsoft.network/networksecuritygroups"
_DEFAULTS = (  # name, priority, source, allow
    ("AllowVnetInBound", 65_000, "VirtualNetwork", True),
    ("AllowAzureLoadBalancerInBound", 65_001, "AzureLoadBalancer", True),
    ("DenyAllInBound", 65_500, "*", False),
)
# Tags whose addresses any customer of the cloud can send from.
_TENANTS = ("azurecloud", "azurefrontdoor", "azurecontainerapps", "appservice", "azuredevops")
_PLATFORM = frozenset(
    (
        *(
            "azureloadbalancer",
            "gatewaymanager",
            "azuretrafficmanager",
            "azuremonitor",
            "azurebackup",
        ),
        *("azureplatformdns", "azureplatformimds", "azureplatformlkm", "apimanagement", "eventhub"),
        *("azuredatalake", "azureactivedirectory", "azuresiterecovery"),
    )
)


@dataclass(frozen=True, slots=True)
class Source:
    """Who a rule is about: addresses, and tags that stand for addresses not in the file."""

    addresses: AddressSet = NOBODY
    tenants: frozenset[str] = frozenset()  # tags of addresses that any tenant can have
    unknown: frozenset[str] = frozenset()
    concerns: bool = False  # whether anybody in it can be a stranger


@dataclass(frozen=True, slots=True)
class NsgRule:
    """An inbound rule."""

    name: str
    priority: int
    allow: bool
    protocol: str  # "*", "tcp", "udp", "icmp", ...
    source: Source
    destination: AddressSet
    ports: Ports
    node: Node | None = None  # None for a default rule that is not in the file

    def covers(self, protocol: str, port: int, address: int) -> bool:
        """Is the rule about this protocol, port and (IPv4) destination?"""
        if self.protocol not in ("*", protocol):
            return False
        if self.destination is not EVERYONE:
            ranges = self.destination.v4 or ((0, (1 << 32) - 1),) * bool(self.destination.v6)
            if not any(low <= address <= high for low, high in ranges):
                return False
        return any(low <= port <= high for low, high in self.ports)


@dataclass(slots=True)
class Reach:
    """Whom a group lets through to one port."""

    addresses: AddressSet = NOBODY
    tenants: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    rules: list[NsgRule] = field(default_factory=list)  # those that let them in

    def add(
        self, rule: NsgRule, addresses: AddressSet, tenants: Set[str], unknown: Set[str]
    ) -> None:
        """Let more through."""
        self.rules.append(rule)
        self.addresses |= addresses
        self.tenants |= tenants
        self.unknown |= unknown

    @property
    def strangers(self) -> Truth:
        """Does it include people that the owner does not know?"""
        tags = Truth.YES if self.tenants else Truth.UNKNOWN if self.unknown else Truth.NO
        return any_of(strangers(self.addresses), tags)

    def then(self, other: Reach) -> Reach:
        """Whom this group and another one behind it let through."""
        tenants = self.tenants & other.tenants
        tenants |= self.tenants if other.addresses & PUBLIC else set()
        tenants |= other.tenants if self.addresses & PUBLIC else set()
        unknown, rules = self.unknown | other.unknown, self.rules + other.rules
        return Reach(self.addresses & other.addresses, tenants, unknown, rules)

    def __str__(self) -> str:
        tags = sorted(self.tenants | self.unknown)
        public = str(self.addresses) if self.addresses or not tags else ""
        return ", ".join(filter(None, (public, *(safe(tag, 60) for tag in tags))))


def reach(rules: Sequence[NsgRule], protocol: str, port: int, address: int) -> Reach:
    """Walk the rules by priority; the first match decides, for each source address."""
    found, left, gone = Reach(), EVERYONE, set[str]()
    for rule in rules:
        source = rule.source
        if not source.concerns or not rule.covers(protocol, port, address):
            continue
        new = left & source.addresses
        if rule.allow:
            tenants = source.tenants - gone if left & PUBLIC else frozenset[str]()
            unknown = source.unknown - gone
            if tenants or unknown or new & PUBLIC:
                found.add(rule, new, tenants, unknown)
        gone |= source.tenants | source.unknown
        left -= source.addresses
        if not left:
            break
    return found


def _source(prefixes: Sequence[str]) -> Source:
    addresses, tenants, unknown = NOBODY, set[str](), set[str]()
    for prefix in prefixes:
        tag = prefix.lower()
        network = parse(prefix)
        if tag in ("*", "any"):
            return Source(EVERYONE, concerns=True)
        if network is not None:
            addresses |= network
        elif tag == "internet":
            addresses |= PUBLIC
        elif tag == "virtualnetwork":
            addresses |= PRIVATE
        elif tag.split(".")[0] in _TENANTS:
            tenants.add(prefix)
        elif tag.split(".")[0] not in _PLATFORM:
            unknown.add(prefix)
    concerns = bool(addresses & PUBLIC or tenants or unknown)
    return Source(addresses, frozenset(tenants), frozenset(unknown), concerns)


def _destination(prefixes: Sequence[str], groups: bool) -> AddressSet:
    if groups and not prefixes:
        return EVERYONE  # application security groups: some machine of the network
    found = NOBODY
    for prefix in prefixes:
        network = parse(prefix)
        if network is None:  # "*", VirtualNetwork and other tags: machines behind this group
            return EVERYONE
        found |= network
    return EVERYONE if found == EVERYONE or not prefixes else found


def _ports(texts: Sequence[str]) -> Ports:
    found = []
    for text in texts:
        if text in ("*", "Any", "any"):
            return ALL_PORTS
        for part in text.split(","):
            low, _, high = part.strip().partition("-")
            if low.isdigit() and (high.isdigit() or not high) and len(part) < 14:
                found.append((int(low), min(int(high or low), 65_535)))
    return tuple(found)


def _rule(node: Node) -> NsgRule | None:
    """One security rule, or None for an outbound one. Raises ValueError where it is not one."""
    body = member(node, "properties") or node
    if string(member(body, "direction")).lower() == "outbound":
        return None
    priority, access = member(body, "priority"), string(member(body, "access")).lower()
    if priority is None or type(priority.value) is not int or access not in ("allow", "deny"):
        raise ValueError("a rule without priority or access")

    def both(stem: str, plural: str) -> list[str]:
        return strings(member(body, stem), member(body, plural))

    protocol = string(member(body, "protocol")).lower()
    groups = bool(items(member(body, "destinationApplicationSecurityGroups")))
    return NsgRule(
        name=string(member(node, "name")),
        priority=priority.value,
        allow=access == "allow",
        protocol="*" if protocol in ("*", "all", "any", "") else protocol,
        source=_source(both("sourceAddressPrefix", "sourceAddressPrefixes")),
        destination=_destination(
            both("destinationAddressPrefix", "destinationAddressPrefixes"), groups
        ),
        ports=_ports(both("destinationPortRange", "destinationPortRanges")),
        node=body,
    )


@dataclass(frozen=True, slots=True)
class Group:
    """One network security group with its inbound rules, lowest priority number first."""

    name: str
    resource_group: str
    rules: tuple[NsgRule, ...]


def _group(node: Node, effective: bool) -> Group:
    body = member(node, "properties") or node
    found: list[NsgRule] = []
    for name in (
        ("effectiveSecurityRules",) if effective else ("securityRules", "defaultSecurityRules")
    ):
        listed = items(member(body, name))
        if len(listed) > MAX_RULES:
            raise ValueError(f"more than {MAX_RULES} rules")
        found += [rule for item in listed if (rule := _rule(item))]
    if not any(rule.priority >= 65_000 for rule in found):
        found += [
            NsgRule(name, priority, allow, "*", _source([tag]), EVERYONE, ALL_PORTS)
            for name, priority, tag, allow in _DEFAULTS
        ]
    identity = string(member(body, "networkSecurityGroup", "id")) or string(member(node, "id"))
    parts = identity.split("/")
    group = parts[4] if len(parts) > 4 else ""
    return Group(
        name=string(member(node, "name")) or parts[-1],
        resource_group=string(member(node, "resourceGroup")) or group,
        rules=tuple(sorted(found, key=lambda r: r.priority)),
    )


def _find(node: Node, depth: int = 0) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    """Every group in a snapshot; the groups that one network card passes come together."""
    listed = items(member(node, "value"))
    if effective := [i for i in listed if member(i, "effectiveSecurityRules")]:
        yield node, tuple(effective)
        return
    is_group = string(member(node, "type")).lower() == _TYPE
    names = ("securityRules",), ("properties", "securityRules"), ("effectiveSecurityRules",)
    if is_group or any(member(node, *path) for path in names):
        yield node, (node,)
        return
    children = list(items(node))
    if isinstance(node.value, Mapping):
        children += node.value.values()
    for child in children:
        if depth < MAX_DEPTH and isinstance(child.value, Mapping | tuple):
            yield from _find(child, depth + 1)


def judge(source: SourceFile) -> Iterator[Judgement | Gap]:
    """Whom each group admits: one Judgement for each set of ports with the same admission."""
    try:
        root = parse_json(source.text)
    except ValueError as e:
        yield gap(Reason.CORRUPT, source.path, f"not JSON: {e}")
        return
    count = 0
    text = Text(source)
    for whole, nodes in _find(root):
        count += 1
        try:
            groups = [_group(n, bool(member(n, "effectiveSecurityRules"))) for n in nodes]
        except ValueError as e:
            place = f"{source.path}:{text.line(whole.start)}"
            yield gap(Reason.CORRUPT, place, f"network security group: {e}")
            continue
        yield from _judge(text, whole, groups)
    if not count:
        yield gap(Reason.EMPTY, source.path, "no network security group in it")


class Text:
    """A snapshot's text with its lines, found once for thousands of groups."""

    def __init__(self, source: SourceFile) -> None:
        self.path = source.path
        self.ends = [m.start() for m in re.finditer("\n", source.text)]

    def line(self, at: int) -> int:
        """The line (from 1) of a character."""
        return bisect_left(self.ends, at) + 1

    def origin(self, node: Node, detail: str = "") -> Origin:
        """Where a value stands."""
        return Origin(file=safe(self.path, 300), line=self.line(node.start), detail=detail)


def _judge(text: Text, whole: Node, groups: Sequence[Group]) -> Iterator[Judgement]:
    admitted: dict[tuple[str, str], tuple[Reach, list[tuple[int, int]]]] = {}
    rules = [rule for group in groups for rule in group.rules if rule.source.concerns]
    addresses = _points([edge for r in rules for edge in r.destination.v4], 1 << 32)[:MAX_MACHINES]
    for protocol in ("tcp", "udp"):
        edges = [edge for r in rules if r.protocol in ("*", protocol) for edge in r.ports]
        points = _points(edges, 65_536)
        for at, port in enumerate(points):
            best = _widest(groups, protocol, port, addresses)
            if best is None:
                continue
            end = points[at + 1] - 1 if at + 1 < len(points) else 65_535
            key = (protocol, str(best) + str([r.name for r in best.rules]))
            admitted.setdefault(key, (best, []))[1].append((port, end))
    for (protocol, _), (found, ports) in admitted.items():
        yield _judgement(text, whole, groups, protocol, found, _joined(ports))
    if not admitted:
        yield _closed(text, whole, groups)


def _points(ranges: Sequence[tuple[int, int]], size: int) -> list[int]:
    """Where the answer can change: 0, each first value, and each value behind a last one."""
    edges = {0, *(low for low, _ in ranges), *(high + 1 for _, high in ranges)}
    return sorted(e for e in edges if e < size)


def _widest(
    groups: Sequence[Group], protocol: str, port: int, addresses: Sequence[int]
) -> Reach | None:
    """The widest admission of strangers to any machine behind the groups, None for none.

    A packet must pass all groups.
    """
    unsure = None
    for address in addresses:
        found = [reach(g.rules, protocol, port, address) for g in groups]
        both = found[0]
        for other in found[1:]:
            both = both.then(other)
        holds = both.strangers
        if holds is Truth.YES:
            return both
        if holds is Truth.UNKNOWN:
            unsure = both
    return unsure


def _judgement(
    text: Text,
    whole: Node,
    groups: Sequence[Group],
    protocol: str,
    found: Reach,
    ports: Sequence[tuple[int, int]],
) -> Judgement:
    shown = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ports)
    spoken = shown.replace("-", " to ").replace(",", ", ")
    names = ", ".join(dict.fromkeys(r.name for r in found.rules))
    first = found.rules[0]
    place = text.origin(first.node or whole, f"priority {first.priority}")
    count = sum(high - low + 1 for low, high in ports)
    listed = [p for low, high in ports for p in range(low, high + 1)] if count <= MAX_LISTED else []
    title = f"Network security group {_name(groups)} admits strangers to {protocol} {spoken}"
    return Judgement(
        subject=f"{_name(groups)} {protocol}",
        title=f"{title}: {names}",
        factors=(
            factor("path", found.strangers, names, str(found), place, ours=True),
            factor("ports", Truth.YES, "ports", f"{protocol} {shown}", place, ours=True),
        ),
        ports=tuple(listed),
        part=(whole.start, whole.end),
        remedies=tuple(_remedies(text.path, groups, found)),
    )


def _name(groups: Sequence[Group]) -> str:
    return " and ".join(dict.fromkeys(g.name for g in groups)) or "without a name"


def _joined(ports: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    made: list[tuple[int, int]] = []
    for low, high in ports:
        if made and made[-1][1] + 1 == low:
            made[-1] = (made[-1][0], high)
        else:
            made.append((low, high))
    return made


def _closed(text: Text, whole: Node, groups: Sequence[Group]) -> Judgement:
    place = text.origin(whole)
    return Judgement(
        subject=_name(groups),
        title=f"Network security group {_name(groups)} lets no stranger in",
        factors=(factor("path", Truth.NO, "securityRules", "nobody from outside", place),),
        part=(whole.start, whole.end),
    )


def _remedies(path: str, groups: Sequence[Group], found: Reach) -> Iterator[Remedy]:
    """Admit the virtual network only; where that is no change, deny."""
    rules = [r for r in found.rules if r.node is not None]
    for title, option, narrow in (
        ("Admit the virtual network only", "--source-address-prefixes VirtualNetwork", True),
        ("Deny", "--access Deny", False),
    ):
        changes = [c for r in rules for c in (_narrow(r) if narrow else _deny(r))]
        edits = [Edit(path, start, end, text) for start, end, text in dict.fromkeys(changes)]
        commands = [_command(g, r, option) for g in groups for r in rules if r in g.rules]
        note = "Name the networks that need it instead, if other sites do."
        yield Remedy(
            title, tuple(edits), "\n".join(dict.fromkeys(commands)), note if narrow else ""
        )


def _command(group: Group, rule: NsgRule, option: str) -> str:
    named = f"-g {shlex.quote(group.resource_group or 'RESOURCE_GROUP')}"
    named += f" --nsg-name {shlex.quote(group.name or 'NSG')} -n {shlex.quote(rule.name)}"
    return safe(f"az network nsg rule update {named} {option}", 400)


def _narrow(rule: NsgRule) -> Iterator[tuple[int, int, str]]:
    single, plural = (
        member(rule.node, n) for n in ("sourceAddressPrefix", "sourceAddressPrefixes")
    )
    expanded = member(rule.node, "expandedSourceAddressPrefix")
    if single:
        yield single.start, single.end, '"VirtualNetwork"'
    for node, text in ((plural, "[]" if single else '["VirtualNetwork"]'), (expanded, "null")):
        if node and items(node):
            yield node.start, node.end, text


def _deny(rule: NsgRule) -> Iterator[tuple[int, int, str]]:
    access = member(rule.node, "access")
    if access:
        yield access.start, access.end, '"Deny"'


def recognise(path: str, head: str) -> int:
    """JSON that holds a security group or its rules."""
    start = head.lstrip("\ufeff \t\r\n")[:1]
    lower = head.lower()
    if start not in ("{", "["):
        return 0
    named = _TYPE in lower or '"securityrules"' in lower or '"effectivesecurityrules"' in lower
    return 90 if named else 0


def _example(source: str) -> str:
    return (
        '{\n  "name": "web-nsg",\n  "resourceGroup": "rg",\n  "securityRules": [\n    {\n'
        '      "name": "any",\n      "priority": 100,\n      "direction": "Inbound",\n'
        '      "access": "Allow",\n      "protocol": "*",\n'
        f'      "sourceAddressPrefix": "{source}",\n      "destinationAddressPrefix": "*",\n'
        '      "destinationPortRange": "*"\n    }\n  ]\n}\n'
    )


RULE = CloudRule(
    product="azure_nsg",
    rule="admits_strangers",
    recognise=recognise,
    judge=judge,
    bad=_example("*"),
    good=_example("10.0.0.0/8"),
    references=(
        "CIS Azure 7.1-7.4",
        "NIST SC-7",
        "Azure Policy 9daedab3-fb2d-461e-b861-71790eead4f6",
    ),
)
