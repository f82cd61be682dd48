"""Tar archives."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

from leftopen.contents.api import Format, Limits, Text
from leftopen.contents.place import below, gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason


def _recognise(head: bytes, name: str) -> int:
    if head[257:262] == b"ustar":
        return 95
    return 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    count = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(blob.data), mode="r:") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                count += 1
                if count > limits.members:
                    yield gap(Reason.TOO_LARGE, blob.place, "more members than the limit")
                    return
                yield _member(archive, member, blob, limits)
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        detail = f"after {count} members: {error}"
        yield gap(Reason.CORRUPT, blob.place, detail, size=len(blob.data))


def _member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, blob: Blob, limits: Limits
) -> Blob | Gap:
    place = below(blob.place, "member", member.name)
    # A sparse member may claim any size: what it expands to is bounded, not what it claims.
    if member.size > limits.blob_bytes:
        return gap(Reason.TOO_LARGE, place, "member over the limit on bytes", size=member.size)
    stream = archive.extractfile(member)
    data = stream.read() if stream else b""
    return Blob(data=data, place=place, name=member.name)


TAR = Format(name="tar", recognise=_recognise, read=_read)
