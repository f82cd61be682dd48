"""What was left in a web root: version control, .env, dumps and backups, by a fixed short list.

Asked for only where the rules of the scope file say `leftovers = true`, and never a guessed name.
Each is read by Range, a few KiB, and counts only where those bytes are of its own format and a
nonsense name beside it is answered otherwise. A value out of them is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from leftopen.model.errors import BudgetSpent, ProtocolError
from leftopen.model.exposure import OPEN, Access, Evidence, ObjectRef, Size
from leftopen.model.gap import Gap
from leftopen.net.http import HttpClient, Response
from leftopen.reach import web
from leftopen.reach.api import Context, Proof, reason_of

HEAD_BYTES: Final = 4096
ENV_BYTES: Final = 65_536
_GIT_HEAD: Final = re.compile(rb"(?:ref: refs/[!-~]{1,250}|[0-9a-f]{40}|[0-9a-f]{64})\s*")
_SECTION: Final = re.compile(rb'\[[A-Za-z0-9.-]{1,80}(?: "[^"\n]{0,400}")?\]')
_SETTING: Final = re.compile(rb"[A-Za-z][A-Za-z0-9-]{0,80}\s*(?:=.{0,2000})?")
_ASSIGNS: Final = re.compile(rb"(?:export\s+)?[A-Za-z_][A-Za-z0-9_.]{0,100}\s*=(.{0,4000})")
_HG: Final = re.compile(rb"[a-z][a-z0-9.=-]{1,60}")
_SQL: Final = re.compile(
    rb"(?:--|/\*|\s)*.{0,200}?(?:MySQL dump|MariaDB dump|PostgreSQL database dump|phpMyAdmin SQL)"
    rb"|\s*(?:CREATE|DROP|INSERT INTO|PRAGMA|BEGIN TRANSACTION|SET)\b.{0,400};",
    re.S,
)
_AWS: Final = re.compile(rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b")
# Accounts that keys of canarytokens.org and its likes belong to; published by TruffleHog,
# pkg/detectors/aws/access_keys/canary.go.
_TRAPS: Final = frozenset(
    (
        *(52310077262, 171436882533, 534261010715, 595918472158, 717712589309, 819147034852),
        *(992382622183, 730335385048, 266735846894, 44858866125, 251535659677, 344043088457),
        *(351906852752, 390477818340, 426127672474, 427150556519, 439872796651, 445142720921),
        *(465867158099, 637958123769, 693412236332, 732624840810, 735421457923, 959235150393),
        982842642351,
    )
)
_TOTAL: Final = re.compile(r"bytes 0-\d{1,15}/(\d{1,15})")


def _lines(data: bytes) -> list[bytes]:
    """Its lines, stripped, without the last one where that may be cut."""
    lines = data.split(b"\n")
    whole = lines[:-1] if len(data) >= HEAD_BYTES else lines
    return [line.strip() for line in whole if line.strip()]


def _git_head(data: bytes) -> str:
    return "a Git repository" if _GIT_HEAD.fullmatch(data) else ""


def _git_config(data: bytes) -> str:
    """INI with a [core] section and nothing that is neither a section nor a setting."""
    lines = [line for line in _lines(data) if line[:1] not in (b"#", b";")]
    good = all(_SECTION.fullmatch(x) or _SETTING.fullmatch(x) for x in lines)
    return "the configuration of a Git repository" if good and b"[core]" in lines else ""


def _git_index(data: bytes) -> str:
    """Header of gitformat-index: DIRC, version 2 to 4, number of entries."""
    version, entries = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    good = len(data) >= 12 and data[:4] == b"DIRC" and 2 <= version <= 4
    return f"a Git index of {entries} files" if good else ""


def _hg_requires(data: bytes) -> str:
    lines = _lines(data)
    good = all(_HG.fullmatch(line) for line in lines) and b"revlogv1" in lines
    return "a Mercurial repository" if good else ""


def _hg_manifest(data: bytes) -> str:
    """A revlog of version 1, 2 (requires of newer repositories says share or dirstate only)."""
    good = len(data) >= 64 and data[2:4] in (b"\0\1", b"\0\2") and data[0] == 0 and data[1] < 8
    return "the manifest of a Mercurial repository" if good else ""


def is_trap(key: bytes) -> bool:
    """Whether an AWS access key id belongs to an account of canary keys, or is AWS's example.

    The account stands in the first 48 bits of the part after the prefix, shifted by 7.
    """
    bits = 0
    for letter in key[4:14]:
        bits = bits << 5 | (letter - 65 if letter >= 65 else letter - 24)
    account = (bits >> 2 & 0x7FFFFFFFFF80) >> 7
    return account in _TRAPS or key == b"AKIAIOSFODNN7EXAMPLE"


def _env(data: bytes) -> str:
    """KEY=VALUE lines and comments, nothing else; one with a value at least."""
    lines = [line for line in _lines(data) if not line.startswith(b"#")]
    made = [_ASSIGNS.fullmatch(line) for line in lines]
    if not made or not all(made) or not any(m.group(1).strip() for m in made if m):
        return ""
    keys = _AWS.findall(data)
    trap = ", with a canary's key: planted" if keys and all(map(is_trap, keys)) else ""
    return f"settings in {len(made)} lines of an .env{trap}"


def _magic(what: str, *signs: bytes, at: int = 0) -> Callable[[bytes], str]:
    return lambda data: what if data[at:].startswith(signs) else ""


def _dump(data: bytes) -> str:
    return "a dump of a database" if _SQL.match(data) and b"\0" not in data else ""


_ZIP: Final = _magic("a ZIP archive", b"PK\x03\x04")
_GZIP: Final = _magic("a gzip file", b"\x1f\x8b\x08")
_TAR: Final = _magic("a tar archive", b"ustar", at=257)


@dataclass(frozen=True, slots=True)
class _Leftover:
    name: str
    reads: Callable[[bytes], str]  # what the beginning is, "" where it is something else
    bytes: int = HEAD_BYTES


PATHS: Final = (
    _Leftover(".git/HEAD", _git_head),
    _Leftover(".git/config", _git_config),
    _Leftover(".git/index", _git_index),
    _Leftover(".env", _env, ENV_BYTES),
    _Leftover(".svn/wc.db", _magic("a Subversion working copy", b"SQLite format 3\0")),
    _Leftover(".hg/requires", _hg_requires),
    _Leftover(".hg/store/00manifest.i", _hg_manifest),
    _Leftover(".DS_Store", _magic("a folder's .DS_Store", b"\0\0\0\1Bud1")),
    _Leftover("backup.zip", _ZIP),
    _Leftover("backup.tar.gz", _GZIP),
    _Leftover("backup.tar", _TAR),
    _Leftover("backup.sql", _dump),
    _Leftover("backup.sql.gz", _GZIP),
    _Leftover("dump.sql", _dump),
    _Leftover("dump.sql.gz", _GZIP),
    _Leftover("database.sql", _dump),
    _Leftover("db.sql", _dump),
    _Leftover("www.zip", _ZIP),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the list came to: the objects, what each is, the exchanges, what was not asked."""

    refs: tuple[ObjectRef, ...]
    whats: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    gaps: tuple[Gap, ...]

    @property
    def planted(self) -> bool:
        """Whether all of it is there to be found: a canary."""
        return all("canary" in what for what in self.whats)


async def look(context: Context, client: HttpClient, folder: str) -> Found:
    """Ask for the whole list below `folder`; nothing where the rules do not allow it."""
    refs: list[ObjectRef] = []
    whats: list[str] = []
    evidence: list[Evidence] = []
    gaps: list[Gap] = []
    if not context.rules.leftovers:
        return Found((), (), (), ())
    asked = 0
    try:
        other = await web.nonsense(context, client, folder)
        for leftover in PATHS:
            path = folder + leftover.name
            answer = await _begin(client, path, leftover.bytes)
            if what := _what(leftover, answer, other):
                refs.append(ObjectRef(path=path, group=folder, size=_total(answer)))
                whats.append(f"{leftover.name} ({what})")
                command = web.reproduce(context, path)
                asks = f"GET {path} (Range: bytes=0-{leftover.bytes - 1})"
                evidence.append(context.evidence(asks, answer.body, command, content=True))
            asked += 1
    except (ProtocolError, TimeoutError) as e:
        left = len(PATHS) - asked
        gaps.append(context.gap(reason_of(e), folder, f"leftovers not asked for: {e}", count=left))
    return Found(tuple(refs), tuple(whats), tuple(evidence), tuple(gaps))


async def _begin(client: HttpClient, path: str, size: int) -> Response:
    """The first `size` bytes; an answer that breaks HTTP is no file, the next may be one."""
    wanted = {"Range": f"bytes=0-{size - 1}"}
    try:
        return await client.request("GET", path, headers=wanted, limit=size)
    except (BudgetSpent, TimeoutError):
        raise
    except ProtocolError:
        await client.close()  # what came is half read
        return Response(0, {}, b"", False, False)


def _what(leftover: _Leftover, answer: Response, other: Response) -> str:
    """What was left there, "" for nothing: a page is none, nor what nonsense gets as well."""
    if answer.status not in (200, 206):
        return ""
    if answer.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return ""
    if other.status in (200, 206) and leftover.reads(other.body[: leftover.bytes]):
        return ""
    return leftover.reads(answer.body)


def _total(answer: Response) -> int | None:
    if match := _TOTAL.fullmatch(answer.headers.get("content-range", "").strip()):
        return int(match.group(1))
    return len(answer.body) if answer.status == 200 and answer.complete else None


def add(proof: Proof, found: Found) -> Proof:
    """The proof of the web server with what was left there: never less than it was."""
    if not found.refs:
        return replace(proof, gaps=(*proof.gaps, *found.gaps))
    said = f"left in the web root: {', '.join(found.whats)}"
    if proof.access in OPEN:
        detail, size = f"{proof.detail}; {said}", proof.size
        access = proof.access if found.planted else Access.GIVES_DATA
    else:
        sizes = [ref.size for ref in found.refs]
        whole = sum(s or 0 for s in sizes) if None not in sizes else None
        basis = "a fixed list of names, Content-Range"
        size = Size(objects=len(sizes), bytes=whole, unit="files", basis=basis, complete=False)
        detail = f"{said} ({proof.detail})"
        access = Access.METADATA if found.planted else Access.GIVES_DATA
        size = None if found.planted else size
    evidence = (*proof.evidence, *found.evidence)
    gaps = (*proof.gaps, *found.gaps)
    return replace(proof, access=access, detail=detail, size=size, evidence=evidence, gaps=gaps)
