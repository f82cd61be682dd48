"""Azure Resource Graph: rows of `az graph query`, or of the REST API behind it.

Read are public IP addresses, storage accounts (their blob and web endpoints) and App Service
host names. A query must keep `type` and `properties`: `Resources | project id, name, type,
properties`. Azure answers in pages (100 rows unless --first says more).
Source: learn.microsoft.com/azure/governance/resource-graph/concepts/work-with-data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from leftopen.model.gap import Gap, Reason
from leftopen.reach.inventory import Found, Inventory, Takings, at, document, list_at, text_at

# Their addresses are those of other people: in rules, routes and records.
_RULES: Final = frozenset(
    (
        "microsoft.network/networksecuritygroups",
        "microsoft.network/routetables",
        "microsoft.network/localnetworkgateways",
        "microsoft.network/firewallpolicies",
    )
)
_MORE: Final = ("skip_token", "skipToken", "$skipToken")


def _recognise(head: bytes) -> bool:
    low = head.lower()
    return low.lstrip().startswith((b"[", b"{")) and b'"microsoft.' in low


def _read(content: bytes, path: str) -> Iterator[Found | Gap]:
    takings = Takings(path)
    try:
        whole = document(content)
    except ValueError as e:
        yield takings.gap(Reason.CORRUPT, "", f"not JSON: {e}")
        return
    rows = whole if isinstance(whole, list) else at(whole, "data") or at(whole, "value")
    base = "" if isinstance(whole, list) else "data"
    if not isinstance(rows, list):
        yield takings.gap(
            Reason.UNSUPPORTED, "", "no rows: give the answer as --output json has it"
        )
        return
    for number, row in enumerate(rows):
        kind = text_at(row, "type").lower()
        reader = _READERS.get(kind)
        place = f"{base}[{number}]"
        if reader is not None:
            yield from reader(row, place, takings)
        elif kind not in _RULES:
            takings.other(kind, row, whole=at(row, "properties") is not None)
    yield from takings.left()
    yield from _pages(whole, len(rows), takings)


def _pages(whole: Any, rows: int, takings: Takings) -> Iterator[Gap]:
    total = at(whole, "total_records") or at(whole, "totalRecords")
    more = any(at(whole, name) for name in _MORE)
    missing = total - rows if isinstance(total, int) and total > rows else 0
    if more or missing:
        detail = "the query has more rows than this file: raise --first or follow --skip-token"
        yield takings.gap(Reason.NOT_GIVEN, "", detail, count=missing or 1)


def _label(row: Any) -> str:
    return text_at(row, "name") or text_at(row, "id")


def _unprojected(row: Any, place: str, takings: Takings) -> Iterator[Gap]:
    """A row of a kind that we read, without the column that we read."""
    if not isinstance(at(row, "properties"), dict):
        yield takings.gap(Reason.NOT_GIVEN, place, "the query left out the column properties")


def _public_ip(row: Any, place: str, takings: Takings) -> Iterator[Found | Gap]:
    yield from _unprojected(row, place, takings)
    where = f"{place}.properties.ipAddress"  # absent while a dynamic address is not allocated
    yield from takings.address(at(row, "properties", "ipAddress"), _label(row), where)


def _storage(row: Any, place: str, takings: Takings) -> Iterator[Found | Gap]:
    yield from _unprojected(row, place, takings)
    for group in ("primaryEndpoints", "secondaryEndpoints"):
        blob = text_at(row, "properties", group, "blob")
        if blob:
            where = f"{place}.properties.{group}.blob"
            yield from takings.store(blob.lower(), "azure_blob", _label(row), where)
        web = text_at(row, "properties", group, "web")
        if web:
            host = web.removeprefix("https://").rstrip("/")
            yield from takings.name(host, _label(row), f"{place}.properties.{group}.web")


def _site(row: Any, place: str, takings: Takings) -> Iterator[Found | Gap]:
    yield from _unprojected(row, place, takings)
    default = at(row, "properties", "defaultHostName")
    yield from takings.name(default, _label(row), f"{place}.properties.defaultHostName")
    for member in ("hostNames", "enabledHostNames"):
        for number, name in enumerate(list_at(row, "properties", member)):
            if not (isinstance(name, str) and ".scm." in name):  # deployment, behind a login
                where = f"{place}.properties.{member}[{number}]"
                yield from takings.name(name, _label(row), where)


_READERS: Final[dict[str, Callable[[Any, str, Takings], Iterator[Found | Gap]]]] = {
    "microsoft.network/publicipaddresses": _public_ip,
    "microsoft.storage/storageaccounts": _storage,
    "microsoft.web/sites": _site,
    "microsoft.web/sites/slots": _site,
}

AZURE_RESOURCE_GRAPH = Inventory(
    name="azure_resource_graph",
    recognise=_recognise,
    read=_read,
    source="https://learn.microsoft.com/azure/governance/resource-graph/concepts/work-with-data",
)
