"""vsftpd: what the binary 3.0.3 does, run here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leftopen.model.cause import Cause, Truth

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
TABLE = [
    ("listen=YES", YES),
    ("listen=YES\nanonymous_enable=YES", YES),
    ("listen=YES\nanonymous_enable=NO", NO),
    ("listen=YES\nanonymous_enable=false", NO),
    ("listen=YES\nanonymous_enable=0", NO),
    ("listen=YES\nanonymous_enable=maybe", UNKNOWN),
    ("listen=YES\n  anonymous_enable=NO", NO),
    ("listen=YES\nanonymous_enable=YES\nanonymous_enable=NO", NO),
    ("listen=YES\n#anonymous_enable=NO", YES),
    ("listen_ipv6=YES", YES),
    ("listen=NO\nlisten_ipv6=YES", YES),
    ("anonymous_enable=YES", UNKNOWN),  # started by inetd, on an address that is not in the file
    ("anonymous_enable=NO", NO),
    ("listen=YES\nlisten_ipv6=YES", UNKNOWN),
    ("listen=YES\nlisten_address=127.0.0.1", NO),
    ("listen=YES\nlisten_address=192.168.7.9", YES),
    ("listen=YES\nuserlist_enable=YES\nuserlist_deny=NO", UNKNOWN),
    ("listen=YES\nuserlist_enable=YES", YES),
    ("listen=YES\nsecure_email_list_enable=YES", UNKNOWN),
    ("listen=YES\ntcp_wrappers=YES", UNKNOWN),
    ("listen=YES\ndownload_enable=NO", YES),  # names are still listed
    ("listen=YES\ndownload_enable=NO\ndirlist_enable=NO", NO),
    ("listen=YES\ncmds_allowed=USER,PASS,QUIT", NO),
]


@pytest.mark.parametrize(("text", "expected"), TABLE, ids=[t[0] for t in TABLE])
def test_truth_table(verdict: Callable[..., Truth], text: str, expected: Truth) -> None:
    assert verdict("vsftpd", {"vsftpd.conf": text + "\n"}) is expected


def test_absent_line_is_a_default(judged: Callable[..., list[Cause]]) -> None:
    (cause,) = judged("vsftpd", {"vsftpd.conf": "listen=YES\nlisten_port=2121\n"})
    auth = next(f for f in cause.factors if f.name == "auth")
    assert auth.origin.kind == "default"
    assert "3.0.3" in auth.origin.detail
    assert cause.ports == (2121,)


@pytest.mark.parametrize("text", [t for t, open_ in TABLE if open_ is YES])
def test_change_closes(
    judged: Callable[..., list[Cause]], patched: Callable[[str, str], str], text: str
) -> None:
    (cause,) = judged("vsftpd", {"vsftpd.conf": text})
    assert cause.fix is not None
    (after,) = judged("vsftpd", {"vsftpd.conf": patched(text, cause.fix.diff)})
    assert after.open is NO
