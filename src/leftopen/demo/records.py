"""The owner's records of the incident: logs, snapshot, outside sighting, scope file.

Log lines and flow counts come from real requests; only their addresses and times are mapped.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from leftopen.demo import incident
from leftopen.demo.visitors import Made

_LINE = re.compile(r"^(\S+) (.*?) \[[^\]]+\] (.*)$")
NIC = "10.0.4.10"  # the server's address behind the public one, as a flow log shows it
FLOW_STEP = timedelta(minutes=5)  # a flow log counts a long flow in such steps


def map_access_log(raw: Path, made: Sequence[Made], out: Path) -> int:
    """Map the real log onto the incident: two files with the hole between; lines kept."""
    waiting: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for number, one in enumerate(made):
        for step in range(1, one.lines + 1):
            moment = one.visit.start + timedelta(seconds=one.visit.seconds * step / one.lines)
            waiting[one.visit.client].append((moment, number))
    queues = {client: iter(steps) for client, steps in waiting.items()}
    lines: list[tuple[datetime, int, str]] = []
    for text in raw.read_text("utf-8", "replace").splitlines():
        parts = _LINE.match(text)
        if not parts or parts.group(1) not in queues:
            continue  # the start-up check of the server
        moment, number = next(queues[parts.group(1)])
        client = incident.BY_LOOPBACK[parts.group(1)].mapped
        stamp = f"{moment:%d/%b/%Y:%H:%M:%S} +0000"
        lines.append((moment, number, f"{client} {parts.group(2)} [{stamp}] {parts.group(3)}\n"))
    kept = [x for x in sorted(lines) if not incident.in_hole(x[0], incident.LOG_HOLE)]
    out.mkdir(parents=True, exist_ok=True)
    older = [x for x in kept if x[0] < incident.ROTATED]
    _log_file(out / "access.log.1", older)
    _log_file(out / "access.log", kept[len(older) :])
    return len(kept)


def _log_file(path: Path, lines: Sequence[tuple[datetime, int, str]]) -> None:
    path.write_text("".join(text for _, _, text in lines))
    last = lines[-1][0].timestamp()
    os.utime(path, (last, last))


def write_flow_logs(made: Sequence[Made], port: int, out: Path) -> int:
    """Azure NSG flow log, version 2: one file an hour; answers how many files."""
    hours: dict[datetime, list[str]] = defaultdict(list)
    for one in made:
        for moment, row in _tuples(one, port):
            recorded = moment >= incident.FLOWS_FROM
            if recorded and not incident.in_hole(moment, incident.FLOW_OUTAGE):
                hours[moment.replace(minute=0, second=0, microsecond=0)].append(row)
    for hour, rows in hours.items():
        folder = (
            out / f"y={hour:%Y}/m={hour:%m}/d={hour:%d}/h={hour:%H}/m=00/macAddress=000D3AF87856"
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "PT1H.json").write_text(json.dumps(_hour(hour, rows)))
    return len(hours)


def _tuples(one: Made, port: int) -> Iterator[tuple[datetime, str]]:
    """Begin without counts, then the difference since the last step, as version 2 has it."""
    client = incident.BY_LOOPBACK[one.visit.client].mapped

    def row(moment: datetime, state: str, counts: str) -> tuple[datetime, str]:
        start = f"{int(moment.timestamp())},{client},{NIC},{one.port},{port}"
        return moment, f"{start},T,I,A,{state},{counts}"

    yield row(one.visit.start, "B", ",,,")
    steps = max(1, int((one.end - one.visit.start) / FLOW_STEP))
    for step in range(1, steps + 1):
        inward = one.layer3(one.sent * step // steps - one.sent * (step - 1) // steps)
        outward = one.layer3(one.received * step // steps - one.received * (step - 1) // steps)
        moment = one.visit.start + timedelta(seconds=one.visit.seconds * step / steps)
        counts = f"{inward[0]},{inward[1]},{outward[0]},{outward[1]}"
        yield row(moment, "E" if step == steps else "C", counts)


def _hour(hour: datetime, rows: Sequence[str]) -> dict[str, object]:
    group = {
        "mac": "000D3AF87856",
        "flowTuples": sorted(rows, key=lambda r: int(r.split(",", 1)[0])),
    }
    return {
        "records": [
            {
                "time": f"{hour + timedelta(minutes=59, seconds=59):%Y-%m-%dT%H:%M:%S.0000000Z}",
                "systemId": "2c002c16-72f3-4dc5-b391-3444c3527434",
                "macAddress": "000D3AF87856",
                "category": "NetworkSecurityGroupFlowEvent",
                "resourceId": "/SUBSCRIPTIONS/DEMO/RESOURCEGROUPS/MAIL/PROVIDERS/"
                "MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/MAIL-NSG",
                "operationName": "NetworkSecurityGroupFlowEvents",
                "properties": {
                    "Version": 2,
                    "flows": [{"rule": "UserRule_allow-mail", "flows": [group]}],
                },
            }
        ]
    }


def write_snapshot(port: int, path: Path) -> None:
    """What `az network nsg show` says: the rule that let the internet in."""
    rule = {
        "name": "allow-mail",
        "priority": 200,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": str(port),
    }
    snapshot = {"name": "mail-nsg", "location": "usgovvirginia", "securityRules": [rule]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(snapshot, indent=2) + "\n")


def write_shodan(address: str, port: int, path: Path) -> None:
    """A Shodan host record: two looks at the open listing."""
    looks = [
        {
            "ip_str": address,
            "port": port,
            "transport": "tcp",
            "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}.000000",
            "product": "nginx",
            "http": {"title": "Index of /", "status": 200},
            "data": "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\n\r\n",
            "_shodan": {"module": "http"},
        }
        for moment in (incident.SHODAN_FIRST, incident.SHODAN_FIRST + timedelta(days=8, hours=4))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    host = {"ip_str": address, "ports": [port], "data": looks}
    path.write_text(json.dumps(host, indent=2) + "\n")


SCOPE = """\
# The scope of the demo: two loopback addresses and nothing else.
version = 1
vantage = "outside"

[authority]
organisation = "Leftopen demo (invented people, mapped times and addresses: not evidence)"
approver = "whoever runs the demo"
reference = "leftopen demo"
valid_until = 2999-12-31

[targets]
networks = ["{address}/32"]
ports = [{ports}]

[rates]
connections_per_second_per_host = 1000

[sample]
objects = {objects}
bytes = 100_000_000
seconds = 60
seed = 20230208

[parties]
owner = ["198.51.100.128/25"]
monitoring = [{{ name = "uptime check", networks = ["198.51.100.20/32"] }}]
researchers = [{{ name = "the finder", networks = ["192.0.2.45/32"] }}]

[cause]
files = ["server/etc/nginx/nginx.conf", "records/nsg-snapshot.json"]

[trace]
files = ["records/logs", "records/flows"]

[imports]
shodan = ["records/shodan.json"]
"""
