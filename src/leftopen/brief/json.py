"""JSON: the whole investigation, canonical and versioned, for other programs.

The same investigation gives the same bytes. `format` names the version of the shape; its JSON
Schema is published beside this module as `case.schema.json`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from leftopen.brief.api import OutputFormat
from leftopen.model.case import CASE_FORMAT, Investigation
from leftopen.model.record import from_json, to_json

SCHEMA_FILE = "case.schema.json"


def render(investigation: Investigation) -> str:
    """The investigation as indented JSON with a final newline.

    It is read back once in between, so that one that came through the store and one that did not
    give the same bytes (a whole number in a field for fractions is written as one).
    """
    canonical = to_json(read(to_json(investigation)))
    return msgspec.json.format(canonical, indent=2).decode() + "\n"


def read(text: str | bytes) -> Investigation:
    """The investigation that `render` wrote.

    Raises:
        msgspec.DecodeError: it is not JSON, or not of this version's shape.
    """
    return from_json(text, Investigation)


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `render` writes."""
    made = msgspec.json.schema(Investigation)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Leftopen investigation, {CASE_FORMAT}",
        **made,
    }


def schema_text() -> str:
    """The text of `case.schema.json`: write it there whenever a record changes."""
    plain = msgspec.json.encode(schema(), order="deterministic")
    return msgspec.json.format(plain, indent=2).decode() + "\n"


JSON = OutputFormat(name="json", file_name="case.json", render=render)
