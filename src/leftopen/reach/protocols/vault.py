"""Vault and OpenBao: the state that answers everybody; no secret is given without a token.

/v1/sys/health is meant for load balancers: being sealed or not is metadata, no exposure.
https://developer.hashicorp.com/vault/api-docs/system/health
"""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from leftopen.net.http import METHODS, Response
from leftopen.reach.api import Protocol
from leftopen.reach.dashboards import Info, Product, leads_to, look
from leftopen.reach.json_answer import parsed

# Asked so, every state answers with 200.
_HEALTH: Final = (
    "/v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"
    "&drsecondarycode=200"
)


class _Health(msgspec.Struct):
    initialized: bool
    sealed: bool
    standby: bool
    version: str


def _health(answer: Response) -> str | None:
    found = parsed(answer, _Health)
    return found.version if found else None


VAULT = Protocol(
    name="vault",
    ports=(8200,),
    tls_ports=(8200,),
    sends="GET of /v1/sys/health",
    allowed=METHODS,
    prove=partial(look, product=Product("Vault", (Info(_HEALTH, _health),))),
    recognise_http=lambda answer: leads_to(answer, "/ui/"),
    source="https://developer.hashicorp.com/vault/api-docs/system/health",
)
