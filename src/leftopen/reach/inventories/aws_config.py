"""AWS Config: configuration snapshots, and answers of `select-resource-config`.

Of a resource that stands in the file more than once (a history) only the newest configuration
counts, and none of a deleted one: an address of yesterday may be somebody else's today.
Source: docs.aws.amazon.com/config/latest/developerguide, example-s3-snapshot and
API_SelectResourceConfig (its Results are JSON in strings).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from leftopen.model.gap import Gap, Reason
from leftopen.reach.inventory import Found, Inventory, Take, Takings, at, document, list_at, text_at

# Their addresses are those of other people: in rules, routes and records.
_RULES: Final = frozenset(
    (
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::NetworkAcl",
        "AWS::EC2::RouteTable",
        "AWS::EC2::CustomerGateway",
        "AWS::WAFv2::IPSet",
    )
)
_GONE: Final = ("ResourceDeleted", "ResourceDeletedNotRecorded", "ResourceNotRecorded")


def _recognise(head: bytes) -> bool:
    if not head.lstrip().startswith((b"[", b"{")):
        return False
    return b'"configurationItems"' in head or b"AWS::" in head or b'"QueryInfo"' in head


def _read(content: bytes, path: str) -> Iterator[Found | Gap]:
    takings = Takings(path)
    try:
        whole = document(content)
    except ValueError as e:
        yield takings.gap(Reason.CORRUPT, "", f"not JSON: {e}")
        return
    newest: dict[tuple[str, str], tuple[str, str, Any]] = {}
    for place, item in _items(whole):
        if isinstance(item, str):
            try:
                item = document(item.encode())
            except ValueError as e:
                yield takings.gap(Reason.CORRUPT, place, f"not JSON: {e}")
                continue
        kind = text_at(item, "resourceType")
        if not kind:
            detail = "a row without resourceType: SELECT resourceType, resourceId, configuration"
            yield takings.gap(Reason.UNPARSED, place, detail)
            continue
        key = kind, text_at(item, "arn") or text_at(item, "resourceId") or place
        time = text_at(item, "configurationItemCaptureTime")
        if key not in newest or time > newest[key][0]:
            newest[key] = time, place, item
    for (kind, _), (_, place, item) in newest.items():
        if text_at(item, "configurationItemStatus") not in _GONE:
            yield from _resource(kind, item, place, takings)
    yield from takings.left()
    if at(whole, "NextToken"):
        yield takings.gap(Reason.NOT_GIVEN, "", "the query has more pages than this file")


def _items(whole: Any) -> Iterator[tuple[str, Any]]:
    """Items of a snapshot, of a history, of a query, of an array or of lines."""
    for member in ("configurationItems", "Results", "baseConfigurationItems"):
        found = at(whole, member)
        if isinstance(found, list):
            yield from ((f"{member}[{n}]", item) for n, item in enumerate(found))
            return
    rows = whole if isinstance(whole, list) else [whole]
    for number, row in enumerate(rows):
        if at(row, "configurationItems") is not None or at(row, "Results") is not None:
            yield from ((f"[{number}].{place}", item) for place, item in _items(row))
        else:
            yield f"[{number}]", row


def _resource(kind: str, item: Any, place: str, takings: Takings) -> Iterator[Found | Gap]:
    reader = _READERS.get(kind)
    settings = at(item, "configuration")
    if isinstance(settings, str):  # a history and the API have it as text
        try:
            settings = document(settings.encode())
        except ValueError as e:
            yield takings.gap(Reason.CORRUPT, f"{place}.configuration", f"not JSON: {e}")
            return
    if reader is None:
        if kind not in _RULES:
            takings.other(kind, item if settings is None else settings, whole=settings is not None)
        return
    if not isinstance(settings, dict) and reader is not _bucket:
        yield takings.gap(Reason.NOT_GIVEN, place, f"{kind} without its configuration")
        return
    label = text_at(item, "resourceName") or text_at(item, "resourceId")
    yield from reader({**item, "configuration": settings}, label, place, takings)


def _instance(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    where = f"{place}.configuration"
    settings = item["configuration"]
    yield from takings.address(at(settings, "publicIpAddress"), label, f"{where}.publicIpAddress")
    for number, interface in enumerate(list_at(settings, "networkInterfaces")):
        yield from _addresses(interface, label, f"{where}.networkInterfaces[{number}]", takings)


def _interface(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    yield from _addresses(item["configuration"], label, f"{place}.configuration", takings)


def _addresses(node: Any, label: str, where: str, takings: Takings) -> Iterator[Found | Gap]:
    public = at(node, "association", "publicIp")
    yield from takings.address(public, label, f"{where}.association.publicIp")
    for number, private in enumerate(list_at(node, "privateIpAddresses")):
        inner = f"{where}.privateIpAddresses[{number}]"
        also = at(private, "association", "publicIp")
        yield from takings.address(also, label, f"{inner}.association.publicIp")
    for number, six in enumerate(list_at(node, "ipv6Addresses")):
        inner = f"{where}.ipv6Addresses[{number}].ipv6Address"
        yield from takings.address(at(six, "ipv6Address"), label, inner)


def _elastic_ip(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    public = at(item, "configuration", "publicIp")
    yield from takings.address(public, label, f"{place}.configuration.publicIp")


def _bucket(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    """Path style: a name with dots has no valid certificate as a host."""
    bucket = text_at(item, "configuration", "name") or label
    region = text_at(item, "awsRegion")
    zone = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    host = f"s3.{region}.{zone}" if region else f"s3.{zone}"
    yield from takings.store(f"https://{host}/{bucket}", "s3", bucket, place)


def _balancer(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    """`dNSName` of version 2, `dnsname` of the classic one."""
    if text_at(item, "configuration", "scheme") == "internal":
        takings.private += 1
        return
    name = at(item, "configuration", "dNSName")
    yield from takings.name(name, label, f"{place}.configuration.dNSName")


def _database(item: Any, label: str, place: str, takings: Takings) -> Iterator[Found | Gap]:
    """An instance's endpoint is an object, a cluster's is text."""
    if at(item, "configuration", "publiclyAccessible") is False:
        takings.private += 1
        return
    for member in ("endpoint", "readerEndpoint"):
        value = at(item, "configuration", member)
        name = at(value, "address") if isinstance(value, dict) else value
        yield from takings.name(name, label, f"{place}.configuration.{member}")


_READERS: Final[dict[str, Take]] = {
    "AWS::EC2::Instance": _instance,
    "AWS::EC2::NetworkInterface": _interface,
    "AWS::EC2::EIP": _elastic_ip,
    "AWS::S3::Bucket": _bucket,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::ElasticLoadBalancing::LoadBalancer": _balancer,
    "AWS::RDS::DBInstance": _database,
    "AWS::RDS::DBCluster": _database,
}

AWS_CONFIG = Inventory(
    name="aws_config",
    recognise=_recognise,
    read=_read,
    source="https://docs.aws.amazon.com/config/latest/developerguide/example-s3-snapshot.html",
)
