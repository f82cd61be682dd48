"""Web: real nginx, open and closed, and pages that lie."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import servers
from leftopen.model.exposure import UNSETTLED, Access, ObjectRef
from leftopen.model.gap import Gap, Reason
from leftopen.reach.reach import object_name
from reaching import (
    NOT_FOUND,
    Web,
    answer,
    exposure_of,
    look,
    look_at_store,
    reach_of,
    read_all,
    scope_of,
    web,
)

MAIL = b"From: a@example.org\r\nSubject: hi\r\n\r\nnumber 078-05-1120\r\n"
FILES = {
    "mail/a b%41.eml": MAIL,
    "mail/cur/1700000000.M1P2.host:2,S": MAIL,
    "mail/2023/b.eml": MAIL * 100,
    "mail/\u00e9 & <i>.txt": b"x" * 50_000,
}
LIST = "location / { autoindex on; root {root}; }"
BASIC = "location / { autoindex on; root {root}; auth_basic x; auth_basic_user_file /dev/null; }"


@pytest.fixture(scope="module")
def nginx() -> Iterator[servers.Server]:
    with servers.nginx(LIST, FILES) as server:
        yield server


def test_an_open_listing_gives_data(nginx: servers.Server) -> None:
    outcome = look(nginx.host, nginx.port)
    seen = outcome.observation
    assert (seen.access, seen.protocol, seen.product) == (Access.GIVES_DATA, "http", "nginx")
    assert seen.size is not None
    assert (seen.size.objects, seen.size.unit, seen.size.complete) == (4, "messages", True)
    assert seen.size.bytes == sum(map(len, FILES.values()))
    assert seen.containers == ("/mail/",)
    assert "mail archive" in seen.detail
    assert seen.evidence == tuple(e.uid for e in outcome.evidence)
    assert outcome.gaps == ()
    assert "078-05-1120" not in repr(outcome)
    assert "curl -s http://127.0.0.1:" in outcome.evidence[0].reproduce


def test_all_objects_are_listed_and_read(nginx: servers.Server) -> None:
    outcome = look(nginx.host, nginx.port)
    refs, fetched, gaps = read_all(reach_of(scope_of(ports=(nginx.port,))), outcome)
    assert {object_name(r, "http"): r.size for r in refs} == {
        f"/{name}": len(data) for name, data in FILES.items()
    }
    assert {r.group for r in refs} == {"/mail/", "/mail/cur/", "/mail/2023/"}
    assert all(r.time is not None for r in refs)
    assert {object_name(f.ref): f.data for f in fetched} == {f"/{n}": d for n, d in FILES.items()}
    assert [f.ref for f in fetched] == refs
    assert {f.media_type for f in fetched if b"Subject" in f.data} == {"message/rfc822"}
    assert gaps == []
    log = (nginx.folder / "access.log").read_text()
    assert "/mail/a%20b%2541.eml" in log
    assert all(f'"{m} ' not in log for m in ("POST", "PUT", "DELETE"))
    assert "Leftopen/" in log
    assert "run run-1" in log


def test_json_listing_and_tls() -> None:
    block = "location / { autoindex on; autoindex_format json; root {root}; }"
    with servers.nginx(block, FILES, tls=True) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    assert outcome.observation.access is Access.GIVES_DATA
    assert outcome.observation.tls
    assert len(refs) == len(fetched) == 4
    assert gaps == []


CLOSED = {
    "basic": (BASIC, Access.ASKS_CREDENTIAL, "401"),
    "forbidden": ("location / { root {root}; }", Access.ASKS_CREDENTIAL, "403"),
    "login": ("location / { return 302 /login?next=/; }", Access.ASKS_CREDENTIAL, "a login"),
    "login 440": ("location / { return 440; }", Access.ASKS_CREDENTIAL, "440"),
    "app": ("location / { root {root}; try_files $uri /app.html; }", Access.SPEAKS, "same page"),
    "page": ("location = / { return 200 hello; }", Access.SPEAKS, "neither"),
    "absent": ("location / { return 404; }", Access.SPEAKS, "404"),
    "form": (
        """location = / { default_type text/html; return 200 '<input type="password">'; }""",
        Access.ASKS_CREDENTIAL,
        "login form",
    ),
    "loop": ("location / { return 301 $uri/; }", Access.MISBEHAVES, "redirects"),
    "other port": (
        "location / { return 301 https://$host:1443$request_uri; }",
        Access.SPEAKS,
        "another port",
    ),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_closed_servers_are_not_open(kind: str) -> None:
    block, access, words = CLOSED[kind]
    with servers.nginx(block, {"mail/a.eml": MAIL, "app.html": b"<html>app</html>"}) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is access
    assert words in outcome.observation.detail
    assert bool(outcome.gaps) == (access in UNSETTLED)


def test_a_store_url_begins_in_its_folder(nginx: servers.Server) -> None:
    url = f"http://{nginx.host}:{nginx.port}/mail"
    reach, outcome = look_at_store(url)
    seen = outcome.observation
    assert seen.endpoint.name == "127.0.0.1/mail"
    assert seen.access is Access.GIVES_DATA
    refs, fetched, gaps = read_all(reach, outcome)
    assert len(refs) == len(fetched) == 4
    assert gaps == []
    log = (nginx.folder / "access.log").read_text()
    assert '"GET /mail HTTP/1.1" 301' in log


def test_names_without_bytes_only_list() -> None:
    block = LIST + r" location ~ \.eml$ { return 403; }"
    with servers.nginx(block, {"mail/a.eml": MAIL, "b.eml": MAIL}) as server:
        outcome = look(server.host, server.port)
        refs, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    assert outcome.observation.access is Access.LISTS
    assert len(refs) == 2
    assert fetched == []
    assert [g.reason for g in gaps] == [Reason.REFUSED, Reason.REFUSED]
    assert any("b.eml" in g.place for g in gaps)


def test_an_empty_listing_lists_nothing() -> None:
    with servers.nginx("location / { autoindex on; root {folder}/empty; }") as server:
        (server.folder / "empty").mkdir()
        servers.give(server.folder)
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.LISTS
    assert outcome.observation.size is not None
    assert outcome.observation.size.objects == 0


def test_a_locked_folder_is_a_gap() -> None:
    block = LIST + " location /locked/ { return 403; }"
    with servers.nginx(block, {"a.eml": MAIL, "locked/b.eml": MAIL}) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.GIVES_DATA
    assert outcome.observation.size is not None
    assert not outcome.observation.size.complete
    assert [(g.reason, g.place.endswith("/locked/")) for g in outcome.gaps] == [
        (Reason.REFUSED, True)
    ]


def listing(path: str) -> bytes:
    """A trap: every folder lists a file and two folders."""
    if not path.endswith("/"):
        return answer(b"content of " + path.encode()) if path.endswith(".eml") else NOT_FOUND
    links = "".join(f'<a href="{name}">x</a>' for name in ("f.eml", "a/", "b/"))
    return answer(f"<title>Index of {path}</title>{links}".encode())


def test_endless_folders_end_in_a_lower_bound() -> None:
    with web(listing) as server:
        outcome = look(server.host, server.port)
        asked = len(server.requests)
    assert outcome.observation.access is Access.GIVES_DATA
    assert outcome.observation.size is not None
    assert not outcome.observation.size.complete
    assert [g.reason for g in outcome.gaps] == [Reason.BUDGET]
    assert asked < 60


def test_a_listing_of_everything_is_not_open() -> None:
    """The nonsense name beside the children is answered with 200 as well."""
    body = b'<title>Index of /</title><a href="f.eml">f</a>'
    with web(lambda path: answer(body)) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.SPEAKS
    assert "every name" in outcome.observation.detail


def test_children_that_are_the_error_page_are_no_data() -> None:
    error = b"<html>gone</html>"

    def reply(path: str) -> bytes:
        if path == "/":
            return answer(b'<title>Index of /</title><a href="f.eml">f</a>')
        return answer(error) if path == "/f.eml" else answer(error, "404 Not Found")

    with web(reply) as server:
        outcome = look(server.host, server.port)
    assert outcome.observation.access is Access.LISTS


def exposed(server: Web) -> tuple[list[ObjectRef], object]:
    outcome = look(server.host, server.port)
    reach = reach_of(scope_of(ports=(server.port,)))
    exposure = exposure_of(outcome)
    refs = [r for r in reach.listing(exposure) if isinstance(r, ObjectRef)]
    return refs, (reach, exposure)


def flat(count: int, size: int) -> dict[str, bytes]:
    return {f"{n:03}.eml": b"%03d" % n + b"x" * size for n in range(count)}


def test_the_budget_of_bytes_leaves_a_gap_with_a_count() -> None:
    files = flat(30, 10_000)
    with servers.nginx(LIST, files) as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of(ports=(server.port,)))
        _, fetched, gaps = read_all(reach, outcome, size=105_000)
    assert 5 <= len(fetched) <= 10
    assert [g.reason for g in gaps] == [Reason.BUDGET]
    assert gaps[0].count == 30 - len(fetched)
    assert gaps[0].size == gaps[0].count * 10_003


def test_objects_come_in_their_order_over_kept_connections() -> None:
    files = flat(40, 100)
    with servers.nginx(LIST, files) as server:
        outcome = look(server.host, server.port)
        reach = reach_of(scope_of(ports=(server.port,)))
        exposure = exposure_of(outcome)
        refs = [r for r in reach.listing(exposure) if isinstance(r, ObjectRef)]
        order = [*refs[::2], *refs[1::2]]
        steps: list[int] = []
        got = list(reach.fetch(exposure, order, bytes=10**6, seconds=10, progress=steps.append))
        connections = (server.folder / "access.log").read_text()
    assert [getattr(item, "ref", None) for item in got] == order
    assert sum(steps) == 40
    assert connections.count("GET /0") >= 40


def test_one_bad_object_is_one_gap() -> None:
    def reply(path: str) -> bytes:
        if path == "/bad.eml":
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"
        if path == "/":
            links = "".join(f'<a href="{n}.eml">x</a>' for n in ("a", "bad", "c", "gone"))
            return answer(f"<title>Index of /</title>{links}".encode())
        return answer(b"mail " + path.encode()) if path in ("/a.eml", "/c.eml") else NOT_FOUND

    with web(reply) as server:
        outcome = look(server.host, server.port)
        _, fetched, gaps = read_all(reach_of(scope_of(ports=(server.port,))), outcome)
    assert [f.data for f in fetched] == [b"mail /a.eml", b"mail /c.eml"]
    assert [(g.reason, g.place.rsplit("/", 1)[1]) for g in gaps] == [
        (Reason.MISBEHAVED, "bad.eml"),
        (Reason.REFUSED, "gone.eml"),
    ]


def test_a_store_that_closed_meanwhile_is_a_gap() -> None:
    with servers.nginx(LIST, FILES) as server:
        outcome = look(server.host, server.port)
    reach = reach_of(scope_of(ports=(server.port,)))
    (gap,) = reach.listing(exposure_of(outcome))
    assert isinstance(gap, Gap)
    assert gap.reason is Reason.MISBEHAVED
    assert "refused" in gap.detail


def test_names_of_objects() -> None:
    assert object_name(ObjectRef(path="/a%20b%2541")) == "/a b%41"
    assert object_name(ObjectRef(path="/a%20b"), "redis") == "/a%20b"
    assert object_name(ObjectRef(path="key%20x")) == "key%20x"
    assert object_name(ObjectRef(path="/%ff"), "http") != object_name(
        ObjectRef(path="/%fe"), "http"
    )
