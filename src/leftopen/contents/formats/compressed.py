"""Single compressed files (gzip, bzip2, xz)."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator

from leftopen.contents.api import Format, Limits, Text
from leftopen.contents.place import below, gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_SMALL = 1_000_000
_XZ_MEMORY = 256 << 20  # bytes that a dictionary may ask for


def _gzip(data: bytes, most: int) -> tuple[bytes, bytes, bool]:
    stream = zlib.decompressobj(wbits=31)
    out = stream.decompress(data, most)
    return out, stream.unused_data, stream.eof


def _bzip2(data: bytes, most: int) -> tuple[bytes, bytes, bool]:
    stream = bz2.BZ2Decompressor()
    out = stream.decompress(data, most)
    return out, stream.unused_data, stream.eof


def _xz(data: bytes, most: int) -> tuple[bytes, bytes, bool]:
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    out = stream.decompress(data, most)
    return out, stream.unused_data, stream.eof


_KINDS: tuple[tuple[bytes, Callable[[bytes, int], tuple[bytes, bytes, bool]]], ...] = (
    (b"\x1f\x8b\x08", _gzip),
    (b"BZh", _bzip2),
    (b"\xfd7zXZ\0", _xz),
)


def _recognise(head: bytes, name: str) -> int:
    return 80 if any(head.startswith(magic) for magic, _ in _KINDS) else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    expand = next(expand for magic, expand in _KINDS if blob.data.startswith(magic))
    most = min(limits.blob_bytes, max(_SMALL, len(blob.data) * limits.ratio))
    out, rest, complete = bytearray(), blob.data, True
    try:
        while rest and complete and len(out) <= most:
            piece, rest, complete = expand(rest, most + 1 - len(out))
            out += piece
            rest = rest.lstrip(b"\0")  # padding between members is allowed (RFC 1952, xz format)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        detail = f"expands to {len(out)} bytes, then: {error}"
        yield gap(Reason.CORRUPT, blob.place, detail, size=len(rest))
    if len(out) > most:
        detail = f"expands beyond {most // 1_000_000} MB (limit on size or ratio)"
        yield gap(Reason.TOO_LARGE, blob.place, detail, size=len(blob.data))
    elif not complete:
        yield gap(Reason.CORRUPT, blob.place, "ends early", size=len(blob.data))
    if out:
        name = blob.name.rpartition("/")[2]
        for ending in (".gz", ".tgz", ".bz2", ".xz"):
            name = name.removesuffix(ending)
        place = below(blob.place, "member", name or "contents")
        yield Blob(data=bytes(out[:most]), place=place, name=name, complete=len(out) <= most)


COMPRESSED = Format(name="compressed", recognise=_recognise, read=_read)
