"""nginx: inheritance, satisfy, allow and deny; the rows marked "seen" were run on 1.22.1."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leftopen.model.cause import Cause, Truth

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
BASIC = 'auth_basic "x"; auth_basic_user_file /etc/nginx/htpasswd;'
LIST = "root /srv/mail; autoindex on;"
TABLE = [  # inside server { listen 80; ... }
    (LIST, YES),  # seen
    (LIST + 'auth_basic "x";', YES),  # seen: without a user file nobody is asked
    (LIST + BASIC, NO),  # seen
    (LIST + "deny all;", NO),
    (LIST + "allow 10.0.0.0/8; deny all;", NO),
    (LIST + "allow all; deny all;", YES),
    (LIST + "deny all; allow all;", NO),
    (LIST + "allow 10.0.0.0/8;", YES),
    (LIST + "deny 10.0.0.0/8;", YES),
    (LIST + "allow 0.0.0.0/1; allow 128.0.0.0/1; deny all;", YES),
    (LIST + "allow 203.0.113.0/24; deny all;", NO),
    (LIST + "satisfy any; allow all;" + BASIC, YES),  # seen
    (LIST + "satisfy any; allow 10.1.0.0/16;" + BASIC, NO),  # seen
    (LIST + "satisfy any; allow 10.1.0.0/16; deny all;" + BASIC, NO),
    (LIST + "satisfy any; allow 10.1.0.0/16; deny all;", NO),  # seen
    (LIST + "satisfy any; deny 10.1.0.0/16;", YES),  # seen
    (LIST + "satisfy any; deny 10.1.0.0/16;" + BASIC, NO),  # seen
    (LIST + "satisfy all; allow all;" + BASIC, NO),
    (LIST + "location /d/ { limit_except GET { deny all; } }", YES),  # seen
    (LIST + "deny all; location / { allow 10.9.9.9; }", YES),  # seen: the child's list replaces
    (LIST + BASIC + "location /open/ { auth_basic off; }", YES),
    (LIST + BASIC + "location /open/ { location ~ x { auth_basic off; } }", YES),
    (LIST + BASIC + "location / { autoindex on; }", NO),
    (LIST + "location / { autoindex off; }", YES),  # /srv/mail is still served by name
    (LIST + 'location / { return 403; } location /x { return 200 "x"; }', NO),
    (LIST + "return 301 https://a.example;", NO),
    (LIST + "location / { internal; }", NO),
    (LIST + "location / { fastcgi_pass unix:/run/php.sock; }", NO),
    (LIST + "auth_request /check; location /check { internal; }", NO),
    (LIST + "auth_request off;", YES),
    (LIST + "access_by_lua_block { if x then return { 1 } end }", UNKNOWN),
    (LIST + "if ($http_x_key != abc) { return 403; }", UNKNOWN),
    (LIST + "if ($request_method = POST) { return 405; }", YES),
    (LIST + "if ($host != a.example) { return 444; }", YES),
    (LIST + "include /opt/auth.conf;", UNKNOWN),
    (LIST + "include mime.types;", YES),
    (LIST + "auth_basic $realm; auth_basic_user_file /etc/nginx/htpasswd;", UNKNOWN),
    ("root /var/www/html;", UNKNOWN),
    ("root /var/mail;", YES),
    ("location /dump/ { alias /srv/dump/; }", YES),
    ("location / { proxy_pass http://127.0.0.1:9200; }", YES),
    ("location / { proxy_pass http://127.0.0.1:9200/; " + BASIC + " }", NO),
    ("location / { proxy_pass http://127.0.0.1:8080; }", UNKNOWN),
    ("location / { proxy_pass http://es; }", YES),
    ("location / { proxy_pass http://app; }", UNKNOWN),
    (
        'location / { proxy_pass http://m.example; proxy_set_header Authorization "Basic eDp5"; }',
        YES,
    ),
    ("location / { proxy_pass http://m.example; proxy_set_header Host $host; }", UNKNOWN),
]
UPSTREAMS = "upstream es { server 10.0.0.9:9200; } upstream app { server 10.0.0.9:8080; }"


def _conf(inside: str, listen: str = "listen 80;") -> dict[str, str]:
    return {
        "nginx.conf": "events {}\nhttp {\n"
        f"  {UPSTREAMS}\n  server {{\n    {listen}\n    {inside}\n  }}\n}}\n"
    }


@pytest.mark.parametrize(("inside", "expected"), TABLE, ids=[t[0] for t in TABLE])
def test_truth_table(verdict: Callable[..., Truth], inside: str, expected: Truth) -> None:
    assert verdict("nginx", _conf(inside)) is expected


@pytest.mark.parametrize(
    ("listen", "addresses", "ports", "expected"),
    [
        ("", ("0.0.0.0",), (80,), YES),
        ("listen 8080 default_server;", ("0.0.0.0",), (8080,), YES),
        ("listen 127.0.0.1:8080;", ("127.0.0.1",), (8080,), NO),
        ("listen 127.0.0.1;", ("127.0.0.1",), (80,), NO),
        ("listen [::]:80; listen [::1]:81;", ("::", "::1"), (80, 81), YES),
        ("listen *:81;", ("0.0.0.0",), (81,), YES),
        ("listen unix:/run/n.sock;", ("unix:/run/n.sock",), (80,), NO),
        ("listen localhost:80;", ("localhost",), (80,), NO),
        ("listen mail.example:80;", ("mail.example",), (80,), UNKNOWN),
        ("listen 192.168.100.200:8080;", ("192.168.100.200",), (8080,), YES),
    ],
)
def test_listen(
    judged: Callable[..., list[Cause]],
    listen: str,
    addresses: tuple[str, ...],
    ports: tuple[int, ...],
    expected: Truth,
) -> None:
    (cause,) = judged("nginx", _conf(LIST, listen))
    assert cause.open is expected
    assert cause.ports == ports
    assert cause.addresses == addresses


def test_client_certificates(verdict: Callable[..., Truth]) -> None:
    asks = LIST + "ssl_verify_client on;"
    assert verdict("nginx", _conf(asks, "listen 443 ssl;")) is NO
    assert verdict("nginx", _conf(asks, "listen 443 ssl; listen 80;")) is YES
    assert verdict("nginx", _conf(LIST + "ssl_verify_client optional;", "listen 443 ssl;")) is YES


def test_password_of_the_http_block(verdict: Callable[..., Truth]) -> None:
    server = f"server {{ listen 80; {LIST} }}"
    assert verdict("nginx", {"nginx.conf": f"http {{ {BASIC} {server} }}"}) is NO
    assert verdict("nginx", {"nginx.conf": f"http {{ {server} }}"}) is YES


def test_include_has_its_own_place(judged: Callable[..., list[Cause]]) -> None:
    texts = {
        "nginx.conf": "events {}\nhttp {\n  include /etc/nginx/sites-enabled/*;\n}\n",
        "sites-enabled/mail": "server {\n  listen 8081;\n  root /srv/x;\n  autoindex on;\n}\n",
    }
    (cause,) = judged("nginx", texts)
    assert cause.open is YES
    assert str(cause.factors[-1].origin) == "sites-enabled/mail:4"
    assert cause.factors[-1].origin.kind == "include"
    assert cause.fix is not None
    assert cause.fix.file == "sites-enabled/mail"


def test_authorization_is_not_shown(judged: Callable[..., list[Cause]]) -> None:
    inside = "location / {\n proxy_pass http://m.example;\n"
    inside += ' proxy_set_header Authorization "Basic eDp5";\n }'
    (cause,) = judged("nginx", _conf(inside))
    assert "eDp5" not in str(cause)
    assert cause.fix is not None


@pytest.mark.parametrize("inside", [t for t, open_ in TABLE if open_ is YES])
def test_change_closes(
    judged: Callable[..., list[Cause]], patched: Callable[[str, str], str], inside: str
) -> None:
    texts = _conf(inside.replace(";", ";\n    "))
    for _ in range(4):  # a file may hold several places that are open
        opened = [c for c in judged("nginx", texts) if c.open is YES]
        if not opened:
            return
        fix = opened[0].fix
        assert fix is not None
        if not fix.diff:
            assert "secret" in fix.note
            return
        texts["nginx.conf"] = patched(texts["nginx.conf"], fix.diff)
    raise AssertionError(texts["nginx.conf"])


def test_smallest_change_first(judged: Callable[..., list[Cause]]) -> None:
    inside = f"{BASIC}\n    {LIST}\n    location /open/ {{\n      auth_basic off;\n    }}"
    opened = next(c for c in judged("nginx", _conf(inside)) if c.open is YES)
    assert opened.fix is not None
    changed = [x for x in opened.fix.diff.splitlines()[2:] if x[0] in "+-"]
    assert changed == ["-      auth_basic off;"]


@pytest.mark.parametrize(
    "inside", ["location /a { autoindex on; }", "location / { autoindex on; }"]
)
def test_one_line_blocks(
    verdict: Callable[..., Truth],
    judged: Callable[..., list[Cause]],
    patched: Callable[[str, str], str],
    inside: str,
) -> None:
    texts = {"nginx.conf": f"http {{ server {{ listen 80; {inside} }} }}"}
    opened = next(c for c in judged("nginx", texts) if c.open is YES)
    assert opened.fix is not None
    texts["nginx.conf"] = patched(texts["nginx.conf"], opened.fix.diff)
    assert verdict("nginx", texts) is NO
