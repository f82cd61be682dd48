"""RabbitMQ: its management and AMQP."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import servers
from lab.config import Both, Config, with_tls
from leftopen.model.exposure import Access

START_SECONDS = 90.0
OWNER = {"Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}


@dataclass(frozen=True)
class Broker:
    """One RabbitMQ: its AMQP and its management."""

    amqp: int
    api: int

    def get(self, path: str, method: str = "GET", body: str = "") -> tuple[int, bytes]:
        """What the owner gets, who is logged in."""
        client = http.client.HTTPConnection(servers.CLIENT, self.api, timeout=10)
        try:
            client.request(method, path, body, OWNER)
            said = client.getresponse()
            return said.status, said.read()
        finally:
            client.close()


@contextmanager
def rabbitmq() -> Iterator[Broker]:
    """RabbitMQ with its management; two queues, one with a message."""
    # The one in /usr/sbin insists on the user rabbitmq.
    binary = servers.need("rabbitmq-server", "/usr/lib/rabbitmq/bin")
    epmd = servers.need("epmd")
    made = Broker(servers.free_port(), servers.free_port())
    names = servers.free_port()
    with servers.scratch() as folder:
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {servers.CLIENT}:{made.amqp}\n"
            f"management.tcp.ip = {servers.CLIENT}\nmanagement.tcp.port = {made.api}\n"
        )
        (folder / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_amqp1_0].")
        env = {
            "ERL_EPMD_ADDRESS": servers.CLIENT,
            "ERL_EPMD_PORT": str(names),
            "RABBITMQ_NODENAME": f"leftopen{made.amqp}@localhost",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_DIST_PORT": str(servers.free_port()),
        }
        # Its name server would be a daemon that outlives it, were there none. RabbitMQ takes
        # longer than `running` waits on a busy machine: `owner` waits for its management.
        with (
            servers.running([epmd, "-port", str(names)], folder, names),
            servers.running([binary], folder, names, env=env, stop=signal.SIGKILL),
        ):
            owner(made)
            yield made


def owner(broker: Broker) -> None:
    """Two queues, one with a message."""
    deadline = time.monotonic() + START_SECONDS
    made = 0
    while made not in (201, 204):
        assert time.monotonic() < deadline
        with suppress(OSError, http.client.HTTPException):  # nothing listens yet
            made = broker.get("/api/queues/%2F/orders", "PUT", "{}")[0]
        time.sleep(0.1)
    assert broker.get("/api/queues/%2F/empty", "PUT", "{}")[0] == 201
    body = {"properties": {}, "routing_key": "orders", "payload": "x", "payload_encoding": "string"}
    sent = broker.get("/api/exchanges/%2F/amq.default/publish", "POST", json.dumps(body))
    assert json.loads(sent[1]) == {"routed": True}


@contextmanager
def _both() -> Iterator[servers.Server]:
    with rabbitmq() as made:
        yield Both(servers.CLIENT, made.api, second=made.amqp)


API = Config("RabbitMQ: management", "rabbitmq", Access.ASKS_CREDENTIAL, _both, 15672)
AMQP = Config("RabbitMQ: AMQP", "amqp", Access.METADATA, _both, 5672, second=True)
CONFIGS = (API, AMQP, *with_tls((API,), 15671), *with_tls((AMQP,), 5671))
