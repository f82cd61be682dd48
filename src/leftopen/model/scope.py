"""The scope file: what the user says is theirs. Only a Scope can make a Target.

The file is TOML, of the shape in `scope_file.py`; `parse_scope` reads and checks it, and names
file:line in every complaint.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import tomllib
from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from leftopen.model.endpoint import Address, Endpoint, Network
from leftopen.model.errors import OutOfScope, ScopeError
from leftopen.model.scope_file import ScopeFile, StoreUrl

WIDEST_PREFIX = {4: 12, 6: 96}


# Metadata services of clouds that are not link-local: AWS over IPv6, Alibaba. A name that leads
# there hands out credentials of the machine that asks.
METADATA_SERVICES = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200")))


class Target:
    """One endpoint that may be contacted. Made by `Scope` only."""

    __slots__ = ("endpoint", "protocol", "url")

    def __init__(self, endpoint: Endpoint, protocol: str, url: str, *, seal: object) -> None:
        """`seal` is private to this module, so that nothing else can make a Target."""
        if seal is not _SEAL:
            raise TypeError("only a Scope makes a Target")
        self.endpoint = endpoint
        self.protocol = protocol  # "" unless the scope file names the kind of store
        self.url = url  # "" for a plain endpoint

    def __repr__(self) -> str:
        """For people."""
        return f"Target({self.url or self.endpoint})"


_SEAL = object()


class Scope:
    """A checked scope file: the one authority on what may be touched."""

    __slots__ = ("_excluded", "_networks", "_tiers", "file", "path", "ports", "sha256")

    def __init__(
        self,
        file: ScopeFile,
        path: str,
        sha256: str,
        networks: tuple[Network, ...],
        excluded: tuple[tuple[Network, int | None], ...],
        ports: tuple[int, ...],
    ) -> None:
        """Use `parse_scope`; it has checked these."""
        self.file = file
        self.path = path
        self.sha256 = sha256
        self.ports = ports
        self._networks = networks
        self._excluded = excluded
        self._tiers = tuple(
            (ipaddress.ip_network(net), rule.tier)
            for rule in file.rules.tiers
            for net in rule.networks
        )

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks of the scope file."""
        return self._networks

    def excludes(self, address: str, port: int) -> bool:
        """Whether an exclusion names this endpoint, or its tier is 0. Exclusions always win."""
        ip = ipaddress.ip_address(address)
        named = any(
            ip.version == net.version and ip in net and (only is None or only == port)
            for net, only in self._excluded
        )
        return named or self.tier(address) == 0

    def tier(self, address: str) -> int:
        """How far a probe of this address may go: 0 nothing to 4 a sample, see `Rules`."""
        if not self._tiers:
            return self.file.rules.tier
        ip = ipaddress.ip_address(address)
        named = [t for net, t in self._tiers if ip.version == net.version and ip in net]
        return min(named, default=self.file.rules.tier)

    def with_targets(
        self, networks: Sequence[str], hosts: Sequence[str], stores: Sequence[StoreUrl], seal: str
    ) -> Scope:
        """The same with what the inventories that it names add; exclusions still win.

        `seal` stands for the inventories' content: with other content it is another scope.

        Raises:
            ScopeError: a public address among them, and no authority.
        """
        lines = _Lines("", self.path)
        added = tuple(_network(n, lines) for n in networks)
        targets = self.file.targets
        file = structs.replace(
            self.file,
            targets=structs.replace(
                targets,
                hosts=tuple(dict.fromkeys((*targets.hosts, *hosts))),
                stores=tuple(dict.fromkeys((*targets.stores, *stores))),
            ),
        )
        public = [n for n in added if is_public(n.network_address)]
        if public and not file.authority:
            raise ScopeError(
                f"{self.path}: an inventory names {public[0]}, which is public; add an [authority] "
                "block (organisation, approver, reference, valid_until)"
            )
        sha256 = hashlib.sha256(f"{self.sha256} {seal}".encode()).hexdigest()
        return Scope(file, self.path, sha256, (*self._networks, *added), self._excluded, self.ports)

    def covers(self, address: str, port: int) -> bool:
        """Whether this address is in a network of the scope and not excluded."""
        ip = ipaddress.ip_address(address)
        inside = any(ip.version == net.version and ip in net for net in self._networks)
        return inside and not self.excludes(address, port)

    def admits_named(self, name: str, address: str, port: int) -> bool:
        """Whether `address`, to which the first look-up of `name` led, may be contacted.

        In a network of the scope; or the user named the host himself, and the address is neither
        excluded nor a cloud's metadata service, link-local, multicast or unspecified, and a public
        one is under an authority.
        """
        if self.covers(address, port):
            return True
        ip = ipaddress.ip_address(address)
        if self.excludes(address, port) or name not in self.names:
            return False
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in METADATA_SERVICES:
            return False
        return not is_public(ip) or self.file.authority is not None

    @property
    def names(self) -> frozenset[str]:
        """Host names that the user named himself, in `hosts` and in `stores`."""
        from_stores = (urlsplit(s.url).hostname or "" for s in self.file.targets.stores)
        return frozenset((*self.file.targets.hosts, *from_stores))

    def target(
        self, address: str, port: int, *, name: str = "", protocol: str = "", url: str = ""
    ) -> Target:
        """A Target for this endpoint.

        Raises:
            OutOfScope: the scope does not cover it, or an exclusion names it.
        """
        allowed = self.admits_named(name, address, port) if name else self.covers(address, port)
        if not allowed:
            raise OutOfScope(f"{address} port {port} is not in the scope file")
        endpoint = Endpoint(address=address, port=port, name=name)
        return Target(endpoint, protocol, url, seal=_SEAL)

    def addresses(self) -> Iterator[str]:
        """Every address of the networks, in order, each once; hosts and stores need a look-up."""
        for net in ipaddress_collapse(self._networks):
            for ip in net if net.num_addresses <= 2 or net.version == 6 else _usable(net):
                yield str(ip)

    def count(self) -> int:
        """How many (address, port) pairs the networks hold, exclusions not subtracted."""
        return sum(n.num_addresses for n in ipaddress_collapse(self._networks)) * len(self.ports)


def _usable(net: Network) -> Iterator[Address]:
    """All addresses of a loopback or point-to-point range; elsewhere without network/broadcast."""
    yield from (net if net.is_loopback else net.hosts())


def ipaddress_collapse(networks: Sequence[Network]) -> list[Network]:
    """Merge overlapping networks, IPv4 first."""
    four = [n for n in networks if isinstance(n, ipaddress.IPv4Network)]
    six = [n for n in networks if isinstance(n, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]


def is_public(address: Address) -> bool:
    """Whether an address needs an authority: neither loopback nor private use.

    Private use is RFC 1918 and RFC 4193 (fc00::/7); Python's `is_private` also counts
    documentation ranges and more, so it is not used.
    """
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    ours = [ipaddress.ip_network(p) for p in private]
    return not address.is_loopback and not any(
        address.version == n.version and address in n for n in ours
    )


def parse_scope(text: str, path: str, today: datetime) -> Scope:
    """Read and check a scope file.

    Raises:
        ScopeError: with file:line and what to do.
    """
    lines = _Lines(text, path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ScopeError(f"{path}:{_toml_line(e, text)}: {e}") from None
    try:
        file = msgspec.convert(raw, ScopeFile)
    except msgspec.ValidationError as e:
        raise ScopeError(lines.explain(str(e))) from None
    networks = tuple(_network(n, lines) for n in file.targets.networks)
    excluded = tuple(_exclusion(e, lines) for e in file.targets.exclude)
    for group in (*file.parties.monitoring, *file.parties.researchers):
        for value in group.networks:
            _network(value, lines, widest=False)
    for rule in file.rules.tiers:
        for value in rule.networks:
            _network(value, lines, widest=False)
    for value in file.parties.owner:
        _network(value, lines, widest=False)
    named = file.targets.hosts or file.targets.stores or file.targets.inventories
    if not (networks or named):
        raise ScopeError(
            f"{path}:{lines.of('targets')}: [targets] names nothing; "
            "give networks, hosts, stores or inventories that are yours"
        )
    _check_authority(file, networks, lines, today)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Scope(file, path, sha256, networks, excluded, _ports(file, lines))


def _toml_line(error: tomllib.TOMLDecodeError, text: str) -> int:
    found = re.search(r"at line (\d+)", str(error))
    return int(found.group(1)) if found else text.count("\n") + 1


class _Lines:
    """Finds the line of a key or a value in the text, for complaints."""

    def __init__(self, text: str, path: str) -> None:
        self.lines = text.splitlines()
        self.path = path

    def of(self, *needles: str) -> int:
        """The first line that holds all needles outside a comment, or 1."""
        for number, line in enumerate(self.lines, 1):
            if all(n in line.split("#", 1)[0] for n in needles):
                return number
        return 1

    def in_section(self, section: str, key: str) -> int:
        """The line of `key =` below `[section]`; the section's line, else 1."""
        at, start = "", 1
        for number, line in enumerate(self.lines, 1):
            if header := re.match(r"\s*\[+\s*([\w.]+)\s*\]+", line):
                at, start = header.group(1), number if header.group(1) == section else start
            if at == section and re.match(rf"\s*{re.escape(key)}\s*=", line):
                return number
        return start

    def explain(self, message: str) -> str:
        """msgspec's message ("... - at `$.rates.per_host`") with file:line in front."""
        path = re.search(r"at `\$\.?([^`]*)`", message)
        parts = re.sub(r"\[[^\]]*\]", "", path.group(1)).split(".") if path else []
        parts = [p for p in parts if p]
        said = re.sub(r" - at `[^`]*`", "", message)
        named = re.search(r"field `([^`]+)`", said)
        section = ".".join(parts[:1])
        if named and "unknown" in said:
            line = self.in_section(section, named.group(1))
            return f"{self.path}:{line}: {said.replace('Object contains unknown', 'unknown')}"
        key = parts[-1] if parts else ""
        line = self.in_section(section if len(parts) > 1 else "", key) if key else 1
        where = f" (in {'.'.join(parts)})" if parts else ""
        return f"{self.path}:{line}: {said}{where}"


def _network(value: str, lines: _Lines, *, widest: bool = True) -> Network:
    try:
        net = ipaddress.ip_network(value, strict=True)
    except ValueError as e:
        raise ScopeError(f"{lines.path}:{lines.of(value)}: {e}") from None
    if widest and net.prefixlen < WIDEST_PREFIX[net.version]:
        raise ScopeError(
            f"{lines.path}:{lines.of(value)}: {value} is wider than "
            f"/{WIDEST_PREFIX[net.version]}; name the parts that are yours"
        )
    if widest and (net.is_multicast or net.is_unspecified or net.is_link_local):
        raise ScopeError(
            f"{lines.path}:{lines.of(value)}: {value} is multicast, link-local or unspecified"
        )
    return net


def _exclusion(value: str, lines: _Lines) -> tuple[Network, int | None]:
    four = r"([0-9.]+(?:/\d+)?)(?::(\d+))?"
    six = r"\[([0-9A-Fa-f:.]+(?:/\d+)?)\](?::(\d+))?"
    if match := re.fullmatch(four, value) or re.fullmatch(six, value):
        port = int(match.group(2)) if match.group(2) else None
        return _network(match.group(1), lines, widest=False), port
    return _network(value, lines, widest=False), None


def _ports(file: ScopeFile, lines: _Lines) -> tuple[int, ...]:
    ports: dict[int, None] = {}
    for item in file.targets.ports:
        if isinstance(item, int):
            ports[item] = None
            continue
        low, high = map(int, item.split("-"))
        if not 1 <= low <= high <= 65535:
            raise ScopeError(f"{lines.path}:{lines.of(item)}: {item} is not a range of ports")
        ports.update(dict.fromkeys(range(low, high + 1)))
    return tuple(ports)


def _check_authority(
    file: ScopeFile, networks: Sequence[Network], lines: _Lines, today: datetime
) -> None:
    authority = file.authority
    if authority and authority.valid_until < today.date():
        raise ScopeError(
            f"{lines.path}:{lines.in_section('authority', 'valid_until')}: the authority ended on "
            f"{authority.valid_until}; nothing is contacted until it is renewed"
        )
    public = [n for n in networks if is_public(n.network_address) or is_public(n[-1])]
    literal = [h for h in file.targets.hosts if _is_public_literal(h)]
    if (public or literal) and not authority:
        what = str((*public, *literal)[0])
        raise ScopeError(
            f"{lines.path}:{lines.of(what)}: {what} is public; add an [authority] block "
            "(organisation, approver, reference, valid_until)"
        )


def _is_public_literal(host: str) -> bool:
    try:
        return is_public(ipaddress.ip_address(host))
    except ValueError:
        return False
