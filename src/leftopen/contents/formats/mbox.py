"""Mailboxes in one file (mbox): each message an object of its own."""

from __future__ import annotations

from collections.abc import Iterator

from leftopen.contents import mailbox
from leftopen.contents.api import Format, Limits, Text
from leftopen.contents.place import gap, numbered
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason


def _recognise(head: bytes, name: str) -> int:
    return 92 if mailbox.starts_mbox(head) else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    number = 0
    for number, (start, end) in enumerate(mailbox.split(blob.data), 1):
        if number > limits.members:
            break
        data = mailbox.unquote(blob.data[start:end])
        place = numbered(blob.place, "message", number)
        yield Blob(data=data, place=place, media_type="message/rfc822")
    if number > limits.members:
        yield gap(Reason.TOO_LARGE, blob.place, f"only {limits.members} messages were read")


MBOX = Format(name="mbox", recognise=_recognise, read=_read, store=True)
