"""nginx: simple and block directives, quotes, comments, includes

Grammar: https://nginx.org/en/docs/beginners_guide.html#conf_structure and ngx_conf_file.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from leftopen.cause.api import Directive, Document, Files, Reader, SourceFile
from leftopen.cause.files import Reading
from leftopen.model.gap import Reason

HOME = "/etc/nginx"
MAX_NESTING = 64
_TOKEN = re.compile(
    r"""[ \t\r\n]++ | \#[^\n]*+
    | (?P<quoted>"(?:[^"\\]|\\.)*+" | '(?:[^'\\]|\\.)*+')
    | (?P<mark>[;{}])
    | (?P<word>(?:\$\{[^}\s]{0,256}\} | \\. | [^\s;{}\\])
               (?:\$\{[^}\s]{0,256}\} | \\. | [^\s;{}\\])*+)
    """,
    re.X | re.S,
)
_ESCAPE = re.compile(r"""\\(["'\\])""")
_LUA = re.compile(r"--[^\n]*+ | \"(?:[^\"\\\n]|\\.)*+\" | '(?:[^'\\\n]|\\.)*+' | [{}]", re.X | re.S)


@dataclass(slots=True)
class _Block:
    """A block that is still open."""

    name: str
    args: tuple[str, ...]
    line: int
    start: int
    inside: int
    children: list[Directive] = field(default_factory=list)


class _Parser:
    """One file: tokens to directives."""

    def __init__(self, reading: Reading, source: SourceFile, stack: tuple[str, ...]) -> None:
        self.reading, self.source, self.stack = reading, source, stack
        self.open: list[_Block] = [_Block("", (), 1, 0, 0)]
        self.words: list[str] = []
        self.start = self.line = self.counted = 0
        self.number = 1

    def parse(self) -> list[Directive]:
        """All directives of the file, includes expanded in place."""
        text, at = self.source.text, 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None or (token["word"] or "")[:1] in ("'", '"'):
                self._corrupt("unterminated quote" if token else "stray backslash", at)
                break
            if token["quoted"] or token["word"]:
                self._word(token, at)
            at = token.end()
            if token["mark"]:
                moved = self._mark(token["mark"], at)
                if moved < 0:
                    break
                at = moved
        while len(self.open) > 1:
            self._corrupt("block is not closed", len(text))
            self._close(len(text))
        return self.open[0].children

    def _word(self, token: re.Match[str], at: int) -> None:
        if not self.words:
            self.start, self.line = at, self._line(at)
        quoted = token["quoted"]
        self.words.append(_ESCAPE.sub(r"\1", quoted[1:-1]) if quoted else token["word"])

    def _mark(self, mark: str, end: int) -> int:
        """Handle `;`, `{` or `}` that ends at `end`; where to read on, -1 to stop."""
        if mark == "}":
            if self.words or len(self.open) == 1:
                self._corrupt("unexpected }", end)
                self.words = []
            if len(self.open) == 1:
                return -1
            self._close(end)
            return end
        if not self.words:
            self._corrupt(f"unexpected {mark}", end)
            return -1
        name, args, self.words = self.words[0], tuple(self.words[1:]), []
        if self.reading.full() or (mark == "{" and len(self.open) > MAX_NESTING):
            self.reading.refuse(Reason.TOO_DEEP, self.source.path, "nested or long beyond limits")
            return -1
        if mark == "{" and name.endswith("_by_lua_block"):
            end = self._skip_lua(end)
            mark = ";"
        if mark == "{":
            self.open.append(_Block(name, args, self.line, self.start, end))
        else:
            self._simple(name, args, end)
        return end

    def _simple(self, name: str, args: tuple[str, ...], end: int) -> None:
        made = self._made(name, args, self.line, self.start, end)
        if name == "include" and args:
            found = self.reading.find(args[0], self.source.path, HOME)
            for path in found or ():
                self.open[-1].children += _parse(self.reading, path, self.stack)
            made = self._made(name, args, self.line, self.start, end, unread=found is None)
        self.open[-1].children.append(made)

    def _close(self, end: int) -> None:
        block = self.open.pop()
        made = Directive(
            *(block.name, block.args, self.source.path, block.line, block.start, end),
            inside=block.inside,
            children=tuple(block.children),
            included=len(self.stack) > 1,
        )
        self.open[-1].children.append(made)

    def _made(
        self,
        name: str,
        args: tuple[str, ...],
        line: int,
        start: int,
        end: int,
        unread: bool = False,
    ) -> Directive:
        path, included = self.source.path, len(self.stack) > 1
        return Directive(name, args, path, line, start, end, included=included, unread=unread)

    def _skip_lua(self, at: int) -> int:
        depth = 1
        for token in _LUA.finditer(self.source.text, at):
            depth += {"{": 1, "}": -1}.get(token.group(), 0)
            if not depth:
                return token.end()
        return len(self.source.text)

    def _line(self, at: int) -> int:
        self.number += self.source.text.count("\n", self.counted, at)
        self.counted = at
        return self.number

    def _corrupt(self, what: str, at: int) -> None:
        place = f"{self.source.path}:{self._line(max(at, self.counted))}"
        self.reading.refuse(Reason.CORRUPT, place, f"{what}; nginx would refuse this file")


def _parse(reading: Reading, path: str, stack: tuple[str, ...]) -> list[Directive]:
    source = reading.open(path, stack)
    return _Parser(reading, source, (*stack, path)).parse() if source else []


def read(files: Files, main: str) -> Document:
    """Read a main file (or a part of one) with all that it includes."""
    reading = Reading(files, main)
    return reading.document(_parse(reading, main, ()))


READER = Reader("nginx", read)
