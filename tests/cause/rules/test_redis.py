"""Redis: the truth table that was run on 6.2.14 and 7.0.15."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leftopen.model.cause import Cause, Truth

Judged = Callable[..., list[Cause]]
Verdict = Callable[..., Truth]
YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN

# configuration, on 7.0.15, on 6.2.14, version not known
TABLE = [
    ("bind 0.0.0.0\nprotected-mode no", YES, YES, YES),
    ("protected-mode no", YES, YES, YES),
    ("bind 0.0.0.0\nprotected-mode yes", NO, YES, UNKNOWN),
    ("bind 0.0.0.0", NO, YES, UNKNOWN),
    ("bind * -::*", NO, YES, UNKNOWN),
    ("", NO, NO, NO),
    ("protected-mode yes", NO, NO, NO),
    ("bind 127.0.0.1 -::1\nprotected-mode no", NO, NO, NO),
    ("bind 10.0.0.4\nbind 127.0.0.1\nprotected-mode no", NO, NO, NO),
    ("bind 127.0.0.1\nbind 10.0.0.4\nprotected-mode no", YES, YES, YES),
    ("bind 127.0.0.1 10.0.0.4\nprotected-mode no", YES, YES, YES),
    ("protected-mode no\nrequirepass s3cr3t", NO, NO, NO),
    ('protected-mode no\nrequirepass ""', YES, YES, YES),
    ("PROTECTED-MODE no", YES, YES, YES),
    ("protected-mode no\nport 0", NO, NO, NO),
    ("protected-mode no\nport 0\ntls-port 6380", NO, NO, NO),
    ("protected-mode no\nport 0\ntls-port 6380\ntls-auth-clients no", YES, YES, YES),
    ("protected-mode no\nuser default off", NO, NO, NO),
    ("protected-mode no\nuser default on nopass ~* +@all", YES, YES, YES),
    ("protected-mode no\nuser default on ~* +@all", NO, NO, NO),
    ("protected-mode no\nuser default nopass ~* +@all", NO, NO, NO),
    ("protected-mode no\nuser default on >pw ~* +@all", NO, NO, NO),
    ("protected-mode no\nuser default on nopass >pw ~* +@all", NO, NO, NO),
    ("protected-mode no\nrequirepass x\nuser default on nopass ~* +@all", YES, YES, YES),
    ("protected-mode no\nuser default on nopass ~* +@all\nrequirepass x", YES, YES, YES),
    ("protected-mode no\nuser default on nopass ~* -@all +ping", NO, NO, NO),
    ("protected-mode no\nuser default on nopass ~* +ping", NO, NO, NO),
    ("protected-mode no\nuser default on nopass resetkeys +@all", YES, YES, YES),
    ("protected-mode no\nuser default on nopass %W~* +set", NO, NO, NO),
    ("protected-mode no\nuser default on nopass ~pub:* +get", YES, YES, YES),
    ("protected-mode no\nuser default on nopass +get", NO, NO, NO),
    ("protected-mode no\nuser default on nopass ~* +@all -@read", UNKNOWN, UNKNOWN, UNKNOWN),
    ("protected-mode no\nuser default on nopass (~* +get)", YES, YES, YES),
    ("bind 0.0.0.0\nuser default on >y ~* +@all", NO, NO, NO),
    ('bind ""\nprotected-mode no', UNKNOWN, UNKNOWN, UNKNOWN),
    ("bind cache.example\nprotected-mode no", UNKNOWN, UNKNOWN, UNKNOWN),
]


@pytest.mark.parametrize(("text", "seven", "six", "unknown"), TABLE, ids=[t[0] for t in TABLE])
def test_truth_table(verdict: Verdict, text: str, seven: Truth, six: Truth, unknown: Truth) -> None:
    texts = {"redis.conf": text + "\n"}
    assert verdict("redis", texts, "7.0.15") is seven
    assert verdict("redis", texts, "6.2.14") is six
    assert verdict("redis", texts) is unknown


def test_before_protected_mode(verdict: Verdict) -> None:
    assert verdict("redis", {"redis.conf": "port 6379\n"}, "2.8.17") is YES


def test_aclfile(verdict: Verdict) -> None:
    main = "protected-mode no\nrequirepass x\naclfile users.acl\n"
    users = "user bob on >x ~* +@all\n"
    assert verdict("redis", {"redis.conf": main, "users.acl": users}) is YES
    users += "user default off\n"
    assert verdict("redis", {"redis.conf": main, "users.acl": users}) is NO
    assert verdict("redis", {"redis.conf": main}) is UNKNOWN


def test_include_that_was_not_given(verdict: Verdict) -> None:
    text = "protected-mode no\ninclude local.conf\n"
    assert verdict("redis", {"redis.conf": text}) is UNKNOWN
    assert verdict("redis", {"redis.conf": text, "local.conf": "requirepass x\n"}) is NO
    assert verdict("redis", {"redis.conf": text, "local.conf": "maxmemory 1\n"}) is YES


def test_no_secret_is_shown(judged: Judged) -> None:
    secret = "Tr0ub4dor-and-3"
    for text in (
        f"bind 0.0.0.0\nprotected-mode no\nrequirepass {secret}\n",
        f"protected-mode no\nmasterauth {secret}\n",
        f"protected-mode no\nuser default on nopass >{secret} nopass ~* +@all\n",
        f"protected-mode no\nuser default on nopass ~* +@all\nuser bob on >{secret}\n",
    ):
        for cause in judged("redis", {"redis.conf": text}, "7.0.15"):
            assert secret not in str(cause)


def test_origin_and_value(judged: Judged) -> None:
    text = "# first\nbind 0.0.0.0\nprotected-mode no\n"
    (cause,) = judged("redis", {"redis.conf": text})
    by_name = {f.name: f for f in cause.factors}
    assert str(by_name["listen"].origin) == "redis.conf:2"
    assert str(by_name["path"].origin) == "redis.conf:3"
    assert by_name["listen"].value == "0.0.0.0"
    assert cause.ports == (6379,)


@pytest.mark.parametrize("version", ["7.0.15", "6.2.14", ""])
@pytest.mark.parametrize("text", [t[0] for t in TABLE if t[3] is YES])
def test_change_closes_every_open_row(
    verdict: Verdict,
    judged: Judged,
    patched: Callable[[str, str], str],
    text: str,
    version: str,
) -> None:
    texts = {"redis.conf": text}  # without a newline at the end
    (cause,) = judged("redis", texts, version)
    assert cause.fix is not None
    if "requirepass" in text and not cause.fix.diff:
        assert "secret" in cause.fix.note
        return
    changed = {"redis.conf": patched(text, cause.fix.diff)}
    assert verdict("redis", changed, version) is NO
