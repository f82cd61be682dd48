"""Redis and Valkey

Sources: redis.conf of 6.2 and 7.0, redis.io "Security" and "ACL"; every row was run on 6.2.14
and 7.0.15 (research/cause.md, section 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

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
from leftopen.cause.networks import ANY_V4, listens
from leftopen.cause.patch import append
from leftopen.model.cause import Factor, Truth, all_of, any_of

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN


class Era(NamedTuple):
    """What a range of versions does where the file is silent or ambiguous."""

    since: tuple[int, int]
    name: str
    protects: str  # when protected mode refuses clients beyond loopback
    source: str


# Newest first. A version that is not known is read as each of the eras marked as current.
ERAS = (
    Era((7, 0), ">= 7.0", "always", "redis 7.0 networking.c, seen on 7.0.15"),
    Era((3, 2), "3.2 to 6.2", "without bind", "redis 6.2 networking.c, seen on 6.2.14"),
    Era((0, 0), "< 3.2", "never", "redis 3.0 redis.conf: no such directive"),
)
_CURRENT = ERAS[:2]
_HARMLESS = frozenset(
    (
        *("ping", "echo", "auth", "hello", "quit", "client", "command", "time", "select", "reset"),
        *("info", "dbsize", "lastsave", "role", "wait", "subscribe", "psubscribe", "unsubscribe"),
        *("punsubscribe", "publish", "multi", "exec", "discard", "watch", "unwatch", "acl"),
        *("readonly", "readwrite", "asking", "latency", "slowlog"),
    )
)
_HARMLESS_CATEGORIES = frozenset(("connection", "pubsub", "transaction", "write", "blocking"))
_NAMES = frozenset(
    (*("+@all", "allcommands", "+@keyspace", "+@read", "+@dangerous", "+keys", "+scan"),)
)


class Setting(NamedTuple):
    """The last line of a directive that counts; `sure` is False where an unread file may win."""

    line: Directive | None
    sure: bool


def _setting(document: Document, name: str) -> Setting:
    for item in reversed(document.root.children):
        if item.name == name:
            return Setting(item, True)
        if item.unread and item.name == "include":
            return Setting(item, False)
    return Setting(None, True)


def _eras(version: str) -> tuple[Era, ...]:
    match = re.match(r"(\d+)\.(\d+)", version)
    if not match:
        return _CURRENT
    number = int(match[1]), int(match[2])
    return (next(era for era in ERAS if number >= era.since),)


def _bound(document: Document) -> tuple[str, ...]:
    line = _setting(document, "bind").line
    if line is None or line.unread:
        return (ANY_V4, "::")
    any_of_them = {"*": ANY_V4, "::*": "::"}
    return tuple(any_of_them.get(a, a) for a in (arg.removeprefix("-") for arg in line.args))


def _listen(document: Document) -> Factor:
    bind, ports = _setting(document, "bind"), _ports(document)
    if not ports:
        where = _setting(document, "port").line
        return factor("listen", NO, "port", "0 (no TCP port)", where or "no port")
    if bind.line is None:
        return factor("listen", YES, "bind", "* -::*", "all versions: no bind is all interfaces")
    if not bind.sure or "" in bind.line.args:
        return factor("listen", UNKNOWN, "bind", bind.line.value, bind.line)
    return factor("listen", listens(_bound(document)), "bind", bind.line.value, bind.line)


def _ports(document: Document) -> tuple[int, ...]:
    """Ports that ask for no client certificate."""
    port, tls = _setting(document, "port").line, _setting(document, "tls-port").line
    certificate = _setting(document, "tls-auth-clients").line
    found = [_number(port, 6379)]
    if certificate is not None and certificate.value in ("no", "optional"):
        found.append(_number(tls, 0))
    return tuple(p for p in found if p)


def _number(line: Directive | None, standard: int) -> int:
    value = line.value if line else ""
    return min(int(value), 65_535) if value.isdigit() and len(value) < 6 else standard


def _path(document: Document, version: str) -> Factor:
    """Protected mode: does it refuse clients beyond 127.0.0.1 and ::1?"""
    mode, bind = _setting(document, "protected-mode"), _setting(document, "bind")
    if mode.line is not None and not mode.line.unread and mode.line.value.lower() == "no":
        return factor("path", YES, "protected-mode", "no", mode.line)
    eras = _eras(version)
    admits = {
        "always": NO,
        "without bind": YES if bind.line else NO,
        "never": YES,
    }
    readings = [admits[era.protects] for era in eras]
    holds = readings[0] if len(set(readings)) == 1 and mode.sure else UNKNOWN
    said = {YES: "ignored", NO: "only 127.0.0.1, ::1", UNKNOWN: "unknown"}
    value = "yes; " + ", ".join(
        f"{era.name}: {said[r]}" for era, r in zip(eras, readings, strict=True)
    )
    source = "; ".join(f"{era.name}: yes ({era.source})" for era in eras)
    return factor("path", holds, "protected-mode", value, mode.line or source)


def _default_user(document: Document) -> Directive | None:
    """The ACL line that defines `default`; an aclfile takes the place of lines in redis.conf."""
    aclfile = _setting(document, "aclfile").line
    lines = aclfile.children if aclfile and aclfile.args != ("",) else document.root.children
    found = [d for d in lines if d.name == "user" and d.args[:1] == ("default",)]
    return found[-1] if found else None


def _auth(document: Document) -> Factor:
    """Does the user `default` come in without a password?"""
    aclfile, password = _setting(document, "aclfile"), _setting(document, "requirepass")
    in_file = aclfile.line is not None and aclfile.line.args not in ((), ("",))
    if not aclfile.sure or (in_file and aclfile.line and aclfile.line.unread):
        return factor("auth", UNKNOWN, "aclfile", "not read", aclfile.line or "aclfile")
    user = _default_user(document)
    if user is not None:  # resets the user, so it wins over requirepass
        on, nopass = _switches(user.args[1:])
        value = f"user default {'on' if on else 'off'} {'nopass' if nopass else '(password)'}"
        return factor("auth", YES if on and nopass else NO, "user default", value, user)
    if in_file and aclfile.line:
        value = "user default is not in it: on nopass"
        return factor("auth", YES, "aclfile", value, aclfile.line)
    if not password.sure:
        return factor("auth", UNKNOWN, "requirepass", "unknown", password.line or "")
    if password.line is not None and password.line.value:
        return factor("auth", NO, "requirepass", "(set)", password.line)
    where = password.line or absent("no requirepass and no ACL")
    return factor("auth", YES, "requirepass", "(empty)", where)


def _switches(tokens: tuple[str, ...]) -> tuple[bool, bool]:
    on = nopass = False
    for token in tokens:
        word = token.lower()
        on = word == "on" or (on and word not in ("off", "reset"))
        takes_back = token[:1] in (">", "#") or word in ("resetpass", "reset")
        nopass = word == "nopass" or (nopass and not takes_back)
    return on, nopass


def _readable(document: Document) -> Factor:
    """May the user `default` read keys, or at least their names?"""
    user = _default_user(document)
    if user is None:
        return factor(
            "readable", YES, "user default", "~* +@all", absent("the default user: ~* &* +@all")
        )
    text = " ".join(user.args[1:])
    selectors = re.findall(r"\(([^()]*)\)", text)
    parts = [re.sub(r"\([^()]*\)", " ", text), *selectors]
    holds = any_of(*(_permits(part.split()) for part in parts))
    shown = " ".join(t for t in text.split() if t[:1] in "~%+-&(" or t.startswith(("all", "no")))
    return factor("readable", holds, "user default", shown, user)


def _permits(tokens: list[str]) -> Truth:
    commands = keys = names = NO
    for token in tokens:
        word = token.lower()
        if word in ("-@all", "nocommands", "reset"):
            commands = names = NO
            keys = NO if word == "reset" else keys
        elif word[:1] == "+" or word == "allcommands":
            commands = YES if _reads(word) else commands
            names = YES if word in _NAMES else names
        elif word == "-@read" and commands is YES:
            commands = names = UNKNOWN  # SORT, EVAL and DEBUG may still read
        elif word == "resetkeys":
            keys = NO
        elif word == "allkeys" or (re.match(r"~|%r?w?~", word) and not word.startswith("%w~")):
            keys = YES
    return all_of(commands, any_of(keys, names))


def _reads(word: str) -> bool:
    if word.startswith("+@"):
        return word[2:] not in _HARMLESS_CATEGORIES
    return word == "allcommands" or word[1:].split("|")[0] not in _HARMLESS


def _remedies(document: Document) -> Iterator[Remedy]:
    main = document.files.get(document.main)
    if main is None:
        return
    mode, bind = _setting(document, "protected-mode").line, _setting(document, "bind").line

    def put(line: Directive | None, text: str) -> Edit:
        if line is None or line.unread:
            return append(main, text)
        return Edit(line.file, line.start, line.end, text)

    note = "Or set a long password (requirepass or ACL) for clients elsewhere."
    protect = put(mode, "protected-mode yes")
    loopback = put(bind, "bind 127.0.0.1")
    yield Remedy("Turn protected mode on", (protect,), "", note)
    yield Remedy("Listen on loopback only", (loopback,), "", note)
    if mode is not None or bind is not None:
        yield Remedy("Protected mode on, loopback only", (protect, loopback), "", note)
    user = _default_user(document)
    off = put(user, "user default off")
    yield Remedy("Turn the user without a password off", (off,), "", "Redis 6.0 or later. " + note)


def anonymous(document: Document, version: str) -> Iterator[Judgement]:
    """Keys that a client reads without a password."""
    if document.main not in document.files:
        return
    yield Judgement(
        subject="server",
        title="Redis serves its keys without a password",
        factors=(
            _listen(document),
            _path(document, version),
            _auth(document),
            _readable(document),
        ),
        addresses=_bound(document),
        ports=_ports(document),
        remedies=tuple(_remedies(document)),
    )


def recognise(path: str, head: str) -> int:
    """redis.conf or valkey.conf by name, else by three of its directives."""
    names = "bind|port|protected-mode|requirepass|appendonly|dbfilename|save|maxmemory|aclfile|user"
    found = set(re.findall(rf"(?m)^[ \t]*({names}|databases|tcp-keepalive)[ \t]+\S", head))
    if re.search(r"(?:redis|valkey)[^/]*\.conf$", path):
        return 90 if found else 30
    return 70 if len(found) >= 3 or "protected-mode" in found else 0


RULES = RuleSet(
    product="redis",
    protocol="redis",
    reader="redis",
    recognise=recognise,
    rules=(
        Rule(
            name="anonymous",
            title="Keys are served without a password",
            judge=anonymous,
            bad={"redis.conf": "bind 0.0.0.0\nprotected-mode no\nport 6379\n"},
            good={"redis.conf": "bind 0.0.0.0\nprotected-mode no\nrequirepass not-shown\n"},
            references=("redis.io: Security", "redis.io: ACL", "Lynis DBS-1884"),
        ),
    ),
)
