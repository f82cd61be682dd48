"""JSON with the places of its values, so that a change can be shown as a diff."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

MAX_DEPTH = 64
_TOKEN = re.compile(
    r'[ \t\r\n]*+(?:(?P<text>"(?:[^"\\]|\\.)*+")|(?P<mark>[{}\[\]:,])|(?P<other>[^\s{}\[\]:,"]++))',
    re.S,
)


class Node(NamedTuple):
    """A value and the characters [start, end) that it takes."""

    value: Value
    start: int
    end: int


Value: TypeAlias = "Mapping[str, Node] | tuple[Node, ...] | str | int | float | bool | None"


def parse(text: str) -> Node:
    """The value of a JSON text.

    Raises:
        ValueError: the text is not JSON, or nests deeper than 64.
    """
    at = 1 if text[:1] == "\ufeff" else 0
    node, at = _value(text, at, 0)
    if text[at:].strip():
        raise ValueError(f"text behind the end, at character {at}")
    return node


def _next(text: str, at: int) -> re.Match[str]:
    token = _TOKEN.match(text, at)
    if token is None:
        raise ValueError(f"not JSON at character {at}")
    return token


def _value(text: str, at: int, depth: int) -> tuple[Node, int]:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deep")
    token = _next(text, at)
    if token["mark"] == "{":
        return _object(text, token, depth)
    if token["mark"] == "[":
        return _array(text, token, depth)
    if token["mark"]:
        raise ValueError(f"unexpected {token['mark']} at character {token.start('mark')}")
    kind = "text" if token["text"] else "other"
    value = _string(token["text"]) if token["text"] else _scalar(token["other"])
    return Node(value, token.start(kind), token.end()), token.end()


def _object(text: str, opened: re.Match[str], depth: int) -> tuple[Node, int]:
    found: dict[str, Node] = {}
    token = _next(text, opened.end())
    while token["mark"] != "}":
        if not token["text"] or _next(text, token.end())["mark"] != ":":
            raise ValueError(f"no name at character {token.start()}")
        name, at = _string(token["text"]), _next(text, token.end()).end()
        found[name], at = _value(text, at, depth + 1)
        token = _comma(text, at, "}")
    return Node(found, opened.start("mark"), token.end()), token.end()


def _array(text: str, opened: re.Match[str], depth: int) -> tuple[Node, int]:
    found: list[Node] = []
    token, at = _next(text, opened.end()), opened.end()
    while token["mark"] != "]":
        node, at = _value(text, at, depth + 1)
        found.append(node)
        token = _comma(text, at, "]")
        at = token.start() if token["mark"] != "]" else at
    return Node(tuple(found), opened.start("mark"), token.end()), token.end()


def _comma(text: str, at: int, end: str) -> re.Match[str]:
    """The token behind a comma, or the closing mark."""
    token = _next(text, at)
    if token["mark"] == end:
        return token
    if token["mark"] != ",":
        raise ValueError(f"no comma at character {token.start()}")
    token = _next(text, token.end())
    if token["mark"] == end:
        raise ValueError(f"comma in front of {end} at character {token.start()}")
    return token


def _string(quoted: str) -> str:
    if "\\" not in quoted:
        return quoted[1:-1]
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _unescape, quoted[1:-1], flags=re.S)


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] == "u" and len(code) == 5:
        return chr(int(code[1:], 16))
    return {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}.get(code, code)


def _scalar(text: str) -> int | float | bool | None:
    words: dict[str, bool | None] = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    if re.fullmatch(r"-?\d{1,30}", text):
        return int(text)
    if re.fullmatch(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text[:400]):
        return float(text[:400])
    raise ValueError(f"{text[:20]!r} is not a JSON value")


def member(node: Node | None, *names: str) -> Node | None:
    """The value behind a chain of names; names ignore case, as Azure's tools do."""
    for name in names:
        if node is None or not isinstance(node.value, Mapping):
            return None
        found = node.value.get(name)
        if found is None and name not in node.value:
            wanted = name.lower()
            found = next((v for k, v in node.value.items() if k.lower() == wanted), None)
        node = found
    return node


def items(node: Node | None) -> Sequence[Node]:
    """The elements of an array; nothing for any other value."""
    return node.value if node and isinstance(node.value, tuple) else ()


def string(node: Node | None) -> str:
    """The text of a string or a whole number, "" for any other value."""
    value = node.value if node else None
    return value if isinstance(value, str) else str(value) if type(value) is int else ""


def strings(*nodes: Node | None) -> list[str]:
    """The texts of all these values, arrays taken apart."""
    return [t for n in nodes for t in (string(n), *(string(i) for i in items(n))) if t]
