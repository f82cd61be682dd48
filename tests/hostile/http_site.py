"""Over HTTP: redirects, listings and interfaces that trap or mislead whoever reads them."""

from __future__ import annotations

import json
from collections.abc import Callable

from hostile.http import HEAD, bomb, once
from hostile.kind import Client, Family, Serve
from leftopen.model.exposure import Access
from reaching import NOT_FOUND, answer

SITE = Family("site", hint="http")
SPEAKS = Access.SPEAKS
OPEN = (Access.LISTS, Access.GIVES_DATA)
READS = ("GET", "HEAD", "OPTIONS", "PROPFIND")


def pages(reply: Callable[[Client, str], bytes]) -> Serve:
    """Answer each request with `reply(client, path)`."""

    def serve(client: Client) -> None:
        while True:
            client.say(reply(client, client.path()))

    return serve


def listing(*links: str) -> bytes:
    """A directory listing as nginx writes it."""
    rows = "".join(f'<a href="{link}">x</a>\n' for link in links)
    title = "<title>Index of /</title><h1>Index of /</h1>"
    return answer(f"<html>{title}<pre>{rows}</pre></html>".encode())


def redirect(spelling: str) -> Serve:
    """To the canary, which stands for every host that is not ours."""

    def reply(client: Client, path: str) -> bytes:
        where = spelling.format(at=client.elsewhere, port=client.canary.port)
        return answer(b"", "302 Found", more={"Location": where})

    return pages(reply)


SITE.add(
    "redirect loop",
    "to itself, a longer path each time",
    pages(lambda c, path: answer(b"", "302 Found", more={"Location": path + "x"})),
)
SITE.add(
    "redirect to itself",
    "the same path",
    pages(lambda c, path: answer(b"", "302 Found", more={"Location": path})),
)
SITE.add(
    "redirect to nothing",
    "a Location that is no URL",
    pages(lambda c, path: answer(b"", "302 Found", more={"Location": "http://[::1"})),
)
for name, spelling in {
    "plain": "http://{at}/",
    "no scheme": "//{at}/",
    "user": "http://127.0.0.1@{at}/",
    "backslash": "http:\\\\{at}\\",
    "slash backslash": "/\\{at}/",
    "number": "http://2130731777:{port}/",
    "hex": "http://0x7f006301:{port}/",
    "mapped": "http://[::ffff:127.0.99.1]:{port}/",
    "fragment": "http://{at}#@127.0.0.1/",
    "other scheme": "gopher://{at}/",
}.items():
    SITE.only(
        f"redirect off scope, {name}",
        f"Location: {spelling}",
        redirect(spelling),
        SPEAKS,
        Access.MISBEHAVES,
    )
SITE.add(
    "deep JSON",
    "a million brackets",
    once(answer(b"[" * 1_000_000, kind="application/json")),
    SPEAKS,
)
SITE.add(
    "deep XML",
    "elements in elements",
    once(answer(b"<a>" * 300_000, kind="application/xml")),
    SPEAKS,
)
SITE.add(
    "big numbers",
    "JSON numbers that overflow",
    pages(
        lambda c, path: answer(
            b'[{"size":1e99999,"name":' + b"9" * 9000 + b"}]", kind="application/json"
        )
    ),
    SPEAKS,
)
SITE.only(
    "mirror",
    "says 200 and the same page to everything",
    pages(lambda c, path: answer(b"<html>all is well</html>")),
    SPEAKS,
)
SITE.only(
    "echoing mirror",
    "says 200 to everything, with the path in the page",
    pages(lambda c, path: answer(f"<html>you want {path}</html>".encode())),
    SPEAKS,
)
SITE.only(
    "data in a refusal",
    "a listing with status 401",
    pages(lambda c, path: listing("a.eml").replace(b"200 OK", b"401 No", 1)),
    Access.ASKS_CREDENTIAL,
)
SITE.add(
    "many links",
    "a listing of 60,000 names",
    pages(lambda c, path: listing(*(f"f{n}" for n in range(60_000))) if path == "/" else NOT_FOUND),
    *OPEN,
)
SITE.add(
    "half a link",
    "a listing in one tag",
    pages(lambda c, path: answer(b"<title>Index of /</title>" + b"<a href=x " * 90_000)),
    SPEAKS,
)


@SITE.kind("crawler trap", "every folder holds a folder more", *OPEN, SPEAKS)
def crawler_trap(client: Client) -> None:
    while True:
        path = client.path()
        if "leftopen-" in path:
            client.say(NOT_FOUND)
        else:
            client.say(listing("../", f"{len(path)}/", "a/") if path.endswith("/") else NOT_FOUND)


@SITE.kind("nasty names", "a real listing with names that attack whoever shows them", *OPEN)
def nasty_names(client: Client) -> None:
    names = (
        "../../../etc/passwd", "%2e%2e/%2e%2e/x", "%1b[2J.txt", "%0d%0aX:%20y", "%00.eml",
        "&lt;script&gt;.html", "=cmd()", "%E2%80%AEgpj.exe", "a" * 5000, "http:x", "%ff%fe",
        f"http://{client.elsewhere}/a.eml", f"//{client.elsewhere}/b/", "C:\\x", "ok.eml",
    )  # fmt: skip
    while True:
        path = client.path()
        if path == "/":
            client.say(listing(*names))
        elif path == "/ok.eml":
            client.say(answer(b"From: a@example.org\r\n\r\nhi\r\n", kind="message/rfc822"))
        else:
            client.say(NOT_FOUND)


@SITE.kind("redirecting file", "a listing whose files are elsewhere", *OPEN)
def redirecting_file(client: Client) -> None:
    while True:
        path = client.path()
        away = {"Location": f"http://{client.elsewhere}{path}"}
        found = path in ("/a.eml", "/b.eml")
        client.say(
            listing("a.eml", "b.eml")
            if path == "/"
            else answer(b"", "302 Found", more=away)
            if found
            else NOT_FOUND
        )


@SITE.kind("bomb in a listing", "a file of 32 MiB that is sent as 32 KiB", *OPEN)
def bomb_in_a_listing(client: Client) -> None:
    while True:
        path = client.path()
        packed = answer(bomb(1), more={"Content-Encoding": "gzip"})
        client.say(listing("a.txt") if path == "/" else packed if path == "/a.txt" else NOT_FOUND)


@SITE.kind("endless file", "a listing whose file never ends", *OPEN)
def endless_file(client: Client) -> None:
    while True:
        path = client.path()
        if path == "/a.txt":
            client.say(HEAD + b"\r\n")
            client.flood(b"x" * 65_536)
        client.say(listing("a.txt") if path == "/" else NOT_FOUND)


@SITE.kind("stuck file", "a listing whose file is announced and never comes", *OPEN)
def stuck_file(client: Client) -> None:
    while True:
        path = client.path()
        if path == "/a.txt":
            client.say(HEAD + b"Content-Length: 99\r\n\r\n")
            client.wait()
        client.say(listing("a.txt") if path == "/" else NOT_FOUND)


def _write_bait(client: Client) -> None:
    while True:
        words = client.head().decode("latin-1").split()
        if len(words) != 3:
            return
        client.heard.append(words[0])
        allow = {"Allow": "GET, PUT, DELETE, POST, MOVE"}
        form = b"<form method=post action=/upload><input type=file></form>"
        page = listing("a.txt").replace(b"<pre>", form + b"<pre>")
        body = page.split(b"\r\n\r\n", 1)[1] if words[1] == "/" else b"x"
        status = "200 OK" if words[1] in ("/", "/a.txt") else "404 Not Found"
        client.say(answer(b"" if words[0] == "HEAD" else body, status, more=allow))


SITE.only("write bait", "offers PUT, DELETE and a form, and writes down verbs", _write_bait, *OPEN)

SITE.only(
    "WebDAV in name",
    "says DAV, and answers PROPFIND with the listing that GET gives",
    pages(lambda c, path: listing("a.txt").replace(b"\r\n\r\n", b"\r\nDAV: 1, 2\r\n\r\n", 1)),
    SPEAKS,
    Access.MISBEHAVES,
    *OPEN,
)

ES = {"hint": "elasticsearch"}
BANNER = {
    "name": "n",
    "cluster_name": "c",
    "version": {"number": "7.10.2"},
    "tagline": "You Know, for Search",
}


def _json(value: object) -> bytes:
    return answer(json.dumps(value).encode(), kind="application/json")


def _elasticsearch(search: Callable[[Client, str], bytes], indices: object) -> Serve:
    def reply(client: Client, path: str) -> bytes:
        if path == "/":
            return _json(BANNER)
        if path.startswith("/_nodes"):
            nodes = {"x": {"http": {"publish_address": client.elsewhere}}}
            return _json({"nodes": nodes})
        if path.startswith("/_cat"):
            return _json(indices)
        return NOT_FOUND if "leftopen-" in path.split("?")[0] else search(client, path)

    return pages(reply)


def _hits(client: Client, path: str) -> bytes:
    client.heard.append(path)
    hits = [{"_index": "i", "_id": str(n), "_source": {"a": n}} for n in range(1000)]
    return _json({"hits": {"total": {"value": 10**18}, "hits": hits}})


INDEX = [{"index": "i", "docs.count": "999999999999999999", "store.size": "1"}]
SITE.only(
    "ES endless pages", "every page of documents is full", _elasticsearch(_hits, INDEX), *OPEN, **ES
)
SITE.only(
    "ES many indices",
    "100,000 indices",
    _elasticsearch(_hits, [{"index": f"i{n}", "docs.count": "1"} for n in range(20_000)]),
    *OPEN,
    Access.MISBEHAVES,
    **ES,
)
SITE.add(
    "ES wrong types",
    "indices that are numbers",
    _elasticsearch(_hits, [{"index": 1, "docs.count": {}}]),
    Access.UNDETERMINED,
    **ES,
)
SITE.add(
    "ES deep document",
    "a document of 50,000 brackets",
    _elasticsearch(
        lambda c, path: answer(b'{"hits":{"hits":' + b"[" * 50_000, kind="application/json"), INDEX
    ),
    Access.LISTS,
    **ES,
)

S3 = {"hint": "s3", "store": "s3"}
_XML = b'<?xml version="1.0"?>'
_BUCKET = _XML + (
    b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
    b"<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>%s"
    b"</ListBucketResult>"
)


def _xml(body: bytes) -> bytes:
    return answer(body, kind="application/xml")


def _s3_pages(same: bool) -> Serve:
    def reply(client: Client, path: str) -> bytes:
        if "list-type" not in path and path.rstrip("/") != "/bucket":
            return answer(b"x")
        client.heard.append(path)
        at = 0 if same else len(client.heard)
        keys = b"".join(
            b"<Contents><Key>k%d-%d</Key><Size>1</Size></Contents>" % (at, n) for n in range(100)
        )
        return _xml(_BUCKET % (b"t%d" % at, keys))

    return pages(reply)


SITE.add("S3 endless pages", "a new token with every page", _s3_pages(False), *OPEN, **S3)
SITE.add("S3 the same page", "the same token with every page", _s3_pages(True), *OPEN, **S3)
SITE.add(
    "XML bomb",
    "entities of entities, and one from elsewhere",
    pages(
        lambda c, path: _xml(
            _XML
            + b"<!DOCTYPE x [<!ENTITY a '" + b"x" * 1000 + b"'><!ENTITY b '" + b"&a;" * 1000
            + b"'><!ENTITY c '" + b"&b;" * 1000
            + b"'><!ENTITY d SYSTEM 'http://%s/x'>]>" % c.elsewhere.encode()
            + b"<ListBucketResult><Contents><Key>&c;&d;</Key></Contents></ListBucketResult>"
        )
    ),
    SPEAKS,  # whatever it is, it is no bucket
    **S3,
)  # fmt: skip
SITE.add(
    "S3 cut list",
    "a list that ends in a tag",
    pages(lambda c, path: _xml(_BUCKET[:150])),
    SPEAKS,
    **S3,
)
