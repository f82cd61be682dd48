"""The library of earlier cases: pages that are read in, the bundled ones, and our own cases."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources

from leftopen.case.facets import facets_of, facets_of_text, values_of
from leftopen.model.case import Case, EarlierCase, Signal
from leftopen.model.errors import UsageError
from leftopen.model.record import from_json
from leftopen.model.redact import safe

PAGE_CHARS = 1_000_000
_LINE_CHARS = 20_000
_ITEMS = 100  # keywords, themes, signals, closest
_CELL_CHARS = 500
_SUMMARY_CHARS = 10_000
_SECTIONS = ("summary", "keywords", "themes", "signals", "closest")
_COLUMNS = ("signal", "change", "10y horizon", "driving force")

# All anchored and without nested repetition, so that no line costs more than its length.
_LINK = re.compile(r"\[((?:[^\]\\]|\\.)*)\]\(([^()\s]{0,500})\)")
_RULE_ROW = re.compile(r"(?:\| *:?-+:? *)+\|?")
_SAFE_LINK = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+|[A-Za-z0-9._~/?#@!$&'*+,;=%-]+")
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


@cache
def bundled() -> tuple[EarlierCase, ...]:
    """The earlier public cases that come with Leftopen: facts and a sentence of our own each."""
    data = resources.files("leftopen.case").joinpath("data", "earlier_cases.json").read_bytes()
    return from_json(data, tuple[EarlierCase, ...])


def page_of(case: Case, date: str = "") -> EarlierCase:
    """One of our own cases as a page of the library, with its exact facets. `date` is ISO."""
    facets = facets_of(case)
    found = case.contents.findings if case.contents else ()
    words = [value for _, value in values_of(facets)]
    words += [case.exposure.product, *(f.title for f in found[:5])]
    return EarlierCase(
        uid=case.uid,
        title=case.title,
        date=date,
        summary=case.contents.summary if case.contents else "",
        keywords=tuple(dict.fromkeys(w for w in words if w)),
        themes=tuple(_themes(case)),
        signals=case.signals,
        closest=tuple(s.uid for s in case.similar),
        facets=facets,
    )


def _themes(case: Case) -> Iterator[str]:
    yield "data exposure"
    yield "access control"
    if case.contents and case.contents.people.upper:
        yield "personal data"
    if case.trace is None or case.trace.coverage.any < 1:
        yield "logging"
    if case.causes:
        yield "configuration"


def read_page(text: str, name: str) -> EarlierCase:
    """Read one Markdown page of the brief's form.

    The page needs a title (`# ...`) and at least one of the sections Summary, Keywords, Themes,
    Signals, Closest; what else is missing or broken stays empty. Its text is somebody else's: it
    is masked, escaped and cut as by `redact.safe`. `name` is the file's name, for complaints.

    Raises:
        UsageError: in one line with file:line, what the page lacks.
    """
    pages = read_pages(text, name)
    if len(pages) > 1:
        raise UsageError(f"{name}:1: holds {len(pages)} pages; one was expected")
    return pages[0]


def read_pages(text: str, name: str) -> tuple[EarlierCase, ...]:
    """Read a file of one or more pages; each `# ` line begins one.

    Raises:
        UsageError: the file is too long, holds no page, or one of them lacks what it needs.
    """
    if len(text) > PAGE_CHARS:
        raise UsageError(f"{name}:1: longer than {PAGE_CHARS:,} characters; not a page")
    lines = [line[:_LINE_CHARS] for line in text.removeprefix("\ufeff").splitlines()]
    starts = [n for n, line in enumerate(lines) if line.startswith("# ")]
    if not starts:
        raise UsageError(f"{name}:1: no title; a page begins with a line `# Title`")
    ends = [*starts[1:], len(lines)]
    return tuple(
        _page(lines[start:end], name, start + 1) for start, end in zip(starts, ends, strict=True)
    )


def _page(lines: list[str], name: str, number: int) -> EarlierCase:
    title, label, link = _title(lines[0])
    if not title:
        raise UsageError(f"{name}:{number}: the title is empty")
    head, sections = _sections(lines[1:])
    if not sections:
        wanted = ", ".join(s.capitalize() for s in _SECTIONS)
        raise UsageError(f"{name}:{number}: no section; expected at least one of {wanted}")
    outside = (to for _, to in map(_link, head) if to.startswith("http"))
    source = next(outside, link)
    summary = _plain(" ".join(sections.get("summary", [])), _SUMMARY_CHARS)
    keywords = _bullets(sections.get("keywords", []))
    said = " ".join((title, summary, *keywords))
    return EarlierCase(
        uid=hashlib.sha256(f"{link} {source} {title}".encode("utf-8", "replace")).hexdigest()[:32],
        title=title,
        source=source,
        date=_date(label),
        summary=summary,
        keywords=keywords,
        themes=_bullets(sections.get("themes", [])),
        signals=tuple(_signals(sections.get("signals", []))),
        closest=tuple(_links(sections.get("closest", []))),
        facets=facets_of_text(said),
    )


def _title(line: str) -> tuple[str, str, str]:
    """`# __Title__, from ([label](link).)` as title, label and link."""
    text, found, origin = line[2:].strip().rpartition(", from ([")
    if not found:
        text, origin = line[2:].strip(), ""
    label, link = _link("[" + origin)
    for mark in ("__", "**"):
        if len(text) > 4 and text.startswith(mark) and text.endswith(mark):
            text = text[2:-2]
    return _plain(text), label, link


def _sections(lines: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The lines above the first section, and the lines of each known one."""
    head: list[str] = []
    found: dict[str, list[str]] = {}
    at: list[str] = head
    for line in lines:
        if line.startswith("## "):
            name = line[3:].strip().strip("_*:").lower()
            at = found.setdefault(name, []) if name in _SECTIONS else []
        elif line.strip() and line.strip() != "---":
            at.append(line.strip())
    return head, found


def _bullets(lines: list[str]) -> tuple[str, ...]:
    items = (line[2:] for line in lines if line.startswith(("* ", "- ")))
    return tuple(text for item in items if (text := _plain(item)))[:_ITEMS]


def _links(lines: list[str]) -> Iterator[str]:
    for line in lines[:_ITEMS]:
        if line.startswith(("* ", "- ")):
            text, link = _link(line[2:].strip())
            if said := link or _plain(text or line[2:]):
                yield said


def _link(text: str) -> tuple[str, str]:
    """Raw text and target of the link that `text` begins with; a target not to be shown is ""."""
    found = _LINK.match(text.strip("_* "))
    if not found:
        return "", ""
    return found[1], found[2] if _SAFE_LINK.fullmatch(found[2]) else ""


def _signals(lines: list[str]) -> Iterator[Signal]:
    """The rows of the table; columns by their names in its first row, else by place."""
    table = [line for line in lines if line.startswith("|")][: _ITEMS + 2]
    rows = [_cells(x) for n, x in enumerate(table) if n > 1 or not _RULE_ROW.fullmatch(x)]
    names = [cell.lower() for cell in rows[0]] if rows else []
    if any(column in names for column in _COLUMNS):
        rows = rows[1:]
        places = [names.index(c) if c in names else -1 for c in _COLUMNS]
    else:
        places = list(range(len(_COLUMNS)))
    for row in rows:
        cells = [row[p] if 0 <= p < len(row) else "" for p in places]
        if any(cells):
            signal, change, horizon, force = cells
            yield Signal(signal=signal, change=change, horizon=horizon, driving_force=force)


def _cells(line: str) -> list[str]:
    """The cells of a table row; `\\|` is a pipe inside one."""
    cells, cell, escaped = [], "", False
    for c in line.strip().removeprefix("|"):
        if c == "|" and not escaped:
            cells.append(cell)
            cell = ""
        else:
            cell += c
        escaped = c == "\\" and not escaped
    if cell.strip():
        cells.append(cell)
    return [_plain(c) for c in cells]


def _plain(text: str, limit: int = _CELL_CHARS) -> str:
    """Markdown's escapes taken back, then made safe."""
    return safe(html.unescape(_ESCAPED.sub(r"\1", text.strip()[: 4 * limit])), limit).strip()


def _date(label: str) -> str:
    found = _DAY.fullmatch(label.strip())
    return "-".join(found.groups()) if found else ""
