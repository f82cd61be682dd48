"""nmap: the ports of an XML report (-oX), open, closed and filtered.

A service name that nmap took from its table of port numbers is not an identification and is left
out. A report that ends early (a killed scan) gives what it holds, and a Gap.
"""

from __future__ import annotations

from leftopen.reach import nmaprun_xml
from leftopen.reach.api import Import
from leftopen.reach.imported import Sweep, reader


def _recognise(head: bytes) -> bool:
    return b"<nmaprun" in head and b'scanner="masscan"' not in head


NMAP = Import(
    name="nmap",
    recognise=_recognise,
    read=reader("nmap", nmaprun_xml.read),
    source="https://nmap.org/book/nmap-dtd.html",
)
NMAP_SWEEP = Sweep("nmap", _recognise, nmaprun_xml.read)
