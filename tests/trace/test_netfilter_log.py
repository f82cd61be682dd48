"""Netfilter LOG lines: years, zones, direction, and what breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, mutated, read_all, rejected, rows
from leftopen.trace.api import ReadOptions
from leftopen.trace.formats.netfilter_log import FORMAT, IPTABLES


def test_the_year_is_inferred_and_said() -> None:
    found = read_all(FORMAT, IPTABLES.encode(), ReadOptions(mtime=1676000000.0))
    assert rows(found)["time"][0] == 1675825965
    assert "year 2023" in found[0].clock


def test_the_zone_is_the_declared_one() -> None:
    found = read_all(FORMAT, IPTABLES.encode(), ReadOptions(year=2023, zone="Europe/Berlin"))
    assert rows(found)["time"][0] == 1675825965 - 3600


def test_a_packet_counts_nothing_and_that_is_unknown() -> None:
    made = rows(read_all(FORMAT, IPTABLES.encode()))
    assert made.filter(made["client"].is_not_null())["bytes"].null_count() == 3


def test_a_packet_that_went_out_is_no_client() -> None:
    made = rows(read_all(FORMAT, IPTABLES.encode()))
    assert "10.0.0.4" not in made["client"].to_list()


def test_a_bridge_and_nftables_and_a_priority() -> None:
    line = IPTABLES.split("\n")[0]
    bridged = line.replace("IN=eth0 OUT= ", "IN=br0 OUT=br0 PHYSIN=eth0 PHYSOUT=eth1 ")
    text = f"<4>{line}\n{bridged}\n{line.replace('IN-ACCEPT: ', '')}\n"
    found = read_all(FORMAT, text.encode())
    assert (rows(found)["client"].null_count(), rejected(found)) == (0, 0)
    assert FORMAT.recognise(text.encode(), "x") == 93


def test_syslog_of_other_things_is_not_taken() -> None:
    text = "Feb  8 03:12:45 mx postfix/smtpd[1]: connect from unknown[203.0.113.9]\n" * 9
    assert FORMAT.recognise(text.encode(), "x") == 0
    assert FORMAT.recognise((text * 9 + IPTABLES).encode(), "x") == 0


def test_hostile_lines_between_good_ones() -> None:
    hostile_between(FORMAT, IPTABLES)


@given(data=st.one_of(st.binary(max_size=200), mutated(IPTABLES)))
@settings(max_examples=80, deadline=None)
def test_fuzz_netfilter_log(data: bytes) -> None:
    assert 0 <= FORMAT.recognise(data, "x") <= 100
    read_all(FORMAT, data)
