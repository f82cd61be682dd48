"""On the wire: a whole run in a network namespace, judged by nothing but the packets it sent.

The far side holds real servers on every address, the excluded ones too, and fakes that name
places out of scope. The gateway takes packets to anywhere, so that each that strays is seen.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import socketserver
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import namespaces
import servers
import wire
from leftopen.reach import bson_wire
from wire import Packet

GATEWAY, OURS = "10.86.9.1", "10.86.9.2"
HONEST, LIAR, EXCLUDED, EXCLUDED_PORT, UNTOUCHED, KNOCKED, NAMED_ONLY, PROVED = (
    f"10.86.0.{n}" for n in range(1, 9)
)
SIX, SIX_GATEWAY, SIX_OURS = "fd00:86::10", "fd00:86:9::1", "fd00:86:9::2"
ALIAS, ALIAS_ADDRESS = "files.leftopen.test", "10.86.5.5"
CANARY, CANARY_PORT, CONTROL_PORT = "10.86.0.200", 8080, 7
NETWORKS = ("10.86.0.0/28", "fd00:86::10/127")
WEB = 8080
HERE = (HONEST, LIAR, EXCLUDED, EXCLUDED_PORT, UNTOUCHED, KNOCKED, NAMED_ONLY, PROVED)
PER_SECOND, PER_HOST = 80, 15
STRETCH = 2.0  # seconds over which a rate is taken
LATE = 0.5  # seconds that a loaded machine is late by with some, which then leave at once
SECRETS = {"a.txt": b"x" * 100, "in/b.txt": b"y" * 100}
SITE = f"""listen 0.0.0.0:{WEB}; listen [::]:{WEB} ipv6only=on;
location / {{ autoindex on; root {{root}}; }}"""
SCOPE = """version = 1
[rates]
connections_per_second = {all}
connections_per_second_per_host = {host}
timeout_seconds = 1.5
[rules]
tier = 3
probe_url = "https://probes.example"
[[rules.tiers]]
networks = ["{honest}", "{liar}"]
tier = 4
[[rules.tiers]]
networks = ["{untouched}"]
tier = 0
[[rules.tiers]]
networks = ["{knocked}"]
tier = 1
[[rules.tiers]]
networks = ["{named}"]
tier = 2
[targets]
networks = {networks}
hosts = ["{alias}"]
exclude = {exclude}
ports = {ports}
"""
REQUEST = re.compile(rb"(?:GET|HEAD|POST|OPTIONS|PROPFIND) [^\r\n]* HTTP/1\.1\r\n")
Handle = Callable[[servers.Conversation], object]


@contextmanager
def fake(host: str, port: int, handle: Handle) -> Iterator[None]:
    """As `servers.fake`, on a port of our choice: what speaks there is guessed from that."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(30)
            with suppress(OSError, struct.error), self.request.makefile("rb") as stream:
                handle(servers.Conversation(self.request, stream))

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Listener((host, port), Handler) as listener:
        thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown()
            thread.join(5)


def web(client: servers.Conversation) -> None:
    """A listing of files that are all elsewhere, then redirects to there."""
    there = f"{CANARY}:{CANARY_PORT}"
    page = f'<title>Index of /</title><a href="http://{there}/a.eml">a</a><a href="b">b</a>'
    while line := client.hear():
        while client.hear().strip():
            pass
        sent, status = (page, "200 OK") if line.startswith(b"GET / ") else ("", "302 Found")
        client.say(
            f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nLocation: http://{there}/c\r\n"
            f'Alt-Svc: h2="{there}"\r\nContent-Length: {len(sent)}\r\n\r\n{sent}'.encode()
        )


def ftp(client: servers.Conversation) -> None:
    """Data connections are on another host."""
    where = CANARY.replace(".", ",") + f",{CANARY_PORT >> 8},{CANARY_PORT & 255}"
    answers = {
        b"USER": b"331 x",
        b"PASS": b"230 x",
        b"PASV": f"227 Entering Passive Mode ({where}).".encode(),
        b"EPSV": f"229 ok (|1|{CANARY}|{CANARY_PORT}|)".encode(),
    }
    client.say(b"220 FTP ready\r\n")
    while line := client.hear():
        client.say(answers.get(line[:4].upper(), b"200 x") + b"\r\n")


def redis(client: servers.Conversation) -> None:
    """Every key is on another node of a cluster."""
    while client.socket.recv(4096):
        client.say(f"-MOVED 7 {CANARY}:{CANARY_PORT}\r\n".encode())


def nats(client: servers.Conversation) -> None:
    """The other servers of the cluster are elsewhere."""
    info = {"server_id": "x", "max_payload": 1024, "connect_urls": [f"{CANARY}:{CANARY_PORT}"]}
    client.say(f"INFO {json.dumps(info)}\r\n".encode())
    while line := client.hear():
        if line.startswith(b"PING"):
            client.say(b"PONG\r\n")


def mongodb(client: servers.Conversation) -> None:
    """A secondary that names its primary."""
    there = f"{CANARY}:{CANARY_PORT}"
    hello: bson_wire.Document = {
        "ismaster": False,
        "isWritablePrimary": False,
        "secondary": True,
        "setName": "rs0",
        "hosts": [there],
        "primary": there,
        "me": there,
        "maxWireVersion": 21,
        "ok": 1,
        "minWireVersion": 0,
        "maxBsonObjectSize": 16777216,
    }
    while head := client.hear_bytes(16):
        size, request = struct.unpack_from("<ii", head)
        client.hear_bytes(size - 16)
        body = struct.pack("<I", 0) + b"\0" + bson_wire.encode(hello)
        client.say(struct.pack("<iiii", 16 + len(body), 1, request, 2013) + body)


def kafka(client: servers.Conversation) -> None:
    """The advertised listener is on another host: to Metadata of version 1, and ApiVersions."""
    broker = struct.pack(">iih", 1, 1, len(CANARY)) + CANARY.encode()
    broker += struct.pack(">ih", CANARY_PORT, -1)
    topic = struct.pack(">hh", 0, 1) + b"t\0" + struct.pack(">ihiiiiii", 1, 0, 0, 1, 1, 1, 1, 1)
    calls = [(1, 4, 11), (2, 1, 5), (3, 0, 8), (18, 0, 2)]
    versions = struct.pack(">hi", 0, len(calls)) + b"".join(struct.pack(">hhh", *c) for c in calls)
    metadata = broker + struct.pack(">ii", 1, 1) + topic
    while size := client.hear_bytes(4):
        request = client.hear_bytes(int.from_bytes(size))
        key, _, number = struct.unpack_from(">hhi", request)
        body = struct.pack(">i", number) + (versions if key == 18 else metadata)
        client.say(struct.pack(">i", len(body)) + body)


LIES: dict[int, Handle] = {21: ftp, 80: web, 4222: nats, 6379: redis, 9092: kafka, 27017: mongodb}


@contextmanager
def names() -> Iterator[list[int]]:
    """A name server that leads elsewhere after its first answer; yields the types it was asked."""
    asked: list[int] = []

    def answer(source: socket.socket) -> None:
        while True:
            question, sender = source.recvfrom(512)
            if sender[0] == GATEWAY:  # our own word that it is over
                return
            end = question.index(b"\0", 12) + 5
            kind = int.from_bytes(question[end - 4 : end - 2])
            asked.append(kind)
            rebound = ALIAS_ADDRESS if asked.count(1) == 1 else CANARY
            found = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + ip_address(rebound).packed
            records = found if kind == 1 else b""
            head = question[:2] + b"\x81\x80\0\1" + bytes([0, bool(records)]) + bytes(4)
            source.sendto(head + question[12:end] + records, sender)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        source.bind((GATEWAY, 53))
        thread = Thread(target=answer, args=(source,), daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            source.sendto(b"", (GATEWAY, 53))
            thread.join(5)


@contextmanager
def network() -> Iterator[tuple[str, str]]:
    """Two namespaces: the prober's, and the far side that is its way to everywhere."""
    near, far = (f"lo-wire-{side}-{os.getpid()}" for side in ("near", "far"))
    folder = Path("/etc/netns") / near
    with namespaces.namespace(near), namespaces.namespace(far):
        command = namespaces.command
        command("link", "add", "near0", "netns", near, "type", "veth", "peer", "far0", "netns", far)
        for side, device, addresses in (
            (near, "near0", (f"{OURS}/24", f"{SIX_OURS}/64")),
            (far, "far0", (f"{GATEWAY}/24", *(f"{a}/32" for a in (*HERE, ALIAS_ADDRESS, CANARY)))),
            (far, "far0", (f"{SIX_GATEWAY}/64", f"{SIX}/128")),
        ):
            for address in addresses:
                more = ("nodad",) if ":" in address else ()
                command("-n", side, "addr", "add", address, "dev", device, *more)
            command("-n", side, "link", "set", device, "up")
        command("-n", near, "route", "add", "default", "via", GATEWAY)
        command("-n", near, "-6", "route", "add", "default", "via", SIX_GATEWAY)
        folder.mkdir(parents=True)
        try:
            (folder / "resolv.conf").write_text(f"nameserver {GATEWAY}\noptions attempts:1\n")
            with namespaces.inside(far):  # ports below 1024 for who is not root
                Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")
            yield near, far
        finally:
            shutil.rmtree(folder)


@dataclass(frozen=True)
class Captured:
    """A run: what it said of itself, and what it sent and got."""

    report: dict[str, Any]
    packets: list[Packet]
    others: list[tuple[int, str]]  # what it sent beside TCP and UDP: protocol, address
    lookups: list[int]  # types that the name server was asked for
    control: list[Packet]  # sent by the test to a canary, to see that this would be seen
    ports: set[int]

    @property
    def sent(self) -> list[Packet]:
        """What the prober sent."""
        return [p for p in self.packets if p.sent]

    def said_to(self, address: str) -> list[bytes]:
        """What each connection to this address said."""
        return list(wire.said(p for p in self.sent if p.address == address).values())

    def data_ports(self) -> set[tuple[str, int]]:
        """The ports that FTP servers opened on their own address, read off their answers."""
        found = set()
        for packet in self.packets:
            if not packet.sent and packet.data.startswith((b"227 ", b"229 ")):
                numbers = [int(n) for n in re.findall(rb"\d+", packet.data[3:])]
                port = numbers[-1] if packet.data[:3] == b"229" else numbers[-2] << 8 | numbers[-1]
                found.add((packet.source, port))
        return found


WAYS = {"as root": (), "without raw packets": ("setpriv", "--bounding-set=-net_raw", "--")}


@pytest.fixture(scope="module", params=WAYS)
def captured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Captured]:
    namespaces.need_root(device=False)
    way = WAYS[request.param]
    if way:
        servers.need(way[0])
    with network() as (near, far), ExitStack() as stack:
        with namespaces.inside(far):
            asked = stack.enter_context(names())
            store = stack.enter_context(servers.redis("--protected-mode", "no", host="0.0.0.0"))
            stack.enter_context(servers.nginx(SITE, SECRETS))
            listens = {"listen_address": "0.0.0.0"}
            files = stack.enter_context(servers.vsftpd(SECRETS, anonymous=True, settings=listens))
            for port, handle in LIES.items():
                stack.enter_context(fake(LIAR, port, handle))
            servers.redis_cli(store, "SET", "key", "value")
        ports = {*LIES, WEB, store.port, files.port}
        folder = tmp_path_factory.mktemp("capture")
        yield capture(folder, near, way, ports, asked)


def capture(
    folder: Path, near: str, way: tuple[str, ...], ports: set[int], asked: list[int]
) -> Captured:
    (folder / "scope.toml").write_text(scope_text(ports))
    command = ["ip", "netns", "exec", near, *way, sys.executable, "-c"]
    command += ["from leftopen.cli.main import main; main()", "run", str(folder / "scope.toml")]
    with wire.recording(near) as seen:
        done = subprocess.run(
            [*command, "--dir", str(folder / "case"), "--json"],
            env={**os.environ, "LEFTOPEN_KEYS": str(folder / "keys")},
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, done.stderr.decode()
        with namespaces.inside(near), socket.socket() as stray:
            stray.settimeout(5)
            assert stray.connect_ex((CANARY, CONTROL_PORT)) == errno.ECONNREFUSED
    assert seen.lost == 0
    control = [p for p in seen.packets if p.sent and p.port == CONTROL_PORT]
    packets = [p for p in seen.packets if CONTROL_PORT not in (p.port, p.source_port)]
    return Captured(json.loads(done.stdout), packets, seen.others, asked, control, ports)


def scope_text(ports: set[int]) -> str:
    doubled = [f"{LIAR}:{p}" for p in ports - set(LIES)]
    return SCOPE.format(
        all=PER_SECOND,
        host=PER_HOST,
        untouched=UNTOUCHED,
        knocked=KNOCKED,
        named=NAMED_ONLY,
        honest=HONEST,
        liar=LIAR,
        networks=json.dumps(NETWORKS),
        alias=ALIAS,
        exclude=json.dumps([EXCLUDED, f"{EXCLUDED_PORT}:{WEB}", *doubled]),
        ports=sorted(ports),
    )


def test_the_run_saw_what_is_open(captured: Captured) -> None:
    """Else the silence below would prove nothing."""
    found = {
        (c["exposure"]["endpoint"]["address"], c["exposure"]["protocol"])
        for c in captured.report["cases"]
    }
    for address in (HONEST, EXCLUDED_PORT, PROVED, ALIAS_ADDRESS):
        assert {(address, "redis"), (address, "ftp")} <= found
        assert ((address, "http") in found) == (address != EXCLUDED_PORT)
    assert (SIX, "http") in found
    assert captured.control
    assert captured.control[0].begins


def test_no_packet_leaves_the_scope(captured: Captured) -> None:
    networks = [ip_network(n) for n in NETWORKS]
    data_ports = captured.data_ports()
    assert {address for address, _ in data_ports} >= {HONEST, ALIAS_ADDRESS}
    strays = []
    for packet in captured.sent:
        if (packet.address, packet.port, packet.protocol) == (GATEWAY, 53, socket.IPPROTO_UDP):
            continue  # the machine's own name server
        address = ip_address(packet.address)
        inside = any(address in n for n in networks) or packet.address == ALIAS_ADDRESS
        there = packet.port in captured.ports or (packet.address, packet.port) in data_ports
        if not inside or not there or packet.protocol != socket.IPPROTO_TCP:
            strays.append(packet)
    assert strays == []
    for protocol, to in captured.others:  # the kernel's own: neighbours, groups (RFC 4861, 3810)
        assert protocol in (socket.IPPROTO_ICMPV6, socket.IPPROTO_HOPOPTS)
        assert ip_address(to).is_multicast or ip_address(to).is_link_local or to == SIX_GATEWAY


def test_a_name_is_looked_up_once(captured: Captured) -> None:
    assert captured.lookups.count(1) == 1


def test_excluded_and_untouched_addresses_get_nothing(captured: Captured) -> None:
    assert [p for p in captured.sent if p.address in (EXCLUDED, UNTOUCHED, CANARY)] == []
    ports = {p.port for p in captured.sent if p.address == EXCLUDED_PORT}
    assert ports >= captured.ports - {WEB}
    assert WEB not in ports


def test_tier_1_gets_knocks_only(captured: Captured) -> None:
    knocks = [p for p in captured.sent if p.address == KNOCKED]
    assert {p.port for p in knocks} == captured.ports
    assert [p for p in knocks if p.data or p.flags & wire.FIN] == []
    flows = defaultdict(set)
    for packet in knocks:
        flows[packet.port].add(packet.flow)
    assert max(len(f) for f in flows.values()) <= 2  # a sweep asks twice at most; nothing else does


def test_tier_2_gets_one_look_at_the_front_page(captured: Captured) -> None:
    said = captured.said_to(NAMED_ONLY)
    assert said
    for words in said:
        assert words.startswith(b"GET / HTTP/1.1\r\n")
        assert words.count(b"\r\n\r\n") == 1
        assert words.endswith(b"\r\n\r\n")


def test_tier_3_gets_no_more_than_the_proof(captured: Captured) -> None:
    everywhere = b"".join(captured.said_to(HONEST))
    proved = b"".join(captured.said_to(PROVED))
    assert b"GET /in/b.txt" in everywhere  # tier 4: the sample
    assert b"GET /in/b.txt" not in proved
    assert proved.count(b"RETR ") <= 1 < everywhere.count(b"RETR ")


@pytest.mark.parametrize("host", [False, True])
def test_rates_hold(captured: Captured, host: bool) -> None:
    moments = defaultdict(list)
    for packet in captured.sent:
        if packet.begins:
            moments[packet.address if host else ""].append(packet.time)
    limit = PER_HOST if host else PER_SECOND
    most = {who: wire.most_within(times, STRETCH) for who, times in moments.items()}
    assert max(most.values()) > limit * STRETCH / 4  # there was something to hold back
    assert {w: n for w, n in most.items() if n > limit * (STRETCH + LATE) + 1} == {}


def test_every_request_says_who_asks(captured: Captured) -> None:
    run_id = captured.report["run"]["run_id"].encode()
    requests = 0
    for words in wire.said(captured.sent).values():
        for begin in REQUEST.finditer(words):
            head = words[begin.end() : words.index(b"\r\n\r\n", begin.start())]
            (agent,) = re.findall(rb"(?im)^user-agent: (.*?)\r?$", head)
            assert b"Leftopen/" in agent
            assert b"run " + run_id in agent
            assert b"https://probes.example" in agent
            requests += 1
    assert requests > 20
