"""The XML that nmap writes, and masscan after it: ports of hosts, read as they come.

Nothing is kept of the tree, so the size of a file does not matter and a file that ends in the
middle of a scan gives all of what stands before. Entities are not expanded, nothing is fetched,
and libxml2's own limits on depth, names and amplification are left on.

Source: https://nmap.org/book/nmap-dtd.html, masscan's src/out-xml.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lxml import etree

from leftopen.model.exposure import Access
from leftopen.model.gap import Gap, Reason
from leftopen.model.redact import safe
from leftopen.reach.imported import Seen, epoch, gap_of

_CHUNK: Final = 65_536
_SCRIPTS: Final = 8  # names of scripts that one record shows
_STATES: Final = {
    "open": Access.SPEAKS,
    "closed": Access.CLOSED,
    "filtered": Access.FILTERED,
}


def read(content: bytes, path: str) -> Iterator[Seen | Gap]:
    """Every port that the file names; what stops the reading is a Gap with its line."""
    if b"<!ENTITY" in content:  # neither tool declares one
        yield gap_of(Reason.CORRUPT, path, "", "declares entities, which no scanner does")
        return
    ports = _Ports()
    parser = etree.XMLParser(
        target=ports, resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False
    )
    try:
        for start in range(0, len(content), _CHUNK):
            parser.feed(content[start : start + _CHUNK])
            yield from ports.taken()
        parser.close()
    except etree.XMLSyntaxError as e:
        yield from ports.taken()
        line = e.lineno or 1
        yield gap_of(Reason.CORRUPT, path, line, f"the XML ends or breaks here: {e.msg}")
        return
    yield from ports.taken()
    if not ports.finished:
        yield gap_of(Reason.CORRUPT, path, "", "the scan did not come to its end")


class _Ports:
    """Takes elements as the parser meets them, and makes a record of each port."""

    def __init__(self) -> None:
        self.finished = False
        self._found: list[Seen] = []
        self._number = 0  # of the host in the file
        self._started = self._time = self._address = ""
        self._port: dict[str, str] = {}
        self._state = ""
        self._service: dict[str, str] = {}
        self._scripts: list[str] = []

    def taken(self) -> list[Seen]:
        """What was found since the last call."""
        found, self._found = self._found, []
        return found

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if tag == "port":
            self._port, self._state = dict(attributes), ""
            self._service, self._scripts = {}, []
        elif tag == "state":
            self._state = attributes.get("state", "")
        elif tag == "service":
            self._service = dict(attributes)
        elif tag == "script" and self._port and len(self._scripts) < _SCRIPTS:
            self._scripts.append(attributes.get("id", "")[:60])
        elif tag == "host":
            self._number += 1
            self._address = ""
            # of one host, the scan ended when its record was written
            self._time = attributes.get("endtime") or attributes.get("starttime") or self._started
        elif tag == "address" and attributes.get("addrtype") in ("ipv4", "ipv6"):
            self._address = attributes.get("addr", "")
        elif tag == "nmaprun":
            self._started = attributes.get("start", "")
        elif tag == "finished":
            self.finished = True

    def end(self, tag: str) -> None:
        """An element ends: a port is whole."""
        if tag == "port":
            self._found.append(self._seen())
            self._port = {}

    def data(self, text: str) -> None:
        """Text between elements says nothing here."""

    def close(self) -> None:
        """The document ends."""

    def _seen(self) -> Seen:
        service, portid = self._service, self._port.get("portid", "")
        # method="table": the name was looked up by the port's number, nothing was asked
        name = "" if service.get("method") == "table" else service.get("name", "")
        tls = service.get("tunnel") == "ssl" or name in ("ssl", "X509")
        shown: list[Any] = [name, service.get("extrainfo"), service.get("banner")]
        if self._scripts:
            shown.append("scripts: " + ", ".join(self._scripts))
        return Seen(
            place=f"host {self._number} port {safe(portid, 12)}",
            address=self._address,
            port=int(portid) if portid.isascii() and portid.isdigit() and len(portid) < 6 else 0,
            time=epoch(self._time),
            access=_STATES.get(self._state, Access.UNDETERMINED),
            transport=self._port.get("protocol", ""),
            service=name,
            detail="; ".join(text for text in shown if text),
            product=service.get("product", ""),
            version=service.get("version", ""),
            tls=tls,
        )
