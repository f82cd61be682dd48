"""PostgreSQL

Sources: PostgreSQL manual 20.3 (listen_addresses), 21.1 (pg_hba.conf), 21.4 (trust); STIG for
Crunchy Data PostgreSQL. Seen on 15.20 (research/cause.md, section 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from leftopen.cause.api import Directive, Document, Edit, Judgement, Remedy, Rule, RuleSet, factor
from leftopen.cause.files import gap
from leftopen.cause.networks import ANY_V4, EVERYONE, NOBODY, AddressSet, listens, parse, strangers
from leftopen.model.cause import Factor, Truth, all_of, any_of
from leftopen.model.gap import Gap, Reason

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
MAX_RECORDS = 500  # each is compared with all above it
MAX_PAIRS = 64  # database and user names of one record that are tried
_ANY_DATABASE = ("all", "sameuser", "samerole", "samegroup")
_TYPES = {  # which clients a record type can match: without TLS, with TLS. GSSAPI is no stranger's.
    "host": ("plain", "tls"),
    "hostssl": ("tls",),
    "hostnossl": ("plain",),
    "hostnogssenc": ("plain", "tls"),
    "hostgssenc": (),
}
_SOMEBODY = "\0"  # a name that no line holds: who is matched only by "all"


@dataclass(frozen=True, slots=True)
class Record:
    """A line of pg_hba.conf."""

    line: Directive
    clients: tuple[str, ...]
    databases: tuple[str, ...]
    users: tuple[str, ...]
    addresses: AddressSet
    sure: bool  # False: the addresses depend on the machine (samenet) or on DNS
    method: str

    def matches(self, client: str, database: str, user: str) -> bool:
        """Would this line match that client, wherever it comes from?"""
        everybody = "all" in self.users or user in self.users
        if database == "replication":
            return client in self.clients and everybody and "replication" in self.databases
        named = "all" in self.databases or database in self.databases
        same = "sameuser" in self.databases and database == user
        return client in self.clients and everybody and (named or same)


def records(document: Document) -> Iterator[Record]:
    """The lines of pg_hba.conf that can match a TCP client, in order."""
    for block in document.root.all("pg_hba"):
        for line in block.children:
            if line.name not in _TYPES or len(line.args) < 4:
                continue
            databases, users, address, method = line.args[:4]
            if parse(method) and len(line.args) > 4:  # the mask in a column of its own
                address, method = f"{address}/{method}", line.args[4]
            matched, sure = _addresses(address)
            yield Record(
                line=line,
                clients=_TYPES[line.name],
                databases=tuple(databases.split(",")),
                users=tuple(users.split(",")),
                addresses=matched,
                sure=sure,
                method=method.strip('"').lower(),
            )


def _addresses(text: str) -> tuple[AddressSet, bool]:
    if text == "all":
        return EVERYONE, True
    if text == "samehost":
        return AddressSet.of("127.0.0.1", "::1"), True
    if text == "samenet":
        return NOBODY, False
    found = parse(text.strip('"'))
    return (found, True) if found is not None else (NOBODY, text[:1] != ".")


def _setting(document: Document, name: str) -> Directive | None:
    found = None
    for block in document.root.all("postgresql"):
        found = block.last(name) or found
    return found


def _listen(document: Document) -> tuple[Factor, tuple[str, ...]]:
    line = _setting(document, "listen_addresses")
    if line is None and not document.root.all("postgresql"):
        value = "not known: postgresql.conf was not handed over"
        return factor("listen", UNKNOWN, "listen_addresses", value, "no file"), ()
    value = line.value if line else "localhost"
    found = [a.strip() for a in value.split(",") if a.strip()]
    addresses = tuple(ANY_V4 if a == "*" else a for a in found)
    holds = listens(addresses)
    unread = any(d.unread for b in document.root.all("postgresql") for d in b.children)
    if line is None and unread:
        holds = UNKNOWN
    where = line or "all versions: localhost"
    return factor("listen", holds, "listen_addresses", value or "(none)", where), addresses


def _tls(document: Document) -> Truth:
    if not document.root.all("postgresql"):
        return UNKNOWN
    line = _setting(document, "ssl")
    return YES if line and line.value.lower() in ("on", "true", "yes", "1") else NO


def _admitted(record: Record, earlier: list[Record], client: str) -> tuple[AddressSet, bool]:
    """Whom this line lets in after all lines above it, for its widest database and user.

    False: some of its names stand for others that are not in the file, or are too many.
    """
    databases = [_SOMEBODY if d in _ANY_DATABASE else d for d in record.databases]
    users = [_SOMEBODY if u == "all" else u for u in record.users]
    pairs = [(d, u) for d in databases[:MAX_PAIRS] for u in users[:MAX_PAIRS]]
    best = NOBODY
    for database, user in pairs[:MAX_PAIRS]:
        left = record.addresses
        for above in earlier:
            if left and above.matches(client, database, user):
                left -= above.addresses
        best |= left
    quoted = any(d[:1] == "@" for d in databases) or any(u[:1] in "@/" for u in users)
    return best, not quoted and len(databases) * len(users) <= MAX_PAIRS


def _path(document: Document, record: Record, earlier: list[Record]) -> Factor:
    readings, shown = [], NOBODY
    if record.method != "trust":  # not let in anyway: what stands above does not matter
        holds = strangers(record.addresses) if record.sure else UNKNOWN
        value = str(record.addresses) if record.sure else record.line.args[2]
        return factor("path", holds, record.line.name, value, record.line, ours=record.sure)
    for client in record.clients:
        admitted, sure = _admitted(record, earlier, client)
        tls = YES if client == "plain" else _tls(document)
        if tls is not NO:
            shown |= admitted
        holds = strangers(admitted) if sure and record.sure else UNKNOWN
        readings.append(all_of(holds, tls))
    value = str(shown) if record.sure else record.line.args[2]
    return factor(
        "path", any_of(NO, *readings), record.line.name, value, record.line, ours=record.sure
    )


def trust(document: Document, version: str) -> Iterator[Judgement | Gap]:
    """Lines of pg_hba.conf that let a client in without a password."""
    earlier: list[Record] = []
    listen, addresses = _listen(document)
    port = _setting(document, "port")
    number = int(port.value) if port and re.fullmatch(r"\d{1,5}", port.value) else 5432
    for position, record in enumerate(records(document)):
        if position >= MAX_RECORDS:
            yield gap(Reason.TOO_LARGE, document.main, f"only {MAX_RECORDS} records were judged")
            return
        if record.method != "reject":
            holds = YES if record.method == "trust" else NO
            yield Judgement(
                subject=f"record {position}",
                title=_title(record),
                factors=(
                    listen,
                    _path(document, record, earlier),
                    factor("auth", holds, "method", record.method, record.line),
                ),
                addresses=addresses,
                ports=(min(number, 65_535),),
                remedies=tuple(_remedies(document, record)),
            )
        earlier.append(record)


def _title(record: Record) -> str:
    databases, users = ",".join(record.databases), ",".join(record.users)
    return f"PostgreSQL lets in by {record.method}: databases {databases}, users {users}"


def _remedies(document: Document, record: Record) -> Iterator[Remedy]:
    source = document.files[record.line.file]
    text = source.text[record.line.start : record.line.end]
    found = list(re.finditer(r"(?i)\"?trust\"?(?=\s|$|#)", text.partition("#")[0]))
    if record.method == "trust" and found:
        at = record.line.start + found[-1].start()
        edit = Edit(source.path, at, record.line.start + found[-1].end(), "scram-sha-256")
        note = "Roles without a password cannot log in until they have one (\\password ROLE)."
        yield Remedy("Ask for a password", (edit,), "SELECT pg_reload_conf();", note)


def recognise(path: str, head: str) -> int:
    """The two files by name, else by the form of their lines."""
    if re.search(r"pg_hba[^/]*\.conf$|(?:^|/)postgresql(?:\.auto)?\.conf$", path):
        return 95
    hba = r"(?m)^[ \t]*(?:local|host(?:no)?(?:ssl|gssenc)?)\s+\S+\s+\S+\s[^\n]*"
    hba += r"(?:trust|reject|md5|scram-sha-256|peer|ident)\b"
    if re.search(hba, head) or re.search(r"(?m)^\s*listen_addresses\s*=", head):
        return 80
    return 0


RULES = RuleSet(
    product="postgresql",
    protocol="postgresql",
    reader="postgresql",
    recognise=recognise,
    folder=True,
    rules=(
        Rule(
            name="trust",
            title="pg_hba.conf trusts clients from anywhere",
            judge=trust,
            bad={
                "pg_hba.conf": "host all all 0.0.0.0/0 trust\n",
                "postgresql.conf": "listen_addresses = '*'\n",
            },
            good={
                "pg_hba.conf": "host all all all scram-sha-256\nhost all all 0.0.0.0/0 trust\n",
                "postgresql.conf": "listen_addresses = '*'\n",
            },
            references=("PostgreSQL manual 21.4", "STIG Crunchy Data PostgreSQL v3"),
        ),
    ),
)
