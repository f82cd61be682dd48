"""Zip containers read within bounds: for zip itself and for every office format in one."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator

from leftopen.contents.api import Limits
from leftopen.contents.place import below, gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_SMALL = 1_000_000  # below this no ratio makes a bomb
_CHUNK = 1 << 20
_END = b"PK\x05\x06"
_DIRECTORY_ENTRY = 46  # least bytes of one entry of the central directory (APPNOTE 4.3.12)

# Everything that zipfile and its decompressors raise on bad input.
BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    IndexError,
    KeyError,
    OverflowError,
    UnicodeError,
)


def open_zip(blob: Blob, limits: Limits) -> zipfile.ZipFile | Gap:
    """The archive, or the Gap that says why there is none."""
    if _directory_bytes(blob.data) > limits.members * _DIRECTORY_ENTRY * 8:
        return gap(
            Reason.TOO_LARGE, blob.place, "central directory over the limit", size=len(blob.data)
        )
    try:
        return zipfile.ZipFile(io.BytesIO(blob.data))
    except (*BROKEN, NotImplementedError) as error:
        return gap(Reason.CORRUPT, blob.place, f"zip: {error}", size=len(blob.data))


def _directory_bytes(data: bytes) -> int:
    """The size of the central directory as the end record gives it; 0 when there is none."""
    at = data.rfind(_END, max(0, len(data) - 65_557))
    if at < 0 or at + 16 > len(data):
        return 0
    size: int = struct.unpack_from("<L", data, at + 12)[0]
    return size if size != 0xFFFFFFFF else len(data)


def read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, blob: Blob, limits: Limits
) -> bytes | Gap:
    """The bytes of one member, or the Gap that says why not. Sizes in the archive are not trusted:
    reading stops at the limit on bytes or on ratio.
    """
    place = below(blob.place, "member", info.filename)
    if info.flag_bits & 0x1:
        return gap(Reason.ENCRYPTED, place, "a password is needed", size=info.file_size)
    most = min(limits.blob_bytes, max(_SMALL, info.compress_size * limits.ratio))
    data = bytearray()
    try:
        with archive.open(info) as stream:
            while chunk := stream.read(min(_CHUNK, most + 1 - len(data))):
                data += chunk
                if len(data) > most:
                    return gap(
                        Reason.TOO_LARGE,
                        place,
                        f"expands beyond {most // 1_000_000} MB (limit on size or ratio)",
                        size=info.file_size,
                    )
    except (NotImplementedError, RuntimeError) as error:
        return gap(Reason.UNSUPPORTED, place, f"zip: {error}", size=info.file_size)
    except BROKEN as error:
        return gap(Reason.CORRUPT, place, f"zip: {error}", size=info.file_size)
    return bytes(data)


def members(blob: Blob, limits: Limits) -> Iterator[Blob | Gap]:
    """Every file of a zip archive as a child blob, and a Gap for every one that cannot be read."""
    archive = open_zip(blob, limits)
    if isinstance(archive, Gap):
        yield archive
        return
    with archive:
        files = [info for info in archive.infolist() if not info.filename.endswith("/")]
        for info in files[: limits.members]:
            data = read_member(archive, info, blob, limits)
            if isinstance(data, Gap):
                yield data
            else:
                place = below(blob.place, "member", info.filename)
                yield Blob(data=data, place=place, name=info.filename)
    if len(files) > limits.members:
        left = len(files) - limits.members
        yield gap(Reason.TOO_LARGE, blob.place, "more members than the limit", count=left)


def inflate(data: bytes, most: int) -> bytes | None:
    """A zlib stream expanded to at most `most` bytes; None when it is broken or longer."""
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(data, most)
    except zlib.error:
        return None
    return None if stream.unconsumed_tail else out
