"""Databases, caches and directories that lie about lengths, never end, or refer elsewhere."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from hostile.kind import Client, Family, Serve
from leftopen.model.exposure import Access
from leftopen.reach.bson_wire import Document, encode

DATA = Family("data")
OPEN = (Access.LISTS, Access.GIVES_DATA)
READS_REDIS = (
    *("PING", "INFO", "DBSIZE", "SELECT", "SCAN", "TYPE", "GETRANGE", "LRANGE", "HSCAN", "SSCAN"),
    *("ZRANGE", "XRANGE", "STRLEN", "GET"),
)

REDIS = {"hint": "redis"}
INFO = b"redis_version:7.0.0\r\ndb0:keys=5,expires=0\r\n"


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


def array(*items: bytes) -> bytes:
    return b"*%d\r\n%s" % (len(items), b"".join(items))


def words_of(client: Client) -> list[bytes]:
    """One command as RESP writes it; empty when it is none."""
    line = client.hear().strip()
    if not line.startswith(b"*"):
        return []
    found = []
    for _ in range(int(line[1:] or 0)):
        client.hear()
        found.append(client.hear().strip())
    return found


def redis(answers: Mapping[bytes, bytes], flood: bytes = b"") -> Serve:
    """An open Redis but for these answers; `flood` follows the first of them."""
    usual = {
        b"PING": b"+PONG\r\n", b"INFO": bulk(INFO), b"SELECT": b"+OK\r\n", b"DBSIZE": b":5\r\n",
        b"SCAN": array(bulk(b"0"), array(bulk(b"k"))), b"TYPE": b"+string\r\n",
        b"GETRANGE": bulk(b"value"),
    }  # fmt: skip

    def serve(client: Client) -> None:
        while words := words_of(client):
            verb = words[0].upper()
            client.heard.append(verb.decode("latin-1"))
            client.say({**usual, **answers}.get(verb, b"-ERR unknown command\r\n"))
            if flood and verb in answers:
                client.flood(flood)

    return serve


DATA.add(
    "Redis bulk of 2^63",
    "a value of 2^63 bytes",
    redis({b"INFO": b"$9223372036854775807\r\n"}),
    **REDIS,
)
DATA.add(
    "Redis array of 10^9",
    "a thousand million items",
    redis({b"SCAN": b"*1000000000\r\n"}, b":1\r\n" * 1000),
    **REDIS,
)
DATA.add(
    "Redis number of 5,000 digits",
    "a length as long",
    redis({b"INFO": b"$" + b"9" * 5000 + b"\r\n"}),
    **REDIS,
)
DATA.add(
    "Redis nesting", "arrays in arrays for ever", redis({b"SCAN": b""}, b"*1\r\n" * 1000), **REDIS
)
DATA.add(
    "Redis wrong end", "a value without its line end", redis({b"INFO": b"$3\r\nabcdef"}), **REDIS
)
DATA.add(
    "Redis words",
    "an answer that is no RESP, after a right one",
    redis({b"INFO": b"hello\r\n"}),
    **REDIS,
)
DATA.add(
    "Redis endless status", "a status line for ever", redis({b"PING": b"+"}, b"P" * 65_536), **REDIS
)
DATA.add(
    "Redis empty pages",
    "SCAN never ends and names nothing",
    redis({b"SCAN": array(bulk(b"7"), array())}),
    Access.LISTS,
    **REDIS,
)
DATA.only(
    "Redis endless SCAN",
    "every page has a next one",
    redis({b"SCAN": array(bulk(b"7"), array(bulk(b"k")))}),
    *OPEN,
    **REDIS,
)
DATA.add(
    "Redis MOVED",
    "every key is on another host",
    lambda c: redis(
        {v: b"-MOVED 1 %s\r\n" % c.elsewhere.encode() for v in (b"SCAN", b"TYPE", b"GETRANGE")}
    )(c),
    Access.UNDETERMINED,
    **REDIS,
)
DATA.add(
    "Redis pushes",
    "messages that nobody asked for (RESP3)",
    redis({b"INFO": b""}, b">1\r\n+x\r\n" * 1000),
    **REDIS,
)
DATA.only(
    "Redis nasty keys",
    "keys that attack whoever shows them",
    redis(
        {
            b"SCAN": array(
                bulk(b"0"),
                array(
                    *map(
                        bulk,
                        (
                            b"\x1b[2J",
                            b"=cmd()",
                            b"a\r\nDEL x",
                            b"\xff\xfe",
                            b"<script>",
                            b"k" * 60_000,
                        ),
                    )
                ),
            )
        }
    ),
    *OPEN,
    **REDIS,
)
DATA.only("Redis write bait", "allows all, and writes down verbs", redis({}), *OPEN, **REDIS)

MEMCACHED = {"hint": "memcached"}


def memcached(answers: Mapping[bytes, bytes], flood: bytes = b"") -> Serve:
    usual = {
        b"version": b"VERSION 1.6.18\r\n", b"stats": b"STAT curr_items 1\r\nEND\r\n",
        b"lru_crawler": b"key=k exp=-1 la=1 cas=1 fetch=no cls=1 size=9\r\nEND\r\n",
    }  # fmt: skip

    def serve(client: Client) -> None:
        while line := client.hear():
            verb = line.split(b" ")[0].strip()
            client.say({**usual, **answers}.get(verb, b"ERROR\r\n"))
            if flood and verb in answers:
                client.flood(flood)

    return serve


DATA.add(
    "Memcached endless stats",
    "statistics for ever",
    memcached({b"stats": b""}, b"STAT a 1\r\n" * 1000),
    **MEMCACHED,
)
DATA.add(
    "Memcached endless dump",
    "keys for ever",
    memcached({b"lru_crawler": b""}, b"key=k exp=-1 la=1 cas=1 fetch=no cls=1 size=9\r\n" * 1000),
    *OPEN,
    **MEMCACHED,
)
DATA.add(
    "Memcached value of 2^63",
    "a value of 2^63 bytes",
    memcached({b"get": b"VALUE k 0 9223372036854775807\r\nx"}, b"x" * 65_536),
    *OPEN,
    **MEMCACHED,
)
DATA.add(
    "Memcached other key",
    "another value than asked for",
    memcached({b"get": b"VALUE other 0 1\r\nx\r\nEND\r\n"}),
    Access.LISTS,
    **MEMCACHED,
)

MONGO = {"hint": "mongodb"}
HELLO: Document = {"isWritablePrimary": True, "maxWireVersion": 17, "ok": 1.0}
SOME: Document = {"databases": [{"name": "shop"}], "ok": 1.0}


def op_msg(body: bytes, flags: int = 0) -> bytes:
    rest = struct.pack("<i", flags) + b"\0" + body
    return struct.pack("<iiii", 16 + len(rest), 1, 1, 2013) + rest


def mongo(answers: Mapping[bytes, bytes], flood: bytes = b"", hello: Document = HELLO) -> Serve:
    """Answer commands by the name of their first element."""
    usual = {
        b"hello": op_msg(encode(hello)), b"isMaster": op_msg(encode(hello)),
        b"buildInfo": op_msg(encode({"version": "6.0.1", "ok": 1.0})),
        b"listDatabases": op_msg(encode(SOME)),
        b"dbStats": op_msg(encode({"objects": 1, "dataSize": 1, "ok": 1.0})),
    }  # fmt: skip
    no = op_msg(encode({"ok": 0.0, "code": 59, "errmsg": "no such command"}))

    def serve(client: Client) -> None:
        while len(head := client.hear_bytes(16)) == 16:
            size = int.from_bytes(head[:4], "little")
            if not 16 <= size < 70_000:
                return
            body = client.hear_bytes(size - 16)
            verb = body[10:].split(b"\0", 1)[0]
            client.say({**usual, **answers}.get(verb, no))
            if flood and verb in answers:
                client.flood(flood)

    return serve


def cursor(batch: str, number: int) -> bytes:
    documents = [{"name": f"c{n}", "type": "collection", "a": n} for n in range(100)]
    inner = {"id": number, "ns": "shop.$cmd.listCollections", batch: documents}
    return op_msg(encode({"cursor": inner, "ok": 1.0}))  # type: ignore[dict-item]


def lying(document: bytes, size: int) -> bytes:
    return struct.pack("<i", size) + document[4:]


def nested(depth: int) -> bytes:
    sizes = range(5 + 7 * depth, 5, -7)  # of each document: what it holds, and its own frame
    opened = b"".join(struct.pack("<i", n) + b"\x03a\0" for n in sizes)
    return opened + struct.pack("<i", 5) + b"\0" * (depth + 1)


DATA.add(
    "Mongo message of 2 GiB",
    "a message length of 2^31-1",
    mongo({b"listDatabases": struct.pack("<iiii", 2**31 - 1, 1, 1, 2013)}, b"x" * 65_536),
    **MONGO,
)
DATA.add(
    "Mongo message of 40 MB",
    "an honest length that is too much",
    mongo({b"listDatabases": struct.pack("<iiii", 40_000_000, 1, 1, 2013)}, b"x" * 65_536),
    **MONGO,
)
DATA.add(
    "Mongo negative length",
    "a message length of -1",
    mongo({b"listDatabases": struct.pack("<iiii", -1, 1, 1, 2013)}),
    **MONGO,
)
for name, size in {"too long": 10**9, "negative": -5, "short": 6}.items():
    DATA.add(
        f"Mongo document {name}",
        f"a document length of {size}",
        mongo({b"listDatabases": op_msg(lying(encode(SOME), size))}),
        **MONGO,
    )
DATA.add(
    "Mongo string length",
    "a string that is longer than its document",
    mongo(
        {b"listDatabases": op_msg(encode(SOME).replace(b"\5\0\0\0shop", b"\xff\xff\xff\x7fshop"))}
    ),
    **MONGO,
)
DATA.add(
    "Mongo nesting",
    "100,000 documents in each other",
    mongo({b"listDatabases": op_msg(nested(100_000))}),
    **MONGO,
)
DATA.add(
    "Mongo moreToCome",
    "answers without end to one question",
    mongo({b"listDatabases": op_msg(encode(SOME), 2)}, op_msg(encode(SOME), 2)),
    **MONGO,
)
DATA.only(
    "Mongo endless cursor",
    "every page has a next one",
    mongo(
        {
            b"listCollections": cursor("firstBatch", 7),
            b"getMore": cursor("nextBatch", 7),
            b"find": cursor("firstBatch", 7),
        }
    ),
    *OPEN,
    Access.MISBEHAVES,
    **MONGO,
)
DATA.only(
    "Mongo replica set",
    "names members that are elsewhere",
    lambda c: mongo(
        {},
        hello={
            **HELLO,
            "setName": "rs",
            "hosts": [c.elsewhere],
            "primary": c.elsewhere,
            "me": c.elsewhere,
        },
    )(c),
    Access.LISTS,
    **MONGO,
)
DATA.add(
    "Mongo another's answer",
    "answers to questions of others",
    mongo({b"listDatabases": op_msg(encode(SOME)).replace(b"\1\0\0\0\xdd", b"\7\0\0\0\xdd", 1)}),
    **MONGO,
)

POSTGRES = {"hint": "postgresql"}


def packet(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", len(body) + 4) + body


LET_IN = packet(b"R", struct.pack(">i", 0))
READY = packet(b"Z", b"I")


def postgres(start: bytes, rows: bytes = b"", flood: bytes = b"") -> Serve:
    """N to SSLRequest, `start` to StartupMessage, then `rows` to each query."""

    def serve(client: Client) -> None:
        client.hear_bytes(8)
        client.say(b"N")
        size = int.from_bytes(client.hear_bytes(4), "big")
        if not 8 < size < 9000:  # no StartupMessage: another protocol asks
            return
        client.hear_bytes(size - 4)
        client.say(start)
        if flood and not rows:
            client.flood(flood)
        while client.hear_bytes(5):
            client.say(rows)
            if flood:
                client.flood(flood)

    return serve


ROW = packet(b"D", struct.pack(">hi", 1, 1) + b"x")
DATA.add(
    "PostgreSQL endless rows",
    "rows for ever",
    postgres(LET_IN + READY, packet(b"T", struct.pack(">h", 1) + b"a\0" + bytes(18)), ROW * 5000),
    **POSTGRES,
)
DATA.add(
    "PostgreSQL endless parameters",
    "settings for ever",
    postgres(LET_IN, flood=packet(b"S", b"a\0b\0") * 5000),
    **POSTGRES,
)
DATA.add(
    "PostgreSQL endless notices",
    "notices for ever",
    postgres(b"", flood=packet(b"N", b"Mx\0\0") * 5000),
    **POSTGRES,
)
DATA.add(
    "PostgreSQL 2 GiB",
    "a message of 2^31-1 bytes",
    postgres(b"R" + struct.pack(">i", 2**31 - 1), flood=b"x" * 65_536),
    **POSTGRES,
)
DATA.add(
    "PostgreSQL negative length",
    "a message of -1 bytes",
    postgres(b"R" + struct.pack(">i", -1)),
    **POSTGRES,
)
DATA.add(
    "PostgreSQL columns that lie",
    "30,000 columns in ten bytes",
    postgres(
        LET_IN + READY,
        packet(b"T", struct.pack(">h", 30_000) + b"a\0")
        + packet(b"D", struct.pack(">hi", 30_000, 2**31 - 1))
        + READY,
    ),
    **POSTGRES,
)


@DATA.kind(
    "PostgreSQL S, no TLS",
    "says it has TLS and sends noise",
    Access.UNDETERMINED,
    **POSTGRES,
)
def no_tls(client: Client) -> None:
    client.hear_bytes(8)
    client.say(b"S")
    client.hear_bytes(5)
    client.say(b"\x16\x03\x03\xff\xff" + b"x" * 999)


LDAP = {"hint": "ldap"}


def ber(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes((tag, 0x84)) + struct.pack(">I", len(content)) + content


def result(number: int, tag: int, code: int, *more: bytes) -> bytes:
    inner = (b"\x0a\x01" + bytes((code,)), b"\x04\0\x04\0", *more)
    return ber(0x30, b"\x02\x01" + bytes((number,)), ber(tag, *inner))


def ldap(answer: bytes, flood: bytes = b"", bind: bytes = b"") -> Serve:
    """Accepts an anonymous bind; every search is answered so, NUM being its number."""

    def serve(client: Client) -> None:
        number = 0
        while data := client.socket.recv(65_536):
            number += 1
            if b"\x42\0" in data[-3:]:
                return
            if number == 1:
                client.say(bind or result(1, 0x61, 0))
                continue
            client.say(answer.replace(b"\x02\x01\x7e", b"\x02\x01" + bytes((number % 128,))))
            if flood:
                client.flood(flood.replace(b"\x02\x01\x7e", b"\x02\x01" + bytes((number,))))

    return serve


ENTRY = ber(0x30, b"\x02\x01\x7e", ber(0x64, ber(4, b"dc=x"), ber(0x30)))
DONE = result(0x7E, 0x65, 0)
DATA.add("LDAP length of 2^64", "a message as long", ldap(b"\x30\x88" + b"\xff" * 8), **LDAP)
DATA.add(
    "LDAP length of 2 GiB",
    "a message as long",
    ldap(b"\x30\x84\x7f\xff\xff\xff", b"x" * 65_536),
    **LDAP,
)
DATA.add(
    "LDAP length of 127 bytes",
    "a length that is written in 127 bytes",
    ldap(b"\x30\xff" + b"\xff" * 127),
    **LDAP,
)
DATA.add("LDAP indefinite length", "a length that LDAP forbids", ldap(b"\x30\x80\0\0"), **LDAP)
DATA.add(
    "LDAP nesting",
    "elements in elements",
    ldap(b"\x30\x83\x0f\xff\xff" + b"\x30\x80" * 90_000),
    **LDAP,
)
DATA.add("LDAP endless entries", "entries for ever", ldap(b"", ENTRY * 1000), **LDAP)
DATA.add(
    "LDAP inner length",
    "a part longer than its whole",
    ldap(b"\x30\x0c\x02\x01\x7e\x64\x07\x04\x7fdc=x\x30\0"),
    **LDAP,
)
DATA.add(
    "LDAP another's answer", "answers to questions of others", ldap(result(99, 0x65, 0)), **LDAP
)
DATA.add(
    "LDAP referral",
    "everything is on another host",
    lambda c: ldap(result(0x7E, 0x65, 10, ber(0xA3, ber(4, f"ldap://{c.elsewhere}/".encode()))))(c),
    Access.SPEAKS,
    Access.UNDETERMINED,
    **LDAP,
)
DATA.only(
    "LDAP references",
    "each search is continued elsewhere",
    lambda c: ldap(
        ber(0x30, b"\x02\x01\x7e", ber(0x73, ber(4, f"ldap://{c.elsewhere}/".encode()))) + DONE
    )(c),
    Access.SPEAKS,
    Access.UNDETERMINED,
    **LDAP,
)

MYSQL = {"hint": "mysql"}
GREETING = b"\x0a5.7.1-log\0\1\0\0\0" + b"a" * 8 + b"\0\xff\xf7\x21\2\0\xff\x81\x15" + bytes(10)
GREETING += b"b" * 12 + b"\0mysql_native_password\0"


def my(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes((number,)) + body


def mysql(answer: bytes, flood: bytes = b"", greeting: bytes = GREETING) -> Serve:
    def serve(client: Client) -> None:
        client.say(my(0, greeting))
        client.socket.recv(9000)
        client.say(my(2, b"\0\0\0\2\0\0\0"))
        while data := client.socket.recv(9000):
            client.heard.append(repr(data[:40]))
            client.say(answer)
            if flood:
                client.flood(flood)

    return serve


FILE = my(1, b"\xfb/etc/passwd")
DATA.add("MySQL asks for a file", "LOAD DATA LOCAL of /etc/passwd", mysql(FILE), **MYSQL)
DATA.add(
    "MySQL packet of 16 MB",
    "a packet of the longest length, and another",
    mysql(b"\xff\xff\xff\1", b"x" * 65_536),
    **MYSQL,
)
DATA.add(
    "MySQL 2^60 columns",
    "more columns than there are",
    mysql(my(1, b"\xfe" + b"\xff" * 7 + b"\0")),
    **MYSQL,
)
DATA.add(
    "MySQL broken greeting",
    "a greeting that ends in its version",
    mysql(b"", greeting=b"\x0a5.7.1" + b"x" * 60),
    Access.SPEAKS,
    **MYSQL,
)
