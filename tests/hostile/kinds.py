"""The table of all hostile servers."""

from __future__ import annotations

from hostile.dns import DNS
from hostile.http import HTTP
from hostile.http_site import SITE
from hostile.kind import Family, Kind
from hostile.proto_data import DATA
from hostile.proto_mail import MAIL
from hostile.proto_more import MORE
from hostile.tcp import TCP
from hostile.tls import TLS

FAMILIES: dict[str, Family] = {f.name: f for f in (TCP, HTTP, SITE, MAIL, DATA, MORE, TLS)}
KINDS: dict[str, Kind] = {k.name: k for f in FAMILIES.values() for k in f.kinds}
COUNT = len(KINDS) + len(DNS)
