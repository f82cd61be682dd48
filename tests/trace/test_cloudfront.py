"""CloudFront standard logs: cut short, unanswered, hostile."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.formats import cloudfront
from log_cases import counts_of, hostile, rows_of

HEAD = cloudfront.HEAD
LINE = cloudfront.EXAMPLE.splitlines(keepends=True)[2]


def test_counts_over_64_bits_and_blanks_are_unknown() -> None:
    for size in ("9" * 40, "-1", "-", ""):
        (row,) = rows_of(cloudfront.FORMAT, HEAD + LINE.replace("\t392\t", f"\t{size}\t"))
        assert row["bytes"] is None


def test_unknown_protocol_is_port_unknown() -> None:
    assert rows_of(cloudfront.FORMAT, HEAD + LINE.replace("\thttps\t", "\tx\t"))[0]["port"] == 0


def test_times_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        text = HEAD + LINE.replace("2019", year)
        assert counts_of(cloudfront.FORMAT, text) == (3, 1, 0)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "192.0.2.100", "/index.html", "392", "Mozilla", "2019-12-04"):
        counts_of(cloudfront.FORMAT, HEAD.encode() + LINE.encode() + line)


@given(st.lists(st.sampled_from([LINE, HEAD, "\n", "x\n", LINE[:40] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(cloudfront.FORMAT, HEAD + "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:40] + "\n") for p in parts)
