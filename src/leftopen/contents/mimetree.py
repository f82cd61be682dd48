"""The parts of a mail message, decoded: fast-mail-parser first, the standard library for the rest.

fast-mail-parser's lazy tree lost no message of 6,294 real ones, but refuses nesting beyond 256 and
base64 that does not decode. The standard library takes the latter; too deep a nesting is split
here by hand, one level at a time.
"""

from __future__ import annotations

import email
import email.errors
import email.header
import email.message
import email.parser
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fast_mail_parser import MimeStructureError, ParseError, PyLazyMimePart, parse_email_tree

from leftopen.contents.api import Limits
from leftopen.model.gap import Reason

_BOUNDARY = re.compile(r"boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;]{1,200}))", re.IGNORECASE)
_BLANK = re.compile(rb"\r?\n\r?\n")
_HEADER_BYTES = 1_000_000
_FAST_BYTES = 100 << 20  # what fast-mail-parser takes at most
Problem = tuple[Reason, str]


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf of the tree, or the root (which then has no content of its own)."""

    headers: dict[str, list[str]]
    content_type: str
    filename: str
    content: bytes
    is_message: bool = False
    problem: str = ""


def parts(data: bytes, limits: Limits) -> tuple[list[Part], list[Problem]]:
    """The root first, then all leaves in order. Attached messages are leaves, not descended into.

    Never raises; what could not be read stands in the problems and in `Part.problem`.
    """
    if data.startswith(b"From "):
        data = data.partition(b"\n")[2]
    data = data.lstrip(b"\r\n\xef\xbb\xbf")
    problems: list[Problem] = []
    try:
        found = list(_fast(parse_email_tree(data, mode="lazy")))
    except MimeStructureError:
        found = list(_shallow(data)) if len(data) < _FAST_BYTES else _patient(data, problems)
    except (ParseError, ValueError):
        found = _patient(data, problems)
    if len(found) > limits.members:
        problems.append((Reason.TOO_LARGE, f"{len(found) - limits.members} parts over the limit"))
        del found[limits.members :]
    if len(found) == 1 and found[0].content_type.startswith("multipart/"):
        found.append(_body_of(data))
        problems.append((Reason.CORRUPT, "multipart without parts; its body was read as text"))
    return found, problems


def _patient(data: bytes, problems: list[Problem]) -> list[Part]:
    """All parts by the standard library; one level of them where even that fails."""
    try:
        return list(_slow(email.message_from_bytes(data)))
    except RecursionError:
        return list(_shallow(data))
    except (ValueError, LookupError, TypeError, AttributeError, email.errors.MessageError):
        problems.append((Reason.CORRUPT, "MIME structure is broken; read as plain parts"))
        return list(_shallow(data))


def _body_of(data: bytes) -> Part:
    blank = _BLANK.search(data)
    return Part({}, "text/plain", "", data[blank.end() :] if blank else b"")


def _fast(root: PyLazyMimePart) -> Iterator[Part]:
    """Raises DecodeError where a part does not decode: the standard library is more patient."""
    whole = root.content if not root.children else None
    yield Part(root.headers, root.content_type.lower(), root.filename, whole or b"")
    stack = list(reversed(root.children))
    while stack:
        node = stack.pop()
        if node.is_message or not node.children:
            content = node.content or b""
            kind = node.content_type.lower()
            yield Part(node.headers, kind, node.filename, content, node.is_message)
        else:
            stack.extend(reversed(node.children))


def _slow(root: email.message.Message) -> Iterator[Part]:
    yield _slow_part(root)
    if root.get_content_type() == "message/rfc822":
        return
    stack = list(reversed(_children(root)))
    while stack:
        node = stack.pop()
        if node.get_content_type() == "message/rfc822" or not node.is_multipart():
            yield _slow_part(node)
        else:
            stack.extend(reversed(_children(node)))


def _children(node: email.message.Message) -> list[email.message.Message]:
    payload = node.get_payload()
    if not isinstance(payload, list):
        return []
    return [child for child in payload if isinstance(child, email.message.Message)]


def _slow_part(node: email.message.Message) -> Part:
    kind = node.get_content_type()
    headers: dict[str, list[str]] = {}
    for key, value in node.items():
        headers.setdefault(key, []).append(_unfold(value))
    content, problem = b"", ""
    inner = _children(node)
    if kind == "message/rfc822" and inner:
        content = inner[0].as_bytes(policy=email.policy.compat32)
    elif not inner:
        payload = node.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else b""
        broken = [d for d in node.defects if isinstance(d, _BROKEN)]
        problem = "base64 is broken; read as far as it decodes" if broken else ""
    try:
        filename = _unfold(node.get_filename() or "")
    except (ValueError, LookupError, TypeError, IndexError):
        filename = ""
    return Part(headers, kind, filename, content, kind == "message/rfc822", problem)


_BROKEN = (
    email.errors.InvalidBase64PaddingDefect,
    email.errors.InvalidBase64CharactersDefect,
    email.errors.InvalidBase64LengthDefect,
)


def _unfold(value: object) -> str:
    """A header's words decoded (RFC 2047) and on one line; never raises."""
    text = " ".join(str(value).split())
    if "=?" not in text:
        return text
    try:
        return str(email.header.make_header(email.header.decode_header(text)))
    except (ValueError, LookupError, UnicodeError, email.errors.HeaderParseError):
        return text


def _shallow(data: bytes) -> Iterator[Part]:
    """One level of a message that is nested too deep for a parser: its parts stay undivided."""
    blank = _BLANK.search(data)
    head = data[: blank.end() if blank else len(data)][:_HEADER_BYTES]
    body = data[blank.end() :] if blank else b""
    message = email.parser.BytesHeaderParser().parsebytes(head)
    headers: dict[str, list[str]] = {}
    for key, value in message.items():
        headers.setdefault(key, []).append(_unfold(value))
    kind = " ".join(headers.get("Content-Type", headers.get("Content-type", ["text/plain"])))
    main = kind.partition(";")[0].strip().lower()
    boundary = _BOUNDARY.search(kind)
    if main == "message/rfc822":
        yield Part(headers, main, "", b"")
        yield Part({}, main, "", body, is_message=True)
    elif main.startswith("multipart/") and boundary:
        yield Part(headers, main, "", b"")
        mark = (boundary.group(1) or boundary.group(2)).encode("utf-8", "surrogateescape")
        # RFC 2046 5.1.1: a delimiter is a line of its own, the last one ends in two hyphens.
        line = re.compile(rb"(?:\A|\n)--" + re.escape(mark) + rb"(?:--)?[ \t]*\r?(?=\n|\Z)")
        for piece in line.split(body)[1:]:
            # A part looks like a message: headers, a blank line, a body.
            if piece.strip():
                yield Part({}, "message/rfc822", "", piece.lstrip(b"\r\n"), is_message=True)
    else:
        yield Part(headers, main, "", body)
