"""Azure network security groups: the 15 cases that popular checks get wrong, and shapes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from leftopen.cause.api import Judgement, SourceFile
from leftopen.cause.cloud.azure import judge
from leftopen.cause.explain import explain_texts
from leftopen.cause.match import match
from leftopen.model.cause import Agreement, Cause, Truth
from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Access, Exposure
from leftopen.model.gap import Gap, Reason
from leftopen.model.time import Between

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN


def _rule(priority: int, **changes: Any) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "name": f"rule-{priority}",
        "priority": priority,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "80",
    }
    rule.update(changes)
    return {k: v for k, v in rule.items() if v is not None}


def _nsg(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "web-nsg", "resourceGroup": "rg-mail", "securityRules": list(rules), **fields}


def _causes(snapshot: Any) -> list[Cause]:
    text = json.dumps(snapshot, indent=2)
    return [c for c in explain_texts("azure_nsg", {"nsg.json": text}) if isinstance(c, Cause)]


def _admits(snapshot: Any, port: int = 80) -> Truth:
    """Does it admit strangers to tcp/port? Asked the way the main job asks: through match."""
    endpoint = Endpoint(address="198.51.100.4", port=port)
    exposure = Exposure(
        uid="x",
        endpoint=endpoint,
        protocol="http",
        access=Access.GIVES_DATA,
        opened=Between(),
        closed=Between(),
        observations=(),
    )
    found = match(_causes(snapshot), [exposure], []).by_exposure["x"]
    yes = any(f.agreement is Agreement.EXPLAINS for f in found)
    unknown = any(f.cause.open is UNKNOWN for f in found)
    return YES if yes else UNKNOWN if unknown else NO


CASES = [
    ("allow any/any", _nsg(_rule(100, protocol="*", destinationPortRange="*")), YES),
    (
        "ports list",
        _nsg(_rule(100, destinationPortRange=None, destinationPortRanges=["443", "80"])),
        YES,
    ),
    (
        "sources list",
        _nsg(_rule(100, sourceAddressPrefix=None, sourceAddressPrefixes=["0.0.0.0/0"])),
        YES,
    ),
    (
        "two halves",
        _nsg(
            _rule(100, sourceAddressPrefix="0.0.0.0/1"),
            _rule(110, sourceAddressPrefix="128.0.0.0/1"),
        ),
        YES,
    ),
    (
        "Internet tag, all ports",
        _nsg(_rule(100, sourceAddressPrefix="Internet", destinationPortRange="0-65535")),
        YES,
    ),
    ("::/0", _nsg(_rule(100, sourceAddressPrefix="::/0")), YES),
    ("deny then allow", _nsg(_rule(100, access="Deny"), _rule(200)), NO),
    (
        "deny other port, allow any/any",
        _nsg(
            _rule(100, access="Deny", destinationPortRange="22"),
            _rule(200, protocol="*", destinationPortRange="*"),
        ),
        YES,
    ),
    ("64.0.0.0/2", _nsg(_rule(100, sourceAddressPrefix="64.0.0.0/2")), YES),
    ("single 80", _nsg(_rule(100)), YES),
    ("allow then deny", _nsg(_rule(100), _rule(200, access="Deny")), YES),
    ("outbound", _nsg(_rule(100, direction="Outbound")), NO),
    ("corporate CIDR", _nsg(_rule(100, sourceAddressPrefix="203.0.113.0/24")), NO),
    ("empty", _nsg(), NO),
    ("UDP", _nsg(_rule(100, protocol="Udp")), NO),
]


@pytest.mark.parametrize(
    ("snapshot", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_fifteen_cases(snapshot: Any, expected: Truth) -> None:
    assert len(CASES) == 15
    assert _admits(snapshot) is expected


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        (_nsg(_rule(100, sourceAddressPrefix="AzureCloud")), YES),
        (_nsg(_rule(100, sourceAddressPrefix="AzureCloud.usgovvirginia")), YES),
        (
            _nsg(
                _rule(100, sourceAddressPrefix="Internet", access="Deny"),
                _rule(200, sourceAddressPrefix="AzureCloud"),
            ),
            NO,
        ),
        (_nsg(_rule(100, sourceAddressPrefix="VirtualNetwork")), NO),
        (_nsg(_rule(100, sourceAddressPrefix="AzureLoadBalancer")), NO),
        (_nsg(_rule(100, sourceAddressPrefix="GatewayManager")), NO),
        (_nsg(_rule(100, sourceAddressPrefix="SomeNewTag")), UNKNOWN),
        (_nsg(_rule(100, sourceAddressPrefix=None, sourceApplicationSecurityGroups=[{}])), NO),
        (_nsg(_rule(100, sourceAddressPrefix="any")), YES),
        (_nsg(_rule(100, destinationPortRange="79-81")), YES),
        (_nsg(_rule(100, destinationPortRange="81-90")), NO),
        (_nsg(_rule(100, destinationAddressPrefix="10.0.0.4")), YES),
        (
            _nsg(
                _rule(100, access="Deny", destinationAddressPrefix="10.0.0.4"),
                _rule(200, destinationAddressPrefix="10.0.0.0/24"),
            ),
            YES,
        ),
        (
            _nsg(
                _rule(100, access="Deny", destinationAddressPrefix="10.0.0.0/24"),
                _rule(200, destinationAddressPrefix="10.0.0.4"),
            ),
            NO,
        ),
        (_nsg(_rule(300), _rule(200, access="Deny")), NO),  # order in the file does not count
        (_nsg(_rule(100, protocol="Icmp", destinationPortRange="*")), NO),
        (_nsg(_rule(100, sourceAddressPrefix="0.0.0.0")), NO),
    ],
)
def test_more_cases(snapshot: Any, expected: Truth) -> None:
    assert _admits(snapshot) is expected


def _arm(*rules: dict[str, Any]) -> dict[str, Any]:
    wrapped = [{"name": r["name"], "properties": r} for r in rules]
    resource = {
        "type": "Microsoft.Network/networkSecurityGroups",
        "name": "web-nsg",
        "properties": {"securityRules": wrapped},
    }
    return {"$schema": "x", "resources": [{"type": "Microsoft.Compute/x"}, resource]}


def _effective(*groups: list[dict[str, Any]]) -> dict[str, Any]:
    value = [
        {"networkSecurityGroup": {"id": f"/a/b/c/rg/d/e/f/nsg{i}"}, "effectiveSecurityRules": rules}
        for i, rules in enumerate(groups)
    ]
    return {"value": value}


DENY = _rule(65500, access="Deny", protocol="All", destinationPortRange="0-65535")


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        ([_nsg(), _nsg(_rule(100))], YES),  # az network nsg list
        (_arm(_rule(100)), YES),
        (_arm(), NO),
        (
            {
                "data": [
                    {
                        "type": "microsoft.network/networksecuritygroups",
                        **_arm(_rule(1))["resources"][1],
                    }
                ]
            },
            YES,
        ),
        (_effective([_rule(100), DENY]), YES),
        (_effective([_rule(100), DENY], [_rule(200), DENY]), YES),
        (_effective([_rule(100), DENY], [DENY]), NO),  # subnet lets in, network card does not
        (
            _effective(
                [_rule(100, sourceAddressPrefix="0.0.0.0/1"), DENY],
                [_rule(100, sourceAddressPrefix="128.0.0.0/1"), DENY],
            ),
            NO,
        ),
    ],
)
def test_shapes(snapshot: Any, expected: Truth) -> None:
    assert _admits(snapshot) is expected


def test_one_cause_for_each_set_of_ports() -> None:
    found = _causes(
        _nsg(
            _rule(100, destinationPortRanges=["80", "443"], destinationPortRange=None),
            _rule(110, destinationPortRange="22", sourceAddressPrefix="0.0.0.0/1"),
            _rule(120, protocol="Udp", destinationPortRange="53"),
        )
    )
    assert [(c.open, c.ports) for c in found] == [(YES, (22,)), (YES, (80, 443)), (YES, (53,))]
    assert found[0].factors[0].value == "0.0.0.0/1"
    assert found[1].product == "azure_nsg"
    assert found[1].protocol == ""
    assert "nsg rule update" in (found[1].fix.command if found[1].fix else "")
    assert "-g rg-mail --nsg-name web-nsg -n rule-100" in (
        found[1].fix.command if found[1].fix else ""
    )


def test_default_rules_of_the_file_are_used() -> None:
    allow_all = _rule(65000, sourceAddressPrefix="*", protocol="*", destinationPortRange="*")
    assert _admits(_nsg(defaultSecurityRules=[allow_all])) is YES


def test_place_and_order() -> None:
    text = json.dumps(_nsg(_rule(200, access="Deny"), _rule(100)), indent=2)
    found = [j for j in judge(SourceFile("n.json", text)) if isinstance(j, Judgement)]
    line = text.splitlines()[found[0].factors[0].origin.line - 1]
    assert line.strip() == "{"
    assert found[0].factors[0].directive == "rule-100"


@pytest.mark.parametrize(("snapshot"), [c[1] for c in CASES if c[2] is YES])
def test_change_closes(patched: Callable[[str, str], str], snapshot: Any) -> None:
    text = json.dumps(snapshot, indent=2)
    for _ in range(4):
        opened = [c for c in explain_texts("azure_nsg", {"n": text}) if isinstance(c, Cause)]
        fix = next((c.fix for c in opened if c.open is YES), None)
        if fix is None:
            break
        text = patched(text, fix.diff)
    assert _admits(json.loads(text)) is NO


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", Reason.CORRUPT),
        ('{"securityRules": [{"priority": "x", "access": "Allow"}]}', Reason.CORRUPT),
        ('{"securityRules": [{"priority": 100}]}', Reason.CORRUPT),
        ("[" * 5000, Reason.CORRUPT),
        ('{"a": 1}', Reason.EMPTY),
    ],
)
def test_bad_snapshots(text: str, reason: Reason) -> None:
    found = list(judge(SourceFile("n.json", text)))
    assert [f.reason for f in found if isinstance(f, Gap)] == [reason]


def test_many_groups_in_time() -> None:
    rules = [_rule(100 + i, destinationPortRange=str(1000 + i)) for i in range(5)]
    text = json.dumps([_nsg(*rules, name=f"nsg-{i}") for i in range(300)])
    start = time.perf_counter()
    found = [j for j in judge(SourceFile("n.json", text)) if isinstance(j, Judgement)]
    assert len(found) >= 300
    assert time.perf_counter() - start < 10
