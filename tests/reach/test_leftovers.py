"""What was left in a web root: a real nginx over a real Git checkout, and servers that lie."""

from __future__ import annotations

import gzip
import io
import sqlite3
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from leftopen.model.exposure import Access, ObjectRef
from leftopen.reach import leftovers
from leftopen.reach.api import Proof
from leftopen.reach.leftovers import PATHS, is_trap
from probing import Probe
from reaching import NOT_FOUND, answer, web

SECRET = "078-05-1120"
CANARY = b"AKIAAYLPMN5HHHFPZAM2"  # published: account 052310077262 of canarytokens.org
ENV = f"# local\nAPP_ENV=prod\nDB_PASSWORD='{SECRET}'\n".encode()
ON = {"rules": "leftovers = true"}
Make = Callable[..., Probe]


def git(folder: Path) -> dict[str, bytes]:
    """The files of a real repository with two files in its index."""
    command = [servers.need("git"), "-C", str(folder)]
    for name in ("one.txt", "two.txt"):
        (folder / name).write_text(name)
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run([*command, *words], check=True, capture_output=True, timeout=20)
    return {
        f".git/{name}": (folder / ".git" / name).read_bytes()
        for name in ("HEAD", "config", "index")
    }


def proved(probe: Make, files: Mapping[str, bytes], config: str = "", **rules: str) -> Proof:
    with servers.nginx(f"root {{root}}; {config}", files) as server:
        proof = probe("http", server.host, server.port, **rules).prove()
    assert proof is not None
    return proof


def test_a_real_git_behind_a_front_that_refuses(probe: Make, tmp_path: Path) -> None:
    files = git(tmp_path)
    with servers.nginx("root {root};", {**files, ".env": ENV}) as server:
        on = probe("http", server.host, server.port, **ON)
        proof, refs = on.prove(), on.objects()
        fetched = [on.fetch(r).data for r in refs if isinstance(r, ObjectRef)]
        off = probe("http", server.host, server.port).prove()
        lines = (server.folder / "access.log").read_text().splitlines()
    assert off is not None
    assert off.access is Access.ASKS_CREDENTIAL  # nginx has no listing: 403
    assert "left" not in off.detail
    assert not any(".git" in line for line in lines[-3:])
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert "a Git index of 2 files" in proof.detail
    assert "GET / is refused with 403" in proof.detail
    assert "settings in 2 lines of an .env" in proof.detail
    assert SECRET not in repr(proof)
    assert "xx_xxxxxxxx" not in proof.detail
    assert proof.size is not None
    assert (proof.size.objects, proof.size.complete) == (4, False)
    assert proof.size.bytes == sum(map(len, files.values())) + len(ENV)
    assert sorted(fetched) == sorted([*files.values(), ENV])


def sqlite(path: Path) -> bytes:
    connection = sqlite3.connect(path)
    connection.execute("create table nodes (x)")
    connection.close()
    return path.read_bytes()


def archive(kind: str) -> bytes:
    data = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(data, "w") as made:
            made.writestr("x", "y")
    else:
        with tarfile.open(fileobj=data, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("x"))
    return data.getvalue()


def test_every_kind_is_told_by_its_own_bytes(probe: Make, tmp_path: Path) -> None:
    files = {
        ".svn/wc.db": sqlite(tmp_path / "wc.db"),
        ".hg/requires": b"dotencode\nfncache\ngeneraldelta\nrevlogv1\nstore\n",
        ".hg/store/00manifest.i": b"\0\3\0\1" + bytes(60),
        ".DS_Store": b"\0\0\0\1Bud1" + bytes(50),
        "backup.zip": archive("zip"),
        "backup.tar": archive("tar"),
        "backup.tar.gz": gzip.compress(b"x"),
        "dump.sql": b"-- MySQL dump 10.13  Distrib 8.0\n--\n" + b"x" * 9000,
        "db.sql": b"CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n",
    }
    proof = proved(probe, {**files, "index.html": b"<html>hello</html>"}, **ON)
    assert proof.access is Access.GIVES_DATA
    assert all(f"{name} (" in proof.detail for name in files)
    assert proof.size is not None
    assert proof.size.objects == len(files)
    assert proof.size.bytes == sum(map(len, files.values()))


def test_wrong_bytes_are_none(probe: Make) -> None:
    files = {leftover.name: b"<html>not here</html>" for leftover in PATHS}
    files |= {".env": b"please go away", ".git/HEAD": b"hello world", "dump.sql": b"my holiday"}
    files |= {".git/index": b"DIRC\0\0\0\x09\0\0\0\1", ".git/config": b"[core]\n<b>x</b>\n"}
    proof = proved(probe, {**files, "index.html": b"<html>hello</html>"}, **ON)
    assert proof.access is Access.SPEAKS
    assert proof.size is None


def test_it_is_only_an_addition_to_a_listing(probe: Make) -> None:
    files = {"a.txt": b"hello", ".env": ENV}  # a hidden name is not in nginx's listing
    with servers.nginx("root {root}; autoindex on;", files) as server:
        made = probe("http", server.host, server.port, **ON)
        proof, refs = made.prove(), made.objects()
    assert proof is not None
    assert proof.access is Access.GIVES_DATA
    assert proof.detail.startswith("a directory listing without a login; one of its files was read")
    assert ".env (settings" in proof.detail
    assert [r.path for r in refs if isinstance(r, ObjectRef)] == ["/.env", "/a.txt"]


@pytest.mark.parametrize(
    ("key", "trap"),
    [
        (CANARY, True),
        (b"AKIAIOSFODNN7EXAMPLE", True),
        (b"AKIAAYLPMN5HAAAAAAAA", True),
        (b"ASIAY34FZKBOKMUTVV7A", False),
    ],
)
def test_keys_of_canaries(key: bytes, trap: bool) -> None:
    assert is_trap(key) is trap


def test_a_canary_is_no_finding_by_itself(probe: Make) -> None:
    lines = b"AWS_ACCESS_KEY_ID=" + CANARY + b"\nAWS_SECRET_ACCESS_KEY=x\n"
    proof = proved(probe, {".env": lines, "index.html": b"<html></html>"}, **ON)
    assert proof.access is Access.METADATA
    assert "planted" in proof.detail
    assert CANARY.decode() not in repr(proof)


def test_a_fake_that_has_everything_has_nothing(probe: Make) -> None:
    for body in (ENV, b"ref: refs/heads/main\n", b"\x1f\x8b\x08\0", b"<html></html>"):
        with web(lambda path, body=body: answer(body)) as server:  # type: ignore[misc]
            proof = probe("http", server.host, server.port, **ON).prove()
        assert proof is not None
        assert proof.access is Access.SPEAKS


def test_a_fake_that_hangs_up_costs_a_gap_not_the_verdict(probe: Make) -> None:
    def reply(path: str) -> bytes:
        broken = b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"
        return broken if path.startswith("/.") else NOT_FOUND

    with web(reply) as server:
        proof = probe("http", server.host, server.port, **ON).prove()
    assert proof is not None
    assert proof.access is Access.SPEAKS
    assert len(server.requests) < 60


@given(st.binary(max_size=400), st.sampled_from(PATHS))
def test_fuzz_readers_never_raise(data: bytes, leftover: leftovers._Leftover) -> None:
    assert isinstance(leftover.reads(data), str)
    for sign in (b"DIRC\0\0\0\2", b"[core]\n", b"A=", b"-- "):
        assert isinstance(leftover.reads(sign + data), str)
