"""Where a service is, and what the sweep and the probes may be pointed at."""

from __future__ import annotations

import ipaddress

from leftopen.model.record import Record

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Endpoint(Record, frozen=True, kw_only=True):
    """An address, a port and, where known, the name it goes by (OCSF network_endpoint)."""

    address: str
    port: int
    transport: str = "tcp"
    name: str = ""

    def __str__(self) -> str:
        """`name (address:port)` or `address:port`; IPv6 in brackets."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.name} ({host}:{self.port})" if self.name else f"{host}:{self.port}"

    @property
    def key(self) -> str:
        """Stable text identity: transport, address and port (and the name asked for)."""
        return f"{self.transport}/{self.address}/{self.port}/{self.name}"
