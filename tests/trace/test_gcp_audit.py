"""Google Cloud audit logs: no bytes, no records of public reads, callers, and what breaks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, mutated, read_all, rejected, rows
from leftopen.model.gap import Reason
from leftopen.trace.api import Act, ReadOptions
from leftopen.trace.formats.gcp_audit import FORMAT, _example


def one(**changes: object) -> dict[str, object]:
    (made,) = rows(read_all(FORMAT, _example(**changes).encode())).to_dicts()
    return made


@pytest.mark.parametrize(
    ("code", "act", "status", "sent"),
    [(0, Act.WHOLE, 2, None), (7, Act.TOUCHED, 4, 0), (5, Act.TOUCHED, 4, 0), (14, 0, 5, 0)],
)
def test_statuses(code: int, act: Act, status: int, sent: int | None) -> None:
    made = one(status={"code": code})
    assert (made["act"], made["status"], made["bytes"]) == (act, status, sent)


@pytest.mark.parametrize("caller", ["private", "gce-internal-ip", "", None, "\x1b[2J"])
def test_callers_that_are_no_address(caller: str | None) -> None:
    assert one(requestMetadata={"callerIp": caller})["client"] is None


def test_that_public_reads_leave_no_record_is_said_once_a_file() -> None:
    found = read_all(FORMAT, (_example() * 3).encode())
    troubles = [t for c in found for t in c.troubles]
    assert [t.reason for t in troubles] == [Reason.NO_LOG]
    assert "allUsers" in troubles[0].detail


def test_anonymous_has_no_login() -> None:
    assert one(authenticationInfo={})["user"] is False
    assert one(authenticationInfo=None)["user"] is False
    assert one(authenticationInfo={"principalSubject": "serviceAccount:x"})["user"] is True


def test_hostile_lines_between_good_ones() -> None:
    hostile_between(FORMAT, _example() + _example())


def test_a_broken_first_line_hides_nothing() -> None:
    for step in (1, 50, 10_000):
        data = b"\n" + _example().encode()[100:] + _example().encode() * 3
        blocks = [data[i : i + step] for i in range(0, len(data), step)]
        found = list(FORMAT.read(iter(blocks), ReadOptions()))
        assert (rows(found).height, rejected(found)) == (3, 1)


@given(data=st.one_of(st.binary(max_size=200), mutated(_example() + _example())))
@settings(max_examples=80, deadline=None)
def test_fuzz_gcp_audit(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
