"""The plugin type of brief: an output format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from leftopen.model.case import Investigation


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One way to write an investigation. The module docstring's first line is its title.

    `render` is a pure function: the same investigation gives the same text, byte for byte. It
    escapes every text for its own medium and raises nothing on any investigation.
    """

    name: str  # the module's name and the word on the command line
    file_name: str  # what the file is called in a report folder
    render: Callable[[Investigation], str]
