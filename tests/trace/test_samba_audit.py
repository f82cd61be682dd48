"""Samba full_audit: prefixes of any shape, operations of any version."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import samba_audit
from log_cases import counts_of, hostile, rows_of

LINE = "Feb  8 03:12:44 fs smbd_audit[811]: kim|203.0.113.9|ws1|mail|pread|ok|a.pst\n"


def test_operations_of_newer_and_older_versions() -> None:
    for operation, act in (
        ("open|ok|r|a", Act.PART),
        ("open|ok|w|a", Act.LOOKED),
        ("create_file|ok|0x100080|dir|open|a", Act.LOOKED),
        ("create_file|ok|0x2|file|create|a", Act.LOOKED),
        ("offload_read_send|ok|a", Act.PART),
        ("fdopendir|ok|.", Act.LISTED),
        ("unlinkat|ok|a", Act.LOOKED),
        ("pread|fail (No such file or directory)|a", Act.TOUCHED),
    ):
        (row,) = rows_of(samba_audit.FORMAT, LINE.replace("pread|ok|a.pst", operation))
        assert (row["act"], row["client"]) == (act, "203.0.113.9")


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        iso = LINE.replace("Feb  8 03:12:4", f"{year}-02-08T03:12:4")
        assert counts_of(samba_audit.FORMAT, iso) == (1, 1, 0)


def test_framed_by_rfc_5424() -> None:
    tail = LINE.split("]: ", 1)[1]
    framed = "<30>1 2023-02-08T03:12:44Z h smbd_audit 7 - - " + tail
    assert rows_of(samba_audit.FORMAT, framed) == rows_of(samba_audit.FORMAT, LINE)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "a.pst", "pread", "|ok|", "Feb  8"):
        counts_of(samba_audit.FORMAT, LINE.encode() + line)


@given(st.lists(st.sampled_from([LINE, samba_audit.EXAMPLE, "\n", "x\n", LINE[:12] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(samba_audit.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:12] + "\n") for p in parts)
