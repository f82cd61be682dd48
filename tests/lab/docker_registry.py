"""The Docker registry."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import servers
from lab.config import Config, files_of, with_tls
from leftopen.model.exposure import Access

CONFIG = json.dumps({"config": {"Env": ["TOKEN=078-05-1120"]}}).encode()
LAYER = b"layer " * 1000
# bob, correct-horse; bcrypt, as the registry wants it
HTPASSWD = "bob:$2y$05$abcdefghijklmnopqrstuuZ0Fx87Pb/Aqb0E90lfvCwzXnaFKUHpS\n"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@contextmanager
def registry(*, images: tuple[str, ...] = (), closed: bool = False) -> Iterator[servers.Server]:
    """docker-registry with one image pushed under each of these names."""
    binary = servers.need("docker-registry")
    port = servers.free_port()
    with servers.scratch() as folder:
        lines = ["version: 0.1", f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}"]
        lines += [f'http: {{addr: "{servers.CLIENT}:{port}"}}']
        if closed:
            (folder / "htpasswd").write_text(HTPASSWD)
            lines += [f"auth: {{htpasswd: {{realm: private, path: {folder}/htpasswd}}}}"]
        conf = folder / "config.yml"
        conf.write_text("\n".join(lines) + "\n")
        servers.give(folder)
        with servers.running([binary, "serve", str(conf)], folder, port) as server:
            for name in images:
                push(server, name)
            yield server


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push(server: servers.Server, name: str) -> None:
    """What the owner may do: two blobs and a manifest."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        for blob in (CONFIG, LAYER):
            client.request("POST", f"/v2/{name}/blobs/uploads/")
            started = client.getresponse()
            started.read()
            where = started.headers["Location"]
            octets = {"Content-Type": "application/octet-stream"}
            client.request("PUT", f"{where}&digest={digest(blob)}", blob, octets)
            done = client.getresponse()
            assert done.status == 201, done.read()
            done.read()
        parts = [
            {"mediaType": kind, "size": len(blob), "digest": digest(blob)}
            for kind, blob in (
                ("application/vnd.docker.container.image.v1+json", CONFIG),
                ("application/vnd.docker.image.rootfs.diff.tar.gzip", LAYER),
            )
        ]
        text = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
        client.request(
            "PUT", f"/v2/{name}/manifests/v1", json.dumps(text), {"Content-Type": MANIFEST}
        )
        done = client.getresponse()
        assert done.status == 201, done.read()
    finally:
        client.close()


OPEN = Config(
    "docker-registry: open",
    "docker_registry",
    Access.GIVES_DATA,
    partial(registry, images=("shop/web", "tools")),
    5000,
    objects=2,
    state=files_of("data"),
)
CLOSED = Config(
    "docker-registry: htpasswd",
    "docker_registry",
    Access.ASKS_CREDENTIAL,
    partial(registry, closed=True),
    5000,
)
CONFIGS = (
    OPEN,
    CLOSED,
    *with_tls((OPEN, CLOSED), 5000),
    Config("docker-registry: empty", "docker_registry", Access.LISTS, registry, 5000),
)
