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
_REQUEST = re.compile(rb"([A-Z]{3,20}) (\S+) HTTP/1\.[01]\r\n")
_WORD = re.compile(rb"[A-Za-z_-]{2,16}")


def sent_verbs(stream: bytes, protocol: str = "") -> list[str]:
    """The verbs of one connection, in their order, as "KIND VERB"."""
    if not stream:
        return []
    for known, read in READERS:
        if known(stream):
            try:
                return list(read(stream))
            except (IndexError, ValueError, struct.error):
                return [f"unreadable {protocol} {stream[:24]!r}"]
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
    "PG": _words("SSLRequest startup SELECT SHOW BEGIN-READ-ONLY SET-LOCAL ROLLBACK terminate"),
    "MQTT": frozenset({"CONNECT", "SUBSCRIBE", "PINGREQ", "DISCONNECT", "UNSUBSCRIBE"}),
    "MONGO": _words(
        "hello isMaster buildInfo listDatabases listCollections find collStats dbStats count "
        "getMore killCursors aggregate"
    ),
    "IPP": frozenset({"CUPS-Get-Printers", "Get-Jobs"}),
    "DNS": frozenset({"SOA", "AXFR"}),
    "SVN": _words("greeting ANONYMOUS get-latest-rev get-dir get-file"),
    "SELECTOR": frozenset({"one"}),
    "RSYNC": frozenset({"greeting", "#list", "module", "arguments"}),
    "TLS": frozenset({"begins"}),
    "MYSQL": frozenset({"SSLRequest", "nobody", "no-password", "quit", "SHOW", "SELECT"}),
    "CLICKHOUSE": frozenset({"hello", "SELECT", "block", "cancel"}),
    "CQL": frozenset({"OPTIONS", "STARTUP", "SELECT"}),
    "BOLT": _words("handshake HELLO LOGON MATCH CALL PULL DISCARD RESET GOODBYE"),
    "KAFKA": _words("ApiVersions Metadata SaslHandshake ListOffsets Fetch"),
    "AMQP": frozenset({"header", "Connection.Close"}),
    "ZK": _words(
        "srvr ruok envi mntr conf isro connect exists getData getChildren getChildren2 close"
    ),
    "MEMCACHE": frozenset({"VERSION", "STAT", "GET", "NOOP", "QUIT", "SASL-LIST"}),
    "NATS": _words(
        "CONNECT PING PONG SUB UNSUB $JS.API.INFO $JS.API.STREAM.LIST $JS.API.STREAM.NAMES "
        "$JS.API.STREAM.INFO $JS.API.STREAM.MSG.GET"
    ),
    "RPC": _words(
        "NULL DUMP EXPORT MNT UMNT GETATTR LOOKUP ACCESS READ READDIR READDIRPLUS FSSTAT FSINFO "
        "PUTROOTFH PUTFH GETFH"
    ),
    "ISCSI": frozenset({"login", "text", "logout"}),
    "NBD": frozenset({"LIST", "INFO", "ABORT"}),
    "GIT": frozenset({"upload-pack", "flush"}),
    "VNC": frozenset({"version", "type-none", "share"}),
    "X11": frozenset({"setup"}),
    "SMB": _words(
        "session negotiate setup logoff connect disconnect open-to-read open-pipe close read "
        "call list query"
    ),
}


def _http(stream: bytes) -> Iterator[str]:
    """Requests one behind the other, each with as much of a body as it says."""
    at = 0
    while at < len(stream):
        line = _REQUEST.match(stream, at)
        end = stream.find(b"\r\n\r\n", at)
        if not line or end < 0:
            yield f"HTTP unreadable {stream[at : at + 40]!r}"
            return
        said = re.search(rb"(?i)\r\ncontent-length: *(\d+)", stream[at:end])
        at = end + 4 + (int(said.group(1)) if said else 0)
        method, path = line.group(1).decode(), line.group(2).decode("latin-1").split("?")[0]
        if (method, path) == ("POST", "/ipp/print"):
            yield f"IPP {_ipp(stream[end + 4 : at])}"
        else:
            yield f"HTTP {method} {path}"


def _ipp(request: bytes) -> str:
    """RFC 8010 3.1.1: the operation comes behind the version."""
    operation = int.from_bytes(request[2:4], "big")
    return {0x4002: "CUPS-Get-Printers", 0x000A: "Get-Jobs"}.get(operation, f"{operation:#06x}")


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
        if verb in ("STARTTLS", "STLS"):  # what follows is encrypted
            break


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
    if stream[at : at + 1] == b"\x16":
        yield "TLS begins"
        return
    while at + 5 <= len(stream):
        kind, size = stream[at : at + 1], int.from_bytes(stream[at + 1 : at + 5], "big")
        text = stream[at + 5 : at + 1 + size].rstrip(b"\0")
        if kind == b"Q":
            yield from (f"PG {_sql(statement)}" for statement in text.split(b";") if statement)
        else:
            yield "PG terminate" if kind == b"X" else f"PG {kind!r}"
        at += 1 + size


def _sql(statement: bytes) -> str:
    """The word of one statement; a SELECT that writes or locks is named whole."""
    text = statement.strip().upper()
    if text.startswith((b"BEGIN READ ONLY", b"SET LOCAL STATEMENT_TIMEOUT")):
        return text.split(b" STATEMENT")[0].decode().replace(" ", "-")
    word = _WORD.match(text)
    if not word or re.search(rb"\b(?:INTO|FOR\s+UPDATE|FOR\s+SHARE|NEXTVAL|LO_EXPORT)\b", text):
        return repr(text[:60])
    return word.group().decode()


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


def _oncrpc(stream: bytes) -> Iterator[str]:
    """RFC 5531 with its record marks: portmapper 2, MOUNT 3, NFS 3 and 4.0."""
    names = {
        (100000, 2): {0: "NULL", 4: "DUMP"},
        (100005, 3): {0: "NULL", 1: "MNT", 3: "UMNT", 5: "EXPORT"},
        (100003, 3): dict(enumerate(("NULL", "GETATTR", "?2", "LOOKUP", "ACCESS", "?5", "READ")))
        | {16: "READDIR", 17: "READDIRPLUS", 18: "FSSTAT", 19: "FSINFO"},
        (100003, 4): {0: "NULL"},
    }
    at = 0
    while at + 40 <= len(stream):
        mark, _, _, _, program, version, procedure = struct.unpack_from(">7I", stream, at)
        end, body = at + 4 + (mark & 0x7FFFFFFF), at + 28
        for _ in range(2):  # credential and verifier
            body = _opaque(stream, body + 4)
        if (program, version, procedure) == (100003, 4, 1):
            yield from _nfs4(stream[body:end])
        else:
            known = names.get((program, version), {})
            yield f"RPC {known.get(procedure, (program, version, procedure))}"
        at = end


def _opaque(stream: bytes, at: int) -> int:
    """Where the XDR opaque ends that begins here (RFC 4506 4.10)."""
    size = int.from_bytes(stream[at : at + 4], "big")
    return at + 4 + size + -size % 4


def _nfs4(compound: bytes) -> Iterator[str]:
    """The operations of one COMPOUND (RFC 7530 16.2), as far as their sizes are known here."""
    at = _opaque(compound, 0) + 4
    count, at = int.from_bytes(compound[at : at + 4], "big"), at + 4
    fixed = {10: ("GETFH", 0), 24: ("PUTROOTFH", 0), 25: ("READ", 28), 3: ("ACCESS", 4)}
    for _ in range(count):
        code, at = int.from_bytes(compound[at : at + 4], "big"), at + 4
        if code in fixed:
            name, size = fixed[code]
            at += size
        elif code in (15, 22):
            name, at = ("LOOKUP" if code == 15 else "PUTFH"), _opaque(compound, at)
        elif code in (9, 26):  # a bitmap of attributes, READDIR: after cookie, verifier, sizes
            name, at = ("GETATTR", at) if code == 9 else ("READDIR", at + 24)
            at += 4 + 4 * int.from_bytes(compound[at : at + 4], "big")
        else:
            yield f"RPC NFS4 operation {code}"
            return
        yield f"RPC {name}"


def _iscsi(stream: bytes) -> Iterator[str]:
    """RFC 7143 11.2: a header of 48 bytes, then data padded to four."""
    names = {0x03: "login", 0x04: "text", 0x06: "logout"}
    at = 0
    while at + 48 <= len(stream):
        code, size = stream[at] & 0x3F, int.from_bytes(stream[at + 5 : at + 8], "big")
        at += 48 + 4 * stream[at + 4] + size + -size % 4
        yield f"ISCSI {names.get(code, hex(code))}"


def _nbd(stream: bytes) -> Iterator[str]:
    """The handshake of https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md."""
    names = {2: "ABORT", 3: "LIST", 6: "INFO"}
    at = 4  # the client's flags
    while at < len(stream):
        if stream[at : at + 8] != b"IHAVEOPT" or at + 16 > len(stream):
            yield f"NBD unreadable {stream[at : at + 16]!r}"
            return
        option, size = struct.unpack_from(">II", stream, at + 8)
        yield f"NBD {names.get(option, option)}"
        at += 16 + size


def _smb(stream: bytes) -> Iterator[str]:
    """[MS-CIFS] and [MS-SMB2], each message behind its length (RFC 1002 4.3)."""
    at = 0
    while at + 4 <= len(stream):
        size = int.from_bytes(stream[at + 1 : at + 4], "big")
        message = stream[at + 4 : at + 4 + size]
        if stream[at] == 0x81:
            yield "SMB session"
        elif message[:4] == b"\xffSMB":
            yield f"SMB {_smb1(message)}"
        elif message[:4] == b"\xfeSMB" and not int.from_bytes(message[20:24], "little"):
            yield f"SMB {_smb2(message)}"  # one alone: no NextCommand
        else:
            yield f"SMB unreadable {message[:24]!r}"
        at += 4 + size


def _smb1(message: bytes) -> str:
    names = {0x04: "close", 0x2E: "read", 0x71: "disconnect", 0x72: "negotiate", 0x73: "setup"}
    names |= {0x74: "logoff", 0x75: "connect", 0x34: "close"}
    code, words = message[4], message[33:]
    if code == 0xA2:  # NT_CREATE_ANDX: access at 15, disposition at 35 of its parameters
        access, disposition = struct.unpack_from("<I", words, 15)[0], words[35]
        return _opening(access, disposition, pipe=b"s\0r\0v\0s" in words or b"srvsvc" in words)
    if code == 0x25:  # TRANSACTION: its setup says what is done with the pipe
        return "call" if struct.unpack_from("<H", words, 28)[0] == 0x26 else "transaction"
    if code == 0x32:
        which = struct.unpack_from("<H", words, 28)[0]
        return {1: "list", 2: "list", 3: "query", 5: "query", 7: "query"}.get(which, f"t2 {which}")
    return names.get(code, f"command {code:#x}")


def _smb2(message: bytes) -> str:
    names = {0: "negotiate", 1: "setup", 2: "logoff", 3: "connect", 4: "disconnect", 6: "close"}
    names |= {8: "read", 14: "list", 16: "query"}
    code, body = struct.unpack_from("<H", message, 12)[0], message[64:]
    if code == 5:
        access, _, _, disposition = struct.unpack_from("<IIII", body, 24)
        return _opening(access, disposition, pipe="srvsvc".encode("utf-16-le") in body)
    if code == 11:  # FSCTL_PIPE_TRANSCEIVE alone
        return "call" if body[4:8] == bytes.fromhex("17c01100") else "ioctl"
    return names.get(code, f"command {code}")


def _opening(access: int, disposition: int, *, pipe: bool) -> str:
    """Only what is there (FILE_OPEN) and with no right to change or delete it."""
    changes = access & 0x500D_0154 | (0 if pipe else access & 0x2)
    if disposition != 1 or changes:
        return f"open {access:#x} {disposition}"
    return "open-pipe" if pipe else "open-to-read"


def _mysql(stream: bytes) -> Iterator[str]:
    """Protocol::HandshakeResponse41, then commands, each its packets from number 0."""
    at, inside = 0, False
    while at + 4 <= len(stream):
        if stream[at] == 0x16 and inside:
            yield "TLS begins"
            return
        size, number = int.from_bytes(stream[at : at + 3], "little"), stream[at + 3]
        body = stream[at + 4 : at + 4 + size]
        at += 4 + size
        if number == 0:
            names = {1: "quit", 3: _sql(body[1:])}
            yield f"MYSQL {names.get(body[0], hex(body[0]))}"
        elif size == 32:
            inside = True
            yield "MYSQL SSLRequest"
        elif size > 32:  # the user's name ends with NUL, the answer to the challenge has a length
            yield "MYSQL nobody" if body[32:34] == b"\0\0" else "MYSQL login"
        else:
            yield "MYSQL password" if body else "MYSQL no-password"


class _Cut:
    """Reads a stream from its beginning."""

    def __init__(self, stream: bytes) -> None:
        self.stream, self.at = stream, 0

    def left(self) -> bool:
        return self.at < len(self.stream)

    def take(self, size: int) -> bytes:
        self.at += size
        return self.stream[self.at - size : self.at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def string(self) -> bytes:
        return self.take(self.varint())


def _clickhouse(stream: bytes) -> Iterator[str]:
    """Its native protocol below revision 54032: no client info with a query."""
    cut = _Cut(stream)
    cut.varint(), cut.string(), cut.varint(), cut.varint()
    revision = cut.varint()
    cut.string(), cut.string()
    yield "CLICKHOUSE password" if cut.string() else "CLICKHOUSE hello"
    if revision >= 54_032:
        yield f"CLICKHOUSE revision {revision}"
        return
    while cut.left():
        kind = cut.varint()
        if kind == 1:  # query: id, settings, stage, compression, text
            cut.string()
            while cut.string():
                yield "CLICKHOUSE setting"
            cut.varint(), cut.varint()
            yield f"CLICKHOUSE {_sql(cut.string())}"
        elif kind == 2:  # data: name of a table, block info below its own revision, no rows
            name, empty = cut.string(), cut.take(3 if revision >= 51_903 else 2)
            yield "CLICKHOUSE block" if not name and not any(empty) else "CLICKHOUSE data"
        else:
            yield "CLICKHOUSE cancel" if kind == 3 else f"CLICKHOUSE {kind}"


def _cql(stream: bytes) -> Iterator[str]:
    """CQL binary protocol 3 and 4: frames of 9 bytes and a body."""
    at = 0
    while at + 9 <= len(stream):
        opcode, size = stream[at + 4], int.from_bytes(stream[at + 5 : at + 9], "big")
        names = {1: "STARTUP", 5: "OPTIONS", 7: _sql(stream[at + 13 : at + 9 + size])}
        yield f"CQL {names.get(opcode, opcode)}"
        at += 9 + size


def _bolt(stream: bytes) -> Iterator[str]:
    """Bolt: 20 bytes of handshake, then chunked messages; no scheme but "none" may log in."""
    yield "BOLT handshake"
    at, body = 20, b""
    while at + 2 <= len(stream):
        size = int.from_bytes(stream[at : at + 2], "big")
        body += stream[at + 2 : at + 2 + size]
        at += 2 + size
        if size or not body:
            continue
        names = {0x01: "HELLO", 0x6A: "LOGON", 0x3F: "PULL", 0x2F: "DISCARD", 0x0F: "RESET"}
        names[0x02] = "GOODBYE"
        if body[1] == 0x10:  # RUN: the text, its parameters, the mode "r"
            word = re.search(rb"[A-Z]{3,}", body[2:])
            writes = re.search(rb"\b(?:CREATE|MERGE|DELETE|SET|REMOVE|DROP|LOAD)\b", body)
            known = word.group().decode() if word and not writes else repr(body[:60])
            yield f"BOLT {known}"
        elif b"principal" in body or b"credentials" in body:
            yield "BOLT login"
        else:
            yield f"BOLT {names.get(body[1], hex(body[1]))}"
        body = b""


def _kafka(stream: bytes) -> Iterator[str]:
    names = {1: "Fetch", 2: "ListOffsets", 3: "Metadata", 17: "SaslHandshake", 18: "ApiVersions"}
    at = 0
    while at + 8 <= len(stream):
        size, key, _ = struct.unpack_from(">ihh", stream, at)
        yield f"KAFKA {names.get(key, key)}"
        at += 4 + size


def _amqp(stream: bytes) -> Iterator[str]:
    """AMQP 0-9-1: a header, then frames; 1.0 says only its header here."""
    at = 0
    while stream[at : at + 4] == b"AMQP":
        yield "AMQP header"
        at += 8
    while at + 11 <= len(stream):
        size, group, method = (
            int.from_bytes(stream[at + a : at + b], "big") for a, b in ((3, 7), (7, 9), (9, 11))
        )
        yield "AMQP Connection.Close" if (group, method) == (10, 50) else f"AMQP {group}.{method}"
        at += 8 + size


def _zookeeper(stream: bytes) -> Iterator[str]:
    """Four letters, or frames: a session, then requests of which none may set a watch."""
    if len(stream) <= 5:
        yield f"ZK {stream.strip().decode('latin-1')}"
        return
    names = {3: "exists", 4: "getData", 8: "getChildren", 12: "getChildren2", -11: "close"}
    yield "ZK connect"
    at = 4 + int.from_bytes(stream[:4], "big")
    while at + 12 <= len(stream):
        size, _, kind = struct.unpack_from(">iii", stream, at)
        at += 4 + size
        watch = kind != -11 and stream[at - 1] != 0
        yield "ZK watch" if watch else f"ZK {names.get(kind, kind)}"


def _memcache(stream: bytes) -> Iterator[str]:
    """memcached's binary protocol: a header of 24 bytes, and the rest of the request."""
    names = {0x00: "GET", 0x07: "QUIT", 0x0A: "NOOP", 0x0B: "VERSION", 0x10: "STAT"}
    names[0x20] = "SASL-LIST"
    at = 0
    while at + 24 <= len(stream) and stream[at] == 0x80:
        yield f"MEMCACHE {names.get(stream[at + 1], hex(stream[at + 1]))}"
        at += 24 + int.from_bytes(stream[at + 8 : at + 12], "big")
    if at != len(stream):
        yield f"MEMCACHE unreadable {stream[at : at + 20]!r}"


def _nats(stream: bytes) -> Iterator[str]:
    """NATS: lines; behind PUB a body of so many bytes. What is published is a request to read."""
    at = 0
    while at < len(stream):
        end = stream.find(b"\r\n", at)
        words = stream[at : end if end >= 0 else len(stream)].split()
        at = end + 2 if end >= 0 else len(stream)
        verb = words[0].decode("latin-1").upper() if words else "empty"
        if verb == "CONNECT" and re.search(rb'"(?:user|pass|auth_token|jwt|nkey)"', words[1]):
            verb = "login"
        if verb == "PUB":
            subject = words[1].decode("latin-1")
            got = subject.startswith("$JS.API.STREAM.MSG.GET.")
            verb = "$JS.API.STREAM.MSG.GET" if got else subject
            at += int(words[-1]) + 2
        yield f"NATS {verb}"


def _git(stream: bytes) -> Iterator[str]:
    """Packet lines (gitprotocol-pack): a request, and a flush where others would want objects."""
    at = 0
    while at + 4 <= len(stream):
        size = int(stream[at : at + 4], 16)
        line = stream[at + 4 : at + size]
        asked = re.match(rb"git-([a-z-]+) /", line)
        yield f"GIT {asked.group(1).decode() if asked else 'flush' if not size else repr(line)}"
        at += max(size, 4)


def _vnc(stream: bytes) -> Iterator[str]:
    """RFC 6143 7.1, 7.2, 7.3: after ClientInit anything would be a look at the screen, or worse."""
    yield "VNC version"
    said = stream[12:]
    if not stream.startswith(b"RFB 003.003") and said:
        yield "VNC type-none" if said[0] == 1 else f"VNC type {said[0]}"
        said = said[1:]
    if said:  # without the flag of sharing the server would cut off everybody else
        yield "VNC share" if said == b"\x01" else f"VNC {said[:20]!r}"


def _x11(stream: bytes) -> Iterator[str]:
    """The setup (X Window System Protocol, chapter 8) with no cookie, and no request after it."""
    yield "X11 setup" if len(stream) == 12 and stream[6:] == bytes(6) else f"X11 {stream[:40]!r}"


def _dns(stream: bytes) -> Iterator[str]:
    """RFC 1035 4.2.2: a length, a head of 12 bytes with one question alone, and its name."""
    names = {6: "SOA", 252: "AXFR"}
    at = 0
    while at < len(stream):
        size, _, flags, *counts = struct.unpack_from(">7H", stream, at)
        message, at = stream[at + 14 : at + 2 + size], at + 2 + size
        name = 0
        while message[name]:
            name += 1 + message[name]
        kind, group = struct.unpack(">HH", message[name + 1 :])  # and nothing behind it
        if flags & ~0x0100 or counts != [1, 0, 0, 0] or group != 1:
            yield f"DNS {flags:#06x} {counts} {group}"
        else:
            yield f"DNS {names.get(kind, kind)}"


def _svn(stream: bytes) -> Iterator[str]:
    """Items of libsvn_ra_svn/protocol: what the client is, how it logs in, then its commands."""
    items = _svn_items(_Cut(stream))
    yield "SVN greeting"
    for number, item in enumerate(items[1:]):
        word = item[0] if isinstance(item, list) and item else item
        known = isinstance(word, str) and (word == "ANONYMOUS") == (number == 0)
        yield f"SVN {word}" if known else f"SVN unreadable {word!r}"


def _svn_items(cut: _Cut) -> list[object]:
    """Items up to the end of a list, or of the stream: words and numbers, strings, lists."""
    items: list[object] = []
    while token := re.compile(rb"\s*([()]|\d+:|[\w-]+)").match(cut.stream, cut.at):
        cut.at, said = token.end(), token.group(1)
        if said == b")":
            break
        if said == b"(":
            items.append(_svn_items(cut))
        else:
            items.append(cut.take(int(said[:-1])) if said[-1:] == b":" else said.decode())
    return items


def _selector(stream: bytes) -> Iterator[str]:
    """Gopher (RFC 1436) and finger (RFC 1288): one line; a TAB would begin a search."""
    yield "SELECTOR one"


Reader = tuple[Callable[[bytes], object], Callable[[bytes], Iterator[str]]]
READERS: list[Reader] = [
    (re.compile(rb"\x16\x03[\0-\x04]", re.DOTALL).match, lambda stream: iter(["TLS begins"])),
    (re.compile(rb"...\x01.{9}\0{23}", re.DOTALL).match, _mysql),
    (re.compile(rb"\0\x08leftopen\x01", re.DOTALL).match, _clickhouse),
    (re.compile(rb"[\x03-\x05]\0\0.[\x01\x05]\0\0", re.DOTALL).match, _cql),
    (re.compile(rb"\x60\x60\xb0\x17", re.DOTALL).match, _bolt),
    (re.compile(rb"\0\0..\0[\x11\x12]\0[\0-\x04]", re.DOTALL).match, _kafka),
    (re.compile(rb"AMQP[\0\x03]", re.DOTALL).match, _amqp),
    (re.compile(rb"\0\0\0[\x2c\x2d]\0{4}|[a-z]{4}\n?\Z", re.DOTALL).match, _zookeeper),
    (re.compile(rb"\x80[\0-\x40]\0[\0-\x20]\0\0\0\0\0\0", re.DOTALL).match, _memcache),
    (re.compile(rb"CONNECT \{").match, _nats),
    (re.compile(rb"PRI \* HTTP/2\.0").match, lambda stream: iter(["HTTP/2 preface"])),
    (re.compile(rb"[A-Z]{3,20} \S+ HTTP/1\.[01]\r\n").match, _http),
    (re.compile(rb"\*\d+\r\n\$").match, _resp),
    (re.compile(rb"\( \d+ \( ").match, _svn),
    (re.compile(rb"(?:[0-9gIh]?/[^\t\r\n]*)?\r\n\Z").match, _selector),
    (re.compile(rb"\0[\x11-\xff]..[\0-\x7f].\0\x01.{6}", re.DOTALL).match, _dns),
    (re.compile(rb"@RSYNCD: ").match, _rsync),
    (re.compile(rb"\x30.{1,5}\x02[\x01\x02]", re.DOTALL).match, _ldap),
    (re.compile(rb"\0\0..(?:\x04\xd2\x16\x2f|\x00\x03\x00\x00)", re.DOTALL).match, _postgresql),
    (re.compile(rb"\x10.{1,4}\x00\x04MQTT", re.DOTALL).match, _mqtt),
    (re.compile(rb"..\x00\x00.{8}(?:\xdd\x07|\xd4\x07)\x00\x00", re.DOTALL).match, _mongo),
    (re.compile(rb"\x80\0...{4}\0\0\0\0\0\0\0\x02\0\x01\x86", re.DOTALL).match, _oncrpc),
    (re.compile(rb"\x43.\0\0\0", re.DOTALL).match, _iscsi),
    (re.compile(rb"[0-9a-f]{4}git-[a-z-]+ /").match, _git),
    (re.compile(rb"RFB \d{3}\.\d{3}\n").match, _vnc),
    (re.compile(rb"[lB]\0(?:\x0b\0|\0\x0b)\0\0").match, _x11),
    (re.compile(rb"\0\0\0[\0-\x03](?:IHAVEOPT|\Z)").match, _nbd),
    (re.compile(rb"\x81\0\0\x44|\0...[\xff\xfe]SMB", re.DOTALL).match, _smb),
    (re.compile(rb"[\x20-\x7e]{2,200}\r?\n").match, _lines),
]
