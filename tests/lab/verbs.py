"""What was asked of a server, read from the bytes on the wire, by rules of their own.

Nothing of Leftopen is used here: the allow-lists below the plugins are what this checks. A stream
that no reader knows is strange, and so is a verb that is not on the list of reads.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

HTTP_READS = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND"})
# Reads that a product offers only as POST, each by its path.
MARKED_READS = re.compile(
    r"/v3(?:alpha|beta)?/(?:kv/range|maintenance/status)|/collections/[^/]+/points/scroll"
    r"|/api/v[12]/(?:tenants/[^/]+/databases/[^/]+/)?collections/[^/]+/get|/query/v2|/_dbs_info"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RESP_READS = _words(
    "PING INFO DBSIZE SCAN TYPE GET GETRANGE STRLEN LRANGE LLEN HSCAN HLEN SSCAN SCARD ZSCAN "
    "ZCARD XRANGE XLEN SELECT COMMAND QUIT HELLO CLIENT MEMORY EXISTS ZRANGE HGETALL SMEMBERS"
)
LINE_READS = _words(
    # IMAP, POP3, FTP
    "CAPABILITY AUTHENTICATE NAMESPACE LIST EXAMINE FETCH STATUS STARTTLS LOGOUT NOOP ID UID "
    "CAPA STLS AUTH STAT TOP UIDL QUIT USER PASS SYST FEAT PWD CWD TYPE PASV EPSV MLSD MLST NLST "
    "SIZE MDTM REST RETR ABOR OPTS PBSZ PROT CLOSE DONE "
    # memcached, beanstalkd, NATS, ZooKeeper, gearman
    "VERSION STATS LRU_CRAWLER GET GETS LIST-TUBES STATS-TUBE PEEK-READY PEEK PEEK-BURIED "
    "PEEK-DELAYED USE CONNECT PING PONG SUB UNSUB PUB INFO SRVR RUOK ENVI MNTR CONF"
)
_WORD = re.compile(rb"[A-Za-z_-]{2,16}")


def sent_verbs(stream: bytes, protocol: str = "") -> list[str]:
    """The verbs of one connection, in their order, as "KIND VERB"."""
    if not stream:
        return []
    for known, read in READERS:
        if known(stream):
            return list(read(stream))
    return [f"unknown {protocol} {stream[:24]!r}"]


def strange(verbs: list[str]) -> list[str]:
    """Those that are no reads."""
    return [v for v in verbs if not _harmless(v)]


def _harmless(verb: str) -> bool:
    kind, _, what = verb.partition(" ")
    if kind == "HTTP":
        method, _, path = what.partition(" ")
        return method in HTTP_READS or (method == "POST" and bool(MARKED_READS.fullmatch(path)))
    return what in READS.get(kind, ())


READS: dict[str, frozenset[str]] = {
    "RESP": RESP_READS,
    "LINE": LINE_READS,
    "HTTP/2": frozenset({"preface"}),
    "LDAP": frozenset({"bind", "search", "unbind", "StartTLS"}),
    "PG": frozenset({"SSLRequest", "startup", "SELECT", "SHOW", "terminate"}),
    "MQTT": frozenset({"CONNECT", "SUBSCRIBE", "PINGREQ", "DISCONNECT", "UNSUBSCRIBE"}),
    "MONGO": _words(
        "hello isMaster buildInfo listDatabases listCollections find collStats dbStats count "
        "getMore killCursors aggregate"
    ),
    "RSYNC": frozenset({"greeting", "#list", "module", "arguments"}),
}


def _http(stream: bytes) -> Iterator[str]:
    for method, path in re.findall(rb"(?m)^([A-Z]{3,20}) (\S+) HTTP/1\.[01]\r$", stream):
        yield f"HTTP {method.decode()} {path.decode('latin-1').split('?')[0]}"


def _resp(stream: bytes) -> Iterator[str]:
    at = 0
    while at < len(stream):
        head = re.compile(rb"\*(\d+)\r\n").match(stream, at)
        if not head:
            yield f"RESP unreadable {stream[at : at + 20]!r}"
            return
        at, words = head.end(), []
        for _ in range(int(head.group(1))):
            bulk = re.compile(rb"\$(\d+)\r\n").match(stream, at)
            if not bulk:
                yield f"RESP unreadable {stream[at : at + 20]!r}"
                return
            words.append(stream[bulk.end() : bulk.end() + int(bulk.group(1))])
            at = bulk.end() + int(bulk.group(1)) + 2
        yield f"RESP {words[0].decode('latin-1').upper()}"


def _lines(stream: bytes) -> Iterator[str]:
    answers = False  # the next line answers a challenge (SASL): no verb
    for line in stream.split(b"\n"):
        words = line.split()
        if answers or not words:
            answers = False
            continue
        if re.fullmatch(rb"[a-zA-Z]?\d{1,6}", words[0]) and len(words) > 1:  # IMAP's tag
            words = words[1:]
        verb = words[0].decode("latin-1").upper()
        answers = verb in ("AUTHENTICATE", "AUTH")
        yield f"LINE {verb}"


def _ldap(stream: bytes) -> Iterator[str]:
    names = {0x60: "bind", 0x63: "search", 0x42: "unbind", 0x77: "StartTLS"}
    at = 0
    while at + 2 <= len(stream) and stream[at] == 0x30:
        size, at = _ber(stream, at + 1)
        number, body = _ber(stream, at + 1)
        tag = stream[body + number]
        yield f"LDAP {names.get(tag, hex(tag))}"
        at += size
    if at < len(stream) and stream[at] != 0x16:  # what follows StartTLS is encrypted
        yield f"LDAP unreadable {stream[at : at + 12]!r}"


def _ber(stream: bytes, at: int) -> tuple[int, int]:
    size = stream[at]
    if size < 0x80:
        return size, at + 1
    count = size & 0x7F
    return int.from_bytes(stream[at + 1 : at + 1 + count], "big"), at + 1 + count


def _postgresql(stream: bytes) -> Iterator[str]:
    at = 0
    while at + 8 <= len(stream) and stream[at] == 0:  # untyped: SSLRequest, StartupMessage
        size, code = struct.unpack_from(">II", stream, at)
        yield "PG SSLRequest" if code == 80877103 else "PG startup"
        at += size
    while at + 5 <= len(stream):
        kind, size = stream[at : at + 1], int.from_bytes(stream[at + 1 : at + 5], "big")
        text = stream[at + 5 : at + 1 + size]
        if kind == b"Q":
            word = _WORD.match(text.lstrip())
            yield f"PG {word.group().decode().upper() if word else text[:20]!r}"
        else:
            yield "PG terminate" if kind == b"X" else f"PG {kind!r}"
        at += 1 + size


def _mqtt(stream: bytes) -> Iterator[str]:
    names = {1: "CONNECT", 3: "PUBLISH", 8: "SUBSCRIBE", 10: "UNSUBSCRIBE", 12: "PINGREQ"}
    names[14] = "DISCONNECT"
    at = 0
    while at < len(stream):
        kind, at, size, shift = stream[at] >> 4, at + 1, 0, 0
        while True:
            byte, at = stream[at], at + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        yield f"MQTT {names.get(kind, kind)}"
        at += size


def _mongo(stream: bytes) -> Iterator[str]:
    at = 0
    while at + 16 <= len(stream):
        size, _, _, code = struct.unpack_from("<iiii", stream, at)
        body = stream[at + 16 : at + size]
        if code == 2013:  # OP_MSG: flags, section kind 0, a BSON document
            document = body[5:]
        elif code == 2004:  # OP_QUERY: flags, name, skip, return, a BSON document
            document = body[body.index(b"\0", 4) + 9 :]
        else:
            yield f"MONGO opcode {code}"
            return
        verb = document[5:].split(b"\0", 1)[0]
        yield f"MONGO {verb.decode('latin-1')}"
        at += size


def _rsync(stream: bytes) -> Iterator[str]:
    lines = stream.split(b"\n")
    yield "RSYNC greeting" if lines[0].startswith(b"@RSYNCD:") else "RSYNC unreadable"
    if len(lines) > 1 and lines[1]:
        yield "RSYNC #list" if lines[1] in (b"#list", b"") else "RSYNC module"
    rest = b"\n".join(lines[2:])
    if rest:
        # The arguments of a sender: --server --sender is a read, --server alone is a write.
        yield "RSYNC arguments" if b"--sender" in rest else "RSYNC write"


Reader = tuple[Callable[[bytes], object], Callable[[bytes], Iterator[str]]]
READERS: list[Reader] = [
    (re.compile(rb"PRI \* HTTP/2\.0").match, lambda stream: iter(["HTTP/2 preface"])),
    (re.compile(rb"[A-Z]{3,20} \S+ HTTP/1\.[01]\r\n").match, _http),
    (re.compile(rb"\*\d+\r\n\$").match, _resp),
    (re.compile(rb"@RSYNCD: ").match, _rsync),
    (re.compile(rb"\x30.{1,5}\x02[\x01\x02]", re.DOTALL).match, _ldap),
    (re.compile(rb"\0\0..(?:\x04\xd2\x16\x2f|\x00\x03\x00\x00)", re.DOTALL).match, _postgresql),
    (re.compile(rb"\x10.{1,4}\x00\x04MQTT", re.DOTALL).match, _mqtt),
    (re.compile(rb"..\x00\x00.{8}(?:\xdd\x07|\xd4\x07)\x00\x00", re.DOTALL).match, _mongo),
    (re.compile(rb"[\x20-\x7e]{2,200}\r?\n").match, _lines),
]
