"""IIS W3C logs: fields that change, bytes that were not chosen, hostile lines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace import w3c
from leftopen.trace.api import Act, ReadOptions
from leftopen.trace.formats import iis
from log_cases import counts_of, hostile, rows_of

FIELDS = "#Fields: date time c-ip cs-method cs-uri-stem sc-status sc-bytes\n"
LINE = "2023-02-08 03:12:45 203.0.113.9 GET /a.pst 200 5\n"

# learn.microsoft.com: "W3C Extended Log File Format" sample (IIS 6.0), as printed there.
VENDOR = (
    "#Software: Internet Information Services 6.0\n#Version: 1.0\n#Date: 2001-05-02 17:42:15\n"
    "#Fields: time c-ip cs-method cs-uri-stem sc-status cs-version\n"
    "17:42:15 172.16.255.255 GET /default.htm 200 HTTP/1.0\n"
)
HTTPERR = (
    "#Software: Microsoft HTTP API 2.0\n#Version: 1.0\n#Date: 2023-02-08 03:12:40\n"
    "#Fields: date time c-ip c-port s-ip s-port cs-version cs-method cs-uri sc-status s-siteid "
    "s-reason s-queuename\n"
    "2023-02-08 03:12:45 203.0.113.9 4520 10.0.0.4 80 HTTP/1.1 GET /a?b 503 1 AppOffline P\n"
    "2023-02-08 03:12:46 203.0.113.9 4521 10.0.0.4 80 - - - - - Timer_ConnectionIdle -\n"
)


def test_vendor_sample_takes_the_day_of_the_directive() -> None:
    (row,) = rows_of(iis.FORMAT, VENDOR)
    assert (row["time"], row["client"], row["bytes"]) == (988825335, "172.16.255.255", None)
    assert row["act"] == Act.WHOLE
    assert iis.recognise(VENDOR.encode(), "u_ex.log") >= 90


def test_kernel_errors_are_attempts() -> None:
    found = rows_of(iis.FORMAT, HTTPERR)
    assert [r["act"] for r in found] == [Act.TOUCHED, Act.TOUCHED]
    assert [r["status"] for r in found] == [5, 0]


@pytest.mark.parametrize(
    ("stamp", "kept"),
    [
        ("0000-01-01 00:00:00", 0),
        ("9999-12-31 23:59:59", 0),
        ("1969-12-31 23:59:59", 0),
        ("2023-02-08 24:00:00", 0),
        ("2023-02-08 03:12:45.123", 1),
        ("2023-02-08 3:12:45", 0),
    ],
)
def test_times_out_of_range_are_rejected(stamp: str, kept: int) -> None:
    text = FIELDS + LINE.replace("2023-02-08 03:12:45", stamp)
    assert len(rows_of(iis.FORMAT, text)) == kept
    assert counts_of(iis.FORMAT, text) == (2, 1 - kept, 0)


def test_bytes_that_do_not_fit_are_unknown() -> None:
    for size in ("-", "9" * 60, "-5", "1e3", ""):
        (row,) = rows_of(iis.FORMAT, FIELDS + LINE.replace(" 5\n", f" {size}\n"))
        assert row["bytes"] is None


def test_a_file_without_addresses_still_shows_that_it_was_recording() -> None:
    text = "#Fields: date time cs-method sc-status\n2023-02-08 03:12:45 GET 200\n"
    (row,) = rows_of(iis.FORMAT, text)
    assert row["client"] is None


def test_fields_that_repeat_or_never_end_reject_their_lines() -> None:
    for fields in ("date time c-ip c-ip", "date", " ".join(f"f{n}" for n in range(200))):
        assert counts_of(iis.FORMAT, f"#Fields: {fields}\n{LINE}") == (2, 1, 0)


def test_layouts_without_end_are_rejected_not_slow() -> None:
    count = w3c.LAYOUTS_MAX + 50
    text = "".join(
        f"#Fields: date time c-ip x{n}\n2023-02-08 03:12:45 ::1 5\n" for n in range(count)
    )
    assert counts_of(iis.FORMAT, text) == (2 * count, 50, 0)


def test_recognition_is_linear_in_the_head() -> None:
    head = b"#Fields:" + b" a" * 30_000 + b"\x00!"  # an ambiguous pattern would never return
    assert iis.recognise(head, "") == 0


def test_fields_hold_across_blocks() -> None:
    blocks = iter([FIELDS.encode(), LINE.encode(), LINE.encode()])
    assert sum(c.rows.height for c in iis.read(blocks, ReadOptions())) == 2


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "/a.pst", "200", "5\n", "2023"):
        lines, rejected, _ = counts_of(iis.FORMAT, FIELDS.encode() + line + LINE.encode())
        assert lines in (2, 3)
        assert rejected <= 2


@given(st.lists(st.sampled_from([FIELDS, LINE, "#Fields: x\n", "\n", "a b\n", "#Date: x\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_directives_and_lines(parts: list[str]) -> None:
    lines, rejected, blank = counts_of(iis.FORMAT, "".join(parts))
    plain = sum(p in (LINE, "a b\n") for p in parts)
    assert len(rows_of(iis.FORMAT, "".join(parts))) == plain - rejected
    assert (lines, blank) == (len(parts), parts.count("\n"))
