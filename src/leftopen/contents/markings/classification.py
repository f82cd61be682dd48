"""US classification markings (CAPCO): banners, portion marks, authority block"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from leftopen.contents.api import MarkingRule, Text
from leftopen.contents.banners import Layout, layout, prefix
from leftopen.model.finding import Confidence, Marking

LEVELS = ("UNCLASSIFIED", "CONFIDENTIAL", "SECRET", "TOP SECRET")
_SHORT = {"U": "UNCLASSIFIED", "C": "CONFIDENTIAL", "S": "SECRET", "TS": "TOP SECRET"}
_COMPARTMENT = r"(?:-[A-Z0-9]{1,8}(?: [A-Z0-9]{1,8}){0,4}){0,6}"
_COUNTRIES = r"[A-Z]{3,4}(?:(?:, ?| )[A-Z]{3,4}){0,30}"
_CONTROL = re.compile(
    "|".join(
        (
            rf"(?:SI|TK|HCS|KDK|KLM|RSV|BUR|MVL|G|COMINT){_COMPARTMENT}",
            r"(?:SAR|SPECIAL ACCESS REQUIRED)-[A-Z0-9 -]{2,40}|ACCM-[A-Z0-9 -]{2,40}",
            r"(?:(?:FORMERLY )?RESTRICTED DATA|F?RD)(?:-CNWDI|-N|-SIGMA[ 0-9]+|-SG[ 0-9]+)?",
            r"CNWDI|DOD UCNI|DOE UCNI|UCNI|DCNI|TFNI|NNPI|NATO|ATOMAL|BOHEMIA|BALK",
            rf"FGI(?: {_COUNTRIES})?|(?:REL TO|REL|DISPLAY ONLY|EYES ONLY) {_COUNTRIES}|REL",
            r"NOFORN|NF|ORCON(?:-USGOV)?|OC(?:-USGOV)?|IMCON|IMC|PROPIN|PR|RELIDO|RSEN|RS",
            r"DEA SENSITIVE|DSEN|FISA|RAWFISA|LIMDIS|DS|EXDIS|XD|NODIS|ND|EYES ONLY",
            r"(?:SBU|LES)(?:[ -](?:NF|NOFORN))?|SSI|FOUO|FOR OFFICIAL USE ONLY|(?:1[0-9]|[1-9])X",
        )
    )
)
_FOREIGN = re.compile(
    r"//(?:COSMIC TOP SECRET|NATO (?:SECRET|CONFIDENTIAL|RESTRICTED)|"
    r"JOINT (?:TOP SECRET|SECRET|CONFIDENTIAL) [A-Z]{3}(?: [A-Z]{3}){1,12}|"
    r"[A-Z]{3} (?:TOP SECRET|SECRET|CONFIDENTIAL))(?://.{2,80})?"
)
_LABEL = re.compile(r"(?:overall )?classification\s*:\s*", re.IGNORECASE)
_STATED = re.compile(r"\b[Cc]lass\w*\s*:\s*(TOP SECRET|SECRET|CONFIDENTIAL)\b")
_AUTHORITY = (
    re.compile(r"^[ \t>]*(?:classified by|(?:un)?class)\s*:?\s*\S", re.IGNORECASE | re.MULTILINE),
    re.compile(r"^[ \t>]*derived from\s*:\s*\S", re.IGNORECASE | re.MULTILINE),
    re.compile(r"\bReason\s*:\s*1\.4 ?\([a-h]\)", re.IGNORECASE),
    re.compile(
        r"declassify on\s*:\s*(?:\d{8}|\d{1,2}/\d{1,2}/\d{2,4}|25X[1-9]|50X|75X|OADR|MR|X[1-8]|\S)",
        re.IGNORECASE,
    ),
)


def _judge(texts: Sequence[Text]) -> Iterator[Marking]:
    page = layout(texts)
    if page is not None and (found := list(_found(page))) and not page.exempt:
        yield from found


def _found(page: Layout) -> Iterator[Marking]:
    banners = [line for line in map(_unlabelled, page.edges) if level_of(line)]
    full = [line for line in banners if "//" in line]
    if len(set(full)) >= 4:
        return  # one document has one banner; many different ones teach how to mark
    portions = _portions(page)
    opening = prefix(page.subject)
    marked = [*full, *(p for p in portions if level_of(p, short=True))]
    level = max((level_of(m, short=True) for m in (*marked, *banners)), key=_rank, default="")
    if _authority(page.body):
        banner = (*full, *banners, "authority block")[0]
        stated = _STATED.search(page.body)
        level = level or (stated[1] if stated else "CONFIDENTIAL")  # the least that it can be
        yield _marking(page, banner, level, Confidence.CERTAIN, "authority block")
    elif _rank(level) < 1 and not level_of(opening, short=True):
        return  # unclassified is no spill; UNCLASSIFIED//FOUO is the business of `cui`
    elif full:
        twice = len(full) >= 2 or bool(level_of(opening, short=True))
        basis = "first and last line" if twice else "banner line"
        sure = Confidence.CERTAIN if twice else Confidence.LIKELY
        yield _marking(page, full[0], level_of(full[0]), sure, basis)
    elif portions:
        yield _marking(page, f"({portions[0]})", level, Confidence.LIKELY, "portion marks")
    else:
        yield from _weak(page, banners, opening)


def _weak(page: Layout, banners: list[str], opening: str) -> Iterator[Marking]:
    """Bare level words at both ends, or a subject prefix with controls."""
    ends = set(map(_unlabelled, page.first)) & set(map(_unlabelled, page.last))
    bare = next((word for word in ("TOP SECRET", "SECRET") if word in ends), "")
    labelled = {line for line in page.edges if _LABEL.match(line)}
    if bare or (banners and labelled and _rank(level_of(banners[0])) >= 1):
        word = bare or banners[0]
        yield _marking(page, word, level_of(word), Confidence.LIKELY, "first and last line")
    elif "//" in opening and _rank(level_of(opening, short=True)) >= 1:
        level = level_of(opening, short=True)
        yield _marking(page, opening, level, Confidence.LIKELY, "subject")


def level_of(marking: str, *, short: bool = False) -> str:
    """The level of a banner (or, `short`, of a portion mark too); "" where it is none.

    Every category behind the level must be one that the registers know.
    """
    if _FOREIGN.fullmatch(marking):
        return next(level for level in reversed(LEVELS) if level in f"{marking} CONFIDENTIAL")
    head, *categories = marking.split("//")
    level = head if head in LEVELS else _SHORT.get(head, "") if short else ""
    known = all(
        _CONTROL.fullmatch(entry.strip()) for part in categories for entry in part.split("/")
    )
    return level if level and known else ""


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else -1


def _unlabelled(line: str) -> str:
    return _LABEL.sub("", line, count=1).strip()


def _portions(page: Layout) -> list[str]:
    """Portion marks when there are three or more of two levels (or with controls), worst first."""
    marks = [p for p in page.portions if level_of(p, short=True)]
    lettered = any(len(p) == 1 and p not in _SHORT for p in page.portions)  # (A), (B), (C) ...
    levels = {level_of(p, short=True) for p in marks}
    controlled = any("//" in p for p in marks)
    if len(marks) < 3 or lettered or (len(levels) < 2 and not controlled):
        return []
    return sorted(marks, key=lambda p: -_rank(level_of(p, short=True)))


def _authority(body: str) -> bool:
    folded = body.lower()
    if not any(word in folded for word in ("classified by", "derived from", "declassify on")):
        return False
    return sum(bool(line.search(body)) for line in _AUTHORITY) >= 2


def _marking(page: Layout, banner: str, level: str, sure: Confidence, basis: str) -> Marking:
    return Marking(
        system="classification",
        banner=banner,
        level=level,
        confidence=sure,
        place=page.place,
        basis=basis,
    )


MARKING = MarkingRule(
    name="classification",
    judge=_judge,
    examples=(
        "SECRET//NOFORN\n\n(S//NF) The convoy.\n\nSECRET//NOFORN",
        "TOP SECRET//SI-G ABCD/TK//ORCON/NOFORN\nbody",
        "CLASSIFICATION: SECRET\nbody\nCLASSIFICATION: SECRET",
        "(S) The convoy.\n(U) The weather.\n(C//REL TO USA, GBR) The port.",
        "Memo\nClassified By: J. Doe\nDerived From: SCG 12\nDeclassify On: 20480101",
        "//NATO SECRET\nbody\n//NATO SECRET",
        "SECRET//REL TO USA, AUS, GBR\nbody",
    ),
    counterexamples=(
        "Clearance: SECRET\nSecurity clearance: Top Secret",
        "This mail is CONFIDENTIAL and privileged.\nCONFIDENTIAL",
        "The secret is SECRET//NOFORN in a sentence of text.",
        "UNCLASSIFIED U.S. Department of State Case No. F-2014-20439\nSECRET//NOFORN\nSECRET",
        "UNCLASSIFIED\nbody\nUNCLASSIFIED",
        "Marking classified e-mail, a notional example:\nSECRET//NOFORN\nSECRET//NOFORN",
        "(A) one\n(B) two\n(C) three\n(S) four\n(U) five",
        "(C) 2002 Example Inc.\n(C) 2003 Example Inc.\n(C) 2004 Example Inc.",
        "SECRET//SAUCE\nof the house",
    ),
    source="32 CFR 2001.20-26; CAPCO register and manual (2016); DoDM 5200.01 volume 2",
)
