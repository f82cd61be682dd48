"""rsync daemon

Sources: rsyncd.conf(5); access.c of rsync 3. Seen on 3.5.0 (research/cause.md, section 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from leftopen.cause.api import (
    Directive,
    Document,
    Edit,
    Judgement,
    Remedy,
    Rule,
    RuleSet,
    absent,
    factor,
)
from leftopen.cause.networks import ANY_V4, EVERYONE, NOBODY, AddressSet, listens, parse, strangers
from leftopen.model.cause import Factor, Truth

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
_TRUE = ("yes", "true", "1")
_CHECKS = ("pre-xferexec", "earlyexec", "nameconverter")


def _effective(document: Document, module: Directive, *names: str) -> Directive | None:
    """The module's own parameter, else the global one in front of all modules."""
    return module.last(*names) or document.root.last(*names)


def _listen(document: Document) -> Factor:
    address = document.root.last("address")
    if address is None:
        return factor("listen", YES, "address", "*", "rsyncd.conf(5): all addresses")
    return factor("listen", listens([address.value]), "address", address.value, address)


def _path(document: Document, module: Directive) -> Factor:
    """hosts allow first, then hosts deny; who is on neither list comes in.

    With an allow list alone, who is not on it stays out (access.c, allow_access).
    """
    allow, deny = (_effective(document, module, n) for n in ("hostsallow", "hostsdeny"))
    limit = _effective(document, module, "maxconnections")
    if limit and re.fullmatch(r"-\d+", limit.value):
        return factor("path", NO, "max connections", limit.value, limit)
    allowed, allow_sure = _hosts(allow.value if allow else "")
    denied, deny_sure = _hosts(deny.value if deny else "")
    admitted = EVERYONE - denied
    if allow and allow.value:
        admitted = allowed | (admitted if deny and deny.value else NOBODY)
    holds = strangers(admitted)
    if not allow_sure and holds is NO:
        holds = UNKNOWN
    if not deny_sure and holds is YES and strangers(allowed) is not YES:
        holds = UNKNOWN
    check = next((c for n in _CHECKS[:2] if (c := _effective(document, module, n))), None)
    if check and holds is YES:
        return factor("path", UNKNOWN, check.name, "a program decides", check)
    where = next((d for d in (allow, deny) if d and d.value), None)
    name = {"hostsallow": "hosts allow", "hostsdeny": "hosts deny"}.get(where.name if where else "")
    source = absent("no list: all hosts can connect")
    return factor("path", holds, name or "hosts allow", str(admitted), where or source, ours=True)


@lru_cache(maxsize=64)  # a global list is the list of all modules
def _hosts(text: str) -> tuple[AddressSet, bool]:
    """The addresses of a list, and whether all its patterns are addresses (or single names)."""
    found, sure = [NOBODY], True
    for pattern in re.split(r"[\s,]+", text):
        network = EVERYONE if pattern == "*" else parse(pattern)
        if pattern == "localhost":
            network = parse("127.0.0.1")
        if network is not None:
            found.append(network)
        elif re.search(r"[*?\[@]", pattern):
            sure = False  # a domain or netgroup: how many hosts it holds is not in the file
    return AddressSet.union(found), sure


def _auth(document: Document, module: Directive) -> Factor:
    users = _effective(document, module, "authusers")
    if users is not None and users.value:
        return factor("auth", NO, "auth users", "(set)", users)
    source = absent("no auth users: nobody is asked")
    return factor("auth", YES, "auth users", "(none)", users or source)


def _readable(document: Document, module: Directive) -> Factor:
    write_only = _effective(document, module, "writeonly")
    if write_only and write_only.value.lower() in _TRUE:
        return factor("readable", NO, "write only", write_only.value, write_only)
    exclude = _effective(document, module, "exclude")
    if exclude and {"*", "/*", "/**", "**"} & set(exclude.value.split()):
        include = _effective(document, module, "include", "includefrom", "filter")
        holds = UNKNOWN if include else NO
        return factor("readable", holds, "exclude", exclude.value, exclude)
    refuse = _effective(document, module, "refuseoptions")
    if refuse and "*" in refuse.value.split():
        return factor("readable", UNKNOWN, "refuse options", refuse.value, refuse)
    path = module.last("path")
    return factor("readable", YES, "path", path.value if path else "", path or module)


def anonymous(document: Document, version: str) -> Iterator[Judgement]:
    """Modules that anybody can list and fetch."""
    modules = document.root.all("module")
    port = document.root.last("port")
    number = port.value if port and re.fullmatch(r"\d{1,5}", port.value) else "873"
    address = document.root.last("address")
    for module in modules:
        hidden = _effective(document, module, "list")
        kept = (
            " although list = no hides it" if hidden and hidden.value.lower() not in _TRUE else ""
        )
        yield Judgement(
            subject=f"module {module.value}",
            title=f"rsync hands out module {module.value} without a password{kept}",
            factors=(
                _listen(document),
                _path(document, module),
                _auth(document, module),
                _readable(document, module),
            ),
            addresses=(address.value if address else ANY_V4,),
            ports=(min(int(number), 65_535),),
            remedies=(_remedy(module),),
        )


def _remedy(module: Directive) -> Remedy:
    text = "\n    auth users = backup\n    secrets file = /etc/rsyncd.secrets"
    at = module.end
    return Remedy(
        title="Ask for a user and a secret",
        edits=(Edit(module.file, at, at, text),),
        command="install -m 600 /dev/null /etc/rsyncd.secrets",
        note="Put lines user:secret into the secrets file; until then nobody comes in.",
    )


def recognise(path: str, head: str) -> int:
    """rsyncd.conf by name, else modules with a path and parameters that only rsync has."""
    if "[" not in head or re.search(
        r"(?mi)^\s*(?:workgroup|map to guest|passdb backend)\s*=", head
    ):
        return 0
    module = re.search(r"(?m)^\s*\[[^\]\n]+\]", head) and re.search(r"(?mi)^\s*path\s*=", head)
    own = (
        r"(?mi)^\s*(?:auth users|secrets file|hosts allow|hosts deny|use chroot|read only|list)\s*="
    )
    if module and re.search(r"rsyncd?[^/]*\.conf$", path):
        return 90
    return 75 if module and re.search(own, head) else 0


RULES = RuleSet(
    product="rsync",
    protocol="rsync",
    reader="rsyncd",
    recognise=recognise,
    rules=(
        Rule(
            name="anonymous",
            title="A module is handed out without a password",
            judge=anonymous,
            bad={"rsyncd.conf": "[mail]\n    path = /srv/mail\n    list = no\n"},
            good={"rsyncd.conf": "[mail]\n    path = /srv/mail\n    hosts allow = 10.0.0.0/8\n"},
            references=("rsyncd.conf(5)",),
        ),
    ),
)
