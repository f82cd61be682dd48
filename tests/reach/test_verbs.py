"""The readers of the wire that the truth table trusts: what writes or logs in is seen as such."""

from __future__ import annotations

import struct

import pytest

from lab.verbs import sent_verbs, strange
from leftopen.reach import bolt_wire, mysql_wire
from leftopen.reach import cassandra_wire as cql
from leftopen.reach.protocols.clickhouse_native import hello, query


def zookeeper(frame: bytes) -> bytes:
    """A new session and one request."""
    session = struct.pack(">iiqiqi16s?", 45, 0, 0, 10_000, 0, 16, bytes(16), False)
    return session + struct.pack(">i", len(frame)) + frame


def postgresql(sql: bytes) -> bytes:
    """A startup message and one simple query."""
    start = struct.pack(">II", 13, 196_608) + b"user\0"
    return start + b"Q" + struct.pack(">I", 5 + len(sql)) + sql + b"\0"


def ipp(operation: int) -> bytes:
    """One request as CUPS takes it, with no attributes."""
    body = b"\1\1" + operation.to_bytes(2, "big") + b"\0\0\0\1\1\3"
    return b"POST /ipp/print HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def dns(flags: int, kind: int, group: int = 1) -> bytes:
    """One question about example.org."""
    body = struct.pack(">6H", 7, flags, 1, 0, 0, 0) + b"\7example\3org\0"
    body += struct.pack(">HH", kind, group)
    return struct.pack(">H", len(body)) + body


SVN = b"( 2 ( depth ) 15:svn://127.0.0.1 ) ( ANONYMOUS ( 0: ) ) "
LOGIN = mysql_wire.RESPONSE
WRITES = {
    "mysql drop": LOGIN + mysql_wire.query(b"DROP TABLE x"),
    "mysql outfile": LOGIN + mysql_wire.query(b"SELECT 1 INTO OUTFILE 'x'"),
    "mysql root": LOGIN.replace(b"\0\0mysql", b"r\0mysql"),
    "ch": hello("a") + query(b"INSERT INTO a VALUES (1)" + b" " * 120),
    "ch pw": hello("a")[:-1] + b"\x01x",
    "cql": cql.request(4, 5, b"") + cql.query(4, b"DROP TABLE a", 1),
    "cql auth": cql.request(4, 5, b"") + cql.request(4, 0x0F, b"\0\0\0\0"),
    "bolt": bolt_wire.HANDSHAKE + bolt_wire.run("MATCH (n) DETACH DELETE n"),
    "bolt login": bolt_wire.HANDSHAKE
    + bolt_wire.message(b"\xb1\x6a\xa2" + bolt_wire.text("principal")),
    "zk create": zookeeper(struct.pack(">ii", 1, 1) + b"\0\0\0\0"),
    "zk watch": zookeeper(struct.pack(">ii", 1, 4) + b"\0\0\0\1/\1"),
    "kafka": struct.pack(">ihhi", 8, 18, 0, 1) + struct.pack(">ihhi", 8, 0, 0, 1),
    "amqp": b"AMQP\0\0\x09\1" + b"\1\0\0\0\0\0\4\0\x0a\0\x0b\xce",
    "mc set": b"\x80\x01" + b"\0\1\x08\0\0\0" + struct.pack(">I", 0) + bytes(12),
    "mc ascii": b"set a 0 0 1\r\nx\r\n",
    "nats": b'CONNECT {"verbose":false}\r\nPUB $JS.API.STREAM.DELETE.x _I 0\r\n\r\n',
    "nats login": b'CONNECT {"user":"x"}\r\n',
    "nats create": b"CONNECT {}\r\nPUB $JS.API.CONSUMER.CREATE.x _I 2\r\n{}\r\n",
    "pg": postgresql(b"DELETE FROM a"),
    "pg2": postgresql(b"BEGIN READ ONLY;SELECT nextval('a');ROLLBACK"),
    "pg3": postgresql(b"BEGIN;SELECT 1"),
    "beanstalk": b"reserve\r\n",
    "ipp print": ipp(0x0002),
    "ipp print behind a read": ipp(0x4002) + ipp(0x0002),
    "http behind a body": b"POST /v3/kv/range HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    b"DELETE /x HTTP/1.1\r\n\r\n",
    "dns update": dns(0x2800, 6),
    "dns version": dns(0, 16, group=3),
    "dns host": dns(0, 1),
    "svn commit": SVN + b"( commit ( 1:x ( ) false ) ) ",
    "svn login": SVN.replace(b"ANONYMOUS", b"CRAM-MD5"),
    "svn hidden": SVN + b"( get-latest-rev ( ) ) ( lock ( 1:x ( ) false ( ) ) ) ",
    "gopher search": b"/a\tword\r\n",
}
READS = {
    "ipp": ipp(0x4002) + ipp(0x000A),
    "dns": dns(0, 6) + dns(0, 252),
    "svn": SVN + b"( get-file ( 12:a b ( commit  ( 1 ) false true ) ) ",
    "mysql": LOGIN + mysql_wire.query(b"SHOW DATABASES"),
    "clickhouse": hello("a") + query(b"SELECT 1" + b" " * 120),
    "cql": cql.request(4, 5, b"") + cql.query(4, b"SELECT 1", 1),
    "bolt": bolt_wire.HANDSHAKE + bolt_wire.run("MATCH (n) RETURN n LIMIT 1"),
    "zookeeper": zookeeper(struct.pack(">ii", 1, 8) + b"\0\0\0\1/\0"),
    "postgresql": postgresql(b"BEGIN READ ONLY;SELECT 1;ROLLBACK"),
    "nats": b"CONNECT {}\r\nPUB $JS.API.STREAM.LIST _I 2\r\n{}\r\nPING\r\n",
}


@pytest.mark.parametrize("kind", WRITES)
def test_what_writes_or_logs_in_is_strange(kind: str) -> None:
    assert strange(sent_verbs(WRITES[kind])) != []


@pytest.mark.parametrize("kind", READS)
def test_reads_are_read_to_their_end(kind: str) -> None:
    verbs = sent_verbs(READS[kind])
    assert len(verbs) > 1
    assert strange(verbs) == []
