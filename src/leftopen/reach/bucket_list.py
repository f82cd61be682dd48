"""The XML list of a bucket, which S3 and the XML API of Google Cloud Storage share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote_plus

from lxml import etree

from leftopen.model.exposure import ObjectRef
from leftopen.net.http import Response
from leftopen.reach.paging import Page

MAX_KEY: Final = 1024  # bytes, of every S3


KeyPath = Callable[[str], str]  # the request path of one object


def xml_root(answer: Response) -> etree._Element | None:
    """The XML of an answer; document types are refused, entities are not resolved."""
    if not answer.complete or b"<!DOCTYPE" in answer.body:
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        return etree.fromstring(answer.body.removeprefix(b"\xef\xbb\xbf").lstrip(), parser)
    except etree.XMLSyntaxError:
        return None


def is_named(element: etree._Element, name: str) -> bool:
    """Whether this is that element; older servers leave the namespace out."""
    return etree.QName(element).localname == name if isinstance(element.tag, str) else False


def text_of(element: etree._Element, name: str) -> str:
    """The text of the first child of that name, "" where there is none."""
    return next((child.text or "" for child in element if is_named(child, name)), "")


def error_code(answer: Response) -> str:
    """The code of an Error answer, "" where it is none."""
    root = xml_root(answer)
    return text_of(root, "Code") if root is not None and is_named(root, "Error") else ""


def bucket_names(answer: Response) -> tuple[str, ...] | None:
    """The buckets of a ListAllMyBucketsResult, or None when the answer is none."""
    root = xml_root(answer) if answer.status == 200 else None
    if root is None or not is_named(root, "ListAllMyBucketsResult"):
        return None
    folders = [child for child in root if is_named(child, "Buckets")]
    items = [item for folder in folders for item in folder if is_named(item, "Bucket")]
    return tuple(name for item in items if is_bucket(name := text_of(item, "Name")))


def is_bucket(name: str) -> bool:
    """Whether a name may be a bucket's: 3 to 255 letters, digits, dots, dashes, underscores."""
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    return 3 <= len(name) <= 255 and plain.isascii() and plain.isalnum()


def parse_list(key_path: KeyPath, answer: Response) -> Page | None:
    """A ListBucketResult, or None when the answer is none."""
    root = xml_root(answer) if answer.status == 200 else None
    if root is None or not is_named(root, "ListBucketResult"):
        return None
    encoded = text_of(root, "EncodingType") == "url"
    items = [item for item in root if is_named(item, "Contents")]
    made = [_ref(key_path, item, encoded=encoded) for item in items]
    refs = tuple(ref for ref in made if ref)
    cut = text_of(root, "IsTruncated").strip().lower() == "true"
    token = text_of(root, "NextContinuationToken") if cut else ""
    return Page(refs, token, len(made) - len(refs))


def _ref(key_path: KeyPath, item: etree._Element, *, encoded: bool) -> ObjectRef | None:
    key = text_of(item, "Key")
    key = unquote_plus(key) if encoded else key
    length = text_of(item, "Size")
    number = length.isascii() and length.isdigit() and len(length) < 16
    return ref_of(key_path, key, int(length) if number else None, text_of(item, "LastModified"))


def ref_of(key_path: KeyPath, key: str, size: int | None, changed: str) -> ObjectRef | None:
    """One object of a list, None where its key is none."""
    if not key or len(key.encode("utf-8", "replace")) > MAX_KEY:
        return None
    try:
        path = key_path(key)
    except UnicodeEncodeError:
        return None
    group = key.rsplit("/", 1)[0] if "/" in key else ""
    return ObjectRef(path=path, group=group, size=size, time=_time(changed))


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
