"""Hostile and broken input: never a crash, never silence, never out of bounds."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.cause.explain import explain, explain_texts
from leftopen.cause.files import MAX_BYTES
from leftopen.cause.registry import clouds, rules
from leftopen.model.cause import Cause, Truth
from leftopen.model.gap import Gap, Reason

PRODUCTS = [s.product for s in rules()] + [c.product for c in clouds()]
SEEDS: list[tuple[str, Mapping[str, str]]] = [
    (s.product, texts) for s in rules() for r in s.rules for texts in (r.bad, r.good)
] + [(c.product, {"n.json": c.bad}) for c in clouds()]
PIECES = [
    "{",
    "}",
    ";",
    '"',
    "'",
    "\\",
    "\n",
    "#",
    "include x;",
    "=",
    "[",
    "]",
    "$",
    "\x00",
    "\u202e",
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PRODUCTS), st.text(max_size=400))
def test_any_text(product: str, text: str) -> None:
    for found in explain_texts(product, {"a.conf": text}):
        assert isinstance(found, Cause | Gap)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.integers(0, 2**32))
def test_mutated_configuration(seed: tuple[str, Mapping[str, str]], number: int) -> None:
    product, texts = seed
    chance = random.Random(number)
    mutated = {name: _mutated(text, chance) for name, text in texts.items()}
    for found in explain_texts(product, mutated):
        assert isinstance(found, Cause | Gap)
        if isinstance(found, Cause):
            assert not any(c in str(f.value) for f in found.factors for c in "\n\x00\u202e")


def _mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(text))
        kind = chance.randint(0, 2)
        if kind == 0:
            text = text[:at] + chance.choice(PIECES) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + chance.randint(1, 5) :]
        else:
            text = text[:at] + text[at : at + 30] * 2 + text[at + 30 :]
    return text


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=500), st.sampled_from(["nginx.conf", "redis.conf", "pg_hba.conf", "x"]))
def test_any_bytes_on_disk(data: bytes, name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        assert list(explain([path])), "neither a cause nor a Gap"


def _gaps(product: str, texts: Mapping[str, str]) -> list[Gap]:
    return [f for f in explain_texts(product, texts) if isinstance(f, Gap)]


@pytest.mark.parametrize(
    ("product", "texts"),
    [
        ("nginx", {"nginx.conf": "http { include nginx.conf; }"}),
        ("nginx", {"nginx.conf": "http { include a; }", "a": "include b;", "b": "include a;"}),
        ("redis", {"redis.conf": "include redis.conf\n"}),
        ("dovecot", {"dovecot.conf": "!include dovecot.conf\n"}),
        ("rsync", {"rsyncd.conf": "&include rsyncd.conf\n"}),
        ("postgresql", {"postgresql.conf": "include 'postgresql.conf'\n"}),
    ],
)
def test_include_loops(product: str, texts: Mapping[str, str]) -> None:
    assert Reason.CORRUPT in [g.reason for g in _gaps(product, texts)]


def test_include_that_multiplies() -> None:
    texts = {f"f{i}": f"include f{i + 1};\ninclude f{i + 1};\n" for i in range(40)}
    start = time.process_time()
    reasons = {g.reason for g in _gaps("nginx", {"nginx.conf": "include f0;", **texts})}
    assert reasons & {Reason.TOO_DEEP, Reason.TOO_LARGE}
    assert time.process_time() - start < 10


@pytest.mark.parametrize("depth", [70, 5_000])
def test_deep_nesting(depth: int) -> None:
    nginx = "location / {" * depth
    assert Reason.TOO_DEEP in [g.reason for g in _gaps("nginx", {"nginx.conf": "server {" + nginx})]
    dovecot = "passdb {\n" * depth
    assert Reason.TOO_DEEP in [g.reason for g in _gaps("dovecot", {"dovecot.conf": dovecot})]


@pytest.mark.parametrize(
    ("product", "text"),
    [
        ("nginx", "${" * 400_000),
        ("nginx", "a_by_lua_block {" * 50_000),
        ("nginx", '"' + "\\" * 900_001),
        ("redis", "'" * 900_000),
        ("redis", "bind " + "1 " * 400_000),
        ("postgresql", "host " + "a," * 400_000),
        ("postgresql", "host all all 10.0.0.0/8 trust\n" * 30_000),
        ("rsync", "[m]\n" * 30_000),
        ("rsync", "\\\n" * 400_000),
        ("dovecot", "a = " + "#" * 900_000),
        ("dovecot", "passdb " + "{ " * 400_000),
        ("vsftpd", "=\n" * 400_000),
        ("azure_nsg", "[" * 900_000),
        ("azure_nsg", '{"securityRules": [' + "{}," * 200_000),
        ("azure_nsg", '"' + "\\" * 900_001),
    ],
)
def test_no_input_costs_more_than_seconds(product: str, text: str) -> None:
    start = time.process_time()
    for found in explain_texts(product, {"a.conf": text}):
        assert isinstance(found, Cause | Gap)
    assert time.process_time() - start < 15


def test_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    with path.open("wb") as handle:
        handle.write(b"http {\n")
        handle.truncate(100_000_000)
    with path.open("r+b") as handle:
        handle.seek(0)
        handle.write(b"http {\n" + b"#" * 70_000)
    (gap,) = explain([path])
    assert isinstance(gap, Gap)
    assert gap.reason is Reason.TOO_LARGE
    assert gap.size == 100_000_000 > MAX_BYTES


def test_folder_of_links_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "vsftpd.conf").write_text("listen=YES\n")
    found = list(explain([tmp_path]))
    assert [f.open for f in found if isinstance(f, Cause)] == [Truth.YES]


def test_hostile_text_is_shown_safely() -> None:
    text = (
        "http { server { listen 80; server_name \u202eevil\x1b[2J; root /srv/mail/123-45-6789; } }"
    )
    for found in explain_texts("nginx", {"nginx.conf": text}):
        assert isinstance(found, Cause)
        assert "\x1b" not in str(found)
        assert "\u202e" not in str(found)
        assert "6789" not in str(found)
