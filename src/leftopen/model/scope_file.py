"""The shape of the scope file, and its published JSON Schema.

Terms follow the rules of engagement of NIST SP 800-115: authority, exclusions, rates.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from leftopen.model.record import Record

DEFAULT_PORTS: tuple[int, ...] = (
    *(21, 53, 80, 110, 111, 139, 143, 389, 443, 445, 636, 873, 993, 995, 1883, 2049, 2181, 2375),
    *(2379, 3000, 3128, 3260, 3306, 4222, 5000, 5432, 5601, 5672, 5900, 5984, 6000, 6333, 6379),
    *(6443, 7474, 7687, 7700, 8000, 8080, 8081, 8086, 8108, 8123, 8222, 8265, 8443, 8500, 8529),
    *(8888, 8983, 9000, 9042, 9090, 9092, 9093, 9100, 9200, 9300, 9418, 10000, 10250, 10809),
    *(11211, 15672, 27017),
)

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
PortSpec = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,5}-[0-9]{1,5}$")]
Positive = Annotated[int, msgspec.Meta(ge=1)]
StoreKind = Literal["http", "azure_blob", "s3", "gcs", "tftp"]
Vantage = Literal["inside", "outside"]


class Authority(Record, frozen=True, kw_only=True):
    """Who allows this, by which document, until when. Needed for every public address."""

    organisation: str
    approver: str
    reference: str
    contact: str = ""
    valid_until: date


class StoreUrl(Record, frozen=True, kw_only=True):
    """A storage URL: a bucket, an Azure Blob container, a web address, a file over TFTP."""

    url: Annotated[str, msgspec.Meta(pattern=r"^(https?|tftp)://[^\s]+$")]
    kind: StoreKind = "http"


class Targets(Record, frozen=True, kw_only=True):
    """What is ours, and what of it must not be touched."""

    networks: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    stores: tuple[StoreUrl, ...] = ()
    exclude: tuple[str, ...] = ()
    inventories: tuple[str, ...] = ()  # exports of cloud accounts: what they name is a target
    ports: tuple[Port | PortSpec, ...] = DEFAULT_PORTS


class Rates(Record, frozen=True, kw_only=True):
    """Upper limits that no probe can go over."""

    connections_per_second: Positive = 1000
    connections_per_second_per_host: Positive = 20
    bytes_per_host: Positive = 200_000_000
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 3.0


Tier = Annotated[int, msgspec.Meta(ge=0, le=4)]


class TierOf(Record, frozen=True, kw_only=True):
    """Another tier for some of the networks; the lowest that names an address holds."""

    networks: tuple[str, ...]
    tier: Tier


class Rules(Record, frozen=True, kw_only=True):
    """Rules of engagement: how far a probe may go, and how it says who it is (RFC 9511).

    Tiers: 0 only imports, 1 which ports answer, 2 what speaks there, 3 proof of access with at
    most one record, 4 a sample within the budget of [sample].
    """

    tier: Tier = 4
    tiers: tuple[TierOf, ...] = ()
    read_posts: bool = True  # reads that a product offers only as HTTP POST
    leftovers: bool = False  # ask web servers for .git, backups and their like, by a fixed list
    probe_url: str = ""  # a page that says who probes and why
    opt_out: str = ""  # where to ask to be left alone
    reverse_name: str = ""  # the name of the address that probes come from


class Sample(Record, frozen=True, kw_only=True):
    """How much of a live store may be read."""

    objects: Annotated[int, msgspec.Meta(ge=0)] = 400
    bytes: Annotated[int, msgspec.Meta(ge=0)] = 100_000_000
    seconds: Positive = 300
    seed: int = 20230208


class Claims(Record, frozen=True, kw_only=True):
    """Names that the owner lets us state (never a secret)."""

    postgresql_roles: tuple[str, ...] = ()
    postgresql_databases: tuple[str, ...] = ()
    clickhouse_users: tuple[str, ...] = ()
    smb_shares: tuple[str, ...] = ()
    nfs_exports: tuple[str, ...] = ()
    git_repositories: tuple[str, ...] = ()
    dns_zones: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()  # S3-compatible and GCS, on any object store of the scope


class NamedNetworks(Record, frozen=True, kw_only=True):
    """Addresses with a name: a monitoring system, a researcher."""

    name: str
    networks: tuple[str, ...]


class Parties(Record, frozen=True, kw_only=True):
    """Who may show up in the logs without being an outsider."""

    owner: tuple[str, ...] = ()
    monitoring: tuple[NamedNetworks, ...] = ()
    researchers: tuple[NamedNetworks, ...] = ()


class CauseInput(Record, frozen=True, kw_only=True):
    """Configuration files and cloud snapshots to explain an exposure from."""

    files: tuple[str, ...] = ()


class TraceInput(Record, frozen=True, kw_only=True):
    """Logs. `time_zone` is for formats that have none in their lines."""

    files: tuple[str, ...] = ()
    time_zone: str = "UTC"


class Imports(Record, frozen=True, kw_only=True):
    """What outside sensors saw, as files in any format that is known.

    `sweep` names results of nmap, masscan, zmap or naabu that take the place of our own sweep.
    """

    files: tuple[str, ...] = ()
    shodan: tuple[str, ...] = ()  # the same as `files`, from when there was no other format
    sweep: tuple[str, ...] = ()


class ScopeFile(Record, frozen=True, kw_only=True):
    """The scope file as written. Paths are relative to the file."""

    version: Literal[1]
    vantage: Vantage = "inside"
    authority: Authority | None = None
    targets: Targets
    rules: Rules = Rules()
    rates: Rates = Rates()
    sample: Sample = Sample()
    claims: Claims = Claims()
    parties: Parties = Parties()
    cause: CauseInput = CauseInput()
    trace: TraceInput = TraceInput()
    imports: Imports = Imports()


def schema() -> dict[str, Any]:
    """The JSON Schema of the scope file (draft 2020-12)."""
    made = msgspec.json.schema(ScopeFile)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Leftopen scope file, version 1",
        **made,
    }
