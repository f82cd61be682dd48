"""Decoded JSON as text: every value behind its key, records as rows, mail as mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pybase64

from leftopen.contents import charset, markup, mime, rows
from leftopen.contents.api import Limits, Text, TextKind
from leftopen.contents.place import below, gap, numbered
from leftopen.model.blob import Blob, Provenance
from leftopen.model.gap import Gap, Reason

_LABEL_PARTS = 3
_BASE64_LEAST = 256  # shorter strings are ids and tokens, not encoded files
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]+={0,2}\s*")
_TAG = re.compile(r"<(?:html|body|div|p|br|table|span|td)\b", re.IGNORECASE)
_BLOCK_ROWS = 20_000  # rows of one Text

# Keys under which webmail interfaces (Microsoft Graph, Gmail, JMAP, Outlook REST) and mail indexes
# give a message's header, lower case without separators.
_MAIL_FIELDS = {
    "from": "From",
    "fromaddress": "From",
    "sender": "Sender",
    "to": "To",
    "torecipients": "To",
    "recipients": "To",
    "cc": "Cc",
    "ccrecipients": "Cc",
    "replyto": "Reply-To",
    "subject": "Subject",
    "date": "Date",
    "sentat": "Date",
    "sentdatetime": "Date",
    "receiveddatetime": "Date",
}
_RUNNING = frozenset(
    {"body", "content", "text", "textbody", "htmlbody", "html", "plain", "snippet", "bodypreview"}
)
_SENDERS = frozenset({"from", "fromaddress", "sender"})


def texts(
    value: Any, place: Provenance, carrier: str, limits: Limits
) -> Iterator[Text | Blob | Gap]:
    """All values of a decoded JSON document.

    A list of objects is a table, one row each; an object with a subject and a sender is a mail;
    everything else is a form of `key: value` lines.
    """
    walk = _Walk(place, carrier, limits)
    yield from walk.document(value)


class _Walk:
    """One document: what is open, what was collected, and how much more may be."""

    def __init__(self, place: Provenance, carrier: str, limits: Limits) -> None:
        self.place = place
        self.carrier = carrier
        self.limits = limits
        self.left = limits.cells
        self.number = 0
        self.fields: list[tuple[str, str]] = []
        self.rows: list[str] = []
        self.files: list[Blob] = []

    def document(self, root: Any) -> Iterator[Text | Blob | Gap]:
        """Walk it with a stack of its own: the depth of hostile JSON is no depth of ours."""
        stack: list[tuple[str, Any]] = [("", root)]
        while stack and self.left > 0:
            path, value = stack.pop()
            if isinstance(value, dict):
                if _is_mail(value):
                    yield from self.mail(value)
                    continue
                if number := _split_ssn(value):
                    self.leaf(path, number, self.fields)
                    continue
                stack.extend((_join(path, k), v) for k, v in reversed(value.items()))
            elif isinstance(value, list):
                if _is_flat_records(value):
                    for record in value:
                        self.row(path, record)
                        if len(self.rows) >= _BLOCK_ROWS:
                            yield self.table()
                else:
                    stack.extend((path, item) for item in reversed(value))
            else:
                self.leaf(path, value, self.fields)
            if self.files:
                yield from self.take_files()
        if self.rows:
            yield self.table()
        yield from self.form()
        yield from self.take_files()
        if self.left <= 0:
            yield gap(Reason.TOO_LARGE, self.place, "more values than the limit on cells")

    def take_files(self) -> Iterator[Blob]:
        """The encoded files found since the last call."""
        files, self.files = self.files, []
        yield from files

    def leaf(self, path: str, value: Any, into: list[tuple[str, str]]) -> None:
        """One scalar; encoded files become blobs, HTML becomes words."""
        self.left -= 1
        if value is None or value == "":
            return
        if isinstance(value, str):
            if data := _encoded_file(value):
                name = path.rpartition(".")[2]
                self.files.append(Blob(data=data, place=below(self.place, "part", name)))
                return
            text = _words(value)
        else:
            text = str(value).lower() if isinstance(value, bool) else str(value)
        if rows.is_ssn_label(path):
            text = rows.restore_zeros(text)
        into.append((path, text))

    def row(self, path: str, record: dict[str, Any]) -> None:
        """One record of a list, on one line."""
        fields: list[tuple[str, str]] = []
        for name, value in _leaves(record):
            self.leaf(name or path, value, fields)
        line = "\t".join([f"{name}: {' '.join(value.split())}" for name, value in fields])
        self.rows.append(line)

    def table(self) -> Text:
        """The rows so far."""
        text, self.rows = "\n".join(self.rows) + "\n", []
        return Text(text, TextKind.TABLE, self.place, carrier=self.carrier)

    def form(self) -> Iterator[Text | Gap]:
        """All values that stand in no record."""
        if not self.fields:
            return
        text = "".join([f"{_label(path)}: {value}\n" for path, value in self.fields])
        fields = tuple(self.fields[: self.limits.fields])
        yield Text(
            text=text,
            kind=TextKind.FORM,
            place=self.place,
            fields=fields,
            carrier=self.carrier,
            field_count=len(self.fields),
        )

    def mail(self, message: dict[str, Any]) -> Iterator[Text | Blob]:
        """A message as an interface or an index gives it."""
        self.number += 1
        place = numbered(self.place, "message", self.number)
        header: list[tuple[str, str]] = []
        body: list[tuple[str, str]] = []
        for key, value in message.items():
            name = _MAIL_FIELDS.get(_plain_key(key))
            if name:
                self.left -= 1
                header.append((name, _people(value)))
            else:
                for path, leaf in _leaves(value):
                    self.leaf(_join(str(key), path), leaf, body)
        text = "".join([f"{name}: {value}\n" for name, value in header])
        yield Text(text, TextKind.HEADER, place, fields=tuple(header), carrier=self.carrier)
        if body:
            words = "".join([_body_line(path, value) for path, value in body])
            yield Text(words, TextKind.BODY, place, carrier=self.carrier)
        yield from self.take_files()


def _body_line(path: str, value: str) -> str:
    """Running text stands alone, so that its first line is the message's first line."""
    if path.rpartition(".")[2].lower() in _RUNNING:
        return f"{value}\n"
    return f"{_label(path)}: {value}\n"


def _plain_key(key: Any) -> str:
    return str(key)[:40].lower().replace("_", "").replace("-", "").lstrip("@")


def _split_ssn(value: dict[str, Any]) -> str:
    """The number that eApp stores in three strings, or ""."""
    parts = [value.get(key) for key in ("first", "middle", "last")]
    texts = [part for part in parts if isinstance(part, str) and part.isdigit()]
    return "-".join(texts) if [len(text) for text in texts] == [3, 2, 4] else ""


def _is_mail(value: dict[str, Any]) -> bool:
    if len(value) < 3 or "subject" not in {k[:40].lower() for k in value if isinstance(k, str)}:
        return False
    return not _SENDERS.isdisjoint(map(_plain_key, value))


def _is_flat_records(value: list[Any]) -> bool:
    """A list of objects none of which is a mail or wraps one."""
    return bool(value) and all(
        isinstance(item, dict) and not _is_mail(item) and not _wraps(item) for item in value
    )


def _wraps(item: dict[str, Any]) -> bool:
    return any(isinstance(v, dict) and _is_mail(v) for v in item.values())


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, dict):
            if number := _split_ssn(item):
                yield path, number
                continue
            stack.extend((_join(path, k), v) for k, v in reversed(item.items()))
        elif isinstance(item, list):
            stack.extend((path, v) for v in reversed(item))
        else:
            yield path, item


def _join(path: str, key: Any) -> str:
    # Cut, so that the path of a deep document does not grow without bound.
    return f"{path[-400:]}.{key}" if path and key != "" else path or str(key)


def _label(path: str) -> str:
    return ".".join(path.split(".")[-_LABEL_PARTS:])


def _words(value: str) -> str:
    if "<" in value and _TAG.search(value):
        text, tables = markup.to_text(value)
        return "\n".join([text, *tables])
    return value


def _people(value: Any) -> str:
    """Addresses in whatever shape: text, objects with name and address, lists of them."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_people, value[:10_000])))
    if isinstance(value, dict):
        leaves = {path.rpartition(".")[2].lower(): leaf for path, leaf in _leaves(value)}
        address = leaves.get("address") or leaves.get("email") or leaves.get("mail") or ""
        name = leaves.get("name") or leaves.get("displayname") or ""
        if address or name:
            return f"{name} <{address}>".strip() if address else str(name)
        return " ".join(str(leaf) for leaf in leaves.values() if leaf)
    return "" if value is None else " ".join(str(value).split())


def _encoded_file(value: str) -> bytes:
    """The bytes behind a long base64 string (either alphabet), or b"" when it is none."""
    if len(value) < _BASE64_LEAST or " " in value[:_BASE64_LEAST]:
        return b""
    if not _BASE64.fullmatch(value):
        return b""
    plain = "".join(value.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = pybase64.b64decode(plain + "=" * (-len(plain) % 4))
    except ValueError:
        return b""
    head = data[: mime.HEAD]
    return data if mime.is_known(head) or charset.looks_like_text(head) else b""
