"""Directory listings as real servers write them (recorded), and pages that only look like one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.net.http import Response
from leftopen.reach.listing import Entry, parse_listing

RECORDED = Path(__file__).parent / "listings"
TIME = datetime(2026, 11, 24, 11, 8, tzinfo=UTC)
NAMES = {
    "apache.html": "/%c3%a9%2541.txt",
    "lighttpd.html": "/%C3%A9%2541.txt",
    "python.html": "/%C3%A9%2541.txt",
    "rclone.html": "/%C3%A9%2541.txt",
    "webfs.html": "/%c3%a9%2541.txt",
}


def page(body: str | bytes, kind: str = "text/html; charset=utf-8", status: int = 200) -> Response:
    data = body.encode() if isinstance(body, str) else body
    return Response(status, {"content-type": kind}, data, True, False)


def recorded(name: str, path: str = "/") -> dict[str, Entry]:
    entries = parse_listing(path, page((RECORDED / name).read_bytes()))
    assert entries is not None
    return {e.path: e for e in entries}


@pytest.mark.parametrize("name", NAMES)
def test_recorded_listings_name_their_children(name: str) -> None:
    found = recorded(name)
    mail = [path for path in found if path.endswith(".eml")]
    assert set(found) == {"/sub/", "/big.bin", NAMES[name], *mail}
    assert len(mail) == 1
    assert [path for path, e in found.items() if e.folder] == ["/sub/"]


def test_sizes_and_times_where_the_server_gives_them() -> None:
    apache, lighttpd, webfs = (recorded(f"{n}.html") for n in ("apache", "lighttpd", "webfs"))
    assert (apache["/big.bin"].size, apache["/big.bin"].rounded) == (121 * 1024, True)
    assert (apache["/a%20b%20&%20c.eml"].size, apache["/a%20b%20&%20c.eml"].rounded) == (6, False)
    assert apache["/big.bin"].time == TIME
    assert lighttpd["/big.bin"].size == int(120.5 * 1024)
    assert lighttpd["/big.bin"].time == TIME.replace(second=46)
    assert (webfs["/big.bin"].size, webfs["/big.bin"].rounded) == (120 * 1024, True)
    assert webfs["/big.bin"].time is None
    assert recorded("python.html")["/big.bin"].size is None


def test_a_page_whose_title_is_the_path_alone() -> None:
    """The page of rclone and Caddy 1: a child is a table row of several lines."""
    found = recorded("rclone.html")
    assert found["/big.bin"] == Entry("/big.bin", False, 123_392, False, TIME)
    text = (RECORDED / "rclone.html").read_text()
    assert parse_listing("/other/", page(text)) is None
    assert parse_listing("/", page(text.replace('class="listing"', ""))) is None
    there = parse_listing("/sub/", page(text.replace("<title>/<", "<title>/sub<")))
    assert there is not None
    assert "/sub/big.bin" in {e.path for e in there}


def test_apache_table_in_a_folder() -> None:
    found = recorded("apache_table.html", "/sub/")
    assert found == {"/sub/x.txt": Entry("/sub/x.txt", False, 2, False, TIME)}


def test_a_listing_of_another_folder_is_none() -> None:
    assert parse_listing("/other/", page((RECORDED / "apache.html").read_bytes())) is None
    assert parse_listing("/x", page((RECORDED / "apache.html").read_bytes())) is None


def test_a_marketing_page_is_none() -> None:
    body = "<title>Index of / our offers</title><h1>Index of prices</h1><a href='a.pdf'>a</a>"
    assert parse_listing("/", page(body)) is None


def test_refusals_are_none() -> None:
    body = (RECORDED / "apache.html").read_bytes()
    assert parse_listing("/", page(body, status=403)) is None
    assert parse_listing("/", page(body, kind="image/png")) is None


HOSTILE = [
    "a:b",
    "./../x",
    "./..",
    "%2e%2e",
    "./%2e%2e/",
    "a/b",
    "./a:b/c",
    "../x",
    "%2e%2e/",
    "a%2fb",
    "a%00b",
    "/etc/passwd",
    "//127.0.99.1/x",
    "http://127.0.99.1/x",
    "http://x/x@y/",
    "ftp://x/f/a",
    "javascript:alert(1)",
    "mailto:a@b",
    "?C=N;O=D",
    "a?b=c",
    "#top",
    ".",
    "./",
    "",
    "http://[",
    "sub/../../x",
]


@pytest.mark.parametrize("href", HOSTILE)
def test_links_that_lead_elsewhere_are_no_children(href: str) -> None:
    body = f'<title>Index of /f/</title><a href="{href}">x</a><a href="good">good</a>'
    entries = parse_listing("/f/", page(body))
    assert entries is not None
    assert [e.path for e in entries] == ["/f/good"]


def test_names_are_encoded_for_the_request() -> None:
    body = '<title>Index of /</title><a href="a b\u00e9&quot;.txt">x</a>'
    entries = parse_listing("/", page(body))
    assert entries is not None
    assert [e.path for e in entries] == ["/a%20b%C3%A9%22.txt"]


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("./1700.M1:2,S", "/f/1700.M1:2,S"),
        (".htaccess", "/f/.htaccess"),
        ("a%5Cb", "/f/a%5Cb"),
        ("/f/x", "/f/x"),
        ("100%", "/f/100%"),
        ("...", "/f/..."),
    ],
)
def test_odd_names_are_children(href: str, path: str) -> None:
    entries = parse_listing("/f/", page(f'<title>Index of /f/</title><a href="{href}">x</a>'))
    assert entries is not None
    assert [e.path for e in entries] == [path]


def test_nginx_json() -> None:
    body = """[{"name":"sub","type":"directory","mtime":"Tue, 24 Nov 2026 11:08:46 GMT"},
      {"name":"a b.eml","type":"file","mtime":"Tue, 24 Nov 2026 11:08:46 GMT","size":6},
      {"name":"..","type":"directory"},{"name":"a/b","type":"file"},{"name":"s","type":"other"}]"""
    entries = parse_listing("/f/", page(body, "application/json"))
    stamp = TIME.replace(second=46)
    assert entries == (
        Entry("/f/sub/", True, time=stamp),
        Entry("/f/a%20b.eml", False, 6, time=stamp),
    )
    assert parse_listing("/", page("[]", "application/json")) == ()


@pytest.mark.parametrize(
    "body",
    ['[{"id":1}]', '{"name":"x"}', "[" * 100_000, '[{"name":1,"type":"file"}]', "nul", '"x"'],
    ids=lambda b: b[:20],
)
def test_other_json_is_none(body: str) -> None:
    assert parse_listing("/", page(body, "application/json")) is None


@given(st.text(max_size=300), st.sampled_from(["text/html", "application/json"]))
def test_any_text_is_a_listing_or_none(text: str, kind: str) -> None:
    for body in (text, f"<title>Index of /f/</title><a href='{text}'>{text}</a> {text}"):
        for entry in parse_listing("/f/", page(body, kind)) or ():
            assert entry.path.startswith("/f/")
            assert entry.path.isascii()
            assert " " not in entry.path


def test_a_folder_of_many_files_is_read_whole_and_fast() -> None:
    links = "".join(f'<a href="{n}">{n}</a> 24-Nov-2026 11:08 5\n' for n in range(40_000))
    entries = parse_listing("/", page(f"<title>Index of /</title>{links}"))
    assert entries is not None
    assert len(entries) == 40_000
    assert {e.size for e in entries} == {5}
    one_line = parse_listing("/", page(f"<title>Index of /</title>{links}".replace("\n", "")))
    assert one_line is not None
    assert len(one_line) == 40_000
