"""Rich Text Format: words, with cells and rows of tables kept apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.contents import charset
from leftopen.contents.api import Format, Limits, Text, TextKind
from leftopen.model.blob import Blob
from leftopen.model.gap import Gap

# Control word with its number and one space, hex byte, control symbol, braces, or a run of words.
_TOKEN = re.compile(r"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|([^\\{}]+)")
_MARKS = {
    "par": "\n",
    "line": "\n",
    "row": "\n",
    "sect": "\n",
    "page": "\n",
    "tab": "\t",
    "cell": "\t",
    "nestcell": "\t",
    "emdash": "\u2014",
    "endash": "\u2013",
}
_SYMBOLS = {"~": " ", "_": "-", "\\": "\\", "{": "{", "}": "}", "\n": "\n", "\r": "\n"}
# Groups that hold no words of the document (Word RTF 1.9.1: destinations).
_DESTINATIONS = (
    "fonttbl colortbl stylesheet info pict object objdata themedata colorschememapping datastore "
    "latentstyles listtable listoverridetable rsidtbl generator xmlnstbl mmathPr fldinst"
)
_SKIPPED = frozenset(_DESTINATIONS.split())


def _recognise(head: bytes, name: str) -> int:
    return 95 if head.lstrip()[:5] == b"{\\rtf" else 0


def _read(blob: Blob, limits: Limits) -> Iterator[Text | Blob | Gap]:
    words = _words(blob.data.decode("cp1252", "replace"))
    if words.strip():
        yield Text(words, TextKind.BODY, blob.place, carrier="rtf")


def _words(source: str) -> str:
    out: list[str] = []
    skipping: list[bool] = [False]  # one entry per open group
    unicode_skip = 0  # characters after \\u that stand in for it
    for word, number, byte, symbol, brace, run in _TOKEN.findall(source):
        if brace == "{":
            skipping.append(skipping[-1])
        elif brace == "}":
            if len(skipping) > 1:
                skipping.pop()
        elif symbol == "*" or word in _SKIPPED:
            skipping[-1] = True
        elif skipping[-1]:
            continue
        elif word == "u" and number:
            out.append(chr(int(number) % 0x10000))
            unicode_skip = 1
        elif byte:
            if not unicode_skip:
                out.append(charset.decode(bytes([int(byte, 16)]), "cp1252"))
            unicode_skip = 0
        elif run:
            text = run.replace("\r", "").replace("\n", "")
            out.append(text[unicode_skip:])
            unicode_skip = 0 if text else unicode_skip
        else:
            out.append(_MARKS.get(word, "") if word else _SYMBOLS.get(symbol, ""))
    # Surrogate pairs come as two \\u words.
    return "".join(out).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


RTF = Format(name="rtf", recognise=_recognise, read=_read)
