"""rsyncd.conf: global parameters, then modules in brackets

Grammar: rsyncd.conf(5), FILE FORMAT; params.c. Names ignore case and blanks.
"""

from __future__ import annotations

from dataclasses import replace

from leftopen.cause.api import Directive, Document, Files, Reader
from leftopen.cause.files import Reading
from leftopen.cause.lines import Line, lines
from leftopen.model.gap import Reason

HOME = "/etc"


def _parse(reading: Reading, path: str, stack: tuple[str, ...], made: list[Directive]) -> None:
    source = reading.open(path, stack)
    for line in lines(source.text, continued=True) if source else ():
        text = line.text.strip()
        if not text or text[0] in "#;":
            continue
        if reading.full():
            break
        if text[0] == "&":
            _include(reading, text, path, line, stack, made)
        elif text[0] == "[":
            name = " ".join(text[1:].partition("]")[0].split())
            block = Directive(
                *("module", (name,), path, line.number, line.start, line.end),
                inside=line.end,
                included=bool(stack),
            )
            made.append(block)
        else:
            _parameter(reading, text, path, line, stack, made)


def _parameter(
    reading: Reading,
    text: str,
    path: str,
    line: Line,
    stack: tuple[str, ...],
    made: list[Directive],
) -> None:
    name, equals, value = text.partition("=")
    if not equals:
        reading.refuse(Reason.CORRUPT, f"{path}:{line.number}", "no = in this line")
        return
    squeezed = "".join(name.split()).lower()
    place = (squeezed, (value.strip(),), path, line.number, line.start, line.end)
    made.append(Directive(*place, included=bool(stack)))


def _include(
    reading: Reading,
    text: str,
    path: str,
    line: Line,
    stack: tuple[str, ...],
    made: list[Directive],
) -> None:
    """`&include path` and `&merge path`: a file, or the *.conf (*.inc) files of a folder."""
    verb, _, target = text[1:].partition(" ")
    ending = "inc" if verb.lower() == "merge" else "conf"
    target = target.strip()
    found = reading.find(f"{target}/*.{ending}", path, HOME) if "." not in target[-6:] else None
    if found is None:
        found = reading.find(target, path, HOME)
    for name in found or ():
        _parse(reading, name, (*stack, path), made)
    place = ("include", (target,), path, line.number, line.start, line.end)
    made.append(Directive(*place, unread=found is None))


def _nested(flat: list[Directive]) -> list[Directive]:
    """Parameters moved into the module that they follow; [global] ends a module."""
    tops: list[Directive] = []
    inside: list[Directive] = []
    module: Directive | None = None
    for item in [*flat, Directive("module", ("global",), "", 0, 0, 0)]:
        if item.name != "module":
            (tops if module is None else inside).append(item)
            continue
        if module is not None:
            end = max([module.end, *(d.end for d in inside if d.file == module.file)])
            tops.append(replace(module, children=tuple(inside), end=end))
        module, inside = (None if item.args[0].lower() == "global" else item), []
    return tops


def read(files: Files, main: str) -> Document:
    """Read rsyncd.conf with all that it includes; modules are blocks named `module`."""
    reading = Reading(files, main)
    flat: list[Directive] = []
    _parse(reading, main, (), flat)
    return reading.document(_nested(flat))


READER = Reader("rsyncd", read)
