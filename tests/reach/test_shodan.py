"""Shodan's files: hosts, banner lines, packed, cut and hostile."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.exposure import Access, Observation
from leftopen.model.gap import Gap, Reason
from leftopen.reach.imports.shodan import SHODAN
from leftopen.reach.reach import read_imports

BANNER = {
    "ip_str": "198.51.100.10",
    "port": 80,
    "transport": "tcp",
    "timestamp": "2023-02-08T05:20:31.123456",
    "product": "nginx",
    "version": "1.22.1",
    "data": "HTTP/1.1 200 OK\r\nServer: nginx\r\n",
    "http": {"title": "Index of /", "html": "<html>", "status": 200},
    "_shodan": {"module": "http-simple-new", "id": "x"},
    "hostnames": ["a.example.org"],
    "opts": {},
    "hash": -1,
}
REDIS = {
    **BANNER,
    "port": 6379,
    "_shodan": {"module": "redis"},
    "http": None,
    "redis": {"keys": {"data": ["user:1", "session\x1b[31m", 5], "more": True}},
}
RSYNC = {
    **BANNER,
    "port": 873,
    "_shodan": {"module": "rsyncd"},
    "rsync": {"modules": {"backup": "x"}},
}
SMB = {**BANNER, "port": 445, "_shodan": {"module": "smb"}}
SHARES = {"anonymous": True, "shares": [{"name": "pub", "type": "Disk"}]}


def read(content: bytes | object) -> list[Observation | Gap]:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return list(SHODAN.read(data, "s.json"))


def one(banner: object) -> Observation:
    (found,) = read(banner)
    assert isinstance(found, Observation)
    return found


def test_a_banner_is_a_sighting() -> None:
    seen = one(BANNER)
    assert seen.sensor == "shodan"
    assert str(seen.endpoint) == "198.51.100.10:80"
    assert seen.time == datetime(2023, 2, 8, 5, 20, 31, tzinfo=UTC)
    assert (seen.product, seen.version, seen.detail) == ("nginx", "1.22.1", "Index of /")
    assert (seen.access, seen.protocol, seen.tls) == (Access.SPEAKS, "http", False)


def test_only_names_of_contents_make_it_a_list() -> None:
    redis, rsync = one(REDIS), one(RSYNC)
    assert (redis.access, redis.protocol) == (Access.LISTS, "redis")
    assert redis.containers == ("user:1", "session\\u001b[31m")
    assert (rsync.access, rsync.protocol, rsync.containers) == (Access.LISTS, "rsync", ("backup",))
    assert one({**SMB, "smb": SHARES}).containers == ("pub",)
    assert one({**SMB, "smb": {**SHARES, "anonymous": False}}).access is Access.SPEAKS
    assert one({**REDIS, "redis": {"keys": {"data": []}}}).access is Access.SPEAKS


def test_modules_map_to_our_protocols() -> None:
    for module, protocol in {
        "https-simple-new": "http",
        "elastic": "elasticsearch",
        "imap-ssl": "imap",
        "postgresql": "postgresql",
        "": "",
    }.items():
        assert one({**BANNER, "_shodan": {"module": module}}).protocol == protocol
    assert one({**BANNER, "ssl": {"cert": {}}}).tls


def test_a_host_object_and_lines_and_gzip() -> None:
    host = {"ip_str": "198.51.100.10", "ports": [80], "data": [BANNER, {**REDIS, "ip_str": ""}]}
    assert [o.endpoint.port for o in read(host) if isinstance(o, Observation)] == [80, 6379]
    pretty = json.dumps(host, indent=2).encode()
    assert len(read(pretty)) == 2
    lines = b"\n".join(json.dumps(b).encode() for b in (BANNER, REDIS, RSYNC)) + b"\n\n"
    assert len(read(lines)) == 3
    assert read(gzip.compress(lines)) == read(lines)
    assert read(gzip.compress(lines) + gzip.compress(lines)) == read(lines) * 2


def test_one_bad_record_is_one_gap_with_its_place() -> None:
    lines = [BANNER, {**BANNER, "port": 70000}, {**BANNER, "timestamp": "soon"}, {"a": 1}, BANNER]
    lines += [{**BANNER, "ip_str": "not an address"}, {**BANNER, "transport": "sctp"}]
    found = read(b"\n".join(json.dumps(b).encode() for b in lines) + b"\n{cut")
    gaps = [g for g in found if isinstance(g, Gap)]
    assert len(found) - len(gaps) == 2
    assert [g.place for g in gaps] == [f"s.json:{n}" for n in (2, 3, 4, 6, 7, 8)]
    assert {g.reason for g in gaps} == {Reason.UNPARSED}


def test_a_time_with_a_zone_is_kept_to_utc() -> None:
    assert one({**BANNER, "timestamp": "2023-02-08T01:00:00-05:00"}).time.hour == 6


def test_a_cut_archive_gives_what_it_holds() -> None:
    lines = b"\n".join(json.dumps({**BANNER, "hash": n}).encode() for n in range(2000))
    found = read(gzip.compress(lines)[:-2000])
    assert isinstance(found[0], Observation)
    last = found[-1]
    assert isinstance(last, Gap)
    assert last.reason is Reason.CORRUPT


def test_a_bomb_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.json.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(b"{")
        for _ in range(300):
            stream.write(b" " * 1_000_000)
    tracemalloc.start()
    found = list(read_imports([path]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert Reason.TOO_LARGE in {g.reason for g in found if isinstance(g, Gap)}
    assert peak < 800_000_000


def test_many_bad_lines_are_few_gaps() -> None:
    found = read(b"{}\n" * 5000)
    assert len(found) == 101
    last = found[-1]
    assert isinstance(last, Gap)
    assert last.count == 4900


def test_hostile_text_is_masked() -> None:
    seen = one({**BANNER, "product": "x\x1b[2J\u202e", "http": {"title": "078-05-1120 a@b.org"}})
    assert "\x1b" not in seen.product
    assert "1120" not in seen.detail
    assert seen.detail.endswith("a***@b.org")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "other").write_bytes(b"ip,port\n")
    (tmp_path / "good").write_text(json.dumps(BANNER))
    names = ["missing", "empty", "other", "good"]
    found = list(read_imports([tmp_path / name for name in names]))
    reasons = [g.reason for g in found if isinstance(g, Gap)]
    assert reasons == [Reason.UNREADABLE, Reason.EMPTY, Reason.UNSUPPORTED]
    assert isinstance(found[-1], Observation)


@pytest.mark.parametrize("content", [b"{" * 100_000, b'{"data":' * 50_000, b"\x1f\x8b\x08junk"])
def test_deep_or_broken_content_is_a_gap(content: bytes) -> None:
    found = read(content)
    assert found
    assert all(isinstance(item, Gap) for item in found)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*BANNER, "redis", "smb", "rsync", "ssl"]), VALUES))
def test_any_field_may_be_anything(fields: dict[str, object]) -> None:
    found = read({**BANNER, **fields})
    assert found
    assert all(isinstance(item, Observation | Gap) for item in found)


@given(st.binary(max_size=300))
def test_any_bytes_are_gaps_or_nothing(content: bytes) -> None:
    assert all(isinstance(item, Gap) for item in read(content))
