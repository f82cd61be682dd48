"""Every packet that leaves a network namespace, as the kernel hands it to its devices."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Final

import namespaces

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10
_ALL: Final = 0x0003  # ETH_P_ALL of linux/if_ether.h
_IP: Final = {0x0800: 4, 0x86DD: 6}  # EtherTypes
_STAMP: Final = 35  # SO_TIMESTAMPNS of asm-generic/socket.h
_PACKET: Final = 263  # SOL_PACKET of linux/socket.h
_STATISTICS: Final = 6  # PACKET_STATISTICS of linux/if_packet.h
_FORCE: Final = 33  # SO_RCVBUFFORCE
_SENT: Final = 4  # PACKET_OUTGOING


@dataclass(frozen=True, slots=True)
class Packet:
    """A TCP or UDP packet; `flags` and `number` (of its first byte) are 0 for UDP."""

    time: float
    source: str
    source_port: int
    address: str
    port: int
    protocol: int
    flags: int
    number: int
    data: bytes
    sent: bool  # by the namespace, not to it

    @property
    def flow(self) -> tuple[str, int, str, int]:
        """What tells its connection apart, as its sender sees it."""
        return self.source, self.source_port, self.address, self.port

    @property
    def begins(self) -> bool:
        """Whether it asks for a connection."""
        return self.protocol == socket.IPPROTO_TCP and self.flags & (SYN | ACK) == SYN


@dataclass
class Recording:
    """What was seen so far; `lost` packets would make it worthless."""

    packets: list[Packet] = field(default_factory=list)
    others: list[tuple[int, str]] = field(
        default_factory=list
    )  # sent ones of neither kind: to whom
    lost: int = 0


@contextmanager
def recording(namespace: str) -> Iterator[Recording]:
    """Record on all devices of a namespace until the block ends."""
    with namespaces.inside(namespace):
        source = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))
    made, stop = Recording(), Event()
    with source:
        source.setsockopt(socket.SOL_SOCKET, _STAMP, 1)
        source.setsockopt(socket.SOL_SOCKET, _FORCE, 1 << 25)
        source.settimeout(0.1)
        thread = Thread(target=_read, args=(source, made, stop), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            stop.set()
            thread.join(10)
            counts = source.getsockopt(_PACKET, _STATISTICS, 8)
            made.lost = struct.unpack("=II", counts)[1]


def _read(source: socket.socket, made: Recording, stop: Event) -> None:
    """Until nothing comes any more once `stop` is set."""
    while True:
        try:
            data, extra, _, where = source.recvmsg(1 << 17, 64)
        except TimeoutError:
            if stop.is_set():
                return
            continue
        seconds, nano = struct.unpack("=qq", extra[0][2])
        if where[1] in _IP:
            _add(made, data, seconds + nano / 1e9, where[2] == _SENT)


def _add(made: Recording, data: bytes, time: float, sent: bool) -> None:
    if data[0] >> 4 == 4:
        end, protocol = int.from_bytes(data[2:4]), data[9]
        head, ends = (data[0] & 15) * 4, (data[12:16], data[16:20])
    else:
        head, protocol, ends = 40, data[6], (data[8:24], data[24:40])
        end = head + int.from_bytes(data[4:6])
    source, target = (str(ipaddress.ip_address(e)) for e in ends)
    rest = data[head:end]
    if protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        if sent:
            made.others.append((protocol, target))
        return
    from_port, to_port = struct.unpack_from("!HH", rest)
    tcp = protocol == socket.IPPROTO_TCP
    body = rest[(rest[12] >> 4) * 4 :] if tcp else rest[8:]
    flags, number = (rest[13], int.from_bytes(rest[4:8])) if tcp else (0, 0)
    made.packets.append(
        Packet(time, source, from_port, target, to_port, protocol, flags, number, body, sent)
    )


def said(packets: Iterable[Packet]) -> dict[tuple[str, int, str, int], bytes]:
    """What each connection said, in its order; repeated packets count once."""
    parts: dict[tuple[str, int, str, int], dict[int, bytes]] = {}
    first: dict[tuple[str, int, str, int], int] = {}
    for packet in packets:
        if packet.flags & SYN:
            first.setdefault(packet.flow, packet.number)
        if packet.data and packet.protocol == socket.IPPROTO_TCP:
            begin = first.setdefault(packet.flow, packet.number - 1)
            parts.setdefault(packet.flow, {})[(packet.number - begin) % (1 << 32)] = packet.data
    return {flow: b"".join(data for _, data in sorted(p.items())) for flow, p in parts.items()}


def most_within(times: Iterable[float], seconds: float) -> int:
    """The most of these moments in any stretch of so many seconds."""
    ordered, begin, most = sorted(times), 0, 0
    for end, time in enumerate(ordered):
        while time - ordered[begin] >= seconds:
            begin += 1
        most = max(most, end - begin + 1)
    return most
