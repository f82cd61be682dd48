"""masscan: XML, JSON, NDJSON and lists as src/out-*.c writes them; killed runs."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importing import Files
from leftopen.model.exposure import Access, Observation
from leftopen.model.gap import Gap, Reason

XML = (
    '<?xml version="1.0"?>\r\n<!-- masscan v1.0 scan -->\r\n'
    '<nmaprun scanner="masscan" start="1675833600" version="1.0-BETA"  xmloutputversion="1.03">\r\n'
    '<scaninfo type="syn" protocol="tcp" />\r\n'
    '<host endtime="1675833601"><address addr="198.51.100.10" addrtype="ipv4"/><ports>'
    '<port protocol="tcp" portid="80"><state state="open" reason="syn-ack" reason_ttl="57"/></port>'
    "</ports></host>\r\n"
    '<host endtime="1675833602"><address addr="198.51.100.10" addrtype="ipv4"/><ports>'
    '<port protocol="tcp" portid="80"><state state="open" reason="response" reason_ttl="57" />'
    '<service name="http" banner="HTTP/1.1 200 OK"></service></port></ports></host>\r\n'
    '<runstats>\r\n<finished time="1675833610" elapsed="9" />\r\n</runstats>\r\n</nmaprun>\r\n'
)
JSON = (
    '[\n{   "ip": "198.51.100.10",   "timestamp": "1675833601", "ports": [ {"port": 80, "proto": '
    '"tcp", "status": "open", "reason": "syn-ack", "ttl": 57} ] }\n,\n'
    '{   "ip": "198.51.100.10",   "timestamp": "1675833602", "ports": [ {"port": 80, "proto": '
    '"tcp", "service": {"name": "http", "banner": "HTTP/1.1 200 OK"} } ] }\n]\n'
)
NDJSON = (
    '{"ip":"198.51.100.10","timestamp":"1675833601","port":80,"proto":"tcp","rec_type":"status",'
    '"data":{"status":"open","reason":"syn-ack","ttl":57}}\n'
    '{"ip":"198.51.100.10","timestamp":"1675833602","port":80,"proto":"tcp","rec_type":"banner",'
    '"data":{"service_name":"http","banner":"HTTP/1.1 200 OK"}}\n'
)
LIST = (
    "#masscan\nopen tcp 80 198.51.100.10 1675833601\n"
    "banner tcp 80 198.51.100.10 1675833602 http HTTP/1.1 200 OK\n# end\n"
)
ALL = {"xml": XML, "json": JSON, "ndjson": NDJSON, "list": LIST}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.mark.parametrize("kind", ALL)
def test_status_and_banner_are_two_records(files: Files, kind: str) -> None:
    status, banner = files.seen(ALL[kind])
    assert {o.sensor for o in (status, banner)} == {"masscan"}
    assert str(status.endpoint) == str(banner.endpoint) == "198.51.100.10:80"
    assert status.time == datetime(2023, 2, 8, 5, 20, 1, tzinfo=UTC)
    assert (status.access, status.protocol) == (Access.SPEAKS, "")
    assert (banner.access, banner.protocol) == (Access.SPEAKS, "http")
    assert "HTTP/1.1 200 OK" in banner.detail


@pytest.mark.parametrize("kind", ALL)
def test_a_port_is_one_target(files: Files, kind: str) -> None:
    assert files.ports(ALL[kind]) == [("198.51.100.10", 80)]
    packed = gzip.compress(ALL[kind].encode())
    assert files.ports(packed, "scan.gz") == [("198.51.100.10", 80)]


@pytest.mark.parametrize(
    "cut", [XML[: XML.index("<runstats")], JSON[: JSON.rindex("]")], LIST[: LIST.index("# end")]]
)
def test_a_killed_run_is_read_and_said_so(files: Files, cut: str) -> None:
    found = files.read(cut)
    assert len([item for item in found if isinstance(item, Observation)]) == 2
    (gap,) = [item for item in found if isinstance(item, Gap)]
    assert gap.reason is Reason.CORRUPT


def test_a_run_killed_within_a_record(files: Files) -> None:
    found = files.read(JSON[: JSON.index('"service"')])
    gaps = [item for item in found if isinstance(item, Gap)]
    assert len(found) == 3
    assert [(g.reason, files.at(g)) for g in gaps] == [
        (Reason.UNPARSED, "scan:4"),
        (Reason.CORRUPT, "scan"),
    ]


def test_the_end_that_old_versions_wrote(files: Files) -> None:
    old = JSON.replace("}\n,\n", "},\n").replace("]\n", ",\n{finished: 1}\n]\n")
    assert "finished" in old
    assert len(files.seen(old.replace("} ]\n", "} ] }\n"))) == 2


def test_closed_ports_are_no_targets(files: Files) -> None:
    text = LIST.replace("open tcp 80", "closed tcp 81")
    assert files.seen(text)[0].access is Access.CLOSED
    assert files.ports(text) == [("198.51.100.10", 80)]
    assert files.ports(NDJSON.replace('"open"', '"closed"').split("\n", 1)[0]) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("open tcp 80 nobody 1675833601", Reason.UNPARSED),
        ("open tcp 99999 198.51.100.10 1675833601", Reason.UNPARSED),
        ("open tcp 8 198.51.100.10 never", Reason.NO_TIME),
        ("open icmp 8 198.51.100.10 1675833601", Reason.UNSUPPORTED),
        ("open tcp", Reason.UNPARSED),
        ("open tcp " + "9" * 5000 + " 198.51.100.10 1675833601", Reason.UNPARSED),
    ],
)
def test_a_bad_line_is_a_gap_with_its_place(files: Files, line: str, reason: Reason) -> None:
    (gap,) = files.gaps(LIST.replace("# end", f"{line}\n# end"))
    assert (gap.reason, files.at(gap)) == (reason, "scan:4")


def test_many_bad_lines_are_few_gaps(files: Files) -> None:
    gaps = files.gaps(NDJSON + "{}\n" * 5000)
    assert len(gaps) == 101
    assert (gaps[0].count, files.at(gaps[0])) == (1, "scan:3")
    assert gaps[-1].count == 4900
    assert len(files.ports(NDJSON + "{}\n" * 5000)) == 102


def test_text_that_is_not_utf8_is_a_gap(files: Files) -> None:
    gaps = files.gaps(NDJSON.encode().replace(b"HTTP/1.1", b"HTTP\xff\xfe"))
    assert [(g.reason, files.at(g)) for g in gaps] == [(Reason.UNPARSED, "scan:2")]
    masked = files.seen(LIST.replace("200 OK", "078-05-1120 \x1b[2J"))[1].detail
    assert "1120" not in masked
    assert "\x1b" not in masked


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.sampled_from(list(ALL.values())), st.binary(max_size=30), st.integers(0, 600))
def test_any_damage_is_a_gap_or_nothing(files: Files, text: str, junk: bytes, where: int) -> None:
    content = text.encode()
    for item in files.read(content[:where] + junk + content[where:]):
        assert isinstance(item, Observation | Gap)
