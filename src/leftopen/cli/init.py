"""`leftopen init`: write a commented scope file."""

from __future__ import annotations

from pathlib import Path

import click

from leftopen.cli.show import json_option, print_json, say
from leftopen.model.errors import UsageError

TEMPLATE = """\
# Leftopen scope file. Leftopen touches what stands here and nothing else.
# Check it:  leftopen run {name} --dry-run
version = 1

# Where you look from: "inside" your network, or "outside" like a stranger. It is part of every
# proof, because servers answer differently by source address.
vantage = "inside"

# Needed as soon as anything below is a public address. Ended means refused.
# [authority]
# organisation = "Example Agency"
# approver = "A. Person, CISO"
# reference = "ticket or letter that allows this"
# contact = "security@example.org"
# valid_until = 2027-01-31

[targets]
networks = ["127.0.0.1/32"]          # CIDR, no wider than /12
hosts = []                           # names; their first look-up is kept for the whole run
inventories = []                     # exports of cloud accounts (az graph, AWS Config, gcloud)
exclude = []                         # address, network or "address:port"; always wins
ports = [21, 80, 143, 443, 873, 5432, 6379, 8000, 8080, 9200, "10000-10010"]
# [[targets.stores]]
# url = "https://account.blob.core.windows.net/container"
# kind = "azure_blob"                # http, azure_blob, s3, gcs, tftp

[rules]                              # rules of engagement
tier = 4                             # 0 imports, 1 ports, 2 what speaks, 3 proof, 4 sample
# [[rules.tiers]]                    # a lower one for some networks
# networks = ["192.168.7.0/24"]
# tier = 2
read_posts = true                    # reads that a product offers only as HTTP POST
leftovers = false                    # ask web servers for .git, backups and their like
probe_url = ""                       # a page that says who probes and why
opt_out = ""                         # where to ask to be left alone
reverse_name = ""                    # the name of the address that probes come from

[rates]
connections_per_second = 1000
connections_per_second_per_host = 20
bytes_per_host = 200_000_000
timeout_seconds = 3.0

[sample]                             # how much of a live store may be read
objects = 400
bytes = 100_000_000
seconds = 300
seed = 20230208

[claims]                             # names that we may state; never a secret
postgresql_roles = []
postgresql_databases = []
clickhouse_users = []
smb_shares = []
nfs_exports = []
git_repositories = []
dns_zones = []
buckets = []

[parties]                            # who may show up in the logs without being an outsider
owner = []
monitoring = []                      # [{{ name = "icinga", networks = ["192.0.2.7/32"] }}]
researchers = []

[cause]                              # configuration files and cloud snapshots, to name the cause
files = []                           # ["/etc/nginx", "nsg.json"]

[trace]                              # logs of the exposed service and of the network
files = []                           # ["/var/log/nginx", "flow-logs/"]
time_zone = "UTC"                    # for formats without a zone

[imports]                            # what outside sensors saw (Shodan, Censys, nmap, ...)
files = []
sweep = []                           # scan results that take the place of our own sweep
"""


@click.command("init", epilog="Example: leftopen init scope.toml")
@click.argument("path", type=click.Path(path_type=Path), default=Path("scope.toml"))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the scope file instead.")
@json_option
def command(path: Path, force: bool, schema: bool, as_json: bool) -> None:
    """Write a commented scope file to PATH (scope.toml)."""
    if schema:
        import json

        from leftopen.model.scope_file import schema as made

        click.echo(json.dumps(made(), indent=2, sort_keys=True))
        return
    if path.exists() and not force:
        raise UsageError(f"{path} exists; give another name, or --force to overwrite it")
    try:
        path.write_text(TEMPLATE.format(name=path.name))
    except OSError as e:
        raise UsageError(f"{path} cannot be written: {e.strerror}") from None
    if as_json:
        print_json({"written": str(path)})
    else:
        say(f"{path} written; name what is yours in it, then: leftopen run {path} --dry-run")
