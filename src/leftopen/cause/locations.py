"""Effective nginx settings of a server or location, with inheritance.

Sources: nginx.org module pages (core, access, auth_basic, auth_request), ngx_http_core_module.c.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from leftopen.cause.api import Directive, Document, absent, factor
from leftopen.cause.networks import ANY_V4, EVERYONE, NOBODY, AddressSet, listens, parse, strangers
from leftopen.model.cause import Factor, Truth, any_of

# Files that every distribution ships and that hold no access rules.
_HARMLESS = frozenset(
    (
        *("mime.types", "fastcgi_params", "fastcgi.conf", "proxy_params", "scgi_params"),
        *("uwsgi_params", "koi-utf", "koi-win", "win-utf"),
    )
)
# Modules that ask for a credential; "off" turns each of them off again.
_AUTH = (
    "auth_request",
    "auth_jwt",
    "auth_digest",
    "auth_ldap",
    "auth_pam",
    "auth_gss",
    "auth_oidc",
)
# Access checks in code: what they decide is not in the configuration.
_CODE = re.compile(
    r"(?:access|rewrite|server_rewrite)_by_lua\w*|js_access|perl_handler|access_by_\w+"
)
# Conditions that every client can meet, so that a refusal under them keeps nobody out.
_ANYBODY = re.compile(
    r"\$(?:request_method|scheme|https|host|http_host|server_port|request_uri|uri)\b"
)
_REFUSALS = ("401", "403", "404", "410", "418", "444")
_LISTEN = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?")
MAX_RULES = 2_000  # allow and deny of one block; beyond it nothing is claimed
NOT_SET = absent("no such directive here or in a block around it")


@dataclass(frozen=True, slots=True)
class Place:
    """A server or a location, with the blocks around it, outermost first."""

    chain: tuple[Directive, ...]
    server: Directive
    unsure: Factor | None = None  # a check somewhere around it whose outcome is not in the files

    @property
    def block(self) -> Directive:
        """The server or location itself."""
        return self.chain[-1]

    @property
    def label(self) -> str:
        """`server mail.example location /box/`: what it is, the same after an edit."""
        name = self.server.last("server_name") or self.server.last("listen")
        server = f"server {name.args[0] if name and name.args else '*:80'}"
        inner = [d.value for d in self.chain if d.name == "location"]
        return " location ".join([server, *inner])

    def near(self, *names: str) -> Directive | None:
        """The innermost setting of one of these names: nginx's ordinary inheritance."""
        return next((d for b in reversed(self.chain) if (d := b.last(*names))), None)

    def group(self, *names: str) -> tuple[Directive, ...]:
        """All settings of these names on the innermost level that has any."""
        return next((found for b in reversed(self.chain) if (found := b.all(*names))), ())


def places(document: Document, protocol: str = "http") -> Iterator[Place]:
    """Every server and location that can serve a request, in order.

    A server whose own settings never apply (it has a `location /`) and one that answers every
    request with `return` are left out, as are internal locations.
    """
    outer = document.root.all(protocol)
    tops = [(block,) for block in outer] or [(document.root,)] * (protocol == "http")
    for chain in tops:
        for server in chain[0].all("server"):
            if not server.last("return"):
                yield from _inner((*chain, server), server, _unsure(chain[0]) if outer else None)


def _inner(
    chain: tuple[Directive, ...], server: Directive, outer: Factor | None = None
) -> Iterator[Place]:
    block = chain[-1]
    unsure = outer or _unsure(block) or (_refusing(block) if block is server else None)
    covered = block is server and any(
        d.args in (("/",), ("^~", "/")) for d in server.all("location")
    )
    if not covered and not block.last("return", "internal"):
        yield Place(chain, server, unsure or _refusing(block))
    for location in block.all("location"):
        yield from _inner((*chain, location), server, unsure)


def endpoints(server: Directive, standard: int = 80) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Addresses and ports that a server listens on; no `listen` is `*:80`."""
    found: dict[tuple[str, int], None] = {}
    for directive in server.all("listen"):
        text = directive.args[0] if directive.args else ""
        match = _LISTEN.fullmatch(text)
        host, port = (match[1], match[2]) if match else (text, None)
        if host.isdecimal() and port is None:
            host, port = "", host[:5]
        host = host.strip("[]")
        host = ANY_V4 if host in ("", "*") else host
        found[host, min(int(port or standard), 65_535)] = None
    if not server.all("listen"):
        found[ANY_V4, standard] = None
    return tuple(dict.fromkeys(a for a, _ in found)), tuple(dict.fromkeys(p for _, p in found))


def listen_factor(server: Directive) -> Factor:
    """Does the server listen beyond loopback?"""
    addresses, _ = endpoints(server)
    where = server.last("listen")
    value = ", ".join(d.value for d in server.all("listen")) or "*:80"
    return factor("listen", listens(addresses), "listen", value, where or "nginx core module: *:80")


def path_factor(place: Place) -> Factor:
    """Which clients allow and deny let through; first match ends, no match lets in."""
    admitted, _, sure = _admitted(place)
    rules = place.group("allow", "deny")
    holds = strangers(admitted) if sure else Truth.UNKNOWN
    if not rules:
        return factor("path", holds, "allow/deny", str(admitted), NOT_SET, ours=True)
    return factor("path", holds, rules[-1].name, str(admitted), rules[-1], ours=True)


def _admitted(place: Place) -> tuple[AddressSet, AddressSet, bool]:
    """Clients let in, clients let in by an explicit allow, and whether all rules were read."""
    return _walk(place.group("allow", "deny"))


@lru_cache(maxsize=64)  # a list of a server is the list of all its locations
def _walk(rules: tuple[Directive, ...]) -> tuple[AddressSet, AddressSet, bool]:
    left, explicit, sure = EVERYONE, NOBODY, len(rules) <= MAX_RULES
    for rule in rules[:MAX_RULES]:
        value = rule.value
        if value.startswith("unix:"):
            continue
        matched = EVERYONE if value == "all" else parse(value)
        if matched is None:
            sure = False
            continue
        if rule.name == "allow":
            explicit |= left & matched
        left -= matched
    return left | explicit, explicit, sure


def access_factors(place: Place) -> tuple[Factor, ...]:
    """Path and auth, joined as `satisfy` says: all of them, or any one."""
    path, auth = path_factor(place), _auth(place)
    satisfy = place.near("satisfy")
    if satisfy is None or satisfy.value != "any" or not place.group("allow", "deny"):
        return path, auth
    _, explicit, sure = _admitted(place)
    by_address = strangers(explicit) if sure else Truth.UNKNOWN
    # With `any`, a denied address is let in by a credential; without one it stays out.
    open_too = path.holds if auth.holds is not Truth.NO else Truth.NO
    holds = any_of(by_address, open_too)
    value = f"any: allow {explicit}, or a credential"
    return (factor("auth", holds, "satisfy", value, satisfy),)


def _auth(place: Place) -> Factor:
    """Is a stranger let through without a credential?"""
    for found in (_basic(place), _module(place), _certificate(place)):
        if found and found.holds is not Truth.YES:
            return found
    return (
        place.unsure
        or _basic(place)
        or factor("auth", Truth.YES, "auth_basic", "off (no authentication is set)", NOT_SET)
    )


def _basic(place: Place) -> Factor | None:
    """auth_basic. Without a user file nginx lets everybody in (ngx_http_auth_basic_module.c)."""
    realm, users = place.near("auth_basic"), place.near("auth_basic_user_file")
    if realm is None:
        return None
    if realm.value == "off":
        return factor("auth", Truth.YES, "auth_basic", "off", realm)
    if users is None:
        value = "no auth_basic_user_file: nobody is asked"
        return factor("auth", Truth.YES, "auth_basic", value, realm)
    holds = Truth.UNKNOWN if "$" in realm.value + users.value else Truth.NO
    return factor("auth", holds, "auth_basic", "on", realm)


def _module(place: Place) -> Factor | None:
    for name in _AUTH:
        found = place.near(name)
        if found and found.value != "off":
            return factor("auth", Truth.NO, name, "on", found)
    return None


def _certificate(place: Place) -> Factor | None:
    found = place.near("ssl_verify_client")
    if found is None or found.value != "on":
        return None
    # On a server that also listens without TLS nobody is asked for a certificate there.
    plain = [d for d in place.server.all("listen") if "ssl" not in d.args and "quic" not in d.args]
    holds = Truth.YES if plain and not place.server.last("ssl") else Truth.NO
    return factor("auth", holds, "ssl_verify_client", "on", found)


def _unsure(block: Directive) -> Factor | None:
    """A check in code, or settings in a file that was not handed over."""
    for item in block.children:
        if _CODE.fullmatch(item.name):
            return factor("auth", Truth.UNKNOWN, item.name, "decided by code", item)
        if item.unread and os.path.basename(item.value) not in _HARMLESS:
            return factor("auth", Truth.UNKNOWN, "include", f"{item.value}: not read", item)
    return None


def _refusing(block: Directive) -> Factor | None:
    """A refusal under a condition that not every client can meet; locations inherit none."""
    for item in block.all("if"):
        refusal = item.last("return")
        refused = refusal is not None and refusal.args[:1] and refusal.args[0] in _REFUSALS
        if refused and not _ANYBODY.search(item.value):
            return factor("auth", Truth.UNKNOWN, "if", item.value, item)
    return None
