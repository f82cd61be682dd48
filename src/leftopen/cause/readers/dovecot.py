"""Dovecot: key = value and nested blocks, !include (2.3 and 2.4)

Grammar: https://doc.dovecot.org/2.3/configuration_manual/config_file/ and config-parser.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from leftopen.cause.api import Directive, Document, Files, Reader
from leftopen.cause.files import Reading
from leftopen.cause.lines import Line, lines, unquote
from leftopen.model.gap import Gap, Reason

HOME = "/etc/dovecot"
MAX_NESTING = 32
_COMMENT = re.compile(r"(?:^|\s)#[^\n]*$")
_SETTING = re.compile(r"([^\s={}]+)\s*=\s*(.*)", re.S)
_BLOCK = re.compile(r"([^\s={}]+)\s*(.*?)\s*\{$", re.S)


@dataclass(slots=True)
class _Block:
    """A block that is still open."""

    name: str
    args: tuple[str, ...]
    line: Line
    file: str
    children: list[Directive] = field(default_factory=list)


def _parse(reading: Reading, path: str, stack: tuple[str, ...]) -> list[Directive]:
    source = reading.open(path, stack)
    blocks = [_Block("", (), Line("", 1, 0, 0), path)]
    last = Line("", 1, 0, 0)
    for last in lines(source.text, continued=True) if source else ():
        text = _bare(last.text)
        if not text:
            continue
        if reading.full():
            break
        if text == "}":
            if len(blocks) == 1:
                reading.refuse(Reason.CORRUPT, f"{path}:{last.number}", "unexpected }")
                continue
            _close(blocks, last.end, stack)
        elif text.startswith("!include"):
            blocks[-1].children += _include(reading, text, path, last, stack)
        elif setting := _SETTING.fullmatch(text):
            place = (path, last.number, last.start, last.end)
            value = unquote(setting[2].strip())
            made = Directive(setting[1].lower(), (value,), *place, included=bool(stack))
            blocks[-1].children.append(made)
        elif block := _BLOCK.fullmatch(text):
            if len(blocks) > MAX_NESTING:
                reading.refuse(Reason.TOO_DEEP, f"{path}:{last.number}", "nested too deep")
                break
            args = tuple(unquote(a) for a in block[2].split())
            blocks.append(_Block(block[1].lower(), args, last, path))
        else:
            reading.refuse(Reason.UNPARSED, f"{path}:{last.number}", "neither setting nor block")
    while len(blocks) > 1:
        reading.refuse(Reason.CORRUPT, f"{path}:{blocks[-1].line.number}", "block is not closed")
        _close(blocks, last.end, stack)
    return blocks[0].children


def _bare(text: str) -> str:
    """The line without its comment and outer blanks; a quoted # is none."""
    text = text.strip()
    if "#" in text and not ('"' in text or "'" in text):
        return _COMMENT.sub("", text).strip()
    return "" if text.startswith("#") else text


def _close(blocks: list[_Block], end: int, stack: tuple[str, ...]) -> None:
    block = blocks.pop()
    made = Directive(
        *(block.name, block.args, block.file, block.line.number, block.line.start, end),
        inside=block.line.end,
        children=tuple(block.children),
        included=bool(stack),
    )
    blocks[-1].children.append(made)


def _include(
    reading: Reading, text: str, path: str, line: Line, stack: tuple[str, ...]
) -> list[Directive]:
    verb, _, pattern = text[1:].partition(" ")
    pattern = pattern.strip()
    home = HOME if pattern.startswith("/") else ""
    if (
        verb == "include_try"
        and not home
        and isinstance(reading.files.find(pattern, path, ""), Gap)
    ):
        return []  # it need not be there, and its folder was handed over
    found = reading.find(pattern, path, home)
    made = [d for name in found or () for d in _parse(reading, name, (*stack, path))]
    place = (verb, (pattern,), path, line.number, line.start, line.end)
    return [*made, Directive(*place, included=bool(stack), unread=found is None)]


def read(files: Files, main: str) -> Document:
    """Read dovecot.conf (or a part of it) with all that it includes."""
    reading = Reading(files, main)
    return reading.document(_parse(reading, main, ()))


READER = Reader("dovecot", read)
