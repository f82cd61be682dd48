"""noida-db, and fakes of Elasticsearch."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import servers
from fake_elasticsearch import (
    BANNER,
    BANNERS,
    OPENSEARCH,
    REFUSALS,
    anonymous_role,
    forbidden,
    hits,
    opensearch_closed,
    opensearch_not_ready,
    refusing,
    serving,
    to_json,
    without_cat,
)
from lab.config import Config, with_tls
from lab.fakes import got, pages
from leftopen.model.exposure import Access
from reaching import Answer

PERSON = {"name": "Ada", "ssn": "078-05-1120"}


@contextmanager
def noida() -> Iterator[servers.Server]:
    """noida-db, an Elasticsearch-compatible server from PyPI, with one index of 3 documents."""
    package = find_spec("noida_db")
    folders = list(package.submodule_search_locations or []) if package else []
    binary = servers.need("noida-db", *folders)
    port = servers.free_port()
    with servers.scratch() as folder:
        argv = [binary, "start", "--data-dir", str(folder / "data"), "--host", servers.CLIENT]
        argv += ["--only", "elasticsearch", "--elasticsearch-port", str(port)]
        with servers.running(argv, folder, port) as server:
            client = http.client.HTTPConnection(server.host, port, timeout=10)
            for name in ("a/b %41", "2", "3"):
                uid = name.replace("/", "%2F").replace(" ", "%20").replace("%41", "%2541")
                client.request(
                    "PUT",
                    f"/people/_doc/{uid}?refresh=true",
                    json.dumps(PERSON),
                    {"Content-Type": "application/json"},
                )
                reply = client.getresponse()
                assert reply.status == 201, reply.read()
                reply.read()
            client.close()
            yield server


def _documents(server: servers.Server) -> object:
    return got(server, "/people/_search?version=true").split(b'"hits"')[1:]


OPEN = Config(
    "noida-db: open", "elasticsearch", Access.GIVES_DATA, noida, 9200, objects=3, state=_documents
)


def _fake(
    kind: str,
    access: Access,
    reply: Answer,
    objects: int | None = None,
    product: str = "elasticsearch",
) -> Config:
    shown = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}[product]
    name = f"{shown} (fake): {kind}"
    return Config(name, product, access, pages(reply), 9200, objects=objects, fake=True)


def _major(version: str) -> Answer:
    banner, cat = BANNERS[version], version.startswith("0.")
    if version[0] in "01":
        return without_cat(banner, cat=not cat)
    people = [{"index": "people", "docs.count": "2", "store.size": "501"}]
    old = int(version.split(".")[0]) < 7
    return serving(banner, people, lambda path: to_json(hits("1", "2", source={"a": 1}, old=old)))


FAKES = (
    *(_fake(f"{v}, open", Access.GIVES_DATA, _major(v), 2) for v in BANNERS),
    *(_fake(f"401 of {kind}", Access.ASKS_CREDENTIAL, refusing(kind)) for kind in REFUSALS),
    _fake("anonymous role", Access.ASKS_CREDENTIAL, anonymous_role),
    _fake("no index", Access.LISTS, serving(indices=[])),
    _fake("names only", Access.LISTS, serving(found=lambda path: forbidden())),
    _fake("a mock that answers everything", Access.UNDETERMINED, lambda path: to_json(BANNER)),
    _fake("open", Access.GIVES_DATA, serving(OPENSEARCH), 3, "opensearch"),
    _fake("401", Access.ASKS_CREDENTIAL, opensearch_closed, None, "opensearch"),
    _fake("not initialised", Access.UNDETERMINED, opensearch_not_ready, None, "opensearch"),
)
CONFIGS = (OPEN, *with_tls((OPEN,), 9200), *FAKES)
