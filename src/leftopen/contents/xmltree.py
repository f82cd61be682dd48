"""XML read safely: no entity expansion, no DTD, no network, bounded depth; leaves as fields."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from lxml import etree

from leftopen.contents import rows
from leftopen.contents.api import Limits, Text, TextKind
from leftopen.contents.place import gap
from leftopen.model.blob import Provenance
from leftopen.model.gap import Gap, Reason

_LABEL_PARTS = 3  # how many element names stand in front of a value in the text
# Elements over which the e-QIP export splits one value (research/contents.md 2.3): all names, the
# ones that must be there, and what joins them.
_JOINS: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (("FirstThree", "NextTwo", "LastFour"), ("FirstThree", "NextTwo", "LastFour"), "-"),
    (("Year", "Month", "Day"), ("Year", "Month", "Day"), "-"),
    (("First", "Middle", "Last", "Suffix"), ("First", "Last"), " "),
)


def parse(data: bytes, place: Provenance) -> tuple[Any | None, list[Gap]]:
    """The root element and what went wrong; a broken document is read as far as it goes."""
    gaps: list[Gap] = []
    for recover in (False, True):
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            huge_tree=False,
            load_dtd=False,
            recover=recover,
            remove_comments=False,
            remove_pis=True,
        )
        try:
            root = etree.fromstring(data, parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            if not gaps:
                gaps.append(gap(Reason.CORRUPT, place, f"xml: {error}", size=len(data)))
            continue
        if root is not None and root.getroottree().docinfo.internalDTD is not None:
            gaps.extend(_entities(root, place))
        return root, gaps
    return None, gaps


def _entities(root: Any, place: Provenance) -> Iterator[Gap]:
    count = sum(1 for _ in root.iter(etree.Entity))
    if count:
        detail = "entity references of its own are never expanded"
        yield gap(Reason.UNPARSED, place, detail, count=count)


def local_name(element: Any) -> str:
    """The element's name without its namespace; "" for comments and references."""
    tag = element.tag
    return _local(tag) if isinstance(tag, str) else ""


@lru_cache(maxsize=1024)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def form_text(root: Any, place: Provenance, carrier: str, limits: Limits) -> Iterator[Text | Gap]:
    """All leaves of a tree as one FORM Text: `Applicant/SSN: 123-45-6789`.

    `fields` holds every filled leaf under its full path. In the text, a value that was split over
    sibling elements stands once, joined, behind the name of their parent.
    """
    lines: list[str] = []
    fields: list[tuple[str, str]] = []
    count = 0
    for leaf in _leaves(root):
        count += leaf.own
        if leaf.value and len(fields) < limits.fields:
            if leaf.own:
                fields.append((leaf.path, leaf.value))
            if leaf.shown:
                lines.append(_line(leaf))
    yield Text(
        text="".join(lines),
        kind=TextKind.FORM,
        place=place,
        fields=tuple(fields),
        carrier=carrier,
        field_count=count,
    )
    if count > limits.fields:
        left = count - limits.fields
        yield gap(Reason.TOO_LARGE, place, "more fields than the limit", count=left)


class _Leaf(NamedTuple):
    path: str
    value: str
    shown: bool = True  # False: a part of a joined value
    own: bool = True  # False: joined from parts


def _line(leaf: _Leaf) -> str:
    label = "/".join(leaf.path.split("/")[-_LABEL_PARTS:])
    value = rows.restore_zeros(leaf.value) if rows.is_ssn_label(label) else leaf.value
    return f"{label}: {value}\n"


def _leaves(root: Any) -> Iterator[_Leaf]:
    path: list[str] = []
    hidden: list[frozenset[str]] = [frozenset()]
    for event, element in etree.iterwalk(root, events=("start", "end")):
        where = "/".join(path)
        if event == "end":
            path.pop()
            hidden.pop()
            if tail := _words(element.tail):
                yield _Leaf("/".join(path) or where, tail)
            continue
        name = local_name(element)
        path.append(name)
        where = f"{where}/{name}" if where else name
        for key, value in element.attrib.items():
            yield _Leaf(f"{where}@{key.rpartition('}')[2]}", _words(value))
        if len(element) == 0 or _words(element.text):
            yield _Leaf(where, _words(element.text), shown=name not in hidden[-1])
        value, parts = _joined(element)
        if value:
            yield _Leaf(where, value, own=False)
        hidden.append(parts)


def _words(text: str | None) -> str:
    return " ".join(text.split()) if text else ""


def _joined(element: Any) -> tuple[str, frozenset[str]]:
    """The value that the children are parts of, and which children they are."""
    if not 2 <= len(element) <= 8:
        return "", frozenset()
    values = {local_name(c): _words(c.text) for c in element if len(c) == 0}
    for names, needed, separator in _JOINS:
        if all(values.get(name) for name in needed):
            joined = separator.join(values[name] for name in names if values.get(name))
            return joined, frozenset(names)
    return "", frozenset()
