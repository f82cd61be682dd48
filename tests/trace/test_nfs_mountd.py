"""NFS mount requests: granted means unknown, not nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import nfs_mountd
from log_cases import counts_of, hostile, rows_of

LINE = "Feb  8 03:12:45 fs rpc.mountd[8]: authenticated mount request from 203.0.113.9:871 for /a\n"


def test_a_granted_mount_never_says_that_nothing_was_read() -> None:
    (row,) = rows_of(nfs_mountd.FORMAT, LINE)
    assert (row["act"], row["bytes"]) == (Act.LOOKED, None)
    (row,) = rows_of(nfs_mountd.FORMAT, LINE.replace("203.0.113.9:871", "2001:db8::7:871"))
    assert row["client"] == "2001:db8::7"


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        iso = LINE.replace("Feb  8 03:12:4", f"{year}-02-08T03:12:4")
        assert counts_of(nfs_mountd.FORMAT, iso) == (1, 1, 0)


def test_framed_by_rfc_5424() -> None:
    tail = LINE.split("]: ", 1)[1]
    framed = "<30>1 2023-02-08T03:12:45Z h rpc.mountd 7 - - " + tail
    assert rows_of(nfs_mountd.FORMAT, framed) == rows_of(nfs_mountd.FORMAT, LINE)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "/a", "authenticated", "871", "Feb  8"):
        counts_of(nfs_mountd.FORMAT, LINE.encode() + line)


@given(st.lists(st.sampled_from([LINE, nfs_mountd.EXAMPLE, "\n", "x\n", LINE[:12] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(nfs_mountd.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:12] + "\n") for p in parts)
