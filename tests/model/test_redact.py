"""Values and hostile text leave only masked and escaped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.redact import Keyring, mask_numbers, redact, safe


@pytest.mark.parametrize(
    "value",
    [
        "123-45-6789",
        "123 45 6789",
        "123\u201145\u20116789",
        "4111 1111 1111 1111",
        "1234567",
        "02/14/1980",
    ],
)
def test_a_long_number_keeps_no_digit(value: str) -> None:
    assert not any(c.isdigit() for c in mask_numbers(f"({value})"))


def test_an_address_stays_and_a_dotted_number_does_not() -> None:
    assert mask_numbers("http://127.0.0.10:8025/a") == "http://127.0.0.10:8025/a"
    assert mask_numbers("123.45.6789") == "###.##.####"
    assert mask_numbers("1.2.3.4.5.6.7.8") == "#.#.#.#.#.#.#.#"


def test_short_numbers_stay() -> None:
    assert mask_numbers("mail/2020-05/000123.eml") == "mail/2020-05/000123.eml"
    assert (
        mask_numbers("port 8080, 2,040 files, line 123456") == "port 8080, 2,040 files, line 123456"
    )


def test_controls_and_bidi_become_visible() -> None:
    assert safe("a\x1b[31m\u202eb\n") == "a\\u001b[31m\\u202eb\\u000a"


def test_an_address_keeps_its_domain_only() -> None:
    assert safe("jane.doe@mail.mil wrote") == "j***@mail.mil wrote"


@given(st.text(max_size=500), st.integers(1, 300))
def test_fuzz_safe_text_is_printable_and_short(text: str, limit: int) -> None:
    made = safe(text, limit)
    assert len(made) <= limit
    assert made.isprintable()


@given(st.text(alphabet="0123456789-", min_size=1, max_size=40), st.integers(0, 10))
def test_fuzz_redact_never_shows_more_than_a_third(value: str, keep: int) -> None:
    shown = [c for c in redact(value, keep) if c.isdigit()]
    assert len(shown) <= min(keep, len(value) // 3)


def test_digests_depend_on_key_kind_and_value() -> None:
    one, other = Keyring(b"a" * 32), Keyring(b"b" * 32)
    digests = {one.digest("ssn", "1"), one.digest("ssn", "2"), one.digest("card", "1")}
    assert len(digests | {other.digest("ssn", "1")}) == 4
    assert one.digest("ssn", "1") == one.digest("ssn", b"1")
    with pytest.raises(ValueError):
        Keyring(b"short")
