"""The text format of metrics, as exporters answer it (Prometheus 0.0.4, OpenMetrics 1.0).

https://prometheus.io/docs/instrumenting/exposition_formats/ : a line is a comment, or a name, maybe
labels in braces, a value and maybe a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_LINE: Final = 16_384
OWN: Final = ("go_", "process_", "promhttp_", "python_", "jvm_", "vm_", "flag", "up")
_SAMPLE: Final = re.compile(
    r"""([a-zA-Z_:][a-zA-Z0-9_:]{0,255})      # a name
        (\{(?:[^"\\{}]|"(?:[^"\\]|\\.)*+")*+\})?+  # labels: text in quotes may hold anything
        [ \t]+([-+]?(?:[0-9][0-9.eE+-]{0,40}|Inf|NaN))
        (?:[ \t]+-?[0-9.eE+]{1,40})?[ \t]*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a page of metrics holds."""

    samples: int
    names: tuple[str, ...]  # each once, in their order
    labelled: int  # samples with labels


def read(text: bytes, *, complete: bool = True) -> Metrics | None:
    """The metrics of a page; None where one of its lines is neither a comment nor a sample.

    The last line of a page that was cut is left out.
    """
    lines = text.decode("utf-8", "replace").split("\n")
    names, samples, labelled = dict[str, None](), 0, 0
    for line in lines if complete else lines[:-1]:
        line = line.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        found = _SAMPLE.fullmatch(line) if len(line) <= MAX_LINE else None
        if found is None:
            return None
        names[found.group(1)] = None
        samples += 1
        labelled += found.group(2) is not None
    return Metrics(samples, tuple(names), labelled) if samples else None
