"""Inventories of clouds as sources of targets: what the owner's own account says is his.

A plugin is a constant of type `Inventory` in a file of reach/inventories; it reads one vendor's
export. What it finds is not a Target: the scope still decides on each.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach.imported import canonical, gap_of

MAX_VALUES: Final = 100_000  # of one resource that are looked through for an address
_NAME: Final = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}\.?")
_NAMING: Final = re.compile(r"(fqdn|dnsname|hostname|endpoint|domainname|publicip)s?$", re.I)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that an inventory names: an address, a host name, or a store URL with its kind."""

    address: str = ""
    name: str = ""
    url: str = ""
    kind: Literal["", "http", "azure_blob", "s3"] = ""
    label: str = ""  # what the account calls it; safe text
    place: str = ""  # in the file, for people; safe text


@dataclass(frozen=True, slots=True)
class Inventory:
    """A reader of one cloud's inventory. The docstring's first line is its title."""

    name: str
    recognise: Callable[[bytes], bool]  # the first bytes of the file
    read: Callable[[bytes, str], Iterator[Found | Gap]]  # content, path for places and Gaps
    source: str


def document(content: bytes) -> Any:
    """The JSON of a file: one value, or the values of its lines as a list.

    Raises:
        ValueError: it is neither, or too deep.
    """
    try:
        return msgspec.json.decode(content)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as whole:
        try:
            return [msgspec.json.decode(line) for line in content.splitlines() if line.strip()]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ValueError(str(whole)) from None


def at(node: Any, *names: str) -> Any:
    """The value below these members, whatever their case; None where there is none."""
    for name in names:
        if not isinstance(node, dict):
            return None
        node = node[name] if name in node else _any_case(node, name)
    return node


def _any_case(node: dict[str, Any], name: str) -> Any:
    return next((v for k, v in node.items() if k.lower() == name.lower()), None)


def text_at(node: Any, *names: str) -> str:
    """The text below these members; "" where there is none."""
    value = at(node, *names)
    return value if isinstance(value, str) else ""


def list_at(node: Any, *names: str) -> list[Any]:
    """The array below these members; empty where there is none."""
    value = at(node, *names)
    return value if isinstance(value, list) else []


@dataclass(slots=True)
class Takings:
    """Collects what one file names: checks each, and counts what is not taken."""

    path: str
    private: int = 0  # addresses that are internal
    bare: int = 0  # resources without settings
    _others: dict[str, int] = field(default_factory=dict)

    def address(self, text: Any, label: str, place: str) -> Iterator[Found | Gap]:
        """A public address; a private one is counted: another network may use it as well."""
        if not text:
            return
        found = canonical(text.split("/")[0]) if isinstance(text, str) else ""
        if not found:
            yield self.gap(Reason.UNPARSED, place, f"not an address: {text}")
        elif not _public(found):
            self.private += 1
        else:
            yield Found(address=found, label=safe(label, 120), place=self._place(place))

    def name(self, text: Any, label: str, place: str) -> Iterator[Found | Gap]:
        """A host name."""
        if not text:
            return
        name = text.lower().rstrip(".") if isinstance(text, str) else ""
        if canonical(name):
            yield from self.address(name, label, place)
        elif not _NAME.fullmatch(name):
            yield self.gap(Reason.UNPARSED, place, f"not a host name: {text}")
        else:
            yield Found(name=name, label=safe(label, 120), place=self._place(place))

    def store(
        self, url: str, kind: Literal["http", "azure_blob", "s3"], label: str, place: str
    ) -> Iterator[Found | Gap]:
        """A store by its URL."""
        if not re.fullmatch(r"https?://[a-z0-9.-]{1,253}(?:/[A-Za-z0-9._~$-]{0,255})*", url):
            yield self.gap(Reason.UNPARSED, place, f"not the URL of a store: {url}")
        else:
            yield Found(url=url, kind=kind, label=safe(label, 120), place=self._place(place))

    def other(self, kind: str, node: Any, *, whole: bool) -> None:
        """A resource of a kind that is not read: counted where it names an address.

        `whole` says whether its settings are in the file; without them nobody knows.
        """
        if names_an_address(node):
            kind = safe(kind, 120) or "without a type"
            self._others[kind] = self._others.get(kind, 0) + 1
        elif not whole:
            self.bare += 1

    def left(self) -> Iterator[Gap]:
        """What was not taken, by kind. Call it at the end."""
        for kind, count in sorted(self._others.items()):
            detail = f"{kind}: this kind names addresses and is not read"
            yield gap_of(Reason.UNSUPPORTED, self.path, "", detail, count=count)
        if self.bare:
            detail = "resources without their settings: export them with all their columns"
            yield gap_of(Reason.NOT_GIVEN, self.path, "", detail, count=self.bare)
        if self.private:
            detail = "internal addresses: name their networks in the scope file"
            yield gap_of(Reason.NOT_GIVEN, self.path, "", detail, count=self.private)

    def gap(self, reason: Reason, place: str, detail: str, count: int = 1) -> Gap:
        """A Gap at this place of the file."""
        return gap_of(reason, self.path, place, detail, count=count)

    def _place(self, place: str) -> str:
        return safe(f"{self.path} {place}".rstrip())


# Takes one resource: its JSON, what the account calls it, its place in the file.
Take = Callable[[Any, str, str, Takings], Iterator[Found | Gap]]


def _public(address: str) -> bool:
    """Whether it can be reached from outside: documentation ranges count, for they are tests."""
    ip = ipaddress.ip_address(address)
    inner = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
    networks = (ipaddress.ip_network(n) for n in inner)
    if ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    return not any(ip.version == n.version and ip in n for n in networks)


def names_an_address(node: Any) -> bool:
    """Whether a resource holds a public address, or a member that is a host name by its title."""
    pending, seen = [("", node)], 0
    while pending and seen < MAX_VALUES:
        title, value = pending.pop()
        seen += 1
        if isinstance(value, dict):
            pending.extend(value.items())
        elif isinstance(value, list):
            pending.extend((title, inner) for inner in value)
        elif isinstance(value, str) and len(value) < 300:
            found = canonical(value)
            if (found and _public(found)) or (_NAMING.search(title) and _hosted(value)):
                return True
    return bool(pending)  # too large to be sure


def _hosted(value: str) -> bool:
    bare = re.sub(r"^https?://", "", value).split("/")[0].split(":")[0].lower()
    return _NAME.fullmatch(bare) is not None
