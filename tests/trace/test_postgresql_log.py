"""PostgreSQL's three logs: sessions and statements of each client, never how much was given."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act, ReadOptions
from leftopen.trace.formats import postgresql_log
from leftopen.trace.formats.postgresql_log import CSV, JSON, SYSLOG, TEXT
from log_cases import counts_of, hostile, rows_of

FORMAT = postgresql_log.FORMAT
LINES = TEXT.splitlines(keepends=True)
RECEIVED, AUTHORIZED = LINES[1:3]
READ = "2023-02-08 03:12:45.520 UTC [9] kim@d LOG:  statement: select a from t\n"
FLAT = CSV.replace("\nto", " to")


@pytest.mark.parametrize(
    ("prefix", "client"),
    [
        ("{} UTC [9] ", "unattributed"),
        ("{}.123 UTC [9] kim@d ", "unattributed"),
        ("{} UTC ", "unattributed"),
        ("{} UTC:203.0.113.9(3381):kim@d:[9]:", "203.0.113.9"),
        ("{} UTC [9]: user=kim,db=d,app=psql,client=203.0.113.9 ", "203.0.113.9"),
        ("{} UTC [9]: [3-1] user=kim,db=d,app=psql,client=2001:db8::7 ", "2001:db8::7"),
        ("{}.123 UTC [9] kim@d 203.0.113.9 ", "203.0.113.9"),
        ("{} UTC-63e311fd.9-", "unattributed"),
        ("{} UTC [9] kim@d [local] ", None),
    ],
)
def test_usual_prefixes(prefix: str, client: str | None) -> None:
    line = prefix.format("2023-02-08 03:12:45") + "LOG:  statement: select a from t\n"
    assert FORMAT.recognise(line.encode(), "x") >= 90
    (row,) = rows_of(FORMAT, line)
    assert (row["time"], row["client"]) == (1675825965, client)
    assert row["act"] == (Act.PART if client else Act.TOUCHED)
    assert row["bytes"] is None or client is None


@pytest.mark.parametrize("prefix", ["{} UTC [9] kim@d ", "{} UTC-63e311fd.9-", "{} +00 [9] "])
def test_the_client_is_of_the_line_that_received_it(prefix: str) -> None:
    said = (
        "LOG:  connection received: host=203.0.113.9 port=5\n",
        "LOG:  duration: 5.1 ms  execute q: select a from t\n",
    )
    start = prefix.format("2023-02-08 03:12:45")
    found = rows_of(FORMAT, "".join(start + text for text in said))
    assert [r["client"] for r in found] == ["203.0.113.9"] * 2
    assert [r["act"] for r in found] == [Act.TOUCHED, Act.PART]
    assert all(r["bytes"] is None for r in found)


@pytest.mark.parametrize(
    ("stamp", "zone", "wanted", "said"),
    [
        ("2023-02-08 03:12:45 GMT", "Europe/Berlin", 1675825965, "names UTC or an offset"),
        ("2023-02-08 04:12:45.5 +01", "UTC", 1675825965, "names UTC or an offset"),
        ("2023-02-07 23:42:45 -03:30", "UTC", 1675825965, "names UTC or an offset"),
        ("1675825965.123", "UTC", 1675825965, "names UTC or an offset"),
        ("2023-02-08 04:12:45 CET", "Europe/Berlin", 1675825965, "Europe/Berlin"),
        ("2023-02-08 03:12:45 CET", "UTC", 1675825965, "the log itself says CET"),
        # The hour that comes twice: its name tells which.
        ("2023-10-29 02:30:00 CEST", "Europe/Berlin", 1698539400, "Europe/Berlin"),
        ("2023-10-29 02:30:00 CET", "Europe/Berlin", 1698543000, "Europe/Berlin"),
    ],
)
def test_zones(stamp: str, zone: str, wanted: int, said: str) -> None:
    line = f"{stamp} [9] LOG:  statement: select 1\n".encode()
    options = ReadOptions(zone=zone)
    assert rows_of(FORMAT, line, options)[0]["time"] == wanted
    assert said in next(FORMAT.read(iter([line]), options)).clock


def test_an_error_takes_a_statement_back() -> None:
    other = READ.replace("[9]", "[8]")
    error = READ.replace("LOG:  statement: select a from t", "ERROR:  permission denied")
    found = rows_of(FORMAT, RECEIVED + READ + other + error)
    assert sorted((r["line"], r["act"]) for r in found if r["client"]) == [(1, 0), (2, 0), (3, 3)]
    late = error.replace("03:12:45", "03:14:45")
    assert [r["act"] for r in rows_of(FORMAT, READ + late)] == [Act.PART, Act.TOUCHED]


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ('password authentication failed for user "x"', "unattributed"),
        ('no pg_hba.conf entry for host "203.0.113.9", user "x", database "d"', "203.0.113.9"),
        ("terminating background worker due to administrator command", None),
    ],
)
def test_refusals(said: str, client: str | None) -> None:
    (row,) = rows_of(FORMAT, f"2023-02-08 03:12:45 UTC [9] x@d FATAL:  {said}\n")
    assert (row["client"], row["act"]) == (client, Act.TOUCHED)


@pytest.mark.parametrize(("method", "user"), [("trust", False), ("scram-sha-256", True)])
def test_a_name_is_no_login_where_everyone_is_trusted(method: str, user: bool) -> None:
    said = f'connection authenticated: identity="kim" method={method} (/etc/pg_hba.conf:9)'
    line = AUTHORIZED.replace("connection authorized: user=kim database=d", said)
    found = rows_of(FORMAT, RECEIVED + line + AUTHORIZED + READ)
    assert [r["user"] for r in found] == [False, user, user, user]


def test_a_name_of_the_client_is_no_record() -> None:
    forged = "x LOG:  connection received: host=198.51.100.4 port=1"
    text = RECEIVED + READ.replace("kim", forged)
    assert {r["client"] for r in rows_of(FORMAT, text)} <= {"203.0.113.9", None}
    closed = LINES[-1].replace("user=kim", "user=a host=198.51.100.4 port=1")
    assert rows_of(FORMAT, closed)[0]["client"] == "203.0.113.9"


def test_a_statement_cannot_forge_a_record() -> None:
    inside = FLAT.rstrip("\n").replace("203.0.113.9", "198.51.100.4").replace('"', '""')
    bare = '2023-02-08 03:12:45 UTC,,,1,,a.1,1,,,,,0,LOG,00000,"",,,,,,,,,"","",,0'.replace(
        '"', '""'
    )
    text = FLAT.replace("copy", f"select 1;\n{inside}\n{bare}\n;copy")
    found = rows_of(FORMAT, text)
    assert [(r["line"], r["client"], r["act"]) for r in found] == [(1, "203.0.113.9", Act.WHOLE)]
    assert counts_of(FORMAT, text + FLAT) == (5, 0, 0)
    lines = TEXT.replace(
        "\twhere a>0", "\t" + RECEIVED.rstrip("\n").replace("203.0.113.9", "6.6.6.6")
    )
    assert {r["client"] for r in rows_of(FORMAT, lines)} == {"203.0.113.9", None}


def test_a_damaged_csv_hides_nothing_that_comes_after() -> None:
    end = FLAT.index("copy") + 10
    cut = FLAT[:end] + "\n"
    found = rows_of(FORMAT, cut + FLAT.replace("203.0.113.9", "198.51.100.4"))
    assert [(r["line"], r["client"]) for r in found] == [(1, "203.0.113.9"), (2, "198.51.100.4")]
    assert counts_of(FORMAT, "to stdout\n" + FLAT) == (2, 1, 0)
    assert counts_of(FORMAT, "\twhere a\n" + READ) == (2, 1, 0)
    assert [r["client"] for r in rows_of(FORMAT, FLAT[:end])] == ["203.0.113.9"]


def test_csv_clients() -> None:
    for peer, client in (
        ('"2001:db8::7:5"', "2001:db8::7"),
        ('"[local]"', None),
        ('"db.example:5"', "db.example"),
        ("", "unattributed"),
        ('"a b:5"', "unattributed"),
    ):
        (row,) = rows_of(FORMAT, FLAT.replace('"203.0.113.9:3381"', peer))
        assert row["client"] == client


def test_syslog_and_audit() -> None:
    lines = "Feb  8 03:12:45 db postgres[9]: [2-1] LOG:  connection received: host=203.0.113.9\n"
    assert counts_of(FORMAT, lines + SYSLOG) == (3, 0, 0)
    assert [r["client"] for r in rows_of(FORMAT, lines + SYSLOG)] == ["203.0.113.9"] * 2
    audit = READ.replace("statement: select", "AUDIT: SESSION,1,1,READ,SELECT,,,select")
    assert rows_of(FORMAT, audit)[0]["act"] == Act.PART


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        for line in (READ, FLAT, JSON.splitlines(keepends=True)[1]):
            assert counts_of(FORMAT, line.replace("2023", year)) == (1, 1, 0)


def test_sessions_are_bounded() -> None:
    many = (RECEIVED.replace("[9]", f"[{n}]") for n in range(9, 10 + postgresql_log.SESSIONS))
    assert rows_of(FORMAT, "".join(many) + READ)[-1]["client"] == "unattributed"


def test_hostile_lines_are_counted() -> None:
    for line in hostile(RECEIVED, "203.0.113.9", "338", "[9]", "2023-02-08", "LOG", "[unknown]@"):
        counts_of(FORMAT, line + READ.encode())
    for line in hostile(FLAT, "203.0.113.9", '"kim"', "9,", "LOG", '"statement', "2023-02-08"):
        counts_of(FORMAT, line + FLAT.encode())
    for line in hostile(JSON, "2001:db8::7", "select", '"pid"', "2023-02-08"):
        counts_of(FORMAT, line)


SLOW = (
    "2023-02-08 03:12:45 UTC " + "LOG: " * 1600,
    "2023-02-08 03:12:45 UTC " + "1.1.1.1 " * 1000,
    "2023-02-08 03:12:45 UTC," + '"",' * 2600,
    "2023-02-08 03:12:45 UTC," + '"' * 8001,
    '{"timestamp":"2023-02-08 03:12:45 UTC",' + '"pid":1,' * 1000,
    READ.rstrip("\n") + " LOG:  connection received: host=" * 200,
)


@pytest.mark.parametrize("line", SLOW)
def test_hostile_lines_are_quick(line: str) -> None:
    before = time.process_time()
    FORMAT.recognise(f"{line}\n".encode() * 8, "x")
    counts_of(FORMAT, f"{line}\n" * 8)
    assert time.process_time() - before < 2


PIECES = st.sampled_from([*LINES, CSV, FLAT, JSON, SYSLOG, READ, '"', "\n", "\t", ",", "x", '""'])


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(max_examples=80, deadline=None)
def test_fuzz_lines(text: str) -> None:
    counts_of(FORMAT, text)


@given(st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_fuzz_a_statement_names_no_other_client(said: str) -> None:
    item = json.loads(JSON.splitlines()[1])
    item["message"] = f"statement: {said}"
    found = rows_of(FORMAT, json.dumps(item) + "\n")
    assert [r["client"] for r in found] == ["2001:db8::7"]
