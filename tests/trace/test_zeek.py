"""Zeek's conn, http, files and capture_loss: headers, JSON, who came in, and what breaks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_log import hostile_between, mutated, read_all, rejected, rows
from leftopen.model.gap import Reason
from leftopen.trace.api import Act, LogFormat, ReadOptions
from leftopen.trace.formats import zeek_capture_loss, zeek_conn, zeek_files, zeek_http

ALL = [zeek_conn.FORMAT, zeek_http.FORMAT, zeek_files.FORMAT, zeek_capture_loss.FORMAT]
TEXTS = [(f, e.text) for f in ALL for e in f.examples]


@pytest.mark.parametrize(("plugin", "text"), TEXTS)
def test_headers_come_again_in_joined_logs(plugin: LogFormat, text: str) -> None:
    once, twice = read_all(plugin, text.encode()), read_all(plugin, (text + text).encode())
    assert rows(twice).height == 2 * rows(once).height
    assert rejected(twice) == 0


@pytest.mark.parametrize(("plugin", "text"), TEXTS)
def test_hostile_lines_between_good_ones(plugin: LogFormat, text: str) -> None:
    hostile_between(plugin, text)


@pytest.mark.parametrize("plugin", ALL)
def test_without_a_header_nothing_is_guessed(plugin: LogFormat) -> None:
    body = "".join(n + "\n" for n in plugin.examples[0].text.splitlines() if n[0] != "#")
    found = read_all(plugin, body.encode())
    assert rows(found).is_empty()
    assert rejected(found) == body.count("\n")


def test_another_separator() -> None:
    text = (
        zeek_conn.TSV.replace("\t", ",").replace("\\x09", "\\x2c").replace("#set_separator,,", "#")
    )
    assert rows(read_all(zeek_conn.FORMAT, text.encode())).height == 4


def test_missed_bytes_are_a_gap() -> None:
    found = read_all(zeek_conn.FORMAT, zeek_conn.TSV.encode())
    troubles = [t for c in found for t in c.troubles]
    assert [(t.reason, t.count) for t in troubles] == [(Reason.LOST, 1)]
    assert "700 bytes" in troubles[0].detail


def test_sequence_numbers_gone_wild_are_not_believed() -> None:
    made = rows(read_all(zeek_conn.FORMAT, zeek_conn.TSV.encode()))
    assert made["bytes"].max() == 2157152  # and not 4294967295


def test_capture_loss_is_a_gap_and_vouches_for_nothing() -> None:
    for text in (zeek_capture_loss.TSV, zeek_capture_loss.JSON):
        found = read_all(zeek_capture_loss.FORMAT, text.encode())
        troubles = [t for c in found for t in c.troubles]
        assert [(t.reason, t.count) for t in troubles] == [(Reason.LOST, 1)]
        assert not any(c.claimed for c in found)
    quiet = zeek_capture_loss.TSV.splitlines(keepends=True)[:-1]
    assert not any(c.troubles for c in read_all(zeek_capture_loss.FORMAT, "".join(quiet).encode()))


def test_only_the_asked_port_keeps_its_clients() -> None:
    made = rows(read_all(zeek_conn.FORMAT, zeek_conn.TSV.encode(), ReadOptions(port=22)))
    assert made["client"].drop_nulls().to_list() == ["198.51.100.4"]


def test_zeeks_own_sample() -> None:
    # docs.zeek.org/en/master/log-formats.html (JSON)
    text = (
        '{"ts":1591367999.305988,"uid":"CMdzit1AMNsmfAIiQc","id.orig_h":"192.168.4.76",'
        '"id.orig_p":36844,"id.resp_h":"192.168.4.1","id.resp_p":53,"proto":"udp",'
        '"service":"dns","duration":0.06685185432434082,"orig_bytes":62,"resp_bytes":141,'
        '"conn_state":"SF","missed_bytes":0,"history":"Dd","orig_pkts":2,"orig_ip_bytes":118,'
        '"resp_pkts":2,"resp_ip_bytes":197}\n'
    )
    assert zeek_conn.FORMAT.recognise(text.encode(), "x") == 93
    (made,) = rows(read_all(zeek_conn.FORMAT, text.encode())).to_dicts()
    assert (made["client"], made["port"], made["bytes"]) == ("192.168.4.76", 53, 197)


def test_an_upload_is_no_file_taken() -> None:
    made = rows(read_all(zeek_files.FORMAT, zeek_files.NEW_LOG.encode()))
    assert made["act"].to_list() == [Act.WHOLE, Act.PART, Act.LOOKED, Act.WHOLE]
    assert made["bytes"].to_list() == [2097152, 4096, 0, None]


@pytest.mark.parametrize("plugin", ALL)
@given(data=st.one_of(st.binary(max_size=200), *(mutated(text) for _, text in TEXTS)))
@settings(max_examples=60, deadline=None)
def test_fuzz_zeek(plugin: LogFormat, data: bytes) -> None:
    assert 0 <= plugin.recognise(data, "x") <= 100
    read_all(plugin, data)
