"""Cloud inventories: small files made from the vendors' documentation, broken and hostile ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leftopen.model.gap import Gap, Reason
from leftopen.reach.inventory import Found
from leftopen.reach.inventory_reader import inventories, read_inventories

AZURE: dict[str, Any] = {  # as `az graph query --output json` documents it
    "count": 5,
    "data": [
        {
            "type": "microsoft.network/publicIPAddresses",
            "name": "files-ip",
            "properties": {"ipAddress": "198.51.100.10", "publicIPAllocationMethod": "Static"},
        },
        {
            "type": "microsoft.network/publicipaddresses",
            "name": "not-allocated",
            "properties": {"publicIPAllocationMethod": "Dynamic"},
        },
        {
            "type": "microsoft.storage/storageaccounts",
            "name": "acct",
            "properties": {
                "primaryEndpoints": {
                    "blob": "https://acct.blob.core.windows.net/",
                    "web": "https://acct.z13.web.core.windows.net/",
                },
                "secondaryEndpoints": {"blob": "https://acct-secondary.blob.core.windows.net/"},
            },
        },
        {
            "type": "microsoft.web/sites",
            "name": "shop",
            "properties": {
                "defaultHostName": "shop.azurewebsites.net",
                "hostNames": ["shop.azurewebsites.net", "www.example.org"],
                "enabledHostNames": ["www.example.org", "shop.scm.azurewebsites.net"],
            },
        },
        {
            "type": "microsoft.sql/servers",
            "name": "db",
            "properties": {"fullyQualifiedDomainName": "db.database.windows.net"},
        },
    ],
    "skip_token": None,
    "total_records": 5,
}
AWS: dict[str, Any] = {  # as the developer guide's example of a snapshot has it
    "fileVersion": "1.0",
    "configurationItems": [
        {
            "resourceType": "AWS::EC2::Instance",
            "resourceId": "i-1",
            "configuration": {
                "publicIpAddress": "198.51.100.20",
                "privateIpAddress": "10.0.0.5",
                "networkInterfaces": [
                    {
                        "association": {"publicIp": "198.51.100.20"},
                        "privateIpAddresses": [{"association": {"publicIp": "198.51.100.21"}}],
                        "ipv6Addresses": [{"ipv6Address": "2001:DB8::20"}],
                    }
                ],
            },
        },
        {
            "resourceType": "AWS::EC2::NetworkInterface",
            "resourceId": "eni-1",
            "configuration": {"association": {"publicIp": "198.51.100.22"}},
        },
        {
            "resourceType": "AWS::EC2::EIP",
            "resourceId": "eipalloc-1",
            "configuration": {"publicIp": "198.51.100.23"},
        },
        {
            "resourceType": "AWS::S3::Bucket",
            "resourceId": "my.bucket",
            "resourceName": "my.bucket",
            "awsRegion": "us-west-2",
            "configuration": {"name": "my.bucket"},
        },
        {
            "resourceType": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "resourceId": "lb-1",
            "configuration": {"dNSName": "lb-1.elb.amazonaws.com", "scheme": "internet-facing"},
        },
        {
            "resourceType": "AWS::ElasticLoadBalancing::LoadBalancer",
            "resourceId": "lb-2",
            "configuration": {"dnsname": "lb-2.elb.amazonaws.com", "scheme": "internal"},
        },
        {
            "resourceType": "AWS::RDS::DBInstance",
            "resourceId": "db-1",
            "configuration": {
                "publiclyAccessible": True,
                "endpoint": {"address": "db-1.rds.amazonaws.com", "port": 5432},
            },
        },
        {
            "resourceType": "AWS::EC2::NatGateway",
            "resourceId": "nat-1",
            "configuration": {"natGatewayAddresses": [{"publicIp": "198.51.100.24"}]},
        },
        {
            "resourceType": "AWS::EC2::SecurityGroup",
            "resourceId": "sg-1",
            "configuration": {"ipPermissions": [{"ipRanges": ["203.0.113.9"]}]},
        },
        {
            "resourceType": "AWS::EC2::Volume",
            "resourceId": "vol-1",
            "configuration": {"volumeId": "vol-1", "size": 1},
        },
    ],
}
HOST = "//compute.googleapis.com/projects/p/zones/z"


def gcp(kind: str, name: str, data: dict[str, Any]) -> dict[str, Any]:
    """As `gcloud asset list --content-type=resource --format=json` documents it."""
    return {"name": f"{HOST}/{name}", "assetType": kind, "resource": {"data": data}}


GCP: list[dict[str, Any]] = [
    gcp(
        "compute.googleapis.com/Instance",
        "vm",
        {
            "name": "vm",
            "networkInterfaces": [
                {
                    "networkIP": "10.128.0.2",
                    "accessConfigs": [{"natIP": "198.51.100.30"}, {"type": "ONE_TO_ONE_NAT"}],
                    "ipv6AccessConfigs": [{"externalIpv6": "2001:db8::30"}],
                }
            ],
        },
    ),
    gcp("compute.googleapis.com/Address", "a", {"address": "198.51.100.31"}),
    gcp(
        "compute.googleapis.com/Address",
        "b",
        {"address": "10.128.0.9", "addressType": "INTERNAL"},
    ),
    gcp(
        "compute.googleapis.com/ForwardingRule",
        "f",
        {"IPAddress": "198.51.100.32", "loadBalancingScheme": "EXTERNAL_MANAGED"},
    ),
    gcp(
        "compute.googleapis.com/GlobalForwardingRule",
        "g",
        {"IPAddress": "2001:db8:1::/96", "loadBalancingScheme": "EXTERNAL"},
    ),
    {"name": "//storage.googleapis.com/my-bucket", "assetType": "storage.googleapis.com/Bucket"},
    gcp(
        "sqladmin.googleapis.com/Instance",
        "sql",
        {
            "ipAddresses": [
                {"type": "PRIMARY", "ipAddress": "198.51.100.33"},
                {"type": "OUTGOING", "ipAddress": "198.51.100.34"},
                {"type": "PRIVATE", "ipAddress": "10.1.2.3"},
            ]
        },
    ),
    gcp("container.googleapis.com/Cluster", "k", {"endpoint": "198.51.100.35"}),
    gcp("compute.googleapis.com/Disk", "d", {"sizeGb": "10"}),
]


def read(folder: Path, content: object, name: str = "inventory.json") -> list[Found | Gap]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return list(read_inventories([path]))


def named(items: list[Found | Gap]) -> list[str]:
    return [i.address or i.name or i.url for i in items if isinstance(i, Found)]


def gaps(items: list[Found | Gap]) -> list[tuple[Reason, int]]:
    return [(i.reason, i.count) for i in items if isinstance(i, Gap)]


def test_azure(tmp_path: Path) -> None:
    found = read(tmp_path, AZURE)
    assert named(found) == [
        "198.51.100.10",
        "https://acct.blob.core.windows.net/",
        "acct.z13.web.core.windows.net",
        "https://acct-secondary.blob.core.windows.net/",
        "shop.azurewebsites.net",
        "www.example.org",
    ]
    first, store = found[0], found[1]
    assert isinstance(first, Found)
    assert isinstance(store, Found)
    assert first.label == "files-ip"
    assert first.place.endswith("inventory.json data[0].properties.ipAddress")
    assert store.kind == "azure_blob"
    assert gaps(found) == [(Reason.UNSUPPORTED, 1)]
    assert "microsoft.sql/servers" in str(found[-1])


def test_azure_pages_and_columns_left_out(tmp_path: Path) -> None:
    rows = AZURE["data"]
    assert gaps(read(tmp_path, {**AZURE, "total_records": 105}))[-1] == (Reason.NOT_GIVEN, 100)
    assert gaps(read(tmp_path, {**AZURE, "skip_token": "x"}))[-1] == (Reason.NOT_GIVEN, 1)
    assert named(read(tmp_path, rows)) == named(read(tmp_path, AZURE))
    bare = [{"type": row["type"], "name": row["name"]} for row in rows]
    assert gaps(read(tmp_path, bare)) == [(Reason.NOT_GIVEN, 1)] * 5


def test_aws(tmp_path: Path) -> None:
    found = read(tmp_path, AWS)
    assert named(found) == [
        "198.51.100.20",
        "198.51.100.21",
        "2001:db8::20",
        "198.51.100.22",
        "198.51.100.23",
        "https://s3.us-west-2.amazonaws.com/my.bucket",
        "lb-1.elb.amazonaws.com",
        "db-1.rds.amazonaws.com",
    ]
    assert gaps(found) == [(Reason.UNSUPPORTED, 1), (Reason.NOT_GIVEN, 1)]
    assert "AWS::EC2::NatGateway" in str(found)
    assert "203.0.113.9" not in str(found)


def test_an_answer_of_a_query_is_json_in_strings(tmp_path: Path) -> None:
    items = AWS["configurationItems"]
    answer = {"Results": [json.dumps(i) for i in items], "QueryInfo": {"SelectFields": []}}
    assert named(read(tmp_path, answer)) == named(read(tmp_path, AWS))
    more = read(tmp_path, {**answer, "NextToken": "x"})
    assert gaps(more)[-1] == (Reason.NOT_GIVEN, 1)
    broken = {"Results": ["{", json.dumps({"resourceId": "x"})], "QueryInfo": {}}
    assert gaps(read(tmp_path, broken)) == [(Reason.CORRUPT, 1), (Reason.UNPARSED, 1)]


def test_only_the_newest_configuration_counts(tmp_path: Path) -> None:
    def item(time: str, address: str, status: str = "OK") -> dict[str, Any]:
        return {
            "resourceType": "AWS::EC2::EIP",
            "resourceId": "eipalloc-1",
            "configurationItemCaptureTime": time,
            "configurationItemStatus": status,
            "configuration": json.dumps({"publicIp": address}),
        }

    old, new = item("2026-01-01T00:00:00Z", "198.51.100.1"), item("2026-02-01T", "198.51.100.2")
    for order in ([old, new], [new, old]):
        assert named(read(tmp_path, {"configurationItems": order})) == ["198.51.100.2"]
    gone = item("2026-03-01T", "198.51.100.3", "ResourceDeleted")
    assert read(tmp_path, {"configurationItems": [old, new, gone]}) == []


def test_gcp(tmp_path: Path) -> None:
    found = read(tmp_path, GCP)
    assert named(found) == [
        "198.51.100.30",
        "2001:db8::30",
        "198.51.100.31",
        "198.51.100.32",
        "2001:db8:1::",
        "https://storage.googleapis.com/my-bucket",
        "198.51.100.33",
    ]
    assert gaps(found) == [(Reason.UNSUPPORTED, 1), (Reason.NOT_GIVEN, 2)]
    assert "container.googleapis.com/Cluster" in str(found)


def test_gcp_lines_and_assets_without_data(tmp_path: Path) -> None:
    lines = b"\n".join(
        json.dumps(
            {"asset_type": a["assetType"], **{k: a[k] for k in a if k != "assetType"}}
        ).encode()
        for a in GCP
    )
    assert named(read(tmp_path, lines)) == named(read(tmp_path, GCP))
    packed = read(tmp_path, gzip.compress(lines), "inventory.json.gz")
    assert named(packed) == named(read(tmp_path, GCP))
    assert named(read(tmp_path, {"assets": GCP})) == named(read(tmp_path, GCP))
    bare = [{"name": a["name"], "assetType": a["assetType"]} for a in GCP]
    found = read(tmp_path, bare)
    assert named(found) == ["https://storage.googleapis.com/my-bucket"]
    assert gaps(found) == [(Reason.NOT_GIVEN, len(GCP) - 1)]


def test_values_that_are_none_are_gaps(tmp_path: Path) -> None:
    rows = [
        {"type": "microsoft.network/publicipaddresses", "properties": {"ipAddress": "x\x1b[2J"}},
        {"type": "microsoft.network/publicipaddresses", "properties": {"ipAddress": 5}},
        {"type": "microsoft.web/sites", "properties": {"defaultHostName": "-bad-.example"}},
        {
            "type": "microsoft.storage/storageaccounts",
            "properties": {"primaryEndpoints": {"blob": "https://a@169.254.169.254/"}},
        },
        {"type": "microsoft.network/publicipaddresses", "properties": {"ipAddress": "169.254.1.1"}},
    ]
    found = read(tmp_path, rows)
    assert named(found) == []
    assert gaps(found) == [(Reason.UNPARSED, 1)] * 4 + [(Reason.NOT_GIVEN, 1)]
    assert "\x1b" not in str(found)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"data": [{"type": "microsoft.network/x"', Reason.CORRUPT),
        (b'{"data": 5, "type": "microsoft.x/y"}', Reason.UNSUPPORTED),
        (b'{"configurationItems": [' + b"[" * 100_000, Reason.CORRUPT),
        (b'[{"assetType": "\xff"}]', Reason.CORRUPT),
        (b'{"a": 1}', Reason.UNSUPPORTED),
        (b" ", Reason.EMPTY),
    ],
)
def test_broken_files_are_a_gap(tmp_path: Path, content: bytes, reason: Reason) -> None:
    assert gaps(read(tmp_path, content)) == [(reason, 1)]


def test_each_file_has_one_reader() -> None:
    for name, content in (("azure_resource_graph", AZURE), ("aws_config", AWS), ("gcp_asset", GCP)):
        head = json.dumps(content).encode()
        assert [i.name for i in inventories() if i.recognise(head)] == [name]
    assert all(i.source.startswith("https://") for i in inventories())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KINDS = [
    *(("type", row["type"], "properties") for row in AZURE["data"]),
    *(("resourceType", i["resourceType"], "configuration") for i in AWS["configurationItems"]),
    *(("assetType", a["assetType"], "resource") for a in GCP),
]
FIELDS = ["ipAddress", "publicIp", "networkInterfaces", "endpoint", "data", "primaryEndpoints"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), VALUES) | VALUES)
def test_any_field_may_be_anything(tmp_path: Path, kind: tuple[str, str, str], value: Any) -> None:
    row = {kind[0]: kind[1], kind[2]: value, "name": value}
    assert all(isinstance(item, Found | Gap) for item in read(tmp_path, [row]))
