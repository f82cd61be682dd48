"""Postfix says nothing of reading, whatever it logs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.formats import postfix
from log_cases import counts_of, hostile, rows_of

LINE = "Feb  8 03:12:45 mx postfix/smtpd[1]: connect from unknown[203.0.113.9]\n"


def test_never_more_than_touched_and_left_to_dovecot_where_mail_is_read() -> None:
    found = rows_of(postfix.FORMAT, postfix.EXAMPLE)
    assert {(r["act"], r["bytes"], r["units"], r["object"]) for r in found} == {
        (Act.TOUCHED, 0, 0, None)
    }
    reading = "Feb  8 03:12:45 mx dovecot: imap-login: Login: user=<k>, rip=203.0.113.9\n"
    assert postfix.recognise((LINE * 50).encode(), "mail.log") == 90
    assert postfix.recognise((LINE * 50 + reading).encode(), "mail.log") == 0


def test_rejected_clients_are_there_too() -> None:
    for said in (
        "NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 554 5.7.1 no",
        "lost connection after AUTH from unknown[203.0.113.9]",
        "warning: unknown[203.0.113.9]: SASL LOGIN authentication failed",
    ):
        text = LINE.replace("connect from unknown[203.0.113.9]", said)
        assert rows_of(postfix.FORMAT, text)[0]["client"] == "203.0.113.9"


def test_years_out_of_range_are_rejected() -> None:
    for year in ("0000", "9999", "1969"):
        iso = LINE.replace("Feb  8 03:12:4", f"{year}-02-08T03:12:4")
        assert counts_of(postfix.FORMAT, iso) == (1, 1, 0)


def test_framed_by_rfc_5424() -> None:
    tail = LINE.split("]: ", 1)[1]
    framed = "<30>1 2023-02-08T03:12:45Z h postfix/smtpd 7 - - " + tail
    assert rows_of(postfix.FORMAT, framed) == rows_of(postfix.FORMAT, LINE)


def test_hostile_lines_are_counted() -> None:
    for line in hostile(LINE, "203.0.113.9", "unknown", "connect", "Feb  8"):
        counts_of(postfix.FORMAT, LINE.encode() + line)


@given(st.lists(st.sampled_from([LINE, postfix.EXAMPLE, "\n", "x\n", LINE[:12] + "\n"])))
@settings(max_examples=60, deadline=None)
def test_fuzz_mixed_lines(parts: list[str]) -> None:
    _, rejected, _ = counts_of(postfix.FORMAT, "".join(parts))
    assert rejected == sum(p in ("x\n", LINE[:12] + "\n") for p in parts)
