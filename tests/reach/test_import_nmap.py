"""nmap's XML: a report that nmap 7.93 wrote, cut at every place, hostile, and nmap itself."""

from __future__ import annotations

import shutil
import subprocess
import tracemalloc
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importing import Files
from leftopen.model.exposure import Access, Observation
from leftopen.model.gap import Gap, Reason
from leftopen.reach.imports_reader import read_imports

# Written by nmap 7.93 (-sV); one host with a service that was asked was added in its shape.
REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<?xml-stylesheet href="file:///usr/bin/../share/nmap/nmap.xsl" type="text/xsl"?>
<!-- Nmap 7.93 scan initiated Tue Nov 24 13:47:32 2026 as: nmap -sV -p 18099,1 127.0.0.1 -->
<nmaprun scanner="nmap" args="nmap -sV" start="1795528052" version="7.93" xmloutputversion="1.05">
<scaninfo type="syn" protocol="tcp" numservices="2" services="1,18099"/>
<host starttime="1795528053" endtime="1795528055"><status state="up" reason="localhost-response"/>
<address addr="127.0.0.1" addrtype="ipv4"/>
<address addr="00:00:00:00:00:01" addrtype="mac"/>
<hostnames><hostname name="localhost" type="PTR"/></hostnames>
<ports><extraports state="filtered" count="998"/>
<port protocol="tcp" portid="1"><state state="closed" reason="reset" reason_ttl="64"/>\
<service name="tcpmux" method="table" conf="3"/></port>
<port protocol="tcp" portid="6379"><state state="open" reason="syn-ack" reason_ttl="64"/>\
<service name="redis" method="table" conf="3"/></port>
</ports></host>
<host starttime="1795528053" endtime="1795528060"><status state="up"/>
<address addr="2001:DB8::10" addrtype="ipv6"/>
<ports>
<port protocol="tcp" portid="443"><state state="open" reason="syn-ack"/>\
<service name="http" product="nginx" version="1.22.1" extrainfo="Debian" tunnel="ssl" \
method="probed" conf="10"/><script id="http-ls" output="x"><elem key="a">b</elem></script></port>
<port protocol="tcp" portid="22"><state state="filtered" reason="no-response"/></port>
<port protocol="udp" portid="53"><state state="open|filtered" reason="no-response"/></port>
<port protocol="udp" portid="11211"><state state="open" reason="udp-response"/></port>
<port protocol="sctp" portid="9"><state state="open" reason="x"/></port>
</ports></host>
<runstats><finished time="1795528060" exit="success"/><hosts up="2" down="0" total="2"/></runstats>
</nmaprun>
"""


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_ports_become_observations(files: Files) -> None:
    found = files.read(REPORT)
    seen = [item for item in found if isinstance(item, Observation)]
    assert [(o.endpoint.address, o.endpoint.port, o.access) for o in seen] == [
        ("127.0.0.1", 1, Access.CLOSED),
        ("127.0.0.1", 6379, Access.SPEAKS),
        ("2001:db8::10", 443, Access.SPEAKS),
        ("2001:db8::10", 22, Access.FILTERED),
        ("2001:db8::10", 53, Access.UNDETERMINED),
        ("2001:db8::10", 11211, Access.SPEAKS),
    ]
    assert {o.sensor for o in seen} == {"nmap"}
    assert seen[0].time == datetime(2026, 11, 24, 13, 47, 35, tzinfo=UTC)
    (gap,) = [item for item in found if isinstance(item, Gap)]
    assert (gap.reason, files.at(gap)) == (Reason.UNSUPPORTED, "scan host 2 port 9")


def test_only_a_probed_name_identifies(files: Files) -> None:
    by_port = {o.endpoint.port: o for o in files.read(REPORT) if isinstance(o, Observation)}
    assert by_port[6379].protocol == ""  # method="table": looked up by number
    web = by_port[443]
    assert (web.protocol, web.product, web.version, web.tls) == ("http", "nginx", "1.22.1", True)
    assert web.detail == "http; Debian; scripts: http-ls"


def test_open_ports_are_targets_once(files: Files) -> None:
    found = files.ports(REPORT)
    ports = [item for item in found if isinstance(item, tuple)]
    assert ports == [("127.0.0.1", 6379), ("2001:db8::10", 443)]
    reasons = [(g.reason, g.count) for g in found if isinstance(g, Gap)]
    assert reasons == [(Reason.UNSUPPORTED, 1)] * 2  # one SCTP port, one UDP port
    twice = REPORT.replace("</nmaprun>", REPORT[REPORT.index("<host ") : REPORT.index("<runst")])
    again = files.ports(twice + "</nmaprun>")
    assert [item for item in again if isinstance(item, tuple)] == ports


@pytest.mark.parametrize("cut", range(700, len(REPORT) - 12, 97))
def test_a_killed_scan_gives_what_it_holds(files: Files, cut: int) -> None:
    part = REPORT[:cut]
    found = files.read(part)
    whole = part.count("</port>")
    told = [i for i in found if isinstance(i, Observation) or i.reason is Reason.UNSUPPORTED]
    assert len(told) == whole
    last = found[-1]
    assert isinstance(last, Gap)
    assert (last.reason, files.at(last).split(":")[0]) == (Reason.CORRUPT, "scan")
    assert int(files.at(last).split(":")[1]) >= part.count("\n") - 1


def test_a_report_without_its_end_is_not_whole(files: Files) -> None:
    open_ended = REPORT[: REPORT.index("<runstats>")] + "</nmaprun>"
    assert "did not come to its end" in files.gaps(open_ended)[-1].detail


BOMB = (
    '<!DOCTYPE nmaprun [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {n} "{("&" + p + ";") * 10}">' for p, n in pairwise("abcdefghi"))
    + "]>"
)


@pytest.mark.parametrize(
    "content",
    [
        REPORT.replace("<!DOCTYPE nmaprun>", BOMB).replace('"nginx"', '"&i;"'),
        REPORT.replace(
            "<!DOCTYPE nmaprun>", '<!DOCTYPE n [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        ).replace('"nginx"', '"&e;"'),
        "<nmaprun>" + "<host>" * 100_000,
        "<nmaprun " + 'a="' + "x" * 11_000_000,
        "<nmaprun>\x00</nmaprun>",
    ],
    ids=["entities", "file", "depth", "attribute", "zero"],
)
def test_hostile_xml_is_a_gap(files: Files, content: str) -> None:
    tracemalloc.start()
    found = files.read(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [i.reason for i in found if isinstance(i, Gap)] == [Reason.CORRUPT]
    assert len(found) == 1
    assert peak < 60_000_000


def test_an_entity_in_another_encoding_is_not_expanded(files: Files) -> None:
    text = REPORT.replace("UTF-8", "UTF-16").replace("<!DOCTYPE nmaprun>", BOMB)
    found = files.read(b"<nmaprun" + text.replace('"nginx"', '"&i;"').encode("utf-16"))
    assert all(isinstance(item, Gap) for item in found)


def test_a_large_host_is_not_kept_in_memory(files: Files) -> None:
    port = '<port protocol="tcp" portid="80"><state state="open"/></port><junk a="b">text</junk>\n'
    start, end = REPORT.split("<ports>", 1)[0] + "<ports>", "</ports></host></nmaprun>"
    path = files.write(start + port * 40_000 + end)
    before = path.stat().st_size
    tracemalloc.start()
    count = sum(isinstance(item, Observation) for item in read_imports([path]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40_000
    assert peak < before + 8_000_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=40), st.integers(min_value=0, max_value=len(REPORT)))
def test_any_damage_is_a_gap_or_nothing(files: Files, junk: bytes, where: int) -> None:
    content = REPORT.encode()
    found = files.read(content[:where] + junk + content[where:])
    assert found
    assert all(isinstance(item, Observation | Gap) for item in found)


@pytest.mark.real
def test_nmap_itself(files: Files) -> None:
    nmap = shutil.which("nmap")
    if nmap is None:
        pytest.skip("nmap is not installed")
    command = [nmap, "-sT", "-Pn", "-n", "-p", "1", "-oX", "-", "127.0.0.1"]
    report = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    (seen,) = files.seen(report)
    assert (str(seen.endpoint), seen.access) == ("127.0.0.1:1", Access.CLOSED)
