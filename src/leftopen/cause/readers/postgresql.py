"""PostgreSQL: pg_hba.conf and postgresql.conf of one folder

Grammar: PostgreSQL manual, 21.1 (pg_hba.conf) and 20.1.2 (postgresql.conf).
"""

from __future__ import annotations

import os
import re

from leftopen.cause.api import Directive, Document, Files, Reader
from leftopen.cause.files import Reading
from leftopen.cause.lines import Line, lines, unquote
from leftopen.model.gap import Gap

HOME = "/etc/postgresql"
HBA, SETTINGS, OVERRIDES = "pg_hba.conf", "postgresql.conf", "postgresql.auto.conf"
_FIELD = re.compile(r'\s*+((?:"[^"]*+"|[^\s"#,]|,\s*+)++)')
_SETTING = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(?:=|\s)\s*('(?:[^']|'')*'|[^\s#']+)?")
_INCLUDES = ("include", "include_if_exists", "include_dir")


def is_hba(path: str, text: str) -> bool:
    """Is this a pg_hba.conf? By its name, else by its first line."""
    if "hba" in os.path.basename(path):
        return True
    return bool(re.search(r"(?m)^\s*(?:local|host\w*)\s+\S+\s+\S+\s+\S+", text[:65_536]))


def _fields(text: str) -> tuple[str, ...]:
    """The columns of a line; quotes stay, since a quoted keyword is an ordinary name."""
    fields, at = [], 0
    while found := _FIELD.match(text, at):
        fields.append(re.sub(r",\s+", ",", found[1]).strip())
        at = found.end()
    return tuple(fields)


def _parse(reading: Reading, path: str, stack: tuple[str, ...], hba: bool) -> list[Directive]:
    source = reading.open(path, stack)
    made: list[Directive] = []
    for line in lines(source.text, continued=hba) if source else ():
        if reading.full():
            break
        words = _fields(line.text) if hba else _setting(line.text)
        if not words:
            continue
        name = words[0].lower()
        place = (name, words[1:], path, line.number, line.start, line.end)
        unread = False
        if name in _INCLUDES and len(words) > 1:
            more, unread = _include(reading, name, unquote(words[1]), (path, line), stack, hba)
            made += more
        made.append(Directive(*place, included=bool(stack), unread=unread))
    return made


def _setting(text: str) -> tuple[str, ...]:
    found = _SETTING.match(text)
    if not found:
        return ()
    return (found[1], unquote(found[2] or "").replace("''", "'"))


def _include(
    reading: Reading,
    name: str,
    target: str,
    place: tuple[str, Line],
    stack: tuple[str, ...],
    hba: bool,
) -> tuple[list[Directive], bool]:
    pattern = f"{target.rstrip('/')}/*.conf" if name == "include_dir" else target
    found = reading.find(pattern, place[0], "")
    deeper = (*stack, place[0])
    return [d for path in found or () for d in _parse(reading, path, deeper, hba)], found is None


def _block(reading: Reading, path: str, hba: bool) -> Directive:
    name = "pg_hba" if hba else "postgresql"
    return Directive(
        *(name, (), path, 1, 0, 0), inside=0, children=tuple(_parse(reading, path, (), hba))
    )


def read(files: Files, main: str) -> Document:
    """Read the pair of files; top directives are the blocks `pg_hba` and `postgresql`."""
    reading = Reading(files, main)
    source = files.load(main)
    blocks = [_block(reading, main, not isinstance(source, Gap) and is_hba(main, source.text))]
    for name in (HBA, SETTINGS, OVERRIDES):
        path = os.path.join(os.path.dirname(main), name)
        wanted = name == HBA and blocks[0].name == "postgresql"
        wanted |= name == SETTINGS and blocks[0].name == "pg_hba"
        if (wanted or name == OVERRIDES) and not isinstance(files.load(path), Gap):
            blocks.append(_block(reading, path, name == HBA))
    return reading.document(blocks)


READER = Reader("postgresql", read)
