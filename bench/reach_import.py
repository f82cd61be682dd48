"""Records a second out of scan results and sensors' files: ours, and the standard library.

    .venv/bin/python bench/reach_import.py [--quick] [--records N] [--seed N]

The peer only parses (json.loads, csv.DictReader, xml.etree) and counts; ours makes checked
observations of the same file. A table goes to standard error, one JSON object to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUICK, FULL = 50_000, 500_000  # records of one file
START = 1675833600  # 2023-02-08
LIMIT = 900  # seconds for one reader
OURS = """
import sys
from leftopen.model.gap import Gap
from leftopen.reach.imports_reader import read_imports
gaps = count = 0
for item in read_imports([sys.argv[1]]):
    if isinstance(item, Gap):
        gaps += item.count
    else:
        count += 1
print(count, gaps)
"""
PORTS = """
import sys
from leftopen.reach.imports_reader import open_ports
print(sum(isinstance(item, tuple) for item in open_ports([sys.argv[1]])), 0)
"""
JSON_LINES = """
import json, sys
with open(sys.argv[1], "rb") as file:
    print(sum(1 for line in file if json.loads(line)), 0)
"""
JSON_ARRAY = "import json, sys; print(len(json.load(open(sys.argv[1], 'rb'))), 0)"
CSV = """
import csv, sys
with open(sys.argv[1], newline="") as file:
    print(sum(1 for row in csv.DictReader(file)), 0)
"""
XML = """
import sys
import xml.etree.ElementTree as etree
count = 0
for _, element in etree.iterparse(sys.argv[1]):
    if element.tag == "port":
        count += 1
    elif element.tag == "host":
        element.clear()
print(count, 0)
"""
NOTHING = "import leftopen.reach.imports_reader as r; r.registry.imports(); print(0, 0)"


def naabu(address: str, port: int, time: int) -> str:
    return (
        f'{{"ip":"{address}","timestamp":"2023-02-08T05:20:{time % 60:02}.1234567Z",'
        f'"port":{port},"protocol":"tcp","tls":false}}\n'
    )


def masscan(address: str, port: int, time: int) -> str:
    return (
        f'{{"ip":"{address}","timestamp":"{time}","port":{port},"proto":"tcp","rec_type":"status",'
        '"data":{"status":"open","reason":"syn-ack","ttl":57}}\n'
    )


def masscan_json(address: str, port: int, time: int) -> str:
    return (
        f'{{   "ip": "{address}",   "timestamp": "{time}", "ports": [ {{"port": {port}, "proto": '
        '"tcp", "status": "open", "reason": "syn-ack", "ttl": 57} ] }\n,\n'
    )


def zgrab2(address: str, port: int, time: int) -> str:
    return (
        f'{{"ip":"{address}","data":{{"http":{{"status":"success","protocol":"http","port":{port},'
        f'"result":{{"response":{{"status_code":200,"body":"{"x" * 200}"}}}},'
        f'"timestamp":"2023-02-08T05:20:{time % 60:02}Z"}}}}}}\n'
    )


def leakix(address: str, port: int, time: int) -> str:
    return (
        f'{{"event_type":"leak","event_source":"ElasticSearchOpenPlugin","ip":"{address}",'
        f'"port":"{port}","transport":["tcp","http"],"protocol":"http","summary":"{"x" * 100}",'
        f'"time":"2023-02-08T05:20:{time % 60:02}Z","service":{{"software":{{"name":"Elastic",'
        '"version":"7.10.2"}},"leak":{"severity":"high","dataset":{"rows":12,"size":500}}}\n'
    )


def zmap(address: str, port: int, time: int) -> str:
    return f"{address},{port},synack,1,{time}\n"


def shadowserver(address: str, port: int, time: int) -> str:
    return (
        f'"2023-02-08 05:20:{time % 60:02}","critical","{address}","tcp","{port}","",'
        '"elasticsearch","64500","US","Anytown","7.10.2"\n'
    )


def nmap(address: str, port: int, time: int) -> str:
    return (
        f'<host endtime="{time}"><status state="up"/><address addr="{address}" addrtype="ipv4"/>'
        f'<ports><port protocol="tcp" portid="{port}"><state state="open" reason="syn-ack"/>'
        '<service name="http" product="nginx" version="1.22.1" method="probed"/></port></ports>'
        "</host>\n"
    )


Line = Callable[[str, int, int], str]
SHADOW = '"timestamp","severity","ip","protocol","port","hostname","tag","asn","geo","city",'
FILES: dict[str, tuple[str, Line, str, str]] = {  # head, one record, tail, peer
    "naabu": ("", naabu, "", JSON_LINES),
    "masscan ndjson": ("", masscan, "", JSON_LINES),
    "masscan json": ("[\n", masscan_json, "", JSON_ARRAY),
    "zgrab2": ("", zgrab2, "", JSON_LINES),
    "leakix": ("", leakix, "", JSON_LINES),
    "zmap": ("saddr,sport,classification,success,timestamp_ts\n", zmap, "", CSV),
    "shadowserver": (f'{SHADOW}"version"\n', shadowserver, "", CSV),
    "nmap": (
        '<?xml version="1.0"?>\n<nmaprun scanner="nmap" start="1675833600">\n',
        nmap,
        '<runstats><finished time="1675833600"/></runstats></nmaprun>\n',
        XML,
    ),
}


def generate(path: Path, name: str, records: int, seed: int) -> None:
    """Write a file of that format: distinct addresses, the ports that data services use."""
    chance = random.Random(seed)
    head, line, tail, _ = FILES[name]
    with path.open("w", encoding="ascii", newline="") as file:
        file.write(head)
        for number in range(records - 1):
            file.write(line(_address(number), chance.choice((80, 443, 9200, 6379)), START + number))
        last = line(_address(records), 80, START)
        file.write(last.removesuffix(",\n") + ("]\n" if head == "[\n" else ""))
        file.write(tail)


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def measure(code: str, path: Path) -> dict[str, Any]:
    """CPU seconds, peak resident megabytes and what was counted."""
    command = ["timeout", str(LIMIT), sys.executable, "-c", code, str(path)]
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read(200).decode("utf-8", "replace").split()
    if process.returncode or len(said) != 2:
        raise SystemExit(f"a reader of {path.name} failed with {process.returncode}: {said}")
    return {
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mb": round(usage.ru_maxrss / 1024),
        "counted": int(said[0]),
        "gaps": int(said[1]),
    }


def compare(name: str, records: int, seed: int, idle: float, folder: Path) -> dict[str, Any]:
    """The figures of one format; a wrong count ends the run."""
    path = folder / f"{name.replace(' ', '-')}.txt"
    generate(path, name, records, seed)
    ours, peer = measure(OURS, path), measure(FILES[name][3], path)
    if (ours["counted"], ours["gaps"], peer["counted"]) != (records, 0, records):
        raise SystemExit(f"{name}: {records} records were written, read: {ours} and {peer}")
    result = {
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "leftopen": ours,
        "standard_library": peer,
        "records_per_cpu_second": round(records / max(0.001, ours["cpu_seconds"] - idle)),
        "leftopen_cpu_by_standard_library": round(ours["cpu_seconds"] / peer["cpu_seconds"], 2),
    }
    if name in ("naabu", "zmap", "nmap") or name.startswith("masscan"):
        ports = measure(PORTS, path)
        result["open_ports_per_cpu_second"] = round(
            records / max(0.001, ports["cpu_seconds"] - idle)
        )
    path.unlink()
    return result


def main() -> None:
    """Generate, measure, tell."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--quick", action="store_true", help=f"{QUICK} records, not {FULL}")
    options.add_argument("--records", type=int)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    records = given.records or (QUICK if given.quick else FULL)
    with tempfile.TemporaryDirectory(prefix="leftopen-bench-") as folder:
        nothing = Path(folder) / "nothing"
        idle = measure(NOTHING, nothing)["cpu_seconds"]
        formats = {n: compare(n, records, given.seed, idle, Path(folder)) for n in FILES}
    print(f"{records} records a file; start {idle:.2f} CPU s", file=sys.stderr)
    for name, figures in formats.items():
        ports = figures.get("open_ports_per_cpu_second")
        print(
            f"{name:>15} {figures['records_per_cpu_second']:>9} records/CPU s "
            f"{figures['leftopen']['peak_mb']:>5} MB peak "
            f"{figures['leftopen_cpu_by_standard_library']:>6.2f} x the CPU of the standard library"
            + (f" {ports:>9} ports/CPU s" if ports else ""),
            file=sys.stderr,
        )
    result = {"records": records, "start_cpu_seconds": idle, "formats": formats}
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
