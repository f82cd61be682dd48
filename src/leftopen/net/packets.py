"""Many packets with one system call: sendmmsg(2) and recvmmsg(2) through ctypes, and filters."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence
from typing import Any, Final

_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_SO_ATTACH_FILTER: Final = 26
_SO_RCVBUFFORCE: Final = 33
_RECEIVE_BYTES: Final = 32 << 20
_IPV4: Final = 0x0800
_libc = ctypes.CDLL(None, use_errno=True)


class _Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class _Header(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint),
        ("parts", ctypes.c_void_p),
        ("part_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Message(ctypes.Structure):
    _fields_ = [("header", _Header), ("size", ctypes.c_uint)]


class Batch:
    """Slots of one size in one buffer, as the messages that the system calls take."""

    def __init__(self, count: int, slot: int, *, address: int = 0) -> None:
        """The first `address` bytes of each slot are the socket address it goes to."""
        self.bytes = bytearray(count * slot)
        self.count = count
        self._pinned = (ctypes.c_char * len(self.bytes)).from_buffer(self.bytes)
        self._parts: Any = (_Part * count)()
        self._messages: Any = (_Message * count)()
        start = ctypes.addressof(self._pinned)
        parts = ctypes.addressof(self._parts)
        for n in range(count):
            at = start + n * slot
            self._parts[n].base, self._parts[n].size = at + address, slot - address
            header = self._messages[n].header
            header.parts, header.part_count = parts + n * ctypes.sizeof(_Part), 1
            if address:
                header.name, header.name_size = at, address

    def send(self, channel: socket.socket, first: int, last: int) -> int:
        """Send slots `first` to `last`; how many were, at least one.

        Raises:
            OSError: why the first of them was not sent.
        """
        at = ctypes.byref(self._messages, first * ctypes.sizeof(_Message))
        return _checked(_libc.sendmmsg(channel.fileno(), at, last - first, socket.MSG_DONTWAIT))

    def receive(self, channel: socket.socket) -> int:
        """Fill slots from what has arrived; how many, 0 for none.

        A slot keeps the rest of an earlier packet behind a shorter one; the filter lets none pass
        that ends before its TCP flags, and no more is read of it.
        """
        try:
            wait = socket.MSG_DONTWAIT
            return _checked(
                _libc.recvmmsg(channel.fileno(), self._messages, self.count, wait, None)
            )
        except BlockingIOError:
            return 0


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, errno.errorcode.get(code, "?"))
    return result


def listener(port: int, size: int) -> socket.socket:
    """A packet socket that hears TCP answers to one port of ours, on every device.

    Raises:
        OSError: no privilege (CAP_NET_RAW), or no packet sockets here.
    """
    channel = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)  # 0: hears nothing yet
    try:
        _filter(channel, _answers_to(port, size))
        try:
            channel.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BYTES)
        except OSError:  # no CAP_NET_ADMIN: as much as everybody may have
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        _hear_all(channel)
    except BaseException:
        channel.close()
        raise
    return channel


def _hear_all(channel: socket.socket) -> None:
    """Bind to IPv4 on every device; Python's own bind takes a device's name only."""
    everywhere = struct.pack("=H2sIHBB8x", socket.AF_PACKET, _IPV4.to_bytes(2), 0, 0, 0, 0)
    _checked(_libc.bind(channel.fileno(), everywhere, len(everywhere)))


def dropped(channel: socket.socket) -> int:
    """Packets that the kernel had no room for since the last call (packet(7))."""
    counts = channel.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
    return int(struct.unpack("=II", counts)[1])


def _answers_to(port: int, size: int) -> list[tuple[int, int, int, int]]:
    """Classic BPF (bpf(4)): TCP, not a later fragment, to `port`, with SYN+ACK or RST."""
    byte, half, index_half, index_byte = 0x30, 0x28, 0x48, 0x50
    header, equal, any_of, give = 0xB1, 0x15, 0x45, 0x06
    return [
        (byte, 0, 0, 9),  # protocol
        (equal, 0, 9, 6),
        (half, 0, 0, 6),  # fragment offset
        (any_of, 7, 0, 0x1FFF),
        (header, 0, 0, 0),  # X = length of the IPv4 header
        (index_half, 0, 0, 2),  # destination port
        (equal, 0, 4, port),
        (index_byte, 0, 0, 13),  # flags
        (any_of, 1, 0, 0x04),  # RST
        (any_of, 0, 1, 0x02),  # SYN
        (give, 0, 0, size),
        (give, 0, 0, 0),
    ]


def _filter(channel: socket.socket, program: Sequence[tuple[int, int, int, int]]) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    wanted = struct.pack("HL", len(program), ctypes.addressof(code))
    channel.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, wanted)
