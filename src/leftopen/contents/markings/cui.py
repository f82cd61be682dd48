"""Controlled Unclassified Information (CUI) and its predecessors (FOUO, SBU)"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from leftopen.contents.api import MarkingRule, Text
from leftopen.contents.banners import Layout, layout, prefix
from leftopen.model.finding import Confidence, Marking

_CATEGORY = r"(?:SP-)?[A-Z][A-Z0-9-]{1,24}"
_LIMIT = (
    r"(?:NOFORN|NF|FED ?ONLY|FEDCON|NOCON|DL ONLY|RELIDO|REL TO [A-Z, ]{3,80}|"
    r"DISPLAY ONLY [A-Z, ]{3,80}|ATTORNEY-CLIENT|AC|ATTORNEY-WP|AWP|DELIB(?:ERATIVE)?)"
)
_BANNER = re.compile(
    rf"(?:CUI|CONTROLLED)(?://{_CATEGORY}(?:/{_CATEGORY}){{0,9}})?(?://{_LIMIT}(?:/{_LIMIT}){{0,4}})?"
)
_LEGACY = re.compile(
    r"(?:UNCLASSIFIED//|U//)?(?:FOR OFFICIAL USE ONLY|FOUO|SENSITIVE BUT UNCLASSIFIED|SBU(?:-NF)?|"
    r"LIMITED OFFICIAL USE|LAW ENFORCEMENT SENSITIVE|LES)(?://[A-Z, -]{2,40})?"
)
_ALONE_TOO_WEAK = frozenset({"CONTROLLED", "LES", "SBU"})
_LABEL = re.compile(r"(?:classification|marking|handling)\s*:\s*", re.IGNORECASE)
_BLOCK = (
    re.compile(r"^[ \t>]*controlled by\s*:\s*\S", re.IGNORECASE | re.MULTILINE),
    re.compile(r"^[ \t>]*CUI categor(?:y|ies)(?:\(ies\))?\s*:\s*\S", re.IGNORECASE | re.MULTILINE),
    re.compile(
        r"^[ \t>]*(?:(?:limited )?(?:distribution|dissemination)(?:/dissemination)? controls?"
        r"(?: \(LDC\))?|LDC)\s*:\s*\S",
        re.IGNORECASE | re.MULTILINE,
    ),
    re.compile(r"^[ \t>]*POC\s*:\s*\S", re.IGNORECASE | re.MULTILINE),
)


def _judge(texts: Sequence[Text]) -> Iterator[Marking]:
    page = layout(texts)
    if page is not None and (found := list(_found(page))) and not page.exempt:
        yield from found


def _found(page: Layout) -> Iterator[Marking]:
    banners = [b for line in page.edges if (b := parse(line))]
    opening = parse(prefix(page.subject)) or ""
    portions = [p for p in page.portions if parse(p) or p in ("U//FOUO", "FOUO")]
    block = _block(page.body)
    if block:
        yield _marking(page, (*banners, "CUI")[0], Confidence.CERTAIN, "designation block")
    elif len(banners) >= 2:
        both = any(map(parse, page.first)) and any(map(parse, page.last))
        basis = "first and last line" if both else "banner lines"
        yield _marking(page, max(banners, key=len), Confidence.CERTAIN, basis)
    elif banners and (banners[0] not in _ALONE_TOO_WEAK or opening):
        sure = Confidence.CERTAIN if opening else Confidence.LIKELY
        yield _marking(page, banners[0], sure, "subject and banner" if opening else "banner line")
    elif len(page.portions) >= 3 and portions:
        yield _marking(page, portions[0], Confidence.LIKELY, "portion marks")
    elif opening and opening not in _ALONE_TOO_WEAK:
        yield _marking(page, opening, Confidence.LIKELY, "subject")


def parse(line: str) -> str | None:
    """The banner that a line consists of, or None. Upper case, whole line."""
    bare = _LABEL.sub("", line, count=1).strip()
    if _BANNER.fullmatch(bare) or _LEGACY.fullmatch(bare):
        return bare
    return None


def _block(body: str) -> bool:
    """At least two lines of the designation block, one of them of CUI's own."""
    folded = body.lower()
    if "controlled by" not in folded and "cui categor" not in folded:
        return False
    by, category, limits, contact = (len(line.findall(body)) for line in _BLOCK)
    own = min(by, 2) + bool(category)
    return own >= 1 and own + bool(limits) + bool(contact) >= 2 and (category > 0 or by > 0)


def _marking(page: Layout, banner: str, sure: Confidence, basis: str) -> Marking:
    return Marking(
        system="cui", banner=banner, level="CUI", confidence=sure, place=page.place, basis=basis
    )


MARKING = MarkingRule(
    name="cui",
    judge=_judge,
    examples=(
        "CUI\n\nThe roster is attached.\n\nCUI",
        "CUI//SP-PRVCY\nPersonnel list",
        "CONTROLLED//SP-CTI/PRVCY//FEDCON\nDrawing 4\nCONTROLLED//SP-CTI/PRVCY//FEDCON",
        "Memo\n\nControlled by: Department of the Navy\nControlled by: N6\nCUI Category: PRVCY\n"
        "Distribution/Dissemination Control: FEDCON\nPOC: J. Doe",
        "(CUI) The roster.\n(U) The weather.\n(CUI) The rest.",
        "UNCLASSIFIED//FOR OFFICIAL USE ONLY\nSchedule",
        "FOR OFFICIAL USE ONLY\n\nSchedule",
    ),
    counterexamples=(
        "Annual CUI training is due. Complete CUI//SP-PRVCY marking by Friday.",
        "The concept unique identifier (CUI) is a UMLS key.",
        "CUI: RO1234567\nTotal: 12.00",
        "POC: J. Doe\nDistribution: all hands",
        "Fire CONTROLLED by the crew.\nCONTROLLED\nby whom?",
        "LES\nLeave and Earnings Statement",
    ),
    source="32 CFR 2002.20; NARA CUI registry; DoDI 5200.48",
)
