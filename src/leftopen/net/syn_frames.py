"""SYN packets as bytes: laid out once, then only what differs is written, and cookies for answers.

IPv4 (RFC 791) and TCP (RFC 9293) headers behind the socket address that sendmmsg(2) takes, in one
slot of a buffer. A checksum (RFC 1071) is a sum of 16-bit words modulo 65535, and 2**16 is 1
modulo 65535, so the fields of any width are simply added.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from hashlib import blake2s
from typing import Final, NamedTuple

SLOT: Final = 60  # socket address 16, IPv4 header 20, TCP header 20, one option 4
ADDRESS_BYTES: Final = 16
PACKET_BYTES: Final = SLOT - ADDRESS_BYTES
HEARD_SLOT: Final = 64  # of an answer so much is read: the headers
_TCP: Final = 6
_SYN: Final = 0x60020400  # header of 6 words, SYN, window 1024
_MSS: Final = 0x020405B4  # maximum segment size 1460: some filters drop a SYN without it
_CHANGES: Final = struct.Struct(">I8x16sIHHIIIH")  # from the address in the socket address on
_HEARD: Final = struct.Struct(">B11xI4xH6xIxB30x")
_KEYED: Final = struct.Struct(">IH")
_NUMBER: Final = struct.Struct(">I")
_SYN_OR_RST, _RST, _ACK = 0x06, 0x04, 0x10


class Sender(NamedTuple):
    """What all packets from one source address have in common."""

    head: bytes  # the first 16 bytes of the IPv4 header
    sum: int


def sender(address: int, port: int) -> Sender:
    """`address` and `port` are our own.

    The kernel fills in the IPv4 checksum and identification (raw(7)).
    """
    head = struct.pack(">BBHHHBBHI", 0x45, 0, PACKET_BYTES, 0, 0x4000, 64, _TCP, 0, address)
    return Sender(head, address + _TCP + PACKET_BYTES - 20 + port + _SYN + _MSS)


class Cookies:
    """Sequence numbers that only who saw our packet can acknowledge: BLAKE2s, keyed per run."""

    def __init__(self, key: bytes) -> None:
        """`key` is secret and random, up to 32 bytes."""
        self._keyed = blake2s(key=key, digest_size=4)

    def of(self, address: int, port: int) -> int:
        """The sequence number of our packet to this target."""
        made = self._keyed.copy()
        made.update(_KEYED.pack(address, port))
        number: int = _NUMBER.unpack(made.digest())[0]
        return number

    def check(self, slots: memoryview) -> Iterator[tuple[int, int, bool]]:
        """Address, port and whether it is open, of each slot (an IPv4 packet) that is an answer.

        An answer acknowledges our cookie and has no IPv4 options. Checksums are not looked at: a
        virtual device hands packets over before they have one.
        """
        for first, source, port, ack, flags in _HEARD.iter_unpack(slots):
            if first != 0x45 or not flags & _ACK or not flags & _SYN_OR_RST:
                continue
            if (ack - 1) & 0xFFFFFFFF == self.of(source, port):
                yield source, port, not flags & _RST


def lay_out(slots: bytearray) -> None:
    """Write what is the same in every packet into every slot."""
    for at in range(0, len(slots), SLOT):
        struct.pack_into("=H", slots, at, socket.AF_INET)
        struct.pack_into(">I", slots, at + SLOT - 4, _MSS)


def write(
    slots: bytearray, at: int, sent_by: Sender, source: int, target: tuple[int, int], cookie: int
) -> None:
    """Write a SYN to `target` (address, port) from port `source` into the slot at byte `at`."""
    address, port = target
    check = 0xFFFF - (sent_by.sum + address + port + cookie) % 0xFFFF
    head = sent_by.head
    _CHANGES.pack_into(slots, at + 4, address, head, address, source, port, cookie, 0, _SYN, check)
