"""The driver of imported files: one reader for each, gzip, limits, and words of other tools."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from importing import Files
from leftopen.model.exposure import Observation
from leftopen.model.gap import Gap, Reason
from leftopen.reach import imports_reader, registry
from leftopen.reach.imported import protocol_named

NMAP = b'<nmaprun scanner="nmap"><host>'
HEADS = {
    "nmap": NMAP,
    "masscan": b'[\n{   "ip": "198.51.100.1",   "timestamp": "1", "ports": [ {"port": 1} ] }\n,\n',
    "zmap": b"saddr,sport\n198.51.100.1,80\n",
    "naabu": b'{"ip":"198.51.100.1","timestamp":"2023-02-08T05:20:31Z","port":1}\n',
    "zgrab2": b'{"ip":"198.51.100.1","data":{"http":{"status":"success"}}}\n',
    "netlas": b'{"items":[{"data":{"ip":"198.51.100.1","port":1}}]}',
    "leakix": b'{"event_type":"leak","event_source":"x","ip":"198.51.100.1","port":"1"}\n',
    "shadowserver": b"timestamp,ip,port,protocol,tag,asn\n",
    "censys": b'{"ip":"198.51.100.1","services":[]}',
    "shodan": b'{"ip_str":"198.51.100.1","ip":1,"port":1,"timestamp":"x","data":"x","opts":{}}\n',
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_every_reader_has_its_head() -> None:
    assert {plugin.name for plugin in registry.imports()} == set(HEADS)


@pytest.mark.parametrize("name", HEADS)
def test_a_file_has_one_reader(name: str) -> None:
    takers = [plugin.name for plugin in registry.imports() if plugin.recognise(HEADS[name])]
    assert set(takers) - {"shodan"} == {name} - {"shodan"}
    chosen = imports_reader.recognised(registry.imports(), HEADS[name])
    assert chosen is not None
    assert chosen.name == name


def test_shodan_keeps_its_pretty_files(files: Files) -> None:
    banner = {"ip": 1, "ip_str": "198.51.100.10", "port": 80, "timestamp": "2023-02-08T05:20:31"}
    (seen,) = files.seen(
        json.dumps({**banner, "data": "x", "_shodan": {"module": "http"}}, indent=1)
    )
    assert seen.sensor == "shodan"


def test_files_that_cannot_be_read(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [g.reason for g in files.gaps(b" \n")] == [Reason.EMPTY]
    assert [g.reason for g in files.gaps(b"ip,port\n")] == [Reason.UNSUPPORTED]
    missing = files.folder / "missing"
    for found in (imports_reader.read_imports([missing]), imports_reader.open_ports([missing])):
        assert [g.reason for g in found if isinstance(g, Gap)] == [Reason.UNREADABLE]
    monkeypatch.setattr(imports_reader, "MAX_IMPORT", 1000)
    large = b"saddr,sport,timestamp_ts\n" + b"198.51.100.10,80,1675833631\n" * 100
    (gap,) = files.gaps(large)
    assert (gap.reason, gap.size) == (Reason.TOO_LARGE, len(large))
    packed = files.read(gzip.compress(large), "scan.gz")
    assert isinstance(packed[0], Observation)
    assert [i.reason for i in packed if isinstance(i, Gap)][-1] is Reason.TOO_LARGE


def test_gzip_members_cut_broken_and_many(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"saddr,sport,timestamp_ts\n" + b"".join(
        b"198.51.100.%d,%d,1675833631\n" % (n % 250, n % 60000 + 1) for n in range(20_000)
    )
    packed = gzip.compress(text)
    assert len(files.seen(packed + gzip.compress(b"198.51.100.1,80,1675833631\n"))) == 20_001
    cut = files.read(packed[:-3000])
    assert sum(isinstance(item, Observation) for item in cut) > 1000
    assert [i.reason for i in cut if isinstance(i, Gap)][-1] is Reason.CORRUPT
    assert [g.reason for g in files.gaps(b"\x1f\x8b\x08junk")] == [Reason.CORRUPT]
    monkeypatch.setattr(imports_reader, "MAX_MEMBERS", 3)
    many = files.read(packed + gzip.compress(b"") * 5)
    assert [i.reason for i in many if isinstance(i, Gap)] == [Reason.TOO_LARGE]


def test_ports_of_several_files_are_told_once(files: Files) -> None:
    one = files.write(b"saddr,sport\n198.51.100.10,80\n2001:DB8::1,80\n", "one")
    two = files.write(b"#masscan\nopen tcp 80 198.51.100.10 1\n# end\n", "two")
    assert list(imports_reader.open_ports([one, two])) == [
        ("198.51.100.10", 80),
        ("2001:db8::1", 80),
    ]


@pytest.mark.parametrize("protocol", registry.protocols(), ids=lambda p: p.name)
def test_our_own_words_stay(protocol: object) -> None:
    name = str(getattr(protocol, "name", ""))
    assert protocol_named(name) == protocol_named(name.upper()) == name


@pytest.mark.parametrize(
    ("word", "ours"),
    [("ssl/http", "http"), ("https-alt", "http"), ("HTTPS", "http"), ("imaps", "imap"), ("", "")],
)
def test_other_words_are_ours(word: str, ours: str) -> None:
    assert protocol_named(word) == ours
