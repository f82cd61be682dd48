"""What an SQL statement gives the client that sends it, as far as its text says.

For the logs of database servers, which write statements and neither rows nor bytes. Where the text
leaves a choice, the act is the higher one: a statement is never held for less than it may have
been. That it succeeded is for the log to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from leftopen.trace.api import Act

TEXT_MAX = 65_536  # characters of one statement that are looked at
NAME_MAX = 253
# Of a comment that MySQL runs ("/*!40001 SQL_NO_CACHE */"), the mark.
_RUN = re.compile(r"M?!\d{0,6}")
_LITERAL = re.compile(r"'[^']*+'")
_LEADING = re.compile(r"(?:\s++|\(|--[^\n]*+(?:\n|$)|#[^\n]*+(?:\n|$))*+")
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)
_NAME = r"(?:[\w$]{1,128}|\"[^\"]{1,128}\"|`[^`]{1,128}`)"
_TABLE = rf"{_NAME}(?:\.{_NAME}){{0,2}}"
_FROM = re.compile(rf"\b(?:from|join)\s++(?:only\s++)?(?:lateral\s++)?({_TABLE})?", re.IGNORECASE)
_LIST = re.compile(r"\bfrom\b[^;]*?(?:\bwhere\b|\bgroup\b|\border\b|\blimit\b|;|$)", re.IGNORECASE)
_ENDS = re.compile(rf"\bfrom\s++{_TABLE}\s*+$", re.IGNORECASE)
_COPY = re.compile(rf"copy\s++({_TABLE})?.*?\bto\s++(?:stdout|program|E?'|$)", re.I | re.S)
_AFTER = re.compile(rf"\w++\s++({_TABLE})", re.IGNORECASE)
_CATALOGUE = re.compile(r"[\"`]?(?:information_schema|pg_catalog|performance_schema|pg_\w+)", re.I)
READS = ("select", "with", "values")
RUNS = ("execute", "fetch", "call", "handler")  # what they run stands elsewhere
LISTS = ("show", "describe", "desc")
QUIET = ("show variables", "show session", "show global", "show warnings", "show status")
CHANGES = ("insert", "update", "delete", "merge", "replace")


class Given(NamedTuple):
    """What a statement gave: the act, and the table where one is named."""

    act: Act
    table: str | None = None


@dataclass(slots=True)
class Text:
    """A text that comes line by line, kept up to TEXT_MAX."""

    parts: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, line: str) -> None:
        """One more line."""
        if self.size <= TEXT_MAX:
            self.parts.append(line[: TEXT_MAX + 1])
            self.size += len(line) + 1

    def __str__(self) -> str:
        return "\n".join(self.parts)


def given(sql: str) -> Given:
    """The most that any of the statements of a text gives."""
    cut = len(sql) > TEXT_MAX
    text = _without_comments(sql[:TEXT_MAX])
    # In MySQL a backslash escapes a quote, in PostgreSQL it does not: then nothing is taken out.
    bare = text if "\\" in text else _LITERAL.sub("''", text)
    found = [_one(part) for part in bare.split(";")[:100]]
    best = max(found, key=lambda g: g.act)
    return Given(Act.PART, best.table) if cut and best.act < Act.PART else best


def _without_comments(text: str) -> str:
    """The text without comments, but with what stands in those that MySQL runs."""
    kept, at = [], 0
    while (start := text.find("/*", at)) >= 0 and (end := text.find("*/", start + 2)) >= 0:
        mark = _RUN.match(text, start + 2)
        kept += [text[at:start], " ", text[mark.end() : end] if mark else "", " "]
        at = end + 2
    return "".join([*kept, text[at:]])


def _one(statement: str) -> Given:
    at = _LEADING.match(statement)
    body = statement[at.end() if at else 0 :].rstrip()
    word = _WORD.match(body)
    name = word[0].lower() if word else ""
    if name in READS:
        return _read(body)
    if name == "copy" and (copied := _COPY.match(body)):
        return Given(Act.WHOLE if copied[1] else Act.PART, copied[1])
    if name == "table":
        table = _AFTER.match(body)
        return Given(Act.WHOLE, table[1] if table else None)
    if name in RUNS or (name in CHANGES and re.search(r"\breturning\b", body, re.IGNORECASE)):
        return Given(Act.PART)
    if name in LISTS:
        quiet = " ".join(body.lower().split()[:2]) in QUIET or (name == "show" and " " not in body)
        return Given(Act.LOOKED if quiet else Act.LISTED)
    return Given(Act.LOOKED)


def _read(body: str) -> Given:
    names = [found[1] for found in _FROM.finditer(body)]
    if not names:
        return Given(Act.LOOKED)
    table = next((name for name in names if name), None)
    listed = _LIST.search(body)
    alone = listed is not None and "," not in listed[0]
    if alone and all(name and _CATALOGUE.match(name) for name in names):
        return Given(Act.LISTED)
    whole = re.match(r"select\s+(?:\*|sql_no_cache\b)", body, re.IGNORECASE) and _ENDS.search(body)
    return Given(Act.WHOLE if whole and len(names) == 1 else Act.PART, table)
