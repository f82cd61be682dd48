"""Load balancer logs: hostile and unanswered requests."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import aws_alb
from log_cases import counts_of, hostile, rows_of

LINE = aws_alb.EXAMPLE.splitlines(keepends=True)[0]


def test_client_that_left_before_an_answer() -> None:
    (row,) = rows_of(aws_alb.FORMAT, LINE.replace(" 200 200 0 57 ", " - - 0 0 "))
    assert (row["act"], row["status"], row["bytes"]) == (Act.TOUCHED, 0, 0)


def test_ipv6_client_and_ports_out_of_range() -> None:
    text = LINE.replace("192.168.131.39:2817", "[2001:DB8::7]:2817").replace(":443/", ":99999/")
    (row,) = rows_of(aws_alb.FORMAT, text)
    assert (row["client"], row["port"]) == ("2001:db8::7", 0)


def test_counts_over_64_bits_are_unknown() -> None:
    for size in ("9" * 40, "-1"):
        assert rows_of(aws_alb.FORMAT, LINE.replace(" 57 ", f" {size} "))[0]["bytes"] is None


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        assert counts_of(aws_alb.FORMAT, LINE.replace("2018-07-02T22:23", year)) == (1, 1, 0)
        assert counts_of(aws_alb.FORMAT, LINE.replace("2018-07", f"{year}-07")) == (1, 1, 0)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "192.168.131.39", "/a.pst", "57", "curl/7.46.0", "2018-07-02"):
        counts_of(aws_alb.FORMAT, LINE.encode() + line)


@given(st.lists(st.sampled_from([LINE, aws_alb.CLASSIC, "\n", "x\n", LINE[:90] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(aws_alb.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:90] + "\n") for p in parts)
