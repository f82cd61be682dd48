"""The general log: who connects and what is asked, never how much was given."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act, ReadOptions
from leftopen.trace.formats import mysql_general
from log_cases import counts_of, hostile, rows_of

FORMAT = mysql_general.FORMAT
CONNECT = "2023-02-08T03:12:45.1Z\t    8 Connect\tkim@203.0.113.9 on d using TCP/IP\n"
QUERY = "2023-02-08T03:12:46.1Z\t    8 Query\tselect a from t\n"


def test_local_time_is_taken_in_the_declared_zone() -> None:
    options = ReadOptions(zone="Europe/Berlin")
    old = "230208  4:12:45\t     3 Connect\tkim@203.0.113.9 on d\n"
    (row,) = rows_of(FORMAT, old, options)
    assert (row["time"], row["client"]) == (1675825965, "203.0.113.9")
    (said,) = {c.clock for c in FORMAT.read(iter([old.encode()]), options) if c.lines}
    assert "Europe/Berlin" in said
    (said,) = {c.clock for c in FORMAT.read(iter([CONNECT.encode()]), options) if c.lines}
    assert "Berlin" not in said


def test_a_thread_is_of_its_last_connect_line() -> None:
    again = CONNECT.replace("203.0.113.9", "198.51.100.4")
    found = rows_of(FORMAT, CONNECT + QUERY + again + QUERY)
    assert [r["client"] for r in found] == ["203.0.113.9"] * 2 + ["198.51.100.4"] * 2
    assert all(r["bytes"] is None for r in found)


@pytest.mark.parametrize(
    ("who", "client"),
    [
        ("kim@203.0.113.9 on  using TCP/IP", "203.0.113.9"),
        ("kim@2001:DB8::7 on d using SSL/TLS", "2001:db8::7"),
        ("kim@203.0.113.9 on", "203.0.113.9"),
        ("a@b@203.0.113.9 on d using TCP/IP", "203.0.113.9"),
        ("@203.0.113.9 on d using TCP/IP", "203.0.113.9"),
        # The user or the database is the client's own text: which host is it?
        ("a@6.6.6.6 on x@203.0.113.9 on d using TCP/IP", "unattributed"),
        ("kim@203.0.113.9 on a@6.6.6.6 on x using TCP/IP", "unattributed"),
        ("kim@<b> on d using TCP/IP", "unattributed"),
        ("nothing", "unattributed"),
        ("kim@localhost on d using Socket", None),
        ("kim@localhost on d using TCP/IP", "localhost"),
    ],
)
def test_the_client_of_a_connect_line(who: str, client: str | None) -> None:
    text = CONNECT.replace("kim@203.0.113.9 on d using TCP/IP", who) + QUERY
    found = rows_of(FORMAT, text)
    assert [r["client"] for r in found] == [client, client]
    if client:
        assert found[1]["user"] == (not who.startswith("@"))


def test_lines_of_a_statement_belong_to_it() -> None:
    text = CONNECT + QUERY.replace("a from t", "a,") + "\n b\nfrom\tt\n" + "\t\t    8 Quit\t\n"
    assert counts_of(FORMAT, text + "stray\n") == (7, 1, 1)
    found = rows_of(FORMAT, text)
    assert [(r["line"], r["act"], r["object"]) for r in found[1:]] == [
        (2, 2 + 1, "t"),
        (6, 1, None),
    ]


def test_a_file_that_begins_in_the_middle() -> None:
    text = "from t\n\t\t    8 Query\tselect 1\n" + QUERY
    assert counts_of(FORMAT, text) == (3, 2, 0)
    (row,) = rows_of(FORMAT, text)
    assert row["client"] == "unattributed"


def test_a_time_that_is_none_loses_its_own_lines_only() -> None:
    bad = QUERY.replace("2023-02-08", "2023-02-31") + "\t\t    8 Query\tselect 1\n"
    assert counts_of(FORMAT, QUERY + bad + QUERY) == (4, 2, 0)
    assert [r["line"] for r in rows_of(FORMAT, QUERY + bad + QUERY)] == [1, 4]
    for year in ("0000", "9999", "1969"):
        assert counts_of(FORMAT, QUERY.replace("2023", year)) == (1, 1, 0)


@pytest.mark.parametrize(
    ("command", "act"),
    [
        ("Binlog Dump GTID\tx", Act.WHOLE),
        ("Table Dump\tx", Act.WHOLE),
        ("Fetch\t", Act.PART),
        ("Field List\tt", Act.LISTED),
        ("Prepare\tselect * from t", Act.LOOKED),
        ("Execute\tselect * from t", Act.WHOLE),
        ("Ping\t", Act.LOOKED),
    ],
)
def test_commands(command: str, act: Act) -> None:
    found = rows_of(FORMAT, CONNECT + QUERY.replace("Query\tselect a from t", command))
    assert found[1]["act"] == act


def test_what_is_prepared_gives_nothing_yet() -> None:
    lines = CONNECT + QUERY.replace("Query", "Prepare") + "select b from u\n"
    assert rows_of(FORMAT, lines)[1]["act"] == Act.LOOKED
    assert counts_of(FORMAT, lines) == (3, 0, 0)


def test_threads_are_bounded() -> None:
    many = (CONNECT.replace(" 8 ", f" {n} ") for n in range(8, 9 + mysql_general.THREADS))
    assert rows_of(FORMAT, "".join(many) + QUERY)[-1]["client"] == "unattributed"


def test_hostile_lines_are_counted() -> None:
    for line in hostile(CONNECT, "203.0.113.9", "kim", "2023-02-08", " 8 ", "Connect"):
        counts_of(FORMAT, CONNECT.encode() + line)
    for line in hostile(QUERY, "select", "2023", "    8"):
        counts_of(FORMAT, CONNECT.encode() + line + QUERY.encode())
    assert FORMAT.recognise(("\t\t" + " " * 8000 + "\n").encode() * 8, "x") == 0


PIECES = st.sampled_from(
    [CONNECT, QUERY, "\n", "from t\n", "\t\t    8 Quit\t\n", "\t", "@", " on ", "230208  3:12:45\t"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(max_examples=80, deadline=None)
def test_fuzz_lines(text: str) -> None:
    counts_of(FORMAT, text)
