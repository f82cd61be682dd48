"""Redis: one directive a line, sdssplitargs quoting, include and aclfile

Grammar: loadServerConfigFromString in redis/src/config.c, ACLLoadFromFile in src/acl.c.
"""

from __future__ import annotations

import re

from leftopen.cause.api import Directive, Document, Files, Reader
from leftopen.cause.files import Reading
from leftopen.cause.lines import lines
from leftopen.model.gap import Reason

HOME = "/etc/redis"
_WORD = re.compile(
    r"""\s*+(?:"((?:[^"\\]|\\.)*+)"(?=\s|$)|'((?:[^'\\]|\\.)*+)'(?=\s|$)|([^\s"']++))"""
)


def _split(text: str) -> list[str] | None:
    """The words of a line, or None where its quotes do not balance."""
    words, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _WORD.match(text, at)
        if not found:
            return None
        words.append(next(g for g in found.groups() if g is not None))
        at = found.end()
    return words


def _parse(reading: Reading, path: str, stack: tuple[str, ...]) -> list[Directive]:
    source = reading.open(path, stack)
    made: list[Directive] = []
    for line in lines(source.text) if source else ():
        text = line.text.strip()
        if not text or text.startswith("#"):
            continue
        words = _split(text)
        if not words:
            reading.refuse(Reason.CORRUPT, f"{path}:{line.number}", "unbalanced quotes")
            continue
        if reading.full():
            break
        name, args = words[0].lower(), tuple(words[1:])
        place = (name, args, path, line.number, line.start, line.end)
        children, unread = _follow(reading, name, args, path, (*stack, path))
        if name == "include":
            made += children
            children = []
        made.append(
            Directive(*place, children=tuple(children), included=bool(stack), unread=unread)
        )
    return made


def _follow(
    reading: Reading, name: str, args: tuple[str, ...], path: str, stack: tuple[str, ...]
) -> tuple[list[Directive], bool]:
    """What an include or aclfile line brings in, and whether it could not be read."""
    if name not in ("include", "aclfile") or not args or not args[0]:
        return [], False
    found = reading.find(args[0], path, HOME)
    before = len(reading.gaps)
    children = [d for name in found or () for d in _parse(reading, name, stack)]
    return children, found is None or len(reading.gaps) > before


def read(files: Files, main: str) -> Document:
    """Read redis.conf with all that it includes; an aclfile's users are its children."""
    reading = Reading(files, main)
    return reading.document(_parse(reading, main, ()))


READER = Reader("redis", read)
