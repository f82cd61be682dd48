"""Mail messages (RFC 5322, MIME): human headers, bodies, attachments, attached messages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.contents import charset, markup, mime, mimetree
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.contents.mimetree import Part
from leftopen.contents.place import below, gap
from leftopen.model.blob import Blob, Provenance, Step
from leftopen.model.gap import Gap, Reason

# Headers that people write or read. Ids, hops and signatures hold no values but many numbers: of
# 536 "cards" in 6,294 real messages, 523 stood in them (research/contents.md section 5).
_HUMAN = {
    "from": "From",
    "to": "To",
    "cc": "Cc",
    "bcc": "Bcc",
    "reply-to": "Reply-To",
    "sender": "Sender",
    "subject": "Subject",
    "date": "Date",
}
_HEADER_CHARS = 200_000  # of one header value
_TELLING = re.compile(
    r"(?:from|to|cc|subject|date|received|return-path|delivered-to|message-id|mime-version|"
    r"content-type|reply-to|sender|x-[a-z0-9-]+|dkim-signature|list-[a-z]+|resent-[a-z-]+)[ \t]?:"
)
_FIELD = re.compile(r"[!-9;-~]{1,76}[ \t]?:")
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s\";]{1,60})", re.IGNORECASE)
_PGP = b"-----BEGIN PGP MESSAGE-----"
_HEADERS = Step(kind="field", name="headers")
_BODY = Step(kind="stream", name="body")


def _recognise(head: bytes, name: str) -> int:
    text = charset.text_head(head)
    if not _FIELD.match(text):
        return 0
    lines = text.split("\n\n", 1)[0].split("\n")
    telling = {line.split(":", 1)[0] for line in lines if _TELLING.match(line)}
    if len(telling) >= 3:
        return 88
    if name.lower().endswith((".eml", ".mht", ".mhtml")):
        return 86
    return 65 if len(telling) == 2 else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    parts, problems = mimetree.parts(blob.data, limits)
    for reason, detail in problems:
        yield gap(reason, blob.place, detail, size=len(blob.data))
    if not parts:
        return
    yield _header(parts, blob.place)
    for number, part in enumerate(parts):
        if part.content:
            yield from _part(part, number, blob.place)
        if part.problem:
            name = part.filename or part.content_type
            yield gap(Reason.CORRUPT, below(blob.place, "part", name), part.problem)


def _header(parts: list[Part], place: Provenance) -> Text:
    found: dict[str, str] = {}
    for key, values in parts[0].headers.items():
        name = _HUMAN.get(key.lower())
        if name and values:
            found[name] = ", ".join(values)[:_HEADER_CHARS]
    fields = [(name, found[name]) for name in _HUMAN.values() if name in found]
    fields += [("Attachment", part.filename) for part in parts if part.filename]
    return Text(
        text="".join([f"{name}: {value}\n" for name, value in fields]),
        kind=TextKind.HEADER,
        place=Provenance(steps=(*place.steps, _HEADERS)),
        fields=tuple(fields),
        carrier="eml",
    )


def _part(part: Part, number: int, place: Provenance) -> Iterator[Text | Blob | Gap]:
    """A body as text at once; everything that has a name, or is no text, as a blob."""
    content = part.content
    if part.filename or part.content_type not in ("text/plain", "text/html"):
        name = part.filename or f"part {number} {part.content_type}"
        inside = below(place, "message" if part.is_message else "part", name)
        yield Blob(data=content, place=inside, name=part.filename, media_type=part.content_type)
        return
    if mime.is_known(content[:8]):
        inside = below(place, "part", f"part {number} {part.content_type}")
        yield Blob(data=content, place=inside)
        return
    text = charset.decode(content, _declared(part))
    body = Provenance(steps=(*place.steps, _BODY))
    if part.content_type == "text/html":
        text, tables = markup.to_text(text)
        for table in tables:
            yield Text(table, TextKind.TABLE, body, carrier="html")
    yield Text(text, TextKind.BODY, body, carrier=part.content_type[5:])
    if _PGP in content:
        yield gap(Reason.ENCRYPTED, body, "OpenPGP message", size=len(content))


def _declared(part: Part) -> str:
    for key, values in part.headers.items():
        if key.lower() == "content-type" and values:
            found = _CHARSET.search(values[0][:2000])
            return found.group(1) if found else ""
    return ""


EML = Format(name="eml", recognise=_recognise, read=_read)
