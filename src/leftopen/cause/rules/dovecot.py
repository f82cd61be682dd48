"""Dovecot IMAP server

Sources: doc.dovecot.org 2.3 and 2.4 (auth_mechanisms, passdb, login_trusted_networks); RFC 4505
(ANONYMOUS). Seen on 2.3.19 (research/cause.md, section 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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
from leftopen.cause.patch import line_of
from leftopen.model.cause import Factor, Truth

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
_ON = ("yes", "y", "true", "1")
_NOPASSWORD = re.compile(r"(?i)(?:userdb_)?nopassword(?:\s*=\s*\S*)?")
_SERVICES = {"imap": ("imap-login", {"imap": 143, "imaps": 993})}
_SERVICES["pop3"] = ("pop3-login", {"pop3": 110, "pop3s": 995})


def _everywhere(block: Directive, *names: str) -> Iterator[Directive]:
    """All settings or blocks of these names, at any depth."""
    for item in block.children:
        if item.name in names:
            yield item
        yield from _everywhere(item, *names)


def _effective(block: Directive, name: str) -> Iterator[Directive]:
    """The line that counts in this block and in each block inside: the last one.

    A line that quotes the value before it (`$auth_mechanisms`) adds to the one above.
    """
    for item in reversed(block.all(name)):
        yield item
        if f"${name}" not in item.value:
            break
    for item in block.children:
        yield from _effective(item, name)


def _protocols(document: Document) -> list[str]:
    line = document.root.last("protocols")
    named = re.split(r"[\s,]+", line.value) if line else ["imap"]
    return [p for p in _SERVICES if p in named or f"{p}s" in named] or ["imap"]


def _listeners(document: Document, protocol: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Addresses and ports of a login service; port 0 turns a listener off."""
    service, ports = _SERVICES[protocol]
    addresses: dict[str, None] = {}
    numbers: dict[str, int] = dict(ports)
    services = [b for b in document.root.all("service") if b.args[:1] == (service,)]
    for listener in [found for block in services for found in block.all("inet_listener")]:
        name, port = listener.args[0] if listener.args else "", listener.last("port")
        if port and re.fullmatch(r"\d{1,5}", port.value):
            numbers[name] = min(int(port.value), 65_535)
        for line in listener.all("address", "listen"):
            addresses.update(dict.fromkeys(re.split(r"[\s,]+", line.value)))
    if not addresses:
        everywhere = document.root.last("listen")
        value = everywhere.value if everywhere else "*, ::"
        addresses.update(dict.fromkeys(re.split(r"[\s,]+", value)))
    wanted = [a for a in addresses if a]
    return tuple(ANY_V4 if a == "*" else a for a in wanted), tuple(
        dict.fromkeys(p for p in numbers.values() if p)
    )


def _listen(document: Document, protocol: str) -> Factor:
    addresses, ports = _listeners(document, protocol)
    where = document.root.last("listen")
    value = f"{', '.join(addresses)} ports {', '.join(map(str, ports)) or 'none'}"
    holds = listens(addresses) if ports else NO
    return factor("listen", holds, "listen", value, where or "2.3 and 2.4: *, ::")


def _judgements(
    document: Document, subject: str, title: str, factors: tuple[Factor, ...], remedy: Remedy
) -> Iterator[Judgement]:
    for protocol in _protocols(document):
        addresses, ports = _listeners(document, protocol)
        yield Judgement(
            subject=f"{protocol} {subject}",
            title=f"{title} ({protocol})",
            factors=(_listen(document, protocol), *factors),
            addresses=addresses,
            ports=ports,
            protocol=protocol,
            remedies=(remedy,),
        )


def mechanisms(document: Document, version: str) -> Iterator[Judgement]:
    """SASL ANONYMOUS offered beside or instead of real mechanisms."""
    for number, line in enumerate(_effective(document.root, "auth_mechanisms")):
        words = line.value.split()
        kept = [w for w in words if w.lower() != "anonymous"]
        holds = YES if len(kept) < len(words) else NO
        user = document.root.last("auth_anonymous_username")
        value = f"of the user {user.value if user else 'anonymous'}"
        source = "2.3 and 2.4: anonymous"
        factors = (
            factor("auth", holds, "auth_mechanisms", line.value, line),
            factor("readable", YES, "auth_anonymous_username", value, user or source),
        )
        text = f"auth_mechanisms = {' '.join(kept) or 'plain'}"
        remedy = Remedy(
            "Remove ANONYMOUS", (Edit(line.file, _indent(document, line), line.end, text),)
        )
        title = "Dovecot logs anonymous in"
        yield from _judgements(document, f"mechanisms {number}", title, factors, remedy)


def _indent(document: Document, line: Directive) -> int:
    """Where the text of a line starts: blanks in front of it stay."""
    text = document.files[line.file].text[line.start : line.end]
    return line.start + len(text) - len(text.lstrip())


def _passdbs(document: Document) -> Iterator[tuple[int, Directive, Directive | None]]:
    """Password databases that may admit, with their setting that asks for no password.

    2.3 writes it into args or a field list, 2.4 as `nopassword = yes` in `fields { }`.
    """
    for number, block in enumerate(_everywhere(document.root, "passdb")):
        deny = block.last("deny")
        if deny and deny.value.lower() in _ON:
            continue
        found = None
        for line in _everywhere(
            block,
            "args",
            "default_fields",
            "override_fields",
            "nopassword",
            "passdb_static_password",
        ):
            if line.name == "nopassword":
                found = line if line.value.lower() in _ON else found
            elif any(_on(word) for word in line.value.split()):
                found = line
        yield number, block, found


def _on(word: str) -> bool:
    match = _NOPASSWORD.fullmatch(word)
    return bool(match) and word.partition("=")[2].strip().lower() not in ("no", "n", "false", "0")


def _allow_nets(document: Document, block: Directive) -> tuple[AddressSet, Directive | None]:
    """Clients that a passdb admits (extra field allow_nets), and where that stands."""
    for line in _everywhere(block, "args", "default_fields", "override_fields", "allow_nets"):
        text = line.value if line.name == "allow_nets" else ""
        match = re.search(r"allow_nets=(\S+)", line.value)
        text = match[1] if match else text
        if text:
            return _union(text), line
    return EVERYONE, None


def _union(text: str) -> AddressSet:
    return AddressSet.union(parse(part) or NOBODY for part in re.split(r"[\s,]+", text))


def nopassword(document: Document, version: str) -> Iterator[Judgement]:
    """Password databases that ask for no password."""
    for number, block, line in _passdbs(document):
        admitted, limit = _allow_nets(document, block)
        where = block.last("driver") or block
        auth = factor("auth", NO, "passdb", "asks for a password", where)
        edits: tuple[Edit, ...] = ()
        if line:
            auth = factor("auth", YES, "nopassword", "yes", line)
            edits = (_without(document, line),)
        path = factor(
            "path",
            strangers(admitted),
            "allow_nets",
            str(admitted),
            limit or absent("not set: everybody"),
            ours=True,
        )
        readable = factor("readable", YES, "passdb", "the mailbox of any name", block)
        remedy = Remedy("Ask for a password", edits, "", "Then set up a passdb with passwords.")
        title = "Dovecot logs in any name without a password"
        factors = (path, auth, readable)
        yield from _judgements(document, f"passdb {number}", title, factors, remedy)


def _without(document: Document, line: Directive) -> Edit:
    """The edit that takes the word nopassword out of a line, or the whole line."""
    source = document.files[line.file]
    text = source.text[line.start : line.end]
    at = line.start + len(text) - len(text.lstrip())
    if line.name == "nopassword":
        return line_of(source, line.start, line.end)
    kept = " ".join(w for w in line.value.split() if not _on(w))
    if not kept:
        return line_of(source, line.start, line.end)
    return Edit(line.file, at, line.end, f"{line.name} = {kept}")


def trusted(document: Document, version: str) -> Iterator[Judgement]:
    """Networks whose clients may name any address as their own (XCLIENT, IMAP ID).

    That defeats admission by address; without any, what it opens is not in the files.
    """
    line = document.root.last("login_trusted_networks")
    if line is None:
        return
    networks = _union(line.value)
    by_address = next(
        (n for _, b, n in _passdbs(document) if n and _allow_nets(document, b)[1]), None
    )
    if by_address:
        auth = factor("auth", YES, "nopassword", "by address only (allow_nets)", by_address)
    else:
        value = "forged addresses and no TLS; passwords are still asked for"
        auth = factor("auth", UNKNOWN, "login_trusted_networks", value, line)
    path = factor("path", strangers(networks), line.name, str(networks), line, ours=True)
    source = document.files[line.file]
    remedy = Remedy("Trust no network", (line_of(source, line.start, line.end),))
    title = "Dovecot believes the address that a stranger claims"
    yield from _judgements(document, "trusted networks", title, (path, auth), remedy)


def recognise(path: str, head: str) -> int:
    """dovecot.conf by name, else by its own settings."""
    own = r"(?m)^[ \t]*(?:(?:passdb|userdb|protocol|namespace)\s[^\n]*\{|passdb\s*\{"
    own += r"|(?:auth_mechanisms|mail_location|dovecot_config_version|login_trusted_networks)\s*="
    own += r"|!include)"
    if re.search(r"dovecot[^/]*\.conf$", path):
        return 95
    return 75 if re.search(own, head) else 0


def _fragment(path: str, head: str) -> bool:
    return not re.search(r"dovecot[^/]*\.conf$", path)


RULES = RuleSet(
    product="dovecot",
    protocol="imap",
    reader="dovecot",
    recognise=recognise,
    fragment=_fragment,
    rules=(
        Rule(
            name="anonymous",
            title="SASL ANONYMOUS is offered",
            judge=mechanisms,
            bad={"dovecot.conf": "auth_mechanisms = plain anonymous\n"},
            good={"dovecot.conf": "auth_mechanisms = plain\n"},
            references=("doc.dovecot.org: auth_mechanisms", "RFC 4505"),
        ),
        Rule(
            name="nopassword",
            title="A password database asks for no password",
            judge=nopassword,
            bad={"dovecot.conf": "passdb {\n  driver = static\n  args = nopassword=y\n}\n"},
            good={"dovecot.conf": "passdb {\n  driver = pam\n}\n"},
            references=("doc.dovecot.org: Static Password Database",),
        ),
        Rule(
            name="trusted_networks",
            title="Strangers may claim any address",
            judge=trusted,
            bad={
                "dovecot.conf": "login_trusted_networks = 0.0.0.0/0\npassdb {\n  driver = static\n"
                "  args = nopassword=y allow_nets=10.0.0.0/8\n}\n"
            },
            good={"dovecot.conf": "login_trusted_networks = 10.0.0.0/24\n"},
            references=("doc.dovecot.org: login_trusted_networks",),
        ),
    ),
)
