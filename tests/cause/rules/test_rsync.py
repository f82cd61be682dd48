"""rsyncd: modules, as 3.5.0 treats them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leftopen.model.cause import Cause, Truth

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
M = "[mail]\npath = /srv/mail\n"
TABLE = [
    (M, YES),
    (M + "list = no", YES),
    (M + "auth users = backup\nsecrets file = /etc/s", NO),
    (M + "authusers = backup", NO),
    (M + "Auth Users = backup", NO),
    (M + "auth users =", YES),
    ("auth users = backup\n" + M, NO),
    ("auth users = backup\n" + M + "auth users =", YES),
    (M + "hosts allow = 10.0.0.0/8", NO),
    (M + "hosts allow = 10.0.0.0/8 192.168.1.1, 172.16.0.0/255.240.0.0", NO),
    (M + "hosts allow = *", YES),
    (M + "hosts allow = 0.0.0.0/0", YES),
    (M + "hosts deny = *", NO),
    (M + "hosts allow = 10.0.0.0/8\nhosts deny = *", NO),
    (M + "hosts allow = 10.0.0.0/8\nhosts deny = 192.168.0.0/16", YES),
    (M + "hosts deny = 192.0.2.1", YES),
    (M + "hosts allow = mail.example", NO),
    (M + "hosts allow = *.com", UNKNOWN),
    (M + "hosts deny = *.ru", UNKNOWN),
    ("address = 127.0.0.1\n" + M, NO),
    ("address = 10.9.9.9\n" + M, YES),
    (M + "write only = yes", NO),
    (M + "max connections = -1", NO),
    (M + "max connections = 4", YES),
    (M + "exclude = *", NO),
    (M + "exclude = /tmp", YES),
    (M + "pre-xfer exec = /bin/check", UNKNOWN),
    (M + "hosts allow = \\\n 10.0.0.0/8", NO),
    ("[global]\nauth users = a\n" + M, NO),
    ("# nothing\n", NO),
]


@pytest.mark.parametrize(("text", "expected"), TABLE, ids=[t[0] for t in TABLE])
def test_truth_table(verdict: Callable[..., Truth], text: str, expected: Truth) -> None:
    assert verdict("rsync", {"rsyncd.conf": text + "\n"}) is expected


def test_each_module_for_itself(judged: Callable[..., list[Cause]]) -> None:
    text = M + "[closed]\npath = /x\nauth users = a\n[other]\npath = /y\n"
    found = judged("rsync", {"rsyncd.conf": text})
    assert [c.open for c in found] == [YES, NO, YES]


@pytest.mark.parametrize("text", [t for t, open_ in TABLE if open_ is YES])
def test_change_closes(
    judged: Callable[..., list[Cause]], patched: Callable[[str, str], str], text: str
) -> None:
    (cause,) = judged("rsync", {"rsyncd.conf": text})
    assert cause.fix is not None
    (after,) = judged("rsync", {"rsyncd.conf": patched(text, cause.fix.diff)})
    assert after.open is NO


def test_included_module(judged: Callable[..., list[Cause]]) -> None:
    texts = {"rsyncd.conf": "&include extra.conf\n", "extra.conf": M}
    (cause,) = judged("rsync", texts)
    assert cause.open is YES
    assert cause.factors[-1].origin.kind == "include"
    assert cause.fix is not None
    assert cause.fix.file == "extra.conf"
