"""read_source: counts add up, damage is a Gap, memory is bounded, folders and rotations."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from leftopen.model.errors import UsageError
from leftopen.model.gap import Reason
from leftopen.model.record import from_json, to_json
from leftopen.model.redact import Keyring
from leftopen.trace import lines, stream
from leftopen.trace import read as read_module
from leftopen.trace.aggregate import Aggregator, Limits, object_name
from leftopen.trace.api import Act, Row, frame
from leftopen.trace.digest import HIDDEN, ClientDigest, SourceDigest
from leftopen.trace.formats import clf
from leftopen.trace.read import read_source
from leftopen.trace.rotation import missing, series_of

Line = Callable[..., str]
Read = Callable[..., tuple[list[SourceDigest], list[object]]]


def reasons(gaps: list[object]) -> list[str]:
    return [g.reason.value for g in gaps]  # type: ignore[attr-defined]


def test_missing_path_zone_and_format(tmp_path: Path, keyring: Keyring) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_source(str(tmp_path / "no.log"), keyring=keyring)
    with pytest.raises(UsageError, match="time zone"):
        read_source(str(tmp_path), zone="Mars/Olympus", keyring=keyring)
    with pytest.raises(UsageError, match="clf"):
        read_source(str(tmp_path), format="nope", keyring=keyring)


@pytest.mark.parametrize("data", [b"", b"\n \n\n"])
def test_empty_log_is_a_gap(tmp_path: Path, read: Read, data: bytes) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(data)
    digests, gaps = read(path)
    assert (digests, reasons(gaps)) == ([], ["empty"])


def test_what_is_no_log_is_a_gap(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "b.xz").write_bytes(b"\xfd7zXZ\x00 rest")
    os.mkfifo(tmp_path / "c")
    digests, gaps = read(tmp_path)
    assert digests == []
    assert reasons(gaps) == ["unsupported", "unsupported", "unreadable"]


def test_custody_entry_and_round_trip(tmp_path: Path, read: Read, request_line: Line) -> None:
    text = request_line(0) + "\n" + "broken\n" + request_line(9, path="/b", size=5)
    path = tmp_path / "access.log.2.gz"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    (digest,), gaps = read(path)
    source = digest.source
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest.content_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (source.lines, source.parsed, source.rejected, source.blank) == (4, 2, 1, 1)
    assert (digest.series, digest.rotation) == (str(tmp_path / "access.log"), 2)
    assert reasons(gaps) == ["unparsed"]
    assert from_json(to_json(digest), SourceDigest) == digest


def test_client_digest(tmp_path: Path, read: Read, request_line: Line, keyring: Keyring) -> None:
    path = tmp_path / "access.log"
    path.write_text(
        request_line(0, path="/mail/a%20b.mbox?x=1", size=100, agent="b")
        + request_line(1, path="/mail/", size=50)
        + request_line(2, path="/secret", status=403, size=7)
        + request_line(3, path="/mail/a%20b.mbox", status=206, size=30, agent="a")
        + request_line(4, path="/mail/c.mbox", method="HEAD", size=0)
        + request_line(5, path="/robots.txt", size=9)
        + request_line(4000, client="::ffff:203.0.113.9", path="/mail/d", size=8)
    )
    (digest,), gaps = read(path)
    assert gaps == []
    (client,) = digest.clients
    assert client.client == "203.0.113.9"
    assert client.status_bytes == {"2xx": 197, "4xx": 7}
    assert (client.agents[0], len(client.agents)) == ("a", 2)
    names = {keyring.digest("object", n): n for n in ("/mail/a b.mbox", "/mail/d")}
    assert {names[k]: (o.size, o.whole) for k, o in client.objects.items()} == {
        "/mail/a b.mbox": (100, True),
        "/mail/d": (8, True),
    }
    assert [(b.requests, b.act) for b in client.bins] == [(6, Act.WHOLE), (1, Act.WHOLE)]
    assert (client.first.line, client.last.line) == (1, 7)
    assert b"a b.mbox" not in to_json(digest)


def test_a_shorter_body_was_cut_short(tmp_path: Path, read: Read, request_line: Line) -> None:
    path = tmp_path / "access.log"
    path.write_text(
        request_line(0, "198.51.100.1", size=2_097_152)
        + request_line(1, "198.51.100.2", size=670_000)
    )
    (digest,), _ = read(path)
    whole = {c.client: [o.whole for o in c.objects.values()] for c in digest.clients}
    assert whole == {"198.51.100.1": [True], "198.51.100.2": [False]}


def test_hostile_lines_all_counted(tmp_path: Path, read: Read, request_line: Line) -> None:
    good = request_line(1, path="/x\\x22y", agent='a \\" b').encode()
    cases = [
        good,
        b"\x00" * 4096 + good,
        good.replace(b"curl", b"\xff\xfe"),
        good.replace(b"\n", b"\r\n"),
        good.replace(b"GET", b"\x01\x02\x03"),
        good.replace(b"203.0.113.9", "höst".encode()),
        good.replace(b"Feb", b"Fev"),
        good.replace(b" 1000 ", b" 99999999999999999999999 "),
        b"a" * (lines.MAX_LINE + 1) + b"\n",
        b"\x00" * 100 + b"\n",
        b" \t\n",
        b'","",""\n',
        good[:50] + good,
    ]
    data = b"".join(cases * 16)
    path = tmp_path / "access.log"
    path.write_bytes(data)
    (digest,), gaps = read(path, format="clf")
    source = digest.source
    assert source.lines == data.count(b"\n") == len(cases) * 16
    assert source.blank == 16
    assert source.rejected == 16 * 6
    assert source.parsed + source.rejected + source.blank == source.lines
    assert {"unparsed", "too_large", "corrupt", "no_count"} == set(reasons(gaps))
    assert digest.lost > 0


def test_one_endless_line_in_bounded_memory(tmp_path: Path, read: Read, request_line: Line) -> None:
    path = tmp_path / "access.log"
    with path.open("wb") as file:
        file.write(request_line(0).encode())
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\n" + request_line(1).encode())
    tracemalloc.start()
    (digest,), gaps = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (digest.source.lines, digest.source.parsed, digest.source.rejected) == (3, 2, 1)
    assert peak < 4 * stream.BLOCK < path.stat().st_size
    assert "too_large" in reasons(gaps)


def test_truncated_and_garbled_gzip(tmp_path: Path, read: Read, request_line: Line) -> None:
    noise = random.Random(1)
    text = "".join(request_line(n, path=f"/{noise.random()}") for n in range(5000))
    packed = gzip.compress(text.encode())
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    garbled = bytearray(packed)
    garbled[len(packed) // 2 :] = b"\xff" * (len(packed) - len(packed) // 2)
    (tmp_path / "garbled.gz").write_bytes(bytes(garbled))
    (tmp_path / "joined.gz").write_bytes(packed + gzip.compress(request_line(9000).encode()))
    digests, gaps = read(tmp_path)
    cut, damaged, joined = digests
    assert 0 < cut.source.lines < 5000
    assert cut.damaged
    assert damaged.damaged
    assert (joined.source.lines, joined.damaged) == (5001, False)
    assert reasons(gaps).count("corrupt") == 2


def test_gzip_bomb_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    monkeypatch.setattr(stream, "RATIO_FREE", 1 << 20)
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(b"0" * (64 << 20)))
    digests, gaps = read(path, format="clf")
    assert "too_large" in reasons(gaps)
    assert digests[0].damaged


def test_folder_rotations_and_hole(tmp_path: Path, read: Read, request_line: Line) -> None:
    logs = tmp_path / "nginx"
    logs.mkdir()
    for number, name in enumerate(("access.log", "access.log.1", "access.log.3.gz")):
        data = request_line(1000 - number).encode()
        (logs / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    (logs / "loop").symlink_to(logs)
    digests, gaps = read(logs)
    assert [d.rotation for d in digests] == [0, 1, 3]
    assert len({d.series for d in digests}) == 1
    assert sorted(reasons(gaps)) == ["no_log", "not_given"]
    assert any(g.place.endswith("access.log.2") for g in gaps)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "series", "number"),
    [
        ("/l/access.log", "/l/access.log", 0),
        ("/l/access.log.12.gz", "/l/access.log", 12),
        ("/l/access.log-20230208.gz", "/l/access.log", None),
        ("/l/mail.2023-02-08", "/l/mail", None),
        ("x/NSG/y=2023/m=02/d=08/h=03/m=00/macAddress=00/PT1H.json", "x/NSG/macAddress=00", None),
    ],
)
def test_series(path: str, series: str, number: int | None) -> None:
    assert series_of(path) == (series, number)
    assert missing([1, 3, 6]) == (2, 4, 5)


def test_same_bytes_same_digest(tmp_path: Path, read: Read, request_line: Line) -> None:
    path = tmp_path / "access.log"
    path.write_text("".join(request_line(n, f"198.51.100.{n % 9}") for n in range(500)))
    assert to_json(read(path)[0][0]) == to_json(read(path)[0][0])


def test_ambiguity_is_told(
    tmp_path: Path, read: Read, request_line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = replace(clf.FORMAT, name="clg")
    monkeypatch.setattr(read_module, "formats", lambda: (clf.FORMAT, twin))
    path = tmp_path / "access.log"
    path.write_text(request_line(0))
    digests, gaps = read(path)
    assert digests[0].source.format == "clf"
    assert reasons(gaps) == [Reason.UNKNOWN_VALUE.value]


def test_a_reader_that_fails_is_a_gap(
    tmp_path: Path, read: Read, request_line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(blocks: object, options: object) -> object:
        yield next(iter(clf.read(iter([request_line(0).encode()]), options)))  # type: ignore[arg-type]
        raise ZeroDivisionError

    twin = replace(clf.FORMAT, read=broken)  # type: ignore[arg-type]
    monkeypatch.setattr(read_module, "formats", lambda: (twin,))
    path = tmp_path / "access.log"
    path.write_text(request_line(0))
    (digest,), gaps = read(path)
    assert (digest.damaged, digest.source.parsed, reasons(gaps)) == (True, 1, ["crashed"])
    assert digest.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_limits_count_together_what_they_cut(keyring: Keyring) -> None:
    limits = Limits(clients=2, bins=8, objects_per_client=3, objects=5, pending=10)
    made = Aggregator(limits)
    for hour in range(30):
        made.add(
            frame(
                Row(n, hour * 3600 + n, f"c{n}", act=Act.WHOLE, bytes=10 * n, object=f"/{hour}/{n}")
                for n in range(1, 6)
            )
        )
    clients = made.clients("f", clf.FORMAT, keyring)
    assert [c.client for c in clients] == ["c4", "c5", HIDDEN]
    assert sum(b.bytes for c in clients for b in c.bins) == 30 * (10 + 20 + 30 + 40 + 50)
    assert sum(len(c.bins) for c in clients) <= 8
    assert made.bin_seconds > 3600
    assert made.hidden > 0
    kept = sum(len(c.objects) for c in clients)
    assert kept <= 5
    assert kept + sum(c.overflow for c in clients) >= 30 * 5


def test_object_names_join() -> None:
    assert object_name("/a%20b") == b"/a b"
    assert object_name("/x\\x22y") == b'/x"y'
    assert object_name('/x\\"y') == b'/x"y'
    assert object_name("/%C3%A4") == "/ä".encode()


def test_merge_is_associative_and_commutative(
    tmp_path: Path, read: Read, request_line: Line
) -> None:
    parts: list[ClientDigest] = []
    for number in range(3):
        path = tmp_path / f"{number}.log"
        path.write_text(
            "".join(
                request_line(n * 900 + number, path=f"/{n + number}", agent=f"agent {number}{n}")
                for n in range(9)
            )
        )
        parts.append(read(path)[0][0].clients[0])
    a, b, c = parts
    wanted = to_json(a.merge(b).merge(c))
    assert wanted == to_json(c.merge(a.merge(b))) == to_json(c.merge(b).merge(a))
    coarse = [p.coarsen(86400) for p in parts]
    assert to_json(coarse[0].merge(coarse[1])) == to_json(a.merge(b).coarsen(86400))
