"""Writes the reports of an investigation, each whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from leftopen.brief.registry import formats
from leftopen.model.case import Investigation


def write_reports(investigation: Investigation, folder: Path) -> dict[str, Path]:
    """Every output format into `folder`; where each one is, by the format's name."""
    written = {}
    for form in formats().values():
        path = folder / form.file_name
        part = path.with_name(f".{path.name}.part")
        part.write_text(form.render(investigation), "utf-8")
        os.chmod(part, 0o600)
        part.replace(path)
        written[form.name] = path
    return written
