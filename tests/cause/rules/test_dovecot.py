"""Dovecot: anonymous, no password, trusted networks; 2.3 and 2.4 syntax."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leftopen.model.cause import Cause, Truth

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
STATIC = "passdb {\n  driver = static\n  args = %s\n}"
TABLE = [
    ("auth_mechanisms = plain", NO),
    ("auth_mechanisms = plain anonymous", YES),
    ("auth_mechanisms = ANONYMOUS", YES),
    ("auth_mechanisms = anonymous\nauth_mechanisms = plain", NO),
    ("auth_mechanisms = anonymous\nauth_mechanisms = $auth_mechanisms plain", YES),
    ("protocol imap {\n  auth_mechanisms = anonymous\n}", YES),
    ("#auth_mechanisms = anonymous", NO),
    ("auth_mechanisms = plain # anonymous", NO),
    ("listen = 127.0.0.1\nauth_mechanisms = anonymous", NO),
    (
        "service imap-login {\n  inet_listener imap {\n    port = 0\n  }\n"
        "  inet_listener imaps {\n    port = 0\n  }\n}\nauth_mechanisms = anonymous",
        NO,
    ),
    (STATIC % "nopassword=y", YES),
    (STATIC % "nopassword=yes", YES),
    (STATIC % "nopassword", YES),
    (STATIC % "nopassword=n", NO),
    (STATIC % "password=x", NO),
    (STATIC % "nopassword=y allow_nets=10.0.0.0/8", NO),
    (STATIC % "nopassword=y allow_nets=0.0.0.0/0", YES),
    ("passdb {\n  driver = pam\n}", NO),
    ("passdb {\n  driver = pam\n  override_fields = nopassword=y\n}", YES),
    ("passdb {\n  driver = static\n  deny = yes\n  args = nopassword=y\n}", NO),
    ("passdb {\n  driver = static\n  master = yes\n  args = nopassword=y\n}", YES),
    ("passdb static {\n  fields {\n    nopassword = yes\n  }\n}", YES),
    ("passdb static {\n  fields {\n    nopassword = no\n  }\n}", NO),
    ("passdb static {\n  password = x\n}", NO),
    ("login_trusted_networks = 10.0.0.0/8", NO),
    ("login_trusted_networks = 0.0.0.0/0", UNKNOWN),
    ("login_trusted_networks = 0.0.0.0/0\n" + STATIC % "nopassword=y allow_nets=10.0.0.0/8", YES),
    ("disable_plaintext_auth = no\nssl = no", NO),
]


@pytest.mark.parametrize(("text", "expected"), TABLE, ids=[t[0] for t in TABLE])
def test_truth_table(verdict: Callable[..., Truth], text: str, expected: Truth) -> None:
    assert verdict("dovecot", {"dovecot.conf": text + "\n"}) is expected


def test_include(judged: Callable[..., list[Cause]]) -> None:
    texts = {
        "dovecot.conf": "!include conf.d/*.conf\n!include_try local.conf\n",
        "conf.d/10-auth.conf": "auth_mechanisms = plain anonymous\n",
    }
    (cause,) = judged("dovecot", texts)
    assert cause.open is YES
    assert str(cause.factors[1].origin) == "conf.d/10-auth.conf:1"
    assert cause.factors[1].origin.kind == "include"


def test_pop3_where_it_is_served(judged: Callable[..., list[Cause]]) -> None:
    text = "protocols = imap pop3\nauth_mechanisms = anonymous\n"
    found = judged("dovecot", {"dovecot.conf": text})
    assert [(c.protocol, c.ports) for c in found] == [("imap", (143, 993)), ("pop3", (110, 995))]


@pytest.mark.parametrize("text", [t for t, open_ in TABLE if open_ is YES])
def test_change_closes(
    judged: Callable[..., list[Cause]], patched: Callable[[str, str], str], text: str
) -> None:
    cause = next(c for c in judged("dovecot", {"dovecot.conf": text}) if c.open is YES)
    assert cause.fix is not None
    after = judged("dovecot", {"dovecot.conf": patched(text, cause.fix.diff)})
    assert all(c.open is NO for c in after if c.rule == cause.rule)
