"""Google Cloud Asset Inventory: `gcloud asset list --content-type=resource --format=json`.

Exports to a bucket (JSON lines, names with underscores) are read as well. Without the content
type `resource` an asset has no addresses; that is a Gap.
Source: docs.cloud.google.com/asset-inventory/docs/list-assets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from leftopen.model.gap import Gap, Reason
from leftopen.reach.inventory import Found, Inventory, Take, Takings, at, document, list_at, text_at

# Their addresses are those of other people: in rules, routes and records.
_RULES: Final = frozenset(
    (
        "compute.googleapis.com/Firewall",
        "compute.googleapis.com/FirewallPolicy",
        "compute.googleapis.com/Route",
        "compute.googleapis.com/SecurityPolicy",
        "compute.googleapis.com/ExternalVpnGateway",
        "dns.googleapis.com/ResourceRecordSet",
    )
)


def _recognise(head: bytes) -> bool:
    named = b'"assetType"' in head or b'"asset_type"' in head
    return named and head.lstrip().startswith((b"[", b"{"))


def _read(content: bytes, path: str) -> Iterator[Found | Gap]:
    takings = Takings(path)
    try:
        whole = document(content)
    except ValueError as e:
        yield takings.gap(Reason.CORRUPT, "", f"not JSON: {e}")
        return
    assets = at(whole, "assets") if isinstance(whole, dict) else whole
    for number, asset in enumerate(assets if isinstance(assets, list) else [whole]):
        kind = text_at(asset, "assetType") or text_at(asset, "asset_type")
        data, reader = at(asset, "resource", "data"), _READERS.get(kind)
        place = f"[{number}]"
        if not kind:
            yield takings.gap(Reason.UNPARSED, place, "not an asset")
        elif reader is _bucket or (reader is not None and isinstance(data, dict)):
            label = text_at(data, "name") or text_at(asset, "name").rpartition("/")[2]
            yield from reader({"asset": asset, "data": data}, label, place, takings)
        elif reader is not None:
            takings.bare += 1
        elif kind not in _RULES:
            takings.other(kind, data, whole=isinstance(data, dict))
    yield from takings.left()
    if at(whole, "nextPageToken"):
        yield takings.gap(Reason.NOT_GIVEN, "", "the list has more pages than this file")


def _instance(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    """`natIP` and `externalIpv6`; an instance without them has no address outside."""
    for number, interface in enumerate(list_at(item, "data", "networkInterfaces")):
        where = f"{place}.resource.data.networkInterfaces[{number}]"
        for member, key in (("accessConfigs", "natIP"), ("ipv6AccessConfigs", "externalIpv6")):
            for inner, access in enumerate(list_at(interface, member)):
                deep = f"{where}.{member}[{inner}].{key}"
                yield from takings.address(at(access, key), label, deep)


def _address(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    if text_at(item, "data", "addressType") == "INTERNAL":
        takings.private += 1
        return
    where = f"{place}.resource.data.address"
    yield from takings.address(at(item, "data", "address"), label, where)


def _forwarding(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    """Of a load balancer; the scheme says whether strangers get there."""
    if text_at(item, "data", "loadBalancingScheme").startswith("INTERNAL"):
        takings.private += 1
        return
    where = f"{place}.resource.data.IPAddress"
    yield from takings.address(at(item, "data", "IPAddress"), label, where)


def _bucket(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    """The XML API lists a public bucket in the words of S3."""
    name = text_at(item, "asset", "name").rpartition("/")[2] or label
    yield from takings.store(f"https://storage.googleapis.com/{name}", "s3", name, place)


def _sql(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    """PRIMARY listens; OUTGOING is where its own connections come from, PRIVATE is inside."""
    for number, one in enumerate(list_at(item, "data", "ipAddresses")):
        kind = text_at(one, "type")
        if kind == "PRIVATE":
            takings.private += 1
        elif kind != "OUTGOING":
            where = f"{place}.resource.data.ipAddresses[{number}].ipAddress"
            yield from takings.address(at(one, "ipAddress"), label, where)


_READERS: Final[dict[str, Take]] = {
    "compute.googleapis.com/Instance": _instance,
    "compute.googleapis.com/Address": _address,
    "compute.googleapis.com/GlobalAddress": _address,
    "compute.googleapis.com/ForwardingRule": _forwarding,
    "compute.googleapis.com/GlobalForwardingRule": _forwarding,
    "storage.googleapis.com/Bucket": _bucket,
    "sqladmin.googleapis.com/Instance": _sql,
}

GCP_ASSET = Inventory(
    name="gcp_asset",
    recognise=_recognise,
    read=_read,
    source="https://docs.cloud.google.com/asset-inventory/docs/list-assets",
)
