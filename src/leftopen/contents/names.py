"""Names of people as rosters, forms and mail write them, normalised for comparing."""

from __future__ import annotations

import re
import unicodedata

_TITLE_WORDS = (
    "mr mrs ms miss dr prof sir gen lt ltc ltg col maj cpt capt sgt ssg sfc msg cpl pvt pfc spc "
    "adm radm cdr lcdr ens po cpo gs civ ctr usa usn usaf usmc uscg us jr sr ii iii iv vi "
    "vii viii ix esq phd md ret"
)
_TITLES = frozenset(_TITLE_WORDS.split())
_LABEL_WORDS = (
    "ssn ssan dob number social security date birth name phone tel order invoice account passport "
    "card visa id edipi the and for my his her your is no subject dear from to re fw attn"
)
_NOT_NAMES = frozenset(_LABEL_WORDS.split())
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_BEFORE_VALUE = re.compile(
    r"((?:[A-Z][\w'’-]+,[ ]?[A-Z][\w'’-]*(?: [A-Z]\.?)?)"
    r"|(?:[A-Z][\w'’-]+(?: [A-Z]\.)? [A-Z][\w'’-]+))"
    r"[,;:\s(|–-]*$"
)
_HEADER = re.compile(
    r"(?:full |member |employee |applicant |patient |student |soldier |sailor |person )?name"
    r"(?: ?\(.*\))?",
    re.IGNORECASE,
)
_FIRST = re.compile(r"(?:first|given|fore) ?name|fname|first", re.IGNORECASE)
_LAST = re.compile(r"(?:last|family|sur) ?name|lname|surname|last", re.IGNORECASE)


def normalise(name: str) -> str:
    """`SMITH, John A. Jr` and `John Smith` both become `john smith`; "" where it is no name."""
    plain = unicodedata.normalize("NFKD", name[:200])
    plain = "".join(c for c in plain if not unicodedata.combining(c)).casefold()
    family, comma, given = plain.partition(",")
    words = [w for w in _WORD.findall(plain) if w not in _TITLES]
    if any(w in _NOT_NAMES for w in words):
        return ""
    if comma and _words(given) and _words(family):
        return f"{_words(given)[0]} {' '.join(_words(family))}"
    return f"{words[0]} {words[-1]}" if len(words) >= 2 else ""


def surname(normal: str) -> str:
    """The family name of a normalised name."""
    return normal.partition(" ")[2]


def before_value(text: str) -> str:
    """The normalised name that ends just where a value starts: `Smith, John A 212-...`."""
    found = _BEFORE_VALUE.search(text[-60:])
    return normalise(found[1]) if found else ""


def certificate(common_name: str) -> str:
    """The normalised name of a CAC's common name: `DOE.JANE.Q.1098765432`."""
    parts = common_name.split(".")
    return normalise(f"{parts[0]}, {parts[1]}") if len(parts) >= 3 else ""


def in_row(cells: dict[str, str]) -> str:
    """The normalised name in a row, by its column headers; "" where there is none."""
    labels = {" ".join(re.split(r"[\s_]+", k.rpartition(".")[2])): v for k, v in cells.items()}
    first = next((v for k, v in labels.items() if _FIRST.fullmatch(k)), "")
    last = next((v for k, v in labels.items() if _LAST.fullmatch(k)), "")
    if first and last:
        return normalise(f"{last}, {first}")
    return next((normalise(v) for k, v in labels.items() if _HEADER.fullmatch(k)), "")


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if word not in _TITLES]
