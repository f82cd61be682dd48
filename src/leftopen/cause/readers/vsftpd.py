"""vsftpd: name=value, one a line, no sections

Grammar: vsftpd.conf(5), FORMAT; parseconf.c.
"""

from __future__ import annotations

from leftopen.cause.api import Directive, Document, Files, Reader
from leftopen.cause.files import Reading
from leftopen.cause.lines import lines
from leftopen.model.gap import Reason


def read(files: Files, main: str) -> Document:
    """Read one file; the syntax has no includes."""
    reading = Reading(files, main)
    source = reading.open(main, ())
    made: list[Directive] = []
    for line in lines(source.text) if source else ():
        text = line.text.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            place = f"{main}:{line.number}"
            reading.refuse(Reason.CORRUPT, place, "no = in this line; vsftpd would not start")
            continue
        if reading.full():
            break
        # vsftpd takes no space around "="; the meaning is read all the same.
        place_of = (main, line.number, line.start, line.end)
        made.append(Directive(name.strip(), (value.strip(),), *place_of))
    return reading.document(made)


READER = Reader("vsftpd", read)
