"""Resolvers that answer as no honest one would; each is asked for a name of the scope file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count

Answers = Callable[[str, str, int], Iterable[str]]  # ours, the canary, how often asked before


@dataclass(frozen=True)
class Name:
    """One way to answer for a name."""

    name: str
    does: str
    answers: Answers
    reached: bool  # whether our own server is among what may be contacted


def _fails(ours: str, canary: str, before: int) -> Iterable[str]:
    raise OSError("SERVFAIL")


def _without_end(ours: str, canary: str, before: int) -> Iterator[str]:
    yield ours
    for n in count():
        yield f"127.50.{n >> 8 & 255}.{n & 255}"


DNS = (
    Name("rebind", "the canary from the second answer on",
         lambda o, c, n: [c] if n else [o], True),
    Name("alternate", "ours and the canary in turn, the canary first",
         lambda o, c, n: [o] if n % 2 else [c], False),
    Name("both", "both in one answer", lambda o, c, n: [c, o], True),
    Name("metadata", "the cloud's metadata address", lambda o, c, n: ["169.254.169.254"], False),
    Name("metadata behind ours", "ours, then the metadata address",
         lambda o, c, n: [o, "169.254.169.254"], True),
    Name("unspecified", "0.0.0.0, which leads to this machine",
         lambda o, c, n: ["0.0.0.0", "::"], False),
    Name("mapped canary", "the canary as an IPv4-mapped address",
         lambda o, c, n: [f"::ffff:{c}"], False),
    Name("mapped metadata", "metadata as an IPv4-mapped address",
         lambda o, c, n: ["::ffff:169.254.169.254", "::ffff:0.0.0.0"], False),
    Name("multicast", "an address of many", lambda o, c, n: ["224.0.0.1", "ff02::1"], False),
    Name("400 answers", "400 addresses, ours first",
         lambda o, c, n: [o, *(f"127.51.{i // 256}.{i % 256}" for i in range(399))], True),
    Name("without end", "addresses without end", _without_end, True),
    Name("no address", "a text that is no address", lambda o, c, n: ["not an address"], False),
    Name("no answer", "an empty answer", lambda o, c, n: [], False),
    Name("fails", "SERVFAIL", _fails, False),
    Name("public", "an address of somebody else", lambda o, c, n: ["198.51.100.7"], False),
)  # fmt: skip
LABELS = ("a" * 70 + ".test", "..", "xn--\udc80.test", "a\x00b.test", "-", "a." * 200 + "test")
