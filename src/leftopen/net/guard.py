"""Two guards against leaving the scope.

The first is the dialer: it connects only to the Target it was made for. The second works below
every library of the process: an audit hook (PEP 578) on connect and send that refuses any address
that neither the scope nor the user's own settings name. uvloop bypasses audit hooks, so it is
never used here.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from leftopen.model.errors import OutOfScope
from leftopen.model.redact import safe
from leftopen.model.scope import Scope

Resolver = Callable[[str], Iterable[str]]
MAX_REFUSED = 1000  # kept in memory, for a report
MAX_ANSWERS = 64  # addresses of one name that are looked at
_WATCHED = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


def resolve(name: str) -> tuple[str, ...]:
    """All addresses of a name, in the resolver's order, each once.

    Raises:
        OSError: the name does not resolve.
    """
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError as e:  # a label that IDNA refuses
        raise OSError(f"not a host name: {e}") from None
    return tuple(dict.fromkeys(str(info[4][0]).split("%", 1)[0] for info in found))


def plain(address: str) -> str:
    """The address in its usual spelling; an IPv4-mapped one (RFC 4291 2.5.5.2) as IPv4.

    A mapped address leads to the IPv4 host but is judged as IPv6, so it would slip past every
    rule about IPv4 networks.

    Raises:
        ValueError: not an address.
    """
    ip = ipaddress.ip_address(address)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


class Guard:
    """Which addresses this process may contact: the scope, and the first answer for each name."""

    def __init__(self, scope: Scope, *, settings: Iterable[tuple[str, int]] = ()) -> None:
        """`settings` are endpoints that the user named himself (database, alert receiver)."""
        self.scope = scope
        self._settings = frozenset(settings)
        self._pins: dict[str, tuple[str, ...]] = {}
        self.refused: list[str] = []
        self.sources: dict[str, str] = {}  # address contacted -> our own address towards it

    def pin(self, name: str, port: int, resolver: Resolver = resolve) -> tuple[str, ...]:
        """The addresses of `name`, from its first look-up, for the whole of this run.

        A second answer (DNS rebinding) is never asked for.

        Raises:
            OutOfScope: none of the addresses may be contacted.
            OSError: the name does not resolve.
        """
        found = self.look_up(name, resolver)
        allowed = tuple(a for a in found if self.scope.admits_named(name, a, port))
        if not allowed:
            leads = ", ".join(found[:4]) or "nothing"
            raise OutOfScope(f"{safe(name, 80)} leads to {leads}, out of scope for port {port}")
        return allowed

    def look_up(self, name: str, resolver: Resolver = resolve) -> tuple[str, ...]:
        """All addresses of `name` from its first look-up, whether they may be contacted or not.

        Raises:
            OSError: the name does not resolve.
        """
        if name not in self._pins:
            answers = islice(resolver(name), MAX_ANSWERS)
            self._pins[name] = tuple(dict.fromkeys(plain(a) for a in answers))
        return self._pins[name]

    def pinned(self, name: str) -> tuple[str, ...]:
        """What `name` was pinned to; empty before its first look-up."""
        return self._pins.get(name, ())

    def permits(self, address: str, port: int) -> bool:
        """Whether a packet may go to this address and port."""
        if (address, port) in self._settings:
            return True
        try:
            address = plain(address.split("%", 1)[0])
        except ValueError:
            return False
        return self.scope.covers(address, port) or any(
            address in pins and self.scope.admits_named(name, address, port)
            for name, pins in self._pins.items()
        )

    @contextmanager
    def active(self) -> Iterator[Guard]:
        """Refuse every connect and send out of scope in this process while inside."""
        _install()
        _active.append(self)
        try:
            yield self
        finally:
            _active.remove(self)

    def check(self, address: object) -> None:
        """Raise OutOfScope when `address` (as the socket module has it) may not be contacted."""
        if not isinstance(address, tuple):  # AF_UNIX: a path on this machine
            return
        host, port = str(address[0]), int(address[1])
        if not self.permits(host, port):
            if len(self.refused) < MAX_REFUSED:
                self.refused.append(f"{host} port {port}")
            raise OutOfScope(f"refused below the probe: {host} port {port} is not in scope")


_active: list[Guard] = []
_installed = False


def _install() -> None:
    global _installed
    if not _installed:  # a hook cannot be removed again, so there is one for the process
        sys.addaudithook(_hook)
        _installed = True


def _hook(event: str, args: tuple[object, ...]) -> None:
    if event in _WATCHED and _active and len(args) > 1 and args[1] is not None:
        for guard in tuple(_active):  # another thread may come or go meanwhile
            guard.check(args[1])
