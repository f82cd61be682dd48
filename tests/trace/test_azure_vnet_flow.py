"""Azure VNet flow logs: milliseconds, deltas, denials, and what breaks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import lines, mutated, read_all, rejected, rows
from leftopen.trace.api import Act, ReadOptions
from leftopen.trace.formats.azure_vnet_flow import FORMAT

GOOD = "1675825966606,203.0.113.9,10.0.0.6,23956,443,6,I,E,NX,3,767,2,1580"


def record(*tuples: str, time: str = "2023-02-08T03:00:52.5625085Z") -> dict[str, object]:
    flows = [{"aclID": "a", "flowGroups": [{"rule": "r", "flowTuples": list(tuples)}]}]
    where = {"targetResourceID": "/VNET", "macAddress": "00AB"}
    return {"time": time, "category": "FlowLogFlowEvent", **where, "flowRecords": {"flows": flows}}


def document(*records: object) -> bytes:
    return json.dumps({"records": records}).encode()


def test_deltas_are_handed_on_to_be_summed_and_begin_and_denied_count_nothing() -> None:
    counted = [GOOD.replace(",E,", f",{state},") for state in "BCED"]
    made = rows(read_all(FORMAT, document(record(*counted))))
    assert made["bytes"].to_list() == [0, 1580, 1580, 0]
    assert made["act"].to_list() == [Act.TOUCHED, Act.LOOKED, Act.LOOKED, Act.TOUCHED]
    assert made["time"].to_list() == [1675825966] * 4


def test_what_left_of_an_inbound_flow_is_what_it_received() -> None:
    made = rows(read_all(FORMAT, document(record(GOOD.replace("767", "999999")))))
    assert made["bytes"].to_list() == [1580]


@pytest.mark.parametrize("counts", [",,,", "3,767,2,"])
def test_a_blank_count_is_unknown_never_zero(counts: str) -> None:
    made = rows(read_all(FORMAT, document(record(GOOD.replace("3,767,2,1580", counts)))))
    assert made["bytes"].to_list() == [None]
    assert made["act"].to_list() == [Act.LOOKED]


def test_microsofts_own_sample() -> None:
    # learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview, sample log record
    tuples = (
        "1663146003599,10.0.0.6,192.0.2.180,23956,443,6,O,B,NX,0,0,0,0",
        "1663146003606,10.0.0.6,192.0.2.180,23956,443,6,O,E,NX,3,767,2,1580",
        "1663145998065,101.33.218.153,10.0.0.6,55188,22,6,I,D,NX,0,0,0,0",
        "1663146005503,192.241.200.164,10.0.0.6,35276,119,6,I,D,NX,0,0,0,0",
    )
    made = rows(read_all(FORMAT, document(record(*tuples))))
    assert made["client"].to_list() == [None, None, "101.33.218.153", "192.241.200.164"]
    assert made["bytes"].sum() == 0 or made["bytes"].to_list()[2:] == [0, 0]


def test_only_the_asked_port_keeps_its_clients() -> None:
    text = document(record(GOOD, GOOD.replace(",443,", ",22,")))
    made = rows(read_all(FORMAT, text, ReadOptions(port=22)))
    assert made["client"].to_list() == [None, "203.0.113.9"]


def test_the_hour_and_the_interface_vouch() -> None:
    (chunk,) = read_all(FORMAT, document(record(GOOD), record(GOOD, time="nonsense")))
    assert chunk.claimed == ((1675825200, 1675828800),)
    assert chunk.origin == "/vnet/00ab"


@pytest.mark.parametrize(
    "bad",
    [
        GOOD.replace("1580", "99999999999999999999999"),
        GOOD.replace("1675825966606", "253402300799999"),
        GOOD.replace(",443,", ",65536,"),
        GOOD.replace("NX", 'N"X'),
        GOOD.replace("NX", "N\nX"),
        GOOD + ",1",
        "\x1b]0;x\x07",
        "\0" * 99,
        "9" * (1 << 20),
        "",
    ],
)
def test_hostile_tuples_are_rejected_and_their_neighbours_kept(bad: str) -> None:
    found = read_all(FORMAT, document(record(GOOD, bad, GOOD)))
    assert rows(found)["line"].to_list() == [1, 3]
    assert (lines(found), rejected(found), found[0].bad) == (3, 1, (2,))


def test_records_that_are_none_are_counted() -> None:
    found = read_all(FORMAT, document(record(GOOD), {"time": 5}, 7, record(GOOD)))
    assert (rows(found).height, lines(found), rejected(found)) == (2, 4, 2)
    assert found[0].troubles[0].count == 2


def test_cut_documents_and_documents_by_line() -> None:
    data = document(record(GOOD), record(GOOD), record(GOOD))
    found = read_all(FORMAT, data[:-60])
    assert (rows(found).height, rejected(found)) == (2, 1)
    assert rows(read_all(FORMAT, data + b"\n\n" + data + b"\n")).height == 6
    assert rows(read_all(FORMAT, data + data)).height == 6
    one = json.dumps(record(GOOD)).encode()
    assert rows(read_all(FORMAT, one + b"\n{broken\n" + one)).height == 2
    assert rejected(read_all(FORMAT, one + b"\n{broken\n" + one)) == 1
    deep = b'{"records":[' + b"[" * 200_000
    assert rejected(read_all(FORMAT, deep)) == 1


def test_invalid_utf8_costs_one_record() -> None:
    data = document(record(GOOD), record(GOOD), record(GOOD)).replace(b",443,", b",\xff443,", 1)
    found = read_all(FORMAT, data)
    assert (rows(found).height, rejected(found), lines(found)) == (2, 1, 3)


@given(data=st.one_of(st.binary(max_size=200), mutated(document(record(GOOD, GOOD)).decode())))
@settings(max_examples=80, deadline=None)
def test_fuzz_azure_vnet_flow(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
