"""The scope file: what it accepts, what it refuses and with which line, what a Target is."""

from __future__ import annotations

from datetime import UTC, datetime

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.cli.init import TEMPLATE
from leftopen.model.endpoint import Endpoint
from leftopen.model.errors import OutOfScope, ScopeError
from leftopen.model.scope import Scope, Target, parse_scope
from leftopen.model.scope_file import schema

NOW = datetime(2026, 11, 24, tzinfo=UTC)
AUTHORITY = """
[authority]
organisation = "Example"
approver = "A. Person"
reference = "T-1"
valid_until = {until}
"""


def scope(text: str) -> Scope:
    return parse_scope(f"version = 1\n{text}", "scope.toml", NOW)


def refusal(text: str) -> str:
    with pytest.raises(ScopeError) as caught:
        scope(text)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[targets]\nnetwroks = ["10.0.0.0/8"]', 3, "unknown field `netwroks`"),
        ('[targets]\nnetworks = ["10.0.0.1/24"]', 3, "host bits"),
        ('[targets]\nnetworks = ["10.0.0.0/8"]', 3, "wider than /12"),
        ('[targets]\nnetworks = ["10.0.0.0/24"]\nports = ["9-5"]', 4, "range of ports"),
        ('[targets]\nnetworks = ["10.0.0.0/24"]\nports = [70000]', 4, "<= 65535"),
        ('[targets]\nnetworks = ["8.8.8.0/24"]', 3, "[authority]"),
        ('[targets]\nhosts = ["8.8.8.8"]', 3, "[authority]"),
        ('[targets]\nnetworks = ["192.0.2.0/24"]', 3, "[authority]"),
        ('[targets]\nnetworks = ["169.254.0.0/16"]', 3, "link-local"),
        ('[targets]\nnetworks = ["10.0.0.0/24"\n', 4, "Unclosed array"),
        ("[targets]\nnetworks = []", 2, "names nothing"),
        ('[targets]\nnetworks = ["10.0.0.0/24"]\n[rates]\nbytes_per_host = "x"', 5, "`int`"),
        ('vantage = "moon"\n[targets]\nnetworks = ["10.0.0.0/24"]', 2, "moon"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: int, words: str) -> None:
    said = refusal(text)
    assert said.startswith(f"scope.toml:{line}: "), said
    assert words in said


def test_an_ended_authority_is_refused_and_a_valid_one_accepted() -> None:
    public = '[targets]\nnetworks = ["8.8.8.0/24"]'
    assert "ended on 2026-11-23" in refusal(AUTHORITY.format(until="2026-11-23") + public)
    assert scope(AUTHORITY.format(until="2026-11-24") + public).covers("8.8.8.8", 80)


def test_exclusions_always_win() -> None:
    made = scope(
        '[targets]\nnetworks = ["10.0.0.0/24", "fd00::/120"]\n'
        'exclude = ["10.0.0.5", "10.0.0.8/29", "10.0.0.7:22", "[fd00::7]:22", "fd00::9"]'
    )
    assert not made.covers("10.0.0.5", 80)
    assert not made.covers("10.0.0.9", 80)
    assert made.covers("10.0.0.7", 80)
    assert not made.covers("10.0.0.7", 22)
    assert not made.covers("fd00::7", 22)
    assert made.covers("fd00::7", 80)
    assert not made.covers("fd00::9", 80)
    with pytest.raises(OutOfScope):
        made.target("10.0.0.5", 80)


def test_the_lowest_tier_that_names_an_address_holds() -> None:
    made = scope(
        '[rules]\ntier = 3\n[[rules.tiers]]\nnetworks = ["10.0.0.0/25"]\ntier = 2\n'
        '[[rules.tiers]]\nnetworks = ["10.0.0.4/32", "fd00::/64"]\ntier = 0\n'
        '[targets]\nnetworks = ["10.0.0.0/24"]'
    )
    tiers = [made.tier(a) for a in ("10.0.0.200", "10.0.0.5", "10.0.0.4", "fd00::1", "fd01::1")]
    assert tiers == [3, 2, 0, 0, 3]
    assert made.excludes("10.0.0.4", 80)
    wrong = '[rules]\n[[rules.tiers]]\nnetworks = ["10.0.0.7/24"]\ntier = 1\n'
    assert "10.0.0.7/24" in refusal(wrong + '[targets]\nnetworks = ["10.0.0.0/24"]')


def test_only_a_scope_makes_a_target() -> None:
    made = scope('[targets]\nnetworks = ["127.0.0.1/32"]')
    assert made.target("127.0.0.1", 80).endpoint == Endpoint(address="127.0.0.1", port=80)
    with pytest.raises(OutOfScope):
        made.target("127.0.0.2", 80)
    with pytest.raises(TypeError):
        Target(Endpoint(address="127.0.0.2", port=80), "", "", seal=object())


def test_a_name_leads_only_where_it_may() -> None:
    made = scope('[targets]\nhosts = ["mail.example.org"]\nexclude = ["10.0.0.9"]')
    assert made.admits_named("mail.example.org", "10.0.0.1", 80)
    assert not made.admits_named("mail.example.org", "10.0.0.9", 80)
    assert not made.admits_named("mail.example.org", "169.254.169.254", 80)
    assert not made.admits_named("mail.example.org", "8.8.8.8", 80)  # public, no authority
    assert not made.admits_named("other.example.org", "10.0.0.1", 80)


def test_addresses_are_each_named_once() -> None:
    made = scope(
        '[targets]\nnetworks = ["127.0.0.0/30", "127.0.0.2/31", "10.0.0.0/30"]\nports=[80]'
    )
    addresses = list(made.addresses())
    assert addresses == ["10.0.0.1", "10.0.0.2", "127.0.0.0", "127.0.0.1", "127.0.0.2", "127.0.0.3"]


def test_what_init_writes_is_a_scope_and_fits_the_published_schema() -> None:
    import tomllib

    text = TEMPLATE.format(name="scope.toml")
    assert parse_scope(text, "scope.toml", NOW).covers("127.0.0.1", 80)
    jsonschema.Draft202012Validator(schema()).validate(tomllib.loads(text))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate({"version": 2})


@given(st.text(max_size=300))
def test_fuzz_any_text_is_a_scope_or_one_line(text: str) -> None:
    said = ""
    try:
        parse_scope(text, "scope.toml", NOW)
    except ScopeError as e:
        said = str(e)
    assert not said or said.startswith("scope.toml:")
