"""What the readers of outside files share: records, checks, JSON layouts and counted Gaps.

A reader turns its file into `Seen` records; `reader` makes observations of them and counts what
could not be read. A scan result is a `Sweep` as well: its open ports can stand in for our sweep.
"""

from __future__ import annotations

import csv
import ipaddress
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from io import BytesIO, TextIOWrapper
from typing import Final, TypeVar

import msgspec

from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Access, Observation, Size
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import escape_controls, safe
from leftopen.reach import protocols as protocols_package

MAX_BAD: Final = 100  # Gaps of one file that are told apart; the rest is counted
MAX_RECORD: Final = 64_000_000
UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
OPEN: Final = (Access.SPEAKS, Access.LISTS, Access.GIVES_DATA)

NOTHING: Final = msgspec.Raw()  # the default of a member that is decoded later

T = TypeVar("T")

# Other people's words for what a file of reach/protocols is called here.
_ALIASES: Final = {
    "https": "http",
    "http-alt": "http",
    "http-proxy": "http",
    "https-alt": "http",
    "elastic": "elasticsearch",
    "rsyncd": "rsync",
    "postgres": "postgresql",
    "pgsql": "postgresql",
    "mongo": "mongodb",
    "mongod": "mongodb",
    "couch": "couchdb",
    "imaps": "imap",
    "imap-ssl": "imap",
    "pop3s": "pop3",
    "ftps": "ftp",
    "ldaps": "ldap",
    "ldapssl": "ldap",
    "memcache": "memcached",
    "secure-mqtt": "mqtt",
    "etcd-client": "etcd",
    "dockerregistry": "docker_registry",
    "microsoft-ds": "smb",
    "netbios-ssn": "smb",
}


class Seen(msgspec.Struct, kw_only=True, gc=False):
    """One record of a file, unchecked. `place` is a line number, or words below the path."""

    place: int | str
    address: str
    port: int
    time: datetime | None
    access: Access = Access.SPEAKS
    transport: str = "tcp"
    service: str = ""  # the tool's word for it
    detail: str = ""
    product: str = ""
    version: str = ""
    name: str = ""
    tls: bool = False
    size: Size | None = None


Read = Callable[[bytes, str], Iterator[Seen | Gap]]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A scan result whose open ports are targets: the module that holds it has an Import too."""

    name: str
    recognise: Callable[[bytes], bool]
    read: Read


def gap_of(
    reason: Reason, path: str, place: int | str, detail: str, *, count: int = 1, size: int = 0
) -> Gap:
    """A Gap in a file: `path:line`, or the path and words; `detail` may be hostile, it is masked.

    `path` is the user's own word and `place` ours: masking would take the digits out of the date
    in a file name and out of a line number of seven digits.
    """
    where = f"{path}:{place}" if isinstance(place, int) else f"{path} {place}".rstrip()
    return Gap(
        stage=Stage.REACH,
        reason=reason,
        place=escape_controls(where),
        detail=safe(detail),
        count=count,
        size=size,
    )


def reader(
    sensor: str, read: Read, vantage: str = ""
) -> Callable[[bytes, str], Iterator[Observation | Gap]]:
    """The `read` of an Import: records checked and made observations, Gaps above a limit counted.

    `vantage` is "outside" for a sensor that looks from the internet; a scan of one's own may have
    been made from anywhere, so it is "".
    """

    def observations(content: bytes, path: str) -> Iterator[Observation | Gap]:
        return bounded(
            (
                item if isinstance(item, Gap) else observation(item, path, sensor, vantage)
                for item in read(content, path)
            ),
            path,
        )

    return observations


def bounded(items: Iterable[T | Gap], path: str) -> Iterator[T | Gap]:
    """The same, with the Gaps after the first `MAX_BAD` summed up, reason by reason, at the end."""
    bad, more = 0, dict[Reason, int]()
    for item in items:
        if isinstance(item, Gap):
            bad += 1
            if bad > MAX_BAD:
                more[item.reason] = more.get(item.reason, 0) + item.count
                continue
        yield item
    for reason, count in more.items():
        yield gap_of(reason, path, "", "more records that cannot be used", count=count)


def observation(seen: Seen, path: str, sensor: str, vantage: str) -> Observation | Gap:
    """The observation that a record is, or the Gap that says what is wrong with it."""
    problem = problem_of(seen)
    if problem:
        return gap_of(*problem[:1], path, seen.place, problem[1])
    if seen.time is None:
        return gap_of(Reason.NO_TIME, path, seen.place, "a record without a time")
    return Observation(
        endpoint=Endpoint(
            address=canonical(seen.address),
            port=seen.port,
            transport=seen.transport,
            name=_shown(seen.name, 253),
        ),
        time=seen.time,
        sensor=sensor,
        protocol=protocol_named(seen.service) if seen.access in OPEN else "",
        access=seen.access,
        detail=_shown(seen.detail or seen.service, 160),
        product=_shown(seen.product, 60),
        version=_shown(seen.version, 60),
        tls=seen.tls,
        size=seen.size,
        vantage=vantage,
    )


def _shown(text: str, limit: int) -> str:
    """`safe` text; the same few words come again and again, so short ones are remembered."""
    if not text:
        return ""
    return _remembered(text, limit) if len(text) <= 200 else safe(text, limit)


@lru_cache(maxsize=4096)
def _remembered(text: str, limit: int) -> str:
    return safe(text, limit)


def problem_of(seen: Seen) -> tuple[Reason, str] | None:
    """Why this record is no endpoint, None when it is one."""
    if not canonical(seen.address):
        return Reason.UNPARSED, f"not an address: {seen.address}"
    if not 1 <= seen.port <= 65535:
        return Reason.UNPARSED, f"not a port: {seen.port}"
    if seen.transport not in ("tcp", "udp"):
        return Reason.UNSUPPORTED, f"neither TCP nor UDP: {seen.transport}"
    return None


@lru_cache(maxsize=4096)
def canonical(address: str) -> str:
    """The address as `Endpoint` writes it; "" where it is none. A zone index names no one host."""
    try:
        return "" if "%" in address else str(ipaddress.ip_address(address))
    except ValueError:
        return ""


def epoch(text: str | int | float) -> datetime | None:
    """Seconds since 1970, whole, in UTC; None where it is not a time of a scan."""
    try:
        value = int(float(text))
        return datetime.fromtimestamp(value, UTC) if 0 < value < 253_402_300_800 else None
    except (ValueError, OverflowError):
        return None


def moment(text: str) -> datetime | None:
    """An ISO 8601 time in whole seconds, UTC where no zone is given; None where it is none."""
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        return time.replace(microsecond=0) if time.year > 1970 else None
    except (ValueError, OverflowError):
        return None


@cache
def _known() -> frozenset[str]:
    return frozenset(info.name for info in pkgutil.iter_modules(protocols_package.__path__))


@lru_cache(maxsize=4096)
def protocol_named(word: str) -> str:
    """Our protocol for another tool's word such as "https", "ssl/http"; "" where there is none."""
    word = word.lower().rpartition("/")[2].strip()
    for name in (word, word.replace("-", "_"), re.split(r"[-_. ]", word, maxsplit=1)[0]):
        name = _ALIASES.get(name, name)
        if name in _known():
            return name
    return ""


@lru_cache(maxsize=64)
def keys(head: bytes) -> frozenset[str]:
    """Names of members at the beginning of a JSON file, nested ones where it is not in lines.

    Empty for what is not JSON, and for Shodan's records: other formats use the same names.
    """
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n[,")
    if not text.startswith(b"{"):
        return frozenset()
    try:
        names = frozenset(
            msgspec.json.decode(text.split(b"\n", 1)[0].rstrip(b" \t\r,]"), type=dict)
        )
    except UNDECODABLE:
        names = frozenset(m.decode() for m in re.findall(rb'"([\w@.-]{1,40})"\s*:', text))
    return frozenset() if names & {"ip_str", "_shodan"} else names


def json_records(content: bytes, path: str) -> Iterator[tuple[int | str, bytes] | Gap]:
    """Each record with its place: the members of an array, one document, or one value a line.

    An array that was never closed (its writer was killed) is read line by line: all the tools
    here write one record a line. What is missing after its end is a Gap.
    """
    array = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    try:
        if array:
            items = msgspec.json.decode(content, type=list[msgspec.Raw])
            yield from ((f"[{number}]", bytes(item)) for number, item in enumerate(items))
        else:
            msgspec.json.decode(content, type=msgspec.Raw)
            yield "", content
        return
    except UNDECODABLE:
        pass
    for number, line in enumerate(BytesIO(content), 1):
        if len(line) > MAX_RECORD:
            yield gap_of(Reason.TOO_LARGE, path, number, "an over-long line", size=len(line))
            continue
        text = line.strip(b" \t\r\n,")
        if array:
            text = text.removeprefix(b"[").strip()
            text = b"" if text == b"]" else text
        if text:
            yield number, text
    if array and not content[-1024:].rstrip().endswith(b"]"):
        yield gap_of(Reason.CORRUPT, path, "", "the array is not closed: the writer was stopped")


def header_of(head: bytes) -> str:
    """The first line of a CSV file."""
    return head.split(b"\n", 1)[0].decode("utf-8", "replace").strip().removeprefix("\ufeff")


def csv_records(
    content: bytes, path: str, names: list[str]
) -> Iterator[tuple[int, dict[str, str]] | Gap]:
    """Each row below the header with its line number, by the names of the columns.

    A row that is broken or of another width is a Gap.
    """
    rows = csv.reader(TextIOWrapper(BytesIO(content), "utf-8", errors="replace", newline=""))
    next(rows)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as e:
            yield gap_of(Reason.UNPARSED, path, rows.line_num, str(e))
            continue
        if not row:
            continue
        if len(row) != len(names):
            yield gap_of(Reason.UNPARSED, path, rows.line_num, "a row of another width")
            continue
        yield rows.line_num, dict(zip(names, row, strict=True))


def port_of(text: str) -> int:
    """A port that is text; 0 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def given(raw: msgspec.Raw) -> bool:
    """Whether a member that is decoded later is there, and not null."""
    return bytes(raw) not in (b"", b"null")


def decoded(
    content: bytes, path: str, decoder: msgspec.json.Decoder[T]
) -> Iterator[tuple[int | str, T] | Gap]:
    """Each JSON record as a typed value with its place; a broken one is a Gap."""
    decode = decoder.decode
    for item in json_records(content, path):
        if isinstance(item, Gap):
            yield item
            continue
        place, text = item
        try:
            yield place, decode(text)
        except UNDECODABLE as e:
            yield gap_of(Reason.UNPARSED, path, place, str(e))
