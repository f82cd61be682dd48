"""HTTP itself: bodies, heads and codings that no sane server sends."""

from __future__ import annotations

import gzip
import io
import zlib
from functools import cache

from hostile.kind import Client, Family, Serve
from leftopen.model.exposure import Access
from reaching import answer

HTTP = Family("http", hint="http")
SPEAKS = Access.SPEAKS

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def after(*parts: bytes, flood: bytes = b"") -> Serve:
    """Hear a request, say these, and flood with that or wait."""

    def serve(client: Client) -> None:
        client.path()
        for part in parts:
            client.say(part)
        client.flood(flood) if flood else client.wait()

    return serve


def once(data: bytes) -> Serve:
    """Hear a request, say this and hang up."""

    def serve(client: Client) -> None:
        client.path()
        client.say(data)

    return serve


@cache
def bomb(layers: int) -> bytes:
    """So many layers of gzip around 32 MiB of zeros."""
    data = bytes(1 << 25)
    for _ in range(layers):
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
            stream.write(data)
        data = packed.getvalue()
    return data


def encoded(layers: int, name: str) -> Serve:
    return lambda c: after(answer(bomb(layers), more={"Content-Encoding": name}))(c)


HTTP.add("endless chunks", "chunks of a byte for ever", after(CHUNKED, flood=b"1\r\nx\r\n" * 9000))
HTTP.add(
    "big chunks",
    "chunks of 64 KiB for ever",
    after(CHUNKED, flood=b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
)
HTTP.add("lying chunk", "a chunk of 2^80 bytes", after(CHUNKED + b"ffffffffffffffffffff\r\nx"))
HTTP.add("broken chunk", "a chunk size that is no number", after(CHUNKED + b"-1\r\nx\r\n"))
HTTP.add("short chunk", "hangs up in a chunk", once(CHUNKED + b"400\r\nx"))
HTTP.add(
    "long extension", "a chunk extension for ever", after(CHUNKED + b"1;", flood=b"y" * 65_536)
)
HTTP.add(
    "endless trailer", "trailers for ever", after(CHUNKED + b"0\r\n", flood=b"X: y\r\n" * 9000)
)
HTTP.add("header flood", "fields for ever", after(HEAD, flood=b"X: y\r\n" * 9000))
HTTP.add("endless header", "one field for ever", after(HEAD + b"X: ", flood=b"y" * 65_536))
COOKIES = once(HEAD + b"Set-Cookie: a=b\r\n" * 5000 + b"\r\n")
HTTP.add("many cookies", "5,000 cookies", COOKIES, SPEAKS)
HTTP.add(
    "endless 100", "says Continue for ever", after(flood=b"HTTP/1.1 100 Continue\r\n\r\n" * 99)
)
HTTP.add("endless body", "a body for ever", after(HEAD + b"\r\n", flood=b"x" * 65_536))
HTTP.add(
    "3 TB",
    "a Content-Length of 3 TB, and it means it",
    after(HEAD + b"Content-Length: 3000000000000\r\n\r\n", flood=b"x" * 65_536),
)
HTTP.add("short body", "fewer bytes than announced", once(HEAD + b"Content-Length: 900\r\n\r\nx"))
HTTP.add("negative length", "a length of -1", once(HEAD + b"Content-Length: -1\r\n\r\nx"))
HTTP.add(
    "two lengths",
    "two lengths that differ (RFC 9112 6.3)",
    once(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy"),
)
HTTP.add("101", "switches protocols unasked", after(b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n"))
HTTP.add("HTTP/0.9", "a page without a head", once(b"<html>old</html>"), SPEAKS)
for number, line in enumerate(
    (
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 -20 OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 \x00\x1b[2J\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
        b"HTTP/",
    ),
    1,
):
    also = (SPEAKS,) if line.startswith(b"HTTP/9.9") else ()
    HTTP.add(f"broken head {number}", f"a head that begins {line[:24]!r}", once(line), *also)
HTTP.add("gzip bomb", "32 MiB of zeros as 32 KiB, unasked", encoded(1, "gzip"), SPEAKS)
HTTP.add("gzip in gzip", "three layers of it", encoded(3, "gzip"), SPEAKS)
HTTP.add("gzip of many names", "three codings at once", encoded(3, "gzip, gzip, gzip"), SPEAKS)
HTTP.add(
    "no gzip",
    "says gzip and is not",
    once(answer(b"plain", more={"Content-Encoding": "gzip"})),
)
HTTP.add(
    "cut deflate",
    "a deflated body that ends early",
    once(answer(zlib.compress(bytes(9000))[:20], more={"Content-Encoding": "deflate"})),
    SPEAKS,
)


@HTTP.kind("slow head", "a head at a byte each 100 ms")
def slow_head(client: Client) -> None:
    client.path()
    client.slowly(HEAD, 0.1)
