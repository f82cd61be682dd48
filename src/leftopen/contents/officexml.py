"""Words of the XML parts of office documents (Word, PowerPoint, OpenDocument), table rows kept."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree

from leftopen.contents import archive, rows, xmltree
from leftopen.contents.api import Limits, Text, TextKind
from leftopen.contents.place import below, gap
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap, Reason

_IMAGE = (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".emf", ".wmf", ".webp")

# By local name. `t` (Word, PowerPoint) and `delText` (a deletion that is still in the file) hold
# words; in OpenDocument every element of the text namespace does.
_HOLDERS = frozenset({"t", "delText"})
_OPEN_DOCUMENT = "urn:oasis:names:tc:opendocument:xmlns:text:"
_MARKS = {"tab": "\t", "br": "\n", "cr": "\n", "line-break": "\n", "s": " ", "p": "\n", "h": "\n"}
_CELLS = frozenset({"tc", "table-cell"})
_ROWS = frozenset({"tr", "table-row"})
_TABLES = frozenset({"tbl", "table"})
# Everything else (runs, properties: most of a document) is passed over without a Python step.
_NAMES = sorted(_HOLDERS | _CELLS | _ROWS | _TABLES | set(_MARKS))
_WANTED = tuple("{*}" + name for name in _NAMES)
_WANTED_OPEN_DOCUMENT = (*_WANTED, "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}*")


def read(
    blob: Blob,
    limits: Limits,
    carrier: str,
    main: str,
    wanted: Callable[[str], bool],
    embedded: Callable[[str], bool],
) -> Iterator[Text | Blob | Gap]:
    """Texts of all `wanted` parts and child blobs of all `embedded` ones.

    `main` is the part (or the beginning of the name of the parts) without which the archive is no
    document of this kind: then its members are given instead.
    """
    opened = archive.open_zip(blob, limits)
    if isinstance(opened, Gap):
        yield opened
        return
    with opened as file:
        names = [info.filename for info in file.infolist()[: limits.members]]
        if not any(name.startswith(main) for name in names):
            yield from archive.members(blob, limits)
            return
        for info in file.infolist()[: limits.members]:
            if wanted(info.filename):
                yield from _part(file, info, blob, limits, carrier, main)
            elif embedded(info.filename):
                data = archive.read_member(file, info, blob, limits)
                place = below(blob.place, "member", info.filename)
                yield data if isinstance(data, Gap) else _child(data, place, info.filename)
        yield from _images(file, blob)


def _child(data: bytes, place: Any, name: str) -> Blob:
    return Blob(data=data, place=place, name=name)


def _images(file: zipfile.ZipFile, blob: Blob) -> Iterator[Gap]:
    images = [i for i in file.infolist() if i.filename.lower().endswith(_IMAGE)]
    if images:
        size = sum(i.file_size for i in images)
        yield gap(Reason.IMAGE_ONLY, blob.place, "pictures", count=len(images), size=size)


def _part(
    file: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    blob: Blob,
    limits: Limits,
    carrier: str,
    main: str,
) -> Iterator[Text | Gap]:
    place = blob.place
    if info.filename != main:
        place = below(place, "page", info.filename)
    data = archive.read_member(file, info, blob, limits)
    if isinstance(data, Gap):
        yield data
        return
    root, gaps = xmltree.parse(data, place)
    yield from gaps
    if root is None:
        return
    words, tables = text_of(root)
    if words.strip():
        yield Text(words, TextKind.BODY, place, carrier=carrier)
    for table in tables:
        yield Text(table, TextKind.TABLE, place, carrier=carrier)


def text_of(root: Any) -> tuple[str, list[str]]:
    """The words of a part, and its tables with the header before every value."""
    walk = _Walk()
    tags = _WANTED_OPEN_DOCUMENT if "opendocument" in root.tag else _WANTED
    for event, element in etree.iterwalk(root, events=("start", "end"), tag=tags):
        name = xmltree.local_name(element)
        if event == "start":
            walk.start(name, element)
        else:
            walk.end(name, element)
    return walk.text, walk.tables


class _Walk:
    """Buffers of words (the document's, then one per open cell) and the rows of open tables."""

    def __init__(self) -> None:
        self.buffers: list[list[str]] = [[]]
        self.open: list[list[list[str]]] = []
        self.tables: list[str] = []

    @property
    def text(self) -> str:
        """All words outside of data tables."""
        return "".join(self.buffers[0])

    def start(self, name: str, element: Any) -> None:
        """An element opens."""
        if name in _CELLS:
            self.buffers.append([])
        elif name in _TABLES:
            self.open.append([])
        elif name in _ROWS and self.open:
            self.open[-1].append([])
        if name in _HOLDERS or _OPEN_DOCUMENT in element.tag:
            self.buffers[-1].append(element.text or "")

    def end(self, name: str, element: Any) -> None:
        """An element closes."""
        if name in _CELLS:
            self.cell(" ".join("".join(self.buffers.pop()).split()))
        elif name in _TABLES and self.open:
            self.table(self.open.pop())
        elif mark := _MARKS.get(name):
            self.buffers[-1].append(mark)
        parent = element.getparent()
        if element.tail and parent is not None and _OPEN_DOCUMENT in str(parent.tag):
            self.buffers[-1].append(element.tail)

    def cell(self, text: str) -> None:
        """A cell is complete."""
        if self.open and self.open[-1]:
            self.open[-1][-1].append(text)
        else:
            self.buffers[-1].append(text + "\t")

    def table(self, cells: list[list[str]]) -> None:
        """A table is complete: data with its headers, or mere layout that stays in the text."""
        if len(cells) > 1 and rows.header_row(cells) is not None:
            self.tables.append(rows.render(cells))
        else:
            lines = ["\t".join(filter(None, row)) for row in cells]
            self.buffers[-1].append("\n".join(lines) + "\n")
