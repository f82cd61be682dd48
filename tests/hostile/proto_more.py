"""Queues, files, screens and other services that lie about lengths or never end."""

from __future__ import annotations

import json
import struct

from hostile.kind import Client, Family, Serve, after_hello
from leftopen.model.exposure import Access

MORE = Family("more")
OPEN = (Access.LISTS, Access.GIVES_DATA)
SPEAKS, ASKS = Access.SPEAKS, Access.ASKS_CREDENTIAL

RSYNC = {"hint": "rsync"}
FLOOD = b"x" * 65_536


def rsync(answer: bytes, flood: bytes = b"", version: bytes = b"31.0") -> Serve:
    def serve(client: Client) -> None:
        client.say(b"@RSYNCD: %s\n" % version)
        client.hear()
        client.hear()
        client.say(answer)
        client.flood(flood) if flood else client.wait()

    return serve


def rsync_module(frames: bytes, flood: bytes = b"") -> Serve:
    """One open module, and what its sender says after the seed."""

    def serve(client: Client) -> None:
        client.say(b"@RSYNCD: 31.0\n")
        client.hear()
        if client.hear().strip() == b"#list":
            return client.say(b"files\tcomment\n@RSYNCD: EXIT\n")
        client.say(b"@RSYNCD: OK\n\1\2\3\4" + frames)
        return client.flood(flood) if flood else client.wait()

    return serve


MORE.add("rsync endless motd", "a message of the day for ever", rsync(b"", b"hi\n" * 9000), **RSYNC)
MORE.add("rsync endless line", "one line for ever", rsync(b"", FLOOD), **RSYNC)
MORE.add("rsync 10^6 modules", "a million modules", rsync(b"", b"m\tx\n" * 9000), **RSYNC)
MORE.add("rsync version", "a version of 4,000 digits", rsync(b"", version=b"9" * 4000), **RSYNC)
MORE.add("rsync no list", "ends where its list should be", rsync(b"@RSYNCD: 1\n"), **RSYNC)
MORE.add(
    "rsync frames",
    "frames of tags that rsync has not",
    rsync_module(b"\xff\xff\xff\x01" * 9),
    Access.LISTS,
    Access.UNDETERMINED,
    **RSYNC,
)
MORE.add(
    "rsync name length",
    "a file name of 2 GiB",
    rsync_module(struct.pack("<I", 7 << 24 | 9) + b"\x40" + struct.pack("<i", 2**31 - 1) + b"abcd"),
    Access.LISTS,
    Access.UNDETERMINED,
    **RSYNC,
)
MORE.add(
    "rsync endless files",
    "files for ever",
    rsync_module(
        b"",
        struct.pack("<I", 7 << 24 | 20)
        + b"\x02\0\1a"
        + struct.pack("<iii", 9, 9, 0o100644)
        + b"\0" * 4,
    ),
    *OPEN,
    Access.UNDETERMINED,
    **RSYNC,
)

MQTT = {"hint": "mqtt"}
CONNACK = b"\x20\x02\0\0"


def mqtt(first: bytes, then: bytes = b"", flood: bytes = b"") -> Serve:
    def serve(client: Client) -> None:
        client.socket.recv(4096)
        client.say(first)
        if not then and flood:
            client.flood(flood)
        client.socket.recv(4096)
        client.say(then)
        client.flood(flood) if flood else client.wait()

    return serve


PUBLISH = b"\x30\x05\0\1tab"
MORE.add(
    "MQTT length of five bytes",
    "a remaining length that has no end",
    mqtt(CONNACK, b"\x30\xff\xff\xff\xff\xff\x01"),
    **MQTT,
)
MORE.add(
    "MQTT length of 256 MB",
    "the longest packet",
    mqtt(CONNACK, b"\x30\xff\xff\xff\x7f", FLOOD),
    **MQTT,
)
MORE.add(
    "MQTT topic length",
    "a topic longer than its packet",
    mqtt(CONNACK, b"\x90\3\0\1\0\x30\x05\xff\xfftab"),
    **MQTT,
)
MORE.add(
    "MQTT CONNACK of 9 MB",
    "a first answer without end",
    mqtt(b"\x20\xff\xff\xff\x04", b"", FLOOD),
    **MQTT,
)
MORE.add(
    "MQTT reserved", "packets of type 0 for ever", mqtt(CONNACK, b"\0\0", b"\0\0" * 9000), **MQTT
)
MORE.only(
    "MQTT endless messages",
    "messages for ever",
    mqtt(CONNACK, b"\x90\3\0\1\0", PUBLISH * 9000),
    *OPEN,
    Access.MISBEHAVES,
    **MQTT,
)
MORE.add(
    "MQTT code 99",
    "refuses with a code that is none",
    mqtt(b"\x20\x02\0\x63"),
    Access.UNDETERMINED,
    **MQTT,
)

NATS = {"hint": "nats"}


def nats(info: bytes, flood: bytes = b"", pong: bytes = b"PONG\r\n") -> Serve:
    def serve(client: Client) -> None:
        client.say(b"INFO " + info)
        if flood:
            client.flood(flood)
        client.hear()
        client.hear()
        client.say(b"\r\n" if not info.endswith(b"\r\n") else pong)
        client.wait()

    return serve


def _info(**more: object) -> bytes:
    return json.dumps({"server_id": "x", "version": "2.10.0", "max_payload": 1, **more}).encode()


MORE.add("NATS INFO of 200 MB", "a greeting as long", nats(b'{"a":"', FLOOD), **NATS)
MORE.add(
    "NATS broken INFO", "a greeting that is no JSON", nats(b"{" * 9000 + b"\r\n"), SPEAKS, **NATS
)
MORE.only(
    "NATS connect_urls",
    "names servers that are elsewhere",
    lambda c: nats(_info(connect_urls=[c.elsewhere], leafnode_urls=[c.elsewhere]) + b"\r\n")(c),
    SPEAKS,
    **NATS,
)
MORE.add(
    "NATS message of 2^60",
    "a message as long",
    nats(_info() + b"\r\n", pong=b"MSG a 1 1152921504606846976\r\nx"),
    **NATS,
)
MORE.add(
    "NATS noise",
    "what is no operation",
    nats(_info() + b"\r\n", pong=b"\xff" * 99 + b"\r\n"),
    **NATS,
)

VNC = {"hint": "vnc"}
RFB = b"RFB 003.008\n"
MORE.add(
    "VNC reason of 4 GiB",
    "no types, and a reason as long",
    after_hello(b"\0\xff\xff\xff\xff", FLOOD, RFB),
    **VNC,
)
MORE.add(
    "VNC 255 types",
    "255 security types that are none",
    after_hello(b"\xff" + b"\xfe" * 255, b"", RFB),
    ASKS,
    **VNC,
)
MORE.add(
    "VNC screen of 65,535",
    "lets in, with a name of 4 GiB",
    after_hello(b"\1\1\0\0\0\0\xff\xff\xff\xff" + bytes(16) + b"\xff\xff\xff\xff", FLOOD, RFB),
    **VNC,
)

ZOOKEEPER = {"hint": "zookeeper"}
MORE.add(
    "ZooKeeper length",
    "a packet of 2^31-1 bytes",
    after_hello(b"\x7f\xff\xff\xff", FLOOD),
    **ZOOKEEPER,
)
MORE.add(
    "ZooKeeper endless stat",
    "text for ever",
    after_hello(b"Zookeeper version: 3.8.0\n", b"x=1\n" * 9000),
    SPEAKS,
    **ZOOKEEPER,
)

SMB = {"hint": "smb"}
MORE.add("SMB length", "a message of 16 MB", after_hello(b"\0\xff\xff\xff\xfeSMB", FLOOD), **SMB)
MORE.add(
    "SMB noise",
    "a header of the right mark and nothing right else",
    after_hello(b"\0\0\0\x40\xfeSMB" + b"\xff" * 60),
    **SMB,
)

AMQP = {"hint": "amqp"}
MORE.add(
    "AMQP frame of 4 GiB", "a frame as long", after_hello(b"\1\0\0\xff\xff\xff\xff", FLOOD), **AMQP
)
MORE.add(
    "AMQP table",
    "a table longer than its frame",
    after_hello(b"\1\0\0\0\0\0\x0a\0\x0a\0\x0a\0\x09\xff\xff\xff\xff\xce"),
    **AMQP,
)

KAFKA = {"hint": "kafka"}
MORE.add(
    "Kafka length", "an answer of 2 GiB", after_hello(b"\x7f\xff\xff\xff\0\0\0\1", FLOOD), **KAFKA
)
MORE.add(
    "Kafka brokers elsewhere",
    "a metadata answer that names another host",
    lambda c: after_hello(_metadata(c))(c),
    SPEAKS,
    **KAFKA,
)


def _metadata(client: Client) -> bytes:
    host = client.canary.host.encode()
    broker = struct.pack(">iih", 1, 1, len(host)) + host + struct.pack(">i", client.canary.port)
    body = struct.pack(">i", 1) + broker + struct.pack(">i", 0)
    return struct.pack(">i", len(body)) + body


NBD = {"hint": "nbd"}
MAGIC = b"NBDMAGICIHAVEOPT\0\3"
MORE.add(
    "NBD reply of 4 GiB",
    "a list entry as long",
    after_hello(b"\0\3\xe8\x89\4\x55\x65\xa9\0\0\0\3\0\0\0\2\xff\xff\xff\xff", FLOOD, MAGIC),
    **NBD,
)
MORE.add(
    "NBD endless list",
    "exports for ever",
    after_hello(b"", b"\0\3\xe8\x89\4\x55\x65\xa9\0\0\0\3\0\0\0\2\0\0\0\5\0\0\0\1a" * 900, MAGIC),
    **NBD,
)

GIT = {"hint": "git"}
MORE.add("git packet", "a packet length that is no number", after_hello(b"zzzz" + b"x" * 99), **GIT)
MORE.add(
    "git endless refs",
    "references for ever",
    after_hello(b"", b"003d" + b"a" * 40 + b" refs/heads/abcdef\n" * 1),
    **GIT,
)

BEANSTALK = {"hint": "beanstalkd"}
MORE.add(
    "beanstalkd 10^18 bytes",
    "statistics as long",
    after_hello(b"OK 999999999999999999\r\n---\n", FLOOD),
    **BEANSTALK,
)
MORE.add(
    "beanstalkd short",
    "fewer bytes than announced",
    after_hello(b"OK 900\r\n---\ncurrent-jobs-ready: 1\n"),
    **BEANSTALK,
)
